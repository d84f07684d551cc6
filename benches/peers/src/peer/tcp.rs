//! TCP as it is, without protection.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use socket2::{Domain, Socket, Type};

use super::{Peer, blocking};
use crate::child::Desk;
use crate::datagrams::ANY_PORT;
use crate::job::{Job, SOCKET_BUFFER_BYTES, Target, Traffic};

/// Plain TCP.
pub struct Tcp;

impl Peer for Tcp {
    fn settings(&self, _: &Job) -> String {
        "no protection, blocking calls, TCP_NODELAY, the kernel's CUBIC".to_owned()
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let listener = listen()?;
        desk.ready(&Target {
            address: listener.local_addr()?,
            identity: String::new(),
        });
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = accepted(stream?)?;
            desk.connected();
            if desk.job.traffic.is_flow() {
                blocking::carry(&mut stream, &mut *desk.app(), desk.job.traffic.style())?;
            } else if matches!(desk.job.traffic, Traffic::Idle { .. }) {
                kept.push(stream);
            }
        }
        Ok(())
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        match desk.job.traffic {
            Traffic::Handshakes { .. } => loop {
                let _ = open(target.address)?;
                desk.connected();
            },
            Traffic::Idle { connections } => {
                let mut kept = Vec::with_capacity(connections);
                for _ in 0..connections {
                    kept.push(open(target.address)?);
                    desk.connected();
                }
                thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
            _ => {
                let mut stream = open(target.address)?;
                desk.connected();
                blocking::carry(&mut stream, &mut *desk.app(), desk.job.traffic.style())
            }
        }
    }
}

/// A listener whose connections have the buffers that all have.
pub(super) fn listen() -> Result<TcpListener> {
    let socket = socket()?;
    socket.bind(&ANY_PORT.into())?;
    socket.listen(4096)?;
    Ok(socket.into())
}

/// What every accepted connection is set to.
pub(super) fn accepted(stream: TcpStream) -> Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A connection.
pub(super) fn open(address: SocketAddr) -> Result<TcpStream> {
    let socket = socket()?;
    socket.connect(&address.into())?;
    accepted(socket.into())
}

fn socket() -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    Ok(socket)
}

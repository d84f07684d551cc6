//! TCP with TLS 1.3 by rustls.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

use super::{Peer, blocking, pki, tcp};
use crate::child::Desk;
use crate::job::{Job, Target, Traffic};

/// TCP + TLS 1.3.
pub struct TcpTls;

impl Peer for TcpTls {
    fn settings(&self, _: &Job) -> String {
        let tls = pki::SETTINGS;
        format!("rustls, {tls}, blocking calls, TCP_NODELAY, the kernel's CUBIC")
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let identity = pki::Identity::generate()?;
        let config = Arc::new(identity.server_config()?);
        let listener = tcp::listen()?;
        desk.ready(&Target {
            address: listener.local_addr()?,
            identity: identity.to_hex(),
        });
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = accept(tcp::accepted(stream?)?, &config) else {
                // A client that is content with its half of the handshake may be gone already.
                continue;
            };
            desk.connected();
            if matches!(desk.job.traffic, Traffic::Idle { .. }) {
                kept.push(stream);
            } else {
                let style = desk.job.traffic.style();
                let end = blocking::carry(&mut stream, &mut *desk.app(), style);
                if desk.job.traffic.is_flow() {
                    end?;
                }
            }
        }
        Ok(())
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let resumed = matches!(desk.job.traffic, Traffic::Handshakes { resumed: true });
        let config = Arc::new(pki::client_config(&target.identity, resumed)?);
        match desk.job.traffic {
            Traffic::Handshakes { resumed } => loop {
                let mut stream = open(target, &config)?;
                if resumed {
                    greet(&mut stream)?;
                }
                desk.connected();
            },
            Traffic::Idle { connections } => {
                let mut kept = Vec::with_capacity(connections);
                for _ in 0..connections {
                    kept.push(open(target, &config)?);
                    desk.connected();
                }
                thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
            _ => {
                let mut stream = open(target, &config)?;
                desk.connected();
                blocking::carry(&mut stream, &mut *desk.app(), desk.job.traffic.style())
            }
        }
    }
}

fn accept(
    mut stream: TcpStream,
    config: &Arc<ServerConfig>,
) -> Result<StreamOwned<ServerConnection, TcpStream>> {
    let mut connection = ServerConnection::new(Arc::clone(config))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

fn open(
    target: &Target,
    config: &Arc<ClientConfig>,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = tcp::open(target.address)?;
    let name = ServerName::try_from(pki::NAME)?;
    let mut connection = ClientConnection::new(Arc::clone(config), name)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// A message there and back, by which time tickets are here.
fn greet(stream: &mut (impl Read + Write)) -> io::Result<()> {
    let mut framed = Vec::new();
    crate::framing::frame(&[0; 64], &mut framed);
    stream.write_all(&framed)?;
    stream.read_exact(&mut framed)
}

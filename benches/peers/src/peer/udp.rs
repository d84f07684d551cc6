//! UDP and mio, a datagram per call: what a round trip costs at least.

use std::net::SocketAddr;

use anyhow::Result;

use super::Peer;
use crate::app::{App, Say};
use crate::child::Desk;
use crate::clock;
use crate::datagrams::{ANY_PORT, Polled};
use crate::job::{Job, SOCKET_BUFFER_BYTES, Target};

/// Bare datagrams.
pub struct Udp;

impl Peer for Udp {
    fn settings(&self, _: &Job) -> String {
        "no protection, a datagram per call; nothing is repeated".to_owned()
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let socket = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        desk.ready(&Target {
            address: socket.socket.local_addr()?,
            identity: String::new(),
        });
        run(socket, &mut *desk.app(), None)
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let socket = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        desk.connected();
        run(socket, &mut *desk.app(), Some(target.address))
    }
}

fn run(mut socket: Polled, app: &mut dyn App, mut remote: Option<SocketAddr>) -> Result<()> {
    loop {
        let next = match (app.say(), remote) {
            (Say::Now(data), Some(remote)) => {
                // A stream's piece may be longer than a datagram.
                let data = &data[..data.len().min(1452)];
                socket.send(remote, data, data.len())?;
                app.said();
                continue;
            }
            (Say::At(ns), _) => Some(clock::until(ns)),
            _ => None,
        };
        socket.wait(next)?;
        while socket.socket.receive(|train| {
            remote.get_or_insert(train.from);
            for datagram in train.data.chunks(train.stride) {
                app.hear(datagram);
            }
        })? {}
    }
}

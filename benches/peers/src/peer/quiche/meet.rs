//! Connections made and closed one after the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use quiche::{Config, Connection, ConnectionId, Header, RecvInfo, Type};

use super::pki;
use crate::child::Desk;
use crate::datagrams::Polled;

/// The length of the ids that both ends choose.
const ID_BYTES: usize = 16;

/// What is larger than every packet of a handshake.
const PACKET_BYTES: usize = 1500;

/// Takes every connection, and forgets it when its client has closed it.
pub(super) fn serve(mut polled: Polled, mut config: Config, desk: &Desk) -> Result<()> {
    let local = polled.socket.local_addr()?;
    let mut meetings: BTreeMap<Vec<u8>, Meeting> = BTreeMap::new();
    let mut number = 0;
    loop {
        let timeouts = meetings.values().filter_map(|m| m.connection.timeout());
        polled.wait(timeouts.min())?;
        for (from, mut data) in receive(&mut polled)? {
            let Ok(header) = Header::from_slice(&mut data, ID_BYTES) else {
                continue;
            };
            // A client knows our id from our first answer on; until then it goes by its own choice.
            let key = if meetings.contains_key(&*header.dcid) {
                header.dcid.to_vec()
            } else if let Some(key) = begun(&meetings, &header.dcid) {
                key
            } else if header.ty == Type::Initial {
                number += 1;
                let id = id(b's', number);
                let connection = quiche::accept(&id, None, local, from, &mut config)?;
                let meeting = Meeting {
                    connection,
                    chosen: header.dcid.to_vec(),
                    told: false,
                };
                meetings.insert(id.to_vec(), meeting);
                id.to_vec()
            } else {
                continue;
            };
            if let Some(meeting) = meetings.get_mut(&key) {
                let _ = meeting
                    .connection
                    .recv(&mut data, RecvInfo { from, to: local });
            }
        }
        for meeting in meetings.values_mut() {
            let connection = &mut meeting.connection;
            if connection.timeout() == Some(Duration::ZERO) {
                connection.on_timeout();
            }
            send(&mut polled, connection)?;
            if connection.is_established() && !meeting.told {
                meeting.told = true;
                desk.connected();
            }
        }
        meetings.retain(|_, m| !m.connection.is_draining() && !m.connection.is_closed());
    }
}

/// A connection at the server.
struct Meeting {
    connection: Connection,
    /// The id that the client sent its first packets to.
    chosen: Vec<u8>,
    told: bool,
}

fn begun(meetings: &BTreeMap<Vec<u8>, Meeting>, chosen: &[u8]) -> Option<Vec<u8>> {
    let mut meetings = meetings.iter();
    let found = meetings.find(|(_, meeting)| meeting.chosen == chosen);
    found.map(|(id, _)| id.clone())
}

/// One connection after the other, from one socket.
pub(super) fn connect(
    mut polled: Polled,
    mut config: Config,
    desk: &Desk,
    server: SocketAddr,
) -> Result<()> {
    let local = polled.socket.local_addr()?;
    for number in 1.. {
        let id = id(b'c', number);
        let mut connection = quiche::connect(Some(pki::NAME), &id, local, server, &mut config)?;
        while !connection.is_established() {
            send(&mut polled, &mut connection)?;
            polled.wait(connection.timeout())?;
            if connection.timeout() == Some(Duration::ZERO) {
                connection.on_timeout();
            }
            for (from, mut data) in receive(&mut polled)? {
                // What the server still says on the connection before does not decrypt.
                let _ = connection.recv(&mut data, RecvInfo { from, to: local });
            }
            ensure!(!connection.is_closed(), "a handshake has failed");
        }
        desk.connected();
        // The last of the handshake, then the end.
        send(&mut polled, &mut connection)?;
        connection.close(true, 0, b"")?;
        send(&mut polled, &mut connection)?;
    }
    bail!("there are no more numbers")
}

fn id(end: u8, number: u64) -> ConnectionId<'static> {
    let mut id = vec![end; ID_BYTES];
    id[ID_BYTES - 8..].copy_from_slice(&number.to_be_bytes());
    ConnectionId::from_vec(id)
}

/// Datagrams that have arrived, and from where.
fn receive(polled: &mut Polled) -> Result<Vec<(SocketAddr, Vec<u8>)>> {
    let mut datagrams = Vec::new();
    while polled.socket.receive(|train| {
        let data = train.data.chunks(train.stride);
        datagrams.extend(data.map(|datagram| (train.from, datagram.to_vec())));
    })? {}
    Ok(datagrams)
}

/// Sends what there is to send.
fn send(polled: &mut Polled, connection: &mut Connection) -> Result<()> {
    let mut packet = [0; PACKET_BYTES];
    loop {
        match connection.send(&mut packet) {
            Ok((length, info)) => polled.send(info.to, &packet[..length], length)?,
            Err(quiche::Error::Done) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

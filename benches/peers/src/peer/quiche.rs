//! quiche, in a loop of one thread, with segmentation offload both ways.

mod meet;

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{env, fs, process};

use anyhow::{Context, Result, bail};
use quiche::{CongestionControlAlgorithm, Connection, ConnectionId, RecvInfo};

use super::{Peer, pki};
use crate::app::{App, Say};
use crate::child::Desk;
use crate::clock;
use crate::datagrams::{ANY_PORT, Polled};
use crate::framing::{Deframer, frame};
use crate::job::{ETHERNET_BYTES, Job, Packets, SOCKET_BUFFER_BYTES, Style, Target};

/// What may be under way: more than any path here holds.
const WINDOW_BYTES: u64 = 16 << 20;

/// The largest packet where the path's size is discovered.
const JUMBO_BYTES: usize = 65_507;

/// What one call sends at most, in bytes and in packets.
const BATCH_BYTES: usize = 65_000;

/// Packets that may go within this time go now.
const TICK: Duration = Duration::from_micros(100);

/// The client's first stream.
const STREAM: u64 = 0;

/// quiche with one of its controllers.
pub enum Quiche {
    /// With CUBIC, its default.
    Cubic,
    /// With BBR2.
    Bbr2,
}

impl Peer for Quiche {
    fn settings(&self, job: &Job) -> String {
        let controller = match self {
            Self::Cubic => "CUBIC",
            Self::Bbr2 => "BBR2",
        };
        let packets = match job.packets {
            Packets::Ethernet => format!("packets of {ETHERNET_BYTES} bytes"),
            Packets::Discovered => format!("MTU discovery up to {JUMBO_BYTES}"),
        };
        format!(
            "{controller}, paced, windows of 16 MiB, {packets}, GSO and GRO, one thread, BoringSSL's default policy"
        )
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let identity = pki::Identity::generate()?;
        let mut config = self.config(&desk.job)?;
        with_file(&identity.to_pem(), |path| {
            config.load_cert_chain_from_pem_file(path)
        })?;
        with_file(&identity.key_to_pem(), |path| {
            config.load_priv_key_from_pem_file(path)
        })?;
        let mut polled = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        let local = polled.socket.local_addr()?;
        desk.ready(&Target {
            address: local,
            identity: identity.to_pem(),
        });
        if !desk.job.traffic.is_flow() {
            return meet::serve(polled, config, desk);
        }
        // The first datagram makes the connection.
        let mut first: Option<(SocketAddr, Vec<u8>)> = None;
        while first.is_none() {
            polled.wait(None)?;
            polled.socket.receive(|train| {
                let data = &train.data[..train.stride.min(train.data.len())];
                first.get_or_insert((train.from, data.to_vec()));
            })?;
        }
        let (remote, mut data) = first.context("a first datagram")?;
        let connection = quiche::accept(&connection_id(2), None, local, remote, &mut config)?;
        let mut ends = Loop::new(polled, connection, desk, local);
        ends.take(remote, &mut data);
        ends.run(desk)
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let mut config = self.config(&desk.job)?;
        config.verify_peer(true);
        with_file(&target.identity, |path| {
            config.load_verify_locations_from_file(path)
        })?;
        let polled = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        let local = polled.socket.local_addr()?;
        if !desk.job.traffic.is_flow() {
            return meet::connect(polled, config, desk, target.address);
        }
        let id = connection_id(1);
        let connection = quiche::connect(Some(pki::NAME), &id, local, target.address, &mut config)?;
        Loop::new(polled, connection, desk, local).run(desk)
    }
}

impl Quiche {
    fn config(&self, job: &Job) -> Result<quiche::Config> {
        let mut config = quiche::Config::new(quiche::PROTOCOL_VERSION)?;
        config.set_application_protos(&[pki::ALPN])?;
        config.set_cc_algorithm(match self {
            Self::Cubic => CongestionControlAlgorithm::CUBIC,
            Self::Bbr2 => CongestionControlAlgorithm::Bbr2Gcongestion,
        });
        let packet_bytes = match job.packets {
            Packets::Ethernet => usize::from(ETHERNET_BYTES),
            Packets::Discovered => JUMBO_BYTES,
        };
        config.discover_pmtu(job.packets == Packets::Discovered);
        config.set_max_recv_udp_payload_size(packet_bytes.max(1472));
        config.set_max_send_udp_payload_size(packet_bytes);
        config.set_initial_max_data(WINDOW_BYTES);
        config.set_initial_max_stream_data_bidi_local(WINDOW_BYTES);
        config.set_initial_max_stream_data_bidi_remote(WINDOW_BYTES);
        config.set_max_connection_window(WINDOW_BYTES);
        config.set_max_stream_window(WINDOW_BYTES);
        config.set_initial_max_streams_bidi(1);
        Ok(config)
    }
}

/// quiche reads certificates and keys from files.
fn with_file<T>(text: &str, read: impl FnOnce(&str) -> quiche::Result<T>) -> Result<T> {
    let path = env::temp_dir().join(format!("peers-{}.pem", process::id()));
    fs::write(&path, text)?;
    let result = read(path.to_str().context("a path")?);
    fs::remove_file(&path)?;
    Ok(result?)
}

fn connection_id(end: u8) -> ConnectionId<'static> {
    ConnectionId::from_vec(vec![end; 16])
}

/// One end.
struct Loop {
    polled: Polled,
    connection: Connection,
    app: Box<dyn App>,
    style: Style,
    local: SocketAddr,
    told: bool,
    /// What is to be said next with its frame, and how much of it has been taken in.
    saying: Vec<u8>,
    taken: usize,
    deframer: Deframer,
    buffer: Vec<u8>,
    outbox: Outbox,
}

/// Packets that are built and may not go before a time.
#[derive(Default)]
struct Outbox {
    batch: Vec<u8>,
    segment: usize,
    to: Option<SocketAddr>,
    at: Option<Instant>,
}

impl Loop {
    fn new(polled: Polled, connection: Connection, desk: &Desk, local: SocketAddr) -> Self {
        Self {
            polled,
            connection,
            app: desk.app(),
            style: desk.job.traffic.style(),
            local,
            told: false,
            saying: Vec::new(),
            taken: 0,
            deframer: Deframer::default(),
            buffer: vec![0; 64 << 10],
            outbox: Outbox::default(),
        }
    }

    fn run(mut self, desk: &Desk) -> Result<()> {
        loop {
            if self.connection.is_closed() {
                bail!("closed: {:?}", self.connection.peer_error());
            }
            let mut next = None;
            if self.connection.is_established() {
                if !self.told {
                    self.told = true;
                    desk.connected();
                }
                self.listen()?;
                next = self.speak()?.map(clock::until);
            }
            let paced = self.send()?;
            let waits = [self.connection.timeout(), next, paced];
            self.polled.wait(waits.into_iter().flatten().min())?;
            if self.connection.timeout() == Some(Duration::ZERO) {
                self.connection.on_timeout();
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<()> {
        let (connection, local) = (&mut self.connection, self.local);
        loop {
            let more = self.polled.socket.receive(|train| {
                for datagram in train.data.chunks_mut(train.stride) {
                    let info = RecvInfo {
                        from: train.from,
                        to: local,
                    };
                    let _ = connection.recv(datagram, info);
                }
            })?;
            if !more {
                return Ok(());
            }
        }
    }

    fn take(&mut self, from: SocketAddr, datagram: &mut [u8]) {
        let to = self.local;
        let _ = self.connection.recv(datagram, RecvInfo { from, to });
    }

    fn listen(&mut self) -> Result<()> {
        while self.connection.stream_readable(STREAM) {
            let length = match self.connection.stream_recv(STREAM, &mut self.buffer) {
                Ok((length, _)) => length,
                Err(quiche::Error::Done) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let (data, app) = (&self.buffer[..length], &mut self.app);
            match self.style {
                Style::Bytes => app.hear(data),
                Style::Messages => self.deframer.push(data, |message| app.hear(message)),
            }
        }
        Ok(())
    }

    /// Hands over what is to be said. Returns when there will be more.
    fn speak(&mut self) -> Result<Option<u64>> {
        loop {
            let said = match self.app.say() {
                Say::Now(data) => data,
                Say::At(ns) => return Ok(Some(ns)),
                Say::Later => return Ok(None),
            };
            let data = match self.style {
                Style::Bytes => said,
                Style::Messages => {
                    if self.saying.is_empty() {
                        frame(said, &mut self.saying);
                    }
                    &self.saying
                }
            };
            match self
                .connection
                .stream_send(STREAM, &data[self.taken..], false)
            {
                Ok(taken) => self.taken += taken,
                Err(quiche::Error::Done) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
            if self.taken < data.len() {
                return Ok(None);
            }
            self.taken = 0;
            self.saying.clear();
            self.app.said();
        }
    }

    /// Sends what may go now. Returns how long the rest has to wait.
    fn send(&mut self) -> Result<Option<Duration>> {
        loop {
            if self.outbox.batch.is_empty() && !self.fill()? {
                return Ok(None);
            }
            let at = self.outbox.at;
            let wait = at.map(|at| at.saturating_duration_since(Instant::now()));
            if let Some(wait) = wait.filter(|wait| *wait > TICK) {
                return Ok(Some(wait));
            }
            let to = self.outbox.to.context("no address")?;
            self.polled
                .send(to, &self.outbox.batch, self.outbox.segment)?;
            self.outbox.batch.clear();
        }
    }

    /// Builds a batch of equal packets, as much as the pacer gives at a time; `false` if there is
    /// nothing to send.
    fn fill(&mut self) -> Result<bool> {
        let most = self.connection.send_quantum().clamp(1, BATCH_BYTES);
        let segments = self.polled.socket.segments_max();
        for count in 0..segments {
            let start = self.outbox.batch.len();
            let room = self.connection.max_send_udp_payload_size();
            if count > 0 && start + room > most {
                break;
            }
            self.outbox.batch.resize(start + room, 0);
            match self.connection.send(&mut self.outbox.batch[start..]) {
                Ok((length, info)) => {
                    self.outbox.batch.truncate(start + length);
                    if count == 0 {
                        self.outbox.segment = length;
                        (self.outbox.to, self.outbox.at) = (Some(info.to), Some(info.at));
                    }
                    if length != self.outbox.segment {
                        break;
                    }
                }
                Err(quiche::Error::Done) => {
                    self.outbox.batch.truncate(start);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(!self.outbox.batch.is_empty())
    }
}

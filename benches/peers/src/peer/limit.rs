//! What the machine can do at most: UDP with GSO and GRO, AES-256-GCM on both sides, and nothing
//! else: no acknowledgement, no recovery, no congestion control. What is lost is not counted.

use std::net::SocketAddr;

use anyhow::{Context, Result, anyhow};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::Peer;
use crate::app::{App, Say};
use crate::child::Desk;
use crate::clock;
use crate::datagrams::{ANY_PORT, Polled};
use crate::job::{ETHERNET_BYTES, Job, Packets, SOCKET_BUFFER_BYTES, Style, Target, Traffic};

/// Both ends know it: there is no handshake.
const KEY: [u8; 32] = [7; 32];

/// The packet number in front, and the tag behind.
const NUMBER: usize = 8;
const TAG: usize = 16;
/// As much as a short header with a connection id needs besides the number.
const HEADER: usize = NUMBER + 12;

/// What one call sends at most.
const BATCH_BYTES: usize = 65_000;

/// Jumbo packets where the path takes them: measured to be the best of all sizes.
const JUMBO_BYTES: usize = 8192;

/// The bare sealing loop.
pub struct Limit;

impl Peer for Limit {
    fn settings(&self, job: &Job) -> String {
        let bytes = packet_bytes(job);
        let pace = if job.link.is_some_and(|link| link.rate_bps > 0) {
            ", sent at the link's rate"
        } else {
            ""
        };
        format!("packets of {bytes} bytes, GSO and GRO, AES-256-GCM{pace}; nothing is repeated")
    }

    fn serve(&self, desk: &Desk) -> Result<()> {
        let socket = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        desk.ready(&Target {
            address: socket.socket.local_addr()?,
            identity: String::new(),
        });
        Loop::new(socket, desk, None)?.run()
    }

    fn connect(&self, desk: &Desk, target: &Target) -> Result<()> {
        let socket = Polled::bind(ANY_PORT, SOCKET_BUFFER_BYTES)?;
        desk.connected();
        Loop::new(socket, desk, Some(target.address))?.run()
    }
}

fn packet_bytes(job: &Job) -> usize {
    let most = match job.packets {
        Packets::Discovered if job.link.is_none() => JUMBO_BYTES,
        _ => usize::from(ETHERNET_BYTES),
    };
    match job.traffic {
        // As many as fit as a whole, so that all packets of a batch are equal.
        Traffic::Messages { bytes, .. } => {
            let framed = bytes + 2;
            HEADER + (most - HEADER - TAG) / framed * framed + TAG
        }
        _ => most,
    }
}

/// One end.
struct Loop {
    socket: Polled,
    remote: Option<SocketAddr>,
    app: Box<dyn App>,
    style: Style,
    key: LessSafeKey,
    number: u64,
    packet_bytes: usize,
    /// How much of what is to be said next has been sent.
    said: usize,
    batch: Vec<u8>,
    /// Time per packet on a link with a rate, and when the next one may go.
    interval_ns: u64,
    next_ns: u64,
}

impl Loop {
    fn new(socket: Polled, desk: &Desk, remote: Option<SocketAddr>) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &KEY).map_err(|_| anyhow!("the key"))?;
        let packet_bytes = packet_bytes(&desk.job);
        let rate_bps = desk.job.link.map_or(0, |link| link.rate_bps);
        let packet_bits = (packet_bytes as u64 + 28) * 8;
        Ok(Self {
            socket,
            remote,
            app: desk.app(),
            style: desk.job.traffic.style(),
            key: LessSafeKey::new(key),
            number: 0,
            packet_bytes,
            said: 0,
            batch: Vec::with_capacity(BATCH_BYTES),
            interval_ns: (packet_bits * 1_000_000_000)
                .checked_div(rate_bps)
                .unwrap_or(0),
            next_ns: clock::now_ns(),
        })
    }

    fn run(mut self) -> Result<()> {
        loop {
            let next = self.fill()?;
            if !self.batch.is_empty() {
                let remote = self.remote.context("nobody is there")?;
                self.socket.send(remote, &self.batch, self.packet_bytes)?;
                continue;
            }
            self.socket.wait(next.map(clock::until))?;
            while self.listen()? {}
        }
    }

    /// Seals a batch of packets. Returns when there may be more to say.
    fn fill(&mut self) -> Result<Option<u64>> {
        self.batch.clear();
        let packets = (BATCH_BYTES / self.packet_bytes).min(self.socket.socket.segments_max());
        for _ in 0..packets.max(1) {
            if self.interval_ns > 0 && self.next_ns > clock::now_ns() {
                return Ok(Some(self.next_ns));
            }
            let start = self.batch.len();
            self.batch.resize(start + HEADER, 0);
            self.batch[start..start + NUMBER].copy_from_slice(&self.number.to_be_bytes());
            let next = self.fill_packet(start + self.packet_bytes - TAG);
            let body = start + HEADER;
            if self.batch.len() == body {
                self.batch.truncate(start);
                return Ok(next);
            }
            let (header, payload) = self.batch[start..].split_at_mut(HEADER);
            let nonce = nonce(self.number);
            let tag = self
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(header), payload)
                .map_err(|_| anyhow!("sealing"))?;
            self.batch.extend_from_slice(tag.as_ref());
            self.number += 1;
            self.next_ns += self.interval_ns;
            if self.batch.len() - start < self.packet_bytes {
                // Segments are of one length but the last.
                break;
            }
        }
        Ok(None)
    }

    /// Packs what is to be said up to `end`; of messages, as many as fit as a whole.
    fn fill_packet(&mut self, end: usize) -> Option<u64> {
        loop {
            let room = end - self.batch.len();
            let data = match self.app.say() {
                Say::Now(data) => data.get(self.said..).unwrap_or_default(),
                Say::At(ns) => return Some(ns),
                Say::Later => return None,
            };
            match self.style {
                Style::Messages if data.len() + 2 > room => return None,
                Style::Messages => {
                    let length = data.len() as u16;
                    self.batch.extend_from_slice(&length.to_be_bytes());
                    self.batch.extend_from_slice(data);
                    self.app.said();
                }
                Style::Bytes if room == 0 => return None,
                Style::Bytes => {
                    let piece = &data[..room.min(data.len())];
                    self.batch.extend_from_slice(piece);
                    self.said += piece.len();
                    if piece.len() == data.len() {
                        self.said = 0;
                        self.app.said();
                    }
                }
            }
        }
    }

    /// Opens what has arrived; `false` when that was nothing.
    fn listen(&mut self) -> Result<bool> {
        let (remote, key, app, style) = (&mut self.remote, &self.key, &mut self.app, self.style);
        self.socket.socket.receive(|train| {
            remote.get_or_insert(train.from);
            for packet in train.data.chunks_mut(train.stride) {
                let Some((header, body)) = packet.split_at_mut_checked(HEADER) else {
                    continue;
                };
                let number = header.first_chunk().copied().unwrap_or_default();
                let nonce = nonce(u64::from_be_bytes(number));
                if let Ok(plain) = key.open_in_place(nonce, Aad::from(header), body) {
                    hear(&mut **app, style, plain);
                }
            }
        })
    }
}

fn nonce(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - NUMBER..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

fn hear(app: &mut dyn App, style: Style, mut plain: &[u8]) {
    if style == Style::Bytes {
        return app.hear(plain);
    }
    while let Some((length, rest)) = plain.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(message) = rest.get(..length).filter(|_| length > 0) else {
            return;
        };
        app.hear(message);
        plain = &rest[length..];
    }
}

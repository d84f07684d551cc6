#![allow(unreachable_pub, reason = "shared by test programs")]

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use transport::{Ecn, Instant, Machine, Meta, Transmit};

/// A machine that keeps what it hears and says what it is told.
#[derive(Default)]
pub struct Scripted {
    pub heard: Vec<(SocketAddr, Vec<u8>)>,
    /// Which of our addresses it was sent to.
    pub at: Vec<Option<IpAddr>>,
    /// The ECN bits of what was heard.
    pub marks: Vec<Option<Ecn>>,
    pub say: VecDeque<(Transmit, Vec<u8>)>,
    pub due: Option<Instant>,
    pub timeouts: usize,
    pub echo: bool,
    pub may_wait: bool,
}

impl Scripted {
    pub fn say(&mut self, remote: SocketAddr, bytes: Vec<u8>, segment_len: Option<usize>) {
        let transmit = Transmit {
            remote,
            local: None,
            len: bytes.len(),
            segment_len,
            ecn: None,
        };
        self.say.push_back((transmit, bytes));
    }

    /// What was said last is to leave from this address.
    pub fn say_from(&mut self, local: Option<IpAddr>) {
        if let Some((transmit, _)) = self.say.back_mut() {
            transmit.local = local;
        }
    }
}

impl Machine for Scripted {
    fn handle_datagram(&mut self, _: Instant, meta: Meta, datagram: &mut [u8]) {
        self.heard.push((meta.remote, datagram.to_vec()));
        self.marks.push(meta.ecn);
        self.at.push(meta.local);
        if self.echo {
            self.say(meta.remote, datagram.to_vec(), None);
            self.say_from(meta.local);
        }
    }

    fn handle_timeout(&mut self, _: Instant) {
        self.timeouts += 1;
        self.due = None;
    }

    fn poll_transmit(&mut self, _: Instant, _: usize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (transmit, bytes) = self.say.pop_front()?;
        buffer.extend_from_slice(&bytes);
        Some(transmit)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.due
    }

    fn may_wait(&self) -> bool {
        self.may_wait
    }
}

use core::net::SocketAddr;
use std::collections::BTreeMap;

use transport::Instant;

/// Something that must never happen has happened. The seed repeats it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}, {} ns: {kind}", at.as_nanos())]
pub struct Violation {
    /// The world's seed.
    pub seed: u64,
    /// When.
    pub at: Instant,
    /// What.
    pub kind: ViolationKind,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViolationKind {
    /// Machines keep each other busy and time stands still.
    #[error("{0} events without time advancing")]
    Stalled(u64),
    /// A timer is set anew so soon, and with so little effect, that its machine does nothing else.
    #[error("{0} timers of a node within a second, at which nothing was sent")]
    Spinning(u64),
    /// More was sent to an address than whoever is not there could have caused.
    #[error("{from} sent {sent} bytes to {to}, which had sent {received}")]
    Amplified {
        /// Who sent.
        from: SocketAddr,
        /// The address that has not answered anything yet.
        to: SocketAddr,
        /// Bytes sent there.
        sent: u64,
        /// Bytes that came from there.
        received: u64,
    },
    /// A node that is not answered goes on as if it were.
    #[error("{from} spoke {times} times within seconds to {to}, which had long not answered")]
    Insistent {
        /// Who sent.
        from: SocketAddr,
        /// The address that does not answer.
        to: SocketAddr,
        /// How often.
        times: u64,
    },
    /// A datagram holds what must not be readable.
    #[error("a datagram from {from} to {to} holds a canary")]
    Leaked {
        /// Who sent.
        from: SocketAddr,
        /// Where to.
        to: SocketAddr,
    },
    /// Two packets were sealed with one key and nonce.
    #[error("{from} used the number {number} of an Initial again")]
    NumberAgain {
        /// Who sent.
        from: SocketAddr,
        /// The number.
        number: u64,
    },
}

/// How one node stands to one address.
#[derive(Clone, Copy, Debug)]
enum Standing {
    /// The node chose to speak first, or has been answered from there.
    Trusted,
    /// The node has heard from there, and nothing shows that it came from there.
    /// `earned` are the bytes that may be sent there.
    Unvalidated {
        received: u64,
        earned: u64,
        sent: u64,
    },
}

impl Standing {
    /// Nothing has come from there.
    const NEW: Self = Self::Unvalidated {
        received: 0,
        earned: 0,
        sent: 0,
    };
}

/// How many times what a peer says from an address that is new may be sent there, in bytes
/// (docs/PROTOCOL.md §4.9).
const MOVED_MAX: u64 = 3;

/// Watches that nobody is made to flood an address that never asked (RFC 9000 §8).
///
/// An address counts as validated once whoever owns it has received something from the node and has
/// sent something afterwards: then it is really there.
#[derive(Default)]
pub(super) struct Amplification {
    standings: BTreeMap<(SocketAddr, SocketAddr), Standing>,
    /// (who, whom): `who` has received something from `whom`.
    heard: BTreeMap<(SocketAddr, SocketAddr), ()>,
}

impl Amplification {
    /// `node` sends to `remote`, to whom it `may_begin` to speak. Tells whether that is more than it may, and
    /// how much.
    pub(super) fn sent(
        &mut self,
        node: SocketAddr,
        remote: SocketAddr,
        len: usize,
        may_begin: bool,
    ) -> Option<(u64, u64)> {
        let standing = self.standings.entry((node, remote));
        let standing = standing.or_insert(if may_begin {
            Standing::Trusted
        } else {
            Standing::NEW
        });
        let Standing::Unvalidated {
            received,
            earned,
            sent,
        } = standing
        else {
            return None;
        };
        *sent += len as u64;
        (*sent > *earned).then_some((*sent, *received))
    }

    /// Of a sender's addresses, present and past, those at which it has heard from `node`: what it
    /// sends there now shows that it is, or was, at them.
    pub(super) fn proven(&self, addresses: &[SocketAddr], node: SocketAddr) -> Vec<SocketAddr> {
        let heard = |&address: &SocketAddr| self.heard.contains_key(&(address, node));
        addresses.iter().copied().filter(heard).collect()
    }

    /// A node has another address now, and still knows whom it has spoken to.
    pub(super) fn moved(&mut self, before: SocketAddr, now: SocketAddr) {
        let of_it = |(&(node, remote), standing): (&(SocketAddr, SocketAddr), &Standing)| {
            let is_trusted = matches!(standing, Standing::Trusted);
            (node == before && is_trusted).then_some(((now, remote), Standing::Trusted))
        };
        let trusted: Vec<_> = self.standings.iter().filter_map(of_it).collect();
        self.standings.extend(trusted);
    }

    /// `node` receives from `remote`, and may answer `factor` times as much to who is new.
    pub(super) fn received(
        &mut self,
        node: SocketAddr,
        remote: SocketAddr,
        len: usize,
        proven: &[SocketAddr],
        factor: u64,
    ) {
        for &address in proven {
            let standing = self.standings.entry((node, address));
            standing.insert_entry(Standing::Trusted);
            // Somebody may have brought a datagram of theirs from an address of his own.
            self.heard.insert((node, address), ());
        }
        self.heard.insert((node, remote), ());
        let standing = self
            .standings
            .entry((node, remote))
            .or_insert(Standing::NEW);
        if let Standing::Unvalidated {
            received, earned, ..
        } = standing
        {
            // Whoever has heard from the node is its peer, and may have moved.
            let factor = if proven.is_empty() {
                factor
            } else {
                factor.max(MOVED_MAX)
            };
            *received += len as u64;
            *earned += (len as u64).saturating_mul(factor);
        }
    }
}

/// Whether a datagram begins with an Initial that has a token.
pub(super) fn brings_token(datagram: &[u8]) -> bool {
    let is_initial = datagram.first().is_some_and(|first| first & 0xf0 == 0xc0);
    // First byte, version, two ids with their lengths, the length of the token.
    let behind = |at: usize| Some(at + 1 + usize::from(*datagram.get(at)?));
    let token = behind(5).and_then(behind).and_then(|at| datagram.get(at));
    is_initial && token.is_some_and(|length| *length > 0)
}

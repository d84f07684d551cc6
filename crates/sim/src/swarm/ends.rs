//! How connections end, and under which faults they may.

use transport::CloseReason;

use super::run::Swarm;
use crate::seeds::Fault;

/// The code of a close by an application during the handshake (docs/PROTOCOL.md §4.6).
const APPLICATION: u64 = 0x0c;

/// A connection that is over.
pub(super) struct Ended {
    /// It was the server's end.
    pub(super) of_server: bool,
    pub(super) reason: CloseReason,
    /// Its handshake was complete at this end.
    was_met: bool,
    /// And at both, as far as anybody has noticed.
    is_established: bool,
}

impl Ended {
    /// Whether somebody without keys may have ended it. Whoever sees a first packet has the keys of all
    /// Initials, and may end a handshake with one, or begin what nobody goes on with (RFC 9000 §21.2). What
    /// is established is none of his.
    fn may_be_forged(&self) -> bool {
        if self.is_established {
            return false;
        }
        match &self.reason {
            CloseReason::HandshakeTimeout | CloseReason::PeerError { .. } => true,
            CloseReason::Handshake(_) | CloseReason::ProtocolError { .. } => !self.was_met,
            // The code that stands for an application's while a handshake is under way.
            CloseReason::Peer { code, .. } => {
                *code == APPLICATION && !self.of_server && !self.was_met
            }
            // Nothing protects a version packet (docs/PROTOCOL.md §2.6).
            CloseReason::VersionMismatch | CloseReason::ChallengeRefused(_) => {
                !self.of_server && !self.was_met
            }
            // He ended the server's half of it.
            CloseReason::StatelessReset | CloseReason::IdleTimeout => {
                !self.of_server && self.was_met
            }
            _ => false,
        }
    }
}

impl Swarm<'_> {
    /// At which node connections have ended since this was asked, and how.
    pub(super) fn take_closed(&mut self) -> Vec<Ended> {
        let (clients, ledger) = (&self.clients, &self.ledger);
        let parties = self.parties.iter_mut().enumerate();
        let closed = parties.flat_map(|(index, party)| {
            let client = index.checked_sub(1).and_then(|index| clients.get(index));
            let number = u32::try_from(index.saturating_sub(1)).unwrap_or(u32::MAX);
            let heard = client.map(|client| ledger.is_heard(number, client.connections));
            let closed = party.closed.drain(..);
            closed.map(move |closed| Ended {
                of_server: index == 0,
                reason: closed.reason,
                was_met: closed.was_met,
                is_established: heard.map_or(closed.was_met, |heard| heard || closed.was_confirmed),
            })
        });
        closed.collect()
    }

    /// Whether a client may be somewhere without the server finding out: it does not know that it has
    /// moved, and says nothing by itself.
    pub(super) fn may_be_mislaid(&self) -> bool {
        let [client, _] = &self.plan.configs;
        self.plan.faults.has(Fault::Rebinding) && client.keep_alive.is_none()
    }

    /// Whether a connection may end like that under the faults that are active.
    pub(super) fn is_excusable(&self, ended: &Ended) -> bool {
        let (reason, of_server) = (&ended.reason, ended.of_server);
        let has = |faults: &[Fault]| faults.iter().any(|&fault| self.plan.faults.has(fault));
        if has(&[Fault::Forgery]) && ended.may_be_forged() {
            return true;
        }
        // A first packet that comes again, or late, begins what nobody goes on with.
        let late = of_server
            && has(&[
                Fault::Reordering,
                Fault::Duplication,
                Fault::Replay,
                Fault::Splicing,
                Fault::Liar,
            ]);
        match reason {
            CloseReason::Local | CloseReason::Peer { .. } => has(&[Fault::Closes]),
            // How a close looks to a peer whose handshake is under way.
            CloseReason::PeerError { code, .. } => *code == APPLICATION && has(&[Fault::Closes]),
            // Whoever was not heard for too long is forgotten.
            CloseReason::StatelessReset => {
                has(&[
                    Fault::Restart,
                    Fault::Partition,
                    Fault::OneWay,
                    Fault::Loss,
                    Fault::Bursts,
                    Fault::Corruption,
                ]) || self.may_be_mislaid()
            }
            // An end that does not keep alive is forgotten when nobody speaks.
            CloseReason::IdleTimeout => {
                let silent = |config: &transport::Config| config.keep_alive.is_none();
                // One kind of loss by itself takes half a minute of probes in a row too seldom.
                let losses = [Fault::Loss, Fault::Bursts, Fault::Corruption];
                let active = losses.iter().filter(|&&fault| self.plan.faults.has(fault));
                self.plan.configs.iter().all(silent)
                    || active.count() >= 2
                    || has(&[
                        Fault::Partition,
                        Fault::OneWay,
                        Fault::Restart,
                        Fault::Closes,
                    ])
                    || self.may_be_mislaid()
            }
            CloseReason::HandshakeTimeout => {
                late || has(&[
                    Fault::Partition,
                    Fault::OneWay,
                    Fault::Pace,
                    Fault::Restart,
                    Fault::Loss,
                    Fault::Bursts,
                    Fault::Corruption,
                    Fault::Rebinding,
                    Fault::Migration,
                    Fault::Rate,
                ])
            }
            // A datagram that was changed on the way there, and its answer on the way back.
            // Nothing protects a version packet (docs/PROTOCOL.md §2.6), and some that come again are changed.
            CloseReason::VersionMismatch => {
                !of_server && has(&[Fault::Corruption, Fault::Replay, Fault::Splicing])
            }
            _ => false,
        }
    }
}

//! What is said.

use core::time::Duration;

use transport::{Endpoint, Instant, Mode};

use super::Plan;
use super::ledger::{Flow, HEADER_LEN};
use super::party::Party;
use super::run::Swarm;
use crate::Rng;
use crate::seeds::Fault;

/// How often a lazy application looks for what there is to read.
const CATCHES_UP: f64 = 0.1;

/// Something to say, all of it drawn before anything is known of the stream.
struct Saying {
    /// Which of the streams that are open; a new one if there are not so many.
    place: usize,
    /// Of a new one.
    mode: Mode,
    priority: i8,
    len: u64,
    deadline: Option<Instant>,
    last: bool,
}

impl Saying {
    fn new(plan: &Plan, now: Instant, draw: &mut Rng) -> Self {
        let place = usize::try_from(draw.below(plan.streams)).unwrap_or(0);
        let mode = match draw.below(6) {
            0 | 1 => Mode::Bytes,
            2 | 3 => Mode::Messages,
            4 => Mode::Unordered,
            _ => Mode::Datagrams,
        };
        let priority = [-1, 0, 0, 1][usize::try_from(draw.below(4)).unwrap_or(0)];
        let len = draw.below(plan.message_bytes);
        let life = Duration::from_millis(draw.below(500));
        Self {
            place,
            mode,
            priority,
            len,
            deadline: draw.chance(plan.mortal).then(|| now + life),
            last: draw.chance(plan.last),
        }
    }
}

impl Swarm<'_> {
    /// Somebody says something, if it is to be `said` at all. Draws equally often in any case.
    pub(super) fn work(&mut self, said: bool) {
        let index = self.workload.below(self.clients.len() as u64);
        let mut draw = Rng::new(self.workload.next_u64());
        let saying = Saying::new(self.plan, self.world.now(), &mut draw);
        if self.plan.faults.has(Fault::Laziness) && draw.chance(CATCHES_UP) {
            self.catch_up();
        }
        if said {
            self.say(usize::try_from(index).unwrap_or(0), &saying);
        }
    }

    fn say(&mut self, index: usize, saying: &Saying) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        let (Some(handle), Some(party)) = (client.handle, self.parties.get_mut(index + 1)) else {
            return;
        };
        let new = Flow {
            client: u32::try_from(index).unwrap_or(u32::MAX),
            connection: client.connections,
            stream: client.streams,
            back: false,
        };
        let (ledger, streams) = (&mut self.ledger, &mut client.streams);
        self.world.with(client.node, |endpoint, _| {
            let known = party.streams(handle).get(saying.place).copied();
            let (stream, flow) = match known {
                Some(known) => known,
                None => {
                    let (mode, priority) = (saying.mode, saying.priority);
                    let Some(stream) = party.open(endpoint, handle, mode, priority, new) else {
                        return;
                    };
                    *streams += 1;
                    ledger.open(new, mode);
                    (stream, new)
                }
            };
            let Some(connection) = endpoint.connection(handle) else {
                return;
            };
            let Some(mode) = party.mode(handle, stream) else {
                return;
            };
            if !party.has_room(handle, stream) {
                return;
            }
            let room = match mode {
                Mode::Datagrams => connection.datagram_bytes_max(stream) as u64,
                _ => u64::MAX,
            };
            let len = saying.len.min(room.saturating_sub(HEADER_LEN as u64));
            // The first tells the other end whose stream it is.
            let orders = matches!(mode, Mode::Messages | Mode::Unordered);
            let deadline = saying.deadline.filter(|_| orders && known.is_some());
            let len = u32::try_from(len).unwrap_or(0);
            let record = ledger.say(flow, len, deadline.is_some());
            if saying.last {
                ledger.say_end(flow);
            }
            party.say(connection, (handle, stream), record, deadline, saying.last);
        });
    }

    /// Everybody reads what was left lying.
    pub(super) fn catch_up(&mut self) {
        let nodes = core::iter::once(self.server).chain(self.clients.iter().map(|c| c.node));
        let (parties, ledger) = (&mut self.parties, &mut self.ledger);
        for (party, node) in parties.iter_mut().zip(nodes.collect::<Vec<_>>()) {
            let reads = |endpoint: &mut Endpoint, _| Party::catch_up(party, endpoint, ledger);
            self.world.with(node, reads);
        }
    }
}

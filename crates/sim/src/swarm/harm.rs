//! What goes wrong.

use core::net::SocketAddr;
use core::time::Duration;

use transport::ConnectionHandle;

use super::party::{Break, CODE, Party};
use super::run::{Swarm, server};
use crate::seeds::Fault;
use crate::{Link, NodeId, Rng};

/// How long a queue takes at most where the rate changes, in seconds.
const QUEUED_S: f64 = 1.0;

/// What a fault makes of a client's links from now on.
fn change_of(fault: Fault, draw: &mut Rng) -> impl FnMut(&mut Link) + use<> {
    let (kind, number) = (draw.below(3), draw.below(20_000));
    move |link| match (fault, kind) {
        (Fault::Shrinking, _) => link.mtu = link.mtu.min(1_200 + number as usize % 240),
        (Fault::Marking, 0) => link.ecn = false,
        (Fault::Marking, 1) => {
            // Only what waits for a rate is marked.
            link.rate.get_or_insert(4_000_000);
            (link.ecn, link.mark_bytes) = (true, Some(number));
        }
        (Fault::Marking, _) => (link.ecn, link.mark_bytes) = (true, None),
        _ => {
            let rate = 20_000 << (number % 9);
            link.rate = Some(rate);
            link.queue_bytes = (rate as f64 * QUEUED_S) as u64;
        }
    }
}

impl Swarm<'_> {
    /// Something goes wrong, perhaps. Each kind of fault draws from a stream of its own, and equally
    /// often whatever is active.
    pub(super) fn harm(&mut self) {
        let rare = [
            (Fault::Partition, 0.02),
            (Fault::Rebinding, 0.03),
            (Fault::Migration, 0.03),
            (Fault::Restart, 0.003),
            (Fault::Replay, 0.3),
            (Fault::Noise, 0.2),
            (Fault::Resets, 0.05),
            (Fault::Closes, 0.02),
            (Fault::Liar, 0.2),
            (Fault::Splicing, 0.3),
            (Fault::Forgery, 0.3),
            (Fault::Shrinking, 0.02),
            (Fault::Marking, 0.05),
            (Fault::OneWay, 0.02),
            (Fault::Pace, 0.03),
        ];
        let draws = rare.map(|(fault, chance)| {
            let rng = self.faults.entry(fault).or_insert_with(|| {
                let seed = self.plan.seed;
                Rng::stream(seed, fault.name(), 1)
            });
            let (fires, draw) = (rng.chance(chance), rng.next_u64());
            (fault, fires && self.plan.faults.has(fault), draw)
        });
        for (fault, fires, draw) in draws {
            if fires && self.strike(fault, draw) {
                self.fired.count(fault.name());
            }
        }
    }

    /// Does it, unless it would not be fair now. Tells whether anything has changed by that.
    fn strike(&mut self, fault: Fault, draw: u64) -> bool {
        let mut draw = Rng::new(draw);
        let index = usize::try_from(draw.below(self.clients.len() as u64)).unwrap_or(0);
        let Some(client) = self.clients.get(index) else {
            return false;
        };
        let (node, handle) = (client.node, client.handle);
        let stays = self.world.now() < client.moved_at + self.settling();
        match fault {
            Fault::Partition if self.cut.is_none() => {
                let until = self.world.now() + Duration::from_millis(draw.below(45_000));
                self.cut = Some((node, until));
                self.world.change_links(node, |link| link.up = false);
            }
            Fault::Rebinding if !stays => {
                let only_port = draw.chance(0.5);
                self.move_client(index, only_port);
            }
            Fault::Migration if !stays => {
                self.move_client(index, false);
                let migrated = self.world.with(node, |endpoint, now| {
                    // One that is not there yet cannot move, and begins again in time.
                    let connection = handle.and_then(|handle| endpoint.connection(handle));
                    connection.is_some_and(|connection| connection.migrate(now).is_ok())
                });
                return migrated.unwrap_or(false);
            }
            Fault::Restart => {
                self.restarts += 1;
                let fresh = server(self.plan, self.restarts, &self.sealing);
                self.world
                    .with(self.server, |endpoint, _| *endpoint = fresh);
                if let Some(party) = self.parties.first_mut() {
                    *party = Party::server(self.plan.faults.has(Fault::Laziness));
                }
            }
            Fault::Replay => return self.world.replay_one_of(&self.captured, &mut draw),
            Fault::Liar => return self.lie(&mut draw),
            Fault::Splicing => return self.world.splice_two_of(&self.captured, &mut draw),
            Fault::Forgery => return self.world.forge(&self.captured, &mut draw),
            Fault::OneWay if self.cut.is_none() => {
                let until = self.world.now() + Duration::from_millis(draw.below(45_000));
                self.cut = Some((node, until));
                let outwards = draw.chance(0.5);
                self.world
                    .change_links_one_way(node, outwards, |link| link.up = false);
            }
            Fault::Shrinking | Fault::Marking | Fault::Pace => {
                self.world
                    .change_links(node, &mut change_of(fault, &mut draw));
            }
            Fault::Noise => self.world.disturb(&mut draw),
            Fault::Resets => return self.break_off(index, &mut draw),
            Fault::Closes => return handle.is_some_and(|handle| self.close(node, handle)),
            _ => return false,
        }
        true
    }

    /// How long a client stays at an address where links have a rate. Whoever moves on before two
    /// round trips through full queues are over hears nothing anywhere, and gives up rightly.
    fn settling(&self) -> Duration {
        let link = &self.plan.link;
        let mut queue = link.rate.map(|rate| link.queue_bytes as f64 / rate as f64);
        if self.plan.faults.has(Fault::Pace) {
            queue = Some(queue.unwrap_or(0.0).max(QUEUED_S + 0.1));
        }
        queue.map_or(Duration::ZERO, |queue| {
            (link.delay + Duration::from_secs_f64(queue)) * 4
        })
    }

    /// A client's application breaks one of its streams off. Tells whether there was one.
    fn break_off(&mut self, index: usize, draw: &mut Rng) -> bool {
        let (Some(client), Some(party)) =
            (self.clients.get(index), self.parties.get_mut(index + 1))
        else {
            return false;
        };
        let Some(handle) = client.handle else {
            return false;
        };
        let streams = party.streams(handle);
        let place = draw.below(streams.len() as u64);
        let chosen = usize::try_from(place).ok().and_then(|i| streams.get(i));
        let hows = [Break::Reset, Break::Stop, Break::Both];
        let how = hows[usize::try_from(draw.below(3)).unwrap_or(0)];
        let Some(&(stream, flow)) = chosen else {
            return false;
        };
        self.ledger.void_stream(flow);
        let broken = self.world.with(client.node, |endpoint, _| {
            let connection = endpoint.connection(handle);
            connection.map(|connection| party.break_off(connection, (handle, stream), how))
        });
        broken.flatten().is_some()
    }

    /// A client gets an address that nobody has had.
    fn move_client(&mut self, index: usize, only_port: bool) {
        let Some(client) = self.clients.get_mut(index) else {
            return;
        };
        client.moved_at = self.world.now();
        self.moves += 1;
        let here = self.world.address(client.node).filter(|_| only_port);
        let last = u8::try_from(index).unwrap_or(u8::MAX);
        let [high, low] = self.moves.to_be_bytes();
        let there = SocketAddr::from(([10, 2 + high, low, last], 4_000));
        let address = here.map_or(there, |here| SocketAddr::new(here.ip(), 4_000 + self.moves));
        self.world.move_node(client.node, address);
    }

    /// An application closes a connection. Tells whether it was there.
    pub(super) fn close(&mut self, node: NodeId, handle: ConnectionHandle) -> bool {
        let closed = self.world.with(node, |endpoint, now| {
            let connection = endpoint.connection(handle)?;
            connection.close(now, u64::from(CODE), "enough");
            Some(())
        });
        closed.flatten().is_some()
    }
}

//! What somebody sends who has no keys but those that everybody can derive.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::Range;
use core::time::Duration;

use crypto::{Random, random_array};
use internet::{
    ConnectionId, Header, PacketBuilder, PartialPacket, VERSION, encode_challenge, encode_version,
    initial_keys,
};
use transport::Machine;

use super::{Captured, Overheard, World};
use crate::Rng;

/// What an Initial of a client fills, at least (docs/PROTOCOL.md §2.4).
const INITIAL_LEN: usize = 1_200;

/// The longest that is made up, in bytes.
const NOISE_MAX: u64 = 1_300;

/// Somebody who is no node.
const STRANGER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 9, 9, 9)), 9);

impl<M: Machine> World<M> {
    /// Noise comes to any machine, from a stranger or in another machine's name.
    pub(crate) fn disturb(&mut self, draw: &mut Rng) {
        let bytes = noise(draw);
        if let (Some(from), Some(to)) = (self.any_address(draw), self.any_address(draw)) {
            // What seems to come from a machine's own address its kernel drops.
            let from = if draw.chance(0.5) || from == to {
                STRANGER
            } else {
                from
            };
            self.inject(Duration::ZERO, from, to, bytes);
        }
    }

    /// Of the captured datagrams two are joined, and come from where the first did: its head with the
    /// other's tail, its first packet with the other behind it, or both whole. Tells whether there
    /// were any.
    pub(crate) fn splice_two_of(&mut self, captured: &Overheard, draw: &mut Rng) -> bool {
        let (Some(mut first), Some(second)) =
            (captured.any(draw).cloned(), captured.any(draw).cloned())
        else {
            return false;
        };
        let (cut, skipped) = match draw.below(3) {
            0 => {
                let shorter = first.bytes.len().min(second.bytes.len()) as u64;
                let cut = usize::try_from(draw.below(shorter)).unwrap_or(0);
                (cut, cut)
            }
            1 => {
                let packet = PartialPacket::parse(&first.bytes);
                (packet.map_or(first.bytes.len(), |packet| packet.len()), 0)
            }
            _ => (first.bytes.len(), 0),
        };
        let mut bytes = first.bytes.get(..cut).unwrap_or_default().to_vec();
        bytes.extend(second.bytes.iter().skip(skipped));
        // Only what is whole authenticates, and proves where its sender is.
        let has_whole = packets(&first.bytes).any(|packet| packet.end <= cut);
        let has_whole_behind = packets(&second.bytes).any(|packet| packet.start >= skipped);
        if !has_whole && bytes != first.bytes {
            first.proven.clear();
        }
        if has_whole_behind && second.to == first.to {
            first.proven.extend(second.proven);
        }
        first.bytes = bytes;
        let delay = Duration::from_millis(draw.below(2_000));
        self.replay(delay, first.from, first.to, first);
        true
    }

    /// Somebody forges what can be forged without anybody's keys: a header, an answer, an Initial; about
    /// a connection that was overheard, and in its ends' names, or about none.
    pub(crate) fn forge(&mut self, captured: &Overheard, draw: &mut Rng) -> bool {
        let overheard = captured.any(draw).filter(|_| draw.chance(0.7));
        let ids = overheard.and_then(|captured| ids_of(&captured.bytes));
        let about = ids.unwrap_or_else(|| [0, 1].map(|_| ConnectionId::new(random_array(draw))));
        let backwards = draw.chance(0.5);
        let bytes = forged(about, backwards, draw);
        let ends = match overheard {
            Some(Captured { from, to, .. }) if backwards => Some((*to, *from)),
            Some(Captured { from, to, .. }) => Some((*from, *to)),
            None => self.any_address(draw).map(|to| (STRANGER, to)),
        };
        let Some((from, to)) = ends else {
            return false;
        };
        let delay = Duration::from_millis(draw.below(200));
        self.inject(delay, from, to, bytes);
        true
    }

    fn any_address(&self, draw: &mut Rng) -> Option<SocketAddr> {
        let index = usize::try_from(draw.below(self.nodes.len() as u64)).ok()?;
        self.nodes.get(index).map(|node| node.address)
    }
}

/// Where the packets of a datagram are, and what is none at its end.
fn packets(datagram: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    core::iter::from_fn(move || {
        let rest = datagram.get(start..).filter(|rest| !rest.is_empty())?;
        let len = PartialPacket::parse(rest).map_or(rest.len(), |packet| packet.len());
        let packet = start..start + len;
        start = packet.end;
        Some(packet)
    })
}

fn noise(draw: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(draw.below(NOISE_MAX)).unwrap_or(0)];
    draw.fill(&mut bytes);
    bytes
}

/// The destination and the source that a datagram's first packet tells; a short header tells one only.
fn ids_of(datagram: &[u8]) -> Option<[ConnectionId; 2]> {
    match PartialPacket::parse(datagram).ok()?.header {
        Header::Initial { dcid, scid, .. }
        | Header::Handshake { dcid, scid }
        | Header::Challenge { dcid, scid, .. }
        | Header::Version { dcid, scid, .. } => Some([dcid, scid]),
        Header::Data { dcid } => Some([dcid, dcid]),
        Header::Unknown { .. } => None,
    }
}

/// A datagram about a connection of which one packet told these ids: along with that packet, or
/// `backwards` as an answer to it.
fn forged([to, from]: [ConnectionId; 2], backwards: bool, draw: &mut Rng) -> Vec<u8> {
    let noise = noise(draw);
    let (dcid, scid) = if backwards { (from, to) } else { (to, from) };
    let bits = draw.next_u64().to_be_bytes();
    let ours = VERSION.to_be_bytes();
    let [first, a, b, c, d, ..] = bits;
    let mut out = Vec::new();
    match draw.below(7) {
        0 => behind(&[0xc0 | first], &ours, [dcid, scid], &noise),
        1 => behind(&[0xc0 | first], &[a, b, c, d], [dcid, scid], &noise),
        // A packet, or a stateless reset.
        2 => [&[0x40 | first & 0x1f], &dcid.as_bytes()[..], &noise].concat(),
        3 => {
            encode_version(&mut out, dcid.as_bytes(), scid.as_bytes());
            out
        }
        4 => {
            encode_challenge(&mut out, dcid, scid, noise.get(..80).unwrap_or(&noise));
            out
        }
        5 => behind(&[0xc0], &[0; 4], [dcid, scid], &bits),
        _ => {
            initial(&mut out, [dcid, scid], backwards, &noise, draw);
            out
        }
    }
}

/// These bytes behind a long header.
fn behind(first: &[u8], version: &[u8], [to, from]: [ConnectionId; 2], bytes: &[u8]) -> Vec<u8> {
    let (to, from): (&[u8], &[u8]) = (to.as_bytes(), from.as_bytes());
    let prefix = [8];
    [first, version, &prefix, to, &prefix, from, bytes].concat()
}

/// An Initial that opens, if the other packet was the first of its connection.
fn initial(
    out: &mut Vec<u8>,
    [dcid, scid]: [ConnectionId; 2],
    backwards: bool,
    noise: &[u8],
    draw: &mut Rng,
) {
    let original = if backwards { scid } else { dcid };
    let (client, server) = initial_keys(original);
    let keys = if backwards { server } else { client };
    let number = draw.below(6);
    let builder = PacketBuilder::initial(out, dcid, scid, &[], number, None);
    let some = usize::try_from(draw.below(40)).unwrap_or(0);
    let frames: &[&[u8]] = match draw.below(6) {
        0 => &[noise.get(..some).unwrap_or(noise)],
        // PING.
        1 => &[&[0x01]],
        // CRYPTO: from the beginning, and from further on.
        2 => &[&[0x06, 0, 10], noise.get(..10).unwrap_or(&[0; 10])],
        3 => &[&[0x06, 40, 10], noise.get(..10).unwrap_or(&[0; 10])],
        // ACK of the first packets.
        4 => &[&[0x02, 3, 0, 0, 3]],
        // CLOSE, INTERNAL_ERROR, without a reason.
        _ => &[&[0x1c, 1, 0, 0]],
    };
    for frame in frames {
        out.extend_from_slice(frame);
    }
    builder.pad_to(out, INITIAL_LEN);
    builder.finish(out, &keys);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use internet::open;
    use transport::{Instant, Meta, Transmit};

    use super::*;

    /// Somebody who keeps what arrives.
    #[derive(Default)]
    struct Listener(Vec<(SocketAddr, Vec<u8>)>);

    impl Machine for Listener {
        fn handle_datagram(&mut self, _: Instant, meta: Meta, datagram: &mut [u8]) {
            self.0.push((meta.remote, datagram.to_vec()));
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self, _: Instant, _: usize, _: &mut Vec<u8>) -> Option<Transmit> {
            None
        }

        fn poll_timeout(&mut self) -> Option<Instant> {
            None
        }
    }

    const TWO: [SocketAddr; 2] = [
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1),
        SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 1),
    ];

    fn captured(from: usize, bytes: Vec<u8>) -> Captured {
        Captured {
            at: Instant::ZERO,
            from: TWO[from],
            to: TWO[1 - from],
            bytes,
            proven: Vec::new(),
        }
    }

    /// What arrives in a world in which somebody does this a few hundred times.
    fn heard(mut act: impl FnMut(&mut World<Listener>, &mut Rng)) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut world = World::new(1);
        let nodes = TWO.map(|address| world.add(address, Listener::default()));
        let mut draw = Rng::new(7);
        for _ in 0..500 {
            act(&mut world, &mut draw);
        }
        let end = Instant::ZERO + Duration::from_secs(5);
        world.run(end, |_, _, _| (), |_| false).unwrap();
        let heard = nodes.map(|node| world.machine(node).unwrap().0.clone());
        heard.concat()
    }

    #[test]
    fn two_datagrams_are_joined_in_three_ways() {
        let mut initial = Vec::new();
        let [a, b] = [1, 2].map(|id| ConnectionId::new([id; 8]));
        let builder = PacketBuilder::initial(&mut initial, a, b, &[], 0, None);
        builder.pad_to(&mut initial, 100);
        builder.finish(&mut initial, &initial_keys(a).0);
        let packet = initial.clone();
        initial.extend([0x55; 100]);
        let mut all = Overheard::new(1);
        assert!(!World::<Listener>::new(1).splice_two_of(&all, &mut Rng::new(1)));
        all.keep([captured(0, initial.clone()), captured(1, vec![0x44; 300])]);
        let heard = heard(|world, draw| assert!(world.splice_two_of(&all, draw)));
        let has = |bytes: &[u8]| heard.iter().any(|(_, heard)| heard == bytes);
        assert!(
            has(&[&packet[..], &[0x44; 300]].concat()),
            "packet by packet"
        );
        assert!(has(&[&initial[..], &[0x44; 300]].concat()), "whole");
        let is_cut = |(_, heard): &(SocketAddr, Vec<u8>)| {
            let [first, last] = [heard[0], heard[heard.len() - 1]];
            heard.len() == 300 && first == initial[0] && last == 0x44
        };
        assert!(heard.iter().any(is_cut), "head and tail");
    }

    #[test]
    fn forged_initials_open_in_both_directions() {
        let mut bytes = Vec::new();
        let [to, from] = [1, 2].map(|id| ConnectionId::new([id; 8]));
        let builder = PacketBuilder::initial(&mut bytes, to, from, &[], 0, None);
        builder.pad_to(&mut bytes, INITIAL_LEN);
        builder.finish(&mut bytes, &initial_keys(to).0);
        let mut first = Overheard::new(1);
        first.keep([captured(0, bytes)]);
        let heard = heard(|world, draw| assert!(world.forge(&first, draw)));
        let (client, server) = initial_keys(ConnectionId::new([1; 8]));
        let opens = |from: SocketAddr, keys: &_| {
            heard.iter().any(|(who, bytes)| {
                let packet = PartialPacket::parse(bytes);
                let opened = packet.map(|packet| open(&packet, keys, None, &mut bytes.clone()));
                *who == from && matches!(opened, Ok(Ok(_)))
            })
        };
        assert!(opens(TWO[0], &client) && opens(TWO[1], &server));
        assert!(!opens(TWO[0], &server) && !opens(STRANGER, &client));
        assert!(heard.iter().any(|(who, _)| *who == STRANGER), "about none");
    }

    #[test]
    fn noise_comes_to_everybody_and_never_from_oneself() {
        let mut world = World::new(1);
        let nodes = TWO.map(|address| world.add(address, Listener::default()));
        let mut draw = Rng::new(7);
        for _ in 0..200 {
            world.disturb(&mut draw);
        }
        let end = Instant::ZERO + Duration::from_secs(1);
        world.run(end, |_, _, _| (), |_| false).unwrap();
        for (node, [own, other]) in nodes.into_iter().zip([TWO, [TWO[1], TWO[0]]]) {
            let heard = &world.machine(node).unwrap().0;
            let from = |address| heard.iter().filter(|(who, _)| *who == address).count();
            assert_eq!(from(own), 0);
            assert!(from(other) > 10 && from(STRANGER) > 10);
        }
    }
}

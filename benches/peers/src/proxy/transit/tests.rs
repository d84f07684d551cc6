use super::*;

const MILLISECOND: u64 = 1_000_000;

fn hop(way: usize) -> Hop {
    Hop {
        way,
        to: ([127, 0, 0, 1], 7).into(),
        ecn: None,
    }
}

/// What leaves until nothing is under way: when, and what, packet by packet.
fn drain(transit: &mut Transit) -> Vec<(u64, Vec<u8>)> {
    let (mut now_ns, mut batch, mut left) = (0, Vec::new(), Vec::new());
    loop {
        match transit.leave(now_ns, &mut batch, |late_ns, _| assert_eq!(late_ns, 0)) {
            Due::Batch { segment, .. } => {
                left.extend(batch.chunks(segment).map(|data| (now_ns, data.to_vec())));
            }
            Due::At(next_ns) => {
                assert!(next_ns > now_ns);
                now_ns = next_ns;
            }
            Due::Nothing => return left,
        }
    }
}

/// Packets with their numbers in front, as many as `count`, one each `interval_ns`.
fn send(transit: &mut Transit, direction: Direction, count: u32, interval_ns: u64, bytes: usize) {
    for number in 0..count {
        let mut data = transit.buffer();
        assert!(data.is_empty());
        data.extend_from_slice(&number.to_be_bytes());
        data.resize(bytes, 0);
        transit.take_in(u64::from(number) * interval_ns, direction, hop(1), data);
    }
}

fn numbers(left: &[(u64, Vec<u8>)]) -> Vec<u32> {
    let number = |data: &Vec<u8>| u32::from_be_bytes(*data.first_chunk().unwrap());
    left.iter().map(|(_, data)| number(data)).collect()
}

#[test]
fn packets_are_late_by_the_delay_and_stay_as_they_are() {
    let link = Link {
        delay_us: 25_000,
        ..Link::default()
    };
    let mut transit = Transit::new(link, 1);
    send(&mut transit, Direction::ToServer, 100, MILLISECOND, 64);
    let mut batch = vec![1];
    let early = transit.leave(25 * MILLISECOND - 1, &mut batch, |_, _| {});
    assert_eq!(early, Due::At(25 * MILLISECOND));
    assert!(batch.is_empty());
    let left = drain(&mut transit);
    assert_eq!(numbers(&left), (0..100).collect::<Vec<_>>());
    for (number, (at_ns, data)) in left.iter().enumerate() {
        assert_eq!(*at_ns, (25 + number as u64) * MILLISECOND);
        assert_eq!(data.len(), 64);
    }
}

#[test]
fn each_direction_has_a_bottleneck_and_a_short_queue_of_its_own() {
    // 1500 bytes on the wire: 1 ms at 12 Mbit/s.
    let link = Link {
        delay_us: 10_000,
        rate_bps: 12_000_000,
        queue_us: 20_000,
        ..Link::default()
    };
    let mut transit = Transit::new(link, 1);
    for direction in [Direction::ToServer, Direction::ToClient] {
        // A burst of which 21 are taken in: one goes at once, the last waits 20 ms.
        send(&mut transit, direction, 100, 0, 1472);
    }
    let left = drain(&mut transit);
    let times: Vec<u64> = left.iter().map(|(at_ns, _)| at_ns / MILLISECOND).collect();
    let expected: Vec<u64> = (11..32).flat_map(|ms| [ms, ms]).collect();
    assert_eq!(times, expected);
    // Twice the rate for a second: half of it passes, and what the queue holds.
    let mut transit = Transit::new(link, 1);
    send(
        &mut transit,
        Direction::ToServer,
        2000,
        MILLISECOND / 2,
        1472,
    );
    let count = drain(&mut transit).len();
    assert!((1018..=1022).contains(&count), "{count} passed");
}

#[test]
fn as_many_are_lost_as_told_and_each_way_others() {
    let link = Link {
        loss: 0.05,
        ..Link::default()
    };
    let arrived = |seed, direction| {
        let mut transit = Transit::new(link, seed);
        send(&mut transit, direction, 20_000, 1000, 100);
        numbers(&drain(&mut transit))
    };
    let there = arrived(1, Direction::ToServer);
    // Four standard deviations of a binomial distribution are 123.
    assert!((18_877..=19_123).contains(&there.len()), "{}", there.len());
    assert_eq!(there, arrived(1, Direction::ToServer));
    assert_ne!(there, arrived(1, Direction::ToClient));
    assert_ne!(there, arrived(2, Direction::ToServer));
}

#[test]
fn jitter_reorders_within_its_bounds_and_loses_nothing() {
    let link = |jitter_us| Link {
        delay_us: 100_000,
        jitter_us,
        ..Link::default()
    };
    let mut steady = Transit::new(link(0), 1);
    send(&mut steady, Direction::ToServer, 1000, MILLISECOND, 64);
    assert!(numbers(&drain(&mut steady)).is_sorted());

    let mut jittery = Transit::new(link(20_000), 1);
    send(&mut jittery, Direction::ToServer, 1000, MILLISECOND, 64);
    let left = drain(&mut jittery);
    let mut came = numbers(&left);
    let late_ms = left.iter().zip(&came);
    let late_ms: Vec<u64> = late_ms
        .map(|((at_ns, _), number)| (at_ns - u64::from(*number) * MILLISECOND) / MILLISECOND)
        .collect();
    assert!(late_ms.iter().all(|late| (80..=120).contains(late)));
    assert!(late_ms.iter().any(|late| *late < 82) && late_ms.iter().any(|late| *late > 117));
    assert!(!came.is_sorted());
    came.sort_unstable();
    assert_eq!(came, (0..1000).collect::<Vec<_>>());
}

#[test]
fn packets_that_are_too_long_do_not_pass() {
    let link = Link {
        payload_bytes_max: 1472,
        ..Link::default()
    };
    let mut transit = Transit::new(link, 1);
    send(&mut transit, Direction::ToServer, 1, 0, 1473);
    assert!(drain(&mut transit).is_empty());
    send(&mut transit, Direction::ToServer, 1, 0, 1472);
    assert_eq!(drain(&mut transit).len(), 1);
}

/// What leaves at once of packets of these lengths and hops: a list of batches of lengths.
fn batches(packets: impl IntoIterator<Item = (usize, Hop)>) -> Vec<(Hop, Vec<usize>)> {
    let mut transit = Transit::new(Link::default(), 1);
    for (bytes, hop) in packets {
        transit.take_in(0, Direction::ToServer, hop, vec![7; bytes]);
    }
    let (mut batch, mut all) = (Vec::new(), Vec::new());
    loop {
        let mut lengths = Vec::new();
        match transit.leave(5, &mut batch, |late_ns, bytes| {
            assert_eq!(late_ns, 5);
            lengths.push(bytes);
        }) {
            Due::Batch { hop, segment } => {
                let cut: Vec<usize> = batch.chunks(segment).map(<[u8]>::len).collect();
                assert_eq!(cut, lengths);
                all.push((hop, lengths));
            }
            due => {
                assert_eq!(due, Due::Nothing);
                return all;
            }
        }
    }
}

#[test]
fn equal_packets_of_one_hop_leave_together() {
    let sizes = |sizes: &[usize]| -> Vec<Vec<usize>> {
        let packets = sizes.iter().map(|&bytes| (bytes, hop(0)));
        batches(packets).into_iter().map(|(_, all)| all).collect()
    };
    assert_eq!(sizes(&[9, 9, 9]), [[9, 9, 9]]);
    // A shorter one ends a batch, a longer one begins the next.
    assert_eq!(sizes(&[9, 9, 5, 5, 9]), [vec![9, 9, 5], vec![5], vec![9]]);
    let counts = |bytes, count| -> Vec<usize> {
        let all = sizes(&vec![bytes; count]);
        all.iter().map(Vec::len).collect()
    };
    assert_eq!(counts(100, 70), [32, 32, 6]);
    assert_eq!(counts(9000, 8), [6, 2]);
    assert_eq!(counts(65_000, 2), [1, 1]);
}

#[test]
fn packets_of_different_hops_leave_apart() {
    let mut elsewhere = hop(0);
    elsewhere.to.set_port(9);
    let mut marked = hop(0);
    marked.ecn = Some(3);
    let hops = [hop(0), hop(0), hop(1), elsewhere, marked, marked];
    let left = batches(hops.map(|hop| (50, hop)));
    let expected = [(hop(0), 2), (hop(1), 1), (elsewhere, 1), (marked, 2)];
    let counted: Vec<(Hop, usize)> = left.iter().map(|(hop, all)| (*hop, all.len())).collect();
    assert_eq!(counted, expected);
}

//! The world itself, with machines that do next to nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;

use sim::{Link, NodeId, ViolationKind, World};
use transport::{Instant, Machine, Meta, Transmit};

/// Says what it is told and keeps what it hears; answers each datagram with `answers` copies.
#[derive(Default)]
struct Parrot {
    heard: Vec<(Instant, SocketAddr, Vec<u8>)>,
    say: VecDeque<(SocketAddr, Vec<u8>)>,
    answers: usize,
    every: Option<Duration>,
    due: Option<Instant>,
    /// To whom it says something whenever it is time.
    calls: Option<SocketAddr>,
}

impl Machine for Parrot {
    fn handle_datagram(&mut self, now: Instant, meta: Meta, datagram: &mut [u8]) {
        self.heard.push((now, meta.remote, datagram.to_vec()));
        for _ in 0..self.answers {
            self.say.push_back((meta.remote, datagram.to_vec()));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.due = self.every.map(|every| now + every);
        self.say
            .extend(self.calls.map(|remote| (remote, vec![1; 10])));
    }

    fn poll_transmit(&mut self, _: Instant, _: usize, buffer: &mut Vec<u8>) -> Option<Transmit> {
        let (remote, bytes) = self.say.pop_front()?;
        buffer.extend_from_slice(&bytes);
        Some(Transmit {
            remote,
            local: None,
            len: bytes.len(),
            segment_len: None,
            ecn: None,
        })
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.due
    }
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 5000))
}

fn two(seed: u64) -> (World<Parrot>, NodeId, NodeId) {
    let mut world = World::new(seed);
    let a = world.add(address(1), Parrot::default());
    let b = world.add(address(2), Parrot::default());
    (world, a, b)
}

fn send(world: &mut World<Parrot>, from: NodeId, to: SocketAddr, count: usize, len: usize) {
    world
        .with(from, |parrot, _| {
            for index in 0..count {
                parrot.say.push_back((to, vec![(index % 251) as u8; len]));
            }
        })
        .unwrap();
}

fn run(world: &mut World<Parrot>, for_secs: u64) -> Result<bool, sim::Violation> {
    let deadline = world.now() + Duration::from_secs(for_secs);
    world.run(deadline, |_, _, _| {}, |_| false)
}

#[test]
fn a_datagram_takes_the_links_delay() {
    let (mut world, a, b) = two(1);
    world.set_link(a, b, Link::with_delay(Duration::from_millis(70)));
    send(&mut world, a, address(2), 1, 3);
    run(&mut world, 1).unwrap();
    let heard = &world.machine(b).unwrap().heard;
    let at = Instant::ZERO + Duration::from_millis(70);
    assert_eq!(heard[..], [(at, address(1), vec![0; 3])]);
}

#[test]
fn a_limited_rate_spaces_datagrams_and_its_queue_overflows() {
    let (mut world, a, b) = two(1);
    let mut link = Link::with_delay(Duration::ZERO);
    link.rate = Some(1_000_000);
    link.queue_bytes = 10_000;
    world.set_link(a, b, link);
    send(&mut world, a, address(2), 100, 1_000);
    run(&mut world, 1).unwrap();
    let heard = &world.machine(b).unwrap().heard;
    assert!((11..=12).contains(&heard.len()), "{}", heard.len());
    let millis: Vec<u128> = (heard.iter())
        .map(|(at, ..)| at.since(Instant::ZERO).as_millis())
        .collect();
    assert!(millis.iter().zip(1..).all(|(at, expected)| *at == expected));
}

#[test]
fn faults_come_at_their_rates_and_independently() {
    let count = |change: fn(&mut Link)| {
        let (mut world, a, b) = two(5);
        let mut link = Link::default();
        link.loss = 0.3;
        change(&mut link);
        world.set_link(a, b, link);
        send(&mut world, a, address(2), 10_000, 20);
        run(&mut world, 1).unwrap();
        world.stats()
    };
    let plain = count(|_| {});
    assert!((2_800..3_200).contains(&plain.lost), "{plain:?}");
    let more = count(|link| {
        link.duplication = 0.5;
        link.corruption = 0.1;
        link.reordering = 0.2;
        link.reordering_delay = Duration::from_millis(50);
    });
    assert_eq!(more.lost, plain.lost, "other faults do not shift it");
    assert!((3_300..3_700).contains(&more.duplicated), "{more:?}");
    assert!((600..800).contains(&more.corrupted), "{more:?}");
    assert_eq!(more.delivered, 10_000 - more.lost + more.duplicated);
}

#[test]
fn a_burst_takes_what_follows_soon_and_ends_by_time_too() {
    let heard_after = |pause| {
        let (mut world, a, b) = two(1);
        for (burst, count, pause) in [(1.0, 1, pause), (0.0, 50, 1)] {
            world.change_links(b, |link| link.burst = burst);
            send(&mut world, a, address(2), count, 8);
            run(&mut world, pause).unwrap();
        }
        world.machine(b).unwrap().heard.len()
    };
    let soon = heard_after(4);
    assert!((30..50).contains(&soon), "{soon}");
    assert_eq!(heard_after(6), 50);
}

#[test]
fn only_reordering_changes_the_order() {
    let in_order = |reordering| {
        let (mut world, a, b) = two(5);
        let mut link = Link::default();
        link.jitter = Duration::from_millis(30);
        link.reordering = reordering;
        link.reordering_delay = Duration::from_millis(30);
        world.set_link(a, b, link);
        send(&mut world, a, address(2), 200, 8);
        run(&mut world, 1).unwrap();
        let heard = &world.machine(b).unwrap().heard;
        assert_eq!(heard.len(), 200);
        heard.is_sorted_by_key(|(_, _, bytes)| bytes[0])
    };
    assert!(in_order(0.0));
    assert!(!in_order(0.2));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| {
        let (mut world, a, b) = two(seed);
        world.set_default_link(Link::dreadful());
        world.with(b, |parrot, _| parrot.answers = 1).unwrap();
        send(&mut world, a, address(2), 500, 100);
        run(&mut world, 5).unwrap();
        world.trace()
    };
    assert_eq!(trace(9), trace(9));
    assert_ne!(trace(9), trace(10));
}

#[test]
fn a_moved_node_is_gone_from_its_old_address() {
    let (mut world, a, b) = two(1);
    send(&mut world, a, address(2), 1, 1);
    world.move_node(b, address(3));
    run(&mut world, 1).unwrap();
    send(&mut world, a, address(3), 1, 2);
    run(&mut world, 1).unwrap();
    let heard = &world.machine(b).unwrap().heard;
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].2.len(), 2);
}

#[test]
fn a_blackhole_swallows_both_ways_until_it_heals() {
    let (mut world, a, b) = two(1);
    world.with(b, |parrot, _| parrot.answers = 1).unwrap();
    for up in [false, true] {
        world.change_links(b, |link| link.up = up);
        send(&mut world, a, address(2), 1, 1);
        run(&mut world, 1).unwrap();
        assert_eq!(world.machine(a).unwrap().heard.len(), usize::from(up));
    }
}

#[test]
fn answering_strangers_at_length_is_noticed() {
    let stranger = address(99);
    for (answers, factor, fine) in [(1, 1, true), (2, 1, false), (3, 3, true), (4, 3, false)] {
        let (mut world, _, b) = two(1);
        world.set_amplification_max(b, factor);
        world.with(b, |parrot, _| parrot.answers = answers).unwrap();
        world.inject(Duration::ZERO, stranger, address(2), vec![0; 50]);
        assert_eq!(run(&mut world, 1).is_ok(), fine, "{answers} of {factor}");
    }
    // Whoever has answered is there.
    let (mut world, a, b) = two(1);
    world.with(b, |parrot, _| parrot.answers = 1).unwrap();
    send(&mut world, a, address(2), 1, 10);
    run(&mut world, 1).unwrap();
    world.with(b, |parrot, _| parrot.answers = 20).unwrap();
    send(&mut world, a, address(2), 1, 10);
    run(&mut world, 1).unwrap();
}

#[test]
fn a_gated_machine_may_answer_at_length_who_seems_to_have_moved() {
    // What is sent before anything was heard is a stranger's.
    for (is_first, answers, fine) in [
        (true, 1, true),
        (true, 2, false),
        (false, 3, true),
        (false, 4, false),
    ] {
        let (mut world, a, b) = two(1);
        world.set_amplification_max(b, 1);
        world.with(b, |parrot, _| parrot.answers = 1).unwrap();
        world.start_capture();
        for _ in 0..2 {
            send(&mut world, a, address(2), 1, 10);
            run(&mut world, 1).unwrap();
        }
        let mut captured = world.take_capture();
        captured.retain(|captured| captured.from == address(1));
        let captured = captured.remove(usize::from(!is_first));
        world.with(b, |parrot, _| parrot.answers = answers).unwrap();
        world.replay(Duration::ZERO, address(99), address(2), captured);
        let went = run(&mut world, 1);
        assert_eq!(went.is_ok(), fine, "{answers} to the first: {is_first}");
    }
}

/// Whoever speaks first is not trusted for that, unless that is what it is there for.
#[test]
fn whoever_speaks_to_a_stranger_unasked_is_noticed() {
    type Choose = fn(&mut World<Parrot>, NodeId);
    let choices: [(Choose, bool); 4] = [
        (|_, _| {}, true),
        (|world, node| world.set_chosen(node, address(2)), true),
        (|world, node| world.set_chosen(node, address(3)), false),
        (|world, node| world.set_chosen_by_others(node), false),
    ];
    for (index, (choose, fine)) in choices.into_iter().enumerate() {
        let (mut world, a, b) = two(1);
        choose(&mut world, a);
        send(&mut world, a, address(2), 1, 10);
        assert_eq!(run(&mut world, 1).is_ok(), fine, "choice {index}");
        // What has been heard may be answered by anybody.
        let (mut world, a, _) = two(1);
        choose(&mut world, a);
        world.with(a, |parrot, _| parrot.answers = 1).unwrap();
        send(&mut world, b, address(1), 1, 10);
        assert!(run(&mut world, 1).is_ok(), "choice {index}");
    }
}

#[test]
fn a_canary_in_a_datagram_is_noticed() {
    let (mut world, a, _) = two(1);
    world.add_canary(b"tweet");
    world
        .with(a, |parrot, _| {
            parrot
                .say
                .push_back((address(2), b"a tweet it is".to_vec()));
        })
        .unwrap();
    let violation = run(&mut world, 1).unwrap_err();
    assert!(matches!(violation.kind, ViolationKind::Leaked { .. }));
}

#[test]
fn machines_that_make_time_stand_still_are_noticed() {
    let (mut world, a, _) = two(1);
    world
        .with(a, |parrot, now| {
            parrot.every = Some(Duration::ZERO);
            parrot.due = Some(now);
        })
        .unwrap();
    let violation = run(&mut world, 1).unwrap_err();
    assert!(matches!(violation.kind, ViolationKind::Stalled(_)));
    assert_eq!(violation.seed, 1);
}

#[test]
fn a_timer_that_is_due_again_and_again_for_nothing_is_noticed() {
    for (every, fine) in [(100, true), (40, false), (1, false)] {
        let (mut world, a, _) = two(1);
        world
            .with(a, |parrot, now| {
                parrot.every = Some(Duration::from_micros(every));
                parrot.due = Some(now);
            })
            .unwrap();
        let went = run(&mut world, 2);
        assert_eq!(went.is_ok(), fine, "every {every} us");
        if let Err(violation) = went {
            assert!(matches!(violation.kind, ViolationKind::Spinning(_)));
        } else {
            assert!((20_000..20_010).contains(&world.woken(a)));
        }
    }
}

#[test]
fn whoever_goes_on_calling_where_nobody_answers_is_noticed() {
    for (every, answers, fine) in [(50, 0, false), (50, 1, true), (150, 0, true)] {
        let (mut world, a, b) = two(1);
        world.with(b, |parrot, _| parrot.answers = answers).unwrap();
        world
            .with(a, |parrot, now| {
                parrot.calls = Some(address(2));
                parrot.every = Some(Duration::from_millis(every));
                parrot.due = Some(now);
            })
            .unwrap();
        let went = run(&mut world, 20);
        assert_eq!(went.is_ok(), fine, "every {every} ms, {answers} answers");
        if let Err(violation) = went {
            assert!(violation.at >= Instant::ZERO + Duration::from_secs(5));
            assert!(matches!(violation.kind, ViolationKind::Insistent { .. }));
        }
    }
}

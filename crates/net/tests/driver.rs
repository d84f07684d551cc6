//! The driver over real sockets on the loopback interface.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests of the crate that may"
)]

mod common;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use common::Scripted;
use net::{BindOptions, Driver, PathError};
use transport::Ecn;

const PATIENCE: Duration = Duration::from_secs(5);

fn loopback() -> Driver {
    Driver::bind((Ipv4Addr::LOCALHOST, 0).into(), &BindOptions::default()).unwrap()
}

/// Turns until `done`, or until nothing happens for too long.
fn turn_until(driver: &mut Driver, machine: &mut Scripted, done: impl Fn(&Scripted) -> bool) {
    while !done(machine) {
        let turn = driver.turn(machine, Some(PATIENCE)).unwrap();
        assert!(
            turn.received || turn.timed_out || turn.woken,
            "nothing came"
        );
    }
}

#[test]
fn trains_keep_their_boundaries() {
    let (mut sender, mut receiver) = (loopback(), loopback());
    let (mut from, mut to) = (Scripted::default(), Scripted::default());
    let train: Vec<u8> = (0..60 * 1300 + 77u32).map(|i| (i % 251) as u8).collect();
    from.say(receiver.local_addr(), train.clone(), Some(1300));
    from.say(receiver.local_addr(), b"alone".to_vec(), None);
    sender.flush(&mut from);
    turn_until(&mut receiver, &mut to, |to| to.heard.len() == 62);
    let lens: Vec<usize> = to.heard.iter().map(|(_, bytes)| bytes.len()).collect();
    assert_eq!(&lens[..60], &[1300; 60]);
    assert_eq!(&lens[60..], &[77, 5]);
    let bytes: Vec<u8> = to.heard[..61].iter().flat_map(|(_, b)| b.clone()).collect();
    assert_eq!(bytes, train);
    assert!(
        to.heard
            .iter()
            .all(|(from, _)| *from == sender.local_addr())
    );
    assert_eq!(sender.stats().sent, 62);
    assert_eq!(receiver.stats().received, 62);
}

#[test]
fn h11_the_longest_datagram_goes_through_and_one_byte_more_does_not() {
    let (mut sender, mut receiver) = (loopback(), loopback());
    let (mut from, mut to) = (Scripted::default(), Scripted::default());
    from.say(receiver.local_addr(), vec![1; 65_508], None);
    from.say(receiver.local_addr(), vec![2; 65_507], None);
    sender.flush(&mut from);
    turn_until(&mut receiver, &mut to, |to| !to.heard.is_empty());
    assert_eq!(to.heard.len(), 1);
    assert!(to.heard[0].1 == vec![2; 65_507]);
    assert_eq!(sender.stats().send_too_long, 1);
}

#[test]
fn a_dual_stack_socket_speaks_both_families() {
    let mut server =
        Driver::bind((Ipv6Addr::UNSPECIFIED, 0).into(), &BindOptions::default()).unwrap();
    let port = server.local_addr().port();
    let mut echo = Scripted {
        echo: true,
        ..Scripted::default()
    };
    for ip in ["127.0.0.1", "::1"] {
        let target = SocketAddr::new(ip.parse().unwrap(), port);
        let mut client = Driver::bind(
            SocketAddr::new(ip.parse().unwrap(), 0),
            &BindOptions::default(),
        )
        .unwrap();
        let mut machine = Scripted::default();
        machine.say(target, b"ping".to_vec(), None);
        client.flush(&mut machine);
        echo.heard.clear();
        turn_until(&mut server, &mut echo, |echo| !echo.heard.is_empty());
        assert_eq!(echo.heard[0].0, client.local_addr(), "as the family it is");
        turn_until(&mut client, &mut machine, |machine| {
            !machine.heard.is_empty()
        });
        assert_eq!(machine.heard[0], (target, b"ping".to_vec()));
    }
}

#[test]
fn another_socket_counts_on() {
    let (mut sender, receiver) = (loopback(), loopback());
    for sent in 1..=3 {
        let mut machine = Scripted::default();
        machine.say(receiver.local_addr(), vec![7; 100], None);
        sender.flush(&mut machine);
        assert_eq!(sender.stats().sent, sent);
        let any = SocketAddr::new(receiver.local_addr().ip(), 0);
        sender.rebind(any, &BindOptions::default()).unwrap();
    }
}

/// What few datagrams draw goes with what the caller says to them, where it may; many are answered
/// at once.
#[test]
fn few_datagrams_are_answered_together_with_their_events() {
    for (count, may_wait, at_once) in [(2, true, 0), (2, false, 2), (40, true, 40)] {
        let (mut asker, mut answerer) = (loopback(), loopback());
        let mut asks = Scripted::default();
        asks.say(answerer.local_addr(), vec![7; 100 * count], Some(100));
        asker.flush(&mut asks);
        let mut answers = Scripted {
            echo: true,
            may_wait,
            ..Scripted::default()
        };
        answerer.turn(&mut answers, Some(PATIENCE)).unwrap();
        assert_eq!(
            (answers.heard.len(), answerer.stats().sent),
            (count, at_once)
        );
        answerer.turn(&mut answers, Some(Duration::ZERO)).unwrap();
        assert_eq!(answerer.stats().sent, count as u64, "by the next turn");
    }
}

#[test]
fn h01_zero_byte_flood_does_not_delay_timers() {
    let (mut sender, mut receiver) = (loopback(), loopback());
    let mut flood = Scripted::default();
    for _ in 0..2_000 {
        flood.say(receiver.local_addr(), Vec::new(), None);
    }
    while !flood.say.is_empty() {
        sender.flush(&mut flood);
    }
    let mut machine = Scripted {
        due: Some(receiver.now()),
        ..Scripted::default()
    };
    receiver.turn(&mut machine, Some(PATIENCE)).unwrap();
    assert_eq!(machine.timeouts, 1, "in the first turn");
    let dropped = receiver.stats().dropped;
    assert!(dropped < 1_000, "the flood waits: {dropped}");
    // What is left needs no further event.
    while receiver.stats().dropped < 2_000 {
        assert!(
            receiver
                .turn(&mut machine, Some(PATIENCE))
                .unwrap()
                .received
        );
    }
    assert!(machine.heard.is_empty());
}

#[test]
fn h74_what_the_kernel_refuses_is_counted_and_given_up() {
    let mut receiver = loopback();
    let mut driver = loopback();
    let mut machine = Scripted::default();
    machine.say(receiver.local_addr(), vec![0; 65_600], None);
    machine.say("[::1]:9".parse().unwrap(), b"wrong family".to_vec(), None);
    machine.say(receiver.local_addr(), b"goes through".to_vec(), None);
    driver.flush(&mut machine);
    assert_eq!(driver.stats().send_too_long, 1);
    assert_eq!(driver.stats().send_errors, 1);
    assert_eq!(driver.stats().sent, 1);
    let mut to = Scripted::default();
    turn_until(&mut receiver, &mut to, |to| to.heard.len() == 1);
}

#[test]
fn h74_a_closed_port_is_told_and_does_not_spin() {
    let closed = loopback().local_addr();
    let options = BindOptions::client();
    let mut driver = Driver::bind((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
    let mut machine = Scripted::default();
    for _ in 0..3 {
        machine.say(closed, b"anybody?".to_vec(), None);
        driver
            .turn(&mut machine, Some(Duration::from_millis(200)))
            .unwrap();
    }
    assert_eq!(driver.take_path_error(), Some(PathError::PortClosed));
    assert_eq!(driver.take_path_error(), None);
    let polls = (0..50)
        .map(|_| {
            driver
                .turn(&mut machine, Some(Duration::from_millis(1)))
                .unwrap()
        })
        .filter(|turn| turn.received)
        .count();
    assert_eq!(polls, 0, "the error is over");
}

#[test]
fn a_waker_ends_the_wait() {
    let mut driver = loopback();
    let waker = driver.waker();
    let thread = std::thread::spawn(move || waker.wake());
    let mut turns = 0;
    while !driver.turn(&mut Scripted::default(), None).unwrap().woken {
        turns += 1;
    }
    assert!(turns < 5, "{turns} turns for nothing");
    thread.join().unwrap();
}

#[test]
fn a_timer_ends_the_wait() {
    let mut driver = loopback();
    let mut machine = Scripted {
        due: Some(driver.now() + Duration::from_millis(20)),
        ..Scripted::default()
    };
    let begin = driver.now();
    while machine.timeouts == 0 {
        driver.turn(&mut machine, None).unwrap();
    }
    assert!(driver.now().since(begin) >= Duration::from_millis(20));
}

#[test]
fn a_driver_that_looks_before_it_sleeps_misses_nothing() {
    for busy_poll in [Duration::from_micros(50), Duration::from_secs(3600)] {
        let mut options = BindOptions::default();
        options.busy_poll = busy_poll;
        let mut driver = Driver::bind((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
        let mut machine = Scripted::default();
        // Nothing comes: the wait is over all the same.
        let wait = Duration::from_millis(2);
        let turn = driver.turn(&mut machine, Some(wait)).unwrap();
        assert!(!turn.received && !turn.timed_out && !turn.woken);
        machine.due = Some(driver.now() + wait);
        while machine.timeouts == 0 {
            driver.turn(&mut machine, None).unwrap();
        }
        let waker = driver.waker();
        let thread = std::thread::spawn(move || waker.wake());
        while !driver.turn(&mut machine, None).unwrap().woken {}
        thread.join().unwrap();
        let mut sender = loopback();
        let mut from = Scripted::default();
        from.say(driver.local_addr(), b"hello".to_vec(), None);
        sender.flush(&mut from);
        turn_until(&mut driver, &mut machine, |machine| {
            !machine.heard.is_empty()
        });
    }
}

#[test]
fn timers_that_are_put_off_or_brought_forward_are_due_when_they_say() {
    let mut driver = loopback();
    let mut machine = Scripted::default();
    // Later, earlier, much earlier, never, and again.
    for micros in [3_000, 9_000, 2_000, 300, 5_000, 1, 700] {
        let due = driver.now() + Duration::from_micros(micros);
        machine.due = Some(due);
        machine.timeouts = 0;
        while machine.timeouts == 0 {
            let turn = driver.turn(&mut machine, Some(PATIENCE)).unwrap();
            assert!(turn.timed_out, "it woke up for nothing");
        }
        assert!(driver.now() >= due);
        // What waited for a later time than this is put off.
        machine.due = Some(driver.now() + Duration::from_millis(1));
        driver.turn(&mut machine, Some(Duration::ZERO)).unwrap();
        machine.due = None;
        let wait = Duration::from_millis(4);
        let begin = driver.now();
        let turn = driver.turn(&mut machine, Some(wait)).unwrap();
        assert!(!turn.timed_out);
        assert!(
            driver.now().since(begin) >= wait,
            "the caller's wait is cut short"
        );
    }
}

#[test]
fn ecn_bits_are_set_and_heard() {
    for ip in ["127.0.0.1", "::1"] {
        let bind = || {
            let any = SocketAddr::new(ip.parse().unwrap(), 0);
            Driver::bind(any, &BindOptions::default()).unwrap()
        };
        let (mut sender, mut receiver) = (bind(), bind());
        let (mut from, mut to) = (Scripted::default(), Scripted::default());
        let marks = [Some(Ecn::Ect1), Some(Ecn::Ect0), Some(Ecn::Ce), None];
        for (mark, trains) in marks.into_iter().zip([false, true, false, true]) {
            let segment_len = trains.then_some(100);
            from.say(receiver.local_addr(), vec![1; 300], segment_len);
            from.say.back_mut().unwrap().0.ecn = mark;
        }
        sender.flush(&mut from);
        turn_until(&mut receiver, &mut to, |to| to.heard.len() == 8);
        let [ect0, ect1, ce, none] = marks;
        assert_eq!(to.marks, [ect0, ect1, ect1, ect1, ce, none, none, none]);
    }
}

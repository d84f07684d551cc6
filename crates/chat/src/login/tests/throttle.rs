use core::net::IpAddr;

use super::*;
use crate::SourcePrefix;

const SECOND: u64 = 1_000_000_000;

fn throttle() -> Throttle {
    Throttle::new(&mut SeededRandom::new(1))
}

fn source(text: &str) -> SourcePrefix {
    SourcePrefix::of(text.parse::<IpAddr>().unwrap())
}

/// Guesses once a second for `seconds`; how many guesses are answered.
fn guesses(throttle: &mut Throttle, from: SourcePrefix, seconds: u64) -> usize {
    (0..seconds)
        .filter(|second| {
            throttle
                .answer(second * SECOND, &name("Alice"), from)
                .is_ok()
        })
        .count()
}

#[test]
fn h50_a_guesser_is_slowed_to_one_a_minute() {
    let mut throttle = throttle();
    let answered = guesses(&mut throttle, source("192.0.2.1"), 3600);
    assert!(
        (40..75).contains(&answered),
        "{answered} guesses in an hour"
    );
    let price = throttle.price(3600 * SECOND, &name("ALICE"), source("192.0.2.99"));
    assert_ne!(
        price,
        Price::Free,
        "neither another spelling nor a neighbour helps"
    );
}

#[test]
fn h50_many_connections_guess_no_faster_than_one() {
    let mut throttle = throttle();
    let from = source("192.0.2.1");
    let at_once = (0..100)
        .filter(|_| throttle.answer(0, &name("Alice"), from).is_ok())
        .count();
    assert_eq!(at_once, 4);
}

#[test]
fn h50_the_owner_pays_work_and_does_not_wait() {
    let mut throttle = throttle();
    guesses(&mut throttle, source("192.0.2.1"), 3600);
    for network in 0..200 {
        let from = source(&format!("198.51.{network}.1"));
        for _ in 0..4 {
            let _ = throttle.answer(3600 * SECOND, &name("Alice"), from);
        }
    }
    let owner = source("203.0.113.5");
    let price = throttle.price(3600 * SECOND, &name("Alice"), owner);
    assert_eq!(price, Price::Work(20));
    let ticket = throttle
        .answer(3600 * SECOND, &name("Alice"), owner)
        .unwrap();
    throttle.succeeded(3601 * SECOND, &ticket);
    assert!(
        throttle
            .answer(3601 * SECOND, &name("Alice"), owner)
            .is_ok()
    );
    // Others pay nothing for it.
    assert_eq!(
        throttle.price(3600 * SECOND, &name("Bob"), owner),
        Price::Free
    );
}

#[test]
fn h50_trying_one_password_on_many_names_costs_work() {
    let mut throttle = throttle();
    let from = source("192.0.2.1");
    for victim in 0..130 {
        let _ = throttle.answer(0, &name(&format!("user{victim}")), from);
    }
    assert_eq!(throttle.price(0, &name("fresh"), from), Price::Work(20));
    assert_eq!(throttle.registration(0, from), 20);
    assert_eq!(throttle.registration(0, source("203.0.113.5")), 16);
}

#[test]
fn success_takes_the_failure_and_its_pause_back() {
    let mut throttle = throttle();
    let from = source("192.0.2.1");
    for round in 0..1000 {
        let ticket = throttle
            .answer(round * SECOND, &name("Alice"), from)
            .unwrap();
        throttle.succeeded(round * SECOND + SECOND / 2, &ticket);
        let later = (round + 1) * SECOND;
        assert_eq!(
            throttle.price(later, &name("Alice"), from),
            Price::Free,
            "{round}"
        );
    }
    // Ten wrong ones, then the right one: no pause is left.
    let mut now = 2000 * SECOND;
    let mut answered = Vec::new();
    while answered.len() < 11 {
        match throttle.answer(now, &name("Alice"), from) {
            Ok(ticket) => answered.push(ticket),
            Err(seconds) => now += u64::from(seconds) * SECOND,
        }
    }
    let late = throttle.price(now, &name("Alice"), from);
    assert!(matches!(late, Price::Wait(_)));
    throttle.succeeded(now + SECOND, &answered[10]);
    let after = throttle.price(now + SECOND, &name("Alice"), from);
    assert!(matches!(after, Price::Work(_)), "{after:?}");
}

#[test]
fn pauses_and_counts_pass() {
    let mut throttle = throttle();
    guesses(&mut throttle, source("192.0.2.1"), 3600);
    let later = (3600 + 16 * 300 + 256 * 60) * SECOND;
    assert_eq!(
        throttle.price(later, &name("Alice"), source("192.0.2.1")),
        Price::Free
    );
}

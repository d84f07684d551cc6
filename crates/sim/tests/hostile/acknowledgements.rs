//! Acknowledgements of what did not arrive.

use core::time::Duration;

use codec::Writer;
use common::config;
use transport::{Mode, OpenGate, code};

use crate::common;
use crate::raw::{Heard, Raw};

/// An ACK of ascending numbers.
fn acknowledgement(numbers: &[u64]) -> Vec<u8> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    let (mut lowest, last) = runs.pop().unwrap();
    writer.u8(2).varint(last).varint(0);
    writer.varint(runs.len() as u64).varint(last - lowest);
    for (first, last) in runs.into_iter().rev() {
        writer.varint(lowest - last - 2).varint(last - first);
        lowest = first;
    }
    out
}

#[test]
fn h12_an_acknowledgement_of_what_was_not_sent_closes_and_moves_no_window() {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    let handle = raw.handle();
    let stream = (raw.server.connection(handle).unwrap())
        .open(9, Mode::Bytes)
        .unwrap();
    let stats = |raw: &mut Raw| raw.server.connection(handle).unwrap().stats();
    let first = stats(&mut raw).cwnd;
    for _ in 0..20 {
        let connection = raw.server.connection(handle).unwrap();
        connection.write(stream, &[7; 20_000]).unwrap();
        raw.collect();
        raw.wait(Duration::from_millis(20));
        let frame = acknowledgement(&raw.arrived);
        raw.say(&frame);
        raw.wait(Duration::from_millis(20));
    }
    assert!(stats(&mut raw).cwnd > first, "acknowledgements count");
    let connection = raw.server.connection(handle).unwrap();
    connection.write(stream, &[7; 20_000]).unwrap();
    raw.collect();
    raw.wait(Duration::from_millis(20));
    let before = stats(&mut raw);
    assert!(before.bytes_in_flight > 0);
    let mut numbers = raw.arrived.clone();
    numbers.push(numbers.last().unwrap() + 1_000);
    raw.say(&acknowledgement(&numbers));
    let code = code::PROTOCOL_VIOLATION;
    assert_eq!(raw.heard.last(), Some(&Heard::Close { code }));
    let after = stats(&mut raw);
    assert_eq!((after.cwnd, after.srtt), (before.cwnd, before.srtt));
}

/// The server leaves a number out, and whoever acknowledges it is shown the door. Who acknowledges
/// what arrived causes no loss by that.
#[test]
fn h13_optimistic_acknowledgements_are_caught_and_honest_ones_lose_nothing() {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    let handle = raw.handle();
    let stream = (raw.server.connection(handle).unwrap())
        .open(9, Mode::Bytes)
        .unwrap();
    let mut left_out = None;
    while left_out.is_none_or(|number| raw.arrived.last() < Some(&(number + 20))) {
        let connection = raw.server.connection(handle).unwrap();
        connection.write(stream, &[7; 10_000]).unwrap();
        raw.collect();
        raw.wait(Duration::from_millis(20));
        let frame = acknowledgement(&raw.arrived);
        raw.say(&frame);
        raw.wait(Duration::from_millis(20));
        left_out = (raw.arrived.windows(2))
            .find(|pair| pair[1] > pair[0] + 1)
            .map(|pair| pair[0] + 1);
        assert!(raw.arrived.len() < 1000, "nothing was left out");
    }
    assert!(
        !raw.heard
            .iter()
            .any(|heard| matches!(heard, Heard::Close { .. }))
    );
    let counters = raw.server.connection(handle).unwrap().stats().counters;
    assert_eq!(counters.packets_lost, 0, "{counters:?}");
    let all: Vec<u64> = (0..=*raw.arrived.last().unwrap()).collect();
    raw.say(&acknowledgement(&all));
    let code = code::PROTOCOL_VIOLATION;
    assert_eq!(raw.heard.last(), Some(&Heard::Close { code }));
}

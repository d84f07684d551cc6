//! Connection ids: asked for, handed out, taken back (docs/PROTOCOL.md §4.9).

use core::time::Duration;

use codec::Writer;
use common::config;
use internet::{ConnectionId, ConnectionIds, DropReason, Route};
use transport::{CloseReason, Epoch, Event, OpenGate, code};

use crate::common;
use crate::raw::{Heard, Raw};

fn connected() -> Raw {
    let mut raw = Raw::new(config(), Box::new(OpenGate)).connected();
    raw.events.clear();
    raw
}

fn new_id(number: u64, retire_prior_to: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.u8(0x18).varint(number).varint(retire_prior_to);
    writer.bytes(&(number << 8).to_be_bytes()).bytes(&[3; 16]);
    out
}

fn retire(number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::new(&mut out).u8(0x19).varint(number);
    out
}

/// The ids that the server has told of, by number.
fn told(raw: &Raw) -> Vec<(u64, ConnectionId)> {
    let mut ids = Vec::new();
    for heard in &raw.heard {
        if let Heard::NewId { number, id } = *heard
            && !ids.contains(&(number, ConnectionId::new(id)))
        {
            ids.push((number, ConnectionId::new(id)));
        }
    }
    ids
}

/// Why the server closed the connection.
fn violation(raw: &Raw) -> Option<u64> {
    raw.events.iter().find_map(|event| match event {
        Event::Closed(CloseReason::ProtocolError { code, .. }) => Some(*code),
        _ => None,
    })
}

#[test]
fn a_server_hands_out_two_ids_and_all_of_them_lead_to_it() {
    let mut config = config();
    (config.worker, config.workers) = (3, 5);
    let mut raw = Raw::new(config, Box::new(OpenGate)).connected();
    let ids = told(&raw);
    assert_eq!(
        ids.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        [1, 2]
    );
    let routes = ConnectionIds::new(&crypto::Secret::from([9; 32]));
    for (_, id) in ids {
        assert_eq!(routes.route(id), Route { node: 0, worker: 3 });
        raw.heard.clear();
        raw.server_id = id;
        raw.say(&[1]);
        raw.wait(Duration::from_millis(50));
        assert!(raw.heard.contains(&Heard::Acknowledgement));
    }
}

#[test]
fn h36_whoever_retires_ids_gets_new_ones_and_never_has_more_than_three() {
    let mut raw = connected();
    let mut last = raw.server_id;
    for round in 0..100 {
        let ids = told(&raw);
        let &(number, id) = ids.last().unwrap();
        assert_eq!(number, round + 2);
        raw.server_id = id;
        raw.say(&retire(round));
        raw.say(&retire(round));
        raw.wait(Duration::from_millis(50));
        assert_eq!(told(&raw).len() as u64, round + 3, "one for one");
        // What comes under the retired one is nobody's.
        let unknown = raw.server.stats().drops.of(DropReason::UnknownConnection);
        raw.server_id = if round == 0 {
            last
        } else {
            ids[round as usize - 1].1
        };
        raw.say(&[1]);
        let after = raw.server.stats().drops.of(DropReason::UnknownConnection);
        assert_eq!(after, unknown + 1);
        last = id;
    }
    assert_eq!(violation(&raw), None);
}

#[test]
fn h36_more_than_eight_ids_close_the_connection() {
    let mut raw = connected();
    for number in 1..8 {
        raw.say(&new_id(number, 0));
        raw.say(&new_id(number, 0));
    }
    assert_eq!(violation(&raw), None);
    raw.say(&new_id(8, 0));
    assert_eq!(violation(&raw), Some(code::CONNECTION_ID_LIMIT));
}

/// CVE-2024-22189: each id takes the one before it back, and no retirement is ever acknowledged.
#[test]
fn h21_h36_retirements_that_are_never_acknowledged_do_not_pile_up() {
    let mut raw = connected();
    let mut sent = 0;
    while violation(&raw).is_none() {
        sent += 1;
        raw.say(&new_id(sent, sent));
        assert!(sent < 100);
    }
    assert_eq!(violation(&raw), Some(code::CONNECTION_ID_LIMIT));
}

#[test]
fn what_breaks_the_rules_of_ids_closes_the_connection() {
    let other_token = [&new_id(1, 0)[..19], &[4; 16]].concat();
    for (frames, expected) in [
        (retire(0), code::PROTOCOL_VIOLATION),
        (retire(3), code::PROTOCOL_VIOLATION),
        (new_id(1, 2), code::FRAME_ENCODING),
        (new_id(1 << 32, 0), code::FRAME_ENCODING),
        (new_id(65, 0), code::CONNECTION_ID_LIMIT),
        (other_token[..20].to_vec(), code::FRAME_ENCODING),
    ] {
        let mut raw = connected();
        let datagram = raw.packet(Epoch::Data, &frames);
        raw.deliver(datagram);
        assert_eq!(violation(&raw), Some(expected), "{frames:02x?}");
    }
    let mut early = Raw::new(config(), Box::new(OpenGate));
    early.say_hello();
    let datagram = early.packet(Epoch::Handshake, &new_id(1, 0));
    early.deliver(datagram);
    assert_eq!(violation(&early), Some(code::PROTOCOL_VIOLATION));
}

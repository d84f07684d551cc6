//! Very many timers that are due at once.

use core::time::Duration;
use std::collections::BTreeSet;

use transport::{DUE_MAX, Endpoint, Instant, Meta, Side};

use crate::common::{PORT, address, client, config, sessions};

/// Datagrams that an endpoint has to send now, and by which ids.
fn flight(endpoint: &mut Endpoint, now: Instant) -> (usize, BTreeSet<[u8; 8]>) {
    let (mut count, mut ids) = (0, BTreeSet::new());
    let mut out = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit(now, 1, &mut out) {
        assert_eq!(transmit.remote, address(1));
        // The source id of a first packet, behind first byte, version and the destination id.
        ids.insert(out[15..23].try_into().unwrap());
        count += 1;
        out.clear();
    }
    (count, ids)
}

#[test]
fn h76_of_very_many_timers_each_call_does_a_bounded_share_and_none_is_forgotten() {
    const CONNECTIONS: usize = 5 * DUE_MAX + 7;
    let mut endpoint = client(76, config());
    let mut sessions = sessions(76, Side::Client);
    let mut now = Instant::from_nanos(1_000_000_000);
    for _ in 0..CONNECTIONS {
        endpoint.connect(now, address(1), &mut sessions).unwrap();
    }
    let (_, everybody) = flight(&mut endpoint, now);
    assert_eq!(everybody.len(), CONNECTIONS);
    // Nobody answers: all of them are due to repeat their first packet.
    now += Duration::from_secs(1);
    let (mut calls, mut heard) = (0, BTreeSet::new());
    while endpoint.poll_timeout().is_some_and(|due| due <= now) {
        endpoint.handle_timeout(now);
        let (count, ids) = flight(&mut endpoint, now);
        assert!(count <= 4 * DUE_MAX, "{count} datagrams after one call");
        assert!(
            ids.len() <= DUE_MAX,
            "{} connections in one call",
            ids.len()
        );
        heard.extend(ids);
        calls += 1;
        // Whatever comes in meanwhile has its turn.
        let meta = Meta {
            remote: address(1),
            local: None,
            ecn: None,
        };
        endpoint.handle_datagram(now, meta, &mut [PORT as u8; 40]);
    }
    assert!(calls >= CONNECTIONS / DUE_MAX, "{calls} calls");
    assert_eq!(heard, everybody);
}

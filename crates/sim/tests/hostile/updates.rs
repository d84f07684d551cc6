//! Key updates over a bad path, and with somebody on it who invents more of them.

use core::time::Duration;

use common::{PORT, Pair};
use internet::DropReason;
use sim::Link;
use transport::Mode;

use crate::common;

/// Minutes of talk: keys are updated every ten.
const MINUTES: u32 = 35;

/// The key phase bit; the header's mask covers it by exclusive or, so flipping it flips the phase.
const PHASE: u8 = 0x04;

/// Where the packet number begins. Changed, the packet is not dropped as one that is known.
const NUMBER: usize = 9;

#[test]
fn h25_lost_crossed_and_forged_key_updates_stop_nothing() {
    let mut pair = Pair::connected(25);
    let mut link = Link::with_delay(Duration::from_millis(80));
    link.loss = 0.15;
    link.duplication = 0.1;
    link.reordering = 0.1;
    link.reordering_delay = Duration::from_millis(400);
    let (client, server) = (pair.client, pair.server);
    pair.world.set_link(client, server, link.clone());
    pair.world.set_link(server, client, link);
    // Both ends talk, so that both update, often at about the same time.
    pair.logs[1].echo = true;
    let stream = pair.open(PORT, Mode::Messages);
    let mut forged = 0;
    let mut said = Vec::new();
    for second in 0..MINUTES * 60 {
        let message = second.to_be_bytes();
        pair.send(stream, &message);
        said.push(message.to_vec());
        pair.world.start_capture();
        pair.run(1, |_| false);
        for datagram in pair.world.take_capture().into_iter().take(2) {
            let mut bytes = datagram.bytes;
            bytes[0] ^= PHASE;
            bytes[NUMBER] ^= 0x20;
            let (from, to) = (datagram.from, datagram.to);
            forged += u64::from(to == common::address(2));
            pair.world.inject(Duration::ZERO, from, to, bytes);
        }
    }
    pair.run(30, |logs| logs[0].messages.len() == said.len());
    for log in &pair.logs {
        let heard: Vec<Vec<u8>> = log.messages.iter().map(|(_, m)| m.clone()).collect();
        assert!(heard == said, "{} of {}", heard.len(), said.len());
        assert_eq!(log.closed, []);
    }
    let drops = pair.on_server(|endpoint, _| endpoint.stats().drops);
    let refused = drops.of(DropReason::Unauthentic);
    assert!(
        forged > 1000 && refused > forged / 2,
        "{refused} of {forged}"
    );
}

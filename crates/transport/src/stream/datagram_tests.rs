//! Datagrams beside each other, beside other streams and at their stream's end.

use core::time::Duration;

use super::delivery_tests::{Ends, PORT, ROOM};
use super::*;
use crate::event::Event;
use crate::recovery::SentFrame;

#[test]
fn datagrams_are_sent_once_and_fit_or_are_refused() {
    let mut ends = Ends::new(100_000);
    let id = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let max = ends.client.datagram_max(id);
    let long = vec![0; max + 1];
    let refused = ends.client.send(id, &long, NEVER);
    assert_eq!(refused, Err(StreamError::DoesNotFit(max)));
    ends.send(id, &vec![1; max]);
    ends.send(id, b"lost");
    ends.send(id, b"");
    let packets: Vec<_> = std::iter::from_fn(|| ends.packet()).collect();
    // The preamble, the long one, and what fits with it.
    assert_eq!(packets.len(), 3);
    ends.arrive(&packets[1]).unwrap();
    assert_eq!(
        ends.server.poll_event(),
        None,
        "nobody knows yet whose it is"
    );
    ends.arrive(&packets[0]).unwrap();
    let stream = id;
    let opened = Event::Opened { stream, port: PORT };
    assert_eq!(ends.server.poll_event(), Some(opened));
    assert_eq!(ends.server.poll_event(), Some(Event::Readable { stream }));
    assert_eq!(ends.received(), [vec![1; max]]);
    for packet in packets {
        ends.lose(packet);
    }
    ends.client.finish(id).unwrap();
    assert_eq!(ends.settle(), Vec::<Vec<u8>>::new(), "never again");
    // The path takes less by now, or it is too late.
    let id = ends.client.open(PORT, Mode::Datagrams).unwrap();
    ends.send(id, &vec![1; max]);
    let soon = ends.now + Duration::from_millis(1);
    ends.client.send(id, b"late", soon).unwrap();
    ends.client
        .on_clock(soon + Duration::from_millis(1), Duration::ZERO, 0, ROOM - 1);
    let (out, _) = ends.packet().unwrap();
    assert!(out.len() < 20, "the preamble alone");
    assert_eq!(ends.client.dropped().unsent, 2);
}

#[test]
fn h69_datagrams_that_nobody_receives_are_dropped_and_counted() {
    let mut ends = Ends::new(100_000);
    let id = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let sent = 10_000;
    for index in 0..sent {
        let data: &[u8] = if index % 2 == 0 { &[7; 100] } else { b"" };
        while ends.client.send(id, data, NEVER).is_err() {
            let packet = ends.packet().unwrap();
            ends.arrive(&packet).unwrap();
        }
    }
    ends.client.finish(id).unwrap();
    while let Some(packet) = ends.packet() {
        ends.arrive(&packet).unwrap();
    }
    let held = ends.server.datagram_bytes;
    assert!(held <= datagrams::INCOMING_BYTES_MAX);
    let received = ends.received().len() as u64;
    assert!(received > 1000);
    assert_eq!(received + ends.server.dropped().no_room, sent);
    assert_eq!(ends.server.datagram_bytes, 0);
}

/// The streams whose data a packet carries.
fn streams_of(sent: &[SentFrame]) -> Vec<u64> {
    let id = |frame: &SentFrame| match frame {
        SentFrame::Stream { id, .. } => Some(*id),
        _ => None,
    };
    sent.iter().filter_map(id).collect()
}

#[test]
fn datagrams_without_end_take_turns_with_equals() {
    let mut ends = Ends::new(100_000);
    let noisy = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let other = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let talk = ends.client.open(PORT, Mode::Messages).unwrap();
    while ends.client.send(noisy, &[1; 90], NEVER).is_ok() {}
    while ends.client.send(other, &[2; 90], NEVER).is_ok() {}
    for _ in 0..3 {
        let packet = ends.packet().unwrap();
        ends.acknowledge(packet);
    }
    for round in 0..20 {
        ends.send(talk, &[3; 1_000]);
        let mut bytes = [0; 2];
        let mut packets = 0;
        while packets < 100
            && !ends
                .client
                .streams
                .get(talk)
                .unwrap()
                .send
                .buffer
                .is_acked()
        {
            let packet = ends.packet().unwrap();
            for (kind, bytes) in [1, 2].into_iter().zip(&mut bytes) {
                *bytes += packet.0.iter().filter(|byte| **byte == kind).count();
            }
            ends.acknowledge(packet);
            while ends.client.send(noisy, &[1; 90], NEVER).is_ok() {}
            while ends.client.send(other, &[2; 90], NEVER).is_ok() {}
            packets += 1;
        }
        assert!(
            (6..30).contains(&packets),
            "round {round}: {packets} packets"
        );
        let [one, two] = bytes.map(|bytes| bytes / 90);
        assert!(
            one.abs_diff(two) <= 4 && one > 4,
            "{one} and {two} datagrams"
        );
    }
}

#[test]
fn the_end_of_a_stream_is_behind_its_datagrams() {
    let mut ends = Ends::new(100_000);
    let id = ends.client.open(PORT, Mode::Datagrams).unwrap();
    for _ in 0..20 {
        ends.send(id, &[1; 150]);
    }
    ends.client.finish(id).unwrap();
    // The preamble goes again, without the datagram behind it, and does not take the end along.
    let preamble = ends.packet().unwrap();
    assert_eq!(streams_of(&preamble.1), [id.0]);
    ends.lose(preamble);
    let mut received = 0;
    while let Some(packet) = ends.packet() {
        ends.arrive(&packet).unwrap();
        received += ends.received().len();
        ends.acknowledge(packet);
    }
    assert_eq!(received, 19);
    assert_eq!(ends.client.dropped().unsent, 0);
    assert_eq!(
        ends.client.poll_event(),
        Some(Event::Finished { stream: id })
    );
}

/// From the second probe timeout on packets are shorter than what the path was found to take.
#[test]
fn a_datagram_that_is_too_long_for_a_packet_lets_others_use_it() {
    let mut ends = Ends::new(100_000);
    let long = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let talk = ends.client.open(PORT, Mode::Messages).unwrap();
    let low = ends.client.open(PORT, Mode::Bytes).unwrap();
    ends.client.set_priority(low, -1).unwrap();
    while ends.packet().is_some() {}
    let max = ends.client.datagram_max(long);
    ends.send(long, &vec![1; max]);
    ends.send(talk, b"hello");
    ends.client.write(low, b"you").unwrap();
    let (mut out, mut sent) = (Vec::new(), Vec::new());
    ends.client.shorten_packets(ROOM - 50);
    (ends.client).write_frames(ROOM - 50, &mut out, &mut |frame| sent.push(frame));
    assert_eq!(streams_of(&sent), [talk.0, low.0]);
    ends.pass(Duration::ZERO);
    assert!(ends.client.wants_to_send(), "the datagram waits");
    let (out, sent) = ends.packet().unwrap();
    assert!(out.len() > max && sent.is_empty());
    assert!(!ends.client.wants_to_send());
    assert_eq!(ends.client.dropped().unsent, 0);
}

/// What stands in front of it in one packet, an acknowledgement for instance, does not in the next.
#[test]
fn a_long_datagram_has_its_turn_beside_bulk_and_acknowledgements() {
    let mut ends = Ends::new(1 << 20);
    let long = ends.client.open(PORT, Mode::Datagrams).unwrap();
    let bulk = ends.client.open(PORT, Mode::Bytes).unwrap();
    while ends.packet().is_some() {}
    let max = ends.client.datagram_max(long);
    ends.send(long, &vec![1; max]);
    ends.client.write(bulk, &[2; 4_000]).unwrap();
    // A packet that begins with an acknowledgement goes without more, and the next one has it.
    let (mut out, mut sent) = (vec![0xff; 12], Vec::new());
    (ends.client).write_frames(ROOM, &mut out, &mut |frame| sent.push(frame));
    assert_eq!((out.len(), sent), (12, vec![]));
    let (out, _) = ends.packet().unwrap();
    assert!(out.iter().filter(|byte| **byte == 1).count() >= max);
}

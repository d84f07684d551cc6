use core::time::Duration;

use codec::{Reader, Writer};

use super::*;
use crate::frame::{self, Frame};
use crate::ranges::RangeSet;

fn at(ms: u64) -> Instant {
    Instant::from_nanos(ms * 1_000_000)
}

/// Packets of 1000 bytes, one a millisecond, each with one stream frame.
fn sent(count: u64) -> (SentPackets, Totals) {
    let (mut sent, mut totals) = (SentPackets::default(), Totals::default());
    for number in 0..count {
        sent.note(SentFrame::Stream {
            id: number,
            range: 0..1,
            fin: false,
        });
        sent.on_sent(at(number), 1000, 1, true, &mut totals);
    }
    (sent, totals)
}

fn ack(numbers: &[u64]) -> Vec<u8> {
    let mut set = RangeSet::default();
    for &number in numbers {
        set.insert(number..number + 1);
    }
    let mut out = Vec::new();
    frame::encode_ack(&set, Duration::ZERO, 1000, &mut Writer::new(&mut out));
    out
}

/// Acknowledges; gives back the streams whose frames came out.
fn on_ack(
    sent: &mut SentPackets,
    totals: &mut Totals,
    now: Instant,
    numbers: &[u64],
) -> Result<(AckOutcome, Vec<u64>), Violation> {
    let bytes = ack(numbers);
    let Ok(Frame::Ack(ack)) = Frame::decode(&mut Reader::new(&bytes)) else {
        panic!("an acknowledgement");
    };
    let mut streams = Vec::new();
    let outcome = sent.on_ack(now, &ack, totals, |frame| streams.push(stream(&frame)))?;
    Ok((outcome, streams))
}

fn stream(frame: &SentFrame) -> u64 {
    match frame {
        SentFrame::Stream { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

fn lost(sent: &mut SentPackets, totals: &mut Totals, now: Instant) -> (LossOutcome, Vec<u64>) {
    let mut rtt = Rtt::default();
    rtt.update(Duration::from_millis(40), Duration::ZERO);
    let mut streams = Vec::new();
    let outcome = sent.detect_losses(now, &rtt, totals, |frame| streams.push(stream(&frame)));
    (outcome, streams)
}

#[test]
fn an_acknowledgement_gives_each_frame_once() {
    let (mut sent, mut totals) = sent(5);
    let (outcome, mut streams) = on_ack(&mut sent, &mut totals, at(50), &[0, 1, 3]).unwrap();
    streams.sort_unstable();
    assert_eq!(streams, [0, 1, 3]);
    assert_eq!(outcome.bytes, 3000);
    assert_eq!(outcome.rtt_sample, Some(Duration::from_millis(47)));
    assert_eq!(totals.in_flight, 2000);
    let (outcome, streams) = on_ack(&mut sent, &mut totals, at(60), &[0, 1, 3]).unwrap();
    assert_eq!(
        (outcome.bytes, outcome.rtt_sample, streams),
        (0, None, vec![])
    );
    let (_, streams) = on_ack(&mut sent, &mut totals, at(61), &[2, 4]).unwrap();
    assert_eq!(streams, [4, 2]);
    assert_eq!(totals.in_flight, 0);
    assert!(
        sent.packets.is_empty() && sent.frames.is_empty(),
        "nothing is kept"
    );
}

#[test]
fn h12_ack_of_unsent_number() {
    let (mut sent, mut totals) = sent(5);
    let error = on_ack(&mut sent, &mut totals, at(50), &[5]).unwrap_err();
    assert_eq!(error.code, code::PROTOCOL_VIOLATION);
    assert_eq!(totals.in_flight, 5000, "the window is unchanged");
}

#[test]
fn packets_three_behind_are_lost_and_nearer_ones_in_time() {
    let (mut sent, mut totals) = sent(5);
    on_ack(&mut sent, &mut totals, at(40), &[4]).unwrap();
    let (outcome, streams) = lost(&mut sent, &mut totals, at(40));
    assert_eq!(streams, [0, 1]);
    assert_eq!(outcome.bytes, 2000);
    // Nine eighths of 40 ms after it was sent.
    assert_eq!(sent.loss_time(), Some(at(2) + Duration::from_millis(45)));
    let (_, streams) = lost(&mut sent, &mut totals, at(47));
    assert_eq!(streams, [2]);
    let (_, streams) = lost(&mut sent, &mut totals, at(48));
    assert_eq!(streams, [3]);
    assert_eq!(
        (totals.in_flight, totals.lost, sent.loss_time()),
        (0, 4, None)
    );
}

#[test]
fn a_late_acknowledgement_of_a_lost_packet_changes_nothing() {
    let (mut sent, mut totals) = sent(5);
    on_ack(&mut sent, &mut totals, at(40), &[4]).unwrap();
    lost(&mut sent, &mut totals, at(90));
    let (outcome, streams) = on_ack(&mut sent, &mut totals, at(91), &[0, 1, 2, 3, 4]).unwrap();
    assert_eq!((outcome.bytes, streams, totals.in_flight), (0, vec![], 0));
}

#[test]
fn packets_that_only_acknowledge_hold_nothing() {
    let (mut sent, mut totals) = (SentPackets::default(), Totals::default());
    for number in 0..1000 {
        sent.note(SentFrame::Ack { largest: number });
        sent.on_sent(at(number), 40, 1, false, &mut totals);
    }
    assert_eq!(
        (sent.next(), totals.in_flight, sent.packets.len()),
        (1000, 0, 0)
    );
}

#[test]
fn h21_answers_that_nobody_acknowledges_are_not_kept_for_ever() {
    let (mut sent, mut totals) = sent(2);
    let mut given_up = Vec::new();
    for number in 0..100_000 {
        sent.note(SentFrame::Ack { largest: number });
        sent.on_sent(at(10 + number), 40, 1, false, &mut totals);
        sent.shed(&mut totals, |frame| given_up.push(stream(&frame)));
        assert!(sent.packets.len() <= SETTLED_MAX + 2);
        assert_eq!(sent.packets.len(), sent.frames.len());
    }
    assert_eq!(given_up, [0, 1], "what they carried is sent again");
    assert_eq!((totals.in_flight, totals.lost), (0, 2));
    assert_eq!(sent.next(), 100_002);
}

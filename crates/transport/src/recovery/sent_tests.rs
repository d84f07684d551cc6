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
    frame::encode_ack(&set, Duration::ZERO, None, 1000, &mut Writer::new(&mut out));
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
    rtt.update(at(0), Duration::from_millis(40), Duration::ZERO);
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
    assert_eq!(sent.ring.len(), (0, 0), "nothing is kept");
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
    // Five quarters of 40 ms after it was sent.
    assert_eq!(sent.loss_time(), Some(at(52)));
    let (_, streams) = lost(&mut sent, &mut totals, at(52));
    assert_eq!(streams, [2]);
    let (_, streams) = lost(&mut sent, &mut totals, at(53));
    assert_eq!(streams, [3]);
    assert_eq!(
        (totals.in_flight, totals.lost, sent.loss_time()),
        (0, 4, None)
    );
}

#[test]
fn a_path_that_reorders_is_given_time_and_not_three_packets() {
    let (mut sent, mut totals) = sent(20);
    on_ack(&mut sent, &mut totals, at(40), &[4]).unwrap();
    // What is overtaken by one or two shows it, before anything was declared lost.
    on_ack(&mut sent, &mut totals, at(41), &[3, 4]).unwrap();
    on_ack(&mut sent, &mut totals, at(42), &[3, 4, 10, 19]).unwrap();
    let (outcome, streams) = lost(&mut sent, &mut totals, at(49));
    assert_eq!((outcome.bytes, streams), (0, vec![]));
    assert_eq!(sent.loss_time(), Some(at(50)));
    let (_, streams) = lost(&mut sent, &mut totals, at(52));
    assert_eq!(streams, [0, 1, 2]);
}

#[test]
fn a_spurious_loss_is_told_once_and_widens_the_window() {
    let (mut sent, mut totals) = sent(6);
    on_ack(&mut sent, &mut totals, at(40), &[4]).unwrap();
    assert_eq!(lost(&mut sent, &mut totals, at(40)).1, [0, 1]);
    let (outcome, _) = on_ack(&mut sent, &mut totals, at(41), &[1, 2, 3, 4]).unwrap();
    let spurious = outcome.spurious;
    assert_eq!((spurious.packets, spurious.bytes), (1, 1000));
    assert_eq!(spurious.newest_sent, Some(at(1)));
    let (outcome, _) = on_ack(&mut sent, &mut totals, at(42), &[1, 2, 3, 4]).unwrap();
    assert_eq!(outcome.spurious.packets, 0);
    assert_eq!((totals.lost, totals.spurious), (2, 1));
    sent.on_sent(at(50), 1000, 0, true, &mut totals);
    sent.on_sent(at(51), 1000, 0, true, &mut totals);
    on_ack(&mut sent, &mut totals, at(95), &[5, 7]).unwrap();
    lost(&mut sent, &mut totals, at(95));
    assert_eq!(sent.loss_time(), Some(at(50 + 40 + 20)));
}

#[test]
fn only_what_was_sent_while_nothing_got_through_counts_as_silence() {
    let silence = |acked: &[u64]| {
        let (mut sent, mut totals) = sent(1000);
        on_ack(&mut sent, &mut totals, at(1040), acked).unwrap();
        lost(&mut sent, &mut totals, at(1040)).0.silence
    };
    let ms = Duration::from_millis;
    assert_eq!(silence(&[999]), ms(996));
    assert_eq!(silence(&[300, 999]), ms(995 - 300), "one got through");
    // Before the first round-trip time sample nothing is known about timeouts.
    let (mut sent, mut totals) = sent(1000);
    on_ack(&mut sent, &mut totals, at(1040), &[999]).unwrap();
    let mut rtt = Rtt::default();
    rtt.update(at(800), ms(40), Duration::ZERO);
    let outcome = sent.detect_losses(at(1040), &rtt, &mut totals, |_| {});
    assert_eq!(outcome.silence, ms(996 - 800));
}

#[test]
fn a_late_acknowledgement_of_a_lost_packet_changes_nothing_in_flight() {
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
        (sent.next(), totals.in_flight, sent.ring.len()),
        (1000, 0, (0, 0))
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
        let (packets, frames) = sent.ring.len();
        assert!(packets <= SETTLED_MAX + 2);
        assert_eq!(packets, frames);
    }
    assert_eq!(given_up, [0, 1], "what they carried is sent again");
    assert_eq!((totals.in_flight, totals.lost), (0, 2));
    assert_eq!(sent.next(), 100_002);
}

/// What is newly told costs; what was told before, behind however many holes, does not.
#[test]
fn h15_holes_do_not_make_acknowledgements_dear() {
    let (mut sent, mut totals) = sent(100_000);
    let mut told = 0;
    for largest in (0..100_000u64).step_by(50) {
        // Every tenth is missing, up to 256 ranges back.
        let first = largest.saturating_sub(2500);
        let numbers: Vec<u64> = (first..=largest).filter(|n| n % 10 != 3).collect();
        let (_, streams) = on_ack(&mut sent, &mut totals, at(100_000), &numbers).unwrap();
        told += streams.len();
    }
    assert_eq!(told, 99_951 - 9_995, "each once");
    assert_eq!(totals.in_flight, (49 + 9_995) * 1000);
    // The way past a settled run has become short.
    let longest = sent.ring.longest_way();
    assert!(longest <= 16, "{longest}");
}

/// RFC 9000 §9.4: one path's losses and ways say nothing of another.
#[test]
fn packets_that_went_over_another_path_are_not_lost_and_its_reordering_is_its_own() {
    let (mut sent, mut totals) = sent(20);
    on_ack(&mut sent, &mut totals, at(40), &[4]).unwrap();
    on_ack(&mut sent, &mut totals, at(41), &[3, 4]).unwrap();
    let mut again = Vec::new();
    sent.abandon(&mut totals, |frame| again.push(stream(&frame)));
    let left = sent.change_path(Reordering::default());
    assert_eq!(again.len(), 18);
    assert_eq!((totals.in_flight, totals.lost), (0, 0));
    assert_eq!((sent.outstanding(), sent.loss_time()), (0, None));
    let (outcome, _) = on_ack(&mut sent, &mut totals, at(42), &[0, 1, 3, 4]).unwrap();
    assert_eq!((outcome.packets, outcome.spurious.packets), (0, 0));
    let mut send = |sent: &mut SentPackets, from: u64| {
        for number in from..from + 4 {
            sent.on_sent(at(50), 1000, 0, true, &mut totals);
            assert_eq!(sent.next(), number + 1);
        }
        on_ack(sent, &mut totals, at(90), &[from + 3]).unwrap();
        lost(sent, &mut totals, at(90)).0.bytes
    };
    assert_eq!(send(&mut sent, 20), 1000, "it is not seen to reorder");
    sent.change_path(left);
    assert_eq!(send(&mut sent, 24), 0, "it is known to");
}

proptest::proptest! {
    /// Whatever is acknowledged in whatever order, the rings agree with a plain list.
    #[test]
    fn behaves_as_a_list(steps in proptest::collection::vec((0u64..60, 1u64..8, 1u64..6), 1..60)) {
        use proptest::prelude::*;
        let (mut sent, mut totals) = sent(0);
        let mut waiting = std::collections::BTreeSet::new();
        let mut clock = 0;
        for (back, len, more) in steps {
            for _ in 0..more {
                let number = sent.next();
                sent.note(SentFrame::Stream { id: number, range: 0..1, fin: false });
                sent.on_sent(at(clock), 1000, 1, true, &mut totals);
                waiting.insert(number);
                clock += 1;
            }
            let last = sent.next() - 1;
            let start = last.saturating_sub(back);
            let numbers: Vec<u64> = (start..=last.min(start + len)).collect();
            let (_, mut streams) = on_ack(&mut sent, &mut totals, at(clock), &numbers).unwrap();
            streams.sort_unstable();
            let expected: Vec<u64> = numbers.into_iter().filter(|n| waiting.remove(n)).collect();
            prop_assert_eq!(streams, expected);
            let (_, gone) = lost(&mut sent, &mut totals, at(clock));
            for number in gone {
                prop_assert!(waiting.remove(&number));
            }
            prop_assert_eq!(totals.in_flight, waiting.len() as u64 * 1000);
            prop_assert_eq!(sent.has_eliciting(), !waiting.is_empty());
            prop_assert_eq!(waiting.first().copied().unwrap_or(sent.next()), sent.ring.base());
        }
    }
}

/// A number that was left out does not count as a packet that overtook another.
#[test]
fn h13_a_number_that_is_left_out_makes_no_loss() {
    let (mut sent, mut totals) = sent(2);
    sent.skip(at(2), &mut totals);
    sent.on_sent(at(3), 1000, 0, true, &mut totals);
    sent.on_sent(at(4), 1000, 0, true, &mut totals);
    on_ack(&mut sent, &mut totals, at(40), &[0, 4]).unwrap();
    assert_eq!(lost(&mut sent, &mut totals, at(40)).1, [0; 0]);
    sent.on_sent(at(5), 1000, 0, true, &mut totals);
    on_ack(&mut sent, &mut totals, at(41), &[0, 4, 5]).unwrap();
    assert_eq!(lost(&mut sent, &mut totals, at(41)).1, [1]);
    let error = on_ack(&mut sent, &mut totals, at(42), &[2, 5]).unwrap_err();
    assert_eq!(error.code, code::PROTOCOL_VIOLATION);
}

/// RFC 9000 §14.4: that a probe was lost means nothing, and that it was not neither.
#[test]
fn a_probe_of_the_length_is_neither_a_loss_nor_one_that_was_none() {
    let (mut sent, mut totals) = (SentPackets::default(), Totals::default());
    sent.note(SentFrame::MtuProbe { len: 9280 });
    sent.on_sent(at(0), 9280, 1, true, &mut totals);
    sent.on_sent(at(500), 1000, 0, true, &mut totals);
    sent.note(SentFrame::MtuProbe { len: 9280 });
    sent.on_sent(at(900), 9280, 1, true, &mut totals);
    for _ in 0..4 {
        sent.on_sent(at(900), 1000, 0, true, &mut totals);
    }
    on_ack(&mut sent, &mut totals, at(940), &[3, 4, 5, 6]).unwrap();
    let mut rtt = Rtt::default();
    rtt.update(at(0), Duration::from_millis(40), Duration::ZERO);
    let mut probes = 0;
    let outcome = sent.detect_losses(at(941), &rtt, &mut totals, |_| probes += 1);
    assert_eq!((outcome.bytes, totals.lost, probes), (1000, 1, 2));
    assert_eq!(outcome.silence, Duration::ZERO, "one loss is no silence");
    // All three come after all, of which one had counted as lost.
    let (outcome, _) = on_ack(&mut sent, &mut totals, at(942), &[0, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!((outcome.spurious.bytes, totals.spurious), (0, 0));
    let (outcome, _) = on_ack(&mut sent, &mut totals, at(943), &[0, 1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!((outcome.spurious.bytes, totals.spurious), (1000, 1));
}

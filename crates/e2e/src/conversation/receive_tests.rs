use std::collections::BTreeSet;

use crypto::Fingerprint;
use proptest::prelude::*;

use super::*;
use crate::conversation::{ConversationId, DeviceId};

fn origin() -> Origin {
    Origin {
        sender_key: Fingerprint::from([1; 32]),
        device: DeviceId([2; 16]),
        conversation: ConversationId([3; 16]),
    }
}

/// The chain value of an honest message.
fn chain(sequence: u64) -> ChainHash {
    if sequence == 0 {
        return ChainHash::START;
    }
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    ChainHash(bytes)
}

/// An honest message.
fn honest(sequence: u64) -> Step {
    Step {
        sequence,
        previous: chain(sequence - 1),
        chain: Some(chain(sequence)),
    }
}

fn after(sequences: &[u64]) -> ReceiveState {
    let mut state = ReceiveState::new(origin());
    for &sequence in sequences {
        state.step(honest(sequence)).expect("new");
    }
    state
}

#[test]
fn messages_in_order_continue_the_chain() {
    let mut state = ReceiveState::new(origin());
    for sequence in 1..=3 {
        let arrival = state.step(honest(sequence)).expect("new");
        let expected = Arrival {
            skipped: 0,
            first: sequence == 1,
            late: false,
            link: ChainLink::Continues,
        };
        assert_eq!(arrival, expected);
    }
    assert_eq!((state.highest(), state.missing()), (3, 0));
}

#[test]
fn h54_a_gap_is_marked_and_closes_when_it_fills() {
    let mut state = after(&[1]);
    let arrival = state.step(honest(5)).expect("new");
    assert_eq!((arrival.skipped, arrival.link), (3, ChainLink::Open));
    assert_eq!(state.missing(), 3);
    for (sequence, link) in [
        (3, ChainLink::Open),
        (2, ChainLink::Continues),
        (4, ChainLink::Continues),
    ] {
        let arrival = state.step(honest(sequence)).expect("it was missing");
        assert!(arrival.late);
        assert_eq!(arrival.link, link, "sequence {sequence}");
    }
    assert_eq!(state.missing(), 0);
    assert_eq!(state, after(&[1, 2, 3, 4, 5]), "no trace of the disorder");
}

#[test]
fn h54_a_sequence_that_was_seen_is_refused_and_changes_nothing() {
    let mut state = after(&[1, 2, 5]);
    let before = state.clone();
    for sequence in [1, 2, 5] {
        assert_eq!(state.step(honest(sequence)), Err(Refusal::SequenceUsed));
    }
    assert_eq!(state, before);
}

#[test]
fn a_fork_is_marked_wherever_it_shows() {
    let forked = |sequence: u64| Step {
        previous: ChainHash([0xee; 32]),
        ..honest(sequence)
    };
    let replaced = |sequence: u64| Step {
        chain: Some(ChainHash([0xee; 32])),
        ..honest(sequence)
    };
    let broken = |mut state: ReceiveState, step: Step| state.step(step).expect("new").link;
    assert_eq!(broken(after(&[1]), forked(2)), ChainLink::Broken, "on top");
    assert_eq!(
        broken(after(&[1, 4]), forked(2)),
        ChainLink::Broken,
        "below"
    );
    assert_eq!(
        broken(after(&[1, 4]), replaced(3)),
        ChainLink::Broken,
        "above"
    );
    assert_eq!(
        broken(after(&[1, 3]), replaced(2)),
        ChainLink::Broken,
        "between"
    );
}

#[test]
fn behind_a_tombstone_the_chain_is_open() {
    let tombstone = Step {
        chain: None,
        ..honest(2)
    };
    let mut state = after(&[1]);
    assert_eq!(
        state.step(tombstone).expect("new").link,
        ChainLink::Continues
    );
    assert_eq!(state.step(honest(3)).expect("new").link, ChainLink::Open);
    assert_eq!(
        state.step(honest(4)).expect("new").link,
        ChainLink::Continues
    );
    let mut state = after(&[1, 3]);
    assert_eq!(
        state.step(tombstone).expect("new").link,
        ChainLink::Continues
    );
}

#[test]
fn h58_a_jump_costs_one_gap() {
    let mut state = after(&[1]);
    let arrival = state.step(honest(COUNT_MAX)).expect("new");
    assert_eq!(arrival.skipped, COUNT_MAX - 2);
    assert_eq!(state.missing(), COUNT_MAX - 2);
    assert!(state.encode().len() < 200);
    state.step(honest(1 << 32)).expect("it was missing");
    assert_eq!(state.missing(), COUNT_MAX - 3);
}

#[test]
fn gaps_are_bounded_and_the_oldest_is_given_up() {
    let mut state = ReceiveState::new(origin());
    for index in 0..100 {
        state.step(honest(2 + 2 * index)).expect("new");
    }
    assert_eq!(state.missing(), GAPS_MAX as u64);
    assert!(state.encode().len() <= 43 + 81 * GAPS_MAX);
    assert_eq!(
        state.step(honest(1)),
        Err(Refusal::SequenceUsed),
        "given up"
    );
    assert!(
        state.step(honest(199)).is_ok(),
        "the youngest is still missing"
    );
}

#[test]
fn blobs_that_are_not_states_are_refused() {
    let bytes = after(&[2, 5, 9]).encode();
    assert_eq!(bytes[42], 3, "three gaps");
    for end in 0..bytes.len() {
        assert!(ReceiveState::decode(origin(), &bytes[..end]).is_err());
    }
    let with = |index: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[index] = byte;
        ReceiveState::decode(origin(), &bytes)
    };
    assert_eq!(with(0, 2), Err(DecodeError::Unknown));
    assert_eq!(with(1, 0x80), Err(DecodeError::Invalid), "above the limit");
    assert_eq!(
        with(8, 8),
        Err(DecodeError::Invalid),
        "a gap at the highest"
    );
    assert_eq!(
        with(9, 2),
        Err(DecodeError::Invalid),
        "neither known nor not"
    );
    assert_eq!(with(42, 33), Err(DecodeError::TooLong));
    assert_eq!(with(42, 4), Err(DecodeError::Truncated));
    assert_eq!(with(50, 0), Err(DecodeError::Invalid), "a gap at 0");
    assert_eq!(
        with(50, 2),
        Err(DecodeError::Invalid),
        "a gap that ends before it begins"
    );
    assert_eq!(with(92, 2), Err(DecodeError::Invalid), "gaps that touch");
}

proptest! {
    /// Against a set of sequences: what is new, what is missing, and the blob's round trip.
    #[test]
    fn it_agrees_with_a_set(sequences in prop::collection::vec(1u64..40, 0..60)) {
        let mut state = ReceiveState::new(origin());
        let mut seen = BTreeSet::new();
        for sequence in sequences {
            let arrival = state.step(honest(sequence));
            prop_assert_eq!(arrival.is_ok(), seen.insert(sequence));
            if let Ok(arrival) = arrival {
                prop_assert_ne!(arrival.link, ChainLink::Broken);
                let known = sequence == 1 || seen.contains(&(sequence - 1));
                prop_assert_eq!(arrival.link == ChainLink::Continues, known);
            }
            let highest = seen.last().copied().unwrap_or(0);
            prop_assert_eq!(state.highest(), highest);
            prop_assert_eq!(state.missing(), highest - seen.len() as u64);
            prop_assert_eq!(ReceiveState::decode(origin(), &state.encode()), Ok(state.clone()));
        }
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        bytes in prop::collection::vec(prop_oneof![3 => 0u8..3, 1 => any::<u8>()], 0..300),
    ) {
        if let Ok(state) = ReceiveState::decode(origin(), &bytes) {
            prop_assert_eq!(state.encode(), bytes);
        }
    }
}

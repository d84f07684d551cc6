use super::*;

fn id(number: u32) -> ConnectionId {
    ConnectionId::new(u64::from(number).to_be_bytes())
}

fn new_id(number: u32, retire_prior_to: u32) -> NewConnectionId {
    NewConnectionId {
        number,
        retire_prior_to,
        id: id(number),
        token: [number as u8; ResetToken::LEN],
    }
}

fn ids() -> Ids {
    Ids::new(id(100), id(0), true)
}

fn written(ids: &mut Ids) -> Vec<SentFrame> {
    let mut frames = Vec::new();
    ids.write(1000, &mut Vec::new(), &mut |frame| frames.push(frame));
    frames
}

fn code_of(result: Result<(), Violation>) -> Option<u64> {
    result.err().map(|violation| violation.code)
}

#[test]
fn h36_eight_ids_are_kept_and_one_more_is_too_many() {
    let mut ids = ids();
    for number in 1..8 {
        assert_eq!(ids.on_new(&new_id(number, 0)), Ok(()));
        // Said twice is said once.
        assert_eq!(ids.on_new(&new_id(number, 0)), Ok(()));
    }
    let ninth = ids.on_new(&new_id(8, 0));
    assert_eq!(code_of(ninth), Some(code::CONNECTION_ID_LIMIT));
}

#[test]
fn h36_an_id_in_use_on_another_path_counts() {
    let mut ids = ids();
    for number in 1..8 {
        ids.on_new(&new_id(number, 0)).unwrap();
    }
    let taken = ids.take().unwrap();
    assert_eq!(taken.number, 1);
    let ninth = ids.on_new(&new_id(8, 0));
    assert_eq!(code_of(ninth), Some(code::CONNECTION_ID_LIMIT));
}

#[test]
fn h36_ids_that_are_taken_back_at_once_do_not_pile_up() {
    let mut ids = ids();
    let mut last = Ok(());
    let mut number = 0;
    while last.is_ok() {
        number += 1;
        last = ids.on_new(&new_id(number, number));
        assert!(number < 100);
        assert!(ids.spares.len() <= ACTIVE_MAX);
    }
    assert_eq!(code_of(last), Some(code::CONNECTION_ID_LIMIT));
    let mut ids = self::ids();
    let far = ids.on_new(&new_id(65, 0));
    assert_eq!(code_of(far), Some(code::CONNECTION_ID_LIMIT));
}

#[test]
fn contradictions_end_it() {
    for wrong in [
        NewConnectionId {
            id: id(9),
            ..new_id(1, 0)
        },
        NewConnectionId {
            token: [9; 16],
            ..new_id(1, 0)
        },
        NewConnectionId {
            id: id(1),
            ..new_id(2, 0)
        },
        NewConnectionId {
            id: id(0),
            ..new_id(2, 0)
        },
    ] {
        let mut ids = ids();
        ids.on_new(&new_id(1, 0)).unwrap();
        let result = ids.on_new(&wrong);
        assert_eq!(code_of(result), Some(code::PROTOCOL_VIOLATION), "{wrong:?}");
    }
}

#[test]
fn an_id_that_was_retired_does_not_come_back() {
    let mut ids = ids();
    ids.on_new(&new_id(1, 0)).unwrap();
    let next = ids.take().unwrap();
    let old = ids.switch(next);
    ids.retire_taken(old.number);
    assert_eq!(ids.remote(), id(1));
    assert_eq!(
        written(&mut ids),
        [SentFrame::RetireConnectionId { number: 0 }]
    );
    assert_eq!(written(&mut ids), []);
    ids.on_lost(&SentFrame::RetireConnectionId { number: 0 });
    assert_eq!(
        written(&mut ids),
        [SentFrame::RetireConnectionId { number: 0 }]
    );
    ids.on_acked(&SentFrame::RetireConnectionId { number: 0 });
    ids.on_lost(&SentFrame::RetireConnectionId { number: 0 });
    assert_eq!(written(&mut ids), []);
    // The frame that issued it was sent again before its acknowledgement came.
    ids.on_new(&new_id(1, 0)).unwrap();
    assert_eq!(ids.take(), None);
}

#[test]
fn what_the_peer_takes_back_is_retired_whether_it_came_or_not() {
    let mut ids = ids();
    ids.on_new(&new_id(1, 0)).unwrap();
    ids.on_new(&new_id(3, 3)).unwrap();
    assert_eq!(ids.remote(), id(3));
    ids.on_new(&new_id(2, 0)).unwrap();
    let mut retired: Vec<u32> = {
        let untold = ids.untold.as_ref().unwrap();
        untold.retired.iter().map(|(number, _)| *number).collect()
    };
    retired.sort_unstable();
    assert_eq!(retired, [0, 1, 2]);
    assert_eq!(ids.take(), None);
}

#[test]
fn h37_a_token_counts_while_its_id_is_used() {
    let mut ids = ids();
    ids.set_first_token(ResetToken::new([0; 16]));
    ids.on_new(&new_id(1, 0)).unwrap();
    let used = |ids: &Ids| -> Vec<u8> { ids.tokens().map(|t| t.as_bytes()[0]).collect() };
    assert_eq!(used(&ids), [0], "a spare does not count yet");
    let next = ids.take().unwrap();
    let old = ids.switch(next);
    assert_eq!(used(&ids), [0, 1]);
    ids.retire_taken(old.number);
    assert_eq!(used(&ids), [1], "a retired one no more");
}

#[test]
fn our_ids_are_told_until_the_peer_has_them_and_replaced_when_it_retires_one() {
    let mut ids = ids();
    assert_eq!(ids.wanted(), 2);
    ids.issue(id(101), ResetToken::new([1; 16]));
    ids.issue(id(102), ResetToken::new([2; 16]));
    assert_eq!(ids.wanted(), 0);
    let told = |number| SentFrame::NewConnectionId { number };
    assert_eq!(written(&mut ids), [told(1), told(2)]);
    ids.on_acked(&told(1));
    ids.on_lost(&told(1));
    ids.on_lost(&told(2));
    assert_eq!(written(&mut ids), [told(2)]);
    assert_eq!(ids.on_retire(0, 1), Ok(()));
    assert_eq!(ids.on_retire(0, 1), Ok(()), "said twice");
    assert_eq!(ids.take_retired(), Some(id(100)));
    assert_eq!(ids.take_retired(), None);
    assert_eq!(ids.wanted(), 1);
    assert!(ids.local().eq([id(101), id(102)]));
    assert_eq!(ids.number(id(102)), Some(2));
    let violation = Some(code::PROTOCOL_VIOLATION);
    assert_eq!(code_of(ids.on_retire(1, 1)), violation, "its own");
    assert_eq!(code_of(ids.on_retire(3, 1)), violation, "never issued");
    assert_eq!(code_of(ids.on_retire(u64::MAX >> 2, 1)), violation);
}

//! A server with thousands of accounts, or of guests.

use core::time::Duration;
use std::collections::BTreeSet;

use chat::message::{ListOnline, SessionServerMessage as Session};
use store::Store;
use store::relay::{MemoryStore, Op};
use transport::{DUE_MAX, Machine};

use crate::common::{Fixture, TestStore, account, alice, bob, config, logged_in, session};

#[test]
fn five_thousand_accounts_are_listed_to_everybody() {
    let mut store = TestStore::new(MemoryStore::default());
    account(&mut store, &alice());
    account(&mut store, &bob());
    let one = alice().draft().into_account(1, false).unwrap();
    let many: Vec<_> = (0..5000u32)
        .map(|number| {
            let name = format!("user{number:05}");
            let account = store::relay::Account {
                display_name: name.clone(),
                name,
                ..one.clone()
            };
            Op::InsertAccount(Box::new(account))
        })
        .collect();
    store.commit(&many).unwrap();
    let mut fixture = Fixture::with(config(), store);
    let id = fixture.client();
    let entries = logged_in(&mut fixture, id, &alice(), [1; 16]);
    assert_eq!(entries, 5002);
    let b = session(&mut fixture, &bob(), [2; 16]);
    fixture.tell(b, ListOnline { request: 1 });
    assert!(matches!(fixture.answer(b), Session::Online(_)));
}

#[test]
fn h76_of_very_many_guests_whose_time_is_up_each_call_ends_a_share_and_none_stays() {
    const GUESTS: usize = 2 * DUE_MAX + 7;
    let mut fixture = Fixture::knowing(&[]);
    for _ in 0..GUESTS {
        fixture.newcomer();
    }
    fixture.idle(Duration::from_secs(29));
    assert_eq!(fixture.strangers(), GUESTS);
    let told = fixture.with_server(|server, now| {
        // Nobody looked at a clock for a while.
        let late = now + Duration::from_secs(3);
        let mut told = Vec::new();
        while server.poll_timeout().is_some_and(|due| due <= late) {
            server.handle_timeout(late);
            let mut out = Vec::new();
            let sent = std::iter::from_fn(|| server.poll_transmit(late, 1, &mut out));
            told.push(
                sent.map(|transmit| transmit.remote)
                    .collect::<BTreeSet<_>>(),
            );
        }
        told
    });
    let shares: Vec<usize> = told.iter().map(BTreeSet::len).collect();
    assert!(
        shares.iter().all(|share| (1..=DUE_MAX).contains(share)),
        "{shares:?}"
    );
    let everybody: BTreeSet<_> = told.into_iter().flatten().collect();
    assert_eq!(everybody.len(), GUESTS);
}

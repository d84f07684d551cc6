//! A server with thousands of accounts.

use chat::message::{ListOnline, SessionServerMessage as Session};
use store::Store;
use store::relay::{MemoryStore, Op};

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

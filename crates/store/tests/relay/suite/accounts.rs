use store::relay::{Account, Append, Op, Outcome, Quota};

use crate::build::{Relay, account, append, credentials, message};

fn names(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Accounts(accounts) => accounts.into_iter().map(|account| account.name).collect(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn an_account_is_inserted_once(store: &mut impl Relay) {
    let load = || Op::LoadAccount { name: "bob".into() };
    assert_eq!(store.one(load()), Outcome::Account(None));
    store.add_account("bob");
    let other = Account {
        demo: true,
        credentials: credentials(9),
        ..account("bob")
    };
    assert_eq!(
        store.one(Op::InsertAccount(Box::new(other))),
        Outcome::Taken
    );
    assert_eq!(
        store.one(load()),
        Outcome::Account(Some(Box::new(account("bob"))))
    );
    assert_eq!(store.one(Op::CountDemoAccounts), Outcome::Count(0));
    let demo = Account {
        demo: true,
        ..account("eve")
    };
    assert_eq!(
        store.one(Op::InsertAccount(Box::new(demo))),
        Outcome::Inserted
    );
    assert_eq!(store.one(Op::CountDemoAccounts), Outcome::Count(1));
}

pub(crate) fn accounts_are_listed_in_order_and_paged(store: &mut impl Relay) {
    for name in ["bob", "émile", "alice", "Zoë", "charlie"] {
        store.add_account(name);
    }
    let list = |after: Option<&str>, limit| Op::ListAccounts {
        after: after.map(str::to_owned),
        limit,
    };
    assert_eq!(names(store.one(list(None, 2))), ["Zoë", "alice"]);
    assert_eq!(
        names(store.one(list(Some("alice"), 9))),
        ["bob", "charlie", "émile"]
    );
    assert_eq!(names(store.one(list(Some("b"), 1))), ["bob"]);
    assert_eq!(names(store.one(list(None, 0))), [""; 0]);
    let first = store.one(list(None, 1));
    assert_eq!(first, Outcome::Accounts(vec![account("Zoë").summary()]));
}

pub(crate) fn credentials_are_compared_and_swapped(store: &mut impl Relay) {
    store.add_account("bob");
    let replace = |name: &str, expected_version, version| Op::ReplaceCredentials {
        name: name.into(),
        expected_version,
        credentials: Box::new(credentials(version)),
    };
    assert_eq!(store.one(replace("nobody", 1, 2)), Outcome::NoSuchAccount);
    assert_eq!(store.one(replace("bob", 1, 2)), Outcome::Done);
    assert_eq!(
        store.one(replace("bob", 1, 3)),
        Outcome::VersionConflict { current: 2 }
    );
    let expected = Account {
        credentials: credentials(2),
        ..account("bob")
    };
    let load = Op::LoadAccount { name: "bob".into() };
    assert_eq!(
        store.one(load),
        Outcome::Account(Some(Box::new(expected.clone())))
    );
    let listed = store.one(Op::ListAccounts {
        after: None,
        limit: 9,
    });
    assert_eq!(listed, Outcome::Accounts(vec![expected.summary()]));
}

pub(crate) fn a_deleted_account_leaves_nothing_but_what_it_sent(store: &mut impl Relay) {
    store.add_account("alice");
    store.add_account("bob");
    store.touch("alice", 1, 5);
    store.touch("bob", 2, 5);
    assert_eq!(store.send("bob", 1), Outcome::Stored { position: 1 });
    assert_eq!(
        store.one(Op::DeleteAccount {
            name: "alice".into()
        }),
        Outcome::Done
    );
    assert_eq!(
        store.one(Op::DeleteAccount {
            name: "alice".into()
        }),
        Outcome::NoSuchAccount
    );
    assert_eq!(
        store.one(Op::ListDevices {
            account: "alice".into()
        }),
        Outcome::Devices(vec![])
    );
    assert_eq!(store.positions("bob", 2), [1]);
    assert_eq!(store.send("bob", 1), Outcome::Duplicate);

    assert_eq!(
        store.one(Op::DeleteAccount { name: "bob".into() }),
        Outcome::Done
    );
    store.add_account("bob");
    assert_eq!(
        store.touch("bob", 2, 5),
        Outcome::Touched {
            new: true,
            cursor: 0
        }
    );
    assert_eq!(store.positions("bob", 2), [0; 0]);
    assert_eq!(store.send("bob", 2), Outcome::Stored { position: 1 });
}

pub(crate) fn names_are_compared_byte_by_byte(store: &mut impl Relay) {
    // The same to the eye, to case folding or to a careless comparison.
    for name in [
        "bob",
        "Bob",
        "bob ",
        "bo\u{0}b",
        "bo\u{300}b",
        "",
        "é",
        "e\u{301}",
    ] {
        store.add_account(name);
    }
    for name in ["BOB", "bo", "bo\u{0}"] {
        let load = Op::LoadAccount { name: name.into() };
        assert_eq!(store.one(load), Outcome::Account(None), "{name:?}");
    }
    let load = Op::LoadAccount {
        name: "bo\u{0}b".into(),
    };
    assert_eq!(
        store.one(load),
        Outcome::Account(Some(Box::new(account("bo\u{0}b"))))
    );
}

pub(crate) fn meta_that_comes_with_an_account_is_set_with_it(store: &mut impl Relay) {
    let insert = |name: &str, value: &[u8]| Op::InsertAccountAndMeta {
        account: Box::new(account(name)),
        key: "code".into(),
        value: value.to_vec(),
    };
    let load = || Op::LoadMeta { key: "code".into() };
    let set = Outcome::Meta(Some(b"one".to_vec()));
    assert_eq!(store.one(insert("bob", b"one")), Outcome::Inserted);
    assert_eq!(store.one(load()), set);
    assert_eq!(store.one(insert("bob", b"two")), Outcome::Taken);
    assert_eq!(store.one(load()), set);
    store.add_account("alice");
    assert_eq!(store.one(insert("alice", b"two")), Outcome::Taken);
    assert_eq!(store.one(load()), set);
    let name = "bob".into();
    assert_eq!(
        store.one(Op::LoadAccount { name }),
        Outcome::Account(Some(Box::new(account("bob"))))
    );
}

pub(crate) fn meta_is_overwritten(store: &mut impl Relay) {
    let load = || Op::LoadMeta {
        key: "manifest".into(),
    };
    let put = |value: &[u8]| Op::PutMeta {
        key: "manifest".into(),
        value: value.to_vec(),
    };
    assert_eq!(store.one(load()), Outcome::Meta(None));
    assert_eq!(store.one(put(b"one")), Outcome::Done);
    assert_eq!(store.one(put(b"")), Outcome::Done);
    assert_eq!(store.one(load()), Outcome::Meta(Some(Vec::new())));
    assert_eq!(
        store.one(Op::LoadMeta {
            key: "Manifest".into()
        }),
        Outcome::Meta(None)
    );
}

pub(crate) fn the_largest_numbers_survive(store: &mut impl Relay) {
    let large = Account {
        credentials: credentials(u64::MAX),
        created_ms: u64::MAX,
        ..account("bob")
    };
    store.one(Op::InsertAccount(Box::new(large.clone())));
    // Versions are kept whole, times saturate.
    let expected = Account {
        created_ms: i64::MAX.unsigned_abs(),
        ..large
    };
    let load = Op::LoadAccount { name: "bob".into() };
    assert_eq!(store.one(load), Outcome::Account(Some(Box::new(expected))));
    let swap = Op::ReplaceCredentials {
        name: "bob".into(),
        expected_version: u64::MAX,
        credentials: Box::new(credentials(0)),
    };
    assert_eq!(store.one(swap), Outcome::Done);
    store.touch("bob", 1, u64::MAX);
    let quota = Quota {
        messages: u64::MAX,
        bytes: u64::MAX,
    };
    let last = Append {
        now_ms: u64::MAX,
        quota,
        ..message("bob", 1)
    };
    assert_eq!(store.one(append(last)), Outcome::Stored { position: 1 });
    assert_eq!(store.read("bob", 1)[0].time_ms, i64::MAX.unsigned_abs());
}

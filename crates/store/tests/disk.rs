//! A full disk, a second process, and who may read the files.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{Device, Relay, Schema, filled, last_batch, open, reopen, turn};
use store::relay::SqliteStore;
use store::{SqliteOptions, Store, StoreError};

/// Of the messages that fill the disk.
const LEN: usize = 20_000;

fn limited<S: Schema>(path: &Path, max_bytes: u64) -> S::Store {
    let mut options = SqliteOptions::default();
    options.max_bytes = Some(max_bytes);
    S::open_with(path, &options).unwrap()
}

#[test]
fn h80_a_full_disk_refuses_and_recovers() {
    let _turn = turn();
    a_full_disk_refuses_and_recovers::<Relay>();
    a_full_disk_refuses_and_recovers::<Device>();
}

fn a_full_disk_refuses_and_recovers<S: Schema>() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    drop(open::<S>(&path));
    let mut store = limited::<S>(&path, 500_000);
    let refused = (1..1_000)
        .find(|number| match store.commit(&S::fill(*number, LEN)) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error, StoreError::Full);
                true
            }
        })
        .unwrap();
    assert!(refused > 5, "full at once");
    // Refused whole, and again; reading goes on.
    for _ in 0..3 {
        assert_eq!(store.commit(&S::fill(refused, LEN)), Err(StoreError::Full));
        assert_eq!(filled::<S>(&mut store), refused - 1);
    }
    // Deleting makes room.
    let (delete, deleted) = S::make_room(4);
    assert_eq!(store.commit(&[delete]).unwrap(), [deleted]);
    store.commit(&S::fill(refused, LEN)).unwrap();
    assert_eq!(filled::<S>(&mut store), refused);
    // So does a larger disk.
    drop(store);
    let mut store = limited::<S>(&path, 5_000_000);
    for number in refused + 1..refused + 20 {
        store.commit(&S::fill(number, LEN)).unwrap();
    }
    assert_eq!(filled::<S>(&mut store), refused + 19);
}

/// On a disk of its own: `mount -t tmpfs -o size=16m tmpfs DIR`.
#[test]
#[ignore = "needs a disk of 16 MB, named by STORE_TEST_DISK"]
fn h80_a_small_disk_refuses_and_recovers() {
    let Some(disk) = std::env::var_os("STORE_TEST_DISK") else {
        return;
    };
    a_small_disk_refuses_and_recovers::<Relay>(Path::new(&disk));
    a_small_disk_refuses_and_recovers::<Device>(Path::new(&disk));
}

fn a_small_disk_refuses_and_recovers<S: Schema>(disk: &Path) {
    let folder = tempfile::tempdir_in(disk).unwrap();
    let path = folder.path().join("some.db");
    let ballast = folder.path().join("ballast");
    let mut store = open::<S>(&path);
    store.commit(&S::fill(1, LEN)).unwrap();
    let mut last = 1;
    for megabytes in [10, 5, 0] {
        let _ = std::fs::remove_file(&ballast);
        std::fs::write(&ballast, vec![1; megabytes << 20]).unwrap();
        let before = last;
        let mut refused = 0;
        while refused < 5 {
            match store.commit(&S::fill(last + 1, LEN)) {
                Ok(_) => last += 1,
                Err(error) => {
                    assert_eq!(error, StoreError::Full);
                    refused += 1;
                }
            }
            assert_eq!(filled::<S>(&mut store), last);
        }
        assert!(last > before, "{megabytes} MB: more room is not used");
        // A full disk can be opened and read.
        drop(store);
        store = reopen::<S>(&path).unwrap();
        assert_eq!(filled::<S>(&mut store), last);
    }
}

#[test]
fn h85_a_second_store_on_the_same_files_is_refused() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut store = open::<Relay>(&path);
    store.commit(&Relay::batch(1)).unwrap();
    let refused = |path: &Path| match SqliteStore::open(path) {
        Err(StoreError::InUse(name)) => assert_eq!(name, path.display().to_string()),
        other => panic!("{other:?}"),
    };
    refused(&path);
    #[cfg(unix)]
    {
        let other = folder.path().join("other.db");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        refused(&other);
    }
    // The first one goes on, and gives the files back.
    store.commit(&Relay::batch(2)).unwrap();
    drop(store);
    assert_eq!(
        last_batch::<Relay>(&mut SqliteStore::open(&path).unwrap()).unwrap(),
        2
    );
}

const PATH: &str = "STORE_TEST_PATH";

#[test]
#[ignore = "run by another test as a process of its own"]
fn second_process() {
    let Some(path) = std::env::var_os(PATH) else {
        return;
    };
    let refused = SqliteStore::open(Path::new(&path));
    assert!(matches!(refused, Err(StoreError::InUse(_))), "{refused:?}");
}

#[test]
fn h85_a_second_process_on_the_same_files_is_refused() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let mut store = open::<Relay>(&path);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "second_process", "--ignored"])
        .env(PATH, &path)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    store.commit(&Relay::batch(1)).unwrap();
    drop(store);
    assert_eq!(
        last_batch::<Relay>(&mut SqliteStore::open(&path).unwrap()).unwrap(),
        1
    );
}

#[cfg(unix)]
#[test]
fn files_are_for_their_owner_alone() {
    let _turn = turn();
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relay.db");
    let check = || {
        let files: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for file in &files {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{:?}", file.path());
        }
        files.len()
    };
    let mut store = open::<Relay>(&path);
    store.commit(&Relay::batch(1)).unwrap();
    assert_eq!(check(), 3, "database, log and lock");
    drop(store);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let mut store = open::<Relay>(&path);
    store.commit(&Relay::batch(2)).unwrap();
    assert_eq!(check(), 3);
}

#[test]
fn a_missing_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let opened = SqliteStore::open(&folder.path().join("missing").join("relay.db"));
    assert!(matches!(opened, Err(StoreError::Io(_))));
}

#[test]
fn a_store_of_the_other_kind_is_refused() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    drop(store::device::SqliteStore::open(&path).unwrap());
    assert!(matches!(
        SqliteStore::open(&path),
        Err(StoreError::Foreign(_))
    ));
    std::fs::write(
        &path,
        b"not a database at all, but long enough for a header ".repeat(9),
    )
    .unwrap();
    assert!(matches!(
        SqliteStore::open(&path),
        Err(StoreError::Corrupt(_))
    ));
}

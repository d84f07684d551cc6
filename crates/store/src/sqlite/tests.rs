use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

#[cfg(unix)]
#[path = "../../tests/common/killed.rs"]
mod killed;

const NOTES: Table = Table {
    name: "notes",
    columns: &["id", "note"],
};
const VERSION_1: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT, checksum INTEGER NOT NULL) STRICT;";
const VERSION_2: &str = "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;";

const fn schema(migrations: &'static [&'static str]) -> Schema {
    Schema {
        application_id: 7,
        migrations,
        tables: &[&NOTES],
    }
}

/// Touches several tables, and what is in one.
const VERSION_2_OF_MANY_STEPS: &str = "
    CREATE TABLE more (id INTEGER PRIMARY KEY, note TEXT) STRICT;
    INSERT INTO more SELECT id, note FROM notes;
    CREATE INDEX more_by_note ON more (note);
    DELETE FROM more WHERE id % 2 = 0;";

const FIRST: Schema = schema(&[VERSION_1]);
const SECOND: Schema = schema(&[VERSION_1, VERSION_2]);
const MANY_STEPS: Schema = schema(&[VERSION_1, VERSION_2_OF_MANY_STEPS]);
const BROKEN: Schema = schema(&[VERSION_1, "DELETE FROM notes; CREATE TABLE notes (id);"]);

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.db");
    (folder, path)
}

fn open(path: &Path, schema: &Schema) -> Result<Engine, StoreError> {
    Engine::open(path, schema, &SqliteOptions::default())
}

fn notes(engine: &mut Engine) -> Vec<(u64, String)> {
    let read = |cells: &mut Cells<'_>| Ok((cells.number()?, cells.text()?));
    engine
        .commit(|db| NOTES.select(db, "ORDER BY id", [], read))
        .unwrap()
}

fn add(engine: &mut Engine, id: u64) -> Result<(), StoreError> {
    engine.commit(|db| NOTES.insert(db, &[int63(id), text("note")]))
}

#[test]
fn migration_keeps_what_is_there() {
    let (_folder, path) = place();
    add(&mut open(&path, &FIRST).unwrap(), 1).unwrap();
    for _ in 0..2 {
        let mut engine = open(&path, &SECOND).unwrap();
        assert_eq!(notes(&mut engine), [(1, "note".into())]);
    }
}

#[test]
fn newer_version_is_refused() {
    let (_folder, path) = place();
    drop(open(&path, &SECOND).unwrap());
    assert_eq!(
        open(&path, &FIRST).unwrap_err(),
        StoreError::Newer { found: 2, known: 1 }
    );
    drop(open(&path, &SECOND).unwrap());
}

#[cfg(unix)]
const PATH: &str = "STORE_TEST_PATH";

#[cfg(unix)]
#[test]
#[ignore = "run by another test as a process of its own"]
fn migrates() {
    if let Some(path) = std::env::var_os(PATH) {
        drop(open(Path::new(&path), &MANY_STEPS).unwrap());
    }
}

/// Killed at a later one of its calls each time, on files that are as before.
#[cfg(unix)]
#[test]
fn h82_a_killed_migration_leaves_the_version_before_or_the_one_after() {
    use killed::{DYING_AT, Killed, WRITING};
    let (mut before, mut after) = (0, 0);
    for call in DYING_AT {
        let (folder, path) = place();
        let mut engine = open(&path, &FIRST).unwrap();
        // Enough for the migration to write many pages.
        let note = "n".repeat(1_000);
        let notes_then: Vec<_> = (1..=60).map(|id| (id, note.clone())).collect();
        for (id, note) in &notes_then {
            let row = [int63(*id), text(note)];
            engine.commit(|db| NOTES.insert(db, &row)).unwrap();
        }
        drop(engine);
        let log = folder.path().join("some.db-wal");
        let child = (
            "sqlite::tests::migrates",
            &[(PATH, path.clone().into())][..],
        );
        let Some(killed) = Killed::at(child, (WRITING, &[&path, &log]), call) else {
            return;
        };
        match open(&path, &FIRST) {
            Ok(mut engine) => {
                assert_eq!(notes(&mut engine), notes_then, "call {call}");
                before += 1;
            }
            Err(error) => {
                assert_eq!(error, StoreError::Newer { found: 2, known: 1 });
                after += u32::from(!killed.survived);
            }
        }
        let mut engine = open(&path, &MANY_STEPS).unwrap();
        assert_eq!(notes(&mut engine), notes_then, "call {call}");
        let more: u32 = engine
            .commit(|db| Ok(db.query_row("SELECT count(*) FROM more", [], |row| row.get(0))?))
            .unwrap();
        assert_eq!(more, 30, "call {call}");
        if killed.survived {
            assert!(before >= 5 && after >= 1, "{before} before, {after} after");
            return;
        }
    }
    panic!("more calls than were tried");
}

#[test]
fn h82_failed_migration_leaves_the_version_before() {
    let (_folder, path) = place();
    add(&mut open(&path, &FIRST).unwrap(), 1).unwrap();
    assert!(open(&path, &BROKEN).is_err());
    let mut engine = open(&path, &FIRST).unwrap();
    assert_eq!(notes(&mut engine), [(1, "note".into())]);
}

#[test]
fn h81_a_row_that_was_changed_is_never_served() {
    let (_folder, path) = place();
    let mut engine = open(&path, &FIRST).unwrap();
    add(&mut engine, 1).unwrap();
    engine
        .connection
        .execute_batch("UPDATE notes SET note = 'nota'")
        .unwrap();
    let read = |cells: &mut Cells<'_>| cells.number();
    let first = engine.commit(|db| NOTES.select(db, "", [], read));
    assert!(matches!(first, Err(StoreError::Corrupt(_))), "{first:?}");
    let then = engine.commit(|db| NOTES.count(db, "", []));
    assert!(matches!(then, Err(StoreError::Stopped(_))), "{then:?}");
    drop(engine);
    assert!(matches!(open(&path, &FIRST), Err(StoreError::Corrupt(_))));
}

/// Rows are whole, but one is not found by its index.
#[test]
fn h81_a_damaged_index_is_found() {
    const INDEXED: Schema = schema(&[VERSION_1, "CREATE INDEX notes_by_note ON notes (note, id);"]);
    let (_folder, path) = place();
    let mut engine = open(&path, &INDEXED).unwrap();
    engine
        .commit(|db| NOTES.insert(db, &[int63(1), text("a needle")]))
        .unwrap();
    drop(engine);
    let mut bytes = std::fs::read(&path).unwrap();
    let mut needles = bytes
        .windows(8)
        .enumerate()
        .filter(|(_, window)| window == b"a needle");
    let index = needles.next_back().unwrap().0;
    bytes[index] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(open(&path, &INDEXED), Err(StoreError::Corrupt(_))));
}

#[test]
fn other_tables_are_refused() {
    let (_folder, path) = place();
    let engine = open(&path, &FIRST).unwrap();
    let trigger = "CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM notes; END";
    engine.connection.execute_batch(trigger).unwrap();
    drop(engine);
    assert!(matches!(open(&path, &FIRST), Err(StoreError::Corrupt(_))));
}

#[test]
fn failed_work_is_undone() {
    let (_folder, path) = place();
    let mut engine = open(&path, &FIRST).unwrap();
    add(&mut engine, 1).unwrap();
    let failed: Result<(), _> = engine.commit(|db| {
        NOTES.insert(db, &[int63(2), text("note")])?;
        NOTES.insert(db, &[int63(1), text("note")])
    });
    assert!(matches!(failed, Err(StoreError::Corrupt(_))));
    drop(engine);
    assert_eq!(
        notes(&mut open(&path, &FIRST).unwrap()),
        [(1, "note".into())]
    );
}

#[test]
fn the_log_stays_short() {
    let (_folder, path) = place();
    let mut engine = open(&path, &FIRST).unwrap();
    let note = "n".repeat(500_000);
    for id in 1..=20 {
        engine
            .commit(|db| NOTES.insert(db, &[int63(id), text(&note)]))
            .unwrap();
        assert!(engine.files.log_bytes() <= LOG_BYTES_MAX);
    }
    assert_eq!(engine.commit(|db| NOTES.count(db, "", [])).unwrap(), 20);
}

#[test]
fn every_commit_is_synced() {
    let (_folder, path) = place();
    let engine = open(&path, &FIRST).unwrap();
    let pragma = |name: &str| -> String {
        let value = engine
            .connection
            .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        format!("{:?}", value.unwrap())
    };
    assert_eq!(pragma("journal_mode"), r#"Text("wal")"#);
    assert_eq!(pragma("synchronous"), "Integer(2)");
    assert_eq!(pragma("wal_autocheckpoint"), "Integer(0)");
    assert_eq!(pragma("locking_mode"), r#"Text("exclusive")"#);
}

//! Tables of a client's database. A change is a new migration, never an edit of an old one.

use crate::sqlite::{Schema, Table};

pub(super) const SCHEMA: Schema = Schema {
    // "UnDv"
    application_id: 0x556e_4476,
    migrations: &[VERSION_1],
    tables: &[
        &OUTBOX,
        &OUTBOX_BODIES,
        &COUNTERS,
        &INBOX,
        &INBOX_BODIES,
        &CONTACTS,
        &CONVERSATIONS,
        &SEEN,
        &META,
    ],
};

pub(super) const OUTBOX: Table = Table {
    name: "outbox",
    columns: &[
        "number",
        "message_id",
        "conversation",
        "sequence",
        "recipient",
        "created_ms",
        "state",
        "reason",
    ],
};

pub(super) const OUTBOX_BODIES: Table = Table {
    name: "outbox_bodies",
    columns: &["number", "sealed", "display"],
};

/// The last number given out, by what it counts.
pub(super) const COUNTERS: Table = Table {
    name: "counters",
    columns: &["name", "value"],
};

pub(super) const INBOX: Table = Table {
    name: "inbox",
    columns: &["position", "sender", "message_id", "time_ms", "state"],
};

pub(super) const INBOX_BODIES: Table = Table {
    name: "inbox_bodies",
    columns: &["position", "sealed", "display"],
};

pub(super) const CONTACTS: Table = Table {
    name: "contacts",
    columns: &[
        "name",
        "display_name",
        "sig_fingerprint",
        "enc_fingerprint",
        "state",
        "pinned_ms",
        "pin",
    ],
};

pub(super) const CONVERSATIONS: Table = Table {
    name: "conversations",
    columns: &["conversation", "next_sequence", "state"],
};

pub(super) const SEEN: Table = Table {
    name: "seen",
    columns: &["sender_key", "sending_device", "conversation", "state"],
};

pub(super) const META: Table = Table {
    name: "meta",
    columns: &["key", "value"],
};

/// Large values have tables of their own, so that what changes often stays on few pages.
const VERSION_1: &str = "
    CREATE TABLE outbox (
        number INTEGER PRIMARY KEY,
        message_id BLOB NOT NULL UNIQUE,
        conversation BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        recipient TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX outbox_by_state ON outbox (state, number);
    CREATE INDEX outbox_by_conversation ON outbox (conversation, sequence);
    CREATE TABLE outbox_bodies (
        number INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL,
        display BLOB,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE counters (
        name TEXT NOT NULL PRIMARY KEY,
        value INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE inbox (
        position INTEGER PRIMARY KEY,
        sender TEXT NOT NULL,
        message_id BLOB NOT NULL,
        time_ms INTEGER NOT NULL,
        state TEXT NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX inbox_by_state ON inbox (state, position);
    CREATE INDEX inbox_by_message ON inbox (message_id, position);
    CREATE TABLE inbox_bodies (
        position INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL,
        display BLOB,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE contacts (
        name TEXT NOT NULL PRIMARY KEY,
        display_name TEXT NOT NULL,
        sig_fingerprint BLOB NOT NULL,
        enc_fingerprint BLOB NOT NULL,
        state TEXT NOT NULL,
        pinned_ms INTEGER NOT NULL,
        pin BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE conversations (
        conversation BLOB NOT NULL PRIMARY KEY,
        next_sequence INTEGER NOT NULL,
        state BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE seen (
        sender_key BLOB NOT NULL,
        sending_device BLOB NOT NULL,
        conversation BLOB NOT NULL,
        state BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (sender_key, sending_device, conversation)
    ) STRICT;
    CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
";

//! Tables of the relay's database. A change is a new migration, never an edit of an old one.

use crate::sqlite::{Schema, Table};

pub(super) const SCHEMA: Schema = Schema {
    // "UnRl"
    application_id: 0x556e_526c,
    migrations: &[VERSION_1, VERSION_2, VERSION_3],
    tables: &[
        &ACCOUNTS,
        &CREDENTIALS,
        &DEVICES,
        &MAILBOXES,
        &ENTRIES,
        &BODIES,
        &MARKS,
        &RECENT,
        &REFUSALS,
        &NOTICES,
        &META,
    ],
};

pub(super) const ACCOUNTS: Table = Table {
    name: "accounts",
    columns: &[
        "name",
        "display_name",
        "sig_fingerprint",
        "enc_fingerprint",
        "key_bag_version",
        "key_bag_hash",
        "created_ms",
        "demo",
    ],
};

pub(super) const CREDENTIALS: Table = Table {
    name: "credentials",
    columns: &[
        "account",
        "opaque_record",
        "key_bag",
        "sig_key",
        "enc_key",
        "enc_certificate",
    ],
};

pub(super) const DEVICES: Table = Table {
    name: "devices",
    columns: &[
        "account",
        "device",
        "device_key",
        "cursor",
        "first_seen_ms",
        "last_seen_ms",
    ],
};

pub(super) const MAILBOXES: Table = Table {
    name: "mailboxes",
    columns: &["account", "newest", "delivered", "messages", "bytes"],
};

pub(super) const ENTRIES: Table = Table {
    name: "entries",
    columns: &[
        "account",
        "position",
        "sender",
        "sending_device",
        "message_id",
        "time_ms",
        "bytes",
        "body",
    ],
};

pub(super) const BODIES: Table = Table {
    name: "bodies",
    columns: &["id", "sealed"],
};

pub(super) const MARKS: Table = Table {
    name: "marks",
    columns: &["sender", "sending_device", "conversation", "next_sequence"],
};

pub(super) const RECENT: Table = Table {
    name: "recent",
    columns: &["sender", "sending_device", "conversation", "ids"],
};

pub(super) const REFUSALS: Table = Table {
    name: "refusals",
    columns: &[
        "sender",
        "sending_device",
        "conversation",
        "sequence",
        "message_id",
    ],
};

pub(super) const NOTICES: Table = Table {
    name: "notices",
    columns: &[
        "account",
        "device",
        "message_id",
        "kind",
        "time_ms",
        "author",
    ],
};

pub(super) const META: Table = Table {
    name: "meta",
    columns: &["key", "value"],
};

/// Large values have tables of their own, so that what is read often stays on few pages.
const VERSION_1: &str = "
    CREATE TABLE accounts (
        name TEXT NOT NULL PRIMARY KEY,
        display_name TEXT NOT NULL,
        sig_fingerprint BLOB NOT NULL,
        enc_fingerprint BLOB NOT NULL,
        key_bag_version INTEGER NOT NULL,
        key_bag_hash BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        demo INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE credentials (
        account TEXT NOT NULL PRIMARY KEY,
        opaque_record BLOB NOT NULL,
        key_bag BLOB NOT NULL,
        sig_key BLOB NOT NULL,
        enc_key BLOB NOT NULL,
        enc_certificate BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE devices (
        account TEXT NOT NULL,
        device BLOB NOT NULL,
        device_key BLOB NOT NULL,
        cursor INTEGER NOT NULL,
        first_seen_ms INTEGER NOT NULL,
        last_seen_ms INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (account, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mailboxes (
        account TEXT NOT NULL PRIMARY KEY,
        newest INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE entries (
        account TEXT NOT NULL,
        position INTEGER NOT NULL,
        sender TEXT NOT NULL,
        sending_device BLOB NOT NULL,
        message_id BLOB NOT NULL,
        time_ms INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        body INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (account, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX entries_by_time ON entries (time_ms, account, position);
    CREATE TABLE bodies (
        id INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE marks (
        sender TEXT NOT NULL,
        sending_device BLOB NOT NULL,
        conversation BLOB NOT NULL,
        next_sequence INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (sender, sending_device, conversation)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE refusals (
        sender TEXT NOT NULL,
        sending_device BLOB NOT NULL,
        conversation BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        message_id BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (sender, sending_device, conversation, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE notices (
        account TEXT NOT NULL,
        device BLOB NOT NULL,
        message_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (account, device, message_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX notices_by_time ON notices (time_ms, account, device, message_id);
    CREATE TABLE meta (
        key TEXT NOT NULL PRIMARY KEY,
        value BLOB NOT NULL,
        checksum INTEGER NOT NULL
    ) STRICT;
";

/// A notice says whose doing it is. No server ever wrote one without.
const VERSION_2: &str = "
    DROP TABLE notices;
    CREATE TABLE notices (
        account TEXT NOT NULL,
        device BLOB NOT NULL,
        message_id BLOB NOT NULL,
        kind INTEGER NOT NULL,
        time_ms INTEGER NOT NULL,
        author TEXT NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (account, device, message_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX notices_by_time ON notices (time_ms, account, device, message_id);
";

/// Marks of before have no ids until the next message.
const VERSION_3: &str = "
    CREATE TABLE recent (
        sender TEXT NOT NULL,
        sending_device BLOB NOT NULL,
        conversation BLOB NOT NULL,
        ids BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (sender, sending_device, conversation)
    ) STRICT;
";

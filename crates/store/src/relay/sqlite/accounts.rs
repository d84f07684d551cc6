use rusqlite::{Connection, params};

use super::schema::{ACCOUNTS, CREDENTIALS};
use super::{devices, entries, notices};
use crate::relay::{Account, AccountSummary, Credentials, Outcome};
use crate::sqlite::{Cells, Fault, blob, flag, int63, int64, text};

/// A row of `accounts`.
struct Head {
    summary: AccountSummary,
    created_ms: u64,
    demo: bool,
}

impl Head {
    fn read(cells: &mut Cells<'_>) -> Result<Self, Fault> {
        let summary = AccountSummary {
            name: cells.text()?,
            display_name: cells.text()?,
            sig_fingerprint: cells.array()?,
            enc_fingerprint: cells.array()?,
            key_bag_version: cells.number()?,
            key_bag_hash: cells.array()?,
        };
        Ok(Self {
            summary,
            created_ms: cells.number()?,
            demo: cells.flag()?,
        })
    }

    fn find(db: &Connection, name: &str) -> Result<Option<Self>, Fault> {
        ACCOUNTS.find(db, "WHERE name = ?", params![name], Self::read)
    }

    fn put(&self, db: &Connection) -> Result<(), Fault> {
        let summary = &self.summary;
        let row = [
            text(&summary.name),
            text(&summary.display_name),
            blob(&summary.sig_fingerprint),
            blob(&summary.enc_fingerprint),
            int64(summary.key_bag_version),
            blob(&summary.key_bag_hash),
            int63(self.created_ms),
            flag(self.demo),
        ];
        ACCOUNTS.put(db, &row)
    }
}

pub(super) fn exists(db: &Connection, name: &str) -> Result<bool, Fault> {
    Ok(Head::find(db, name)?.is_some())
}

pub(super) fn insert(db: &Connection, account: &Account) -> Result<Outcome, Fault> {
    if exists(db, &account.name)? {
        return Ok(Outcome::Taken);
    }
    let head = Head {
        summary: account.summary(),
        created_ms: account.created_ms,
        demo: account.demo,
    };
    head.put(db)?;
    put_credentials(db, &account.name, &account.credentials)?;
    Ok(Outcome::Inserted)
}

pub(super) fn load(db: &Connection, name: &str) -> Result<Outcome, Fault> {
    let Some(head) = Head::find(db, name)? else {
        return Ok(Outcome::Account(None));
    };
    let credentials = CREDENTIALS.find(db, "WHERE account = ?", params![name], |cells| {
        cells.text()?;
        Ok(Credentials {
            opaque_record: cells.blob()?,
            key_bag: cells.blob()?,
            key_bag_version: head.summary.key_bag_version,
            key_bag_hash: head.summary.key_bag_hash,
            sig_key: cells.blob()?,
            sig_fingerprint: head.summary.sig_fingerprint,
            enc_key: cells.blob()?,
            enc_fingerprint: head.summary.enc_fingerprint,
            enc_certificate: cells.blob()?,
        })
    })?;
    let credentials =
        credentials.ok_or_else(|| Fault::Damage("an account has no credentials".into()))?;
    Ok(Outcome::Account(Some(Box::new(Account {
        name: head.summary.name,
        display_name: head.summary.display_name,
        credentials,
        created_ms: head.created_ms,
        demo: head.demo,
    }))))
}

pub(super) fn list(db: &Connection, after: Option<&str>, limit: u32) -> Result<Outcome, Fault> {
    let read = |cells: &mut Cells<'_>| Head::read(cells).map(|head| head.summary);
    let accounts = match after {
        None => ACCOUNTS.select(db, "ORDER BY name LIMIT ?", params![limit], read)?,
        Some(after) => {
            let tail = "WHERE name > ? ORDER BY name LIMIT ?";
            ACCOUNTS.select(db, tail, params![after, limit], read)?
        }
    };
    Ok(Outcome::Accounts(accounts))
}

pub(super) fn count_demo(db: &Connection) -> Result<Outcome, Fault> {
    Ok(Outcome::Count(ACCOUNTS.count(db, "WHERE demo = 1", [])?))
}

pub(super) fn replace_credentials(
    db: &Connection,
    name: &str,
    expected_version: u64,
    credentials: &Credentials,
) -> Result<Outcome, Fault> {
    let Some(mut head) = Head::find(db, name)? else {
        return Ok(Outcome::NoSuchAccount);
    };
    let current = head.summary.key_bag_version;
    if current != expected_version {
        return Ok(Outcome::VersionConflict { current });
    }
    head.summary.sig_fingerprint = credentials.sig_fingerprint;
    head.summary.enc_fingerprint = credentials.enc_fingerprint;
    head.summary.key_bag_version = credentials.key_bag_version;
    head.summary.key_bag_hash = credentials.key_bag_hash;
    head.put(db)?;
    put_credentials(db, name, credentials)?;
    Ok(Outcome::Done)
}

pub(super) fn delete(db: &Connection, name: &str) -> Result<Outcome, Fault> {
    if ACCOUNTS.delete(db, "WHERE name = ?", params![name])? == 0 {
        return Ok(Outcome::NoSuchAccount);
    }
    CREDENTIALS.delete(db, "WHERE account = ?", params![name])?;
    devices::delete_all(db, name)?;
    entries::delete_all(db, name)?;
    notices::delete_all(db, name)?;
    Ok(Outcome::Done)
}

fn put_credentials(db: &Connection, name: &str, credentials: &Credentials) -> Result<(), Fault> {
    let row = [
        text(name),
        blob(&credentials.opaque_record),
        blob(&credentials.key_bag),
        blob(&credentials.sig_key),
        blob(&credentials.enc_key),
        blob(&credentials.enc_certificate),
    ];
    CREDENTIALS.put(db, &row)
}

use rusqlite::{Connection, params};

use super::schema::CONTACTS;
use crate::device::{Contact, ContactState, Outcome};
use crate::sqlite::{Cells, Fault, blob, int63, text};

pub(super) fn pin(db: &Connection, contact: &Contact) -> Result<Outcome, Fault> {
    if let Some(pinned) = find(db, &contact.name)? {
        return Ok(Outcome::PinnedBefore(Box::new(pinned)));
    }
    put(db, contact)?;
    Ok(Outcome::Pinned)
}

pub(super) fn update(db: &Connection, contact: &Contact) -> Result<Outcome, Fault> {
    if find(db, &contact.name)?.is_none() {
        return Ok(Outcome::NoSuchContact);
    }
    put(db, contact)?;
    Ok(Outcome::Done)
}

pub(super) fn find(db: &Connection, name: &str) -> Result<Option<Contact>, Fault> {
    CONTACTS.find(db, "WHERE name = ?", params![name], read)
}

pub(super) fn list(db: &Connection) -> Result<Outcome, Fault> {
    Ok(Outcome::Contacts(CONTACTS.select(
        db,
        "ORDER BY name",
        [],
        read,
    )?))
}

fn put(db: &Connection, contact: &Contact) -> Result<(), Fault> {
    let row = [
        text(&contact.name),
        text(&contact.display_name),
        blob(&contact.sig_fingerprint),
        blob(&contact.enc_fingerprint),
        text(match contact.state {
            ContactState::Unverified => "unverified",
            ContactState::Verified => "verified",
            ContactState::Quarantined => "quarantined",
            ContactState::Changed => "changed",
        }),
        int63(contact.pinned_ms),
        blob(&contact.pin),
    ];
    CONTACTS.put(db, &row)
}

fn read(cells: &mut Cells<'_>) -> Result<Contact, Fault> {
    Ok(Contact {
        name: cells.text()?,
        display_name: cells.text()?,
        sig_fingerprint: cells.array()?,
        enc_fingerprint: cells.array()?,
        state: match cells.text()?.as_str() {
            "unverified" => ContactState::Unverified,
            "verified" => ContactState::Verified,
            "quarantined" => ContactState::Quarantined,
            "changed" => ContactState::Changed,
            _ => return Err(Fault::Damage("a contact has no known state".into())),
        },
        pinned_ms: cells.number()?,
        pin: cells.blob()?,
    })
}

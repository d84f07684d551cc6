mod inbox;
mod outbox;
mod trust;

pub(crate) use inbox::*;
pub(crate) use outbox::*;
pub(crate) use trust::*;

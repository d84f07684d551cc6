mod accounts;
mod appending;
mod devices;
mod reading;

pub(crate) use accounts::*;
pub(crate) use appending::*;
pub(crate) use devices::*;
pub(crate) use reading::*;

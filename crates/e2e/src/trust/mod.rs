//! Whom a name stands for: pins, what a changed key does, and what people compare (PROTOCOL.md
//! §8.7).

mod fingerprints;
mod pin;

pub use fingerprints::{SafetyNumber, grouped, short};
pub use pin::{Pin, PinState, Quarantined, Recipient, Trust, judge};

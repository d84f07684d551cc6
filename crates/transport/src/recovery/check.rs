//! What always has to hold among packets, for simulations.

use crate::connection::within;
use crate::frame::RANGES_MAX;

use super::received::Received;
use super::sent::SentPackets;

impl SentPackets {
    /// Bytes that are in flight, if what is counted of them is right.
    pub(crate) fn check(&self) -> Result<u64, String> {
        let (count, bytes) = self.count_outstanding();
        if count != self.outstanding() {
            let counted = self.outstanding();
            return Err(format!(
                "{count} packets are outstanding, and {counted} count"
            ));
        }
        Ok(bytes)
    }
}

impl Received {
    /// Whether what is remembered of packets is within its bounds.
    pub(crate) fn check(&self) -> Result<(), String> {
        within("ranges to acknowledge", self.ranges().len(), RANGES_MAX)
    }
}

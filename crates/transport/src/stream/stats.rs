//! What streams tell about themselves.

use super::collection::Streams;

impl Streams {
    /// Streams that are open in at least one direction.
    pub(crate) fn open_count(&self) -> usize {
        self.streams.len()
    }

    /// New bytes sent on all streams; what was skipped was not sent.
    pub(crate) fn data_sent(&self) -> u64 {
        self.data_sent - self.data_skipped
    }
}

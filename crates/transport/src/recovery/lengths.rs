use crate::connection::DATAGRAM_MIN;

/// Whether packets that are longer than every path takes still arrive.
#[derive(Debug, Default)]
pub(crate) struct LongPackets {
    /// The newest of them that was acknowledged, or that was sent before length was no longer
    /// blamed.
    acked: u64,
    /// How many were lost that were sent later.
    lost: u32,
}

impl LongPackets {
    pub(super) fn on_acked(&mut self, number: u64, size: u16) {
        if is_long(size) && number > self.acked {
            self.acked = number;
            self.lost = 0;
        }
    }

    pub(super) fn on_lost(&mut self, number: u64, size: u16) {
        if is_long(size) && number > self.acked {
            self.lost += 1;
        }
    }

    /// How many were lost that were sent after the last that arrived.
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Losses of packets below `next` are not blamed on their length.
    pub(super) fn forgive(&mut self, next: u64) {
        self.acked = next;
        self.lost = 0;
    }
}

fn is_long(size: u16) -> bool {
    usize::from(size) > DATAGRAM_MIN
}

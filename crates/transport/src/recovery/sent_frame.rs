use core::ops::Range;

/// What a packet carried, as far as its fate matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SentFrame {
    /// Bytes of a stream, and perhaps its end.
    Stream {
        id: u64,
        range: Range<u64>,
        fin: bool,
    },
    /// That a range of a stream will not come.
    Skip {
        id: u64,
        range: Range<u64>,
    },
    /// Handshake bytes of the packet's epoch.
    Crypto {
        range: Range<u64>,
    },
    /// An acknowledgement of everything up to `largest`.
    Ack {
        largest: u64,
    },
    ResetStream {
        id: u64,
    },
    StopSending {
        id: u64,
    },
    MaxData,
    MaxStreamData {
        id: u64,
    },
    MaxStreams,
    HandshakeDone,
    /// An id of ours.
    NewConnectionId {
        number: u32,
    },
    /// An id of the peer's that is not used any more.
    RetireConnectionId {
        number: u32,
    },
    /// Nothing: the packet finds out whether the path takes so many bytes. Its loss says nothing
    /// else.
    MtuProbe {
        len: u16,
    },
}

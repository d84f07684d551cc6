//! Rules that a liar breaks, and the codes with which he has to be dismissed.

use transport::code;

use super::frames::{acknowledgement, datagram, new_id, reset, stream};
use super::liar::Liar;
use super::lies::{BYTES, MESSAGES, UNORDERED};

/// A rule, and how to break it.
pub(super) struct Crime {
    pub(super) name: &'static str,
    pub(super) code: u64,
    /// `false`: there is no occasion yet.
    pub(super) commit: fn(&mut Liar) -> bool,
}

pub(super) const CRIMES: [Crime; 23] = [
    Crime {
        name: "sent data behind a stream's end",
        code: code::FINAL_SIZE,
        commit: |liar| {
            let id = liar.open_stream(BYTES, b"abc", true);
            liar.say_with(|w| stream(w, id, 6, b"d", false))
        },
    },
    Crime {
        name: "reset a stream to less than was sent",
        code: code::FINAL_SIZE,
        commit: |liar| {
            let id = liar.open_stream(BYTES, b"abcdefgh", false);
            liar.say_with(|w| reset(w, id, 5))
        },
    },
    Crime {
        name: "sent more than a stream's window",
        code: code::FLOW_CONTROL,
        commit: |liar| {
            let id = liar.open_stream(BYTES, b"", false);
            liar.say_with(|w| stream(w, id, 1 << 40, b"x", false))
        },
    },
    Crime {
        name: "opened more streams than it may",
        code: code::STREAM_LIMIT,
        commit: |liar| liar.say_with(|w| stream(w, 2 << 20, 0, b"x", false)),
    },
    Crime {
        name: "acknowledged what was never sent",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| {
            let largest = liar.ranges().pop().map_or(0, |range| *range.end()) + 1_000;
            liar.say_with(|w| acknowledgement(w, &[0..=largest]))
        },
    },
    Crime {
        name: "acknowledged what was left out",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| {
            let ranges = liar.ranges();
            let [.., before, last] = &*ranges else {
                return false;
            };
            // The server remembers the newest that it left out, and the next is not so near.
            if last.end() - last.start() > 60 {
                return false;
            }
            let all = *before.start()..=*last.end();
            liar.say_with(|w| acknowledgement(w, &[all]))
        },
    },
    Crime {
        name: "spoke on a stream that was not opened",
        code: code::STREAM_STATE,
        commit: |liar| liar.say_with(|w| stream(w, 1 | 2 << 20, 0, b"x", false)),
    },
    Crime {
        name: "confirmed a handshake as a client",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| liar.say_with(|w| _ = w.u8(0x1e)),
    },
    Crime {
        name: "said a frame that does not exist",
        code: code::FRAME_ENCODING,
        commit: |liar| liar.say_with(|w| _ = w.u8(0x3f)),
    },
    Crime {
        name: "skipped a preamble",
        code: code::STREAM_STATE,
        commit: |liar| {
            let id = liar.next_stream();
            liar.say_with(|w| _ = w.u8(0x28).varint(id).varint(0).varint(2))
        },
    },
    Crime {
        name: "sent a datagram on a stream of bytes",
        code: code::STREAM_STATE,
        commit: |liar| {
            let id = liar.open_stream(BYTES, b"", false);
            liar.say_with(|w| datagram(w, id, b"x"))
        },
    },
    Crime {
        name: "ended a stream inside a message",
        code: code::MESSAGE,
        commit: |liar| {
            liar.open_stream(MESSAGES, &[5, b'a'], true);
            true
        },
    },
    Crime {
        name: "began a message inside another",
        code: code::MESSAGE,
        commit: |liar| {
            let id = liar.open_stream(UNORDERED, &[30, b'a'], false);
            liar.say_with(|w| _ = w.u8(0x26).varint(id).varint(20).prefixed(&[1, b'b']))
        },
    },
    Crime {
        name: "skipped the end of a message",
        code: code::MESSAGE,
        commit: |liar| {
            let id = liar.open_stream(UNORDERED, &[30, b'a'], false);
            liar.say_with(|w| _ = w.u8(0x28).varint(id).varint(20).varint(14))
        },
    },
    Crime {
        name: "gave more ids than may be active",
        code: code::CONNECTION_ID_LIMIT,
        commit: |liar| liar.say_with(|w| (1..=20).for_each(|n| new_id(w, n, 0, n))),
    },
    Crime {
        name: "left ids out",
        code: code::CONNECTION_ID_LIMIT,
        commit: |liar| liar.say_with(|w| new_id(w, 65, 0, 65)),
    },
    Crime {
        name: "had ids retired without an end",
        code: code::CONNECTION_ID_LIMIT,
        commit: |liar| liar.say_with(|w| (1..=40).for_each(|n| new_id(w, n, n, n))),
    },
    Crime {
        name: "gave one id two numbers",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| {
            liar.say_with(|w| {
                new_id(w, 1, 0, 1);
                new_id(w, 2, 0, 1);
            })
        },
    },
    Crime {
        name: "gave two ids one number",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| {
            liar.say_with(|w| {
                new_id(w, 1, 0, 1);
                new_id(w, 1, 0, 2);
            })
        },
    },
    Crime {
        name: "had an id retired that it had not given",
        code: code::FRAME_ENCODING,
        commit: |liar| liar.say_with(|w| new_id(w, 1, 2, 1)),
    },
    Crime {
        name: "retired an id that it was not given",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| liar.say_with(|w| _ = w.u8(0x19).varint(1_000)),
    },
    Crime {
        name: "retired the id of the packet that says so",
        code: code::PROTOCOL_VIOLATION,
        commit: |liar| liar.say_with(|w| _ = w.u8(0x19).varint(0)),
    },
    Crime {
        name: "said handshake bytes far ahead",
        code: code::CRYPTO_BUFFER,
        commit: |liar| liar.say_with(|w| _ = w.u8(0x06).varint(64 << 10).prefixed(b"x")),
    },
];

//! Packet numbers, of which a packet carries the last one to four bytes (RFC 9000 §17.1).

/// The largest packet number: 2^62 - 1 (RFC 9000 §12.3).
pub const PACKET_NUMBER_MAX: u64 = (1 << 62) - 1;

/// How many bytes of `packet_number` a packet has to carry, 1 to 4, so that a receiver that has
/// everything up to `largest_acked` reads it right whatever else it has seen (RFC 9000 §A.2).
pub fn packet_number_len(packet_number: u64, largest_acked: Option<u64>) -> usize {
    let unacked = match largest_acked {
        Some(acked) => packet_number.saturating_sub(acked),
        None => packet_number.saturating_add(1),
    };
    match unacked {
        0..=0x80 => 1,
        0x81..=0x8000 => 2,
        0x8001..=0x80_0000 => 3,
        _ => 4,
    }
}

/// The packet number that ends in the `len` bytes of `truncated` and is closest to the one after
/// `largest_received` (RFC 9000 §A.3). `len` is 1 to 4.
pub fn decode_packet_number(largest_received: Option<u64>, truncated: u64, len: usize) -> u64 {
    let bits = 8 * len.clamp(1, 4) as u32;
    let window = 1u64 << bits;
    let half = window / 2;
    // Below 2^62, and its low bits at most all set: nothing here overflows.
    let expected = largest_received.map_or(0, |largest| {
        largest.saturating_add(1).min(PACKET_NUMBER_MAX)
    });
    let candidate = (expected & !(window - 1)) | (truncated & (window - 1));
    if candidate + half <= expected && candidate + window <= PACKET_NUMBER_MAX {
        candidate + window
    } else if candidate > expected + half && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn examples_of_rfc_9000() {
        // §A.2
        assert_eq!(packet_number_len(0xac_5c02, Some(0xab_e8b3)), 2);
        assert_eq!(packet_number_len(0xac_e8fe, Some(0xab_e8b3)), 3);
        // §A.3
        assert_eq!(
            decode_packet_number(Some(0xa82f_30ea), 0x9b32, 2),
            0xa82f_9b32
        );
    }

    #[test]
    fn the_first_packets_take_one_byte() {
        assert_eq!(packet_number_len(0, None), 1);
        assert_eq!(packet_number_len(0x7f, None), 1);
        assert_eq!(packet_number_len(0x80, None), 2);
        assert_eq!(decode_packet_number(None, 0, 1), 0);
        assert_eq!(decode_packet_number(None, 0x80, 1), 0x80);
        assert_eq!(decode_packet_number(None, 0xff, 1), 0xff);
    }

    /// Of two candidates equally far from the expected number, the later one is meant.
    #[test]
    fn halfway_counts_as_ahead() {
        assert_eq!(decode_packet_number(Some(0xff), 0x80, 1), 0x180);
        assert_eq!(decode_packet_number(Some(0xff), 0x81, 1), 0x81);
        assert_eq!(decode_packet_number(Some(0x17f), 0x00, 1), 0x200);
        assert_eq!(decode_packet_number(Some(0x17e), 0x00, 1), 0x100);
    }

    #[test]
    fn the_largest_number_is_never_exceeded() {
        for len in 1..=4 {
            for truncated in [0, 1, 0x7f, 0xff, 0xffff_ffff] {
                let number = decode_packet_number(Some(PACKET_NUMBER_MAX), truncated, len);
                assert!(number <= PACKET_NUMBER_MAX);
                let number = decode_packet_number(Some(u64::MAX), truncated, len);
                assert!(number <= PACKET_NUMBER_MAX);
            }
        }
    }

    proptest! {
        /// Whatever of the packets in flight came first, the number that was sent is read.
        #[test]
        fn a_number_is_read_as_it_was_sent(
            acked in proptest::option::of(0..PACKET_NUMBER_MAX - (1 << 31)),
            ahead in 0..=31u32,
            jitter in any::<u64>(),
            received in any::<u64>(),
        ) {
            let ahead = (1u64 << ahead) | (jitter & ((1 << ahead) - 1));
            let number = acked.map_or(0, |acked| acked + 1) + ahead.min((1 << 31) - 2) - 1;
            let len = packet_number_len(number, acked);
            // The receiver's largest lies between what was acknowledged and what was sent.
            let first = acked.map_or(0, |acked| acked + 1);
            let seen = first + received % (number - first + 1);
            let largest = if seen == first { acked } else { Some(seen - 1) };
            let truncated = number & ((1 << (8 * len)) - 1);
            prop_assert_eq!(decode_packet_number(largest, truncated, len), number);
        }

        #[test]
        fn a_decoded_number_ends_in_its_bytes(
            largest in proptest::option::of(any::<u64>()), truncated: u32, len in 1..=4usize,
        ) {
            let number = decode_packet_number(largest, u64::from(truncated), len);
            prop_assert!(number <= PACKET_NUMBER_MAX);
            let mask = (1u64 << (8 * len)) - 1;
            prop_assert_eq!(number & mask, u64::from(truncated) & mask);
        }
    }
}

use crypto::Random;
use zeroize::Zeroizing;

/// Longest text of a message, in bytes of UTF-8: 1 MiB.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Shortest padded body, in bytes.
pub const PADDED_BYTES_MIN: usize = 256;

/// Longest padded body, in bytes: the Padme length of the longest text, and all of the random part.
pub const PADDED_BYTES_MAX: usize = padme(LENGTH_BYTES + TEXT_BYTES_MAX) + RANDOM_BYTES_MAX;

/// The length field in front of the body.
const LENGTH_BYTES: usize = 4;

/// Most bytes that the random part adds.
const RANDOM_BYTES_MAX: usize = u8::MAX as usize;

/// Pads a body of at most [`TEXT_BYTES_MAX`] bytes so that its length hides: to a Padme length,
/// and by a random 0 to 255 bytes more. `extra` bytes of capacity are left for a tag, so that no
/// copy of the text stays behind when the buffer grows.
pub(super) fn pad(body: &[u8], extra: usize, random: &mut dyn Random) -> Zeroizing<Vec<u8>> {
    debug_assert!(body.len() <= TEXT_BYTES_MAX, "the caller checked");
    let mut more = [0];
    random.fill(&mut more);
    let length = bucket(body.len()) + usize::from(more[0]);
    let mut padded = Zeroizing::new(Vec::with_capacity(length + extra));
    padded.extend_from_slice(&(body.len() as u32).to_be_bytes());
    padded.extend_from_slice(body);
    padded.resize(length, 0);
    padded
}

/// The body inside, if every byte of the padding is as [`pad`] makes it.
pub(super) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let (length, rest) = padded.split_first_chunk::<LENGTH_BYTES>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > TEXT_BYTES_MAX {
        return None;
    }
    let (body, padding) = rest.split_at_checked(length)?;
    let more = padded.len().checked_sub(bucket(length))?;
    let valid = more <= RANDOM_BYTES_MAX && padding.iter().all(|&byte| byte == 0);
    valid.then_some(body)
}

/// The padded length of a body, without the random part.
fn bucket(body: usize) -> usize {
    padme((LENGTH_BYTES + body).max(PADDED_BYTES_MIN))
}

/// Rounds up so that a length keeps only the leading bits that cost at most 12 % (Nikitin et al.,
/// "Reducing Metadata Leakage from Encrypted Files", PETS 2019). For lengths from 2.
const fn padme(length: usize) -> usize {
    let exponent = length.ilog2();
    let mantissa = exponent.ilog2() + 1;
    let mask = (1 << (exponent - mantissa)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Fixed;

    /// Test vectors, computed by hand from the definition in PROTOCOL.md §8.3.
    #[test]
    fn padme_lengths() {
        for (length, padded) in [
            (256, 256),
            (257, 272),
            (272, 272),
            (273, 288),
            (511, 512),
            (1_000, 1_024),
            (1_025, 1_088),
            (65_537, 67_584),
            (1_048_580, 1_081_344),
        ] {
            assert_eq!(padme(length), padded, "{length}");
        }
        assert_eq!(PADDED_BYTES_MAX, 1_081_599);
    }

    #[test]
    fn h62_short_texts_cannot_be_told_apart() {
        for more in [0, 1, 128, 255] {
            let lengths =
                [0, 1, 17, 251, 252].map(|body| pad(&vec![b'x'; body], 0, &mut Fixed(more)).len());
            assert_eq!(lengths, [256 + usize::from(more); 5]);
        }
        assert_eq!(pad(&[b'x'; 253], 0, &mut Fixed(0)).len(), 272);
    }

    /// The random part is uniform, whatever the text: each of the 256 values is drawn about 100
    /// times in 25,600, and more than six standard deviations off would be a flaw.
    #[test]
    fn r9_the_random_part_is_uniform_for_every_text() {
        for body in [&b""[..], &[b'x'; 200]] {
            let mut random = crate::testing::random(9);
            let mut counts = [0; 256];
            for _ in 0..25_600 {
                counts[pad(body, 0, &mut random).len() - 256] += 1;
            }
            assert!(
                counts.iter().all(|count| (40..160).contains(count)),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn padding_that_is_not_as_made_is_refused() {
        let padded = pad(b"text", 0, &mut Fixed(5)).to_vec();
        assert_eq!(unpad(&padded), Some(&b"text"[..]));
        for index in 8..padded.len() {
            let mut other = padded.clone();
            other[index] = 1;
            assert_eq!(unpad(&other), None, "byte {index}");
        }
        assert_eq!(unpad(&padded[..255]), None, "below the bucket");
        let mut longer = padded.clone();
        longer.resize(256 + 255, 0);
        assert!(unpad(&longer).is_some());
        longer.push(0);
        assert_eq!(unpad(&longer), None, "above the random part");
        assert_eq!(unpad(&[0; 3]), None);
        let mut bomb = vec![0; 256];
        bomb[..4].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(unpad(&bomb), None, "a length beyond the limit");
        bomb[..4].copy_from_slice(&253u32.to_be_bytes());
        assert_eq!(unpad(&bomb), None, "a length beyond the padding");
    }

    proptest! {
        #[test]
        fn padding_round_trips(body in prop::collection::vec(any::<u8>(), 0..3_000), more: u8) {
            let padded = pad(&body, 16, &mut Fixed(more));
            prop_assert_eq!(unpad(&padded), Some(&body[..]));
            prop_assert!(padded.capacity() >= padded.len() + 16);
        }

        #[test]
        fn padme_adds_at_most_an_eighth(length in 256usize..2_000_000) {
            let padded = padme(length);
            prop_assert!(padded >= length && padded - length <= length / 8);
            prop_assert_eq!(padme(padded), padded);
        }
    }
}

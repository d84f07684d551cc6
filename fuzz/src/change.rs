//! Ways in which bytes of a tape come into an honest message.

/// What of these bytes becomes of a tape's: the low bits of `way` say whether they lie over it from
/// `at` on, stand in its place, come in between, or are all that follows.
pub fn changed(honest: &[u8], way: u8, at: u16, bytes: &[u8]) -> Vec<u8> {
    let (before, behind) = honest.split_at(usize::from(at).min(honest.len()));
    match way & 3 {
        0 => {
            let mut over = honest.to_vec();
            let places = over.iter_mut().skip(at.into());
            places.zip(bytes).for_each(|(byte, change)| *byte ^= change);
            over
        }
        1 => bytes.to_vec(),
        2 => [before, bytes, behind].concat(),
        _ => [before, bytes].concat(),
    }
}

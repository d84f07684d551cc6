/// A source of random bytes, injected wherever a protocol crate needs randomness.
///
/// The operating system's lives in `net`; simulations seed their own.
pub trait Random: Send {
    /// Fills `out`. A source that cannot must end the process: no protocol has a use for
    /// predictable bytes.
    fn fill(&mut self, out: &mut [u8]);
}

impl<R: Random + ?Sized> Random for Box<R> {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

impl<R: Random + ?Sized> Random for &mut R {
    fn fill(&mut self, out: &mut [u8]) {
        (**self).fill(out);
    }
}

/// `N` bytes from `random`.
pub fn random_array<const N: usize>(random: &mut (impl Random + ?Sized)) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Random;

    /// Bytes that count up: reproducible, and good enough where a test needs no more.
    #[derive(Default)]
    pub(crate) struct Counting(u8);

    impl Random for Counting {
        fn fill(&mut self, out: &mut [u8]) {
            for byte in out {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }
}

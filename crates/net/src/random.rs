use crypto::Random;

/// The operating system's randomness.
///
/// Should it fail, the process ends: no protocol has a use for predictable bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks")]
    #[allow(clippy::print_stderr, reason = "the last words of the process")]
    fn fill(&mut self, out: &mut [u8]) {
        if let Err(error) = getrandom::fill(out) {
            eprintln!("the operating system gives no random bytes: {error}");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let first: [u8; 32] = crypto::random_array(&mut OsRandom);
        let second: [u8; 32] = crypto::random_array(&mut OsRandom);
        assert_ne!(first, second);
    }
}

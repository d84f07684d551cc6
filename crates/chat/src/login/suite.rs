//! What OPAQUE is made of here: ristretto255-SHA512, 3DH, our password stretching.

use crypto::{Random, Secret, Transcript};
use opaque_ke::rand::{CryptoRng, Error, RngCore};
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};
use sha2_opaque::Sha512;
use zeroize::Zeroize;

use super::stretch::Stretch;

pub(super) struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Stretch;
}

/// A message of OPAQUE as an array; their lengths are fixed by the suite.
pub(super) fn array<const N: usize>(message: &[u8]) -> [u8; N] {
    debug_assert_eq!(message.len(), N);
    let mut array = [0; N];
    for (to, from) in array.iter_mut().zip(message) {
        *to = *from;
    }
    array
}

/// The context that OPAQUE puts into its transcript, on both sides.
pub(super) fn context(channel: &[u8; 32]) -> Vec<u8> {
    Transcript::new("opaque").field(channel).bytes()
}

/// Moves an output of OPAQUE into a secret and erases it.
pub(super) fn secret(mut output: impl AsMut<[u8]>) -> Secret<64> {
    let bytes = output.as_mut();
    let secret = Secret::filled(|out| {
        for (to, from) in out.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
    });
    bytes.zeroize();
    secret
}

/// The injected randomness, as rand_core 0.6 wants it.
pub(super) struct Rng<'a>(pub(super) &'a mut dyn Random);

impl RngCore for Rng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.0.fill(out);
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl CryptoRng for Rng<'_> {}

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::KeyError;

/// What stretching a password costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB; at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory; at least 1.
    pub passes: u32,
    /// Lanes, computed one after the other; at least 1.
    pub lanes: u32,
}

/// Argon2id version 1.3 (RFC 9106) without secret and associated data: fills `out`.
///
/// It takes as much time and memory as `cost` says: run it on a worker, with a cost from a list of
/// one's own and never from a peer. The memory is erased afterwards.
///
/// # Errors
/// [`KeyError::Stretching`] for a cost below the minimum, a salt of less than 8 bytes or an output
/// of less than 4.
pub fn argon2id(
    password: &[u8],
    salt: &[u8],
    cost: Argon2Cost,
    out: &mut [u8],
) -> Result<(), KeyError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(out.len()))
        .map_err(|_| KeyError::Stretching)?;
    // The crate's own allocation would not be erased.
    let mut memory = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(params.block_count())
        .map_err(|_| KeyError::Stretching)?;
    memory.resize(params.block_count(), Block::default());
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, out, &mut memory[..])
        .map_err(|_| KeyError::Stretching)
}

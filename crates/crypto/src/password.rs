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
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    stretch(&argon2, password, salt, out)
}

/// Runs Argon2 in memory that is erased afterwards; the crate's own allocation would not be.
fn stretch(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> Result<(), KeyError> {
    let blocks = argon2.params().block_count();
    let mut memory = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(blocks)
        .map_err(|_| KeyError::Stretching)?;
    memory.resize(blocks, Block::default());
    argon2
        .hash_password_into_with_memory(password, salt, out, &mut memory[..])
        .map_err(|_| KeyError::Stretching)
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;
    use crate::fixtures::hex;

    /// RFC 9106 §5.3, which also has a secret and associated data.
    #[test]
    fn rfc9106_argon2id() {
        let mut params = ParamsBuilder::new();
        let data = AssociatedData::new(&[4; 12]).unwrap();
        params
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .output_len(32)
            .data(data);
        let params = params.build().unwrap();
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        stretch(&argon2, &[1; 32], &[2; 16], &mut tag).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(tag, *hex(expected));
    }

    /// Made with OpenSSL 3.5; the last one at the cost of a login.
    #[test]
    fn another_implementation_agrees() {
        let cost = |memory_kib, passes, lanes| Argon2Cost {
            memory_kib,
            passes,
            lanes,
        };
        let vectors = [
            (&b""[..], &b"saltsalt"[..], cost(8, 1, 1), "477bbdbc"),
            (
                b"password",
                b"somesalt",
                cost(65536, 2, 1),
                "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
            ),
            (
                b"undertone",
                b"saltsaltsaltsalt",
                cost(65536, 3, 4),
                "e6dc1b1dc1faa4071812bab3056fc5d2b06c3cc26f85254e6df6a2c7f4768a86
                 9d4844c1af1520f6105a31d86fe92166d2a8b014a01b0704cdc52ef4bec6f590",
            ),
        ];
        for (password, salt, cost, expected) in vectors {
            let expected = hex(expected);
            let mut out = vec![0; expected.len()];
            argon2id(password, salt, cost, &mut out).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn impossible_parameters_are_errors() {
        let stretch = |memory_kib, passes, lanes, salt: &[u8], len| {
            let cost = Argon2Cost {
                memory_kib,
                passes,
                lanes,
            };
            argon2id(b"password", salt, cost, &mut vec![0; len])
        };
        assert_eq!(stretch(8, 1, 1, b"saltsalt", 4), Ok(()));
        let refused = Err(KeyError::Stretching);
        assert_eq!(stretch(7, 1, 1, b"saltsalt", 32), refused);
        assert_eq!(stretch(15, 1, 2, b"saltsalt", 32), refused);
        assert_eq!(stretch(8, 0, 1, b"saltsalt", 32), refused);
        assert_eq!(stretch(8, 1, 0, b"saltsalt", 32), refused);
        assert_eq!(stretch(8, 1, 1, b"saltsal", 32), refused);
        assert_eq!(stretch(8, 1, 1, b"saltsalt", 3), refused);
    }
}

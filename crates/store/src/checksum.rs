//! CRC-32C (RFC 9260, appendix A): finds every change of up to 32 bits in a row, and any other but
//! one in four billion. It guards against disks, not against people.

/// Reflected polynomial of CRC-32C.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const TABLES: [[u32; 256]; 8] = tables();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "indices are below the lengths"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut level = 1;
    while level < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u32 = tables[level - 1][byte];
            tables[level][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        level += 1;
    }
    tables
}

/// A checksum over bytes that come in pieces.
pub(crate) struct Crc32c(u32);

impl Crc32c {
    pub(crate) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Eight bytes at a time, each through a table of its own ("slicing by 8").
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        for chunk in chunks {
            let word = u64::from_le_bytes(*chunk) ^ u64::from(self.0);
            self.0 = TABLES
                .iter()
                .rev()
                .zip(word.to_le_bytes())
                .fold(0, |crc, (table, byte)| crc ^ lookup(table, byte));
        }
        for byte in rest {
            let [low, ..] = self.0.to_le_bytes();
            self.0 = (self.0 >> 8) ^ lookup(&TABLES[0], low ^ byte);
        }
    }

    pub(crate) const fn value(&self) -> u32 {
        !self.0
    }
}

fn lookup(table: &[u32; 256], byte: u8) -> u32 {
    table[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crc(pieces: &[&[u8]]) -> u32 {
        let mut crc = Crc32c::new();
        for piece in pieces {
            crc.update(piece);
        }
        crc.value()
    }

    /// Test vectors: the check value of CRC-32C, and RFC 3720 appendix B.4.
    #[test]
    fn published_vectors() {
        assert_eq!(crc(&[b"123456789"]), 0xe306_9283);
        assert_eq!(crc(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc(&[&[0xff; 32]]), 0x62a8_ab43);
        let ascending: Vec<u8> = (0..32).collect();
        assert_eq!(crc(&[&ascending]), 0x46dd_794e);
    }

    #[test]
    fn pieces_do_not_matter() {
        let bytes: Vec<u8> = (0..=255).collect();
        for cut in 0..bytes.len() {
            let (left, right) = bytes.split_at(cut);
            assert_eq!(crc(&[left, right]), crc(&[&bytes]));
        }
    }
}

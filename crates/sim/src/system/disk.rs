use super::keys;
use crate::Rng;

/// What a disk writes at once, in bytes: of more than that, a crash may keep any part.
const SECTOR: usize = 512;

/// A file that is only ever appended to, and what of it is certain to be there after a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    bytes: Vec<u8>,
    /// So many of them are synced.
    synced: usize,
    /// It was written to it what nobody may ever write down.
    is_readable: bool,
}

impl Disk {
    /// All that a process sees of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Writes at the end. Until the next sync any part of it may be lost.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let canaries = keys::canaries();
        let begin = (self.bytes.len() + 1).saturating_sub(canaries.len_max());
        self.bytes.extend_from_slice(bytes);
        let new = self.bytes.get(begin..).unwrap_or_default();
        self.is_readable |= canaries.are_in(new);
    }

    /// Whether a text, a password or a key of a user was ever written to it.
    pub(super) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// What of it is certain to be there after a crash.
    pub(super) fn synced(&self) -> &[u8] {
        self.bytes.get(..self.synced).unwrap_or_default()
    }

    /// Everything is certain from here on.
    pub(super) fn sync(&mut self) {
        self.synced = self.bytes.len();
    }

    /// Cuts the end off, for certain.
    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.synced = self.bytes.len();
    }

    /// What is certain to be there after a crash at this moment.
    pub(super) fn durable(&self) -> Self {
        let mut durable = self.clone();
        durable.truncate(self.synced);
        durable
    }

    /// The power fails: of what was not synced any sectors may be there, the others hold zeros, and
    /// the file may end anywhere behind what was synced. Tells whether anything was lost.
    pub(super) fn crash(&mut self, rng: &mut Rng) -> bool {
        let before = self.bytes.len();
        // A page cache that was just written out has lost nothing.
        let (whole, kept) = (rng.chance(0.2), rng.next_u64());
        let unsynced = (before - self.synced) as u64;
        let end = self.synced + usize::try_from(rng.below(unsynced + 1)).unwrap_or(0);
        let mut lost = false;
        if !whole {
            let sizes_kept = kept & 1 == 1;
            let mut fates = Rng::new(kept);
            let mut begin = self.synced;
            while begin < before {
                let next = ((begin / SECTOR) + 1) * SECTOR;
                let sector = self.bytes.get_mut(begin..next.min(before));
                if fates.chance(0.5) {
                    sector.unwrap_or_default().fill(0);
                    lost = true;
                }
                begin = next;
            }
            if !sizes_kept {
                self.bytes.truncate(end);
                lost |= end < before;
            }
        }
        self.synced = self.bytes.len();
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_takes_only_what_was_not_synced() {
        let mut lost = 0;
        for seed in 0..200 {
            let mut disk = Disk::default();
            disk.append(&[1; 3000]);
            disk.sync();
            disk.append(&[2; 3000]);
            lost += u32::from(disk.crash(&mut Rng::new(seed)));
            assert_eq!(disk.bytes().get(..3000), Some([1; 3000].as_slice()));
            let rest = disk.bytes().get(3000..).unwrap_or_default();
            assert!(rest.iter().all(|&byte| byte == 2 || byte == 0));
        }
        assert!((100..200).contains(&lost), "{lost}");
    }

    #[test]
    fn what_was_written_down_is_noticed_whatever_becomes_of_it() {
        for canary in keys::canaries().iter() {
            let (head, tail) = canary.split_at(5);
            let mut disk = Disk::default();
            disk.append(b"something else");
            disk.append(head);
            assert!(!disk.is_readable());
            disk.append(tail);
            disk.truncate(3);
            disk.append(&[0; 100]);
            assert!(disk.is_readable());
        }
    }

    #[test]
    fn a_crash_after_a_sync_takes_nothing() {
        let mut disk = Disk::default();
        disk.append(&[1; 1000]);
        disk.sync();
        for seed in 0..50 {
            assert!(!disk.crash(&mut Rng::new(seed)));
        }
        assert_eq!(disk.bytes(), [1; 1000]);
    }
}

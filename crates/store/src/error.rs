/// Why a store did not open or a batch did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, a quota on it, or the store's own size limit, is full, or a file may not grow. The
    /// batch was refused; loads go on, and writes work again once there is room, a few megabytes of
    /// it.
    #[error("the disk is full: nothing was written")]
    Full,
    /// A read, write or sync failed. The store stops.
    #[error("the disk failed: {0}; the store has stopped")]
    Io(String),
    /// The files hold something that this store did not write. The store stops; it never serves
    /// what it cannot vouch for.
    #[error("the stored data is damaged: {0}; restore it from a backup")]
    Corrupt(String),
    /// An earlier error, quoted here, stopped the store; open it anew.
    #[error("the store stopped after an earlier failure: {0}")]
    Stopped(String),
    /// Another process, or another store of this one, has the files open.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// The files were written by a newer version of this program.
    #[error("the store has schema version {found}; this program knows versions up to {known}")]
    Newer {
        /// The version found in the file.
        found: u32,
        /// The newest version that this program can read.
        known: u32,
    },
    /// The file is a database, but not one of this schema.
    #[error("{0} is not a store of this kind")]
    Foreign(String),
}

impl StoreError {
    /// True when the store goes on after this error and the batch can be tried again later.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Full)
    }
}

//! Event logs of connections, a file each.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use transport::Side;
use transport::qlog::{Sink, Trace, Traces};

/// Connections that are logged at a time: each holds a file.
const FILES_MAX: usize = 256;

/// A log that is so long ends; in bytes.
const FILE_BYTES_MAX: usize = 256 << 20;

/// A folder of logs, one file for each connection: `<id>_client.sqlog` or `<id>_server.sqlog`, where
/// the id is the same at both ends.
///
/// Logs are for a developer's eyes: they tell when a peer said how much. While 256 are open no
/// others are begun, and none grows beyond 256 MiB.
#[derive(Debug)]
pub struct LogFolder {
    path: PathBuf,
    /// As many as there are logs, and one.
    open: Arc<()>,
}

impl LogFolder {
    /// Logs go into `path`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self {
            path: path.to_owned(),
            open: Arc::new(()),
        })
    }
}

impl Traces for LogFolder {
    fn begin(&self, trace: &Trace) -> Option<Box<dyn Sink>> {
        if Arc::strong_count(&self.open) > FILES_MAX {
            return None;
        }
        let side = match trace.side {
            Side::Client => "client",
            Side::Server => "server",
        };
        let path = self.path.join(format!("{}_{side}.sqlog", trace.id));
        // A client chooses the id: it must not have us write over anything.
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let log = Log {
            file: BufWriter::new(file.ok()?),
            left: FILE_BYTES_MAX,
            _open: Arc::clone(&self.open),
        };
        Some(Box::new(log))
    }
}

struct Log {
    file: BufWriter<File>,
    /// How much more is taken in; nothing once the disk is full.
    left: usize,
    _open: Arc<()>,
}

impl Sink for Log {
    fn record(&mut self, record: &[u8]) {
        let left = self.left.checked_sub(record.len());
        self.left = match left {
            Some(left) if self.file.write_all(record).is_ok() => left,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_bounded_and_overwrite_nothing() {
        let folder = std::env::temp_dir().join(format!("undertone-qlog-{}", std::process::id()));
        let logs = LogFolder::new(&folder).unwrap();
        let trace = |number: usize| format!("{number:016x}");
        let mut open: Vec<_> = (0..FILES_MAX)
            .map(|number| {
                logs.begin(&Trace::new(trace(number), Side::Server))
                    .unwrap()
            })
            .collect();
        open[0].record(b"\x1e{}\n");
        assert!(logs.begin(&Trace::new(trace(999), Side::Server)).is_none());
        open.clear();
        let path = folder.join("0000000000000000_server.sqlog");
        assert_eq!(std::fs::read(path).unwrap(), b"\x1e{}\n");
        assert!(logs.begin(&Trace::new(trace(0), Side::Server)).is_none());
        assert!(logs.begin(&Trace::new(trace(0), Side::Client)).is_some());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

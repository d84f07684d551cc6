//! Socket buffers of a process, as the kernel has them.

use std::collections::BTreeSet;
use std::{fmt, fs};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde::Serialize;
use socket2::SockRef;

use crate::job::SOCKET_BUFFER_BYTES;

/// What a socket buffers in each direction, in bytes, as the kernel tells it: Linux grants twice what it
/// is asked for, for what it writes beside the data, and no more than twice `net.core.rmem_max` and
/// `net.core.wmem_max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Buffers {
    /// What was asked for in each direction.
    pub asked_bytes: usize,
    /// What was granted to receive.
    pub receive_bytes: usize,
    /// What was granted to send.
    pub send_bytes: usize,
}

impl fmt::Display for Buffers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (asked, receive, send) = (self.asked_bytes, self.receive_bytes, self.send_bytes);
        write!(
            out,
            "{asked} bytes asked for in each direction, {receive} granted to receive and {send} to send (Linux doubles)"
        )
    }
}

impl Buffers {
    /// Those of all UDP and TCP sockets of these processes, children of this one, which have to be equal.
    ///
    /// # Errors
    /// They are not equal, there are none, or the operating system's.
    pub fn of(processes: &[u32]) -> Result<Self> {
        let mut all = BTreeSet::new();
        for &process in processes {
            let found = find(process)?;
            ensure!(!found.is_empty(), "process {process} has no socket");
            all.extend(found);
        }
        ensure!(all.len() < 2, "sockets of one contender differ: {all:?}");
        all.pop_first().context("no process")
    }
}

fn find(process: u32) -> Result<BTreeSet<Buffers>> {
    let mut found = BTreeSet::new();
    let pid = Pid::from_raw(process.try_into()?).context("no process")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        let number = entry?.file_name().into_string().unwrap_or_default();
        // What was closed in between is not there any more.
        let Ok(fd) = pidfd_getfd(&pidfd, number.parse()?, PidfdGetfdFlags::empty()) else {
            continue;
        };
        let socket = SockRef::from(&fd);
        let is_internet = |address: socket2::SockAddr| address.as_socket().is_some();
        if socket.local_addr().is_ok_and(is_internet) {
            found.insert(Buffers {
                asked_bytes: SOCKET_BUFFER_BYTES,
                receive_bytes: socket.recv_buffer_size()?,
                send_bytes: socket.send_buffer_size()?,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;
    use crate::datagrams::{self, ANY_PORT};

    #[test]
    fn what_the_kernel_granted_is_seen_and_other_sizes_are_refused() {
        // Other tests of this process have sockets too, of the size that everything here asks for.
        let _asked = datagrams::bind(ANY_PORT, SOCKET_BUFFER_BYTES).unwrap();
        let found = find(process::id()).unwrap();
        assert!(found.iter().any(|granted| granted.receive_bytes > 200_000));
        let small = datagrams::bind(ANY_PORT, 50_000).unwrap();
        let expected = (100_000, 100_000);
        let sizes = |granted: &Buffers| (granted.receive_bytes, granted.send_bytes);
        let found = find(process::id()).unwrap();
        assert!(found.iter().any(|granted| sizes(granted) == expected));
        let differ = Buffers::of(&[process::id()]).unwrap_err().to_string();
        assert!(differ.contains("differ"), "{differ}");
        drop(small);
        assert!(Buffers::of(&[]).is_err());
    }
}

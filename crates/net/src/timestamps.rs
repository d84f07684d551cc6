//! Receive timestamps, which nobody here asks for.
#![allow(unsafe_code, reason = "no library sets this option")]

use std::os::fd::{AsFd, AsRawFd};

/// Tells the kernel to leave them out (SO_TIMESTAMPNS, socket(7)). quinn-udp turns them on, and its
/// buffer of 96 bytes then has no room for what comes last with a train of merged datagrams: the
/// ECN bits.
pub(crate) fn disable(socket: &impl AsFd) {
    let off: libc::c_int = 0;
    let len = size_of_val(&off) as libc::socklen_t;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel reads `len` bytes behind the pointer, which `off` has, and keeps neither.
    // The descriptor is open as long as it is borrowed. Should it fail, timestamps stay.
    unsafe {
        let off = (&raw const off).cast();
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, off, len);
    }
}

//! What datagrams packed with the smallest frames cost in memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/mod.rs"]
mod common;
#[allow(dead_code, reason = "others use the rest")]
#[path = "hostile/raw.rs"]
mod raw;

use core::time::Duration;
use std::alloc::System;

use raw::{Raw, stream_frame};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use transport::OpenGate;

/// Counts what the whole process allocates: there is one test, so nobody else does.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Datagrams of each kind.
const DATAGRAMS: usize = 20;

/// Allocations that a datagram may cause, whatever is in it.
const ALLOCATIONS_MAX: usize = 2;

/// Bytes that all of them may leave behind.
const LEFT_MAX: usize = 4 << 10;

/// What a peer may say at any time, as short as it gets, over and over.
fn smallest() -> Vec<(&'static str, Vec<u8>)> {
    let repeated = |frame: &[u8]| frame.repeat(65_000 / frame.len());
    vec![
        ("PADDING", repeated(&[0])),
        ("PING", repeated(&[1])),
        ("ACK", repeated(&[2, 0, 0, 0, 0])),
        ("RESET_STREAM", repeated(&[4, 0, 1, 3])),
        ("STOP_SENDING", repeated(&[5, 0, 1])),
        ("STREAM", repeated(&stream_frame(0, 0, b""))),
        ("MAX_DATA", repeated(&[0x10, 0])),
        ("MAX_STREAM_DATA", repeated(&[0x11, 0, 0])),
        ("MAX_STREAMS", repeated(&[0x12, 0])),
        ("PATH_CHALLENGE", repeated(&[0x1a, 1, 2, 3, 4, 5, 6, 7, 8])),
        ("PATH_RESPONSE", repeated(&[0x1b, 1, 2, 3, 4, 5, 6, 7, 8])),
    ]
}

#[test]
fn h09_datagrams_packed_with_the_smallest_frames_leave_little_and_allocate_for_no_frame() {
    for (kind, packed) in smallest() {
        let mut raw = Raw::new(common::config(), Box::new(OpenGate)).connected();
        raw.say(&stream_frame(0, 0, &[0, common::PORT as u8, 0]));
        raw.wait(Duration::from_millis(100));
        let datagrams: Vec<_> = (0..DATAGRAMS)
            .map(|_| raw.packet(transport::Epoch::Data, &packed))
            .collect();
        // They are freed on the way.
        let room = datagrams.capacity() * size_of::<Vec<u8>>();
        let room = room + datagrams.iter().map(Vec::capacity).sum::<usize>();
        let region = Region::new(ALLOCATOR);
        for datagram in datagrams {
            raw.take_in(datagram);
        }
        let change = region.change();
        let made = change.allocations + change.reallocations;
        let most = DATAGRAMS * ALLOCATIONS_MAX;
        assert!(made <= most, "{kind}: {made} allocations");
        let left = (change.bytes_allocated + room).checked_signed_diff(change.bytes_deallocated);
        let left = left.unwrap();
        assert!(left <= LEFT_MAX as isize, "{kind}: {left} bytes");
        println!("{kind}: {made} allocations, {left} bytes left");
        raw.collect();
        raw.wait(Duration::from_millis(100));
        assert_eq!(raw.server.stats().connections, 1, "{kind}");
    }
}

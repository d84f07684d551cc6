//! An allocator that can count what is allocated.
//!
//! It counts only where memory is the question, so that peers that allocate much do not pay for it
//! where speed is.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// The system's allocator, and what it has given out since [`count`].
pub struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicI64 = AtomicI64::new(0);

/// Counts from here on.
pub fn count() {
    ON.store(true, Relaxed);
}

/// Bytes allocated and not freed since [`count`].
pub fn bytes() -> i64 {
    BYTES.load(Relaxed)
}

fn add(bytes: usize, sign: i64) {
    if ON.load(Relaxed) {
        BYTES.fetch_add(sign * bytes as i64, Relaxed);
    }
}

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe by its nature; this one only passes on"
)]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(layout.size(), -1);
        add(size, 1);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(layout.size(), -1);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

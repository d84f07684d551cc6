//! A path that becomes longer, as when a route or a network changes.

use core::time::Duration;

use sim::Link;

use crate::harness::after;
use crate::world::{Transfer, config};

/// Bytes a second.
const RATE: u64 = 1_000_000;

fn link(delay: Duration) -> Link {
    let mut link = Link::with_delay(delay);
    link.rate = Some(RATE);
    link.queue_bytes = 200_000;
    link
}

#[test]
fn a_path_that_becomes_twenty_times_longer_is_used_as_well_as_before() {
    let near = link(Duration::from_millis(5));
    let mut transfer = Transfer::new(1, &config(), near, 100_000_000);
    transfer.run_until(after(5));
    let client = transfer.client;
    let longer = Duration::from_millis(100);
    transfer
        .world
        .change_links(client, |link| link.delay = longer);
    // The length of the empty path is probed every ten seconds.
    transfer.run_until(after(35));
    let before = transfer.received();
    transfer.run_until(after(65));
    let rate = (transfer.received() - before) as u64 / 30;
    assert!(rate > RATE * 8 / 10, "{rate} bytes a second");
}

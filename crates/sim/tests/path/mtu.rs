//! Path MTU discovery (docs/PROTOCOL.md §4.8).

use core::time::Duration;

use sim::Link;

use crate::harness::after;
use crate::world::{Transfer, config};

fn link(mtu: usize) -> Link {
    let mut link = Link::with_delay(Duration::from_millis(10));
    link.mtu = mtu;
    link.rate = Some(5_000_000);
    link.queue_bytes = 200_000;
    link
}

#[test]
fn datagrams_grow_to_what_the_path_takes() {
    for mtu in [1200, 1280, 1452, 1472, 4322, 8972, 65_507] {
        let mut transfer = Transfer::new(1, &config(), link(mtu), 10_000_000);
        transfer.run_until(after(60));
        let found = transfer.stats().datagram_bytes;
        let possible = mtu.min(config().datagram_bytes_max);
        assert!(
            found <= possible && possible - found < 64,
            "{found} of {mtu}"
        );
        transfer.finish(after(120));
    }
}

#[test]
fn the_usual_length_is_found_within_a_round_trip_of_the_first_full_datagram() {
    let mut transfer = Transfer::new(1, &config(), link(1472), 1_000_000);
    // The handshake takes 40 ms, the first full datagrams go out then, and are answered at 60.
    transfer.run_until(transport::Instant::ZERO + Duration::from_millis(90));
    assert_eq!(transfer.stats().datagram_bytes, 1452);
}

#[test]
fn neither_end_goes_beyond_its_configuration() {
    let mut config = config();
    config.datagram_bytes_max = 1300;
    let mut transfer = Transfer::new(1, &config, link(65_507), 1_000_000);
    transfer.run_until(after(10));
    assert_eq!(transfer.stats().datagram_bytes, 1300);
}

#[test]
fn lost_probes_are_no_sign_of_congestion() {
    let mut link = link(1200);
    link.queue_bytes = 10_000_000;
    let mut transfer = Transfer::new(1, &config(), link, 1_000_000);
    transfer.run_until(after(10));
    let stats = transfer.stats();
    assert!(transfer.world.stats().lost > 0, "no probe was sent");
    assert_eq!(stats.counters.packets_lost, 0, "{stats:?}");
    transfer.finish(after(20));
}

#[test]
fn a_connection_that_has_little_to_say_does_not_probe() {
    let mut transfer = Transfer::new(1, &config(), link(1200), 500);
    assert!(transfer.run_until(after(10)));
    assert_eq!(transfer.world.stats().lost, 0);
}

#[test]
fn probing_goes_on_under_random_loss() {
    let mut lossy = link(8972);
    lossy.rate = None;
    lossy.loss = 0.05;
    let mut transfer = Transfer::new(3, &config(), lossy, 20_000_000);
    transfer.run_until(after(20));
    assert!(
        transfer.stats().datagram_bytes >= 1452,
        "{:?}",
        transfer.stats()
    );
    transfer.finish(after(600));
}

#[test]
fn h29_a_path_that_takes_less_than_before_is_noticed_within_five_seconds() {
    for (seed, mtu) in [(1, 1200), (2, 1300), (3, 1452)] {
        let mut transfer = Transfer::new(seed, &config(), link(8972), 60_000_000);
        let begin = after(5);
        transfer.run_until(begin);
        assert!(transfer.stats().datagram_bytes > 8900);
        let client = transfer.client;
        transfer.world.change_links(client, |link| link.mtu = mtu);
        // What was on its way still arrives.
        transfer.run_until(begin + Duration::from_millis(50));
        let before = transfer.received();
        transfer.run_until(begin + Duration::from_secs(5));
        assert!(
            transfer.stats().datagram_bytes <= mtu,
            "{:?}",
            transfer.stats()
        );
        assert!(
            transfer.received() > before + 100_000,
            "{mtu}: {} bytes in five seconds",
            transfer.received() - before
        );
    }
}

#[test]
fn h29_no_path_is_taken_for_narrower_than_the_floor() {
    let mut transfer = Transfer::new(1, &config(), link(8972), 5_000_000);
    transfer.run_until(after(2));
    let client = transfer.client;
    transfer.world.change_links(client, |link| link.up = false);
    transfer.run_until(after(10));
    transfer.world.change_links(client, |link| link.up = true);
    transfer.run_until(after(13));
    assert!(transfer.stats().datagram_bytes >= 1200);
    transfer.finish(after(60));
}

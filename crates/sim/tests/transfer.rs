//! Bytes arrive, whatever the network does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use core::cell::{Cell, RefCell};
use core::time::Duration;

use harness::{PORT, after, bytes, config, connect, drain, messages, pair, seeds};
use sim::{DatagramStats, Link};
use transport::{Config, Event, Instant, Mode, StreamId};

struct Outcome {
    received: Vec<u8>,
    finished: bool,
    took: Duration,
    trace: u64,
    stats: DatagramStats,
}

/// Sends one message of `len` bytes, and waits until it is there and acknowledged.
fn transfer(seed: u64, len: usize, link: Link) -> Outcome {
    transfer_with(&config(), seed, len, link)
}

fn transfer_with(config: &Config, seed: u64, len: usize, link: Link) -> Outcome {
    let (mut world, server, client) = pair(seed, config);
    world.set_default_link(link);
    let handle = connect(&mut world, seed, client);
    let message = bytes(seed, len);
    let (received, finished) = (RefCell::new(Vec::new()), Cell::new(false));
    let done = world.run(
        after(3600),
        |node, endpoint, _| {
            drain(endpoint, |endpoint, from, event| match event {
                Event::Connected if node == client => {
                    let connection = endpoint.connection(handle).unwrap();
                    let stream = connection.open(PORT, Mode::Messages).unwrap();
                    connection.send(stream, &message).unwrap();
                    connection.finish(stream).unwrap();
                }
                Event::Readable { stream } if node == server => {
                    received
                        .borrow_mut()
                        .extend(messages(endpoint, from, stream).concat());
                }
                Event::Finished { .. } => finished.set(true),
                // A spoiled Initial makes the server hold a connection that nobody continues.
                Event::Closed(reason) if node == client => panic!("seed {seed}: {reason}"),
                _ => {}
            });
        },
        |_| finished.get() && !received.borrow().is_empty(),
    );
    if let Err(violation) = done {
        panic!("{violation}");
    }
    Outcome {
        received: received.into_inner(),
        finished: finished.get(),
        took: world.now().since(Instant::ZERO),
        trace: world.trace(),
        stats: world.stats(),
    }
}

#[test]
fn h26_ten_megabytes_arrive_through_a_dreadful_network() {
    for seed in seeds(100) {
        let outcome = transfer(seed, 10_000_000, Link::dreadful());
        assert!(outcome.finished, "seed {seed} after {:?}", outcome.took);
        let sent = crypto::sha256(&bytes(seed, 10_000_000));
        assert_eq!(crypto::sha256(&outcome.received), sent, "seed {seed}");
        assert!(outcome.stats.lost > 1_000 && outcome.stats.corrupted > 500);
        println!(
            "seed {seed}: {:?} virtual, {:?}",
            outcome.took, outcome.stats
        );
    }
}

#[test]
fn h26_five_second_delays_do_not_stop_it() {
    let mut link = Link::dreadful();
    link.jitter = Duration::from_secs(5);
    link.reordering_delay = Duration::from_secs(5);
    let mut config = config();
    config.handshake_timeout = Duration::from_secs(120);
    config.idle_timeout = Duration::from_secs(120);
    let outcome = transfer_with(&config, 1, 100_000, link);
    assert!(outcome.finished && outcome.received == bytes(1, 100_000));
}

#[test]
fn a_perfect_network_is_used_without_losing_or_repeating_anything() {
    let mut link = Link::with_delay(Duration::from_millis(20));
    // Every probe of the path passes.
    link.mtu = 65_507;
    let outcome = transfer(1, 1_000_000, link);
    assert!(outcome.received == bytes(1, 1_000_000));
    assert_eq!(outcome.stats.lost, 0);
    assert!(outcome.stats.sent_bytes < 1_150_000, "{:?}", outcome.stats);
    assert!(outcome.took < Duration::from_secs(1), "{:?}", outcome.took);
}

#[test]
fn a_narrow_link_is_filled_and_not_flooded() {
    let mut link = Link::with_delay(Duration::from_millis(25));
    link.rate = Some(1_250_000);
    link.queue_bytes = 62_500;
    let outcome = transfer(1, 10_000_000, link);
    assert!(outcome.received == bytes(1, 10_000_000));
    // 8 s is what it takes at best.
    assert!(outcome.took < Duration::from_secs(10), "{:?}", outcome.took);
    assert!(
        outcome.stats.lost < outcome.stats.sent / 20,
        "{:?}",
        outcome.stats
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    let trace = |seed| transfer(seed, 300_000, Link::dreadful()).trace;
    assert_eq!(trace(4), trace(4));
    assert_ne!(trace(4), trace(5));
}

#[test]
fn nothing_that_is_sent_is_readable_on_the_way() {
    let (mut world, server, client) = pair(2, &config());
    let secret = b"nobody on the way may read this";
    world.add_canary(secret);
    let handle = connect(&mut world, 2, client);
    let heard = Cell::new(false);
    let done = world.run(
        after(10),
        |node, endpoint, _| {
            drain(endpoint, |endpoint, from, event| match event {
                Event::Connected if node == client => {
                    let connection = endpoint.connection(handle).unwrap();
                    let stream = connection.open(PORT, Mode::Messages).unwrap();
                    connection.send(stream, secret).unwrap();
                }
                Event::Readable { stream } if node == server => {
                    heard.set(messages(endpoint, from, stream).concat() == secret);
                }
                _ => {}
            });
        },
        |_| heard.get(),
    );
    assert_eq!(done, Ok(true));
}

/// The stream that carries message `index`, in the order of opening.
fn stream_index(streams: &[StreamId], stream: StreamId) -> usize {
    streams.iter().position(|s| *s == stream).unwrap()
}

#[test]
fn h33_a_loss_on_one_stream_does_not_delay_another() {
    let (mut world, server, client) = pair(3, &config());
    let delay = Duration::from_millis(50);
    world.set_default_link(Link::with_delay(delay));
    let handle = connect(&mut world, 3, client);
    let arrived = RefCell::new(vec![None; 2]);
    let streams = RefCell::new(Vec::new());
    let mut app = |node, endpoint: &mut transport::Endpoint, now: Instant| {
        drain(endpoint, |endpoint, from, event| match event {
            Event::Connected if node == client => {
                let connection = endpoint.connection(handle).unwrap();
                for _ in 0..2 {
                    let stream = connection.open(PORT, Mode::Messages).unwrap();
                    streams.borrow_mut().push(stream);
                }
            }
            Event::Readable { stream } if node == server => {
                let index = stream_index(&streams.borrow(), stream);
                if !messages(endpoint, from, stream).is_empty() {
                    arrived.borrow_mut()[index] = Some(now);
                }
            }
            _ => {}
        });
    };
    let connected = world.run(after(5), &mut app, |_| !streams.borrow().is_empty());
    assert!(connected.unwrap());
    world.run(after(5), &mut app, |_| false).unwrap();
    let begin = world.now();
    let send = |world: &mut sim::World<transport::Endpoint>, index: usize| {
        let stream = streams.borrow()[index];
        world
            .with(client, |endpoint, _| {
                endpoint.connection(handle).unwrap().send(stream, &[7; 600])
            })
            .unwrap()
            .unwrap();
    };
    // What is sent on the first stream is lost; what is sent on the second right after is not, and is
    // too long to be repeated.
    world.change_links(client, |link| link.up = false);
    send(&mut world, 0);
    world.change_links(client, |link| link.up = true);
    send(&mut world, 1);
    let both = world.run(begin + Duration::from_secs(5), &mut app, |_| {
        arrived.borrow().iter().all(Option::is_some)
    });
    assert!(both.unwrap());
    let took = |index: usize| arrived.borrow()[index].unwrap().since(begin);
    assert!(took(1) <= delay + Duration::from_millis(2), "{:?}", took(1));
    assert!(took(0) > delay, "the loss did not happen");
}

#[test]
fn h27_a_blackhole_of_a_minute_heals_within_three_seconds() {
    let mut config = config();
    config.idle_timeout = Duration::from_secs(300);
    let (mut world, server, client) = pair(8, &config);
    let handle = connect(&mut world, 8, client);
    let received = RefCell::new(Vec::new());
    let stream = Cell::new(None);
    let mut app = |node, endpoint: &mut transport::Endpoint, _: Instant| {
        drain(endpoint, |endpoint, from, event| match event {
            Event::Connected if node == client => {
                let connection = endpoint.connection(handle).unwrap();
                stream.set(Some(connection.open(PORT, Mode::Messages).unwrap()));
            }
            Event::Readable { stream } if node == server => {
                received
                    .borrow_mut()
                    .extend(messages(endpoint, from, stream));
            }
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        });
    };
    world.run(after(10), &mut app, |_| false).unwrap();
    world.change_links(client, |link| link.up = false);
    let stream = stream.get().unwrap();
    let message = bytes(8, 50_000);
    world
        .with(client, |endpoint, _| {
            endpoint.connection(handle).unwrap().send(stream, &message)
        })
        .unwrap()
        .unwrap();
    world.run(after(70), &mut app, |_| false).unwrap();
    assert!(received.borrow().is_empty());
    world.change_links(client, |link| link.up = true);
    let healed = world.run(after(73), &mut app, |_| !received.borrow().is_empty());
    assert!(healed.unwrap(), "no progress three seconds after it healed");
    assert!(received.borrow()[0] == message);
}

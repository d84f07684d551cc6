//! Many peers behind one port, and handshakes that are hard to finish.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod harness;

use core::cell::{Cell, RefCell};
use core::time::Duration;
use std::collections::BTreeSet;

use harness::{
    PORT, SERVER, after, client, client_address, config, connect, drain, messages, pair, seeds,
    server,
};
use sim::{Link, World};
use transport::{AddressGate, CloseReason, Event, Gate, Mode, OpenGate};

/// Each of `count` peers says who it is and is answered.
fn everybody_is_answered(seed: u64, count: u64, gate: Box<dyn Gate>, amplification_max: u64) {
    let mut world = World::new(seed);
    let mut link = Link::with_delay(Duration::from_millis(20));
    link.jitter = Duration::from_millis(20);
    link.loss = 0.02;
    world.set_default_link(link);
    let mut server_config = config();
    server_config.half_open_max = usize::MAX;
    let server = world.add(SERVER, server(seed, server_config, gate));
    world.set_amplification_max(server, amplification_max);
    for index in 0..count {
        let client = client(seed, index, config());
        world.add(client_address(index), client);
    }
    let answered = RefCell::new(BTreeSet::new());
    let mut app = |node: sim::NodeId, endpoint: &mut transport::Endpoint, _| {
        drain(endpoint, |endpoint, handle, event| match event {
            Event::Connected if node != server => {
                let connection = endpoint.connection(handle).unwrap();
                let stream = connection.open(PORT, Mode::Messages).unwrap();
                connection
                    .send(stream, &node.index().to_be_bytes())
                    .unwrap();
            }
            Event::Readable { stream } => {
                for message in messages(endpoint, handle, stream) {
                    if node == server {
                        let connection = endpoint.connection(handle).unwrap();
                        connection.send(stream, &message).unwrap();
                    } else {
                        assert_eq!(message, node.index().to_be_bytes(), "somebody else's");
                        answered.borrow_mut().insert(node);
                    }
                }
            }
            Event::Closed(reason) => panic!("seed {seed}, {node:?}: {reason}"),
            _ => {}
        });
    };
    // A thousand a second, so that the world is not only a stampede.
    let nodes: Vec<_> = world.nodes().filter(|node| *node != server).collect();
    for chunk in nodes.chunks(10) {
        for node in chunk {
            connect(&mut world, seed, *node);
        }
        let next = world.now() + Duration::from_millis(10);
        world.run(next, &mut app, |_| false).unwrap();
    }
    let deadline = world.now() + Duration::from_secs(60);
    let all = world.run(deadline, &mut app, |_| {
        answered.borrow().len() as u64 == count
    });
    match all {
        Ok(all) => assert!(all, "{} of {count}", answered.borrow().len()),
        Err(violation) => panic!("{violation}"),
    }
    let stats = world.machine(server).unwrap().stats();
    assert_eq!(stats.connections as u64, count);
    assert_eq!(stats.half_open, 0);
}

#[test]
fn ten_thousand_peers_on_one_port() {
    everybody_is_answered(1, 10_000, Box::new(OpenGate), 3);
}

#[test]
fn a_gate_lets_everybody_in_and_never_answers_at_length() {
    let gate = AddressGate::new(crypto::Secret::from([9; 32]));
    everybody_is_answered(2, 200, Box::new(gate), 1);
}

#[test]
fn handshakes_complete_though_most_of_them_is_lost() {
    for seed in seeds(200) {
        let mut config = config();
        config.handshake_timeout = Duration::from_secs(120);
        let (mut world, _, client) = pair(seed, &config);
        let mut link = Link::dreadful();
        link.loss = 0.5;
        world.set_default_link(link);
        connect(&mut world, seed, client);
        let connected = Cell::new(0);
        let done = world.run(
            after(120),
            |node, endpoint, _| {
                drain(endpoint, |endpoint, handle, event| match event {
                    Event::Connected => {
                        connected.set(connected.get() + 1);
                        if node == client {
                            // What the server cannot read yet must not be in the way.
                            let connection = endpoint.connection(handle).unwrap();
                            let stream = connection.open(PORT, Mode::Messages).unwrap();
                            connection.send(stream, &[0; 100_000]).unwrap();
                        }
                    }
                    // A spoiled Initial makes the server hold a connection that nobody continues.
                    Event::Closed(reason) if node == client => panic!("seed {seed}: {reason}"),
                    _ => {}
                });
            },
            |_| connected.get() == 2,
        );
        match done {
            Ok(done) => assert!(done, "seed {seed}"),
            Err(violation) => panic!("{violation}"),
        }
    }
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let (mut world, _, client) = pair(1, &config());
    world.change_links(client, |link| link.up = false);
    connect(&mut world, 1, client);
    let reason = RefCell::new(None);
    let told = world.run(
        after(11),
        |_, endpoint, _| {
            drain(endpoint, |_, _, event| {
                if let Event::Closed(why) = event {
                    *reason.borrow_mut() = Some(why);
                }
            });
        },
        |_| reason.borrow().is_some(),
    );
    assert!(told.unwrap());
    assert_eq!(reason.into_inner(), Some(CloseReason::HandshakeTimeout));
    assert!(world.now() >= after(10));
}

#[test]
fn a_server_that_is_late_is_not_asked_again_by_everybody() {
    const CLIENTS: u64 = 50;
    let mut world = World::new(3);
    world.set_default_link(Link::with_delay(Duration::from_millis(1)));
    let server = world.add(SERVER, server(3, config(), Box::new(OpenGate)));
    for index in 0..CLIENTS {
        let client = world.add(client_address(index), client(3, index, config()));
        connect(&mut world, 3, client);
    }
    let mut app = |_: sim::NodeId, endpoint: &mut transport::Endpoint, _| {
        drain(endpoint, |_, _, event| {
            if let Event::Closed(reason) = event {
                panic!("{reason}");
            }
        });
    };
    world.run(after(10), &mut app, |_| false).unwrap();
    let stats = world.machine(server).unwrap().stats();
    assert_eq!(stats.connections as u64, CLIENTS);
    let sent = world.stats().sent;
    // Whatever comes to it waits for most of a second.
    world.change_links(server, |link| link.delay = Duration::from_millis(450));
    world.run(after(29), &mut app, |_| false).unwrap();
    let each = (world.stats().sent - sent) as f64 / CLIENTS as f64;
    assert!(each >= 2.0, "{each}: nothing was kept alive");
    assert!(each <= 3.0, "{each} datagrams for a keep-alive");
}

#[test]
fn h23_replaying_every_datagram_delivers_nothing() {
    // Keys are updated on the way.
    let mut config = config();
    config.key_update_packets = 20;
    let (mut world, server, client) = pair(6, &config);
    world.start_capture();
    connect(&mut world, 6, client);
    let delivered = Cell::new(0);
    let mut app = |node: sim::NodeId, endpoint: &mut transport::Endpoint, _| {
        drain(endpoint, |endpoint, handle, event| match event {
            Event::Connected if node == client => {
                let connection = endpoint.connection(handle).unwrap();
                let stream = connection.open(PORT, Mode::Messages).unwrap();
                for index in 0..100u8 {
                    connection.send(stream, &[index; 500]).unwrap();
                }
            }
            Event::Readable { stream } => {
                let messages = messages(endpoint, handle, stream);
                delivered.set(delivered.get() + messages.len());
            }
            Event::Closed(reason) => panic!("{reason}"),
            _ => {}
        });
    };
    world.run(after(5), &mut app, |_| false).unwrap();
    assert_eq!(delivered.get(), 100);
    let sent = world.stats().sent;
    let captured = world.take_capture();
    assert!(captured.len() > 30);
    let counters = world.machine(server).unwrap().stats().counters;
    assert!(counters.key_updates > 0);
    // To where they went, and from where they did not come.
    for stranger in [false, true] {
        for (index, datagram) in captured.iter().enumerate() {
            let from = if stranger {
                client_address(77)
            } else {
                datagram.from
            };
            let delay = Duration::from_millis(index as u64);
            world.inject(delay, from, datagram.to, datagram.bytes.clone());
        }
    }
    match world.run(after(12), &mut app, |_| false) {
        Ok(_) => {}
        Err(violation) => panic!("{violation}"),
    }
    assert_eq!(delivered.get(), 100, "a replay was delivered");
    let answers = world.stats().sent - sent;
    assert!(answers <= captured.len() as u64, "{answers} answers");
    assert!(
        world
            .machine(server)
            .unwrap()
            .connections()
            .next()
            .is_some()
    );
}

/// A server that has restarted knows no connection of before. With an open gate every captured hello begins
/// a handshake, which whoever repeats it cannot finish.
#[test]
fn h23_replaying_every_datagram_to_a_server_that_has_restarted_delivers_nothing() {
    let (mut world, node, client) = pair(6, &config());
    world.start_capture();
    connect(&mut world, 6, client);
    let (heard, connected) = (Cell::new(0), Cell::new(0));
    let mut app = |at: sim::NodeId, endpoint: &mut transport::Endpoint, _| {
        drain(endpoint, |endpoint, handle, event| match event {
            Event::Connected if at == client => {
                let connection = endpoint.connection(handle).unwrap();
                let stream = connection.open(PORT, Mode::Messages).unwrap();
                connection.send(stream, b"once").unwrap();
            }
            Event::Connected => connected.set(connected.get() + 1),
            Event::Readable { stream } => {
                heard.set(heard.get() + messages(endpoint, handle, stream).len());
            }
            _ => {}
        });
    };
    world.run(after(5), &mut app, |_| false).unwrap();
    assert_eq!((connected.get(), heard.get()), (1, 1));
    let captured = world.take_capture();
    let fresh = server(7, config(), Box::new(OpenGate));
    world.with(node, |endpoint, _| *endpoint = fresh).unwrap();
    let to_server = captured.iter().filter(|datagram| datagram.to == SERVER);
    for (index, datagram) in (0..).zip(to_server) {
        let delay = Duration::from_millis(index);
        world.inject(delay, datagram.from, datagram.to, datagram.bytes.clone());
    }
    world.run(after(40), &mut app, |_| false).unwrap();
    assert_eq!((connected.get(), heard.get()), (1, 1));
    let drops = world.machine(node).unwrap().stats().drops;
    assert!(drops.total() > 0, "{drops:?}");
    assert_eq!(world.machine(node).unwrap().stats().connections, 0);
}

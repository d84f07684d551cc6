//! A client whose way to the network changes in the middle of a conversation: the real programs, with a
//! NAT between them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::{Client, Home, Server};
use net::proxy::{Impairment, Proxy};

/// Alice beside the server, and Bob behind a NAT.
struct Town {
    alice: Client,
    bob: Client,
    nat: Proxy,
    said: u32,
    _server: Server,
    _home: Home,
}

impl Town {
    fn new() -> Self {
        let home = Home::new();
        home.seed();
        let server = Server::start(&home);
        let to: SocketAddr = (Ipv4Addr::LOCALHOST, server.port).into();
        let nat = Proxy::start(to, Impairment::default()).unwrap();
        let alice = Client::login(&home, "Alice", server.port);
        let bob = Client::login(&home, "Bob", nat.local_addr().port());
        Self {
            alice,
            bob,
            nat,
            said: 0,
            _server: server,
            _home: home,
        }
    }

    /// Both say something, and hear it as the next thing from the other.
    fn talk(&mut self, when: &str) {
        self.said += 1;
        let [ours, theirs] = ["Alice", "Bob"].map(|to| format!("{when} {} {to}", self.said));
        let id = self.bob.send("Alice", &ours);
        assert_eq!(self.alice.message()["text"], ours);
        self.bob.status(&id, "delivered");
        let id = self.alice.send("Bob", &theirs);
        assert_eq!(self.bob.message()["text"], theirs);
        self.alice.status(&id, "delivered");
    }

    /// There was no other login, and nothing came twice.
    fn finish(self) {
        for mut client in [self.alice, self.bob] {
            client.never(Duration::from_millis(200), |value| {
                ["message", "disconnected", "logged_in"].contains(&value["event"].as_str().unwrap())
            });
            assert_eq!(client.quit().0, Some(0));
        }
    }
}

#[test]
fn a_nat_that_changes_its_port_breaks_no_conversation() {
    let mut town = Town::new();
    town.talk("before");
    town.nat.rebind();
    town.talk("during");
    town.talk("after");
    town.nat.rebind();
    // The server speaks first: what it says is lost until it hears of Bob.
    let id = town.alice.send("Bob", "where are you?");
    town.alice.status(&id, "stored");
    assert_eq!(town.bob.message()["text"], "where are you?");
    town.alice.status(&id, "delivered");
    town.talk("in the end");
    town.finish();
}

#[test]
fn a_network_that_is_gone_is_left_for_another_without_a_login() {
    let mut town = Town::new();
    town.talk("before");
    // Nothing passes any more from Bob's socket; from another it will.
    town.nat.cut_off();
    town.talk("during");
    town.talk("after");
    town.finish();
}

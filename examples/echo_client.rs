//! Sends lines to an echo server and prints what comes back.
//!
//! `echo_client ADDRESS FINGERPRINT` as the server prints it.
#![allow(clippy::print_stdout, reason = "a program")]

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;

use crypto::Fingerprint;
use net::blocking::Node;
use net::unix_time_s;
use tls::{ClientSessions, Trust, WallClock};
use transport::{Config, Mode};

const PORT: u16 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(fingerprint)) = (arguments.next(), arguments.next()) else {
        return Err("usage: echo_client ADDRESS FINGERPRINT".into());
    };
    let (address, fingerprint): (SocketAddr, Fingerprint) =
        (address.parse()?, fingerprint.parse()?);
    // The server with this key, and no other.
    let clock = WallClock::new(unix_time_s());
    let sessions = ClientSessions::new(Trust::Pinned(fingerprint), &clock)?;

    let node = Node::client(Config::default())?;
    let connection = node.connect(address, Box::new(sessions))?;
    let stream = connection.open(PORT, Mode::Bytes)?;
    let mut answers = BufReader::new(&stream).lines();
    for line in io::stdin().lines() {
        writeln!(&stream, "{}", line?)?;
        if let Some(answer) = answers.next() {
            println!("{}", answer?);
        }
    }
    stream.close()?;
    connection.close(0, "done")?;
    Ok(())
}

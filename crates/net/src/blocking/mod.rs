//! Connections and streams for programs that want no loop of their own.
//!
//! A [`Node`] owns a thread with a driver and an endpoint. Its handles block until something is done,
//! with timeouts where they are set, and work from any thread.
//!
//! ```no_run
//! use std::io::{Read, Write};
//!
//! # fn ask(sessions: Box<dyn transport::Sessions>) -> std::io::Result<()> {
//! let node = net::blocking::Node::client(transport::Config::default())?;
//! let connection = node.connect("127.0.0.1:5000".parse().unwrap(), sessions)?;
//! let mut stream = connection.open(7, transport::Mode::Bytes)?;
//! stream.write_all(b"hello")?;
//! stream.finish()?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! # Ok(())
//! # }
//! ```
//!
//! When an end closes a connection, what the other has not read yet is gone, as in QUIC: let the end
//! that reads last close.

mod command;
mod connection;
mod error;
mod farewell;
mod node;
mod parked;
mod service;
mod solver;
mod stream;

pub use connection::Connection;
pub use node::Node;
pub use stream::Stream;

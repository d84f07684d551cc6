//! What the fuzz targets check, without a fuzzer: `tests/corpus.rs` includes this file and replays
//! the committed inputs.

mod change;

pub mod ack_ranges;
pub mod authenticated_peer;
pub mod challenge;
pub mod commands;
pub mod connection_pair;
pub mod endpoint_stranger;
pub mod frames;
pub mod key_bag;
pub mod keys;
pub mod login_messages;
pub mod manifest;
pub mod messages;
pub mod opaque_login;
pub mod packet_header;
pub mod packet_stateless;
pub mod reassembly;
pub mod sealed_message;
pub mod server_identity;
pub mod session_messages;
pub mod states_at_rest;
pub mod store_files;
pub mod terminal_text;
pub mod text_lines;
pub mod tls_handshake;
pub mod token;
pub mod transport_parameters;

/// Checks one input; panics when something does not hold.
pub type Check = fn(&[u8]);

/// Name and body of every target.
pub const TARGETS: &[(&str, Check)] = &[
    ("ack_ranges", ack_ranges::check),
    ("authenticated_peer", authenticated_peer::check),
    ("challenge", challenge::check),
    ("commands", commands::check),
    ("connection_pair", connection_pair::check),
    ("endpoint_stranger", endpoint_stranger::check),
    ("frames", frames::check),
    ("key_bag", key_bag::check),
    ("keys", keys::check),
    ("login_messages", login_messages::check),
    ("manifest", manifest::check),
    ("messages", messages::check),
    ("opaque_login", opaque_login::check),
    ("packet_header", packet_header::check),
    ("packet_stateless", packet_stateless::check),
    ("reassembly", reassembly::check),
    ("sealed_message", sealed_message::check),
    ("server_identity", server_identity::check),
    ("session_messages", session_messages::check),
    ("states_at_rest", states_at_rest::check),
    ("store_files", store_files::check),
    ("terminal_text", terminal_text::check),
    ("text_lines", text_lines::check),
    ("tls_handshake", tls_handshake::check),
    ("token", token::check),
    ("transport_parameters", transport_parameters::check),
];

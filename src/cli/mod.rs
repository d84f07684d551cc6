//! The command lines of `chat-server` and `chat-client`: arguments, passwords, folders, and line
//! mode. Nothing here knows a protocol.

pub mod address;
pub mod client;
pub mod exit;
pub mod folders;
mod forms;
pub mod line;
pub mod password;
pub mod pins;
mod question;
pub mod rewrite;
pub mod server;
pub mod slot;
pub mod trust;
pub mod usage;

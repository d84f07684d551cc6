//! The command lines of `chat-server` and `chat-client`: arguments, passwords, folders, and line
//! mode. Nothing here knows a protocol.

pub mod address;
pub mod exit;
pub mod folders;
pub mod password;
pub mod pins;
pub mod rewrite;
pub mod slot;

//! HTTP/1.1 for those who ask the daemon: over a Unix socket, over TCP where it is configured, and the asking side.
//!
//! What can be asked is no business of this folder; it carries requests and answers. Whoever is at the other end may
//! be slow, silent, or many: heads, bodies and connections are bounded in size, number and time, and whoever does
//! nothing makes room for those who do.

mod client;
mod patient;
mod reply;
mod server;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;

pub use client::{Answered, AskError, Patience, ask, is_there};
pub use reply::{Body, Reply};
pub use server::{From, Handler, Limits, Refused, Request};
pub use socket::{Peer, ServeError, Socket};
pub use tcp::Listener;

//! The platforms, one folder each, and the registry that is the only list of them.
//!
//! An adapter builds requests and reads replies, step by step. It does no I/O, reads no clock and sees no
//! ledger: all it knows comes in as arguments, all it wants goes out as values. Each step says whether it is
//! harmless, leaves something behind on the platform, or publishes; `deliver` does the rest, the same for all.
//!
//! A new platform is one folder with the files of its siblings, and one line in [`REGISTRY`].

pub mod contract;

/// Shared by the adapters for Meta's services; no platform.
pub mod graph;

pub mod bluesky;
pub mod discord;
pub mod exec;
pub mod facebook;
pub mod instagram;
pub mod linkedin;
pub mod mastodon;
pub mod nostr;
pub mod site;
pub mod telegram;
pub mod threads;
pub mod webhook;
pub mod x;
pub mod youtube;

use contract::Entry;

/// Every platform this build knows.
pub static REGISTRY: &[&Entry] = &[
    &site::ENTRY,
    &mastodon::ENTRY,
    &bluesky::ENTRY,
    &telegram::ENTRY,
    &discord::ENTRY,
    &exec::ENTRY,
    &webhook::ENTRY,
    &x::ENTRY,
    &linkedin::ENTRY,
    &youtube::ENTRY,
    &nostr::ENTRY,
    &threads::ENTRY,
    &instagram::ENTRY,
    &facebook::ENTRY,
];

/// The entry of the platform called `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().copied().find(|entry| entry.name == name)
}

//! What several test programs share.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod drive;
pub mod graph;
pub mod mp4;
pub mod png;
pub mod sweep;

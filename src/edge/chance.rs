//! Chance from the operating system.

use std::fs::File;
use std::io::{self, Read as _};

use crate::parts::Chance;

/// The operating system's chance.
#[derive(Debug, Clone, Copy)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        fill(bytes).map_err(|error| format!("the operating system gives no random bytes: {error}"))
    }
}

/// Fills `bytes`.
///
/// # Errors
/// There is no such device, or it cannot be read.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

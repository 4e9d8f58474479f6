//! What the store of a simulation seals tokens with.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cadenced::domain::{SealKey, Secret};
use cadenced::engine::Seal;
use cadenced::parts::Chance;

/// A seal with a key made of this text; every run draws the same nonces.
pub fn seal(text: &str) -> Seal {
    let key = SealKey::new(&Secret::new(text)).expect("it is long enough");
    Seal { key, chance: Arc::new(Counting(AtomicU64::new(0))) }
}

/// Chance that is none.
struct Counting(AtomicU64);

impl Chance for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String> {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(count).for_each(|(byte, part)| *byte = part);
        Ok(())
    }
}

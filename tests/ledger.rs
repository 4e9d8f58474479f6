//! The ledger: what was acknowledged is found again, whatever the disk does, and what cannot be read is refused.

#[cfg(test)]
#[path = "ledger/damage.rs"]
mod damage;
#[cfg(test)]
#[path = "support/failing_disk.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod failing_disk;
#[cfg(test)]
#[path = "ledger/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "ledger/full.rs"]
mod full;
#[cfg(test)]
#[path = "ledger/index.rs"]
mod index;
#[cfg(test)]
#[path = "ledger/records.rs"]
mod records;
#[cfg(test)]
#[path = "ledger/support.rs"]
mod support;

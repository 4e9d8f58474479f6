//! The ledger: what was acknowledged is found again, whatever the disk does, and what cannot be read is refused.

#[path = "ledger/damage.rs"]
mod damage;
#[path = "ledger/failing_disk.rs"]
mod failing_disk;
#[path = "ledger/faults.rs"]
mod faults;
#[path = "ledger/full.rs"]
mod full;
#[path = "ledger/index.rs"]
mod index;
#[path = "ledger/records.rs"]
mod records;
#[path = "ledger/support.rs"]
mod support;

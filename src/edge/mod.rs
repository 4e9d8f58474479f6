//! The only code that touches the world. It implements the traits of `parts` and of `ledger::store`, decides
//! nothing, and is named only by `app`.

pub mod disk;
pub mod journal;
pub mod sled_index;
pub mod store;

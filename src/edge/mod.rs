//! The only code that touches the world: it implements the traits of `parts` and the ledger's, and decides nothing.

pub mod files;

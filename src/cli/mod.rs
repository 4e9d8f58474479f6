//! The commands, one file each. They write to what they are given and return the exit code.

pub mod approve;
pub mod check;
pub mod faults;
pub mod schema;

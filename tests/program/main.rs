//! The real program with its real store, on imitated platforms behind loopback servers. One binary, because these tests
//! mostly wait: for the disk, for a platform, for the program to end.

#![cfg(test)]

mod disk_full;
mod faults;
mod kills;
mod process;
mod torn_store;

#[path = "../support"]
mod support {
    pub mod house;
    pub mod platform;
    pub mod png;
    pub mod server;
    pub mod story;
    pub mod trap;
}

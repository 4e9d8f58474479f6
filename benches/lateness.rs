//! How late posts are: a thousand posts on a thousand accounts, all due within one second, and when their requests
//! reach a server on loopback. The daemon's own loop, a real store and real HTTP.
//!
//! `cargo bench --bench lateness [-- ACCOUNTS]`. Three seconds are measured in one run: the first posts of all accounts,
//! all due at the same moment (each account first asks the server for its limits and for its own name); the next
//! posts, again at the same moment; and posts that are spread evenly over a second.

mod support;

use std::time::Duration;

use cadenced::domain::Timestamp;
use cadenced::domain::time::after;

use support::daemon::drain;
use support::server::Server;
use support::{config, file, inbox, many_descriptors, say, setups, size, wall};

/// Between two seconds that are measured.
const APART: u64 = 6;

fn main() {
    many_descriptors();
    let accounts = size(1_000);
    let server = Server::start();
    let dir = tempfile::tempdir().expect("a folder");
    let config = config(accounts, &server.url(), "[]");
    let start = Timestamp::from_second(wall().as_second() + 8).expect("a moment");
    let due = |n: usize| match n / accounts {
        0 => start,
        1 => after(start, Duration::from_secs(APART)),
        _ => {
            let part = (n % accounts) as u64 * 1_000_000 / accounts as u64;
            after(start, Duration::from_secs(2 * APART) + Duration::from_micros(part))
        }
    };
    let text = |wave: usize| {
        let all: Vec<usize> = (wave * accounts..(wave + 1) * accounts).collect();
        all.chunks(1_000)
            .map(|part| {
                let text = file(part[0], part[0] + part.len(), accounts, |n| Some(due(n)));
                inbox(&format!("{}.toml", part[0]), &text)
            })
            .collect::<Vec<_>>()
    };
    let queue = (0..3).flat_map(text).collect();
    let setups = setups(&config);
    assert!(wall() < start, "this machine is too slow to prepare in time");
    drain(&dir.path().join("store"), setups, queue, false);
    let arrivals = server.seen.arrivals.lock().expect("whole").clone();
    assert_eq!(arrivals.len(), 3 * accounts, "every post once");
    let names = ["first posts, due at one moment", "next posts, due at one moment", "spread over one second"];
    for (wave, name) in names.into_iter().enumerate() {
        let mine = arrivals.iter().filter(|(n, _)| n / accounts == wave);
        let mut late: Vec<f64> =
            mine.map(|(n, at)| (at.as_nanosecond() - due(*n).as_nanosecond()) as f64 / 1e6).collect();
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        say(&format!(
            "{accounts} posts on {accounts} accounts, {name}: late by p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms; earliest {:.1} ms",
            at(0.5),
            at(0.99),
            at(1.0),
            at(0.0)
        ));
    }
}

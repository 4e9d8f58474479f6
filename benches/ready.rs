//! How long a start takes: from the start of the real binary to `daemon.ready`, with a long queue and a long ledger,
//! with the index there and with it gone.
//!
//! `cargo bench --bench ready [-- RECORDS]`: a million records and a tenth of that in queued posts.

mod support;

use support::daemon::{Running, write_config};
use support::{config, ledger, mib, say, size, status_kb, wall, write_queue};

const ACCOUNTS: usize = 10;
const PER_FILE: usize = 2_000;

fn main() {
    let records = size(1_000_000);
    let posts = records / 10;
    let dir = tempfile::tempdir().expect("a folder");
    let hour = (wall().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
    let text = config(ACCOUNTS, "http://127.0.0.1:9", &format!("[\"0 {hour} * * *\"]"));
    let environment = write_config(dir.path(), &text, ACCOUNTS);
    write_queue(&dir.path().join("queue"), posts, PER_FILE, ACCOUNTS);
    let store = dir.path().join("store");
    ledger::fill(&store, records / ledger::RECORDS_A_LIFE, ACCOUNTS);
    let index = || std::fs::remove_dir_all(store.join("index")).expect("the index is there");
    let starts: [(&str, &dyn Fn()); 4] = [
        ("new queue, index there (every post is planned and recorded)", &|| {}),
        ("known queue, index there", &|| {}),
        ("known queue, index there, again", &|| {}),
        ("known queue, index deleted", &index),
    ];
    for (what, prepare) in starts {
        prepare();
        let running = Running::start(dir.path(), &environment);
        let (opened, _) = running.wait("store.opened");
        let (ready, line) = running.wait("daemon.ready");
        let ready_ms = line.split("\"ready_ms\":").nth(1).and_then(|rest| rest.split([',', '}']).next()).unwrap_or("?");
        say(&format!(
            "{posts} posts, {records} records, {what}: ready after {:.2} s (store open after {:.2} s, then {ready_ms} ms of queue and plan), {:.0} MiB resident, {:.0} at most",
            ready.as_secs_f64(),
            opened.as_secs_f64(),
            mib(status_kb(running.pid(), "VmRSS")),
            mib(status_kb(running.pid(), "VmHWM")),
        ));
        running.stop();
    }
}

//! What the daemon costs while it waits: resident memory and CPU of the real binary with a long queue, nothing due.
//!
//! `cargo bench --bench memory [-- POSTS]`: 10,000 posts unless it is said otherwise; for a million the aim is
//! 600 MB, and the queue is 500 files. An empty queue is measured beside, to tell what the program itself takes.

mod support;

use std::time::Duration;

use support::daemon::{Running, write_config};
use support::{config, cpu, mib, pause, say, size, status_kb, wall, write_queue};

const ACCOUNTS: usize = 10;
const PER_FILE: usize = 2_000;
/// Time for the inbox's second look, for the copies of queue files and for the index to come to rest.
const REST: Duration = Duration::from_secs(12);
const IDLE: Duration = Duration::from_secs(20);

fn main() {
    let posts = size(10_000);
    for posts in [0, posts] {
        let target = if posts > 10_000 { 600 } else { 25 };
        let dir = tempfile::tempdir().expect("a folder");
        // Far from now, so that nothing is due.
        let hour = (wall().to_zoned(jiff::tz::TimeZone::UTC).hour() + 12) % 24;
        let text = config(ACCOUNTS, "http://127.0.0.1:9", &format!("[\"0 {hour} * * *\"]"));
        let environment = write_config(dir.path(), &text, ACCOUNTS);
        write_queue(&dir.path().join("queue"), posts, PER_FILE, ACCOUNTS);
        for start in ["first start", "second start"] {
            let running = Running::start(dir.path(), &environment);
            let (ready, _) = running.wait("daemon.ready");
            let at_ready = status_kb(running.pid(), "VmRSS");
            pause(REST);
            let before = cpu(running.pid());
            pause(IDLE);
            let spent = (cpu(running.pid()) - before) / IDLE.as_secs_f64();
            let field = |name| mib(status_kb(running.pid(), name));
            say(&format!(
                "{posts} posts, {start}: ready after {:.2} s; resident {:.1} MiB idle (at most {target}), {:.1} at ready, {:.1} at most; \
                 of it {:.1} anonymous; idle CPU {:.3} % of a core; {} threads",
                ready.as_secs_f64(),
                field("VmRSS"),
                mib(at_ready),
                field("VmHWM"),
                field("RssAnon"),
                spent * 100.0,
                status_kb(running.pid(), "Threads"),
            ));
            running.stop();
        }
    }
}

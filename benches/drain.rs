//! How fast due posts go out: the daemon's own loop, with real store and real HTTP, beside a bare loop that sends the
//! very same requests with the same HTTP client and records nothing. A server on loopback answers both.
//!
//! `cargo bench --bench drain [-- POSTS]`. What counts is the ratio, within one run.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cadenced::domain::time::before;
use cadenced::platform::contract::{Method, Request};

use support::daemon::{Drained, drain, runtime};
use support::server::Server;
use support::{config, file, inbox, many_descriptors, median, say, setups, size, ticks, wall};

const ACCOUNTS: usize = 64;
const ROUNDS: usize = 5;
const PER_FILE: usize = 1000;

fn main() {
    many_descriptors();
    let posts = size(5_000);
    measure("a server that answers at once", &Server::start(), posts);
    // The nearest platforms take twenty times as long.
    measure("a server that takes 5 ms", &Server::slow(Duration::from_millis(5)), posts);
}

fn measure(what: &str, server: &Server, posts: usize) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut requests = Vec::new();
    for round in 0..=ROUNDS {
        // The first round only warms up, and tells which requests there are.
        let drained = one(server, posts, round == 0);
        if round == 0 {
            requests = drained.requests;
            say(&format!(
                "{posts} posts on {ACCOUNTS} accounts: {} requests; {} records, {} bytes of journal and {} lines of log ({} bytes) a post",
                requests.len(),
                drained.records,
                drained.journal_bytes / posts as u64,
                drained.lines / posts as u64,
                drained.log_bytes / posts as u64,
            ));
            plain(&requests);
            continue;
        }
        ours.push(posts as f64 / drained.took.as_secs_f64());
        bare.push(posts as f64 / plain(&requests).as_secs_f64());
    }
    let ratios: Vec<f64> = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect();
    say(&format!(
        "drain, {what}: {:.0} posts/s; bare loop {:.0} posts/s; ratio {:.2} (at least 0.5)",
        median(ours),
        median(bare),
        median(ratios)
    ));
}

fn one(server: &Server, posts: usize, keep_requests: bool) -> Drained {
    let due = before(wall(), Duration::from_secs(600));
    let dir = tempfile::tempdir().expect("a folder");
    let queue = (0..posts).step_by(PER_FILE).map(|from| {
        let text = file(from, (from + PER_FILE).min(posts), ACCOUNTS, |_| Some(due));
        inbox(&format!("{from}.toml"), &text)
    });
    let queue = queue.collect();
    let seen = server.seen.posts.load(Ordering::Relaxed);
    let drained =
        drain(&dir.path().join("store"), setups(&config(ACCOUNTS, &server.url(), "[]")), queue, keep_requests);
    assert_eq!(server.seen.posts.load(Ordering::Relaxed) - seen, posts as u64, "every post once");
    drained
}

/// The same requests: one task for each account, one request after the other.
#[expect(clippy::disallowed_methods, reason = "the bare loop's own tasks")]
fn plain(requests: &[Request]) -> Duration {
    let mut by_account: BTreeMap<String, Vec<&Request>> = BTreeMap::new();
    for request in requests {
        let token = request.headers.iter().find(|(name, _)| *name == "Authorization").map(|(_, value)| value.expose());
        by_account.entry(token.unwrap_or_default()).or_default().push(request);
    }
    let client = reqwest::Client::builder()
        .user_agent("cadenced-bench")
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(55))
        .pool_max_idle_per_host(256)
        .tcp_nodelay(true)
        .build()
        .expect("a client");
    let runtime = runtime();
    let lists: Vec<Vec<reqwest::Request>> =
        by_account.into_values().map(|list| list.into_iter().map(built).collect()).collect();
    let began = ticks();
    runtime.block_on(async {
        let tasks: Vec<_> = lists
            .into_iter()
            .map(|list| {
                let client = client.clone();
                tokio::spawn(async move {
                    for request in list {
                        let answer = client.execute(request).await.expect("an answer");
                        assert!(answer.status().is_success());
                        answer.bytes().await.expect("a body");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("it ends");
        }
    });
    let took = began.elapsed();
    runtime.shutdown_timeout(Duration::from_millis(100));
    took
}

fn built(request: &Request) -> reqwest::Request {
    let method = match request.method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut built = reqwest::Request::new(method, request.exposed_url().expect("an address"));
    for (name, value) in &request.headers {
        let name = reqwest::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        built.headers_mut().append(name, value.expose().parse().expect("a value"));
    }
    if let Some(mime) = &request.body.mime {
        built.headers_mut().insert("content-type", mime.parse().expect("a value"));
        *built.body_mut() = Some(request.body.concat().into());
    }
    built
}

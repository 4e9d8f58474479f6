//! What becomes of a request when the other side behaves badly: whether it can have arrived, what of the answer is
//! believed, and that no error tells a secret.

#![cfg(test)]

mod support {
    pub mod server;
}

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use cadenced::domain::{Digest, Secret, limits};
use cadenced::edge::caller::{Dispatcher, Files};
use cadenced::edge::http::Http;
use cadenced::edge::relay::Relays;
use cadenced::parts::Caller;
use cadenced::platform::contract::{
    Body, Call, Failure, Fetch, FileCall, FileWork, HeaderValue, HttpReply, Method, Reply, Request,
};
use support::server::{Claim, Identity, Server};
use url::Url;

/// Stands in headers, bodies and queries, and in no text that comes back.
const CANARY: &str = "canary-77aa";
/// Long enough for whatever ends by itself.
const LONG: Duration = Duration::from_secs(60);
/// For what would never end; no test depends on how long it takes.
const SHORT: Duration = Duration::from_millis(300);

struct Edge {
    runtime: tokio::runtime::Runtime,
    caller: Dispatcher,
}

fn edge() -> Edge {
    edge_trusting(&[])
}

fn edge_trusting(authorities: &[&[u8]]) -> Edge {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let files = Arc::new(|call: &FileCall| match &call.work {
        FileWork::Read(paths) => Ok(Reply::File(vec![None; paths.len()])),
        FileWork::Write(_) => panic!("a file call that panics"),
    });
    let caller = dispatcher(&runtime, files, authorities);
    Edge { runtime, caller }
}

fn dispatcher(runtime: &tokio::runtime::Runtime, files: Files, authorities: &[&[u8]]) -> Dispatcher {
    let http = Http::new("cadenced/test", authorities).unwrap();
    Dispatcher::new(runtime.handle().clone(), http, Relays::new("cadenced/test", authorities).unwrap(), files)
}

impl Edge {
    fn call(&self, call: Call, timeout: Duration) -> Result<Reply, Failure> {
        let (send, result) = mpsc::channel();
        self.caller.call(call, timeout, Box::new(move |result| send.send(result).unwrap()));
        let result = result.recv_timeout(LONG * 2).expect("every call is answered");
        if let Err(failure) = &result {
            let shown = format!("{failure} {failure:?}");
            assert!(!shown.contains(CANARY), "an error tells a secret: {shown}");
            assert!(!shown.contains("/path"), "an error tells a URL: {shown}");
        }
        result
    }

    fn post_within(&self, url: &str, timeout: Duration) -> Result<HttpReply, Failure> {
        match self.call(Call::Http(post(url)), timeout) {
            Ok(Reply::Http(reply)) => Ok(reply),
            Ok(_) => panic!("a request was answered with files"),
            Err(failure) => Err(failure),
        }
    }

    fn post(&self, url: &str) -> Result<HttpReply, Failure> {
        self.post_within(url, LONG)
    }

    /// Posts to a server of its own.
    fn post_to(
        &self,
        manner: impl Fn(&mut support::server::Wire) + Send + Sync + 'static,
    ) -> Result<HttpReply, Failure> {
        let server = Server::start(manner);
        self.post(&server.url(&path()))
    }
}

fn path() -> String {
    format!("/path?access_token={CANARY}")
}

fn post(url: &str) -> Request {
    Request {
        method: Method::Post,
        url: Url::parse(url).unwrap(),
        secret_path: None,
        headers: vec![
            ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret: Secret::new(CANARY) }),
            ("idempotency-key", HeaderValue::Plain(CANARY.into())),
        ],
        body: Body::json(&serde_json::json!({ "status": CANARY })),
    }
}

#[track_caller]
fn never_left(result: Result<HttpReply, Failure>) -> String {
    match result {
        Err(Failure::NeverLeft(why)) => why,
        other => panic!("not known to have stayed here: {other:?}"),
    }
}

#[track_caller]
fn may_have_arrived(result: Result<HttpReply, Failure>) -> String {
    match result {
        Err(Failure::MayHaveArrived(why)) => why,
        other => panic!("not known to be unsure: {other:?}"),
    }
}

// What arrives.

#[test]
fn a_request_arrives_whole_and_its_answer_comes_back() {
    let edge = edge();
    let server = Server::answering("HTTP/1.1 200 OK\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\n{}");
    for _ in 0..3 {
        let reply = edge.post(&server.url(&path())).unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, b"{}".as_slice(), false));
        assert_eq!(reply.header("x-id"), Some("7"));
    }
    let seen = &server.seen()[2];
    assert_eq!(seen.head.lines().next(), Some(format!("POST {} HTTP/1.1", path()).as_str()));
    assert_eq!(seen.header("user-agent"), Some("cadenced/test"));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {CANARY}").as_str()));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-length"), Some(seen.body.len().to_string().as_str()));
    assert_eq!(seen.header("accept-encoding"), None, "a compressed answer would not be read");
    assert_eq!(seen.header("referer"), None);
    assert_eq!(seen.body, format!("{{\"status\":\"{CANARY}\"}}").into_bytes());
    assert_eq!(server.connections(), 1, "a connection is used again");
}

#[test]
fn a_large_body_of_many_chunks_arrives_as_it_is() {
    let edge = edge();
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let media: Arc<[u8]> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    let chunks = vec![b"head".as_slice().into(), media, b"tail".as_slice().into()];
    let body = Body { mime: Some("multipart/form-data; boundary=x".into()), chunks };
    let whole = body.concat();
    let call = Call::Http(Request { body, ..post(&server.url("/path")) });
    assert!(edge.call(call, LONG).is_ok());
    assert!(server.seen()[0].body == whole, "the body that arrived is another one");
}

#[test]
fn a_secret_in_the_path_arrives_there() {
    let edge = edge();
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let call = Call::Http(Request {
        secret_path: Some(Secret::new("1:a-token")),
        ..post(&server.url("/bot[secret]/send?wait=true"))
    });
    assert!(edge.call(call, LONG).is_ok());
    let head = &server.seen()[0].head;
    assert!(head.starts_with("POST /bot1:a-token/send?wait=true HTTP/1.1"), "{head}");
}

#[test]
fn every_method_is_sent_and_says_how_long_its_body_is() {
    let edge = edge();
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n");
    for (method, length) in
        [(Method::Get, None), (Method::Post, Some("0")), (Method::Put, Some("0")), (Method::Delete, None)]
    {
        let request = Request { method, headers: Vec::new(), body: Body::default(), ..post(&server.url("/path")) };
        assert!(edge.call(Call::Http(request), LONG).is_ok());
        let seen = server.seen().pop().unwrap();
        assert!(seen.head.starts_with(method.name()), "{}", seen.head);
        assert_eq!(seen.header("content-length"), length, "{}", seen.head);
    }
}

// What never left.

#[test]
fn a_refused_port_and_an_unknown_host_never_left() {
    let edge = edge();
    // Bound and closed again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let why = never_left(edge.post(&format!("http://127.0.0.1:{port}{}", path())));
    assert!(why.contains("refused"), "{why}");
    never_left(edge.post(&format!("https://no-such-host.invalid{}", path())));
}

#[test]
fn http_to_others_than_loopback_never_left() {
    never_left(edge().post(&format!("http://no-such-host.invalid{}", path())));
}

#[test]
fn a_host_that_does_not_take_the_connection_in_time_never_left() {
    // TLS is never answered: the connection stands, but the request has not been begun.
    let server = Server::start(|wire| wire.hang());
    let why = never_left(edge().post_within(&server.url(&path()).replace("http:", "https:"), SHORT));
    assert!(why.contains("within"), "{why}");
}

#[test]
fn certificates_that_prove_nothing_stop_the_request() {
    let ours = Identity::new(&Claim { host: "localhost", years: (2020, 2090) });
    let cases = [
        ("expired", Identity::new(&Claim { host: "localhost", years: (2001, 2002) }), true),
        ("NotYetValid", Identity::new(&Claim { host: "localhost", years: (2089, 2090) }), true),
        ("not valid for name", Identity::new(&Claim { host: "other.example", years: (2020, 2090) }), true),
        // An authority that only calls itself like the one that is trusted.
        ("BadSignature", Identity::new(&Claim { host: "localhost", years: (2020, 2090) }), false),
    ];
    for (expected, identity, trusted) in cases {
        let authority = if trusted { &identity.authority } else { &ours.authority };
        let edge = edge_trusting(&[authority.as_bytes()]);
        let server = Server::start_tls(&identity, |wire| drop(wire.request()));
        let why = never_left(edge.post(&server.url(&path())));
        assert!(why.contains(expected) || why.contains("not valid yet"), "{expected}: {why}");
        assert!(server.seen().is_empty());
    }
}

#[test]
fn a_server_that_does_not_speak_tls_gets_nothing() {
    let server = Server::start(|wire| {
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        wire.hang();
    });
    never_left(edge().post(&server.url(&path()).replace("http:", "https:")));
    assert!(server.seen().is_empty());
}

#[test]
fn a_certificate_of_a_trusted_authority_is_taken() {
    let identity = Identity::new(&Claim { host: "localhost", years: (2020, 2090) });
    let edge = edge_trusting(&[identity.authority.as_bytes()]);
    let server = Server::start_tls(&identity, |wire| {
        while wire.request().is_some() && wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") {}
    });
    let reply = edge.post(&server.url(&path())).unwrap();
    assert_eq!((reply.status, reply.cut), (200, false));
    assert_eq!(server.seen().len(), 1);
}

/// Another process, because the environment of this one is shared by all its tests.
#[test]
fn authorities_of_the_environment_are_trusted() {
    const CHILD: &str = "CADENCED_TEST_URL";
    if let Ok(url) = std::env::var(CHILD) {
        assert_eq!(edge().post(&url).unwrap().status, 200);
        return;
    }
    let identity = Identity::new(&Claim { host: "localhost", years: (2020, 2090) });
    let server = Server::start_tls(&identity, |wire| {
        while wire.request().is_some() && wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") {}
    });
    let mut authority = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut authority, identity.authority.as_bytes()).unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "authorities_of_the_environment_are_trusted"])
        .env("SSL_CERT_FILE", authority.path())
        .env(CHILD, server.url(&path()))
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_tls_body_that_ends_without_a_word_is_cut() {
    let identity = Identity::new(&Claim { host: "localhost", years: (2020, 2090) });
    let edge = edge_trusting(&[identity.authority.as_bytes()]);
    let server = Server::start_tls(&identity, |wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"id\":\"1\"}");
        wire.cut();
    });
    let reply = edge.post(&server.url(&path())).unwrap();
    assert!(reply.cut, "{reply:?}");
    assert_eq!(reply.value(), None);
}

// What may have arrived.

#[test]
fn a_connection_that_ends_before_an_answer_may_have_carried_the_request() {
    let edge = edge();
    may_have_arrived(edge.post_to(|wire| drop(wire.request())));
    may_have_arrived(edge.post_to(|wire| {
        wire.request();
        wire.reset();
    }));
    // Before it is read: nobody here can know.
    may_have_arrived(edge.post_to(|wire| drop(wire.head())));
    may_have_arrived(edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Le");
    }));
}

#[test]
fn a_pooled_connection_that_dies_is_not_a_second_try() {
    let edge = edge();
    let server = Server::start(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        wire.request();
    });
    assert!(edge.post(&server.url(&path())).is_ok());
    may_have_arrived(edge.post(&server.url(&path())));
    assert_eq!(server.seen().len(), 2, "the request was sent again");
}

#[test]
fn no_answer_in_time_may_have_arrived() {
    let edge = edge();
    let silent = Server::start(|wire| {
        wire.request();
        wire.hang();
    });
    may_have_arrived(edge.post_within(&silent.url(&path()), SHORT));
    // Interim answers for ever are no answer.
    let chatty = Server::start(|wire| {
        wire.request();
        wire.send_for_ever(b"HTTP/1.1 100 Continue\r\n\r\n");
    });
    may_have_arrived(edge.post_within(&chatty.url(&path()), SHORT));
    let get = Request { method: Method::Get, body: Body::default(), ..post(&silent.url(&path())) };
    let result = edge.call(Call::Http(get), SHORT);
    assert!(matches!(result, Err(Failure::MayHaveArrived(_))), "{result:?}");
}

#[test]
fn answers_that_are_not_http_may_follow_a_publication() {
    let edge = edge();
    for garbage in ["\0\x01\x02\x03 garbage\r\n\r\n", "HTTP/9.9 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "SSH-2.0-x\r\n"]
    {
        may_have_arrived(edge.post_to(move |wire| {
            wire.request();
            wire.send(garbage.as_bytes());
        }));
    }
}

#[test]
fn a_flood_of_headers_is_not_swallowed() {
    let edge = edge();
    may_have_arrived(edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\n");
        wire.send_for_ever(b"Set-Cookie: a=b\r\n");
    }));
    may_have_arrived(edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nX: ");
        wire.send_for_ever(&[b'a'; 4096]);
    }));
    may_have_arrived(edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}");
    }));
}

// Answers with a head, and what of them is believed.

#[test]
fn no_redirect_is_followed_and_no_token_arrives_elsewhere() {
    let edge = edge();
    let elsewhere = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for status in [301, 302, 303, 307, 308] {
        let target = elsewhere.url("/stolen");
        let reply = edge
            .post_to(move |wire| {
                wire.request();
                let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
                wire.send(answer.as_bytes());
                wire.hang();
            })
            .unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("location"), Some(elsewhere.url("/stolen").as_str()));
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_body_without_end_is_cut_at_the_limit() {
    let edge = edge();
    let announced = edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
        wire.send_for_ever(&[b'a'; 65536]);
    });
    let chunked = edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"4000\r\n".as_slice(), &[b'a'; 0x4000], b"\r\n"].concat();
        wire.send_for_ever(&chunk);
    });
    for reply in [announced.unwrap(), chunked.unwrap()] {
        assert_eq!((reply.status, reply.body.len(), reply.cut), (200, limits::ANSWER_BYTES, true));
    }
}

#[test]
fn a_body_of_exactly_the_limit_is_whole() {
    let reply = edge().post_to(|wire| {
        wire.request();
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", limits::ANSWER_BYTES).as_bytes());
        wire.send(&vec![b'a'; limits::ANSWER_BYTES]);
        wire.hang();
    });
    let reply = reply.unwrap();
    assert_eq!((reply.body.len(), reply.cut), (limits::ANSWER_BYTES, false));
}

#[test]
fn a_body_that_stops_or_dribbles_is_cut_when_time_is_up() {
    let edge = edge();
    let stops = Server::start(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"");
        wire.hang();
    });
    let dribbles = Server::start(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        // One byte each time the other side would have read it; far more of them than the time allows.
        while wire.send(b"1\r\na\r\n") {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    for server in [stops, dribbles] {
        let reply = edge.post_within(&server.url(&path()), SHORT).unwrap();
        assert_eq!((reply.status, reply.cut), (200, true));
    }
}

#[test]
fn a_body_that_ends_too_early_is_cut() {
    let edge = edge();
    let short = edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"id\":\"1\"}");
    });
    let unfinished = edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{\"id\":\"1\"}\r\n");
    });
    let broken = edge.post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{\"id\":\"1\"}\r\nzz\r\n");
    });
    for reply in [short.unwrap(), unfinished.unwrap(), broken.unwrap()] {
        assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (201, b"{\"id\":\"1\"}".as_slice(), true));
        assert_eq!(reply.value(), None, "a cut body was read as JSON");
    }
}

#[test]
fn a_body_longer_than_announced_is_read_as_announced() {
    let edge = edge();
    let server = Server::start(|wire| {
        while wire.request().is_some() {
            wire.send(
                b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    for _ in 0..2 {
        let reply = edge.post(&server.url(&path())).unwrap();
        assert_eq!((reply.status, reply.body.as_slice(), reply.cut), (200, b"{}".as_slice(), false));
    }
}

#[test]
fn a_compressed_body_stays_as_it_is() {
    // What would become very large stays the few bytes it was sent as.
    let bomb: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03not inflated";
    let reply = edge().post_to(move |wire| {
        wire.request();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
        wire.send(head.as_bytes());
        wire.send(bomb);
        wire.hang();
    });
    let reply = reply.unwrap();
    assert_eq!((reply.body.as_slice(), reply.cut), (bomb, false));
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_an_answer_like_any_other() {
    let result = edge().post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n");
        wire.hang();
    });
    match result {
        Ok(reply) => assert_eq!(reply.status, 101),
        Err(Failure::MayHaveArrived(_)) => {}
        Err(Failure::NeverLeft(why)) => panic!("it did leave: {why}"),
    }
}

#[test]
fn odd_header_values_come_through_without_harm() {
    let reply = edge().post_to(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 429 Slow\r\nRetry-After: -1\r\nX-Raw: a\xff\xfeb\r\nContent-Length: 0\r\n\r\n");
        wire.hang();
    });
    let reply = reply.unwrap();
    assert_eq!(reply.header("retry-after"), Some("-1"));
    assert_eq!(reply.header("x-raw"), Some("a\u{fffd}\u{fffd}b"));
}

// Files that are read to know what they are.

fn fetch(url: &str, most: u64) -> Call {
    Call::Fetch(Fetch { url: Url::parse(url).unwrap(), most })
}

#[test]
fn a_fetched_file_is_told_by_its_status_length_and_digest() {
    let edge = edge();
    let there = Server::start(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send(b"3\r\nthe\r\n8\r\n picture\r\n0\r\n\r\n");
    });
    let reply = edge.call(fetch(&there.url("/media/a.png"), 11), LONG).unwrap();
    let Reply::Fetched { status, bytes, digest } = reply else { panic!("{reply:?}") };
    assert_eq!((status, bytes, digest), (200, 11, Digest::of(b"the picture")));
    let seen = &there.seen()[0];
    assert!(seen.header("authorization").is_none() && seen.header("user-agent").is_some(), "{seen:?}");

    let elsewhere = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let target = elsewhere.url("/media/a.png");
    let moved = Server::start(move |wire| {
        wire.request();
        wire.send(format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    });
    let reply = edge.call(fetch(&moved.url("/media/a.png"), 11), LONG).unwrap();
    assert!(matches!(reply, Reply::Fetched { status: 302, bytes: 0, .. }), "{reply:?}");
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn a_fetched_file_that_does_not_end_is_left_where_it_is_too_long() {
    let reply = {
        let server = Server::start(|wire| {
            wire.request();
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
            wire.send_for_ever(&[b'a'; 65536]);
        });
        edge().call(fetch(&server.url("/media/a.png"), 1000), LONG).unwrap()
    };
    assert!(matches!(reply, Reply::Fetched { status: 200, bytes, .. } if bytes > 1000), "{reply:?}");
}

#[test]
fn a_file_that_cannot_be_fetched_is_named() {
    let edge = edge();
    let broken = Server::start(|wire| {
        wire.request();
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let slow = Server::start(|wire| {
        wire.request();
        wire.hang();
    });
    for (server, within) in [(&broken, LONG), (&slow, SHORT)] {
        let result = edge.call(fetch(&server.url("/media/a.png"), 100), within);
        let Err(Failure::MayHaveArrived(why)) = result else { panic!("{result:?}") };
        assert!(why.contains("/media/a.png"), "{why}");
    }
    for url in ["http://media.example/media/a.png", "http://127.0.0.1:1/media/a.png"] {
        let result = edge.call(fetch(url, 100), LONG);
        let Err(Failure::NeverLeft(why)) = result else { panic!("{result:?}") };
        assert!(why.contains(url), "{why}");
    }
}

// What is not HTTP.

#[test]
fn a_folder_that_a_given_up_write_may_still_change_is_left_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (go_on, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let files = Arc::new(move |call: &FileCall| match &call.work {
        FileWork::Read(paths) => Ok(Reply::File(vec![None; paths.len()])),
        // A disk that hangs.
        FileWork::Write(_) => gate
            .lock()
            .unwrap()
            .recv()
            .map(|()| Reply::File(Vec::new()))
            .map_err(|_| Failure::MayHaveArrived("the gate is gone".into())),
    });
    let caller = dispatcher(&runtime, files, &[]);
    let edge = Edge { runtime, caller };
    let write = |root: &str| Call::File(FileCall { root: root.into(), work: FileWork::Write(Vec::new()) });
    let read = |root: &str| Call::File(FileCall { root: root.into(), work: FileWork::Read(vec!["a".into()]) });
    assert!(matches!(edge.call(write("/one"), SHORT), Err(Failure::MayHaveArrived(_))));
    // What is read now may be half of the write, and a list that is written now may be replaced by an older one.
    assert!(matches!(edge.call(write("/one"), LONG), Err(Failure::NeverLeft(_))));
    assert!(matches!(edge.call(read("/one"), LONG), Err(Failure::NeverLeft(_))));
    assert!(matches!(edge.call(read("/other"), LONG), Ok(Reply::File(_))));
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    while edge.call(read("/one"), LONG).is_err() {}
    assert!(matches!(edge.call(write("/one"), LONG), Ok(Reply::File(_))));
}

#[test]
fn file_calls_are_carried_out_and_a_panic_is_an_answer() {
    let edge = edge();
    let read = FileCall { root: "/nowhere".into(), work: FileWork::Read(vec!["a".into(), "b".into()]) };
    match edge.call(Call::File(read), LONG) {
        Ok(Reply::File(found)) => assert_eq!(found, [None, None]),
        other => panic!("{other:?}"),
    }
    let write = FileCall { root: "/nowhere".into(), work: FileWork::Write(Vec::new()) };
    let result = edge.call(Call::File(write), LONG);
    assert!(matches!(result, Err(Failure::MayHaveArrived(_))), "{result:?}");
}

#[test]
fn a_call_that_the_end_of_the_runtime_breaks_off_is_answered() {
    let Edge { runtime, caller } = edge();
    let silent = Server::start(|wire| {
        wire.request();
        wire.hang();
    });
    let (send, result) = mpsc::channel();
    caller.call(Call::Http(post(&silent.url("/path"))), LONG, Box::new(move |result| send.send(result).unwrap()));
    drop(runtime);
    let result = result.recv_timeout(LONG).unwrap();
    assert!(matches!(result, Err(Failure::MayHaveArrived(_))), "{result:?}");
}

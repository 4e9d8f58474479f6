//! The platforms of a run: the twins of all adapters, and what the network makes of their replies.

use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::{AccountId, Content, MediaItem};
use cadenced::platform;
use cadenced::platform::contract::{Adapter, Call, Entry, Failure, HttpReply, Reply, Session, Table, Twin};

use super::chance::Chance;

/// Latest moment at which a request that was sent may take effect. Less than the settle time, as the platforms' sheets
/// say; a world in which requests stay under way for longer is one in which nobody can promise anything.
pub const LATEST: Duration = Duration::from_secs(230);

/// Where a twin can be reached: its port tells which one it is.
const PORTS: u16 = 9_000;

/// The twins of a run: every platform, and the servers that speak Mastodon's language otherwise. Those that have been
/// here longest come first, so that a seed that is kept gives the run it gave when there were no others.
/// `oauth2`: how accounts on X prove themselves.
pub fn all(oauth2: bool) -> Vec<(&'static Entry, Box<dyn Twin>)> {
    use platform::mastodon::twin::MastodonTwin;
    let mut twins: Vec<Box<dyn Twin>> = entries().iter().map(|entry| (entry.twin)()).collect();
    twins[GOTOSOCIAL] = Box::new(MastodonTwin::gotosocial());
    twins[PLEROMA] = Box::new(MastodonTwin::pleroma());
    if oauth2 {
        twins[x()] = Box::new(platform::x::twin::XTwin::with_oauth2());
    }
    entries().into_iter().zip(twins).collect()
}

/// The platform of each twin.
pub fn entries() -> Vec<&'static Entry> {
    let (first, later) = platform::REGISTRY.split_at(GOTOSOCIAL);
    let mastodon = &platform::mastodon::ENTRY;
    [first, &[mastodon, mastodon], later].concat()
}

/// The place of X.
pub fn x() -> usize {
    entries().iter().position(|entry| entry.name == "x").expect("it is in the registry")
}

/// The places of the servers that are no Mastodon; the registry's first three stand before them, the others behind.
const GOTOSOCIAL: usize = 3;
const PLEROMA: usize = 4;

/// The adapter of an account that is number `number` of this twin.
pub fn adapter(
    entries: &[&'static Entry],
    twins: &[Box<dyn Twin>],
    twin: usize,
    number: u32,
    id: &str,
) -> Arc<dyn Adapter> {
    let port = usize::from(PORTS) + twin;
    let values = twins[twin].table(number, &format!("http://127.0.0.1:{port}"), "site");
    let mut table = Table::new(AccountId::new(id).unwrap(), values, format!("/sim/{id}").into());
    let adapter = (entries[twin].build)(&mut table);
    adapter.unwrap_or_else(|| panic!("{}: {:?}", entries[twin].name, table.into_complaints()))
}

/// Whether this platform has nothing against a file.
pub fn takes(entry: &Entry, file: &MediaItem) -> bool {
    let values = (entry.twin)().table(0, "http://127.0.0.1:9000", "site");
    let mut table = Table::new(AccountId::new("a0").unwrap(), values, "/sim/a0".into());
    let content = Content { text: "a dot".into(), media: vec![file.clone()], ..Content::default() };
    let adapter = (entry.build)(&mut table).expect("the table of an imitation is good");
    entry.can.complaints(entry.name, &content).is_empty() && adapter.check(&content, &Session::default()).is_empty()
}

/// The twin that a call reaches.
pub fn reached(call: &Call, entries: &[&'static Entry]) -> Option<usize> {
    let named = |name: &str| entries.iter().position(|entry| entry.name == name);
    match call {
        Call::Http(request) => request.url.port()?.checked_sub(PORTS).map(usize::from),
        Call::Fetch(file) => file.url.port()?.checked_sub(PORTS).map(usize::from),
        Call::Sockets(sockets) => sockets.first()?.url.port()?.checked_sub(PORTS).map(usize::from),
        Call::File(_) => named("site"),
        Call::Exec(_) => named("exec"),
    }
}

/// What a call hands over, where it is text.
pub fn handed_over(call: &Call) -> String {
    match call {
        Call::Http(request) => String::from_utf8_lossy(&request.body.concat()).into_owned(),
        Call::Fetch(_) | Call::File(_) => String::new(),
        // All hear the same.
        Call::Sockets(sockets) => sockets.first().map_or_else(String::new, |socket| socket.send.concat()),
        Call::Exec(call) => String::from_utf8_lossy(&call.input).into_owned(),
    }
}

/// What comes back instead of the true reply, and what that is called. Only what was not carried out is refused.
pub fn broken_reply(chance: &mut Chance, gone: Failure, carried_out: bool) -> (&'static str, Result<Reply, Failure>) {
    let (kind, status) = match chance.below(if carried_out { 7 } else { 9 }) {
        0 => ("status 500", 500),
        1 => ("status 502", 502),
        2 => ("page with 200", 200),
        3 => ("status 504", 504),
        4 => {
            let reply = HttpReply { status: 200, headers: vec![], body: b"{\"id\":".to_vec(), cut: true };
            return ("half an answer", Ok(Reply::Http(reply)));
        }
        5 | 6 => return ("no answer", Err(gone)),
        7 => ("status 422", 422),
        _ if chance.permille(700) => ("status 503", 503),
        _ => ("status 403", 403),
    };
    let mut headers = vec![("content-type".into(), "text/html".into())];
    if status == 503 {
        headers.push(("retry-after".into(), (1 + chance.below(600)).to_string()));
    }
    let body = b"<html><h1>Something went wrong</h1>".to_vec();
    (kind, Ok(Reply::Http(HttpReply { status, headers, body, cut: false })))
}

pub fn call_text(call: &Call) -> String {
    match call {
        Call::Http(request) => {
            let body = handed_over(call).chars().take(300).collect::<String>();
            format!("{} {} {body:?}", request.method.name(), request.url.as_str())
        }
        Call::Fetch(file) => format!("fetch {}", file.url),
        Call::File(file) => format!("{:?}", file.work).chars().take(200).collect(),
        Call::Sockets(_) => handed_over(call).chars().take(300).collect(),
        Call::Exec(exec) => {
            let input = handed_over(call).chars().take(300).collect::<String>();
            format!("{exec:?} {input:?}")
        }
    }
}

pub fn reply_text(reply: &Reply) -> String {
    match reply {
        Reply::Http(reply) => {
            let body = String::from_utf8_lossy(&reply.body).chars().take(300).collect::<String>();
            format!("{} {body}", reply.status)
        }
        Reply::Fetched { status, bytes, digest } => format!("{status} {bytes} bytes, {digest}"),
        Reply::File(files) => format!("{} files", files.len()),
        Reply::Sockets(replies) => format!("{replies:?}").chars().take(300).collect(),
        Reply::Exec(reply) => format!("{} {}", reply.code, String::from_utf8_lossy(&reply.output)),
    }
}

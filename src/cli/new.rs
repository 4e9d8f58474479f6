//! `cadenced new`: a post to be filled in, at the end of a queue file.
//!
//! What stands in the file stays, byte for byte. The post is one that nobody can send by accident: its text is empty, so
//! that the file is not taken up before somebody has written it, and it is not approved. With a text it is a good one:
//! that is proven before anything is written. Its comments say what its accounts take; they are for whoever writes it, and
//! nobody reads them again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::domain::escape::is_unsafe;
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Content, Digest, FoundMedia, MediaFacts, MediaItem, PostId, Timestamp, limits};
use crate::platform::contract::{Abilities, Adapter, Session};
use crate::queue::digest::Body;
use crate::queue::parse::{self, Surroundings};

use super::output::moment;

/// Who a post is for where nothing tells: it has to be somebody.
const SOMEBODY: &str = "everyone";
/// Longest description of a picture that is tried.
const ALT: usize = 20_000;

/// What is to be begun.
pub struct Stub<'a> {
    pub id: &'a PostId,
    /// `None`: those that the file's defaults name, else all of `accounts`.
    pub to: Option<&'a [AccountId]>,
    /// What is known of every account, in the order of the configuration.
    pub accounts: &'a BTreeMap<AccountId, About>,
}

/// What a writer wants to know of an account.
pub struct About {
    pub platform: String,
    /// Its next slot that nothing is planned for, and its own zone.
    pub free: Option<Timestamp>,
    pub zone: TimeZone,
    /// What it takes, in words.
    pub takes: String,
}

/// What an account takes, as far as that is known without asking the platform.
pub fn takes(adapter: &dyn Adapter, can: &Abilities) -> String {
    let mut all = Vec::new();
    let refused = |content: &Content| adapter.check(content, &Session::default());
    let text = |length: usize| Content { text: "a".repeat(length), ..Content::default() };
    let too_long = |length: usize| refused(&text(length)).iter().any(|complaint| complaint.key == "text");
    all.push(match most(limits::TEXT_BYTES, too_long) {
        Some(most) => format!("text up to {most} characters"),
        // There is none, or only its server tells.
        None => "no limit of text is known here".into(),
    });
    let kinds = [(can.images, "image"), (can.videos, "video"), (can.sounds, "sound"), (can.documents, "document")];
    let some: Vec<String> = kinds.into_iter().filter_map(|(count, kind)| counted(count, kind)).collect();
    match (some.is_empty(), can.text_alone) {
        (true, _) => all.push("no media".into()),
        (false, true) => all.push(some.join(if can.mixed { ", " } else { " or " })),
        (false, false) => all.push(format!("needs media: {}", some.join(if can.mixed { ", " } else { " or " }))),
    }
    if can.images > 0 {
        let picture = |length: usize| {
            let facts = MediaFacts { mime: "image/png", bytes: 1000, size: Some((800, 600)), duration: None };
            let (file, sha256) = ("a.png".to_owned(), Digest::of(b""));
            let item = MediaItem { file, alt: "a".repeat(length), sha256, facts: Some(Arc::new(facts)) };
            refused(&Content { media: vec![item], ..text(1) }).len()
        };
        let fewest = picture(1);
        match most(ALT, |length| picture(length) > fewest) {
            Some(most) => all.push(format!("alt up to {most} characters")),
            None => all.push("alt".into()),
        }
    }
    all.join("; ")
}

fn counted(count: usize, kind: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 {kind}")),
        usize::MAX => Some(format!("{kind}s")),
        count => Some(format!("up to {count} {kind}s")),
    }
}

/// The most that is not too much, if something up to `end` is.
fn most(end: usize, too_much: impl Fn(usize) -> bool) -> Option<usize> {
    if !too_much(end) {
        return None;
    }
    let (mut good, mut bad) = (0, end);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if too_much(middle) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    Some(good)
}

/// A name that nothing has: the day, and a number behind it from the second one on.
pub fn name(day: &str, taken: impl Fn(&PostId) -> bool) -> Option<PostId> {
    let names = std::iter::once(day.to_owned()).chain((2..=limits::POSTS_PER_FILE).map(|n| format!("{day}-{n}")));
    names.filter_map(|name| PostId::new(&name).ok()).find(|id| !taken(id))
}

/// `text`, the whole of a queue file, with the post behind it.
///
/// # Errors
/// Why it cannot be added there, as a lower-case fragment.
pub fn added(text: &str, stub: &Stub<'_>) -> Result<String, String> {
    let before = read(text).ok_or("it has faults; cadenced check shows them")?;
    if before.len() >= limits::POSTS_PER_FILE {
        return Err(format!("it holds {} posts already, which is the most", limits::POSTS_PER_FILE));
    }
    let defaults = toml::from_str::<toml::Table>(text.trim_start_matches('\u{feff}'))
        .ok()
        .and_then(|mut table| table.remove("defaults")?.try_into::<toml::Table>().ok())
        .unwrap_or_default();
    let audience =
        before.last().and_then(|post| Body::read(&post.body.read()).audience.map(|words| words.into_owned()));
    let audience = audience.unwrap_or_else(|| SOMEBODY.to_owned());
    let page = |words: &str| {
        let mut page = text.to_owned();
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        if !page.is_empty() {
            page += if page.ends_with('\n') {
                end
            } else if end == "\n" {
                "\n\n"
            } else {
                "\r\n\r\n"
            };
        }
        page + &post(stub, &defaults, &audience, words).replace('\n', end)
    };
    let empty = page("");
    if empty.len() as u64 > limits::FILE_BYTES {
        return Err(format!("it would be larger than {} bytes", limits::FILE_BYTES));
    }
    // Filled in, it must be what was meant, and leave the others what they are.
    let filled = read(&page("words")).unwrap_or_default();
    let same = before.iter().all(|post| filled.iter().any(|other| other.id == post.id && other.digest == post.digest));
    if !same || filled.len() != before.len() + 1 || !filled.iter().any(|post| post.id == *stub.id) {
        return Err("no post can be added at its end; name another file".into());
    }
    Ok(empty)
}

fn read(text: &str) -> Option<Vec<crate::queue::Post>> {
    // Media have no part in whether a file can be added to.
    let mut media = |_: &str| Ok(FoundMedia::from(Digest::of(b"")));
    let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
    parse::read(&"new.toml".into(), text.as_bytes(), &mut around).posts
}

fn post(stub: &Stub<'_>, defaults: &toml::Table, audience: &str, words: &str) -> String {
    let named = defaults
        .get("to")
        .and_then(|to| to.as_array())
        .map(|list| list.iter().filter_map(|name| AccountId::new(name.as_str()?).ok()).collect::<Vec<_>>());
    let all = || stub.accounts.keys().cloned().collect();
    let to: Vec<AccountId> = stub.to.map(<[_]>::to_vec).or_else(|| named.clone()).unwrap_or_else(all);
    let mut page = format!("[[post]]\nid = {}\n", string(stub.id.as_str()));
    for account in &to {
        let Some(about) = stub.accounts.get(account) else { continue };
        let free = about.free.map(|at| format!("next free slot {}; ", moment(at, &about.zone))).unwrap_or_default();
        page += &format!("# {account} ({}): {free}{}\n", about.platform, about.takes);
    }
    if stub.to.is_some() || named.is_none() {
        let list: Vec<String> = to.iter().map(|account| string(account.as_str())).collect();
        page += &format!("to = [{}]\n", list.join(", "));
    }
    if !defaults.contains_key("audience") {
        page += &format!("audience = {}  # who it is for, in your own words\n", string(audience));
    }
    if !defaults.contains_key("goal") {
        page += "goal = \"connection\"  # connection, change or promotion\n";
    }
    page += &format!("text = \"\"\"\n{words}\"\"\"\n");
    page += "# link = \"https://\"\n# media = [{ file = \"img/\", alt = \"what is to be seen\" }]\n";
    page
}

/// A text in quotes, on one line. What JSON writes is a basic string of TOML, but for one character; what nobody sees is
/// written so that it is seen.
pub fn string(text: &str) -> String {
    let written = serde_json::Value::from(text).to_string();
    let mut out = String::with_capacity(written.len());
    for c in written.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\U{:08X}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::platform::contract::Table;

    fn id(text: &str) -> PostId {
        PostId::new(text).unwrap()
    }

    fn accounts() -> BTreeMap<AccountId, About> {
        let about = |free: Option<&str>| About {
            platform: "wall".into(),
            free: free.map(|at| at.parse().unwrap()),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            takes: "text up to 500 characters; no media".into(),
        };
        let account = |name| AccountId::new(name).unwrap();
        [(account("bsky"), about(None)), (account("fedi"), about(Some("2026-11-30T08:30:00Z")))].into()
    }

    fn add(text: &str, name: &str) -> Result<String, String> {
        added(text, &Stub { id: &id(name), to: None, accounts: &accounts() })
    }

    #[test]
    fn a_post_is_begun_with_what_its_writer_wants_to_know() {
        assert_snapshot!(add("", "lamp").unwrap(), @r#"
        [[post]]
        id = "lamp"
        # bsky (wall): text up to 500 characters; no media
        # fedi (wall): next free slot Mon 2026-11-30 09:30; text up to 500 characters; no media
        to = ["bsky", "fedi"]
        audience = "everyone"  # who it is for, in your own words
        goal = "connection"  # connection, change or promotion
        text = """
        """
        # link = "https://"
        # media = [{ file = "img/", alt = "what is to be seen" }]
        "#);
    }

    #[test]
    fn what_stands_in_a_file_stays_and_its_defaults_are_not_said_again() {
        let first = "[[post]]\nid = 'a'\naudience = 'founders'\ntext = 't'\n[post.approval]\ndigest = 'sha256:0'\n";
        let digest = first.replace("sha256:0", &format!("sha256:{}", "0".repeat(64)));
        for (before, has, lacks) in [
            (
                format!("# top\n[defaults]\nto = ['fedi']\ngoal = 'change'\n{digest}"),
                "audience = \"founders\"",
                "to = [",
            ),
            (format!("[defaults]\nto = ['fedi']\naudience = 'all'\ngoal = 'change'\n{digest}"), "# fedi", "goal = \"c"),
            (
                digest.replace("text", "to = ['x']\ngoal = 'change'\ntext").replace('\n', "\r\n"),
                "text = \"\"\"\r\n",
                "[defaults]",
            ),
            (digest.replace("text", "to = ['x']\ngoal = 'change'\ntext").trim_end().to_owned(), "to = [\"bsky\"", "\r"),
        ] {
            let after = add(&before, "lamp").unwrap();
            let own = after.strip_prefix(&before).expect("what stood there stays");
            assert!(own.contains(has) && !own.contains(lacks), "{own}");
            assert_eq!(
                own.matches('\n').count(),
                own.matches(if before.contains('\r') { "\r\n" } else { "\n" }).count()
            );
            // It cannot be taken up by accident, and can when it has a text.
            assert!(read(&after).is_none());
            let empty = if before.contains('\r') { "text = \"\"\"\r\n" } else { "text = \"\"\"\n" };
            assert_eq!(
                read(&after.replace(empty, &format!("{empty}words"))).map(|posts| posts.len()),
                Some(2),
                "{after}"
            );
        }
    }

    #[test]
    fn where_nothing_can_be_added_nothing_is() {
        let good = "{ id = 'a', to = ['x'], audience = 'b', goal = 'change', text = 't' }";
        for (text, why) in [
            ("[[post]\n".to_owned(), "it has faults"),
            ("[[post]]\nid = 'a'\n".to_owned(), "it has faults"),
            (format!("post = [{good}]\n"), "no post can be added at its end"),
            (
                format!(
                    "[[post]]\nid = 'lamp'\n{}",
                    good.trim_matches(['{', '}', ' ']).replace(", ", "\n").replace("id = 'a'\n", "")
                ),
                "no post can be added",
            ),
            ("# ".to_owned() + &"x".repeat(limits::FILE_BYTES as usize - 4), "larger than"),
        ] {
            let said = add(&text, "lamp").expect_err(&text[..text.len().min(60)]);
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_name_is_one_that_nothing_has() {
        let taken = ["2026-11-27", "2026-11-27-2"].map(id);
        assert_eq!(name("2026-11-27", |id| taken.contains(id)), Some(id("2026-11-27-3")));
        assert_eq!(name("2026-11-28", |id| taken.contains(id)), Some(id("2026-11-28")));
        assert_eq!(name("2026-11-28", |_| true), None);
    }

    #[test]
    fn every_platform_says_what_it_takes() {
        let fedi = crate::platform::find("mastodon").unwrap();
        let mut values = toml::Table::new();
        values.insert("base_url".into(), "https://mastodon.example".into());
        values.insert("token".into(), toml::from_str::<toml::Table>("credential = 'x'").unwrap().into());
        let mut table = Table::new(AccountId::new("fedi").unwrap(), values, "/".into());
        let adapter = (fedi.build)(&mut table).unwrap();
        assert_snapshot!(takes(&*adapter, &fedi.can), @"no limit of text is known here; up to 4 images or 1 video or 1 sound; alt up to 10000 characters");
    }

    #[test]
    fn the_most_is_found_exactly() {
        for limit in [0, 1, 2, 499, 500, 65_535] {
            assert_eq!(most(65_536, |length| length > limit), Some(limit));
        }
        assert_eq!(most(65_536, |_| false), None);
    }
}

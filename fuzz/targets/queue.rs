//! A queue file.
//!
//! A file in which nothing is wrong is read entry by entry, any other as a whole. Both ways must say the same: a table
//! that no queue file has makes the reader take the whole, and is the only thing that may differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use cadenced::domain::document::Text;
use cadenced::domain::policy::ApprovalMode;
use cadenced::domain::{AccountId, Digest, limits};
use cadenced::queue::digest::{self, Body};
use cadenced::queue::parse::{self, Draft, Surroundings};

/// What forces a reading as a whole.
const TAIL: &[u8] = b"\n[read-as-a-whole]\nx = 1\n";

pub fn run(bytes: &[u8]) -> &'static str {
    let draft = read(bytes);
    for fault in &draft.faults {
        let span = fault.place.span.as_ref().map(|span| (span.start, span.end));
        assert!(span.is_none_or(|(start, end)| start <= end && end <= bytes.len()), "{fault:?} lies outside");
    }
    assert!(draft.usable || !draft.faults.is_empty(), "what cannot be used has a fault");
    for post in &draft.posts {
        let body = post.body.read();
        assert_eq!(digest::digest(&body), post.digest);
        assert_eq!(Body::read(&body).write(), body, "a body reads back");
        let value: serde_json::Value = serde_json::from_str(&body).expect("a body is JSON");
        let canonical = serde_json_canonicalizer::to_string(&value).expect("a body can be written");
        assert_eq!(canonical, body, "a body is canonical");
        for account in post.to.iter() {
            post.content(account);
        }
    }
    locate(bytes, &draft);
    let tried = bytes.len() + TAIL.len() <= usize::try_from(limits::FILE_BYTES).unwrap_or(usize::MAX);
    if tried && draft.usable && draft.faults.is_empty() {
        let whole = read(&[bytes, TAIL].concat());
        assert_eq!(whole.posts, draft.posts, "both ways say the same");
        assert_eq!(whole.faults.len(), 1, "{:?}", whole.faults);
    }
    match (draft.usable, draft.faults.is_empty(), draft.posts.is_empty()) {
        (false, ..) => "refused",
        (true, _, true) => "empty",
        (true, true, false) => "good",
        (true, false, false) => "good, with something to say",
    }
}

pub fn read(bytes: &[u8]) -> Draft {
    let accounts: BTreeSet<_> = ["fedi", "bsky", "site"].into_iter().filter_map(|id| AccountId::new(id).ok()).collect();
    let mut media = |path: &str| match path.contains("gone") {
        true => Err("there is no such file".to_owned()),
        false => Ok(Digest::of(path.as_bytes()).into()),
    };
    let approval = ApprovalMode::Digest;
    let mut around = Surroundings { approval, accounts: Some(&accounts), media: &mut media };
    parse::draft(&Arc::from("week.toml"), bytes, &mut around)
}

/// Messages find every entry.
fn locate(bytes: &[u8], draft: &Draft) {
    let Ok(text) = Text::new(&Arc::from("week.toml"), bytes, &mut Vec::new()) else { return };
    let places = parse::locate(&text);
    for post in &draft.posts {
        let account = post.to.first();
        for key in ["id", "text", "media[1]", "variant", "nowhere"] {
            parse::place(&text, &places, &post.order, key, account);
        }
        assert!(places.len() > post.order.place as usize, "{} is not found again", post.id);
    }
}

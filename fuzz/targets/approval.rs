//! The editor that writes approvals into a queue file.
//!
//! The first byte says which posts are approved, the rest of the first line who approves; below it stands the file.

use std::collections::BTreeMap;

use cadenced::domain::{Digest, PostId, Timestamp};
use cadenced::queue::approval::{EditError, approve};
use cadenced::queue::{Approval, Post};
use toml::de::{DeTable, DeValue};

use super::queue::read;

pub fn run(bytes: &[u8]) -> &'static str {
    let Some((&chosen, rest)) = bytes.split_first() else { return "nothing" };
    let (by, file) = match rest.iter().position(|&byte| byte == b'\n') {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (rest, &[][..]),
    };
    let (Ok(by), Ok(text)) = (std::str::from_utf8(by), std::str::from_utf8(file)) else { return "no text" };
    let at = Timestamp::constant(1_790_000_000, 500);
    let before = read(file);
    let picked = |place: usize| chosen >> (place % 8) & 1 == 1;
    let of = |(_, post): (usize, &Post)| (post.id.clone(), post.digest);
    let mut ids: BTreeMap<PostId, Digest> =
        before.posts.iter().enumerate().filter(|(place, _)| picked(*place)).map(of).collect();
    if !before.usable {
        // A person is not let so far. The editor must stand it all the same, and must not do half of it.
        ids.extend(PostId::new("a").map(|id| (id, Digest::of(b"a"))));
        if let Ok(edited) = approve(text, &ids, by, at) {
            assert_eq!(approve(&edited, &ids, by, at).as_ref(), Ok(&edited), "a second time changes nothing");
        }
        return "not usable";
    }
    let edited = match approve(text, &ids, by, at) {
        Ok(edited) => edited,
        Err(EditError::By) => return "nobody approves",
        Err(EditError::Layout(_)) => return "unknown layout",
        Err(error @ (EditError::Unreadable(_) | EditError::NoSuchPost(_))) => panic!("{error}"),
    };
    if ids.is_empty() {
        assert_eq!(edited, text, "who approves nothing changes nothing");
        return "nothing chosen";
    }
    assert_eq!(approve(&edited, &ids, by, at).as_ref(), Ok(&edited), "a second time changes nothing");
    let after = read(edited.as_bytes());
    assert!(after.usable, "{:?}", after.faults);
    assert_eq!(after.posts.len(), before.posts.len());
    for (old, new) in before.posts.iter().zip(&after.posts) {
        let approval = if ids.contains_key(&old.id) { Approval::Approved } else { old.approval };
        assert_eq!(new, &Post { approval, ..old.clone() }, "only the approval has changed");
    }
    all_else_is_kept(text, &edited, &ids);
    "approved"
}

/// Byte for byte: what stands outside of the approvals is found again in its order, and what has come is no more than
/// the approvals take.
fn all_else_is_kept(before: &str, after: &str, ids: &BTreeMap<PostId, Digest>) {
    let (kept, approvals) = without_approvals(before, ids);
    let mut rest = after.bytes();
    let mut missing = kept.bytes().filter(|wanted| !rest.any(|byte| byte == *wanted));
    assert_eq!(missing.next(), None, "something is lost:\n{before:?}\n{after:?}");
    let (kept_after, approvals_after) = without_approvals(after, ids);
    assert_eq!(approvals_after, ids.len(), "each has one approval");
    // A new approval brings its header and the words of its keys, or its braces; nothing else.
    let new = ids.len() - approvals;
    let most = kept.len() + new * "\r\n[reply.approval]\r\nby = \r\nat = \r\ndigest = \r\n".len();
    let most = most + approvals * "\r\napproval.by = \r\napproval.at = \r\napproval.digest = \r\n".len();
    assert!(kept_after.len() <= most, "something has come:\n{before:?}\n{after:?}");
}

/// The text without the values of the approvals of `ids`, and how many approvals they have.
fn without_approvals(text: &str, ids: &BTreeMap<PostId, Digest>) -> (String, usize) {
    let root = DeTable::parse(text).expect("a file that could be read");
    let mut cuts = Vec::new();
    let mut count = 0;
    for list in ["post", "reply"] {
        let Some(DeValue::Array(entries)) = root.get_ref().get(list).map(|value| value.get_ref()) else { continue };
        for table in entries.iter().filter_map(|entry| entry.get_ref().as_table()) {
            let id = table.get("id").and_then(|id| id.get_ref().as_str());
            let Some(approval) = table.get("approval").filter(|_| id.is_some_and(|id| ids.contains_key(id))) else {
                continue;
            };
            count += 1;
            if text[approval.span()].starts_with('{') {
                cuts.push(approval.span());
                continue;
            }
            let values = approval.get_ref().as_table().into_iter().flat_map(|table| table.iter());
            let ours = values.filter(|(key, _)| matches!(&**key.get_ref(), "by" | "at" | "digest"));
            cuts.extend(ours.map(|(_, value)| value.span()));
        }
    }
    cuts.sort_by_key(|span| span.start);
    let mut kept = String::new();
    let mut from = 0;
    for cut in cuts {
        kept.push_str(&text[from..cut.start]);
        from = cut.end;
    }
    kept.push_str(&text[from..]);
    (kept, count)
}

//! One queue file: bytes become posts, or faults with line and column, all at once.
//!
//! A file in which nothing is wrong is read entry by entry, so that memory never holds the tree of a whole file, which
//! is ten times its text. Where anything is wrong the file is read anew, as a whole, for only that tells all faults at
//! once; places are looked up only then. Nothing is opened here: what the text alone does not tell comes in as
//! [`Surroundings`].
//!
//! Here it is decided in which of the two ways a file is read; what one entry says is read in `entry`.

mod accounts;
mod approved;
mod checks;
mod entry;
mod keys;
mod media;
mod places;
mod texts;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::document::{DeTable, DeValue, Faults, Pieces, Text, parse_piece};
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Fault, FoundMedia, limits};

use super::Post;
use super::packed::Packer;
use entry::{Defaults, Entries};
use keys::LISTS;
use media::Seen;

pub use keys::{
    APPROVAL_KEYS, DEFAULT_KEYS, FILE_KEYS, GOALS, MEDIA_KEYS, POST_KEYS, REPLY_KEYS, VARIANT_KEYS, VISIBILITIES,
};
pub use places::{Places, locate, place};

/// What the text alone does not tell.
pub struct Surroundings<'a> {
    pub approval: ApprovalMode,
    /// The configured accounts; `None` when nobody has looked (then any name is taken).
    pub accounts: Option<&'a BTreeSet<AccountId>>,
    /// What a media file is, by its path as written, or why it cannot be used. The edge looks.
    pub media: &'a mut dyn FnMut(&str) -> Result<FoundMedia, String>,
}

/// What a file says.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `None` when the file cannot be used as a whole. A post with a trouble of its own (no such account, a media
    /// file that is missing) is here, with [`Post::trouble`] set, and its fault is in `faults`.
    pub posts: Option<Vec<Post>>,
    pub faults: Vec<Fault>,
}

/// What was read, usable or not.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The posts that could be understood. Only good for finding more faults unless the file is `usable`.
    pub posts: Vec<Post>,
    pub faults: Vec<Fault>,
    pub usable: bool,
}

/// Reads one file. `file` is its path relative to the queue folder.
pub fn read(file: &Arc<str>, bytes: &[u8], around: &mut Surroundings<'_>) -> Reading {
    let Draft { posts, faults, usable } = draft(file, bytes, around);
    Reading { posts: usable.then_some(posts), faults }
}

/// As [`read`], for those who look for faults: what could be understood is given even when the file is not usable.
pub fn draft(file: &Arc<str>, bytes: &[u8], around: &mut Surroundings<'_>) -> Draft {
    let mut before = Vec::new();
    let text = match Text::new(file, bytes, &mut before) {
        Ok(text) => text,
        Err(fault) => {
            before.push(fault);
            return Draft { posts: Vec::new(), faults: before, usable: false };
        }
    };
    let mut seen = Seen::new();
    if before.is_empty() {
        let mut entries = Entries::new(Faults::new(&text, Vec::new()), around, file, seen);
        if let Some(posts) = entry_by_entry(&mut entries, &text) {
            return Draft { posts, faults: Vec::new(), usable: true };
        }
        seen = entries.into_seen();
    }
    let mut entries = Entries::new(Faults::new(&text, before), around, file, seen);
    let root = text.parse(&mut entries.faults);
    let posts = as_a_whole(&mut entries, &root);
    let usable = !entries.faults.any_errors();
    Draft { posts, faults: entries.faults.finish(), usable }
}

/// The posts of a file in which nothing is wrong.
fn entry_by_entry<'t>(entries: &mut Entries<'_, 't>, text: &'t Text<'t>) -> Option<Vec<Post>> {
    let Pieces { first, rest } = text.pieces();
    let known = |name: &str| LISTS.iter().any(|(list, _)| *list == name);
    if rest.len() > limits::POSTS_PER_FILE || !rest.iter().all(|(name, _)| known(name)) {
        return None;
    }
    let root = parse_piece(first)?;
    let defaults = match root.get("defaults") {
        Some(value) => entries.defaults(value.get_ref().as_table()?),
        None => Defaults::default(),
    };
    if root.len() > usize::from(root.contains_key("defaults")) {
        return None;
    }
    let mut posts = Packer::default();
    for (list, kind) in LISTS {
        for (_, piece) in rest.iter().filter(|(name, _)| *name == list) {
            let root = parse_piece(piece)?;
            let list = root.get(list).filter(|_| root.len() == 1)?.get_ref().as_array()?;
            let [entry] = &**list else { return None };
            let place = u32::try_from(posts.count()).ok()?;
            let (post, body) = entries.entry(entry.get_ref().as_table()?, entry.span(), kind, place, &defaults)?;
            posts.push(post, &body);
            if entries.faults.any() {
                return None;
            }
        }
    }
    (!entries.faults.any()).then(|| posts.finish())
}

/// The posts of a file as far as they can be understood, and everything that is wrong with it.
fn as_a_whole<'t>(entries: &mut Entries<'_, 't>, root: &DeTable<'t>) -> Vec<Post> {
    entries.faults.check_keys(root, "at the top of a queue file", FILE_KEYS.iter().copied());
    let defaults = match root.get("defaults").and_then(|value| entries.faults.table("defaults", value)) {
        Some(table) => entries.defaults(table),
        None => Defaults::default(),
    };
    let mut posts = Packer::default();
    let mut place = 0;
    for (name, kind) in LISTS {
        let Some(value) = root.get(name) else { continue };
        let DeValue::Array(list) = value.get_ref() else {
            entries.faults.wrong(name, value, "a list of tables", format!("write [[{name}]], with two brackets"));
            continue;
        };
        for entry in list.iter() {
            if place as usize == limits::POSTS_PER_FILE {
                let reason = format!("a file holds at most {} posts", limits::POSTS_PER_FILE);
                entries.faults.error(entry.span(), reason, "split it into several files".to_owned());
                return posts.finish();
            }
            if let Some(table) = entries.faults.table(name, entry)
                && let Some((post, body)) = entries.entry(table, entry.span(), kind, place, &defaults)
            {
                posts.push(post, &body);
            }
            place += 1;
        }
    }
    posts.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Digest;

    use proptest::prelude::*;

    /// What a text says, read in both ways: entry by entry if that can be done, and as a whole if nothing is wrong.
    fn both(text: &str) -> (Option<Vec<Post>>, Option<Vec<Post>>) {
        let file: Arc<str> = "a.toml".into();
        let mut media = |_: &str| Ok(Digest([7; 32]).into());
        let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
        let text = Text::new(&file, text.as_bytes(), &mut Vec::new()).unwrap();
        let mut entries = Entries::new(Faults::new(&text, Vec::new()), &mut around, &file, Seen::new());
        let pieces = entry_by_entry(&mut entries, &text);
        let mut entries = Entries::new(Faults::new(&text, Vec::new()), &mut around, &file, Seen::new());
        let root = text.parse(&mut entries.faults);
        let posts = as_a_whole(&mut entries, &root);
        (pieces, (!entries.faults.any()).then_some(posts))
    }

    const POST: &str = "to = ['a']\naudience = 'x'\ngoal = 'change'\ntext = 't'\n";
    const REPLY: &str = "to = 'a'\nconversation = 'https://x.example/1'\ntext = 't'\n";

    #[test]
    fn a_good_file_is_read_entry_by_entry() {
        for text in [
            String::new(),
            "# nothing\n[defaults]\nlang = 'en'\n".into(),
            format!("[defaults]\nlang = 'en'\n[[post]]\nid = 'p'\n{POST}"),
            format!("\u{feff}[[post]]\nid = 'p'\n{POST}"),
            format!(" [[ post ]] # one\nid = 'p'\n{POST}[post.variant.a]\ntext = '''\n[[post]]\n'''\n"),
            // Posts count before replies, wherever they stand.
            format!("[[reply]]\r\nid = 'q'\n{REPLY}[[post]]\nid = 'p'\n{POST}tags = [\n'a',\n]\n"),
        ] {
            let (pieces, whole) = both(&text);
            assert!(pieces.is_some(), "{text}");
            assert_eq!(pieces, whole, "{text}");
        }
    }

    #[test]
    fn what_only_the_whole_file_tells_is_asked_of_the_whole_file() {
        let post = format!("[[post]]\nid = 'p'\n{POST}");
        for (text, good) in [
            (format!("post = [{{}}]\n{post}"), false),
            (format!("[post]\n{post}"), false),
            (format!("[defaults]\n{post}[defaults]\n"), false),
            (format!("{post}{post}"), false),
            (format!("{post}[[posts]]\n"), false),
            (format!("{post}text = 'again'\n"), false),
            (format!("{post}link = 'none'\n"), false),
            (format!("{post}[defaults]\nlang = 'en'\n"), true),
            (format!("{post}[[reply]]\nid = 'q'\n{REPLY}[post.variant.a]\ntext = 'u'\n"), true),
            (format!("{post}[[post.media]]\nfile = 'm'\nalt = 'm'\n"), true),
            (format!("[[\"post\"]]\nid = 'p'\n{POST}"), true),
        ] {
            let (pieces, whole) = both(&text);
            assert_eq!(pieces, None, "{text}");
            assert_eq!(whole.is_some(), good, "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_say_the_same(parts in prop::collection::vec(prop::sample::select(vec![
            "[[post]]\n", "[[reply]]\n", "[defaults]\n", "[post.variant.a]\n", "[[post.media]]\n", "id = 'p'\n",
            "id = 'q'\n", "to = ['a']\n", "to = 'a'\n", "audience = 'x'\n", "goal = 'change'\n", "text = 't'\n",
            "text = '''\n", "'''\n", "conversation = 'https://x.example/1'\n", "lang = 'en'\n", "# [[post]]\n",
            "tags = [\n", "]\n", "file = 'm'\n", POST, REPLY,
            "[[post]]\nid = 'r'\nto = ['a']\naudience = 'x'\ngoal = 'change'\ntext = 't'\n",
        ]), 0..12)) {
            let (pieces, whole) = both(&parts.concat());
            if pieces.is_some() {
                prop_assert_eq!(pieces, whole);
            }
        }
    }
}

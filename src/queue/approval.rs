//! Writes approvals into a queue file's text.
//!
//! The text is edited at the places that the parser names, and nowhere else: comments, order, layout, line ends and a
//! byte order mark stay what they are, byte for byte. What was written is read back before it is given out: nothing
//! but the approvals may differ. Whether an approval holds is not decided here but where a file is read ([`parse`]).
//!
//! [`parse`]: super::parse

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::domain::document::{DeTable, DeValue, Value};
use crate::domain::{Digest, PostId, Timestamp};

/// Why approvals cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("the file holds no post {0}")]
    NoSuchPost(PostId),
    #[error("\"by\" must say in one line who approves")]
    By,
    /// A layout that we do not know how to edit. Nothing was changed.
    #[error("the approval of {0} cannot be written into this layout; remove the approval that is there and try again")]
    Layout(PostId),
}

/// One replacement; an insertion when the range is empty.
struct Edit {
    span: Range<usize>,
    text: String,
}

/// `text` with an approval of each post of `ids`, by `by`, at `at`. An approval that is there is replaced.
///
/// # Errors
/// The text is no queue file, or holds no such post. Nothing is half done.
pub fn approve(text: &str, ids: &BTreeMap<PostId, Digest>, by: &str, at: Timestamp) -> Result<String, EditError> {
    if by.trim().is_empty() || by.chars().any(char::is_control) {
        return Err(EditError::By);
    }
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    let root = DeTable::parse(text).map_err(|cause| EditError::Unreadable(cause.message().to_owned()))?;
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut edits = Vec::new();
    let mut found = BTreeSet::new();
    for name in ["post", "reply"] {
        let Some(DeValue::Array(entries)) = root.get_ref().get(name).map(|value| value.get_ref()) else { continue };
        for entry in entries.iter() {
            let Some(table) = entry.get_ref().as_table() else { continue };
            let Some(id) = table.get("id").and_then(|id| id.get_ref().as_str()) else { continue };
            let Some((id, digest)) = ids.get_key_value(id) else { continue };
            found.insert(id);
            let values = [("by", quote(by)), ("at", at.to_string()), ("digest", quote(&digest.to_string()))];
            let page = Page { text, line_end, name };
            edits.extend(page.edits(entry, table, values).ok_or_else(|| EditError::Layout(id.clone()))?);
        }
    }
    if let Some(id) = ids.keys().find(|id| !found.contains(id)) {
        return Err(EditError::NoSuchPost(id.clone()));
    }
    let edited = apply(text, edits);
    verify(text, &edited, ids, by, at)?;
    Ok(edited)
}

/// What is needed to know how one entry is laid out.
struct Page<'p> {
    text: &'p str,
    line_end: &'static str,
    /// `post` or `reply`.
    name: &'p str,
}

impl Page<'_> {
    fn edits(&self, entry: &Value<'_>, table: &DeTable<'_>, values: [(&str, String); 3]) -> Option<Vec<Edit>> {
        let in_line = self.text.get(entry.span())?.starts_with('{');
        let all = || values.iter().map(|(key, value)| format!("{key} = {value}"));
        let braces = || format!("{{ {} }}", all().collect::<Vec<_>>().join(", "));
        let Some(old) = table.get("approval") else {
            return Some(vec![if in_line {
                let last = table.iter().map(|(_, value)| last_byte(value)).max()?;
                Edit { span: last..last, text: format!(", approval = {}", braces()) }
            } else {
                let header = format!("[{}.approval]", self.name);
                self.lines(last_byte(entry), std::iter::once(header).chain(all()))
            }]);
        };
        let DeValue::Table(approval) = old.get_ref() else { return None };
        let written = self.text.get(old.span())?;
        if written.starts_with('{') {
            return Some(vec![Edit { span: old.span(), text: braces() }]);
        }
        let is_table = written.starts_with('[');
        let mut edits = Vec::new();
        let mut missing = Vec::new();
        for (key, value) in &values {
            match approval.get(*key) {
                Some(old) => edits.push(Edit { span: old.span(), text: value.clone() }),
                None if is_table => missing.push(format!("{key} = {value}")),
                None => missing.push(format!("approval.{key} = {value}")),
            }
        }
        if !missing.is_empty() {
            let place = if is_table { old.span().end } else { last_byte(old) };
            edits.push(if in_line {
                Edit { span: place..place, text: format!(", {}", missing.join(", ")) }
            } else {
                self.lines(place, missing.into_iter())
            });
        }
        Some(edits)
    }

    /// Lines after the one that `place` is in.
    fn lines(&self, place: usize, lines: impl Iterator<Item = String>) -> Edit {
        let rest = self.text.get(place..).unwrap_or_default();
        let mut text = String::new();
        let at = match rest.find('\n') {
            Some(length) => place + length + 1,
            None => {
                text.push_str(self.line_end);
                self.text.len()
            }
        };
        for line in lines {
            text.push_str(&line);
            text.push_str(self.line_end);
        }
        Edit { span: at..at, text }
    }
}

/// The end of the last thing that belongs to a value, wherever its tables stand.
fn last_byte(value: &Value<'_>) -> usize {
    let inner = match value.get_ref() {
        DeValue::Array(list) => list.iter().map(last_byte).max(),
        DeValue::Table(table) => table.iter().map(|(_, value)| last_byte(value)).max(),
        _ => None,
    };
    // The closing bracket of what is written in one piece lies behind everything in it.
    inner.unwrap_or(0).max(value.span().end)
}

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut edited = String::with_capacity(text.len() + edits.iter().map(|edit| edit.text.len()).sum::<usize>());
    let mut from = 0;
    for edit in edits {
        edited.push_str(text.get(from..edit.span.start).unwrap_or_default());
        edited.push_str(&edit.text);
        from = edit.span.end;
    }
    edited.push_str(text.get(from..).unwrap_or_default());
    edited
}

/// Nothing but the approvals may differ, and they must be what was asked for.
fn verify(before: &str, after: &str, ids: &BTreeMap<PostId, Digest>, by: &str, at: Timestamp) -> Result<(), EditError> {
    let first = || ids.keys().next().cloned().map_or_else(|| EditError::Unreadable("empty".into()), EditError::Layout);
    let read = |text: &str| toml::from_str::<toml::Table>(text.trim_start_matches('\u{feff}'));
    let (Ok(mut before), Ok(mut after)) = (read(before), read(after)) else { return Err(first()) };
    let mut wrong = None;
    for table in [&mut before, &mut after] {
        wrong = None;
        for name in ["post", "reply"] {
            let Some(toml::Value::Array(entries)) = table.get_mut(name) else { continue };
            for entry in entries {
                let Some(entry) = entry.as_table_mut() else { continue };
                let Some((id, digest)) = entry.get("id").and_then(|id| ids.get_key_value(id.as_str()?)) else {
                    continue;
                };
                let approval = entry.remove("approval");
                let value = |key: &str| approval.as_ref().and_then(|approval| approval.get(key));
                let good = value("by").and_then(|value| value.as_str()) == Some(by)
                    && value("digest").and_then(|value| value.as_str()) == Some(&*digest.to_string())
                    && value("at").and_then(|value| value.as_datetime()).map(ToString::to_string)
                        == Some(at.to_string());
                if !good {
                    wrong = Some(id.clone());
                }
            }
        }
    }
    match wrong {
        Some(id) => Err(EditError::Layout(id)),
        None if before != after => Err(first()),
        None => Ok(()),
    }
}

/// A text in quotes, as TOML wants it.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    const BY: &str = "ed \"the\" editor@example.org";

    fn now() -> Timestamp {
        "2026-11-20T10:00:00.5Z".parse().unwrap()
    }

    fn ids(names: &[&str]) -> BTreeMap<PostId, Digest> {
        names.iter().map(|name| (PostId::new(name).unwrap(), Digest::of(name.as_bytes()))).collect()
    }

    fn edit(text: &str, names: &[&str]) -> String {
        approve(text, &ids(names), BY, now()).unwrap()
    }

    fn block(name: &str, id: &str, end: &str) -> String {
        let digest = Digest::of(id.as_bytes());
        format!(
            "[{name}.approval]{end}by = \"ed \\\"the\\\" editor@example.org\"{end}at = 2026-11-20T10:00:00Z{end}digest = \"{digest}\"{end}"
        )
    }

    #[test]
    fn the_approval_follows_all_that_belongs_to_the_post() {
        let text = "\u{feff}# top\r\n[[post]] # first\r\nid = \"a\" # id\r\ntext = \"\"\"\r\nx\r\n\"\"\" # end\r\n\r\n# of b\r\n\
                    [[post]]\r\nid='b'\r\n[post.variant.x]\r\ntext = 'y'\r\n[[post.media]]\r\nfile = 'z'\r\n\r\n[[reply]]\r\nid = \"c\"";
        let end = "\r\n";
        let edited = edit(text, &["a", "b", "c"]);
        let expected = text
            .replace("\"\"\" # end\r\n", &format!("\"\"\" # end\r\n{}", block("post", "a", end)))
            .replace("file = 'z'\r\n", &format!("file = 'z'\r\n{}", block("post", "b", end)))
            .replace("id = \"c\"", &format!("id = \"c\"\r\n{}", block("reply", "c", end)));
        assert_eq!(edited, expected);
    }

    #[test]
    fn an_approval_that_is_there_is_replaced_in_its_own_layout() {
        let digest = Digest::of(b"a");
        let by = "\"ed \\\"the\\\" editor@example.org\"";
        for (before, after) in [
            (
                "[[post]]\nid = \"a\"\n[post.approval] # yes\ndigest = \"old\" # d\nat = 2020-01-01T00:00:00Z\n# end\n",
                format!(
                    "[[post]]\nid = \"a\"\n[post.approval] # yes\nby = {by}\ndigest = \"{digest}\" # d\nat = 2026-11-20T10:00:00Z\n# end\n"
                ),
            ),
            (
                "[[post]]\napproval = { by = \"x\", digest = \"old\" } # was\nid = \"a\"\n",
                format!(
                    "[[post]]\napproval = {{ by = {by}, at = 2026-11-20T10:00:00Z, digest = \"{digest}\" }} # was\nid = \"a\"\n"
                ),
            ),
            (
                "[[post]]\nid = \"a\"\napproval.by = 'x' # b\napproval.digest = \"old\"\n",
                format!(
                    "[[post]]\nid = \"a\"\napproval.by = {by} # b\napproval.digest = \"{digest}\"\napproval.at = 2026-11-20T10:00:00Z\n"
                ),
            ),
            (
                "post = [{ id = \"a\", tags = [\"x\"] }, { id = \"b\" }]\n",
                format!(
                    "post = [{{ id = \"a\", tags = [\"x\"], approval = {{ by = {by}, at = 2026-11-20T10:00:00Z, digest = \"{digest}\" }} }}, {{ id = \"b\" }}]\n"
                ),
            ),
        ] {
            assert_eq!(edit(before, &["a"]), after);
            assert_eq!(edit(&after, &["a"]), after, "approving twice changes nothing");
        }
    }

    #[test]
    fn what_is_not_there_is_not_approved() {
        let at = now();
        assert_eq!(
            approve("[[post]]\nid = 'a'", &ids(&["b"]), BY, at),
            Err(EditError::NoSuchPost(PostId::new("b").unwrap()))
        );
        assert!(matches!(approve("[[post", &ids(&["b"]), BY, at), Err(EditError::Unreadable(_))));
        assert_eq!(approve("[[post]]\nid = 'a'", &ids(&["a"]), "a\nb", at), Err(EditError::By));
        let odd = "[[post]]\nid = 'a'\napproval = 1\n";
        assert_eq!(approve(odd, &ids(&["a"]), BY, at), Err(EditError::Layout(PostId::new("a").unwrap())));
    }

    proptest! {
        #[test]
        fn without_its_approvals_the_file_is_what_it_was(
            parts in proptest::collection::vec(prop_oneof![
                Just("# a comment\n"), Just("\n"), Just("  [[post]] # [post.approval]\n  id = \"{}\" # \"\"\"\n"), Just("[[post]]\nid='{}'\ntags = [\n 'a', # b\n]\n"),
                Just("[[post]]\ntext = '''\n[[post]]\nid = \"no\"'''\n\nid = \"{}\"\n[post.variant.fedi]\ntext = \"x\"\n\n# late\n"),
                Just("[[post]]\nid = \"{}\"\nmedia = [{ file = \"a\",\n alt = \"}\" }]\n[post.variant]\n[post.variant.a.b]\nx.y.z = 1\n"),
                Just("[[reply]]\nid = \"{}\"\n\n"),
            ], 0..8),
            crlf: bool, mark: bool, cut: bool, chosen in any::<u8>(),
        ) {
            let mut names = Vec::new();
            let mut text = String::new();
            for part in parts {
                let name = format!("p{}", names.len());
                text.push_str(&part.replace("{}", &name));
                if part.contains("{}") {
                    names.push((name, if part.contains("[[reply]]") { "reply" } else { "post" }));
                }
            }
            let end = if crlf { "\r\n" } else { "\n" };
            let mut text = text.replace('\n', end);
            if cut {
                text.truncate(text.trim_end().len());
            }
            if mark {
                text.insert(0, '\u{feff}');
            }
            let chosen: Vec<_> = names.iter().enumerate().filter(|(at, _)| chosen >> (at % 8) & 1 == 1).map(|(_, n)| n).collect();
            let ids: BTreeMap<_, _> = chosen.iter().map(|(name, _)| (PostId::new(name).unwrap(), Digest::of(name.as_bytes()))).collect();
            let mut edited = approve(&text, &ids, BY, now()).unwrap();
            for (name, kind) in &chosen {
                let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
                let block = block(kind, name, end);
                prop_assert_eq!(edited.matches(&block).count(), 1);
                edited = edited.replace(&block, "");
            }
            prop_assert_eq!(edited.trim_end(), text.trim_end());
            prop_assert!(edited.len() <= text.len() + 2);
        }
    }
}

//! The media of an entry. A file that is missing, or is another one than was meant, stands against the post alone. What a
//! file is (its type, its size) goes with the post and not into what is approved: the digest of its bytes says it all.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::document::{DeTable, DeValue, Faults, Value, quoted};
use crate::domain::{Digest, FoundMedia};
use crate::queue::Trouble;
use crate::queue::digest::MediaBody;

use super::keys::MEDIA_KEYS;
use super::texts::{self, is_bidi, is_line_end};

/// What was found of the media files of a queue file so far; one may go with many posts.
pub(super) type Seen = BTreeMap<String, Result<FoundMedia, String>>;

/// Looks media files up, each once.
pub(super) struct Media<'r> {
    look: &'r mut dyn FnMut(&str) -> Result<FoundMedia, String>,
    seen: Seen,
    found: Found,
}

/// The media of one entry, its variants' included.
#[derive(Default)]
pub(super) struct Found {
    pub(super) files: Vec<FoundMedia>,
    /// What stands against the first of them that cannot be used.
    pub(super) trouble: Option<Trouble>,
}

impl<'r> Media<'r> {
    pub(super) fn new(look: &'r mut dyn FnMut(&str) -> Result<FoundMedia, String>, seen: Seen) -> Self {
        Self { look, seen, found: Found::default() }
    }

    /// What was found, for whoever reads the file anew.
    pub(super) fn into_seen(self) -> Seen {
        self.seen
    }

    /// What was found since the last call.
    pub(super) fn take(&mut self) -> Found {
        std::mem::take(&mut self.found)
    }

    pub(super) fn list<'v, 't>(
        &mut self,
        faults: &mut Faults<'t>,
        table: &'v DeTable<'t>,
    ) -> Option<Vec<MediaBody<'v>>> {
        let value = table.get("media")?;
        let list = faults.list("media", value, "tables")?;
        let mut all = Vec::with_capacity(list.len());
        for item in list.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                let hint = "write { file = \"img/desk.jpg\", alt = \"…\" }".to_owned();
                faults.wrong("media", item, "a list of tables", hint);
                continue;
            };
            all.extend(self.item(faults, table, item));
        }
        Some(all)
    }

    fn item<'v, 't>(
        &mut self,
        faults: &mut Faults<'t>,
        table: &'v DeTable<'t>,
        whole: &Value<'t>,
    ) -> Option<MediaBody<'v>> {
        faults.check_keys(table, "for a media file", MEDIA_KEYS.iter().copied());
        let alt = texts::prose(faults, table, "alt");
        let declared = declared(faults, table);
        let Some(value) = table.get("file") else {
            faults.missing(whole.span(), "file", None);
            return None;
        };
        let file = faults.text("file", value)?;
        if let Err(why) = media_path(file) {
            let hint = "write a path below the queue file's folder, such as \"img/desk.jpg\"".to_owned();
            faults.error(value.span(), format!("the media path {} {why}", quoted(file)), hint);
            return None;
        }
        if !self.seen.contains_key(&**file) {
            let found = (self.look)(file);
            self.seen.insert(file.to_string(), found);
        }
        let trouble = match (self.seen.get(&**file), declared) {
            (Some(Err(why)), _) => Some((format!("the media file {} cannot be used: {why}", quoted(file)), None)),
            (Some(Ok(found)), Some(declared)) if found.sha256 != declared => Some((
                format!("the media file {} is not the one that \"sha256\" names", quoted(file)),
                Some(format!("it is {}", found.sha256.hex())),
            )),
            _ => None,
        };
        let found = self.seen.get(&**file).and_then(|found| found.as_ref().ok()).cloned();
        self.found.files.extend(found.clone());
        if let Some((reason, hint)) = trouble {
            self.found.trouble.get_or_insert(Trouble::Media(reason.as_str().into()));
            faults.trouble(value.span(), reason, hint);
        }
        let sha256 = declared.or(found.map(|found| found.sha256)).map(|digest| Cow::Owned(digest.hex()));
        Some(MediaBody { alt, file: Cow::Borrowed(&**file), sha256 })
    }
}

/// The digest that a person has written down.
fn declared<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>) -> Option<Digest> {
    let value = table.get("sha256")?;
    let text = faults.text("sha256", value)?;
    let digest = Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text));
    if digest.is_err() {
        let hint = "write the 64 digits that sha256sum prints".to_owned();
        faults.error(value.span(), "\"sha256\" is no SHA-256", hint);
    }
    digest.ok()
}

/// Why a path cannot be that of a media file. The edge opens below the queue file's folder only; this says early, and
/// with a place, what it would refuse.
fn media_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.chars().any(|c| c.is_control() || is_bidi(c) || is_line_end(c)) {
        return Err("holds a control character");
    }
    if path.contains('\\') {
        return Err("holds a backslash");
    }
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    if path.starts_with('/') || drive {
        return Err("is absolute");
    }
    if path.split('/').any(|part| part == "..") {
        return Err("leads out of the folder");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::policy::ApprovalMode;
    use crate::domain::{AccountId, MediaFacts};
    use crate::queue::parse::{Surroundings, read};

    const POST: &str = "to = ['a']\naudience = 'x'\ngoal = 'change'\ntext = 't'\n";

    #[test]
    fn what_a_media_file_is_goes_with_the_post_and_not_into_what_is_approved() {
        let text =
            format!("[[post]]\nid = 'p'\n{POST}media = [{{ file = 'one', alt = '' }}, {{ file = 'two', alt = '' }}]\n");
        let read = |look: &dyn Fn(&str) -> FoundMedia| {
            let mut media = |file: &str| Ok(look(file));
            let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
            read(&"a.toml".into(), text.as_bytes(), &mut around).posts.unwrap().remove(0)
        };
        let digest = |file: &str| Digest::of(file.as_bytes());
        let facts = Arc::new(MediaFacts { mime: "video/mp4", bytes: 7, size: None, duration: None });
        let seen = read(&|file| FoundMedia { sha256: digest(file), facts: (file == "two").then(|| facts.clone()) });
        let items = seen.content(&AccountId::new("a").unwrap()).media;
        assert_eq!(items.iter().map(|item| item.facts.clone()).collect::<Vec<_>>(), [None, Some(facts.clone())]);
        let unseen = read(&|file| digest(file).into());
        assert_eq!((unseen.digest, unseen.body.read()), (seen.digest, seen.body.read()));
    }
}

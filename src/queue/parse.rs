//! One queue file: bytes become posts, or faults with line and column, all at once.
//!
//! A file in which nothing is wrong is read entry by entry, so that memory never holds the tree of a whole file, which
//! is ten times its text. Where anything is wrong the file is read anew, as a whole, for only that tells all faults at
//! once; places are looked up only then. Nothing is opened here: what the text alone does not tell comes in as
//! [`Surroundings`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::domain::document::{DeTable, DeValue, Faults, Pieces, Text, Value, nearest, parse_piece, quoted};
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Digest, Fault, FoundMedia, Goal, Place, PostId, Timestamp, Visibility, limits};

use super::digest::{self, Body, MediaBody, VariantBody, Words};
use super::packed::Packer;
use super::{Approval, Kind, Order, Packed, Post, Rare, Trouble};

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

/// The tables that a queue file has.
pub const FILE_KEYS: &[&str] = &["defaults", "post", "reply"];
/// Keys of `[defaults]`.
pub const DEFAULT_KEYS: &[&str] = &["to", "audience", "goal", "lang", "tags", "visibility"];
/// Keys of `[[post]]`.
pub const POST_KEYS: &[&str] = &[
    "id",
    "to",
    "audience",
    "goal",
    "text",
    "link",
    "lang",
    "tags",
    "media",
    "at",
    "not_before",
    "expires",
    "series",
    "priority",
    "thread",
    "reply_to",
    "visibility",
    "warning",
    "track",
    "variant",
    "approval",
];
/// Keys of `[[reply]]`.
pub const REPLY_KEYS: &[&str] = &[
    "id",
    "to",
    "conversation",
    "text",
    "audience",
    "goal",
    "link",
    "lang",
    "tags",
    "media",
    "not_before",
    "expires",
    "thread",
    "visibility",
    "warning",
    "track",
    "approval",
];
/// Keys of `[post.variant.ACCOUNT]`.
pub const VARIANT_KEYS: &[&str] = &["text", "link", "tags", "media", "thread"];
/// Keys of one entry of `media`.
pub const MEDIA_KEYS: &[&str] = &["file", "alt", "sha256"];
/// Keys of `[post.approval]`.
pub const APPROVAL_KEYS: &[&str] = &["by", "at", "digest"];

/// What `goal` may be.
pub const GOALS: &[(&str, Goal)] =
    &[("connection", Goal::Connection), ("change", Goal::Change), ("promotion", Goal::Promotion)];
/// What `visibility` may be.
pub const VISIBILITIES: &[(&str, Visibility)] =
    &[("public", Visibility::Public), ("unlisted", Visibility::Unlisted), ("followers", Visibility::Followers)];

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
    let mut hashes = BTreeMap::new();
    if before.is_empty() {
        let mut reader = Reader::new(Faults::new(&text, Vec::new()), around, file, hashes);
        if let Some(posts) = reader.entry_by_entry(&text) {
            return Draft { posts, faults: Vec::new(), usable: true };
        }
        hashes = reader.hashes;
    }
    let mut reader = Reader::new(Faults::new(&text, before), around, file, hashes);
    let root = text.parse(&mut reader.faults);
    let posts = reader.file(&root);
    let usable = !reader.faults.any_errors();
    Draft { posts, faults: reader.faults.finish(), usable }
}

/// Where the parts of one entry stand.
#[derive(Debug, Clone, Default)]
pub struct Places {
    whole: Range<usize>,
    keys: BTreeMap<String, Range<usize>>,
}

impl Places {
    /// Where a key of the entry stands; that of its variant for `account`, when it has one; else the entry itself. A
    /// key with more behind it (`media[1]`, `thread.2`) is looked for by its first part.
    pub fn of(&self, key: &str, account: Option<&AccountId>) -> Range<usize> {
        let key = key.split(['[', '.']).next().unwrap_or(key);
        let own = account.and_then(|account| self.keys.get(&format!("variant.{account}.{key}")));
        own.or_else(|| self.keys.get(key)).unwrap_or(&self.whole).clone()
    }
}

/// Where the parts of every entry stand, in the order of [`Order::place`]. For messages only.
pub fn locate(text: &Text<'_>) -> Vec<Places> {
    let mut faults = Faults::new(text, Vec::new());
    let root = text.parse(&mut faults);
    let mut all = Vec::new();
    for (name, _) in LISTS {
        let entries = root.get(name).and_then(|value| value.get_ref().as_array());
        for entry in entries.into_iter().flat_map(|entries| entries.iter()) {
            let mut places = Places { whole: entry.span(), keys: BTreeMap::new() };
            for (key, value) in entry.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                places.keys.insert(key.get_ref().to_string(), value.span());
                if key.get_ref() != "variant" {
                    continue;
                }
                for (account, own) in value.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                    for (key, value) in own.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                        let name = format!("variant.{}.{}", account.get_ref(), key.get_ref());
                        places.keys.insert(name, value.span());
                    }
                }
            }
            all.push(places);
        }
    }
    all
}

/// What a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One line of a name-like thing: no control and no bidi characters.
    Line,
    /// What people read: lines and tabs too.
    Prose,
}

/// Accounts that a list names.
#[derive(Debug, Clone, Default)]
struct To {
    accounts: Vec<AccountId>,
    /// The list names what is not configured.
    trouble: Option<String>,
}

/// `[defaults]`.
#[derive(Default)]
struct Defaults<'v> {
    to: Option<To>,
    audience: Option<Words<'v>>,
    goal: Option<Goal>,
    lang: Option<Words<'v>>,
    tags: Option<Vec<Words<'v>>>,
    visibility: Option<Visibility>,
}

struct Reader<'r, 'a, 't> {
    faults: Faults<'t>,
    around: &'r mut Surroundings<'a>,
    file: &'r Arc<str>,
    /// Ids of the file so far, with their places.
    ids: BTreeMap<PostId, Range<usize>>,
    /// Media of the file so far; one file may go with many posts.
    hashes: BTreeMap<String, Result<FoundMedia, String>>,
    /// Lists of accounts of the file so far; most posts have one that others have too.
    lists: BTreeSet<Arc<[AccountId]>>,
    /// What stands against the entry that is being read.
    trouble: Option<Trouble>,
    /// The media of the entry that is being read.
    media: Vec<FoundMedia>,
}

/// The lists of a queue file, in the order in which their entries count.
const LISTS: [(&str, Kind); 2] = [("post", Kind::Post), ("reply", Kind::Reply)];

impl<'r, 'a, 't> Reader<'r, 'a, 't> {
    fn new(
        faults: Faults<'t>,
        around: &'r mut Surroundings<'a>,
        file: &'r Arc<str>,
        hashes: BTreeMap<String, Result<FoundMedia, String>>,
    ) -> Self {
        Self {
            faults,
            around,
            file,
            ids: BTreeMap::new(),
            hashes,
            lists: BTreeSet::new(),
            trouble: None,
            media: Vec::new(),
        }
    }

    /// The posts of a file in which nothing is wrong.
    fn entry_by_entry(&mut self, text: &'t Text<'t>) -> Option<Vec<Post>> {
        let Pieces { first, rest } = text.pieces();
        let known = |name: &str| LISTS.iter().any(|(list, _)| *list == name);
        if rest.len() > limits::POSTS_PER_FILE || !rest.iter().all(|(name, _)| known(name)) {
            return None;
        }
        let root = parse_piece(first)?;
        let defaults = match root.get("defaults") {
            Some(value) => self.defaults(value.get_ref().as_table()?),
            None => Defaults::default(),
        };
        if root.len() > usize::from(root.contains_key("defaults")) {
            return None;
        }
        let mut posts = Packer::default();
        for (list, kind) in LISTS {
            for (_, piece) in rest.iter().filter(|(name, _)| *name == list) {
                let root = parse_piece(piece)?;
                let entries = root.get(list).filter(|_| root.len() == 1)?.get_ref().as_array()?;
                let [entry] = &**entries else { return None };
                let place = u32::try_from(posts.count()).ok()?;
                let (post, body) = self.entry(entry.get_ref().as_table()?, entry.span(), kind, place, &defaults)?;
                posts.push(post, &body);
                if self.faults.any() {
                    return None;
                }
            }
        }
        (!self.faults.any()).then(|| posts.finish())
    }

    fn file(&mut self, root: &DeTable<'t>) -> Vec<Post> {
        self.check_keys(root, FILE_KEYS, "at the top of a queue file");
        let defaults = match root.get("defaults").and_then(|value| self.faults.table("defaults", value)) {
            Some(table) => self.defaults(table),
            None => Defaults::default(),
        };
        let mut posts = Packer::default();
        let mut place = 0;
        for (name, kind) in LISTS {
            let Some(value) = root.get(name) else { continue };
            let DeValue::Array(entries) = value.get_ref() else {
                self.faults.wrong(name, value, "a list of tables", format!("write [[{name}]], with two brackets"));
                continue;
            };
            for entry in entries.iter() {
                if place as usize == limits::POSTS_PER_FILE {
                    let reason = format!("a file holds at most {} posts", limits::POSTS_PER_FILE);
                    self.faults.error(entry.span(), reason, "split it into several files".to_owned());
                    return posts.finish();
                }
                if let Some(table) = self.faults.table(name, entry)
                    && let Some((post, body)) = self.entry(table, entry.span(), kind, place, &defaults)
                {
                    posts.push(post, &body);
                }
                place += 1;
            }
        }
        posts.finish()
    }

    fn check_keys(&mut self, table: &DeTable<'t>, known: &'static [&'static str], whose: &str) {
        for (key, _) in table.iter() {
            if !known.contains(&&**key.get_ref()) {
                self.faults.unknown(key, whose, known.iter().copied());
            }
        }
    }

    fn defaults<'v>(&mut self, table: &'v DeTable<'t>) -> Defaults<'v> {
        self.check_keys(table, DEFAULT_KEYS, "in \"defaults\"");
        Defaults {
            to: table.get("to").and_then(|value| self.accounts(value)),
            audience: self.line(table, "audience"),
            goal: table.get("goal").and_then(|value| self.faults.one_of("goal", value, GOALS)),
            lang: self.lang(table),
            tags: self.tags(table),
            visibility: self.visibility(table),
        }
    }

    /// The post, and the body that it is still to get.
    fn entry<'v>(
        &mut self,
        table: &'v DeTable<'t>,
        whole: Range<usize>,
        kind: Kind,
        place: u32,
        defaults: &Defaults<'v>,
    ) -> Option<(Post, String)> {
        self.trouble = None;
        self.media.clear();
        let (keys, whose) = match kind {
            Kind::Post => (POST_KEYS, "for a post"),
            Kind::Reply => (REPLY_KEYS, "for a reply"),
        };
        self.check_keys(table, keys, whose);
        let id = self.id(table, &whole);
        let to = self.to(table, &whole, kind, defaults);
        let is_post = kind == Kind::Post;
        let mut goal = table.get("goal").map(|value| self.faults.one_of("goal", value, GOALS));
        let mut body = Body {
            audience: self.line(table, "audience"),
            lang: self.lang(table),
            link: self.link(table),
            media: self.media(table),
            at: self.moment(table, "at"),
            not_before: self.moment(table, "not_before"),
            expires: self.moment(table, "expires"),
            series: self.line(table, "series"),
            tags: self.tags(table),
            text: table.get("text").and_then(|value| self.words("text", value, Shape::Prose)),
            thread: self.thread(table),
            // `true` is what holds without the key, and the same content.
            track: table.get("track").and_then(|value| self.faults.flag("track", value)).filter(|track| !track),
            visibility: self.visibility(table),
            warning: table.get("warning").and_then(|value| self.words("warning", value, Shape::Prose)),
            ..Body::default()
        };
        if is_post {
            body.lang = body.lang.or_else(|| defaults.lang.clone());
            body.tags = body.tags.or_else(|| defaults.tags.clone());
            body.visibility = body.visibility.or(defaults.visibility);
            body.audience = body.audience.or_else(|| defaults.audience.clone());
            goal = goal.or(defaults.goal.map(Some));
            if body.audience.is_none() && !table.contains_key("audience") {
                self.faults.missing(whole.clone(), "audience", "say who it is for".to_owned());
            }
            if goal.is_none() {
                let hint = "say what it is for: \"connection\", \"change\" or \"promotion\"";
                self.faults.missing(whole.clone(), "goal", hint.to_owned());
            }
            body.reply_to = self.reply_to(table, id.as_ref());
        } else {
            body.conversation = self.conversation(table, &whole);
        }
        body.goal = goal.flatten();
        body.priority = table
            .get("priority")
            .filter(|_| is_post)
            .and_then(|value| self.faults.integer("priority", value, i64::from(i32::MIN)..=i64::from(i32::MAX)))
            .and_then(|number| i32::try_from(number).ok());
        if is_post && let Some(value) = table.get("variant") {
            body.variant = self.variants(value, to.as_ref());
        }
        self.check_words(table, &whole, &body);
        self.check_times(table, &body);
        let approved = self.approval(table);

        // All of it was read, so that everything wrong with it is known; now it must be whole.
        let (id, to) = (id?, to?);
        body.id = Cow::Owned(id.as_str().to_owned());
        body.to = to.accounts.iter().map(|account| Cow::Owned(account.as_str().to_owned())).collect();
        let unhashed = std::iter::once(&body.media)
            .chain(body.variant.values().map(|variant| &variant.media))
            .flatten()
            .flatten()
            .any(|item| item.sha256.is_none());
        let written = body.write();
        let digest = digest::digest(&written);
        let approval = match (self.around.approval, approved) {
            (ApprovalMode::None, _) => Approval::Approved,
            // What is signed stands beside the file, and whoever knows that says so afterwards.
            (ApprovalMode::Signed, _) => Approval::NotApproved,
            (ApprovalMode::Digest, Some(approved)) if approved == digest => Approval::Approved,
            // Whether the approval still holds can be told only when the file is back.
            (ApprovalMode::Digest, None) => Approval::NotApproved,
            (ApprovalMode::Digest, Some(_)) if unhashed => Approval::NotApproved,
            (ApprovalMode::Digest, Some(_)) => Approval::Stale,
        };
        let rare = Rare {
            series: body.series.as_deref().map(Into::into),
            at: body.at,
            not_before: body.not_before,
            expires: body.expires,
            trouble: self.trouble.take(),
            media: std::mem::take(&mut self.media).into_iter().filter(|found| found.facts.is_some()).collect(),
            unapproved: None,
        };
        let post = Post {
            id,
            kind,
            to: self.shared(to.accounts),
            goal: body.goal.unwrap_or(Goal::Connection),
            priority: body.priority.unwrap_or(0),
            order: Order { file: self.file.clone(), place },
            digest,
            approval,
            rare: rare.into(),
            answers_ours: body.reply_to.is_some(),
            body: Packed::default(),
        };
        Some((post, written))
    }

    fn id(&mut self, table: &DeTable<'t>, whole: &Range<usize>) -> Option<PostId> {
        let Some(value) = table.get("id") else {
            self.faults.missing(whole.clone(), "id", "give it an id that no other post has".to_owned());
            return None;
        };
        let text = self.faults.text("id", value)?;
        match PostId::new(text) {
            Ok(id) => {
                if let Some(first) = self.ids.insert(id.clone(), value.span()) {
                    let line = self.faults.place(first.clone()).line;
                    let hint = format!("the first one is in line {line}; give one of them another id");
                    self.faults.error(value.span(), format!("the id {id} stands twice in this file"), hint);
                    self.ids.insert(id.clone(), first);
                }
                Some(id)
            }
            Err(cause) => {
                let hint = "write a-z, 0-9, '.', '_' and '-', such as \"2026-11-desk-story\"".to_owned();
                self.faults.error(value.span(), format!("the id {} is refused: {cause}", quoted(text)), hint);
                None
            }
        }
    }

    fn to(&mut self, table: &DeTable<'t>, whole: &Range<usize>, kind: Kind, defaults: &Defaults<'_>) -> Option<To> {
        let to = match (table.get("to"), kind) {
            (Some(value), Kind::Post) => self.accounts(value),
            (Some(value), Kind::Reply) => {
                let id = match value.get_ref() {
                    DeValue::String(text) => self.account(text, value),
                    _ => {
                        self.faults.wrong("to", value, "one account", "write to = \"ACCOUNT\"".to_owned());
                        None
                    }
                };
                id.map(|(account, trouble)| To { accounts: vec![account], trouble })
            }
            (None, Kind::Post) if defaults.to.is_some() => defaults.to.clone(),
            (None, _) => {
                self.faults.missing(whole.clone(), "to", "say which accounts publish it".to_owned());
                None
            }
        }?;
        if let Some(why) = &to.trouble {
            self.trouble.get_or_insert(Trouble::Invalid(why.as_str().into()));
        }
        Some(to)
    }

    fn accounts(&mut self, value: &Value<'t>) -> Option<To> {
        let list = self.faults.list("to", value, "texts")?;
        if list.is_empty() {
            self.faults.error(value.span(), "\"to\" names no account", None);
            return None;
        }
        let mut to = To::default();
        for item in list.iter() {
            let text = self.faults.text("to", item)?;
            let (account, trouble) = self.account(text, item)?;
            if to.accounts.contains(&account) {
                self.faults.warning(item.span(), format!("\"to\" names {account} twice"), None);
                continue;
            }
            to.trouble = to.trouble.or(trouble);
            to.accounts.push(account);
        }
        Some(to)
    }

    fn shared(&mut self, accounts: Vec<AccountId>) -> Arc<[AccountId]> {
        if let Some(list) = self.lists.get(&*accounts) {
            return list.clone();
        }
        let list: Arc<[AccountId]> = accounts.into();
        self.lists.insert(list.clone());
        list
    }

    /// An account; and what stands against it.
    fn account(&mut self, text: &str, value: &Value<'t>) -> Option<(AccountId, Option<String>)> {
        let account = match AccountId::new(text) {
            Ok(account) => account,
            Err(cause) => {
                let reason = format!("the account {} is refused: {cause}", quoted(text));
                self.faults.error(value.span(), reason, None);
                return None;
            }
        };
        let Some(known) = self.around.accounts else { return Some((account, None)) };
        // A million posts share the names that the configuration has.
        if let Some(account) = known.get(&account) {
            return Some((account.clone(), None));
        }
        let reason = format!("there is no account {account} in the configuration");
        let names = || known.iter().map(AccountId::as_str);
        let hint = match nearest(text, names()) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if known.len() <= 12 => Some(format!("accounts: {}", names().collect::<Vec<_>>().join(", "))),
            None => None,
        };
        self.faults.trouble(value.span(), reason.clone(), hint);
        Some((account, Some(reason)))
    }

    fn conversation(&mut self, table: &'_ DeTable<'t>, whole: &Range<usize>) -> Option<Words<'static>> {
        let Some(value) = table.get("conversation") else {
            self.faults.missing(whole.clone(), "conversation", "give the URL or URI of the post to answer".to_owned());
            return None;
        };
        let text = self.faults.text("conversation", value)?;
        if !is_address(text) {
            let hint = "give the URL or URI of the post to answer";
            let reason = "no conversation of that id is known";
            self.faults.trouble(value.span(), reason, hint.to_owned());
            let why = format!("{reason}; {hint}");
            self.trouble.get_or_insert(Trouble::Invalid(why.into()));
        }
        Some(Cow::Owned(text.to_string()))
    }

    fn reply_to(&mut self, table: &DeTable<'t>, own: Option<&PostId>) -> Option<Words<'static>> {
        let value = table.get("reply_to")?;
        let text = self.faults.text("reply_to", value)?;
        if own.is_some_and(|own| own.as_str() == &**text) {
            self.faults.error(value.span(), "a post cannot answer itself", None);
        } else if !is_address(text) && PostId::new(text).is_err() {
            let hint = "give the id of a post of the queue, or the URL or URI of somebody's post".to_owned();
            self.faults.error(value.span(), format!("\"reply_to\" cannot be {}", quoted(text)), hint);
        }
        Some(Cow::Owned(text.to_string()))
    }

    fn variants<'v>(&mut self, value: &'v Value<'t>, to: Option<&To>) -> BTreeMap<Words<'v>, VariantBody<'v>> {
        let mut variants = BTreeMap::new();
        let Some(table) = self.faults.table("variant", value) else { return variants };
        for (key, value) in table.iter() {
            let name = key.get_ref();
            self.variant_account(key, to);
            let Some(own) = self.faults.table(name, value) else { continue };
            self.check_keys(own, VARIANT_KEYS, "in a variant");
            let variant = VariantBody {
                link: self.link(own),
                media: self.media(own),
                tags: self.tags(own),
                text: own.get("text").and_then(|value| self.words("text", value, Shape::Prose)),
                thread: self.thread(own),
            };
            variants.insert(Cow::Borrowed(&**name), variant);
        }
        variants
    }

    fn variant_account(&mut self, key: &Spanned<Cow<'t, str>>, to: Option<&To>) {
        let name = key.get_ref();
        let Some(to) = to else { return };
        if to.accounts.iter().any(|account| account.as_str() == name) {
            return;
        }
        let names = || to.accounts.iter().map(AccountId::as_str);
        let hint = match nearest(name, names()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => "add it to \"to\", or leave the variant out".into(),
        };
        let reason = format!("a variant for {}, which \"to\" does not name", quoted(name));
        self.faults.error(key.span(), reason, hint);
    }

    fn media<'v>(&mut self, table: &'v DeTable<'t>) -> Option<Vec<MediaBody<'v>>> {
        let value = table.get("media")?;
        let list = self.faults.list("media", value, "tables")?;
        let mut all = Vec::with_capacity(list.len());
        for item in list.iter() {
            let DeValue::Table(table) = item.get_ref() else {
                let hint = "write { file = \"img/desk.jpg\", alt = \"…\" }".to_owned();
                self.faults.wrong("media", item, "a list of tables", hint);
                continue;
            };
            all.extend(self.media_item(table, item));
        }
        Some(all)
    }

    fn media_item<'v>(&mut self, table: &'v DeTable<'t>, whole: &Value<'t>) -> Option<MediaBody<'v>> {
        self.check_keys(table, MEDIA_KEYS, "for a media file");
        let alt = table.get("alt").and_then(|value| self.words("alt", value, Shape::Prose));
        let declared = table.get("sha256").and_then(|value| {
            let text = self.faults.text("sha256", value)?;
            let digest = Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text));
            if digest.is_err() {
                let hint = "write the 64 digits that sha256sum prints".to_owned();
                self.faults.error(value.span(), "\"sha256\" is no SHA-256", hint);
            }
            digest.ok()
        });
        let Some(value) = table.get("file") else {
            self.faults.missing(whole.span(), "file", None);
            return None;
        };
        let file = self.faults.text("file", value)?;
        if let Err(why) = media_path(file) {
            let hint = "write a path below the queue file's folder, such as \"img/desk.jpg\"".to_owned();
            self.faults.error(value.span(), format!("the media path {} {why}", quoted(file)), hint);
            return None;
        }
        if !self.hashes.contains_key(&**file) {
            let found = (self.around.media)(file);
            self.hashes.insert(file.to_string(), found);
        }
        let trouble = match (self.hashes.get(&**file), declared) {
            (Some(Err(why)), _) => Some((format!("the media file {} cannot be used: {why}", quoted(file)), None)),
            (Some(Ok(found)), Some(declared)) if found.sha256 != declared => Some((
                format!("the media file {} is not the one that \"sha256\" names", quoted(file)),
                Some(format!("it is {}", found.sha256.hex())),
            )),
            _ => None,
        };
        let found = self.hashes.get(&**file).and_then(|found| found.as_ref().ok()).cloned();
        self.media.extend(found.clone());
        if let Some((reason, hint)) = trouble {
            self.trouble.get_or_insert(Trouble::Media(reason.as_str().into()));
            self.faults.trouble(value.span(), reason, hint);
        }
        let sha256 = declared.or(found.map(|found| found.sha256)).map(|digest| Cow::Owned(digest.hex()));
        Some(MediaBody { alt, file: Cow::Borrowed(&**file), sha256 })
    }

    fn link<'v>(&mut self, table: &'v DeTable<'t>) -> Option<Words<'v>> {
        let value = table.get("link")?;
        let text = self.faults.text("link", value)?;
        let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || is_bidi(c));
        let good = plain
            && url::Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|h| !h.is_empty())
            });
        if !good {
            let reason = format!("\"link\" cannot be {}", quoted(text));
            self.faults.error(value.span(), reason, "write a URL that begins with https:// or http://".to_owned());
            return None;
        }
        Some(Cow::Borrowed(&**text))
    }

    fn lang<'v>(&mut self, table: &'v DeTable<'t>) -> Option<Words<'v>> {
        let value = table.get("lang")?;
        let text = self.faults.text("lang", value)?;
        let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let first = text.split('-').next().unwrap_or_default();
        let good = text.len() <= 35
            && text.split('-').all(part)
            && first.len() >= 2
            && first.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !good {
            let reason = format!("\"lang\" cannot be {}", quoted(text));
            self.faults.error(value.span(), reason, "write a language tag such as \"en\" or \"pt-BR\"".to_owned());
            return None;
        }
        Some(Cow::Borrowed(&**text))
    }

    fn tags<'v>(&mut self, table: &'v DeTable<'t>) -> Option<Vec<Words<'v>>> {
        let value = table.get("tags")?;
        let list = self.faults.list("tags", value, "texts")?;
        let mut tags = Vec::with_capacity(list.len());
        for item in list.iter() {
            let Some(tag) = self.words("tags", item, Shape::Line) else { continue };
            if let Some(bare) = tag.strip_prefix('#') {
                self.faults.error(item.span(), "a tag is written without '#'", format!("write {bare:?}"));
            } else if tag.contains(char::is_whitespace) {
                let reason = format!("the tag {} holds a space", quoted(&tag));
                self.faults.error(item.span(), reason, "write it as one word".to_owned());
            }
            tags.push(tag);
        }
        Some(tags)
    }

    fn thread<'v>(&mut self, table: &'v DeTable<'t>) -> Option<Vec<Words<'v>>> {
        let value = table.get("thread")?;
        let list = self.faults.list("thread", value, "texts")?;
        let mut parts = Vec::with_capacity(list.len());
        for item in list.iter() {
            let Some(part) = self.words("thread", item, Shape::Prose) else { continue };
            if part.trim().is_empty() {
                self.faults.error(item.span(), "a part of the thread is empty", None);
            }
            parts.push(part);
        }
        Some(parts)
    }

    fn visibility(&mut self, table: &DeTable<'t>) -> Option<Visibility> {
        table.get("visibility").and_then(|value| self.faults.one_of("visibility", value, VISIBILITIES))
    }

    fn moment(&mut self, table: &DeTable<'t>, key: &str) -> Option<Timestamp> {
        table.get(key).and_then(|value| self.faults.moment(key, value))
    }

    fn line<'v>(&mut self, table: &'v DeTable<'t>, key: &str) -> Option<Words<'v>> {
        table.get(key).and_then(|value| self.words(key, value, Shape::Line))
    }

    /// A text, with lines ended as everywhere.
    fn words<'v>(&mut self, key: &str, value: &'v Value<'t>, shape: Shape) -> Option<Words<'v>> {
        let text = self.faults.text(key, value)?;
        if text.len() > limits::TEXT_BYTES {
            let reason = format!("{key:?} is longer than {} bytes", limits::TEXT_BYTES);
            self.faults.error(value.span(), reason, None);
            return None;
        }
        let words = if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(&**text) };
        let prose = shape == Shape::Prose;
        let refused = |c: char| {
            c.is_control() && !(prose && matches!(c, '\n' | '\t')) || !prose && (is_bidi(c) || is_line_end(c))
        };
        if let Some(c) = words.chars().find(|&c| refused(c)) {
            let reason = format!("{key:?} holds the control character U+{:04X}", u32::from(c));
            self.faults.error(value.span(), reason, "leave it out".to_owned());
            return None;
        }
        if !prose && words.trim().is_empty() {
            self.faults.error(value.span(), format!("{key:?} is empty"), None);
            return None;
        }
        if let Some(c) = words.chars().find(|&c| is_override(c)) {
            let reason = format!("{key:?} holds U+{:04X}, which can make text look other than it is", u32::from(c));
            self.faults.warning(value.span(), reason, None);
        }
        Some(words)
    }

    /// There must be something to say, on each account.
    fn check_words(&mut self, table: &DeTable<'t>, whole: &Range<usize>, body: &Body<'_>) {
        let empty = |text: Option<&Words<'_>>, media: Option<&Vec<MediaBody<'_>>>| {
            text.is_none_or(|text| text.trim().is_empty()) && media.is_none_or(Vec::is_empty)
        };
        let hint = "write a text, or add media".to_owned();
        // What was refused is there, but not in the body.
        let written = |table: &DeTable<'t>| ["text", "media"].map(|key| table.get(key).map(Spanned::span));
        match written(table) {
            _ if !empty(body.text.as_ref(), body.media.as_ref()) => {}
            [None, None] => self.faults.missing(whole.clone(), "text", hint),
            [Some(span), _] if body.text.is_some() => self.faults.error(span, "the text is empty", hint),
            [None, Some(span)]
                if table
                    .get("media")
                    .is_some_and(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty())) =>
            {
                self.faults.error(span, "there is no text, and no media", hint);
            }
            _ => {}
        }
        for (account, variant) in &body.variant {
            let media = variant.media.as_ref().or(body.media.as_ref());
            let own = table.get("variant").and_then(|value| value.get_ref().get(&**account)).and_then(|value| {
                let text = value.get_ref().get("text").filter(|_| variant.text.is_some())?;
                Some(text.span())
            });
            if let Some(span) = own.filter(|_| empty(variant.text.as_ref(), media)) {
                self.faults.error(span, "the text is empty", "write a text, or add media".to_owned());
            }
        }
    }

    fn check_times(&mut self, table: &DeTable<'t>, body: &Body<'_>) {
        let span = |key: &str| table.get(key).map(Spanned::span).unwrap_or_default();
        if let (Some(from), Some(until)) = (body.not_before, body.expires)
            && from >= until
        {
            let reason = "it expires before \"not_before\"";
            self.faults.error(span("expires"), reason, "let \"expires\" be later".to_owned());
        } else if let Some(at) = body.at {
            if body.not_before.is_some_and(|from| at < from) {
                self.faults.error(span("at"), "\"at\" is before \"not_before\"", None);
            }
            if body.expires.is_some_and(|until| at >= until) {
                self.faults.error(span("at"), "\"at\" is after \"expires\"", None);
            }
        }
    }

    /// The digest that was approved.
    fn approval(&mut self, table: &DeTable<'t>) -> Option<Digest> {
        let value = table.get("approval")?;
        // What counts for nothing is not wrong in itself.
        if self.around.approval == ApprovalMode::Signed {
            let hint = "take it out; cadenced approve --sign approves".to_owned();
            self.faults.warning(value.span(), "this approval does not count: approvals are signed here", hint);
            return None;
        }
        let table = self.faults.table("approval", value)?;
        self.check_keys(table, APPROVAL_KEYS, "in an approval");
        self.line(table, "by");
        self.moment(table, "at");
        let Some(digest) = table.get("digest") else {
            self.faults.missing(value.span(), "digest", "let cadenced approve write the approval".to_owned());
            return None;
        };
        let text = self.faults.text("digest", digest)?;
        match text.parse() {
            Ok(digest) => Some(digest),
            Err(cause) => {
                let reason = format!("the approval's digest is refused: {cause}");
                self.faults.error(digest.span(), reason, "let cadenced approve write the approval".to_owned());
                None
            }
        }
    }
}

/// Whether a text is the address of a post: a URL, or an AT URI.
fn is_address(text: &str) -> bool {
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || is_bidi(c)) {
        return false;
    }
    if let Some(rest) = text.strip_prefix("at://") {
        return !rest.is_empty();
    }
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
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

fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_bidi(c: char) -> bool {
    is_override(c) || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// The place of an entry's key, for messages about a post that was read before.
pub fn place(text: &Text<'_>, places: &[Places], order: &Order, key: &str, account: Option<&AccountId>) -> Place {
    match places.get(order.place as usize) {
        Some(entry) => text.place(entry.of(key, account)),
        None => Place::file(&order.file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MediaFacts;

    use proptest::prelude::*;

    /// What a text says, read in both ways: entry by entry if that can be done, and as a whole if nothing is wrong.
    fn both(text: &str) -> (Option<Vec<Post>>, Option<Vec<Post>>) {
        let file: Arc<str> = "a.toml".into();
        let mut media = |_: &str| Ok(Digest([7; 32]).into());
        let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
        let text = Text::new(&file, text.as_bytes(), &mut Vec::new()).unwrap();
        let mut reader = Reader::new(Faults::new(&text, Vec::new()), &mut around, &file, BTreeMap::new());
        let pieces = reader.entry_by_entry(&text);
        let mut reader = Reader::new(Faults::new(&text, Vec::new()), &mut around, &file, BTreeMap::new());
        let root = text.parse(&mut reader.faults);
        let posts = reader.file(&root);
        (pieces, (!reader.faults.any()).then_some(posts))
    }

    const POST: &str = "to = ['a']\naudience = 'x'\ngoal = 'change'\ntext = 't'\n";
    const REPLY: &str = "to = 'a'\nconversation = 'https://x.example/1'\ntext = 't'\n";

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

    #[test]
    fn what_counts_for_nothing_where_approvals_are_signed_spoils_no_file() {
        for approval in ["{ by = 1, at = 'soon', digst = 2 }", "'yes'"] {
            let text = format!("[[post]]\nid = 'p'\n{POST}approval = {approval}\n");
            let read = |approval| {
                let mut media = |_: &str| Ok(Digest([7; 32]).into());
                read(
                    &"a.toml".into(),
                    text.as_bytes(),
                    &mut Surroundings { approval, accounts: None, media: &mut media },
                )
            };
            let reading = read(ApprovalMode::Signed);
            assert_eq!(reading.posts.unwrap()[0].approval, Approval::NotApproved);
            assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
            assert!(read(ApprovalMode::Digest).posts.is_none());
        }
    }

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

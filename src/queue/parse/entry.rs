//! One entry of a queue file: a table becomes a post, with the body that is approved.
//!
//! All of an entry is read before anything of it is given up, so that everything that is wrong with it is known at once.
//! What the parts of it mean is decided in the files beside this one; here they are put together, the file's `[defaults]`
//! behind what the entry says itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use toml::Spanned;

use crate::domain::document::{DeTable, Faults, Value, nearest, quoted};
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Goal, PostId, Visibility};
use crate::queue::digest::{self, Body, VariantBody, Words};
use crate::queue::{Kind, Order, Packed, Post, Rare, Trouble};

use super::accounts::{Accounts, To};
use super::keys::{DEFAULT_KEYS, GOALS, POST_KEYS, REPLY_KEYS, VARIANT_KEYS};
use super::media::{Media, Seen};
use super::texts::{self, is_address};
use super::{Surroundings, approved, checks};

const NO_CONVERSATION: &str = "no conversation of that id is known";
const GIVE_ITS_ADDRESS: &str = "give the URL or URI of the post to answer";

/// `[defaults]`.
#[derive(Default)]
pub(super) struct Defaults<'v> {
    to: Option<To>,
    audience: Option<Words<'v>>,
    goal: Option<Goal>,
    lang: Option<Words<'v>>,
    tags: Option<Vec<Words<'v>>>,
    visibility: Option<Visibility>,
}

/// Reads the entries of one file, one after the other.
pub(super) struct Entries<'r, 't> {
    pub(super) faults: Faults<'t>,
    approval: ApprovalMode,
    file: &'r Arc<str>,
    /// Ids of the file so far, with their places.
    ids: BTreeMap<PostId, Range<usize>>,
    accounts: Accounts<'r>,
    media: Media<'r>,
}

impl<'r, 't> Entries<'r, 't> {
    pub(super) fn new(faults: Faults<'t>, around: &'r mut Surroundings<'_>, file: &'r Arc<str>, seen: Seen) -> Self {
        let accounts = Accounts::new(around.accounts);
        let media = Media::new(&mut *around.media, seen);
        Self { faults, approval: around.approval, file, ids: BTreeMap::new(), accounts, media }
    }

    /// What was found of media files, for whoever reads the file anew.
    pub(super) fn into_seen(self) -> Seen {
        self.media.into_seen()
    }

    pub(super) fn defaults<'v>(&mut self, table: &'v DeTable<'t>) -> Defaults<'v> {
        self.faults.check_keys(table, "in \"defaults\"", DEFAULT_KEYS.iter().copied());
        let Self { faults, accounts, .. } = self;
        Defaults {
            to: table.get("to").and_then(|value| accounts.several(faults, value)),
            audience: texts::line(faults, table, "audience"),
            goal: table.get("goal").and_then(|value| faults.one_of("goal", value, GOALS)),
            lang: texts::lang(faults, table),
            tags: texts::tags(faults, table),
            visibility: texts::visibility(faults, table),
        }
    }

    /// The post, and the body that it is still to get.
    pub(super) fn entry<'v>(
        &mut self,
        table: &'v DeTable<'t>,
        whole: Range<usize>,
        kind: Kind,
        place: u32,
        defaults: &Defaults<'v>,
    ) -> Option<(Post, String)> {
        let (keys, whose) = match kind {
            Kind::Post => (POST_KEYS, "for a post"),
            Kind::Reply => (REPLY_KEYS, "for a reply"),
        };
        self.faults.check_keys(table, whose, keys.iter().copied());
        let id = self.id(table, &whole);
        let to = self.to(table, &whole, kind, defaults);
        let mut body = self.said(table);
        match kind {
            Kind::Post => self.said_of_a_post(&mut body, table, &whole, id.as_ref(), to.as_ref(), defaults),
            Kind::Reply => body.conversation = self.conversation(table, &whole),
        }
        checks::words(&mut self.faults, table, &whole, &body);
        checks::times(&mut self.faults, table, &body);
        let approved = approved::read(&mut self.faults, table, self.approval);
        let found = self.media.take();

        // All of it was read, so that everything wrong with it is known; now it must be whole.
        let (id, to) = (id?, to?);
        body.id = Cow::Owned(id.as_str().to_owned());
        body.to = to.accounts.iter().map(|account| Cow::Owned(account.as_str().to_owned())).collect();
        let written = body.write();
        let digest = digest::digest(&written);
        let misnamed = to.trouble.map(|why| Trouble::Invalid(why.as_str().into()));
        let rare = Rare {
            lapse: None,
            series: body.series.as_deref().map(Into::into),
            at: body.at,
            not_before: body.not_before,
            expires: body.expires,
            trouble: misnamed.or(found.trouble).or_else(|| no_such_conversation(&body)),
            media: found.files.into_iter().filter(|found| found.facts.is_some()).collect(),
            unapproved: None,
        };
        let post = Post {
            id,
            kind,
            to: self.accounts.shared(to.accounts),
            goal: body.goal.unwrap_or(Goal::Connection),
            priority: body.priority.unwrap_or(0),
            order: Order { file: self.file.clone(), place },
            digest,
            approval: approved::judge(self.approval, approved, &body, digest),
            rare: rare.into(),
            answers_ours: body.reply_to.is_some(),
            body: Packed::default(),
        };
        Some((post, written))
    }

    /// What an entry of either kind says.
    fn said<'v>(&mut self, table: &'v DeTable<'t>) -> Body<'v> {
        let Self { faults, media, .. } = self;
        Body {
            goal: table.get("goal").and_then(|value| faults.one_of("goal", value, GOALS)),
            audience: texts::line(faults, table, "audience"),
            lang: texts::lang(faults, table),
            link: texts::link(faults, table),
            media: media.list(faults, table),
            at: texts::moment(faults, table, "at"),
            not_before: texts::moment(faults, table, "not_before"),
            expires: texts::moment(faults, table, "expires"),
            series: texts::line(faults, table, "series"),
            tags: texts::tags(faults, table),
            text: texts::prose(faults, table, "text"),
            thread: texts::thread(faults, table),
            // `true` is what holds without the key, and the same content.
            track: table.get("track").and_then(|value| faults.flag("track", value)).filter(|track| !track),
            visibility: texts::visibility(faults, table),
            warning: texts::prose(faults, table, "warning"),
            ..Body::default()
        }
    }

    /// What only a post says, and what the defaults say where it says nothing.
    fn said_of_a_post<'v>(
        &mut self,
        body: &mut Body<'v>,
        table: &'v DeTable<'t>,
        whole: &Range<usize>,
        id: Option<&PostId>,
        to: Option<&To>,
        defaults: &Defaults<'v>,
    ) {
        body.lang = body.lang.take().or_else(|| defaults.lang.clone());
        body.tags = body.tags.take().or_else(|| defaults.tags.clone());
        body.visibility = body.visibility.or(defaults.visibility);
        body.audience = body.audience.take().or_else(|| defaults.audience.clone());
        if body.audience.is_none() && !table.contains_key("audience") {
            self.faults.missing(whole.clone(), "audience", "say who it is for".to_owned());
        }
        if !table.contains_key("goal") {
            body.goal = defaults.goal;
            if body.goal.is_none() {
                let hint = "say what it is for: \"connection\", \"change\" or \"promotion\"";
                self.faults.missing(whole.clone(), "goal", hint.to_owned());
            }
        }
        body.reply_to = self.reply_to(table, id);
        body.priority = table
            .get("priority")
            .and_then(|value| self.faults.integer("priority", value, i64::from(i32::MIN)..=i64::from(i32::MAX)))
            .and_then(|number| i32::try_from(number).ok());
        if let Some(value) = table.get("variant") {
            body.variant = self.variants(value, to);
        }
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
        match (table.get("to"), kind) {
            (Some(value), Kind::Post) => self.accounts.several(&mut self.faults, value),
            (Some(value), Kind::Reply) => self.accounts.one(&mut self.faults, value),
            (None, Kind::Post) if defaults.to.is_some() => defaults.to.clone(),
            (None, _) => {
                self.faults.missing(whole.clone(), "to", "say which accounts publish it".to_owned());
                None
            }
        }
    }

    fn conversation(&mut self, table: &DeTable<'t>, whole: &Range<usize>) -> Option<Words<'static>> {
        let Some(value) = table.get("conversation") else {
            self.faults.missing(whole.clone(), "conversation", GIVE_ITS_ADDRESS.to_owned());
            return None;
        };
        let text = self.faults.text("conversation", value)?;
        if !is_address(text) {
            self.faults.trouble(value.span(), NO_CONVERSATION, GIVE_ITS_ADDRESS.to_owned());
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
        let Self { faults, media, .. } = self;
        let Some(table) = faults.table("variant", value) else { return variants };
        for (key, value) in table.iter() {
            let name = key.get_ref();
            if let Some(to) = to {
                check_account(faults, key, &to.accounts);
            }
            let Some(own) = faults.table(name, value) else { continue };
            faults.check_keys(own, "in a variant", VARIANT_KEYS.iter().copied());
            let variant = VariantBody {
                link: texts::link(faults, own),
                media: media.list(faults, own),
                tags: texts::tags(faults, own),
                text: texts::prose(faults, own, "text"),
                thread: texts::thread(faults, own),
            };
            variants.insert(Cow::Borrowed(&**name), variant);
        }
        variants
    }
}

/// A variant is for one of the entry's accounts.
fn check_account<'t>(faults: &mut Faults<'t>, key: &Spanned<Cow<'t, str>>, accounts: &[AccountId]) {
    let name = key.get_ref();
    if accounts.iter().any(|account| account.as_str() == name) {
        return;
    }
    let hint = match nearest(name, accounts.iter().map(AccountId::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "add it to \"to\", or leave the variant out".into(),
    };
    let reason = format!("a variant for {}, which \"to\" does not name", quoted(name));
    faults.error(key.span(), reason, hint);
}

/// What stands against a reply to what is no address.
fn no_such_conversation(body: &Body<'_>) -> Option<Trouble> {
    body.conversation.as_deref().filter(|text| !is_address(text))?;
    Some(Trouble::Invalid(format!("{NO_CONVERSATION}; {GIVE_ITS_ADDRESS}").into()))
}

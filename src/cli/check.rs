//! `cadenced check`: the configuration, the queue, the media, what the platforms would refuse, and what is probably
//! not meant.
//!
//! Files are read one by one, and what is wrong with one is written before the next is opened. The checks over all
//! files (ids, fixed times, equal texts) come last.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil;

use crate::config::read::{Draft, draft};
use crate::config::{AccountSettings, ConfigEnv, Settings};
use crate::domain::document::{Text, nearest};
use crate::domain::fault::Severity;
use crate::domain::path::shown;
use crate::domain::time::{after, since};
use crate::domain::{AccountId, Content, DeliveryId, Digest, Fault, FoundMedia, Place, PostId, Timestamp};
use crate::platform::contract::examine::Need;
use crate::platform::contract::{Adapter, Complaint, Entry, Session, Table};
use crate::queue::digest::Body;
use crate::queue::parse::{self, Surroundings};
use crate::queue::signed::{self, Allowed, Beside, Verdict};
use crate::queue::{Kind, Order, Post};

use super::faults::{self, Look, Source};
use super::sprays::{self, Sprays};

/// Everything is as it should be.
pub const CLEAN: u8 = 0;
/// Something was found.
pub const FINDINGS: u8 = 1;
/// The configuration or the queue folder cannot be used.
pub const UNUSABLE: u8 = 2;

/// For how many answers to a post that is not there the nearest id is looked for.
const LOOKS: usize = 20;

/// The queue folder, as commands need it.
pub trait QueueFolder {
    /// The queue files to look at, in name order: the path relative to `folder`, with `/`, and the bytes or why they
    /// cannot be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    fn files<'f>(&'f self, folder: &Path) -> Result<QueueFiles<'f>, String>;

    /// One of them.
    ///
    /// # Errors
    /// It cannot be read.
    fn read(&self, folder: &Path, file: &str) -> Result<Vec<u8>, String>;

    /// SHA-256 of a media file, by its path as `file` writes it.
    ///
    /// # Errors
    /// It cannot be used.
    fn media(&self, folder: &Path, file: &str, path: &str) -> Result<FoundMedia, String>;

    /// Length of a media file in bytes, where it can be told.
    fn media_size(&self, folder: &Path, file: &str, path: &str) -> Option<u64>;

    /// What stands beside a queue file, where approvals are signed.
    fn beside(&self, folder: &Path, file: &str) -> Beside;

    /// Those whose signatures count, by the file that the configuration names.
    fn allowed(&self, path: &Path) -> Allowed;
}

/// Queue files, read as they are asked for.
pub type QueueFiles<'f> = Box<dyn Iterator<Item = (Arc<str>, Result<Vec<u8>, String>)> + 'f>;

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text(Look),
    /// One object a line: file, line, column, severity, reason, hint.
    Json,
}

/// What is to be checked.
pub struct Check<'a> {
    pub config_file: &'a Path,
    /// The bytes of the configuration, or why it cannot be read.
    pub config: Result<Vec<u8>, String>,
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<&'a str>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<&'a str>,
    pub registry: &'a [&'static Entry],
    pub now: Timestamp,
    pub format: Format,
    /// Whether a delivery is over, as far as the store can tell: then its times may be in the past.
    pub over: &'a dyn Fn(&DeliveryId) -> bool,
    /// When a delivery was sent, as far as the store can tell.
    pub sent: &'a dyn Fn(&DeliveryId) -> Option<Timestamp>,
}

/// Checks everything and writes what is found. The exit code: [`CLEAN`], [`FINDINGS`] or [`UNUSABLE`]. Warnings about
/// the configuration alone leave it [`CLEAN`].
///
/// # Errors
/// The output cannot be written to.
pub fn check(ask: &Check<'_>, folder: &dyn QueueFolder, out: &mut dyn Write) -> io::Result<u8> {
    let mut report = Report { out, format: ask.format, errors: 0, warnings: 0 };
    let config = match &ask.config {
        Ok(bytes) => bytes,
        Err(why) => {
            let place = Place::file(&shown(ask.config_file));
            report.fault(&Fault::error(place, format!("the configuration cannot be read: {why}")), Source::Nothing)?;
            return Ok(UNUSABLE);
        }
    };
    let text = String::from_utf8_lossy(config);
    let platforms = platform_keys(ask.registry);
    let env = ConfigEnv {
        state_directory: ask.state_directory,
        runtime_directory: ask.runtime_directory,
        platforms: &platforms,
    };
    let Draft { settings, faults: mut found, usable } = draft(ask.config_file, config, &env);
    let mut adapters = BTreeMap::new();
    if let Some(settings) = &settings {
        let (built, faults) = build(settings, ask.registry);
        adapters = built;
        found.extend(faults);
        found.extend(settings.accounts.values().flat_map(|account| quiet_slots(account, ask.now)));
    }
    found.sort();
    for fault in &found {
        report.fault(fault, Source::Config(&text))?;
    }
    let broken = !usable || found.iter().any(|fault| fault.severity == Severity::Error);
    let Some(settings) = settings.filter(|_| !broken) else {
        report.summary(0, 0)?;
        return Ok(UNUSABLE);
    };
    let quiet = (report.errors, report.warnings);
    let allowed = settings.queue.signers().map(|path| folder.allowed(path));
    if let Some((path, allowed)) = settings.queue.signers().zip(allowed.as_ref()) {
        signers(path, allowed, &mut report)?;
    }
    let mut sweep = Sweep {
        ask,
        settings: &settings,
        adapters: &adapters,
        folder,
        accounts: settings.accounts.keys().cloned().collect(),
        allowed,
        ids: BTreeMap::new(),
        fixed: BTreeMap::new(),
        said: BTreeMap::new(),
        sprays: Sprays::default(),
        answers: Vec::new(),
        late: BTreeMap::new(),
        files: 0,
    };
    let files = match folder.files(&settings.queue.path) {
        Ok(files) => files,
        Err(why) => {
            let place = Place::file(&shown(&settings.queue.path));
            report.fault(&Fault::error(place, format!("the queue folder cannot be read: {why}")), Source::Nothing)?;
            return Ok(UNUSABLE);
        }
    };
    for (file, bytes) in files {
        sweep.file(&file, bytes, &mut report)?;
    }
    sweep.over_all(&mut report)?;
    report.summary(sweep.files, sweep.ids.len())?;
    Ok(if (report.errors, report.warnings) == quiet { CLEAN } else { FINDINGS })
}

/// A line of a file that is no TOML; 0 is all of it.
fn line_of(file: &str, line: u32) -> Place {
    Place { line, column: line.min(1), ..Place::file(file) }
}

/// What is wrong with the file of those whose signatures count.
fn signers(path: &Path, allowed: &Allowed, report: &mut Report<'_>) -> io::Result<()> {
    let place = |line| line_of(&shown(path), line);
    let faults = match allowed {
        Ok(signers) => signers.faults.iter().map(|(line, why)| Fault::error(place(*line), why.as_str())).collect(),
        Err(why) => vec![Fault::error(place(0), format!("it cannot be read, so no approval counts: {why}"))],
    };
    faults.iter().try_for_each(|fault| report.fault(fault, Source::Nothing))
}

/// The keys of every platform's account table, as the reader of the configuration wants them.
pub fn platform_keys(registry: &[&'static Entry]) -> BTreeMap<&'static str, Vec<&'static str>> {
    registry.iter().map(|entry| (entry.name, entry.keys.iter().map(|key| key.name).collect())).collect()
}

/// Builds the adapter of every account. Complaints become faults at the keys they are about; two accounts that publish
/// to one place are one too many.
pub fn build(settings: &Settings, registry: &[&'static Entry]) -> (BTreeMap<AccountId, Arc<dyn Adapter>>, Vec<Fault>) {
    let base = settings.file.parent().unwrap_or(Path::new(""));
    let mut adapters: BTreeMap<AccountId, Arc<dyn Adapter>> = BTreeMap::new();
    let mut places: BTreeMap<(&str, String), &AccountId> = BTreeMap::new();
    let mut faults = Vec::new();
    for (id, account) in &settings.accounts {
        let Some(entry) = registry.iter().find(|entry| entry.name == account.platform) else { continue };
        let mut table = Table::new(id.clone(), account.table.clone(), base.to_owned());
        let adapter = (entry.build)(&mut table);
        faults.extend(
            table.into_complaints().into_iter().map(|complaint| fault(account.place(&complaint.key), complaint)),
        );
        let Some(adapter) = adapter else { continue };
        if adapter.keeps_tokens() && settings.seal.is_none() {
            let reason = format!(
                "a refresh on {} uses up the token of the account {id}, and the store has no key to seal the new one with",
                entry.name
            );
            let hint = "add to [store]: seal = { credential = \"NAME\" }, a secret of 32 characters or more";
            faults.push(Fault::error(account.place("platform"), reason).with_hint(hint));
        }
        if account.policy.budget.is_some() && adapter.cost(&Content::default()).is_nothing() {
            let reason = format!("\"budget\" has no effect: requests to {} have no price here", entry.name);
            faults.push(Fault::warning(account.place("budget"), reason));
        }
        for need in adapter.needs() {
            if let Need::Folder(folder) = need
                && let Some(what) = not_for_readers(settings, &folder)
            {
                let reason = format!("the account {id} publishes into {}, {what}", shown(&folder));
                let hint = "give the site a folder of its own: whoever serves it shows all that is in it";
                faults.push(Fault::error(account.place("path"), reason).with_hint(hint));
            }
        }
        if let Some(other) = places.insert((entry.name, adapter.place()), id) {
            let reason = format!("the account {id} publishes to the same place as {other}: {}", adapter.place());
            faults.push(Fault::error(account.place(""), reason).with_hint("remove one of them"));
        }
        adapters.insert(id.clone(), adapter);
    }
    (adapters, faults)
}

/// What of ours is in a folder, or around it, that everybody will read.
fn not_for_readers(settings: &Settings, folder: &Path) -> Option<&'static str> {
    let plain = |path: &Path| PathBuf::from(shown(path));
    let folder = plain(folder);
    let touches = |other: &Path| {
        let other = plain(other);
        other.starts_with(&folder) || folder.starts_with(&other)
    };
    if touches(&settings.store) {
        return Some("where the store is");
    }
    if touches(&settings.queue.path) {
        return Some("where the queue is");
    }
    plain(&settings.file).starts_with(&folder).then_some("where the configuration is")
}

fn fault(place: Place, complaint: Complaint) -> Fault {
    Fault { place, severity: Severity::Error, reason: complaint.reason, hint: complaint.hint }
}

/// Slots that never come because they lie in quiet hours.
fn quiet_slots(account: &AccountSettings, now: Timestamp) -> Vec<Fault> {
    /// A slot whose next so many moments are all quiet is taken to be always so.
    const LOOK: usize = 24;
    let mut faults = Vec::new();
    let covered = |time: civil::Time| account.policy.quiet.iter().any(|quiet| quiet.covers(time));
    for slot in &account.schedule.slots {
        let mut at = now.to_zoned(account.schedule.zone.clone()).datetime();
        let mut all_quiet = !account.policy.quiet.is_empty();
        for _ in 0..LOOK {
            match slot.pattern.find_next_occurrence(&at, false) {
                Ok(next) => at = next,
                Err(_) => break,
            }
            all_quiet &= covered(at.time());
            if !all_quiet {
                break;
            }
        }
        if all_quiet {
            let reason = format!("the slot {:?} lies in quiet hours and is never used", slot.text);
            faults.push(Fault::warning(account.place("slots"), reason));
        }
    }
    faults
}

/// What is found, as it is found.
struct Report<'o> {
    out: &'o mut dyn Write,
    format: Format,
    errors: usize,
    warnings: usize,
}

impl Report<'_> {
    fn fault(&mut self, fault: &Fault, source: Source<'_>) -> io::Result<()> {
        match fault.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        match self.format {
            Format::Text(look) => faults::write(self.out, fault, source, look),
            Format::Json => faults::write_json(self.out, fault),
        }
    }

    fn summary(&mut self, files: usize, posts: usize) -> io::Result<()> {
        if self.format == Format::Json {
            return Ok(());
        }
        let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
        let found = match (self.errors, self.warnings) {
            (0, 0) => "no problems".into(),
            (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        };
        writeln!(self.out, "{}, {}: {found}", count(files, "queue file"), count(posts, "post"))
    }
}

/// Something to say about a key of a post.
pub(super) struct Remark {
    pub order: Order,
    pub key: String,
    pub account: Option<AccountId>,
    pub severity: Severity,
    pub reason: String,
    pub hint: Option<String>,
}

impl Remark {
    pub fn warning(post: &Post, key: &str, reason: String) -> Self {
        let (order, key) = (post.order.clone(), key.to_owned());
        Self { order, key, account: None, severity: Severity::Warning, reason, hint: None }
    }
}

/// One look at all files.
struct Sweep<'s> {
    ask: &'s Check<'s>,
    settings: &'s Settings,
    adapters: &'s BTreeMap<AccountId, Arc<dyn Adapter>>,
    folder: &'s dyn QueueFolder,
    accounts: BTreeSet<AccountId>,
    /// Whose signatures count, where approvals are signed.
    allowed: Option<Allowed>,
    ids: BTreeMap<PostId, (Order, Digest)>,
    /// Fixed times ahead.
    fixed: BTreeMap<AccountId, Vec<(Timestamp, PostId, Order)>>,
    /// What people will see, by a hash of it.
    said: BTreeMap<(AccountId, u64), PostId>,
    sprays: Sprays,
    /// Posts that answer one of ours, with its id.
    answers: Vec<(Order, PostId, Arc<[AccountId]>)>,
    /// Remarks that only all files together give, by file.
    late: BTreeMap<Arc<str>, Vec<Remark>>,
    files: usize,
}

impl Sweep<'_> {
    fn file(&mut self, file: &Arc<str>, bytes: Result<Vec<u8>, String>, report: &mut Report<'_>) -> io::Result<()> {
        self.files += 1;
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(why) => {
                let place = shown(&self.settings.queue.path.join(&**file));
                let fault = Fault::error(Place::file(&place), format!("the file cannot be read: {why}"));
                return report.fault(&fault, Source::Nothing);
            }
        };
        // A file that cannot be used still tells what else is wrong with its posts.
        let parse::Draft { posts, faults, .. } = self.read(file, &bytes);
        let mut remarks = Vec::new();
        for post in &posts {
            self.post(post, &mut remarks);
        }
        self.write(file, &bytes, faults, remarks, report)?;
        self.signatures(file, &posts, report)
    }

    /// What is wrong with the approvals beside a file.
    fn signatures(&self, file: &Arc<str>, posts: &[Post], report: &mut Report<'_>) -> io::Result<()> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let folder = &self.settings.queue.path;
        let verdict = Verdict::new(file, &self.folder.beside(folder, file), allowed, self.ask.now);
        let place = |line| line_of(&shown(&folder.join(signed::beside(file))), line);
        if let Some(fault) = &verdict.fault {
            let fault = Fault { place: place(fault.place.line), ..fault.clone() };
            return report.fault(&fault, Source::Nothing);
        }
        if let Some(why) = verdict.why_nothing_counts() {
            report.fault(&Fault::warning(place(0), why), Source::Nothing)?;
        }
        for id in verdict.names().filter(|id| !posts.iter().any(|post| post.id == **id)) {
            let fault = Fault::warning(place(0), format!("it names {id}, and {file} holds no such post"));
            report.fault(&fault, Source::Nothing)?;
        }
        Ok(())
    }

    fn read(&self, file: &Arc<str>, bytes: &[u8]) -> parse::Draft {
        let (folder, path) = (self.folder, &self.settings.queue.path);
        let mut media = |media: &str| folder.media(path, file, media);
        let mut around =
            Surroundings { approval: self.settings.queue.approval, accounts: Some(&self.accounts), media: &mut media };
        parse::draft(file, bytes, &mut around)
    }

    /// Writes the faults of a file and the remarks about its posts, from top to bottom.
    fn write(
        &self,
        file: &Arc<str>,
        bytes: &[u8],
        mut faults: Vec<Fault>,
        remarks: Vec<Remark>,
        report: &mut Report<'_>,
    ) -> io::Result<()> {
        if faults.is_empty() && remarks.is_empty() {
            return Ok(());
        }
        let text = Text::new(file, bytes, &mut Vec::new()).ok();
        if let Some(text) = text.as_ref().filter(|_| !remarks.is_empty()) {
            let places = parse::locate(text);
            faults.extend(remarks.into_iter().map(|remark| Fault {
                place: parse::place(text, &places, &remark.order, &remark.key, remark.account.as_ref()),
                severity: remark.severity,
                reason: remark.reason,
                hint: remark.hint,
            }));
            faults.sort();
        }
        let place: Arc<str> = shown(&self.settings.queue.path.join(&**file)).into();
        for mut fault in faults {
            fault.place.file = place.clone();
            report.fault(&fault, text.as_ref().map_or(Source::Nothing, |text| Source::Queue(text.as_str())))?;
        }
        Ok(())
    }

    fn post(&mut self, post: &Post, remarks: &mut Vec<Remark>) {
        self.note_id(post, remarks);
        let body = post.body.read();
        let body = Body::read(&body);
        if let Some(answered) = body.reply_to.as_deref().and_then(|answered| PostId::new(answered).ok()) {
            self.answers.push((post.order.clone(), answered, post.to.clone()));
        }
        let mut past = false;
        let (mut texts, mut said_before) = (Vec::new(), false);
        for account in post.to.iter() {
            let Some(settings) = self.settings.accounts.get(account) else { continue };
            if settings.paused {
                remarks.push(Remark::warning(post, "to", format!("the account {account} is paused")));
            }
            let mut content = body.content(account);
            post.know_media(&mut content);
            if post.rare.trouble.is_none()
                && let Some(adapter) = self.adapters.get(account)
            {
                let link = body.tagged_link(account, &settings.links, adapter.platform());
                let tagged = link.map(|link| Content { link: Some(link), ..content.clone() });
                let complaints = adapter.check(tagged.as_ref().unwrap_or(&content), &Session::default());
                remarks.extend(complaints.into_iter().map(|complaint| Remark {
                    order: post.order.clone(),
                    key: complaint.key,
                    account: Some(account.clone()),
                    severity: Severity::Error,
                    reason: format!("{account}: {}", complaint.reason),
                    hint: complaint.hint,
                }));
            }
            said_before |= self.note_words(post, account, &content, remarks);
            self.note_cost(post, account, settings, &content, remarks);
            past |= self.note_times(post, account, settings, remarks);
            let delivery = DeliveryId::new(post.id.clone(), account.clone());
            let at = match (self.ask.sent)(&delivery) {
                Some(sent) => Some(sent),
                None if (self.ask.over)(&delivery) => continue,
                None => post.rare.at.or(post.rare.not_before),
            };
            texts.push(sprays::Said::new(account, settings, content, at));
        }
        let audience = body.audience.as_deref().unwrap_or_default();
        self.sprays.look(post, audience, texts, said_before, self.ask.now, remarks);
        if past {
            let (key, reason) = match post.rare.at {
                Some(at) => ("at", format!("{at} has passed")),
                None => ("expires", "the post has expired".into()),
            };
            remarks.push(Remark::warning(post, key, reason));
        }
    }

    /// A post that costs more than a month may goes out never.
    fn note_cost(
        &self,
        post: &Post,
        account: &AccountId,
        settings: &AccountSettings,
        content: &Content,
        remarks: &mut Vec<Remark>,
    ) {
        let cost = self.adapters.get(account).map(|adapter| adapter.cost(content).money);
        let Some((cost, budget)) = cost.zip(settings.policy.budget).filter(|(cost, budget)| cost > budget) else {
            return;
        };
        let reason =
            format!("{account}: it may cost {cost} USD, and the budget of a month is {budget}: it never goes out");
        remarks.push(Remark::warning(post, "to", reason));
    }

    fn note_id(&mut self, post: &Post, remarks: &mut Vec<Remark>) {
        let Some((first, digest)) = self.ids.get(&post.id) else {
            self.ids.insert(post.id.clone(), (post.order.clone(), post.digest));
            return;
        };
        let reason = format!("the id {} stands in {} too", post.id, first.file);
        let mut remark = Remark::warning(post, "id", reason);
        if *digest != post.digest {
            remark.severity = Severity::Error;
            remark.reason.push_str(", with different contents");
        }
        remark.hint = Some("remove one, or give it another id".into());
        remarks.push(remark);
    }

    /// The same thing said twice on one account; whether it is.
    fn note_words(&mut self, post: &Post, account: &AccountId, content: &Content, remarks: &mut Vec<Remark>) -> bool {
        if post.kind == Kind::Reply || content.text.trim().is_empty() {
            return false;
        }
        let mut hash = DefaultHasher::new();
        (content.text.trim(), &content.link).hash(&mut hash);
        content.media.iter().for_each(|item| item.sha256.hash(&mut hash));
        let first = self.said.entry((account.clone(), hash.finish())).or_insert_with(|| post.id.clone());
        if *first != post.id {
            let mut remark = Remark::warning(post, "text", format!("{first} says the same on {account}"));
            remark.account = Some(account.clone());
            remarks.push(remark);
            return true;
        }
        false
    }

    /// Notes fixed times; whether the post's time is over although the delivery is not.
    fn note_times(
        &mut self,
        post: &Post,
        account: &AccountId,
        settings: &AccountSettings,
        remarks: &mut Vec<Remark>,
    ) -> bool {
        let now = self.ask.now;
        let over = || (self.ask.over)(&DeliveryId::new(post.id.clone(), account.clone()));
        let Some(at) = post.rare.at else { return post.rare.expires.is_some_and(|expires| expires <= now) && !over() };
        if after(at, settings.policy.late_grace) < now {
            return !over();
        }
        let time = at.to_zoned(settings.schedule.zone.clone()).time();
        if settings.policy.quiet.iter().any(|quiet| quiet.covers(time)) {
            let reason = format!("{at} is in the quiet hours of {account}");
            remarks.push(Remark::warning(post, "at", reason));
        }
        self.fixed.entry(account.clone()).or_default().push((at, post.id.clone(), post.order.clone()));
        false
    }

    /// What only all files together show.
    fn over_all(&mut self, report: &mut Report<'_>) -> io::Result<()> {
        for (account, mut times) in std::mem::take(&mut self.fixed) {
            let Some(settings) = self.settings.accounts.get(&account) else { continue };
            times.sort();
            for pair in times.windows(2) {
                let [(first, other, _), (second, _, order)] = pair else { continue };
                if since(*second, *first) < settings.policy.min_gap {
                    let reason = format!("less than \"min_gap\" after {other} on {account}");
                    self.late.entry(order.file.clone()).or_default().push(Remark {
                        order: order.clone(),
                        key: "at".into(),
                        account: None,
                        severity: Severity::Warning,
                        reason,
                        hint: Some("one of them will go out late, or be missed".into()),
                    });
                }
            }
        }
        let mut looked = 0;
        for (order, answered, to) in std::mem::take(&mut self.answers) {
            let over = |account: &AccountId| (self.ask.over)(&DeliveryId::new(answered.clone(), account.clone()));
            if self.ids.contains_key(&answered) || to.iter().any(over) {
                continue;
            }
            // A look through all ids costs time; a queue full of such answers has one cause, and needs no more of them.
            looked += 1;
            let ids = self.ids.keys().map(PostId::as_str).filter(|_| looked <= LOOKS);
            let near = nearest(answered.as_str(), ids);
            self.late.entry(order.file.clone()).or_default().push(Remark {
                order,
                key: "reply_to".into(),
                account: None,
                severity: Severity::Warning,
                reason: format!("there is no post {answered} in the queue to be answered"),
                hint: near.map(|near| format!("did you mean {near:?}?")),
            });
        }
        for remark in self.sprays.remarks(&|file| self.folder.read(&self.settings.queue.path, file).unwrap_or_default())
        {
            self.late.entry(remark.order.file.clone()).or_default().push(remark);
        }
        for (file, remarks) in std::mem::take(&mut self.late) {
            let bytes = self.folder.read(&self.settings.queue.path, &file).unwrap_or_default();
            self.write(&file, &bytes, Vec::new(), remarks, report)?;
        }
        Ok(())
    }
}

//! The file as written becomes [`Settings`], or faults, all at once and each at its place.
//!
//! Nothing is opened and no environment is read here: what the text does not tell comes in as [`ConfigEnv`]. No
//! message quotes a value of an account's table, because it may be a secret that somebody wrote there by mistake.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use url::Url;

use crate::domain::document::{DeTable, DeValue, Faults, Text, Value, nearest, quoted};
use crate::domain::links::is_loopback;
use crate::domain::policy::{
    ApprovalMode, DeliveryRules, Missed, Policy, Promotion, Quiet, Retry, Schedule, Spray, Unanswered,
};
use crate::domain::secret::secret_ref;
use crate::domain::tagging::TAG_CHARS;
use crate::domain::time::parse_span;
use crate::domain::{AccountId, Dollars, Fault, Links, SecretRef, Timestamp};

use super::keys::{self, Key, names};
use super::settings::{
    AccountSettings, ChoreSettings, ControlSettings, DigestSettings, LogFormat, LogLevel, LogSettings, PeopleSettings,
    QueueSettings, SealSettings, Settings,
};
use super::values::{self, Refused};

/// Where the store is when neither the file nor `$STATE_DIRECTORY` says: the folder that systemd makes for us.
const STORE: &str = "/var/lib/cadenced/store";
/// Where the service manager puts the socket of the daemon that has that store.
const RUNTIME: &str = "/run/cadenced";

/// What the text alone does not tell.
#[derive(Debug, Clone, Copy)]
pub struct ConfigEnv<'a> {
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<&'a str>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<&'a str>,
    /// Every platform with the keys of its account table.
    pub platforms: &'a BTreeMap<&'static str, Vec<&'static str>>,
}

/// The policy that holds where nothing else is written.
pub fn default_policy() -> Policy {
    Policy {
        max_per_day: 4,
        min_gap: Duration::from_secs(2 * 3_600),
        missed: Missed::NextSlot,
        late_grace: Duration::from_secs(3_600),
        promotion: Promotion { share: 0.2, window: 10 },
        unanswered: Unanswered { max: 5, older_than: Duration::from_secs(24 * 3_600) },
        quiet: Vec::new(),
        runway_warn: Duration::from_secs(7 * 86_400),
        budget: None,
        spray: Spray::default(),
    }
}

/// The delivery rules that hold where nothing else is written.
pub fn default_rules() -> DeliveryRules {
    DeliveryRules {
        timeout: Duration::from_secs(60),
        settle: None,
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3_600), tries: 8 },
    }
}

/// How long a stop waits when nothing else is written.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(75);

/// The chores' times when nothing else is written.
pub fn default_chores() -> ChoreSettings {
    ChoreSettings {
        runway: "0 0 6 * * *".into(),
        upkeep: "0 17 * * * *".into(),
        accounts: "0 */5 * * * *".into(),
        sweep: "20 * * * * *".into(),
        retention: "0 43 3 * * *".into(),
        digest: "0 0 7 * * MON".into(),
    }
}

/// What is recorded about people when nothing else is written: a year and a month, so that a year can be compared with the
/// one before.
pub const PEOPLE: PeopleSettings = PeopleSettings { record: true, retention: Duration::from_secs(400 * 86_400) };

/// What was read, usable or not.
pub struct Draft {
    /// What could be understood, with defaults for the rest; `None` when the file was not looked at. Only good for
    /// finding more faults unless it is `usable`.
    pub settings: Option<Settings>,
    pub faults: Vec<Fault>,
    pub usable: bool,
}

/// Reads the configuration. `file` is its path, best an absolute one: relative paths in it are taken from its folder.
/// Beside the settings come the warnings. What only an adapter can tell of its account's table is left to it.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read(file: &Path, bytes: &[u8], env: &ConfigEnv<'_>) -> Result<(Settings, Vec<Fault>), Vec<Fault>> {
    let Draft { settings, faults, usable } = draft(file, bytes, env);
    settings.filter(|_| usable).map(|settings| (settings, faults.clone())).ok_or(faults)
}

/// As [`read`], for those who look for faults: what could be understood is given even when there are some.
pub fn draft(file: &Path, bytes: &[u8], env: &ConfigEnv<'_>) -> Draft {
    let shown: Arc<str> = file.display().to_string().into();
    let mut before = Vec::new();
    let text = match Text::new(&shown, bytes, &mut before) {
        Ok(text) => text,
        Err(fault) => {
            before.push(fault);
            return Draft { settings: None, faults: before, usable: false };
        }
    };
    let mut faults = Faults::new(&text, before);
    let root = text.parse(&mut faults);
    let base = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader { faults, base, env };
    let settings = reader.settings(file, &root);
    let usable = !reader.faults.any_errors();
    Draft { settings: Some(settings), faults: reader.faults.finish(), usable }
}

/// What holds for an account that says nothing else.
struct Common<'c> {
    zone: &'c TimeZone,
    policy: &'c Policy,
    rules: &'c DeliveryRules,
    links: &'c Links,
}

struct Reader<'r, 't> {
    faults: Faults<'t>,
    base: PathBuf,
    env: &'r ConfigEnv<'r>,
}

impl<'t> Reader<'_, 't> {
    fn settings(&mut self, file: &Path, root: &DeTable<'t>) -> Settings {
        self.check_keys(root, keys::ROOT, "at the top of the file");
        let zone = root.get("timezone").and_then(|value| self.zone(value)).unwrap_or(TimeZone::UTC);
        let policy = match self.section(root, "policy", keys::POLICY) {
            Some(table) => self.policy(table, &default_policy()),
            None => default_policy(),
        };
        let delivery = self.section(root, "delivery", keys::DELIVERY);
        let rules = delivery.map_or_else(default_rules, |table| self.rules(table, &default_rules()));
        let links = self.links(root, &Links::default());
        let stop_timeout = delivery.and_then(|table| self.span(table, "stop_timeout")).unwrap_or(STOP_TIMEOUT);
        let store = self.store(root);
        Settings {
            file: file.to_owned(),
            queue: self.queue(root),
            seal: self.seal(root),
            log: self.log(root),
            control: self.control(root, &store),
            store,
            stop_timeout,
            people: self.people(root),
            digest: self.digest(root),
            chores: self.chores(root),
            accounts: self.accounts(root, &Common { zone: &zone, policy: &policy, rules: &rules, links: &links }),
            zone,
        }
    }

    fn check_keys(&mut self, table: &DeTable<'t>, known: &'static [Key], whose: &str) {
        self.faults.check_keys(table, whose, names(known));
    }

    /// A table of the file, its keys checked.
    fn section<'v>(&mut self, table: &'v DeTable<'t>, name: &str, known: &'static [Key]) -> Option<&'v DeTable<'t>> {
        let section = self.faults.table(name, table.get(name)?)?;
        self.check_keys(section, known, &format!("in {name:?}"));
        Some(section)
    }

    fn queue(&mut self, root: &DeTable<'t>) -> QueueSettings {
        let mut queue =
            QueueSettings { path: self.base.join("queue"), approval: ApprovalMode::Digest, allowed_signers: None };
        let Some(table) = self.section(root, "queue", keys::QUEUE) else { return queue };
        if let Some(path) = self.path(table, "path") {
            queue.path = path;
        }
        if let Some(value) = table.get("approval") {
            let modes =
                [("digest", ApprovalMode::Digest), ("signed", ApprovalMode::Signed), ("none", ApprovalMode::None)];
            queue.approval = self.faults.one_of("approval", value, &modes).unwrap_or(queue.approval);
        }
        queue.allowed_signers = self.path(table, "allowed_signers");
        let named = table.get("allowed_signers").map(|value| value.span());
        match (queue.approval, table.get("approval"), named, &queue.allowed_signers) {
            (ApprovalMode::Signed, Some(value), None, _) => {
                let hint = "add allowed_signers = \"FILE\", with a line for each key that may approve".to_owned();
                self.faults.error(value.span(), "nothing says whose signatures count", hint);
            }
            (ApprovalMode::Signed, _, Some(span), Some(path)) if path.starts_with(&queue.path) => {
                let reason = "whoever may write to the queue folder can let anybody sign: this file lies in it";
                self.faults.warning(span, reason, "keep it elsewhere".to_owned());
            }
            (ApprovalMode::Signed, ..) | (_, _, None, _) => {}
            (_, _, Some(span), _) => {
                let reason = "\"allowed_signers\" has no effect: approvals are not signed here";
                self.faults.warning(span, reason, "set approval = \"signed\", or take it out".to_owned());
            }
        }
        queue
    }

    fn store(&mut self, root: &DeTable<'t>) -> PathBuf {
        let written = self.section(root, "store", keys::STORE).and_then(|table| self.path(table, "path"));
        written.unwrap_or_else(|| match first_folder(self.env.state_directory) {
            Some(folder) => folder.join("store"),
            None => PathBuf::from(STORE),
        })
    }

    fn seal(&mut self, root: &DeTable<'t>) -> Option<SealSettings> {
        let DeValue::Table(table) = root.get("store")?.get_ref() else { return None };
        let value = table.get("seal")?;
        Some(SealSettings { secret: self.secret(value)?, place: self.faults.place(value.span()) })
    }

    fn log(&mut self, root: &DeTable<'t>) -> LogSettings {
        let mut log = LogSettings { format: None, level: LogLevel::Info };
        let Some(table) = self.section(root, "log", keys::LOG) else { return log };
        let formats = [("json", LogFormat::Json), ("journald", LogFormat::Journald), ("pretty", LogFormat::Pretty)];
        log.format = table.get("format").and_then(|value| self.faults.one_of("format", value, &formats));
        let levels = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        if let Some(level) = table.get("level").and_then(|value| self.faults.one_of("level", value, &levels)) {
            log.level = level;
        }
        log
    }

    fn control(&mut self, root: &DeTable<'t>, store: &Path) -> ControlSettings {
        let table = self.section(root, "control", keys::CONTROL);
        let written = table.and_then(|table| self.path(table, "socket"));
        let runtime = first_folder(self.env.runtime_directory);
        // Commands are not run by the service manager, and have to find its daemon all the same.
        let runtime = runtime.or_else(|| (store == Path::new(STORE)).then(|| PathBuf::from(RUNTIME)));
        let socket = written.or_else(|| Some(runtime?.join("control.sock")));
        let mut control = ControlSettings { socket, listen: None, allow_remote: false, token: None };
        let Some(table) = table else { return control };
        if let Some(value) = table.get("allow_remote") {
            control.allow_remote = self.faults.flag("allow_remote", value).unwrap_or(false);
        }
        if let Some(value) = table.get("token") {
            control.token = self.secret(value);
        }
        if let Some(value) = table.get("listen") {
            control.listen = self.listen(value, control.allow_remote);
        }
        control
    }

    fn listen(&mut self, value: &Value<'t>, allow_remote: bool) -> Option<SocketAddr> {
        let text = self.faults.text("listen", value)?;
        let Ok(address) = text.parse::<SocketAddr>() else {
            let reason = format!("\"listen\" cannot be {}", quoted(text));
            self.faults.error(value.span(), reason, "write an address and a port: \"127.0.0.1:8321\"".to_owned());
            return None;
        };
        if !address.ip().is_loopback() && !allow_remote {
            let reason = format!("{address} can be reached from other machines");
            self.faults.error(value.span(), reason, "use 127.0.0.1, or set allow_remote = true".to_owned());
            return None;
        }
        Some(address)
    }

    fn secret(&mut self, value: &Value<'t>) -> Option<SecretRef> {
        let plain = self.owned(value)?;
        match secret_ref(&plain, &self.base) {
            Ok(reference) => Some(reference),
            Err((reason, hint)) => {
                self.faults.error(value.span(), reason, hint);
                None
            }
        }
    }

    fn people(&mut self, root: &DeTable<'t>) -> PeopleSettings {
        let mut people = PEOPLE;
        let Some(table) = self.section(root, "people", keys::PEOPLE) else { return people };
        if let Some(value) = table.get("record") {
            people.record = self.faults.flag("record", value).unwrap_or(people.record);
        }
        people.retention = self.positive(table, "retention").unwrap_or(people.retention);
        people
    }

    fn digest(&mut self, root: &DeTable<'t>) -> DigestSettings {
        let Some(table) = self.section(root, "digest", keys::DIGEST) else { return DigestSettings::default() };
        let file = self.path(table, "file");
        let token = table.get("token").and_then(|value| self.secret(value));
        let url = table.get("url").and_then(|value| self.own_address(value));
        DigestSettings { file, url, token }
    }

    /// An address of one's own that something is sent to.
    fn own_address(&mut self, value: &Value<'t>) -> Option<Url> {
        let text = self.faults.text("url", value)?;
        let url = Url::parse(text).ok().filter(|url| {
            let loopback = is_loopback(url);
            let plain = url.username().is_empty() && url.password().is_none();
            plain && url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
        });
        if url.is_none() {
            let reason = "\"url\" is no address that a digest may be sent to";
            let hint =
                "write \"https://host/path\"; http is for loopback addresses only, and a secret stands in `token`";
            self.faults.error(value.span(), reason, hint.to_owned());
        }
        url
    }

    fn chores(&mut self, root: &DeTable<'t>) -> ChoreSettings {
        let mut chores = default_chores();
        if let Some(table) = self.section(root, "chores", keys::CHORES) {
            for (name, chore) in [
                ("runway", &mut chores.runway),
                ("upkeep", &mut chores.upkeep),
                ("accounts", &mut chores.accounts),
                ("sweep", &mut chores.sweep),
                ("retention", &mut chores.retention),
                ("digest", &mut chores.digest),
            ] {
                let Some(value) = table.get(name) else { continue };
                let Some(text) = self.faults.text(name, value) else { continue };
                if text.split_ascii_whitespace().count() == 5 {
                    let hint = format!("write \"0 {}\"", text.trim());
                    self.faults.error(value.span(), "a chore's cron expression has six fields, seconds first", hint);
                } else if self.take(value, values::cron(text)).is_some() {
                    *chore = text.to_string();
                }
            }
        }
        chores
    }

    fn policy(&mut self, table: &DeTable<'t>, base: &Policy) -> Policy {
        let mut policy = base.clone();
        if let Some(count) = self.count(table, "max_per_day", 1) {
            policy.max_per_day = count;
        }
        if let Some(span) = self.span(table, "min_gap") {
            policy.min_gap = span;
        }
        if let Some(value) = table.get("missed") {
            let names = [("next-slot", Missed::NextSlot), ("skip", Missed::Skip), ("now", Missed::Now)];
            policy.missed = self.faults.one_of("missed", value, &names).unwrap_or(base.missed);
        }
        if let Some(span) = self.span(table, "late_grace") {
            policy.late_grace = span;
        }
        if let Some(inner) = self.section(table, "promotion", keys::PROMOTION) {
            if let Some(share) = inner.get("share").and_then(|value| self.share(value)) {
                policy.promotion.share = share;
            }
            if let Some(window) = self.count(inner, "window", 1) {
                policy.promotion.window = window;
            }
        }
        if let Some(inner) = self.section(table, "unanswered", keys::UNANSWERED) {
            if let Some(max) = self.count(inner, "max", 0) {
                policy.unanswered.max = max;
            }
            if let Some(span) = self.span(inner, "older_than") {
                policy.unanswered.older_than = span;
            }
        }
        if let Some(value) = table.get("quiet") {
            policy.quiet = self.quiet(value).unwrap_or_default();
        }
        if let Some(value) = table.get("spray") {
            let names = [("off", Spray::Off), ("warn", Spray::Warn), ("hold", Spray::Hold)];
            policy.spray = self.faults.one_of("spray", value, &names).unwrap_or(base.spray);
        }
        if let Some(span) = self.span(table, "runway_warn") {
            policy.runway_warn = span;
        }
        policy
    }

    fn quiet(&mut self, value: &Value<'t>) -> Option<Vec<Quiet>> {
        let list = self.faults.list("quiet", value, "texts")?;
        let mut all = Vec::new();
        for item in list.iter() {
            let Some(text) = self.faults.text("quiet", item) else { continue };
            all.extend(self.take(item, values::quiet(text)));
        }
        Some(all)
    }

    fn share(&mut self, value: &Value<'t>) -> Option<f64> {
        match self.number(value) {
            Some(share) if (0.0..=1.0).contains(&share) => Some(share),
            _ => {
                let hint = "write 0.2 for one post of five".to_owned();
                self.faults.error(value.span(), "\"share\" must be a number from 0 to 1", hint);
                None
            }
        }
    }

    fn number(&self, value: &Value<'t>) -> Option<f64> {
        match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    fn rules(&mut self, table: &DeTable<'t>, base: &DeliveryRules) -> DeliveryRules {
        let mut rules = *base;
        if let Some(span) = self.positive(table, "timeout") {
            rules.timeout = span;
        }
        if let Some(span) = self.positive(table, "settle") {
            rules.settle = Some(span);
        }
        if let Some(inner) = self.section(table, "retry", keys::RETRY) {
            if let Some(first) = self.positive(inner, "first") {
                rules.retry.first = first;
            }
            if let Some(max) = self.positive(inner, "max") {
                rules.retry.max = max;
            }
            if let Some(tries) = self.count(inner, "tries", 1) {
                rules.retry.tries = tries;
            }
            if rules.retry.max < rules.retry.first
                && let Some(value) = inner.get("max").or_else(|| inner.get("first"))
            {
                let reason = "the highest wait, \"max\", is shorter than the \"first\"";
                self.faults.error(value.span(), reason, "let \"max\" be at least \"first\"".to_owned());
            }
        }
        rules
    }

    fn links(&mut self, table: &DeTable<'t>, base: &Links) -> Links {
        let mut links = base.clone();
        let Some(inner) = self.section(table, "links", keys::LINKS) else { return links };
        if let Some(tag) = inner.get("tag").and_then(|value| self.faults.flag("tag", value)) {
            links.tag = tag;
        }
        links.source = self.tag_value(inner, "source").or(links.source);
        links.medium = self.tag_value(inner, "medium").unwrap_or(links.medium);
        links.campaign = self.tag_value(inner, "campaign").or(links.campaign);
        links
    }

    /// What a tag is to say.
    fn tag_value(&mut self, table: &DeTable<'t>, key: &str) -> Option<String> {
        let value = table.get(key)?;
        let text = self.faults.text(key, value)?;
        if text.trim().is_empty() || text.chars().count() > TAG_CHARS || text.chars().any(char::is_control) {
            let hint =
                format!("write a word or a few, at most {TAG_CHARS} characters; without the key the default holds");
            self.faults.error(value.span(), format!("{key:?} cannot be {}", quoted(text)), hint);
            return None;
        }
        Some(text.to_string())
    }

    fn accounts(&mut self, root: &DeTable<'t>, common: &Common<'_>) -> BTreeMap<AccountId, AccountSettings> {
        let mut accounts = BTreeMap::new();
        let Some(value) = root.get("accounts") else { return accounts };
        let Some(table) = self.faults.table("accounts", value) else { return accounts };
        for (key, value) in table.iter() {
            let id = match AccountId::new(key.get_ref()) {
                Ok(id) => Some(id),
                Err(cause) => {
                    let reason = format!("the account id {} is refused: {cause}", quoted(key.get_ref()));
                    self.faults.error(key.span(), reason, None);
                    None
                }
            };
            let Some(table) = self.faults.table(key.get_ref(), value) else { continue };
            let account = self.account(id, table, value, common);
            accounts.extend(account.map(|account| (account.id.clone(), account)));
        }
        accounts
    }

    fn account(
        &mut self,
        id: Option<AccountId>,
        table: &DeTable<'t>,
        whole: &Value<'t>,
        common: &Common<'_>,
    ) -> Option<AccountSettings> {
        let platform = self.platform(table, whole);
        let policy = Policy { budget: self.budget(table), ..self.policy(table, common.policy) };
        let rules = match self.section(table, "delivery", keys::ACCOUNT_DELIVERY) {
            Some(inner) => self.rules(inner, common.rules),
            None => *common.rules,
        };
        let links = self.links(table, common.links);
        let zone = table.get("timezone").and_then(|value| self.zone(value)).unwrap_or_else(|| common.zone.clone());
        let slots = self.slots(table, whole);
        let paused = table.get("paused").and_then(|value| self.faults.flag("paused", value)).unwrap_or(false);
        let identity = self.identity(table);
        let token_expires = table.get("token_expires").and_then(|value| self.moment("token_expires", value));
        let mut own = toml::Table::new();
        let mut places = BTreeMap::from([(String::new(), self.faults.place(whole.span()))]);
        for (key, value) in table.iter() {
            let name = key.get_ref();
            places.insert(name.to_string(), self.faults.place(value.span()));
            if !names(keys::ACCOUNT).chain(names(keys::POLICY)).any(|known| known == name) {
                own.extend(self.owned(value).map(|value| (name.to_string(), value)));
            }
        }
        Some(AccountSettings {
            id: id?,
            platform: platform?,
            schedule: Schedule { zone, slots },
            policy,
            rules,
            links,
            paused,
            identity,
            token_expires,
            table: own,
            places,
        })
    }

    /// The platform's name; and the keys that neither it nor we know are refused.
    fn platform(&mut self, table: &DeTable<'t>, whole: &Value<'t>) -> Option<String> {
        let platforms = self.env.platforms;
        let list = || platforms.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let Some(value) = table.get("platform") else {
            self.faults.missing(whole.span(), "platform", format!("known platforms: {}", list()));
            return None;
        };
        let name = self.faults.text("platform", value)?;
        let Some(own) = platforms.get(&**name) else {
            let hint = match nearest(name, platforms.keys().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known platforms: {}", list()),
            };
            self.faults.error(value.span(), format!("there is no platform {}", quoted(name)), hint);
            return None;
        };
        let known = names(keys::ACCOUNT).chain(names(keys::POLICY)).chain(own.iter().copied());
        self.faults.check_keys(table, &format!("for an account of the platform {name:?}"), known);
        Some(name.to_string())
    }

    fn slots(&mut self, table: &DeTable<'t>, whole: &Value<'t>) -> Vec<crate::domain::policy::Cron> {
        let mut slots = Vec::new();
        let value = table.get("slots");
        if let Some(value) = value {
            let Some(list) = self.faults.list("slots", value, "texts") else { return slots };
            for item in list.iter() {
                let Some(text) = self.faults.text("slots", item) else { continue };
                slots.extend(self.take(item, values::cron(text)));
            }
            if !list.is_empty() {
                return slots;
            }
        }
        let place = value.map_or(whole.span(), |value| value.span());
        let reason = "the account has no slots: only posts with a fixed time and replies go out";
        self.faults.warning(place, reason, "write slots = [\"0 9 * * *\"]".to_owned());
        slots
    }

    fn budget(&mut self, table: &DeTable<'t>) -> Option<Dollars> {
        let value = table.get("budget")?;
        let amount = self.number(value).and_then(Dollars::read).filter(|amount| amount.0 > 0);
        if amount.is_none() {
            let hint = "write budget = 20.0 for 20 US dollars a month; paused = true stops an account".to_owned();
            self.faults.error(value.span(), "\"budget\" must be a number of US dollars, more than none", hint);
        }
        amount
    }

    fn identity(&mut self, table: &DeTable<'t>) -> Option<String> {
        let value = table.get("identity")?;
        let text = self.faults.text("identity", value)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.faults.error(value.span(), "\"identity\" is no id of an account", None);
            return None;
        }
        Some(text.to_string())
    }

    /// A date, which counts as its first moment in UTC, or a moment with its offset; both with and without quotes.
    fn moment(&mut self, key: &str, value: &Value<'t>) -> Option<Timestamp> {
        let text = match value.get_ref() {
            DeValue::Datetime(moment) => moment.to_string(),
            _ => self.faults.text(key, value)?.to_string(),
        };
        let date = |text: &str| Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let moment = text.parse().ok().or_else(|| date(&text));
        if moment.is_none() {
            let hint = "write it as 2027-01-30, or as 2027-01-30T09:00:00Z".to_owned();
            self.faults.error(value.span(), format!("{key:?} is no date"), hint);
        }
        moment
    }

    fn zone(&mut self, value: &Value<'t>) -> Option<TimeZone> {
        let text = self.faults.text("timezone", value)?;
        self.take(value, values::zone(text))
    }

    /// A path; a relative one is relative to the file.
    fn path(&mut self, table: &DeTable<'t>, key: &str) -> Option<PathBuf> {
        let value = table.get(key)?;
        let text = self.faults.text(key, value)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.faults.error(value.span(), format!("{key:?} is no path"), None);
            return None;
        }
        Some(self.base.join(&**text))
    }

    fn count(&mut self, table: &DeTable<'t>, key: &str, least: i64) -> Option<u32> {
        let number = self.faults.integer(key, table.get(key)?, least..=i64::from(u32::MAX))?;
        u32::try_from(number).ok()
    }

    fn span(&mut self, table: &DeTable<'t>, key: &str) -> Option<Duration> {
        let value = table.get(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                let hint = format!("write {key} = \"{}s\" for seconds", number.as_str());
                self.faults.wrong(key, value, "a span of time in quotes", hint);
                return None;
            }
            _ => {
                self.faults.wrong(key, value, "a span of time in quotes", "write \"90s\", \"2h\" or \"7d\"".to_owned());
                return None;
            }
        };
        match parse_span(text) {
            Ok(span) => Some(span),
            Err(why) => {
                self.faults.error(value.span(), format!("{key:?} cannot be {}", quoted(text)), why.to_owned());
                None
            }
        }
    }

    /// A span that must not be zero.
    fn positive(&mut self, table: &DeTable<'t>, key: &str) -> Option<Duration> {
        let span = self.span(table, key)?;
        if span.is_zero()
            && let Some(value) = table.get(key)
        {
            self.faults.error(value.span(), format!("{key:?} must be longer than nothing"), None);
            return None;
        }
        Some(span)
    }

    fn take<T>(&mut self, value: &Value<'t>, result: Result<T, Refused>) -> Option<T> {
        match result {
            Ok(good) => Some(good),
            Err(Refused { reason, hint }) => {
                self.faults.error(value.span(), reason, hint);
                None
            }
        }
    }

    /// The value without its place.
    fn owned(&mut self, value: &Value<'t>) -> Option<toml::Value> {
        Some(match value.get_ref() {
            DeValue::String(text) => toml::Value::String(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => toml::Value::Integer(number),
                Err(_) => {
                    self.faults.error(value.span(), "the number is too large", None);
                    return None;
                }
            },
            DeValue::Float(number) => toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
            DeValue::Datetime(moment) => toml::Value::Datetime(*moment),
            DeValue::Array(list) => toml::Value::Array(list.iter().filter_map(|item| self.owned(item)).collect()),
            DeValue::Table(table) => toml::Value::Table(
                table.iter().filter_map(|(key, value)| Some((key.get_ref().to_string(), self.owned(value)?))).collect(),
            ),
        })
    }
}

/// systemd may name several folders, with colons between; the first is ours.
fn first_folder(folders: Option<&str>) -> Option<PathBuf> {
    let first = folders?.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

/// Whether a line of the configuration may be shown to people and logs: nothing in it can be a secret.
pub fn may_show(line: &str) -> bool {
    const NO_SECRETS: &[&[Key]] = &[
        keys::QUEUE,
        keys::STORE,
        keys::LOG,
        keys::POLICY,
        keys::PROMOTION,
        keys::UNANSWERED,
        keys::PEOPLE,
        keys::DELIVERY,
        keys::RETRY,
        keys::LINKS,
        keys::CHORES,
    ];
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.starts_with('[') && !line.contains('=') {
        return true;
    }
    let Some((key, value)) = line.split_once('=') else { return false };
    let key = key.trim();
    let known = NO_SECRETS.iter().flat_map(|keys| keys.iter()).any(|known| known.name == key)
        || [
            "timezone",
            "platform",
            "slots",
            "paused",
            "links",
            "identity",
            "budget",
            "token_expires",
            "socket",
            "listen",
            "allow_remote",
        ]
        .contains(&key);
    known && (!value.contains('{') || ["promotion", "unanswered", "retry", "links"].contains(&key))
}

//! Every event that the log can hold. `docs/events.md` lists the same, and a test compares.
//!
//! Levels: error, somebody must act; warn, odd but still working; info, a change that a user can notice; debug, how
//! it came about. Text from outside is cut by [`quote`] where it enters an event, and escaped by the formatter.

use serde::Serialize;

use crate::domain::{AccountId, DeliveryId, Timestamp, limits};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    /// As it stands in a line of the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Fields that every `delivery.*` event carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    pub delivery: DeliveryId,
    pub post: String,
    pub account: AccountId,
    pub platform: String,
    /// 0 before the first attempt.
    pub attempt: u32,
}

impl About {
    pub fn new(delivery: &DeliveryId, platform: &str, attempt: u32) -> Self {
        Self {
            delivery: delivery.clone(),
            post: delivery.post.to_string(),
            account: delivery.account.clone(),
            platform: platform.into(),
            attempt,
        }
    }
}

/// Text from outside, cut to a length that a log line can carry.
pub fn quote(text: &str) -> String {
    match text.char_indices().nth(limits::QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $level:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        /// One line of the log.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $($(#[$doc])* $variant { $($(#[$fdoc])* $field: $type),* },)*
        }

        impl Event {
            /// The stable name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name,)* }
            }

            pub fn level(&self) -> Level {
                match self { $(Self::$variant { .. } => Level::$level,)* }
            }
        }

        /// Name, level and fields of every event, in the order of this file. `about` stands for its own fields.
        pub const EVENTS: &[(&str, Level, &[&str])] = &[$(($name, Level::$level, &[$(stringify!($field)),*]),)*];
    };
}

events! {
    /// The program has read its configuration and taken the store.
    DaemonStarted = "daemon.started", Info { version: String, pid: u32, config: String }
    /// The queue is read, the plan stands; from now on posts go out.
    DaemonReady = "daemon.ready", Info { accounts: usize, posts: usize, ready_ms: u64 }
    /// A signal asked it to stop; what is in flight is waited for.
    DaemonStopping = "daemon.stopping", Info { reason: String, in_flight: usize }
    DaemonStopped = "daemon.stopped", Info { in_flight: usize }
    /// `--until-idle` ends, and these deliveries of the account wait for a person.
    DaemonUnfinished = "daemon.unfinished", Warn { account: AccountId, deliveries: usize, reason: String }
    /// The program has a fault of its own.
    DaemonPanicked = "daemon.panicked", Error { message: String, place: String }
    /// A library that is built in warns of something. Its own word for how bad it is is not taken over: what somebody
    /// must act on has an event of its own here.
    LibraryMessage = "library.message", Warn { target: String, message: String }

    ConfigLoaded = "config.loaded", Info { file: String, accounts: usize }
    /// A changed configuration cannot be used; the running one stays in force.
    ConfigRejected = "config.rejected", Error { file: String, faults: usize, fault: String }
    /// Something in the configuration has no effect, or not the one that was probably meant.
    ConfigWarning = "config.warning", Warn { place: String, reason: String }

    /// A queue file is in force.
    QueueLoaded = "queue.loaded", Info { file: String, posts: usize }
    /// A queue file cannot be used; its last good version stays in force.
    QueueFileRejected = "queue.file_rejected", Error { place: String, reason: String, hint: Option<String> }
    QueueFileWarning = "queue.file_warning", Warn { place: String, reason: String, hint: Option<String> }
    QueueFileGone = "queue.file_gone", Info { file: String }
    /// The queue folder cannot be read, or nobody can tell who may sign; nothing new is begun until that is over.
    QueueLost = "queue.lost", Error { why: String }
    /// Something else counts as an approval since then, and the queue has not been read by that yet.
    QueueOutdated = "queue.outdated", Warn { since: Timestamp }
    QueueBack = "queue.back", Info { posts: usize }
    /// Approved posts for fewer days are left than `runway_warn` asks for.
    QueueLow = "queue.low", Warn { account: AccountId, runway_days: f64, warn_days: f64 }

    /// A post was approved, and then changed, or who has signed it may not any more.
    PostApprovedStale = "post.approved_stale", Warn { post: String, file: String }
    PostWithdrawn = "post.withdrawn", Info { post: String }
    /// A delivered post has other content now; it is not published again.
    PostChangedAfterDelivery = "post.changed_after_delivery", Warn { delivery: DeliveryId, digest: String }

    /// A slot passed without a post, or several did that follow each other closely.
    SlotEmpty = "slot.empty", Warn { account: AccountId, slot: Timestamp, reason: String, count: u64, first: Timestamp }

    DeliveryScheduled = "delivery.scheduled", Info { #[serde(flatten)] about: About, slot: Option<Timestamp> }
    DeliveryHeld = "delivery.held", Info { #[serde(flatten)] about: About, reason: String, detail: Option<String> }
    /// The intent is durable and the attempt begins.
    DeliverySending = "delivery.sending", Info { #[serde(flatten)] about: About, slot: Option<Timestamp>, lateness_ms: i64 }
    /// A dry run has come to the moment at which it would send this.
    DeliveryWouldSend = "delivery.would_send", Info { #[serde(flatten)] about: About, slot: Option<Timestamp> }
    /// A part of the attempt is done and need not be done again.
    DeliveryCheckpoint = "delivery.checkpoint", Debug { #[serde(flatten)] about: About, step: String }
    DeliveryDelivered = "delivery.delivered", Info {
        #[serde(flatten)] about: About, slot: Option<Timestamp>, lateness_ms: i64, remote_id: String, url: Option<String>, duration_ms: u64
    }
    DeliveryRetrying = "delivery.retrying", Warn { #[serde(flatten)] about: About, at: Timestamp, reason: String }
    /// It may have arrived; it is looked for before anything else is done.
    DeliveryAmbiguous = "delivery.ambiguous", Warn { #[serde(flatten)] about: About, settle: Timestamp, reason: String }
    /// Nothing can tell whether it arrived: `cadenced resolve` decides.
    DeliveryUncertain = "delivery.uncertain", Error { #[serde(flatten)] about: About, reason: String }
    /// What had become of an ambiguous attempt is known now.
    DeliveryReconciled = "delivery.reconciled", Info { #[serde(flatten)] about: About, found: bool }
    DeliveryRefused = "delivery.refused", Error { #[serde(flatten)] about: About, reason: String }
    DeliveryMissed = "delivery.missed", Warn { #[serde(flatten)] about: About, slot: Timestamp }
    DeliveryExpired = "delivery.expired", Warn { #[serde(flatten)] about: About }
    DeliveryWithdrawn = "delivery.withdrawn", Info { #[serde(flatten)] about: About }
    /// A person decided.
    DeliveryResolved = "delivery.resolved", Info { #[serde(flatten)] about: About, decision: String, by: String }

    /// A lead, a customer or revenue is on record.
    OutcomeRecorded = "outcome.recorded", Info {
        kind: String, key: String, post: Option<String>, account: Option<AccountId>, amount: Option<f64>, currency: Option<String>
    }

    /// The account's token is not accepted; nothing goes out on it.
    AccountAuthLost = "account.auth_lost", Error { account: AccountId, platform: String, reason: String }
    AccountAuthRefreshed = "account.auth_refreshed", Info { account: AccountId, platform: String }
    /// It is tried: nothing but its next attempt tells whether its token is accepted.
    AccountAuthUntested = "account.auth_untested", Info { account: AccountId, platform: String }
    AccountRateLimited = "account.rate_limited", Warn { account: AccountId, platform: String, until: Timestamp, reason: String }
    /// So much of the month's budget is spent, or, at 100, so much that a post is held.
    AccountBudget = "account.budget", Warn {
        account: AccountId, platform: String, month: String, percent: i64, spent_usd: f64, budget_usd: f64
    }
    AccountPaused = "account.paused", Info { account: AccountId, platform: String }
    /// The configuration pauses it no more.
    AccountResumed = "account.resumed", Info { account: AccountId, platform: String }
    /// The remote account that this account is from now on.
    AccountPinned = "account.pinned", Info { account: AccountId, platform: String, identity: String }
    /// The account's token ends in so many days, and only a person can get another one.
    AccountTokenExpires = "account.token_expires", Warn { account: AccountId, platform: String, days: f64, at: Timestamp, remedy: String }
    /// The version of the platform's API that is asked for ends in so many days.
    AccountVersionAges = "account.version_ages", Warn { account: AccountId, platform: String, version: String, days: f64, at: Timestamp, remedy: String }
    /// A refresh, or a person, has given the account new tokens; they are in the store, sealed.
    AccountTokensKept = "account.tokens_kept", Debug { account: AccountId, platform: String }

    /// A post was looked at. Counts that the platform does not tell are null; `came` and `left` are people.
    EngagementCollected = "engagement.collected", Info {
        delivery: DeliveryId, post: String, account: AccountId, platform: String, age_s: u64, gone: bool,
        replies: Option<u64>, reposts: Option<u64>, quotes: Option<u64>, likes: Option<u64>, came: usize, left: usize
    }
    /// It cannot be looked at what has become of the account's posts; it is tried again.
    EngagementFailed = "engagement.failed", Warn { account: AccountId, platform: String, why: String, again: Timestamp }
    /// Somebody has spoken to us and waits for an answer.
    ConversationOpened = "conversation.opened", Info {
        account: AccountId, delivery: Option<DeliveryId>, message: String, person: Option<String>
    }
    /// Nobody waits there any more: we have answered, or a person of ours has said that it needs no answer.
    ConversationAnswered = "conversation.answered", Info { account: AccountId, message: String }
    /// The look back on the last seven days. `unmeasured` are deliveries of which nobody tells who did something.
    DigestReady = "digest.ready", Info {
        since: Timestamp, until: Timestamp, planned: u64, kept: u64, deliveries: u64, unmeasured: u64, people: u64, new: u64,
        core: u64, opened: u64, answered: u64, waiting: usize, waiting_s: Option<u64>, leads: u64, customers: u64,
        revenue: String
    }
    /// The digest could not be made, written or handed over; it is made again in its time.
    DigestFailed = "digest.failed", Warn { place: String, why: String }
    /// What is recorded about people cannot be used; posts go out all the same.
    PeopleUnreadable = "people.unreadable", Error { why: String }
    /// What is recorded about people was written anew, without those whose time is over.
    PeopleRewritten = "people.rewritten", Info { reason: String }

    /// The wall clock is behind what the store has seen; nothing is sent until it has caught up.
    ClockBehind = "clock.behind", Error { now: Timestamp, mark: Timestamp }
    /// A person says that the wall clock is right; what was recorded ahead of it counts as of now.
    ClockConfirmed = "clock.confirmed", Info { by: String, now: Timestamp, mark: Timestamp }
    /// The wall clock is right again.
    ClockCaughtUp = "clock.caught_up", Info { now: Timestamp }
    /// The wall clock went ahead faster than time passes: treated like downtime.
    ClockJumped = "clock.jumped", Warn { seconds: i64 }

    /// What a reload has changed, as names of keys.
    ConfigChanged = "config.changed", Info { file: String, changes: String }
    /// The status page and the interface are to be had there.
    ControlListening = "control.listening", Info { address: String }
    StoreOpened = "store.opened", Info { path: String, records: u64, open_ms: u64 }
    /// The index is made anew from the journal.
    StoreRebuilding = "store.rebuilding", Warn { reason: String, done: u64, total: u64 }
    /// A write that a crash cut short was removed.
    StoreTornTail = "store.torn_tail", Warn { segment: String, bytes: u64 }
    /// There is no room for new intents; what is under way can still be recorded.
    StoreFull = "store.full", Error { why: String }
    StoreRoom = "store.room", Info { free_bytes: Option<u64> }
    /// A batch could not be written and is tried again, or the disk does not answer.
    StoreFailed = "store.failed", Error { why: String }
    /// The disk of the store, of which `store.failed` said that it does not answer, does.
    StoreAnswers = "store.answers", Info { waited_s: u64 }
    StoreUpkeep = "store.upkeep", Info { records: u64, journal_bytes: u64, index_bytes: u64 }
}

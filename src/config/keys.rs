//! The keys of the configuration, with what they hold and what holds without them. The reader knows unknown keys by
//! this list, and the published schema is made of it.

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub holds: Holds,
    /// For editors: one or two sentences.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy)]
pub enum Holds {
    Text,
    Path,
    /// A span such as `90s` or `2h`.
    Span,
    Flag,
    /// A whole number, at least that.
    Count(u32),
    /// A number from 0 to 1.
    Share,
    /// An amount of US dollars, more than none.
    Amount,
    OneOf(&'static [&'static str]),
    /// `{ credential = … }`, `{ file = … }` or `{ env = … }`.
    Secret,
    /// A list of cron expressions.
    Crons,
    Cron,
    /// A date, or a moment with its offset.
    Moment,
    /// A list of `HH:MM-HH:MM`.
    Quiet,
    Table(&'static [Key]),
    /// A table of accounts by id.
    Accounts,
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident: $($key:literal = $holds:expr, $text:literal;)*)*) => {
        $($(#[$doc])* pub const $name: &[Key] = &[$(Key { name: $key, holds: $holds, doc: $text }),*];)*
    };
}

keys! {
    /// The file itself.
    ROOT:
        "timezone" = Holds::Text, "IANA name of the time zone of every account that names none. Default: UTC.";
        "queue" = Holds::Table(QUEUE), "Where posts come from and what counts as approval.";
        "store" = Holds::Table(STORE), "Where the ledger is.";
        "log" = Holds::Table(LOG), "The log.";
        "control" = Holds::Table(CONTROL), "How commands reach the daemon.";
        "policy" = Holds::Table(POLICY), "The beat and its limits; every key may be set again in an account.";
        "delivery" = Holds::Table(DELIVERY), "How one delivery is carried out.";
        "people" = Holds::Table(PEOPLE), "What is recorded about people who do something with our posts.";
        "digest" = Holds::Table(DIGEST), "The look back on the week.";
        "links" = Holds::Table(LINKS), "Tags in the links of posts, by which their server sees where somebody came from.";
        "chores" = Holds::Table(CHORES), "When recurring chores run.";
        "accounts" = Holds::Accounts, "The places to publish, each by an id of your own.";
    QUEUE:
        "path" = Holds::Path, "Folder of *.toml files, read recursively in name order. Default: queue.";
        "approval" = Holds::OneOf(&["digest", "signed", "none"]), "What counts as approval: \"digest\" (default) binds it to the exact content; \"signed\" wants a signature of it beside the queue file; \"none\" takes presence in the queue for it.";
        "allowed_signers" = Holds::Path, "For \"signed\": the file of those whose signatures count, in the form of OpenSSH's allowed_signers.";
    STORE:
        "path" = Holds::Path, "Folder of the ledger. Default: $STATE_DIRECTORY/store, else /var/lib/cadenced/store.";
        "seal" = Holds::Secret, "Secret of 32 characters or more, with which tokens that must outlive the daemon are sealed. Needed by platforms whose refresh uses up the token it is made with.";
    LOG:
        "format" = Holds::OneOf(&["json", "journald", "pretty"]), "Default: pretty on a terminal, else json.";
        "level" = Holds::OneOf(&["error", "warn", "info", "debug", "trace"]), "Least important lines that are written. Default: info.";
    CONTROL:
        "socket" = Holds::Path, "Unix socket for the commands. Default: $RUNTIME_DIRECTORY/control.sock; for the store in /var/lib/cadenced, /run/cadenced/control.sock.";
        "listen" = Holds::Text, "Address and port of the status page, the metrics and the interface. Default: nothing listens over TCP.";
        "allow_remote" = Holds::Flag, "Whether `listen` may name an address other than loopback, and be asked for by any name. Default: false.";
        "token" = Holds::Secret, "Secret that every write over TCP has to show. Default: nothing can be changed from there.";
    POLICY:
        "max_per_day" = Holds::Count(1), "Most posts in one of the account's own local days. Default: 4.";
        "min_gap" = Holds::Span, "Least time between two posts. Default: 2h.";
        "missed" = Holds::OneOf(&["next-slot", "skip", "now"]), "What becomes of a slot that passed during downtime. Default: next-slot.";
        "late_grace" = Holds::Span, "How late a post with a fixed time may still go out. Default: 1h.";
        "promotion" = Holds::Table(PROMOTION), "Most promotion among consecutive posts.";
        "unanswered" = Holds::Table(UNANSWERED), "Holds posts with the goals change and promotion while people wait for an answer.";
        "quiet" = Holds::Quiet, "Local hours in which nothing is published, such as [\"22:00-07:00\"]. Default: none.";
        "spray" = Holds::OneOf(&["off", "warn", "hold"]), "What becomes of the same text, or nearly, to several accounts of one audience or again within 90 days: a finding of check (warn), or a hold as well. Default: warn.";
        "runway_warn" = Holds::Span, "Warn when approved posts for less than that are left. Default: 7d.";
    PROMOTION:
        "share" = Holds::Share, "From 0 to 1. Default: 0.2.";
        "window" = Holds::Count(1), "Of how many consecutive posts. Default: 10.";
    UNANSWERED:
        "max" = Holds::Count(0), "Most conversations that may wait so long. Default: 5.";
        "older_than" = Holds::Span, "Conversations count when they have waited longer. Default: 24h.";
    /// `[delivery]` of the file.
    DELIVERY:
        "timeout" = Holds::Span, "For one request in total. Default: 60s.";
        "settle" = Holds::Span, "How long after an ambiguous attempt a read-back's \"not there\" may count. Default: as the platform needs.";
        "retry" = Holds::Table(RETRY), "Exponential back-off with full jitter.";
        "stop_timeout" = Holds::Span, "How long a stop waits for what is in flight. Default: 75s.";
    RETRY:
        "first" = Holds::Span, "Ceiling of the first wait. Default: 30s.";
        "max" = Holds::Span, "Highest ceiling. Default: 1h.";
        "tries" = Holds::Count(1), "Tries in all, the first one included. Default: 8.";
    PEOPLE:
        "record" = Holds::Flag, "Whether it is looked at what has become of posts, and recorded who it was. Default: true.";
        "retention" = Holds::Span, "How long a person is kept after what they have done; less where a platform's terms ask for it. Default: 400d.";
    DIGEST:
        "file" = Holds::Path, "File that the digest is written to: .html, .json, or text. Default: none.";
        "url" = Holds::Text, "Address that the digest is handed over to as JSON, by POST. Default: none.";
        "token" = Holds::Secret, "Secret that is sent with it as a bearer token.";
    /// `[links]` of the file, and `links` of an account.
    LINKS:
        "tag" = Holds::Flag, "Whether links are tagged: utm_source, utm_medium, utm_campaign, and utm_content with the post's id. Default: false.";
        "source" = Holds::Text, "What utm_source says. Default: the platform's name.";
        "medium" = Holds::Text, "What utm_medium says. Default: social.";
        "campaign" = Holds::Text, "What utm_campaign says. Default: the post's series, else its audience.";
    CHORES:
        "runway" = Holds::Cron, "When every account's runway is looked at: six fields with seconds first, in UTC. Default: 0 0 6 * * *.";
        "upkeep" = Holds::Cron, "When the store is looked after: six fields, in UTC. Default: 0 17 * * * *.";
        "sweep" = Holds::Cron, "When it is looked whether posts are due to be looked at: six fields, in UTC. Default: 20 * * * * *.";
        "digest" = Holds::Cron, "When the look back on the week is made: six fields, in UTC. Default: 0 0 7 * * MON.";
        "retention" = Holds::Cron, "When people whose time is over are let go: six fields, in UTC. Default: 0 43 3 * * *.";
        "accounts" = Holds::Cron, "When accounts whose token was refused are asked again: six fields, in UTC. Default: 0 */5 * * * *.";
    /// What every account has, beside the keys of [`POLICY`].
    ACCOUNT:
        "platform" = Holds::Text, "Name of the platform.";
        "slots" = Holds::Crons, "Cron expressions of 5 fields, or 6 with seconds first, in the account's time zone.";
        "timezone" = Holds::Text, "IANA name of a time zone. Default: the file's.";
        "paused" = Holds::Flag, "Whether nothing is published for now. Default: false.";
        "identity" = Holds::Text, "The remote account's stable id; a token of another account stops this one. Default: what is found at first use.";
        "budget" = Holds::Amount, "Most US dollars that may be spent in a calendar month of UTC, where the platform bills requests. Default: no limit.";
        "token_expires" = Holds::Moment, "When the account's token ends, such as 2027-01-30, for platforms that do not tell. It is announced ahead.";
        "delivery" = Holds::Table(ACCOUNT_DELIVERY), "As [delivery], for this account.";
        "links" = Holds::Table(LINKS), "As [links], for this account.";
    ACCOUNT_DELIVERY:
        "timeout" = Holds::Span, "For one request in total.";
        "settle" = Holds::Span, "How long after an ambiguous attempt a read-back's \"not there\" may count.";
        "retry" = Holds::Table(RETRY), "Exponential back-off with full jitter.";
}

/// Their names.
pub fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|key| key.name)
}

/// Whether a line of the configuration may be shown to people and logs: nothing in it can be a secret.
pub fn may_show(line: &str) -> bool {
    // Not those of [digest]: its address may hold a secret that no key names.
    const SHOWN: &[&[Key]] =
        &[QUEUE, STORE, LOG, CONTROL, POLICY, PROMOTION, UNANSWERED, PEOPLE, DELIVERY, RETRY, LINKS, CHORES, ACCOUNT];
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.starts_with('[') && !line.contains('=') {
        return true;
    }
    let Some((key, value)) = line.split_once('=') else { return false };
    let key = key.trim();
    let named = || SHOWN.iter().copied().flatten().filter(|known| known.name == key);
    let known = named().next().is_some() && !named().any(|known| matches!(known.holds, Holds::Secret));
    known && (!value.contains('{') || ["promotion", "unanswered", "retry", "links"].contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        let tables = [ROOT, QUEUE, STORE, LOG, CONTROL, POLICY, PEOPLE, DELIVERY, DIGEST, LINKS, CHORES, ACCOUNT];
        let secrets = tables.into_iter().flatten().filter(|key| matches!(key.holds, Holds::Secret));
        let names: Vec<_> = secrets.map(|key| key.name).collect();
        assert_eq!(names, ["seal", "token", "token"]);
        for name in names {
            assert!(!may_show(&format!("{name} = \"s3cret\"")), "{name}");
        }
        // What no list of ours has is an adapter's, and may be anything.
        for line in ["password = \"s3cret\"", "store = { seal = \"s3cret\" }", "s3cret"] {
            assert!(!may_show(line), "{line}");
        }
        for line in ["[store]", "path = \"/s\"", "budget = 2", "socket = \"/s\"", "promotion = { share = 2 }"] {
            assert!(may_show(line), "{line}");
        }
    }
}

//! One outcome as texts, and everything that may be wrong with it.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::amount::{self, Decimal, NoAmount};
use super::moment::{self, NoMoment};
use crate::domain::document::quoted;
use crate::domain::{AccountId, Currency, Digest, Gain, GainKind, KeyHash, Money, PostId, Timestamp, time};

/// How far ahead of us the clock of a shop may be.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// What a draft may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    Key,
    At,
    Kind,
    Amount,
    Currency,
    Post,
    Url,
    Account,
    Note,
}

impl Field {
    pub const ALL: [Self; 9] = [
        Self::Key,
        Self::At,
        Self::Kind,
        Self::Amount,
        Self::Currency,
        Self::Post,
        Self::Url,
        Self::Account,
        Self::Note,
    ];

    pub fn name(self) -> &'static str {
        self.columns()[0]
    }

    /// What its column is called, the likeliest first: small letters, and `_` for everything that is no letter and no digit.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["key", "id", "order", "order_id", "order_number", "transaction_id", "invoice", "reference"],
            Self::At => &["at", "timestamp", "datetime", "date_time", "created_at", "created", "date", "day", "time"],
            Self::Kind => &["kind", "type"],
            Self::Amount => &["amount", "value", "revenue", "total", "price"],
            Self::Currency => &["currency", "currency_code"],
            Self::Post => &["post", "post_id", "utm_content"],
            Self::Url => &["url", "landing_page_url", "landing_page", "landing_url", "page_url", "page"],
            Self::Account => &["account"],
            // What people have written themselves is taken only where somebody asks for it: it is kept for good.
            Self::Note => &["note"],
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        let found = Self::ALL.into_iter().find(|field| field.name() == text);
        found.ok_or_else(|| format!("there is no field {}: it is one of {}", quoted(text), names.join(", ")))
    }
}

/// An outcome as texts. What is blank is not given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Draft<'t> {
    pub key: &'t str,
    pub at: &'t str,
    pub kind: &'t str,
    pub amount: &'t str,
    pub currency: &'t str,
    pub post: &'t str,
    /// The page that was come to; its `utm_content` names the post.
    pub url: &'t str,
    pub account: &'t str,
    pub note: &'t str,
}

/// What holds where a draft says nothing, and how its texts are to be read.
#[derive(Debug, Clone)]
pub struct Rules {
    pub kind: Option<GainKind>,
    pub currency: Option<Currency>,
    /// Of moments without an offset.
    pub zone: TimeZone,
    pub decimal: Option<Decimal>,
    /// What `utm_content` says in an address need not be a post of ours; then there is none.
    pub foreign_pages: bool,
    pub now: Timestamp,
}

/// One thing that is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// A lower-case fragment.
    pub reason: String,
    pub hint: Option<String>,
}

impl Wrong {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<'t> Draft<'t> {
    pub fn set(&mut self, field: Field, text: &'t str) {
        *match field {
            Field::Key => &mut self.key,
            Field::At => &mut self.at,
            Field::Kind => &mut self.kind,
            Field::Amount => &mut self.amount,
            Field::Currency => &mut self.currency,
            Field::Post => &mut self.post,
            Field::Url => &mut self.url,
            Field::Account => &mut self.account,
            Field::Note => &mut self.note,
        } = text.trim();
    }

    /// The outcome. Where no key is given it has an empty one: it is to be named before it is handed in.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(&self, rules: &Rules) -> Result<Gain, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let mut take = |wrong: Wrong| wrongs.push(wrong);
        let kind = self.read_kind(rules).map_err(&mut take).ok();
        let key = self.read_key().map_err(&mut take).ok();
        let at = self.read_at(rules).map_err(&mut take).ok();
        let money = self.read_money(rules, kind).map_err(&mut take).ok();
        let post = self.read_post(rules).map_err(&mut take).ok();
        let account = self.read_account().map_err(&mut take).ok();
        match (key, at, kind, money, post, account) {
            (Some(key), Some(at), Some(kind), Some(money), Some(post), Some(account)) => {
                let note = self.note.chars().take(Gain::NOTE_CHARS).collect();
                Ok(Gain { key, at, kind, post, account, money, note })
            }
            _ => Err(wrongs),
        }
    }

    fn read_kind(&self, rules: &Rules) -> Result<GainKind, Wrong> {
        let hint = "it is lead, customer or revenue";
        if self.kind.is_empty() {
            return rules.kind.ok_or_else(|| Wrong::new("it does not say what kind of outcome it is").with_hint(hint));
        }
        let word = self.kind.to_lowercase();
        let found = GainKind::ALL.into_iter().find(|kind| kind.name() == word.strip_suffix('s').unwrap_or(&word));
        found.ok_or_else(|| Wrong::new(format!("there is no kind {}", quoted(self.kind))).with_hint(hint))
    }

    fn read_key(&self) -> Result<String, Wrong> {
        if self.key.chars().count() > Gain::KEY_CHARS {
            return Err(Wrong::new(format!("its key has more than {} characters", Gain::KEY_CHARS)));
        }
        if self.key.chars().any(char::is_control) {
            return Err(Wrong::new(format!("its key {} holds control characters", quoted(self.key))));
        }
        Ok(self.key.to_owned())
    }

    fn read_at(&self, rules: &Rules) -> Result<Timestamp, Wrong> {
        if self.at.is_empty() {
            return Err(Wrong::new("it does not say when it was"));
        }
        let at = moment::read(self.at, &rules.zone).map_err(|error| {
            let hint = match error {
                NoMoment::Shape => "write it like 2026-11-27, 2026-11-27 10:00 or 2026-11-27T10:00:00Z",
                NoMoment::Ambiguous => "write the year first, like 2026-11-27",
            };
            Wrong::new(format!("{} {error}", quoted(self.at))).with_hint(hint)
        })?;
        if at > time::after(rules.now, AHEAD) {
            return Err(Wrong::new(format!("{} is still to come", quoted(self.at))));
        }
        Ok(at)
    }

    fn read_money(&self, rules: &Rules, kind: Option<GainKind>) -> Result<Option<Money>, Wrong> {
        let revenue = kind == Some(GainKind::Revenue);
        if self.amount.is_empty() {
            return if revenue { Err(Wrong::new("revenue needs an amount")) } else { Ok(None) };
        }
        let named = match self.currency {
            "" => rules.currency,
            text => Some(text.to_ascii_uppercase().parse().map_err(|error| {
                Wrong::new(format!("there is no currency {}", quoted(text))).with_hint(format!("{error}"))
            })?),
        };
        let read = amount::read(self.amount, rules.decimal);
        // A currency that the command names is meant where the amount says none.
        let named = if self.currency.is_empty() { read.ok().and_then(|(_, beside)| beside).or(named) } else { named };
        let money = read.and_then(|read| amount::with_currency(read, named)).map_err(|error| {
            let hint = match error {
                NoAmount::Ambiguous => "write it with two decimals, like 1234.00, or say what separates decimals",
                NoAmount::OtherCurrency => "write one currency",
                _ => "write it like 120.50",
            };
            Wrong::new(format!("{} {error}", quoted(self.amount))).with_hint(hint)
        })?;
        match money {
            None => Err(Wrong::new(format!("{} has no currency", quoted(self.amount)))
                .with_hint("name one with three letters, such as EUR")),
            Some(money) if money.micros < 0 && !revenue => {
                Err(Wrong::new(format!("{} is below zero", quoted(self.amount)))
                    .with_hint("only revenue may be: money that was given back"))
            }
            money => Ok(money),
        }
    }

    fn read_post(&self, rules: &Rules) -> Result<Option<PostId>, Wrong> {
        let hint = "a post is named by its id in the queue";
        let own = match self.post {
            "" => None,
            text => match PostId::new(text) {
                Ok(post) => Some(post),
                // The column may be one of addresses of others, too.
                Err(_) if rules.foreign_pages => None,
                Err(error) => {
                    return Err(Wrong::new(format!("{} is no post: {error}", quoted(text))).with_hint(hint));
                }
            },
        };
        let of_page = match content_of(self.url) {
            None => None,
            Some(text) => match PostId::new(&text) {
                Ok(post) => Some(post),
                Err(_) if rules.foreign_pages || own.is_some() => None,
                Err(error) => {
                    let reason = format!("the page's utm_content {} is no post: {error}", quoted(&text));
                    return Err(Wrong::new(reason).with_hint(hint));
                }
            },
        };
        match (own, of_page) {
            (Some(own), Some(of_page)) if own != of_page => {
                Err(Wrong::new(format!("it names the post {own}, and its page {of_page}")))
            }
            (own, of_page) => Ok(own.or(of_page)),
        }
    }

    fn read_account(&self) -> Result<Option<AccountId>, Wrong> {
        let none = |error| Wrong::new(format!("{} is no account: {error}", quoted(self.account)));
        if self.account.is_empty() { Ok(None) } else { AccountId::new(self.account).map(Some).map_err(none) }
    }
}

/// `utm_content` of an address, whole or not, where it has one.
fn content_of(url: &str) -> Option<String> {
    let query = url.split('#').next()?.split_once('?')?.1;
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find_map(|(name, value)| (name == "utm_content" && !value.is_empty()).then(|| value.into_owned()))
}

/// Names outcomes that have no key by what they say, so that the same file gives the same keys again. Rows that say the same
/// are different outcomes, told apart by their number. Notes have no part in it.
#[derive(Debug, Default)]
pub struct Names(HashMap<KeyHash, u32>);

impl Names {
    pub fn name(&mut self, gain: &mut Gain) {
        let Gain { key: _, at, kind, post, account, money, note: _ } = &*gain;
        let post = post.as_ref().map_or("", PostId::as_str);
        let account = account.as_ref().map_or("", AccountId::as_str);
        let money = money.map(|money| money.to_string()).unwrap_or_default();
        let said = format!("{}\n{at}\n{post}\n{account}\n{money}", kind.name());
        let number = self.0.entry(KeyHash::of(&said)).or_default();
        *number += 1;
        gain.key = format!("row-{}-{number}", &Digest::of(said.as_bytes()).hex()[..32]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        Rules {
            kind: None,
            currency: None,
            zone: TimeZone::UTC,
            decimal: None,
            foreign_pages: false,
            now: "2026-11-27T10:00:00Z".parse().unwrap(),
        }
    }

    fn draft(fields: &[(Field, &'static str)]) -> Draft<'static> {
        let mut draft = Draft { key: "order-1", at: "2026-11-26", kind: "lead", ..Draft::default() };
        fields.iter().for_each(|(field, text)| draft.set(*field, text));
        draft
    }

    fn wrong(fields: &[(Field, &'static str)]) -> Vec<String> {
        let wrongs = draft(fields).read(&rules()).expect_err("it is wrong");
        wrongs.into_iter().map(|wrong| format!("{} | {}", wrong.reason, wrong.hint.unwrap_or_default())).collect()
    }

    #[test]
    fn a_draft_says_all_that_an_outcome_has() {
        let whole = draft(&[
            (Field::Kind, "Revenue"),
            (Field::Amount, " 120,50 "),
            (Field::Currency, "eur"),
            (Field::Url, "/pricing?a=b&utm_content=desk-story#top"),
            (Field::Account, "fedi"),
            (Field::Note, "the first order"),
        ]);
        let gain = whole.read(&rules()).unwrap();
        let text = serde_json::to_value(&gain).unwrap();
        let expected = serde_json::json!({"key": "order-1", "at": "2026-11-26T00:00:00Z", "kind": "revenue",
            "post": "desk-story", "account": "fedi", "note": "the first order",
            "money": {"micros": 120_500_000, "currency": "EUR"}});
        assert_eq!(text, expected);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let all = wrong(&[
            (Field::Kind, "purchase"),
            (Field::At, "11/12/2026"),
            (Field::Amount, "1.234"),
            (Field::Post, "Desk Story"),
            (Field::Account, "@fedi"),
        ]);
        assert_eq!(
            all,
            [
                "there is no kind \"purchase\" | it is lead, customer or revenue",
                "\"11/12/2026\" may begin with the day or with the month | write the year first, like 2026-11-27",
                "\"1.234\" may be written with thousands or with decimals | \
                 write it with two decimals, like 1234.00, or say what separates decimals",
                "\"Desk Story\" is no post: an id starts with a lower-case letter or a digit, not 'D' | \
                 a post is named by its id in the queue",
                "\"@fedi\" is no account: an id starts with a lower-case letter or a digit, not '@' | ",
            ]
        );
    }

    #[test]
    fn what_an_outcome_needs_is_asked_for() {
        let first = |fields: &[(Field, &'static str)]| wrong(fields)[0].split(" | ").next().unwrap().to_owned();
        for (fields, reason) in [
            (vec![(Field::Kind, "")], "it does not say what kind of outcome it is"),
            (vec![(Field::At, " ")], "it does not say when it was"),
            (vec![(Field::At, "2026-11-29")], "\"2026-11-29\" is still to come"),
            (vec![(Field::Kind, "revenue")], "revenue needs an amount"),
            (vec![(Field::Amount, "5")], "\"5\" has no currency"),
            (vec![(Field::Amount, "5"), (Field::Currency, "euro")], "there is no currency \"euro\""),
            (
                vec![(Field::Amount, "5 USD"), (Field::Currency, "EUR")],
                "\"5 USD\" has another currency than its column says",
            ),
            (vec![(Field::Amount, "-5 EUR")], "\"-5 EUR\" is below zero"),
            (vec![(Field::Key, "a\u{7}b")], "its key \"a\\u{7}b\" holds control characters"),
            (
                vec![(Field::Post, "desk"), (Field::Url, "https://a.example/?utm_content=lamp")],
                "it names the post desk, and its page lamp",
            ),
            (
                vec![(Field::Url, "https://a.example/?utm_content=Banner%20A")],
                "the page's utm_content \"Banner A\" is no post: an id starts with a lower-case letter or a digit, not 'B'",
            ),
        ] {
            assert_eq!(first(&fields), reason);
        }
        let long: &'static str = "k".repeat(Gain::KEY_CHARS + 1).leak();
        assert_eq!(first(&[(Field::Key, long)]), "its key has more than 200 characters");
    }

    #[test]
    fn what_the_rules_say_holds_where_the_draft_says_nothing() {
        let usual =
            Rules { kind: Some(GainKind::Revenue), currency: "USD".parse().ok(), foreign_pages: true, ..rules() };
        let money = |fields: &[(Field, &'static str)]| draft(fields).read(&usual).unwrap().money.unwrap().to_string();
        assert_eq!(money(&[(Field::Kind, ""), (Field::Amount, "5")]), "5.00 USD");
        assert_eq!(money(&[(Field::Amount, "5"), (Field::Currency, "CHF")]), "5.00 CHF");
        assert_eq!(money(&[(Field::Amount, "5 CHF")]), "5.00 CHF");
        let foreign = draft(&[(Field::Url, "https://a.example/?utm_content=Banner%20A")]);
        assert_eq!(foreign.read(&usual).unwrap().post, None);
    }

    #[test]
    fn rows_without_a_key_are_known_again() {
        let gains = || {
            let mut names = Names::default();
            let mut gain = |fields: &[(Field, &'static str)]| {
                let mut gain = draft(&[&[(Field::Key, "")], fields].concat()).read(&rules()).unwrap();
                names.name(&mut gain);
                gain.key
            };
            [
                gain(&[]),
                gain(&[(Field::Note, "Ann")]),
                gain(&[(Field::Post, "desk")]),
                gain(&[(Field::At, "2026-11-25")]),
            ]
        };
        let keys = gains();
        assert_eq!(keys, gains());
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len(), "{keys:?}");
        // Files that were read by an earlier version are known to every later one.
        assert_eq!(keys[0], "row-55494db9dd7d4c78a3715770d321e413-1");
    }
}

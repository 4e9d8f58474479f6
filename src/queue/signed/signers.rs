//! `allowed_signers`: whose signatures count, as OpenSSH writes it down (ssh-keygen(1), ALLOWED SIGNERS).
//!
//! A line is `principals [options] kind key [comment]`. A line only ever lets somebody in, so one that cannot be used lets
//! nobody in, is reported, and keeps no other line back. (`ssh-keygen` stops at it instead.) Keys of other kinds than
//! [`Key`] reads, and certificate authorities, are such lines.
//!
//! The name that an approval is given by is the principals of the line, as written: what `ssh-keygen -Y find-principals`
//! would print. Times are judged against a moment that comes in: what a signature says of its own time is nobody's word.

use jiff::civil;
use jiff::tz::TimeZone;

use super::sshsig::{Key, Refused};
use crate::domain::Timestamp;

/// Those who may sign.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signers {
    lines: Vec<Line>,
    /// What cannot be used, with the number of its line.
    pub faults: Vec<(u32, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: u32,
    principals: String,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    key: Key,
}

/// What a file says of a key at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It may sign, under this name, and until then if that ends.
    Allowed { by: String, until: Option<Timestamp> },
    /// It could, before.
    Expired { line: u32, at: Timestamp },
    /// It may later.
    NotYet { line: u32, from: Timestamp },
    /// It may sign, but not this.
    OtherNamespace { line: u32 },
    /// No line names it.
    Unknown,
}

impl Signers {
    /// Reads a file. Times without a zone are those of `zone`.
    pub fn read(text: &str, zone: &TimeZone) -> Self {
        let mut signers = Self::default();
        // Some editors begin a file with a mark that nobody sees.
        let text = text.trim_start_matches('\u{feff}');
        for (number, text) in (1..).zip(text.split('\n')) {
            match line(number, text, zone) {
                Ok(line) => signers.lines.extend(line),
                Err(reason) => signers.faults.push((number, reason)),
            }
        }
        signers
    }

    /// Whether it says nothing of anybody, as a file that is being written does.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.faults.is_empty()
    }

    /// Whether `key` may sign in `namespace` at `now`. Of several lines the first one that lets it counts.
    pub fn standing(&self, key: &Key, namespace: &str, now: Timestamp) -> Standing {
        let mut standing = Standing::Unknown;
        for line in self.lines.iter().filter(|line| line.key == *key) {
            let number = line.number;
            standing = match (line.after, line.before) {
                _ if line.namespaces.as_ref().is_some_and(|list| !matches_list(namespace, list)) => {
                    Standing::OtherNamespace { line: number }
                }
                (Some(from), _) if now < from => Standing::NotYet { line: number, from },
                // The moment itself is still good, as it is for OpenSSH; its times have whole seconds.
                (_, Some(at)) if now.as_second() > at.as_second() => Standing::Expired { line: number, at },
                (_, until) => return Standing::Allowed { by: line.principals.clone(), until },
            };
        }
        standing
    }

    /// The keys that it names, each once.
    pub fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = Vec::new();
        for line in &self.lines {
            if !keys.contains(&&line.key) {
                keys.push(&line.key);
            }
        }
        keys
    }

    /// Whether the moment has a part in what is said of a key.
    pub fn is_timed(&self, key: &Key) -> bool {
        self.lines.iter().any(|line| line.key == *key && (line.after.is_some() || line.before.is_some()))
    }

    /// The next moment after `now` at which a key may be in another standing.
    pub fn turns_at(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let past = |at: Timestamp| Timestamp::from_second(at.as_second() + 1).unwrap_or(at);
        let own = self.lines.iter().filter(|line| line.key == *key);
        own.flat_map(|line| [line.after, line.before.map(past)]).flatten().filter(|at| *at > now).min()
    }
}

/// Kinds of keys that OpenSSH knows; the first word after the principals is one of them, or begins the options.
const KINDS: &[&str] = &[
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "ssh-rsa",
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn line(number: u32, text: &str, zone: &TimeZone) -> Result<Option<Line>, String> {
    let text = text.trim_end_matches('\r').trim_matches(is_blank);
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("it holds a control character".into());
    }
    // What nobody sees may stand before it, such as that mark where two files were joined.
    if text.trim_start_matches(|c: char| !c.is_ascii_graphic() && !c.is_alphanumeric()).starts_with('#') {
        return Err("it looks like a comment, but its # is not the first character".into());
    }
    let (principals, rest) = principals(text)?;
    let (word, _) = split(rest);
    if word.is_empty() {
        return Err("it names no key".into());
    }
    let is_kind = |word: &str| KINDS.contains(&word) || word.contains("-cert-v01@");
    let (options, rest) = if is_kind(word) { (Options::default(), rest) } else { options(rest, zone)? };
    let (kind, rest) = split(rest);
    if kind.is_empty() {
        return Err("it names no key".into());
    }
    if options.authority {
        return Err("certificate authorities do not count here: name the keys themselves".into());
    }
    if kind.contains("-cert-v01@") {
        return Err("certificates do not count here: name the key itself".into());
    }
    let key = Key::of_line(kind, split(rest).0).map_err(|refused| match refused {
        Refused::KeyKind(_) => refused.to_string(),
        _ if !KINDS.contains(&kind) => format!("{kind:?} is no kind of key"),
        _ => "its key cannot be read".into(),
    })?;
    let Options { namespaces, after, before, .. } = options;
    Ok(Some(Line { number, principals, namespaces, after, before, key }))
}

/// The names before the key, which may stand in quotes, and what follows.
fn principals(text: &str) -> Result<(String, &str), String> {
    let (word, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => split(text),
    };
    if word.contains('"') || !rest.is_empty() && text.starts_with('"') && !rest.starts_with(is_blank) {
        return Err("quotes stand around all of the principals, or nowhere in them".into());
    }
    if !names_somebody(word) {
        return Err("it names nobody".into());
    }
    Ok((word.to_owned(), rest.trim_start_matches(is_blank)))
}

/// Whether a list of patterns leaves anybody: for OpenSSH, one that is not meant takes away whom another one names. Of patterns
/// that might leave a few, such as `*,!?`, it is taken that they leave nobody: who reads them cannot tell either.
fn names_somebody(list: &str) -> bool {
    let named = |name: &str| !name.trim().is_empty() && !name.starts_with('!');
    let taken = |name: &str| {
        let mut others = list.split(',').filter_map(|other| other.strip_prefix('!'));
        others.any(|other| matches(name.as_bytes(), other.as_bytes()))
    };
    list.split(',').any(|name| named(name) && !taken(name))
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start_matches(is_blank);
    let (word, rest) = text.split_once(is_blank).unwrap_or((text, ""));
    (word, rest.trim_start_matches(is_blank))
}

#[derive(Debug, Default)]
struct Options {
    authority: bool,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
}

/// The options before a key, and what follows them.
fn options<'t>(text: &'t str, zone: &TimeZone) -> Result<(Options, &'t str), String> {
    let mut options = Options::default();
    let mut rest = text;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let name = name.to_ascii_lowercase();
        rest = match (&*name, after.strip_prefix('=')) {
            ("cert-authority", None) => {
                options.authority = true;
                after
            }
            ("namespaces", Some(value)) => {
                let (value, rest) = quoted(value)?;
                once(&name, options.namespaces.replace(value).is_none())?;
                rest
            }
            ("valid-after" | "valid-before", Some(value)) => {
                let (value, rest) = quoted(value)?;
                let at = moment(&value, zone).ok_or_else(|| format!("{name} cannot be {value:?}: {TIMES}"))?;
                let place = if name == "valid-after" { &mut options.after } else { &mut options.before };
                once(&name, place.replace(at).is_none())?;
                rest
            }
            _ => return Err("it has neither a key nor an option that is known after the principals".into()),
        };
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() || rest.starts_with(is_blank) => break,
            None => return Err(format!("something stands behind the option {name}")),
        }
    }
    if options.after.zip(options.before).is_some_and(|(after, before)| before <= after) {
        return Err("valid-before is not after valid-after".into());
    }
    Ok((options, rest.trim_start_matches(is_blank)))
}

const TIMES: &str = "write YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with Z for UTC";

fn once(name: &str, first: bool) -> Result<(), String> {
    if first { Ok(()) } else { Err(format!("{name} stands twice")) }
}

/// A value in quotes, in which `\"` is a quote, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let rest = text.strip_prefix('"').ok_or("the value of an option stands in quotes")?;
    let mut value = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &rest[at + 1..])),
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                value.push('"');
            }
            c => value.push(c),
        }
    }
    Err("a quote is not closed".into())
}

/// A moment as OpenSSH writes it. A civil time that a change of clocks leaves out or repeats is read as elsewhere here: the
/// later, and the first.
fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let upper = text.to_ascii_uppercase();
    let utc = upper.strip_suffix("UTC").or_else(|| upper.strip_suffix('Z'));
    let digits = utc.unwrap_or(&upper);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<i16>().ok());
    let small = |from: usize, to: usize| i8::try_from(number(from, to)?).ok();
    let time = civil::Time::new(small(8, 10)?, small(10, 12)?, small(12, 14)?, 0).ok()?;
    let date = civil::Date::new(number(0, 4)?, small(4, 6)?, small(6, 8)?).ok()?;
    let zone = if utc.is_some() { &TimeZone::UTC } else { zone };
    zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()
}

/// OpenSSH's lists of patterns: any one must match, and none of those with `!`.
fn matches_list(text: &str, list: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(text.as_bytes(), pattern.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(text.as_bytes(), pattern.as_bytes()),
        }
    }
    found
}

/// `*` is anything, `?` one character.
fn matches(text: &[u8], pattern: &[u8]) -> bool {
    // Where the last star was, and how much of the text it has taken so far.
    let (mut at, mut place, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(place) {
            Some(b'*') => {
                star = Some((place, at));
                place += 1;
            }
            Some(c) if *c == b'?' || *c == text[at] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((back, taken)) => {
                    star = Some((back, taken + 1));
                    (at, place) = (taken + 1, back + 1);
                }
                None => return false,
            },
        }
    }
    pattern[place..].iter().all(|c| *c == b'*')
}

//! The small grammars of the AT Protocol: record keys, handles, DIDs, moments, languages, addresses of records.
//!
//! It tells well-formed from malformed and nothing else: whether a handle belongs to anybody, or a record exists,
//! only a server knows. The rules are those of the protocol's published specifications; its public test vectors
//! are run against every function here.

use crate::domain::{Timestamp, time};

/// The collection that posts are kept in.
pub const POSTS: &str = "app.bsky.feed.post";

/// Digits of a TID, in order of their value.
const TID_DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// Bits of a TID that tell apart clocks which give the same microsecond.
const CLOCK_BITS: u32 = 10;

/// The record key for a moment: 53 bits of microseconds since 1970, then 10 bits of `clock`, as 13 digits of
/// base 32. Sorting keys as text sorts them by time.
pub fn tid(micros: u64, clock: u64) -> String {
    let value = ((micros & ((1 << 53) - 1)) << CLOCK_BITS) | (clock & ((1 << CLOCK_BITS) - 1));
    (0..13u32).rev().map(|place| char::from(TID_DIGITS[((value >> (5 * place)) & 31) as usize])).collect()
}

/// Whether `text` is a TID: the first digit holds only the four highest bits of 64, the uppermost being zero.
pub fn is_tid(text: &str) -> bool {
    text.len() == 13
        && text.bytes().all(|byte| TID_DIGITS.contains(&byte))
        && text.bytes().next().is_some_and(|first| TID_DIGITS[..16].contains(&first))
}

/// Whether `text` is a handle: a domain name of at least two labels whose last one starts with a letter.
pub fn is_handle(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let top = text.rsplit_once('.').map(|(_, top)| top);
    text.len() <= 253
        && text.split('.').all(label)
        && top.is_some_and(|top| top.starts_with(|first: char| first.is_ascii_alphabetic()))
}

/// Whether `text` is a DID: `did:`, a method, and an identifier.
pub fn is_did(text: &str) -> bool {
    let Some((method, id)) = text.strip_prefix("did:").and_then(|rest| rest.split_once(':')) else { return false };
    text.len() <= 2048
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_lowercase())
        && !id.is_empty()
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:%-".contains(&byte))
        && !id.ends_with([':', '%'])
}

/// Whether `text` is a language tag as BCP 47 spells them: well-formed, not necessarily registered.
pub fn is_language(text: &str) -> bool {
    let mut tags = text.split('-');
    let first = tags.next().unwrap_or_default();
    let private = first.eq_ignore_ascii_case("x") || first == "i";
    let primary = (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
    let rest = |tag: &str| (1..=8).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (primary || (private && text.len() > 2)) && tags.all(rest)
}

/// Whether `text` is a moment as records hold them: RFC 3339 with a zone, capital letters, and a year of four
/// digits that is not before the year 0 in UTC.
pub fn is_datetime(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = |at: usize, pattern: &[u8]| {
        bytes.len() >= at + pattern.len()
            && pattern.iter().zip(&bytes[at..]).all(|(want, held)| match want {
                b'0' => held.is_ascii_digit(),
                want => want == held,
            })
    };
    let number = |at: usize, digits: usize| text.get(at..at + digits).and_then(|part| part.parse::<u32>().ok());
    if !text.is_ascii() || !shape(0, b"0000-00-00T00:00:00") {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 2), number(8, 2)) else { return false };
    let (Some(hour), Some(minute), Some(second)) = (number(11, 2), number(14, 2), number(17, 2)) else { return false };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return false;
    }
    let mut zone = 19;
    if bytes.get(zone) == Some(&b'.') {
        let digits = bytes[zone + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=20).contains(&digits) {
            return false;
        }
        zone += 1 + digits;
    }
    match &bytes[zone..] {
        b"Z" => true,
        [b'+' | b'-', ..] if bytes.len() == zone + 6 && shape(zone + 1, b"00:00") => {
            let (Some(hours), Some(minutes)) = (number(zone + 1, 2), number(zone + 4, 2)) else { return false };
            let before_year_0 =
                (year, month, day) == (0, 1, 1) && bytes[zone] == b'+' && hours * 60 + minutes > hour * 60 + minute;
            hours <= 23 && minutes <= 59 && &bytes[zone..] != b"-00:00" && !before_year_0
        }
        _ => false,
    }
}

/// A moment as records hold it: UTC, milliseconds, `Z`.
pub fn datetime(moment: Timestamp) -> String {
    // `{:.3}` cuts, so a moment never moves ahead.
    format!("{:.3}", time::to_millis(moment))
}

/// Whose record, and which: what an address of a post names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostAddress {
    /// A DID or a handle.
    pub repo: String,
    pub rkey: String,
}

impl PostAddress {
    /// Reads `at://REPO/app.bsky.feed.post/RKEY` or `https://bsky.app/profile/REPO/post/RKEY`.
    pub fn parse(text: &str) -> Option<Self> {
        let (repo, rkey) = match text.strip_prefix("at://") {
            Some(rest) => {
                let (repo, path) = rest.split_once('/')?;
                let (collection, rkey) = path.split_once('/')?;
                (collection == POSTS).then_some((repo, rkey))?
            }
            None => {
                let rest = text.strip_prefix("https://")?;
                let rest = rest.split(['?', '#']).next()?.trim_end_matches('/');
                let (host, path) = rest.split_once('/')?;
                let (repo, rkey) = path.strip_prefix("profile/")?.split_once("/post/")?;
                (host == "bsky.app").then_some((repo, rkey))?
            }
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:~-".contains(&byte);
        let key = (1..=512).contains(&rkey.len()) && rkey.bytes().all(known) && rkey != "." && rkey != "..";
        ((is_did(repo) || is_handle(repo)) && key).then(|| Self { repo: repo.into(), rkey: rkey.into() })
    }
}

/// The URI of a post.
pub fn post_uri(did: &str, rkey: &str) -> String {
    format!("at://{did}/{POSTS}/{rkey}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_thirteen_digits_and_sort_by_time() {
        assert_eq!(tid(0, 0), "2222222222222");
        assert_eq!(tid(u64::MAX, u64::MAX), "bzzzzzzzzzzzz");
        let early = tid(1_790_000_000_000_000, 1023);
        let late = tid(1_790_000_000_000_001, 0);
        assert!(is_tid(&early) && is_tid(&late) && early < late, "{early} {late}");
    }

    #[test]
    fn a_moment_has_milliseconds_whatever_it_was_given() {
        let moment = |text: &str| datetime(text.parse().unwrap());
        assert_eq!(moment("2026-09-30T10:00:00Z"), "2026-09-30T10:00:00.000Z");
        assert_eq!(moment("2026-09-30T12:00:00.1239999+02:00"), "2026-09-30T10:00:00.123Z");
        assert!(is_datetime(&moment("2026-09-30T10:00:00Z")));
    }

    #[test]
    fn a_post_is_addressed_in_two_ways() {
        let address = |repo: &str, rkey: &str| Some(PostAddress { repo: repo.into(), rkey: rkey.into() });
        let cases = [
            ("at://did:plc:abc/app.bsky.feed.post/3l", address("did:plc:abc", "3l")),
            ("at://fan.test/app.bsky.feed.post/3l", address("fan.test", "3l")),
            ("https://bsky.app/profile/fan.test/post/3l", address("fan.test", "3l")),
            ("https://bsky.app/profile/did:plc:abc/post/3l/?ref=x#y", address("did:plc:abc", "3l")),
            ("at://did:plc:abc/app.bsky.feed.like/3l", None),
            ("at://did:plc:abc/app.bsky.feed.post/", None),
            ("at://did:plc:abc/app.bsky.feed.post/../x", None),
            ("http://bsky.app/profile/fan.test/post/3l", None),
            ("https://evil.example/profile/fan.test/post/3l", None),
            ("https://bsky.app/profile/nobody/post/3l", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(PostAddress::parse(text), expected, "{text}");
        }
    }
}

//! What several platforms say and hear in the same way: words for people, waits, and what a text already holds.

pub use crate::domain::links::holds;
use std::time::Duration;

use super::HttpReply;
use crate::domain::{Timestamp, limits};

/// The longest wait that a platform's word is taken for. What asks for more is a mistake or an attack.
pub const LONGEST_WAIT: Duration = Duration::from_secs(31 * 24 * 3600);

/// So many seconds, as a platform tells them: at least none, at most [`LONGEST_WAIT`]; `None` where it is no number.
pub fn wait(seconds: f64) -> Option<Duration> {
    (!seconds.is_nan()).then(|| Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_WAIT.as_secs_f64())))
}

impl HttpReply {
    /// How long `Retry-After` asks to wait: seconds, or a date of the platform's clock.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        match self.header("retry-after")?.trim().parse::<f64>() {
            Ok(seconds) => wait(seconds),
            Err(_) => Some(self.until(self.date("retry-after")?, now).min(LONGEST_WAIT)),
        }
    }
}

/// What a platform said, for people: on one line, without the `secrets` that it may have echoed, and cut. What is cut
/// first could end in the middle of a secret.
pub fn quoted(text: &str, secrets: &[&str]) -> String {
    let shown: String = text.chars().map(|c| if is_shown(c) { c } else { ' ' }).collect();
    let mut line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "[secret]");
    }
    line.chars().take(limits::QUOTED_CHARS).collect()
}

/// Neither a control nor a direction mark, which could make a line read as something else.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_plain_line_without_secrets() {
        assert_eq!(quoted("a\n\tb \u{202e}c", &[]), "a b c");
        assert_eq!(quoted("got 12:canary, 12:canary", &["", "12:canary"]), "got [secret], [secret]");
        // The cut comes last: no half of a secret is left.
        let long = format!("{}12:canary", "x".repeat(limits::QUOTED_CHARS - 4));
        assert!(quoted(&long, &["12:canary"]).ends_with("x[sec"));
    }

    #[test]
    fn waits_are_bounded() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let told = |value: &str| {
            let headers = vec![("retry-after".to_owned(), value.to_owned())];
            HttpReply { status: 429, headers, ..HttpReply::default() }.retry_after(now)
        };
        assert_eq!(told("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(told("-1"), Some(Duration::ZERO));
        assert_eq!(told("99999999999999999999"), Some(LONGEST_WAIT));
        assert_eq!(told("Sun, 22 Nov 2026 12:01:00 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(told("Fri, 22 Nov 2999 12:01:00 GMT"), Some(LONGEST_WAIT));
        assert_eq!((told("NaN"), told("soon")), (None, None));
    }
}

//! What stands behind the question mark. A parameter that nobody knows, or that is there twice, is refused: who has
//! misspelt one would else be answered something that they have not asked.

use std::borrow::Cow;

use crate::control::protocol::Which;
use crate::domain::IdError;
use crate::domain::escape::escape;

use super::Refusal;

/// Farthest that a plan is asked ahead, in days.
const DAYS: u32 = 3_660;
/// How far ahead a plan goes where nobody says, in days.
pub(super) const DAYS_AHEAD: u32 = 14;

/// Which deliveries are asked about; `None`: all.
pub(super) fn asked_for(query: &str) -> Result<Option<Which>, Refusal> {
    let wrong = |error: IdError| Refusal::garbled(error.to_string());
    match pairs(query, &["of"])?.first() {
        None => Ok(None),
        Some((_, which)) => which.parse().map(Some).map_err(wrong),
    }
}

/// How far ahead is asked.
pub(super) fn days(query: &str) -> Result<u32, Refusal> {
    let pairs = pairs(query, &["days"])?;
    let Some((_, text)) = pairs.first() else { return Ok(DAYS_AHEAD) };
    let days = text.parse().ok().filter(|days| (1..=DAYS).contains(days));
    days.ok_or_else(|| Refusal::garbled(format!("days is a number from 1 to {DAYS}")))
}

/// Whether outcomes of posts that nobody knows are to be kept.
pub(super) fn keeps_unknown_posts(query: &str) -> Result<bool, Refusal> {
    match pairs(query, &["unknown_posts"])?.first() {
        None => Ok(false),
        Some((_, word)) if word == "refuse" => Ok(false),
        Some((_, word)) if word == "keep" => Ok(true),
        Some(_) => Err(Refusal::garbled("unknown_posts is keep or refuse")),
    }
}

/// A name and its value.
type Pair<'q> = (Cow<'q, str>, Cow<'q, str>);

/// The pairs of a query, each at most once and with a name that is known.
fn pairs<'q>(query: &'q str, known: &[&str]) -> Result<Vec<Pair<'q>>, Refusal> {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    for (nth, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_ref()) {
            let name = escape(name).to_string();
            return Err(Refusal::garbled(format!("there is no parameter {name}: there is {}", known.join(", "))));
        }
        if pairs[..nth].iter().any(|(other, _)| other == name) {
            return Err(Refusal::garbled(format!("{name} is given twice")));
        }
    }
    Ok(pairs)
}

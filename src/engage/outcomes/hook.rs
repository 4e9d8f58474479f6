//! Outcomes as a shop or a form posts them: one JSON object, or a list of them.
//!
//! The fields are those of a CSV's columns by their first names; a number does for an amount. All of them are read
//! before any is taken, so that what is repeated after a mistake is whole.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Decimal;
use super::draft::{Draft, Field, Rules, Wrong};
use crate::domain::document::quoted;
use crate::domain::{Gain, PostId};

/// Most outcomes in one request.
pub const MOST: usize = 500;

/// What keeps a request from being taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongHook {
    first: String,
    hint: Option<String>,
    each: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Which of the list it is about, from 0 on.
    pub outcome: usize,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl WrongHook {
    fn whole(reason: &str, hint: &str) -> Self {
        Self { first: reason.into(), hint: Some(hint.into()), each: Vec::new() }
    }

    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }

    /// Everything, by outcome.
    pub fn each(&self) -> &[Fault] {
        &self.each
    }
}

impl fmt::Display for WrongHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first)
    }
}

/// Reads the body of a request. `key` is the one of the request as a whole; it serves for the only outcome of it. Where
/// nothing says when it was, it was now.
///
/// # Errors
/// Everything that is wrong.
pub fn read(body: &Value, key: Option<&str>, rules: &Rules) -> Result<Vec<Gain>, WrongHook> {
    let items = match body {
        Value::Object(fields) => match (fields.get("outcomes"), fields.len()) {
            (Some(Value::Array(items)), 1) => items.as_slice(),
            _ => std::slice::from_ref(body),
        },
        Value::Array(items) => items.as_slice(),
        _ => return Err(WrongHook::whole("the body is no outcome", "send one JSON object, or a list of them")),
    };
    if items.len() > MOST {
        return Err(WrongHook::whole(&format!("these are more than {MOST} outcomes"), "send them in several requests"));
    }
    let key = key.filter(|_| items.len() == 1);
    let mut gains = Vec::with_capacity(items.len());
    let mut each = Vec::new();
    for (outcome, item) in items.iter().enumerate() {
        match one(item, key, rules) {
            Ok(gain) => gains.push(gain),
            Err(wrongs) => {
                each.extend(wrongs.into_iter().map(|Wrong { reason, hint }| Fault { outcome, reason, hint }));
            }
        }
    }
    match each.first() {
        None => Ok(gains),
        Some(fault) => {
            let first = match items.len() {
                1 => fault.reason.clone(),
                _ => format!("outcome {}: {}", fault.outcome, fault.reason),
            };
            Err(WrongHook { first, hint: fault.hint.clone(), each })
        }
    }
}

fn one(item: &Value, key: Option<&str>, rules: &Rules) -> Result<Gain, Vec<Wrong>> {
    let Value::Object(fields) = item else {
        return Err(vec![Wrong::new("it is no JSON object")]);
    };
    let (texts, mut wrongs) = texts(fields);
    let mut draft = Draft::default();
    for (field, text) in &texts {
        draft.set(*field, text);
    }
    if draft.key.is_empty() {
        draft.set(Field::Key, key.unwrap_or_default());
    }
    if draft.key.is_empty() {
        wrongs.push(
            Wrong::new("it has no key")
                .with_hint("give it \"key\", such as the order's number, or send Idempotency-Key"),
        );
    }
    // A name that is none would be on record without a post for good.
    if let Err(error) = draft.post.parse::<PostId>()
        && !draft.post.is_empty()
    {
        wrongs.push(Wrong::new(format!("there is no post {}: {error}", quoted(draft.post))));
    }
    // A number of JSON has one way to be read.
    let plain = fields.get(Field::Amount.name()).is_some_and(Value::is_number);
    let rules = &Rules { decimal: if plain { Some(Decimal::Point) } else { rules.decimal }, ..rules.clone() };
    let now = rules.now.to_string();
    if draft.at.is_empty() {
        draft.set(Field::At, &now);
    }
    match draft.read(rules) {
        Ok(gain) if wrongs.is_empty() => Ok(gain),
        Ok(_) => Err(wrongs),
        Err(more) => {
            wrongs.extend(more);
            Err(wrongs)
        }
    }
}

/// The fields as texts, and those that are none.
fn texts(fields: &Map<String, Value>) -> (Vec<(Field, String)>, Vec<Wrong>) {
    let mut texts = Vec::new();
    let mut wrongs = Vec::new();
    for (name, value) in fields {
        let field = match name.parse::<Field>() {
            Ok(field) => field,
            Err(reason) => {
                wrongs.push(Wrong::new(reason));
                continue;
            }
        };
        match value {
            Value::Null => {}
            Value::String(text) => texts.push((field, text.clone())),
            Value::Number(number) if matches!(field, Field::Amount | Field::Key) => {
                texts.push((field, number.to_string()))
            }
            _ => wrongs.push(Wrong::new(format!("{} is no text", quoted(name)))),
        }
    }
    (texts, wrongs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules() -> Rules {
        Rules {
            kind: None,
            currency: None,
            zone: jiff::tz::TimeZone::UTC,
            decimal: None,
            foreign_pages: true,
            now: "2026-12-01T08:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn one_outcome_or_a_list_is_read() {
        let order = json!({"key": 17, "kind": "revenue", "amount": 120.5, "currency": "EUR",
            "url": "https://shop.example/thanks?utm_content=desk", "note": null});
        let gains = read(&order, None, &rules()).unwrap();
        assert_eq!((gains[0].key.as_str(), gains[0].at), ("17", rules().now));
        assert_eq!(gains[0].money.unwrap().to_string(), "120.50 EUR");
        assert_eq!(gains[0].post.as_ref().unwrap().as_str(), "desk");
        let dinars = json!({"key": "k", "kind": "revenue", "amount": 12.345, "currency": "KWD"});
        assert_eq!(read(&dinars, None, &rules()).unwrap()[0].money.unwrap().micros, 12_345_000);
        let lead = json!({"kind": "lead", "at": "2026-11-30T10:00:00+01:00"});
        assert_eq!(read(&lead, Some("form-9"), &rules()).unwrap()[0].key, "form-9");
        let two = json!([{"key": "a", "kind": "lead"}, {"key": "b", "kind": "lead"}]);
        assert_eq!(read(&two, None, &rules()).unwrap().len(), 2);
        assert_eq!(read(&json!({ "outcomes": two }), None, &rules()).unwrap().len(), 2);
        assert_eq!(read(&json!([]), None, &rules()).unwrap(), []);
    }

    #[test]
    fn everything_that_is_wrong_is_told_and_nothing_is_taken() {
        let body = json!([{"key": "a", "kind": "lead"}, {"kind": "gift", "amount": true, "who": "x"}, 7]);
        let wrong = read(&body, Some("for one only"), &rules()).unwrap_err();
        let told: Vec<_> = wrong.each().iter().map(|fault| (fault.outcome, fault.reason.as_str())).collect();
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(wrong.to_string().starts_with("outcome 1: "), "{wrong}");
        assert!(told.contains(&(1, "it has no key")) && told.contains(&(2, "it is no JSON object")), "{told:?}");
        for body in [json!(null), json!("order"), json!(vec![json!({}); MOST + 1])] {
            assert!(read(&body, None, &rules()).is_err(), "{body}");
        }
        assert!(read(&json!({"key": "x\ny", "kind": "lead"}), None, &rules()).is_err());
        assert!(read(&json!({"key": "x", "kind": "lead", "post": "Desk-Story"}), None, &rules()).is_err());
    }
}

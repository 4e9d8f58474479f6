//! The request that asks a question, as a command makes it.

use serde_json::{Map, Value};

use crate::control::protocol::Question;

use super::table::WRITES;

/// A request that is yet to be sent. Its body may hold tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: &'static str,
    pub target: String,
    /// `None` where nothing is sent.
    pub body: Option<Vec<u8>>,
}

/// The request that asks a question.
///
/// # Errors
/// None for the questions of this room; the signature is serde_json's.
pub fn ask(question: &Question) -> Result<Asked, serde_json::Error> {
    let get = |target: String| Asked { method: "GET", target, body: None };
    Ok(match question {
        Question::Ping => get("/v1/daemon".into()),
        Question::Overview => get("/v1/overview".into()),
        Question::Status { which: None } => get("/v1/status".into()),
        Question::Status { which: Some(which) } => get(format!("/v1/status?of={which}")),
        Question::Plan { days } => get(format!("/v1/plan?days={days}")),
        _ => {
            let mut fields = match serde_json::to_value(question)? {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            let name = fields.remove("question");
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
            let target = WRITES.iter().find(|(_, question)| *question == name).map_or("/v1", |(at, _)| at);
            Asked { method: "POST", target: target.into(), body: Some(serde_json::to_vec(&fields)?) }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::questions;
    use super::super::{Request, Route, route};
    use super::*;

    #[test]
    fn what_a_command_asks_is_what_the_daemon_reads() {
        for question in questions() {
            let asked = ask(&question).unwrap();
            let body = asked.body.unwrap_or_default();
            let request = Request { method: asked.method, target: &asked.target, body: &body };
            assert_eq!(route(&request), Ok(Route::Ask(question)), "{}", asked.target);
        }
        let auth = &questions()[7];
        assert!(!format!("{auth:?}").contains("canary"));
    }
}

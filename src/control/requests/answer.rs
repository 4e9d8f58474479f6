//! An answer as a document, and back. A document does not say what it answers: who has asked knows.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::control::protocol::{Answer, Question};

use super::error_document;

/// The document of an answer, written to where it goes.
///
/// # Errors
/// It cannot be written.
pub fn write_answer(answer: &Answer, to: impl std::io::Write) -> serde_json::Result<()> {
    fn put(to: impl std::io::Write, value: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(to, value)
    }
    match answer {
        Answer::Pong(daemon) => put(to, daemon),
        Answer::Overview(overview) => put(to, overview),
        Answer::Status(status) => put(to, status),
        Answer::Plan(lines) => put(to, lines),
        Answer::Resolved(resolved) => put(to, resolved),
        Answer::Kept(account) => put(to, &json!({ "account": account })),
        Answer::Remembered => put(to, &json!({ "remembered": true })),
        Answer::Gained(taken) => put(to, &json!({ "taken": taken })),
        Answer::Error(problem) => put(to, &error_document(problem)),
    }
}

/// The answer that a document is to a question.
///
/// # Errors
/// It is another document, or it broke off.
pub fn read_answer(question: &Question, failed: bool, from: impl std::io::Read) -> serde_json::Result<Answer> {
    fn take<T: DeserializeOwned>(from: impl std::io::Read) -> serde_json::Result<T> {
        serde_json::from_reader(from)
    }
    fn field<T: DeserializeOwned>(from: impl std::io::Read, name: &str) -> serde_json::Result<T> {
        let mut document: Map<String, Value> = take(from)?;
        serde_json::from_value(document.remove(name).unwrap_or_default())
    }
    if failed {
        return field(from, "error").map(Answer::Error);
    }
    Ok(match question {
        Question::Ping => Answer::Pong(take(from)?),
        Question::Overview => Answer::Overview(take(from)?),
        Question::Status { .. } => Answer::Status(take(from)?),
        Question::Plan { .. } => Answer::Plan(take(from)?),
        Question::Resolve { .. } => Answer::Resolved(take(from)?),
        Question::Auth { .. } => Answer::Kept(field(from, "account")?),
        Question::Settle { .. } | Question::Forget { .. } => {
            let _: Map<String, Value> = take(from)?;
            Answer::Remembered
        }
        Question::Gain { .. } => Answer::Gained(field(from, "taken")?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples::questions;
    use super::*;
    use crate::control::protocol::{DaemonReport, ErrorKind, Problem, Taken};

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let daemon = DaemonReport { running: true, pid: Some(7), version: "0.1.0".into() };
        let problem = Problem { kind: ErrorKind::Store, message: "failed to read".into(), hint: Some("wait".into()) };
        let asked = questions();
        for (question, answer) in [
            (&asked[0], Answer::Pong(daemon)),
            (&asked[4], Answer::Plan(vec![])),
            (&asked[7], Answer::Kept("fedi".parse().unwrap())),
            (&asked[8], Answer::Remembered),
            (&asked[10], Answer::Gained(vec![Taken::New, Taken::UnknownPost { nearest: None }])),
            (&asked[10], Answer::Error(problem)),
        ] {
            let mut document = Vec::new();
            write_answer(&answer, &mut document).unwrap();
            let failed = matches!(answer, Answer::Error(_));
            assert_eq!(read_answer(question, failed, document.as_slice()).unwrap(), answer);
            let half = &document[..document.len() - 1];
            assert!(read_answer(question, failed, half).is_err(), "half an answer is none");
        }
    }
}

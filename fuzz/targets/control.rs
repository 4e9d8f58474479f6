//! What comes to the daemon over HTTP, and its answers to commands: `METHOD TARGET`, a newline, the body.

use cadenced::control::protocol::{Answer, Question, Which, attention};
use cadenced::control::requests::{
    Access, Caller, Door, Request, Route, access, ask, read_answer, route, write_answer,
};
use cadenced::domain::policy::ApprovalMode;

pub fn run(bytes: &[u8]) -> &'static str {
    let mut reached = "neither";
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let Ok(head) = std::str::from_utf8(head) else { return reached };
    let (method, target) = head.split_once(' ').unwrap_or((head, ""));
    match route(&Request { method, target, body }) {
        Ok(found) => {
            reached = "question";
            let closed = Door { token: None, allow_remote: false };
            let elsewhere = Caller { host: Some("elsewhere.example"), ..Caller::default() };
            assert!(closed.open_to(&elsewhere).is_err(), "another name is not answered to");
            let access = access(target).expect("what is there has somebody who may ask for it");
            assert_eq!(closed.admit(access, &elsewhere).is_ok(), access == Access::Anybody, "a token is needed");
            if let Route::Ask(question) = found {
                let asked = ask(&question).expect("a question can be written");
                let body = asked.body.unwrap_or_default();
                let again = route(&Request { method: asked.method, target: &asked.target, body: &body });
                assert_eq!(again, Ok(Route::Ask(question)), "it reads back");
            }
        }
        Err(refusal) => {
            assert!((400..500).contains(&refusal.status), "{refusal:?}");
            assert!(refusal.problem.message.len() < 2_000 + body.len(), "{refusal:?}");
        }
    }
    for question in [Question::Ping, Question::Status { which: None }, Question::Plan { days: 1 }] {
        if let Ok(answer) = read_answer(&question, false, body) {
            let mut written = Vec::new();
            write_answer(&answer, &mut written).expect("an answer can be written");
            assert_eq!(read_answer(&question, false, written.as_slice()).expect("it reads back"), answer);
            if let Answer::Status(status) = &answer {
                attention(&status.deliveries, &status.accounts, ApprovalMode::Signed);
            }
            reached = "answer";
        }
    }
    if let Ok(which) = head.parse::<Which>() {
        assert_eq!(which.to_string(), head, "a name is written as it was read");
    }
    reached
}

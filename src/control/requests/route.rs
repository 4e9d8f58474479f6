//! What a request asks for, as the daemon reads it.

use std::borrow::Cow;

use serde_json::Value;

use crate::control::protocol::{ErrorKind, Question};
use crate::domain::escape::escape;

use super::table::WRITES;
use super::{Refusal, query};

/// A request, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    pub method: &'r str,
    /// Path and query.
    pub target: &'r str,
    pub body: &'r [u8],
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// The status page.
    Page,
    /// What browsers ask for by themselves, and there is none of.
    Icon,
    /// Whether the daemon is well.
    Health,
    /// Figures for a monitor.
    Metrics,
    /// Answered by the engine with one document.
    Ask(Question),
    /// Every record of the ledger, a line each.
    Records,
    /// Outcomes as a shop tells them.
    Outcomes {
        body: Value,
        /// Whether those of posts that nobody knows are kept, too.
        unknown_posts: bool,
    },
}

/// The one address that takes words other than ours.
const OUTCOMES: &str = "/v1/outcomes";

/// Finds what a request asks for.
///
/// # Errors
/// There is nothing at that address, or what is asked cannot be read.
pub fn route(request: &Request) -> Result<Route, Refusal> {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let write = WRITES.iter().find(|(at, _)| *at == path);
    if let Some((_, question)) = write {
        if request.method != "POST" {
            return Err(Refusal::method("POST"));
        }
        return Ok(Route::Ask(written(question, request.body)?));
    }
    if path == OUTCOMES {
        if request.method != "POST" {
            return Err(Refusal::method("POST"));
        }
        let unknown_posts = query::keeps_unknown_posts(query)?;
        return Ok(Route::Outcomes { body: read_body(request.body)?, unknown_posts });
    }
    let read = match path {
        "/" => Route::Page,
        "/favicon.ico" => Route::Icon,
        "/healthz" => Route::Health,
        "/metrics" => Route::Metrics,
        "/v1/daemon" => Route::Ask(Question::Ping),
        "/v1/overview" => Route::Ask(Question::Overview),
        "/v1/status" => Route::Ask(Question::Status { which: query::asked_for(query)? }),
        "/v1/plan" => Route::Ask(Question::Plan { days: query::days(query)? }),
        "/v1/records" => Route::Records,
        _ => {
            let message = format!("there is nothing at {}", escape(&cut(path)));
            return Err(
                Refusal::new(404, ErrorKind::Unknown, message).with_hint("docs/control-api.md lists what there is")
            );
        }
    };
    // A look at the heads only is as good.
    if matches!(request.method, "GET" | "HEAD") { Ok(read) } else { Err(Refusal::method("GET, HEAD")) }
}

fn cut(path: &str) -> Cow<'_, str> {
    match path.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &path[..end]).into(),
        None => path.into(),
    }
}

fn read_body(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::garbled(format!("the body is no JSON: {error}")))
}

/// The question that a body is for a route.
fn written(question: &str, body: &[u8]) -> Result<Question, Refusal> {
    let Value::Object(mut fields) = read_body(body)? else {
        return Err(Refusal::garbled("the body is no JSON object"));
    };
    fields.insert("question".into(), question.into());
    serde_json::from_value(Value::Object(fields)).map_err(|error| match question {
        // What serde says may quote a token.
        "auth" => Refusal::garbled("the body cannot be read"),
        _ => Refusal::garbled(format!("the body cannot be read: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ROUTES;
    use super::super::query::DAYS_AHEAD;
    use super::*;

    fn request<'r>(method: &'r str, target: &'r str, body: &'r str) -> Request<'r> {
        Request { method, target, body: body.as_bytes() }
    }

    #[test]
    fn what_is_no_question_is_refused_with_its_reason() {
        for (method, target, body, status, reason) in [
            ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
            ("GET", "/v1/status/", "", 404, "nothing at"),
            ("POST", "/v1/status", "", 405, "GET"),
            ("DELETE", "/", "", 405, "GET"),
            ("GET", "/v1/resolve", "", 405, "POST"),
            ("GET", "/v1/outcomes", "", 405, "POST"),
            ("GET", "/v1/status?of=A%20B", "", 400, "an id starts with"),
            ("GET", "/v1/status?which=a", "", 400, "no parameter which: there is of"),
            ("GET", "/v1/status?of=a&of=b", "", 400, "given twice"),
            ("GET", "/v1/plan?days=0", "", 400, "1 to 3660"),
            ("GET", "/v1/plan?days=x", "", 400, "1 to 3660"),
            ("POST", "/v1/resolve", "", 400, "no JSON"),
            ("POST", "/v1/resolve", "[]", 400, "no JSON object"),
            (
                "POST",
                "/v1/resolve",
                r#"{"delivery":"A B","decision":"retry","by":"x"}"#,
                400,
                "the body cannot be read",
            ),
            ("POST", "/v1/resolve", r#"{"delivery":"a@b","decision":"retry","by":"x","more":1}"#, 400, "more"),
            (
                "POST",
                "/v1/resolve",
                r#"{"delivery":"a@b","decision":{"delivered":{"url":"javascript:alert(1)"}},"by":"x"}"#,
                400,
                "https://… or at://…",
            ),
            (
                "POST",
                "/v1/resolve",
                r#"{"delivery":"a@b","decision":"retry","by":"x\u001b[2J"}"#,
                400,
                "a name holds no control characters",
            ),
            ("POST", "/v1/resolve", r#"{"delivery":"a@b","decision":"retry","by":" "}"#, 400, "say who"),
            ("POST", "/v1/settle", r#"{"account":"b","ids":["1"],"by":"x\ny"}"#, 400, "a name holds no control"),
            ("POST", "/v1/settle", r#"{"account":"b","ids":["1\u0000"],"by":"x"}"#, 400, "no control characters"),
            ("POST", "/v1/settle", r#"{"account":"b","ids":[""],"by":"x"}"#, 400, "an id of a message"),
            ("POST", "/v1/outcomes?unknown_posts=maybe", "{}", 400, "keep or refuse"),
        ] {
            let refusal = route(&request(method, target, body)).unwrap_err();
            assert_eq!(refusal.status, status, "{method} {target} {body}: {refusal:?}");
            assert!(refusal.problem.message.contains(reason), "{method} {target} {body}: {refusal:?}");
            assert_eq!(refusal.allow.is_some(), status == 405, "{refusal:?}");
        }
        let auth = route(&request("POST", "/v1/auth", r#"{"account":"a","tokens":{},"canary":"canary"}"#)).unwrap_err();
        assert!(!format!("{auth:?}").contains("canary"), "{auth:?}");
        assert_eq!(route(&request("HEAD", "/healthz", "")), Ok(Route::Health));
        assert_eq!(route(&request("GET", "/v1/plan", "")), Ok(Route::Ask(Question::Plan { days: DAYS_AHEAD })));
    }

    #[test]
    fn every_route_is_there_and_no_other() {
        for (method, path, _) in ROUTES {
            let refused = route(&request(method, path, "{}")).err().map(|refusal| refusal.status);
            assert!([None, Some(400)].contains(&refused), "{method} {path}: {refused:?}");
        }
    }
}

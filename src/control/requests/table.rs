//! Everything that can be asked for, and who may. What is not in these tables is not there.

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever can reach the listener.
    Anybody,
    /// Over TCP only with the token.
    Token,
    /// Nobody over TCP: what goes there travels in the clear.
    SocketOnly,
}

/// Who may ask for what is at a target; `None` where there is nothing.
pub fn access(target: &str) -> Option<Access> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    ROUTES.iter().find(|(_, at, _)| *at == path).map(|(_, _, access)| *access)
}

/// Everything that can be asked for: method, path, and who may over TCP. `HEAD` goes wherever `GET` does.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Access::Anybody),
    ("GET", "/favicon.ico", Access::Anybody),
    ("GET", "/healthz", Access::Anybody),
    ("GET", "/metrics", Access::Anybody),
    ("GET", "/v1/daemon", Access::Anybody),
    ("GET", "/v1/overview", Access::Anybody),
    ("GET", "/v1/status", Access::Anybody),
    ("GET", "/v1/plan", Access::Anybody),
    ("GET", "/v1/records", Access::Token),
    ("POST", "/v1/outcomes", Access::Token),
    ("POST", "/v1/resolve", Access::Token),
    ("POST", "/v1/settle", Access::Token),
    ("POST", "/v1/forget", Access::Token),
    ("POST", "/v1/gains", Access::Token),
    ("POST", "/v1/auth", Access::SocketOnly),
];

/// Routes that change something, and the question that each becomes.
pub(super) const WRITES: &[(&str, &str)] = &[
    ("/v1/resolve", "resolve"),
    ("/v1/auth", "auth"),
    ("/v1/settle", "settle"),
    ("/v1/forget", "forget"),
    ("/v1/gains", "gain"),
];

#[cfg(test)]
mod tests {
    use super::super::ask;
    use super::super::samples::questions;
    use super::*;
    use crate::control::protocol::Question;

    #[test]
    fn only_what_changes_nothing_and_names_nobody_is_open() {
        for question in questions() {
            let asked = ask(&question).unwrap();
            let found = access(&asked.target).unwrap();
            assert_eq!(found == Access::Anybody, asked.method == "GET", "{}", asked.target);
            assert_eq!(found == Access::SocketOnly, matches!(question, Question::Auth { .. }));
        }
        assert_eq!(access("/v1/records"), Some(Access::Token));
        assert_eq!(access("/v1/outcomes?unknown_posts=keep"), Some(Access::Token));
        assert_eq!(access("/v1/nothing"), None);
    }

    #[test]
    fn every_question_that_changes_something_has_a_route() {
        let written: Vec<_> = WRITES.iter().map(|(path, _)| *path).collect();
        assert!(written.iter().all(|path| ROUTES.iter().any(|(method, at, _)| (*method, at) == ("POST", path))));
    }
}

//! What a TCP listener lets through.
//!
//! Whoever uses this machine reaches it, and so does every page that a browser here shows. The first are kept from what only
//! the token may do, the second from everything, whatever they have the browser send. Nothing of this concerns the Unix
//! socket: who may use that one is said by its file.

use subtle::ConstantTimeEq as _;

use crate::control::protocol::ErrorKind;
use crate::domain::links;

use super::{Access, Refusal};

/// How a request came in over TCP.
#[derive(Clone, Copy, Default)]
pub struct Caller<'r> {
    pub authorization: Option<&'r str>,
    pub host: Option<&'r str>,
    /// What a browser says of the page that has it ask (`Sec-Fetch-Site`).
    pub site: Option<&'r str>,
}

/// What a TCP listener lets through.
#[derive(Clone, Copy)]
pub struct Door<'t> {
    /// `None`: nothing that needs it can be done over TCP.
    pub token: Option<&'t str>,
    /// Whether names other than this machine's own loopback are answered to.
    pub allow_remote: bool,
}

impl Door<'_> {
    /// Whether a request is looked at.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn open_to(&self, caller: &Caller) -> Result<(), Refusal> {
        // A page of the web may have its own name point at 127.0.0.1 and would read the answers as its own. It cannot
        // choose what the browser says it is asking for.
        if !self.allow_remote && !caller.host.is_some_and(is_loopback) {
            let what = "this address is for this machine: ask for it as 127.0.0.1, [::1] or localhost";
            return Err(Refusal::new(403, ErrorKind::Forbidden, what));
        }
        // It cannot read what comes back, but may have it made, again and again.
        if caller.site.is_some_and(|site| site.eq_ignore_ascii_case("cross-site")) {
            return Err(Refusal::new(403, ErrorKind::Forbidden, "another site has the browser ask this"));
        }
        Ok(())
    }

    /// Whether a request may have what it asks for.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn admit(&self, access: Access, caller: &Caller) -> Result<(), Refusal> {
        match (access, self.token) {
            (Access::Anybody, _) => Ok(()),
            (Access::SocketOnly, _) => {
                let what = "tokens of accounts are taken over the Unix socket only";
                Err(Refusal::new(403, ErrorKind::Forbidden, what))
            }
            (Access::Token, None) => {
                Err(Refusal::new(403, ErrorKind::Forbidden, "this needs a token, and none is configured")
                    .with_hint("set control.token, or use the Unix socket"))
            }
            (Access::Token, Some(token)) => {
                let given = caller.authorization.and_then(bearer).unwrap_or_default();
                // How long this takes tells the token's length, and not how much of what was given is right.
                if !token.is_empty() && bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
                    return Ok(());
                }
                Err(Refusal::new(401, ErrorKind::Forbidden, "the token is missing or wrong")
                    .with_hint("send it as: Authorization: Bearer TOKEN"))
            }
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_loopback(host: &str) -> bool {
    url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| url.path() == "/" && links::is_loopback(&url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tcp_nothing_is_changed_or_taken_out_without_the_token() {
        let door = Door { token: Some("right"), allow_remote: false };
        let status = |access, authorization, host| {
            let caller = Caller { authorization, host, site: None };
            door.admit(access, &caller).map_or_else(|refusal| refusal.status, |()| 200)
        };
        let here = Some("127.0.0.1:8321");
        assert_eq!(status(Access::Anybody, None, here), 200);
        assert_eq!(status(Access::Token, None, here), 401);
        for (given, told) in [
            ("Bearer right", 200),
            ("bearer  right", 200),
            ("Bearer wrong", 401),
            ("Bearer righ", 401),
            ("Bearer right2", 401),
            ("Bearer ", 401),
            ("Basic right", 401),
            ("right", 401),
        ] {
            assert_eq!(status(Access::Token, Some(given), here), told, "{given}");
            assert_eq!(status(Access::SocketOnly, Some(given), here), 403, "{given}");
        }
        for (token, told) in [(None, 403), (Some(""), 401)] {
            let caller = Caller { authorization: Some("Bearer "), host: here, site: None };
            let refusal = Door { token, ..door }.admit(Access::Token, &caller).unwrap_err();
            assert_eq!(refusal.status, told);
        }
    }

    #[test]
    fn a_name_that_was_pointed_here_gets_no_answer() {
        let admit = |host, allow_remote| {
            let caller = Caller { authorization: Some("Bearer right"), host, site: None };
            Door { token: Some("right"), allow_remote }.open_to(&caller).is_ok()
        };
        for host in
            ["localhost", "localhost:8321", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8321", "127.9.9.9:1", "[::1]:8321"]
        {
            assert!(admit(Some(host), false), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8321",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "10.0.0.1",
            "localhost/x",
            "x@localhost/",
            "",
        ] {
            assert!(!admit(Some(host), false), "{host}");
            assert!(admit(Some(host), true), "{host}");
        }
        assert!(!admit(None, false));
        for (site, open) in [("cross-site", false), ("same-origin", true), ("none", true), ("same-site", true)] {
            let caller = Caller { authorization: None, host: Some("localhost"), site: Some(site) };
            let door = Door { token: None, allow_remote: true };
            assert_eq!(door.open_to(&caller).is_ok(), open, "{site}");
        }
    }
}

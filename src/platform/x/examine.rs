//! What X tells of an account. Scopes of OAuth 2.0 it tells nobody but at a refresh; of OAuth 1.0a a header says what the
//! application may do.
//!
//! Nothing is refreshed here: that would spend a token which is the daemon's.

use super::X;
use super::session::{Auth, Kept, NOBODY};
use super::wire::{self, Trouble, Wire};
use crate::platform::contract::examine::{Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, HttpReply};

impl X {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let mut facts = Facts { token: Some(self.life()), ..Facts::default() };
        let Some(reply) = replies.first() else {
            let request = Wire { base: &self.base }.me();
            return match self.auth.sign_examination(about, request) {
                Kept::Signed(request) => Ask::Call(request),
                Kept::Over => {
                    facts.notes.push(Note::ok(
                        "its access token is over, and the daemon renews it at its next use; so it was not asked whose it is",
                    ));
                    Ask::Done(facts)
                }
                Kept::Missing => {
                    facts.notes.push(Note::ok(
                        "no token is kept yet: the first use of the configured one spends it, and that is the daemon's",
                    ));
                    Ask::Done(facts)
                }
                Kept::Nobody => {
                    facts.token = None;
                    facts.notes.push(Note::fail(NOBODY, "log in with cadenced auth"));
                    Ask::Done(facts)
                }
            };
        };
        let hidden = self.auth.hidden_of(about);
        let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
        match wire::understand(reply, &hidden, about.now) {
            Ok(value) => {
                facts.identity = wire::id(&value["data"]["id"]);
                facts.name = value["data"]["username"].as_str().map(|name| format!("@{}", wire::quote(name, &hidden)));
                if reply.header("x-access-level") == Some("read") {
                    facts.notes.push(Note::fail(
                        "the application may read and not write",
                        "give it \"Read and write\" in X's developer portal, and make the access token anew",
                    ));
                }
                Ask::Done(facts)
            }
            // Only these are about the token, and the daemon renews one of OAuth 2.0 by itself.
            Err(Trouble::Token(why)) if matches!(self.auth, Auth::OAuth1(_)) => Ask::Refused(why),
            Err(trouble) => {
                facts.notes.push(match trouble {
                    Trouble::Token(why) => Note::warn(
                        format!("its access token is refused: {why}"),
                        "the daemon renews it at its next use; ask again then",
                    ),
                    Trouble::Stopped(why) => Note::fail(why, "do what that says, in X's developer console"),
                    other => Note::warn(format!("it could not be asked: {}", other.why()), "ask again later"),
                });
                Ask::Done(facts)
            }
        }
    }

    fn life(&self) -> Life {
        match self.auth {
            Auth::OAuth1(_) => Life::Endless,
            Auth::OAuth2 { .. } => Life::Renewed,
        }
    }
}

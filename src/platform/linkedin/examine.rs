//! What LinkedIn tells of an account: its name, and, to an app that has its secret here, how long the token lives and what
//! it may do (`introspectToken`).

use serde_json::Value;

use super::wire::{self, Wire};
use super::{Linkedin, session};
use crate::domain::{Secret, Timestamp};
use crate::platform::contract::examine::{End, Ending, Examination, Facts, Life, Note, Permission, permissions};
use crate::platform::contract::{Ask, Call, HttpReply, Session};

const OF_MEMBER: &[Permission] = &[
    Permission { any_of: &["w_member_social"], always: true, purpose: "every post" },
    Permission { any_of: &["openid"], always: true, purpose: "learning whose token it is" },
];
const OF_PAGE: &[Permission] = &[
    Permission { any_of: &["w_organization_social"], always: true, purpose: "every post" },
    Permission {
        any_of: &["r_organization_social"],
        always: true,
        purpose: "looking for a post whose answer was lost",
    },
];

/// A version is served until this day of its month, a year later: so were those that ended, and so is announced.
const LAST_DAY: i8 = 15;

impl Linkedin {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let Some(token) = session::at_hand(about.session, about.secrets) else { return Ask::Done(Facts::default()) };
        let wire = Wire { base: &self.base, version: &self.version, token: &token };
        let mut calls = Vec::new();
        if !self.is_page() {
            calls.push(wire.user());
        }
        let app = self.app.as_ref().zip(about.secrets.get(session::CLIENT_SECRET));
        if let Some((app, secret)) = app {
            calls.push(wire::introspect(&self.oauth, &app.id, secret, &token));
        }
        if let Some(Call::Http(request)) = calls.into_iter().nth(replies.len()) {
            return Ask::Call(request);
        }
        let value = |reply: &HttpReply| reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let hidden = self.hidden_of(about);
        let hidden: Vec<&str> = hidden.iter().map(Secret::expose).collect();
        let mut facts = Facts { token: Some(Life::Untold), ..Facts::default() };
        if self.refresh.is_some() {
            facts.token = Some(Life::Renewed);
        }
        if let Some(name) = replies.first().filter(|_| !self.is_page()).map(value).and_then(|me| text(&me, "name")) {
            facts.name = Some(wire::quote(&name, &hidden));
        }
        if app.is_some() {
            match replies.last().map(value).filter(|told| told.get("active").is_some_and(Value::is_boolean)) {
                Some(told) => self.introspected(&told, &mut facts),
                None => facts.notes.push(Note::warn(
                    "LinkedIn does not tell what the token may do",
                    "look whether `client_id` and `client_secret` are those of the app that the token was made for",
                )),
            }
        }
        Ask::Done(facts)
    }

    fn introspected(&self, told: &Value, facts: &mut Facts) {
        if let Some(at) = told.get("expires_at").and_then(Value::as_i64).and_then(|at| Timestamp::from_second(at).ok())
        {
            match self.refresh {
                Some(_) => facts.notes.push(Note::ok(format!("its access token lives until {at}"))),
                None => facts.token = Some(Life::Until(at)),
            }
        }
        if told["active"] == false {
            facts.notes.push(Note::fail("the token is not active any more", "log in again: cadenced auth"));
        }
        let scopes = text(told, "scope").unwrap_or_default();
        // Documented with commas; other servers of the kind write spaces.
        let has = |scope: &str| scopes.split([',', ' ']).any(|held| held == scope);
        let wanted = if self.is_page() { OF_PAGE } else { OF_MEMBER };
        facts.notes.extend(permissions(wanted, has, "log in again, and let the app have it"));
    }

    fn hidden_of(&self, about: &Examination<'_>) -> Vec<Secret> {
        let held = about.secrets.0.values().cloned();
        held.chain(session::at_hand(about.session, about.secrets)).collect()
    }

    /// The version of the API; and the refresh token, whose end is told with what it gives.
    pub(super) fn ending(&self, session: &Session) -> Vec<End> {
        let version = last_day(&self.version).map(|at| End { of: Ending::Version(self.version.clone()), at });
        let token = session::refresh_ends(session).map(|at| End { of: Ending::Token, at });
        token.into_iter().chain(version).collect()
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// When a version ends.
fn last_day(version: &str) -> Option<Timestamp> {
    let (year, month) = (version.get(..4)?.parse::<i16>().ok()?, version.get(4..)?.parse::<i8>().ok()?);
    let day = jiff::civil::Date::new(year.checked_add(1)?, month, LAST_DAY).ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_ends_a_year_later() {
        let at = |version: &str| last_day(version).map(|at| at.to_string());
        assert_eq!(at("202609").as_deref(), Some("2027-09-15T00:00:00Z"));
        assert_eq!(at("202601").as_deref(), Some("2027-01-15T00:00:00Z"));
        for version in ["", "2026", "202613", "x02601"] {
            assert_eq!(at(version), None, "{version}");
        }
    }
}

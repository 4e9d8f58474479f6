//! Announces what ends by itself and only a person can replace: tokens, and versions of APIs.
//!
//! Each stage of it (see [`End::stage`]) is said once in the life of the process, and again after a start: what nobody has
//! replaced by then may be heard twice. `status` tells it for as long as it lasts.

use std::collections::BTreeMap;

use crate::control::protocol::{Attention, AttentionKind};
use crate::domain::{AccountId, Timestamp, time};
use crate::platform::contract::examine::{self, End, Ending};
use crate::telemetry::events::{Event as LogEvent, quote};

use super::Engine;
use super::desk::Desk;

/// What was said of one account's ends: the last stage of each.
pub(super) type Said = BTreeMap<Ending, u32>;

impl Desk {
    fn ends(&self) -> Vec<End> {
        let setup = &self.setup;
        examine::ends(&*setup.adapter, &self.session, &setup.secrets, setup.token_expires)
    }
}

impl Engine {
    /// Says every stage that has come since it was asked last.
    pub(super) fn announce_ends(&mut self, now: Timestamp) {
        let mut events = Vec::new();
        for (account, desk) in &mut self.desks {
            let mut said = Said::new();
            for end in desk.ends() {
                let Some(stage) = end.stage(now) else { continue };
                if desk.ends_said.get(&end.of).is_none_or(|said| stage < *said) {
                    events.push(event(account, desk.setup.adapter.platform(), &end, now));
                }
                said.insert(end.of, stage);
            }
            // What was replaced is forgotten, so that the end of what took its place is said.
            desk.ends_said = said;
        }
        events.into_iter().for_each(|event| self.log(event));
    }

    /// What ends soon, for `status`.
    pub(super) fn ending(&self, now: Timestamp) -> Vec<Attention> {
        let near = |(account, desk): (&AccountId, &Desk)| {
            let ends = desk.ends().into_iter().filter(|end| end.stage(now).is_some());
            ends.map(|end| attention(account, &end)).collect::<Vec<_>>()
        };
        self.desks.iter().flat_map(near).collect()
    }
}

fn event(account: &AccountId, platform: &str, end: &End, now: Timestamp) -> LogEvent {
    let (account, platform, remedy) = (account.clone(), platform.to_owned(), end.remedy(account.as_str()));
    // Whole days, so that the last announcement says three and not two.
    let days = time::days(time::since(end.at, now)).ceil();
    let at = end.at;
    match &end.of {
        Ending::Token => LogEvent::AccountTokenExpires { account, platform, days, at, remedy },
        Ending::Version(version) => {
            LogEvent::AccountVersionAges { account, platform, version: quote(version), days, at, remedy }
        }
    }
}

fn attention(account: &AccountId, end: &End) -> Attention {
    let (kind, reason) = match &end.of {
        Ending::Token => (AttentionKind::TokenExpires, format!("its token ends at {}", end.at)),
        Ending::Version(version) => {
            (AttentionKind::VersionAges, format!("version {} of the platform's API ends at {}", quote(version), end.at))
        }
    };
    let hint = Some(end.remedy(account.as_str()));
    Attention { kind, delivery: None, account: Some(account.clone()), reason, hint }
}

//! A wire-level imitation of Threads, for tests and simulation: see [`graph::twin`](crate::platform::graph::twin).

use std::ops::{Deref, DerefMut};

use url::Url;

use crate::domain::Timestamp;
use crate::platform::contract::crowd::{CrowdAct, Standing};
use crate::platform::contract::{Call, Published, Reply, Secrets, Twin};
use crate::platform::graph::twin::{GraphTwin, Manner};

use super::{DIALECT, LOGIN};

/// What Threads takes.
const MANNER: Manner = Manner {
    dialect: &DIALECT,
    login: &LOGIN,
    platform: "threads",
    quota: 250,
    characters: 500,
    text_alone: true,
    items: 20,
    images: &["jpg", "png"],
    not_ready: (24, 4_279_009),
};

#[derive(Debug)]
pub struct ThreadsTwin(GraphTwin);

impl ThreadsTwin {
    pub fn new() -> Self {
        Self(GraphTwin::new(MANNER))
    }
}

impl Default for ThreadsTwin {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for ThreadsTwin {
    type Target = GraphTwin;

    fn deref(&self) -> &GraphTwin {
        &self.0
    }
}

impl DerefMut for ThreadsTwin {
    fn deref_mut(&mut self) -> &mut GraphTwin {
        &mut self.0
    }
}

impl Twin for ThreadsTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        self.0.table(account, base)
    }

    fn secrets(&self, account: u32) -> Secrets {
        self.0.secrets(account)
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        self.0.answer(call, now)
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        self.0.published_since(mark)
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.0.carry_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        self.0.stands(account, post)
    }

    fn throttle(&mut self, until: Timestamp) {
        self.0.throttle(until);
    }

    fn expire_tokens(&mut self) {
        self.0.expire_tokens();
    }

    fn hide_files(&mut self, hidden: bool) {
        self.0.hidden = hidden;
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.0.set_revoked(revoked);
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        self.0.agree(account, address)
    }
}

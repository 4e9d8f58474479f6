//! What other people do on an imitated platform, the same for all: who has liked and passed on what, what was said, and
//! who cannot be seen any more.
//!
//! It is what is true there. How a platform tells of it, in pages and with its own words, is the business of each twin;
//! a sweep has to come to what is true again.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Interaction, PersonId, Timestamp};

/// Something that somebody does. People have numbers; every fourth of them is a bot that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CrowdAct {
    Like {
        by: By,
        post: String,
    },
    Unlike {
        by: By,
        post: String,
    },
    Repost {
        by: By,
        post: String,
    },
    Unrepost {
        by: By,
        post: String,
    },
    /// An answer to a post of ours or to anything that was said. `private`: to us alone.
    Reply {
        by: By,
        to: String,
        text: String,
        private: bool,
    },
    Quote {
        by: By,
        post: String,
        text: String,
    },
    /// A post that names account number `account` and answers nothing.
    Mention {
        by: By,
        account: u32,
        text: String,
        private: bool,
    },
    /// It is taken back by whoever said it.
    Unsay {
        id: String,
    },
    /// They block us: counts stay as they are, and nobody tells us of them any more.
    Block {
        person: u32,
    },
    /// Their account is closed; it is the same to us.
    Vanish {
        person: u32,
    },
    /// A person of ours deletes a post.
    Delete {
        post: String,
    },
}

impl CrowdAct {
    fn by(&self) -> Option<By> {
        match self {
            Self::Like { by, .. }
            | Self::Unlike { by, .. }
            | Self::Repost { by, .. }
            | Self::Unrepost { by, .. }
            | Self::Reply { by, .. }
            | Self::Quote { by, .. }
            | Self::Mention { by, .. } => Some(*by),
            Self::Unsay { .. } | Self::Block { .. } | Self::Vanish { .. } | Self::Delete { .. } => None,
        }
    }
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Somebody else, by number.
    Person(u32),
    /// A person of ours by hand, as account number so-and-so.
    Ours(u32),
}

impl By {
    pub fn is_bot(self) -> bool {
        matches!(self, Self::Person(number) if number % 4 == 3)
    }
}

/// What is true of a post of ours, as far as the platform tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub gone: bool,
    pub counts: BTreeMap<Interaction, u64>,
    pub who: BTreeMap<Interaction, BTreeSet<PersonId>>,
    /// By id.
    pub said: BTreeMap<String, Word>,
    /// Everybody who is a bot, also elsewhere.
    pub bots: BTreeSet<PersonId>,
}

/// One thing that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// `None`: we have.
    pub by: Option<PersonId>,
    pub parent: Option<String>,
    pub text: String,
    pub private: bool,
}

/// One like or repost.
#[derive(Debug, Clone)]
pub struct Done {
    /// Later ones have greater numbers.
    pub number: u64,
    pub by: By,
    pub at: Timestamp,
}

/// Something that was said.
#[derive(Debug, Clone)]
pub struct Said {
    pub id: String,
    pub parent: Option<String>,
    /// The post that it shows.
    pub quotes: Option<String>,
    /// The account that it names.
    pub names: Option<u32>,
    pub by: By,
    pub text: String,
    pub private: bool,
    pub at: Timestamp,
    pub gone: bool,
}

/// Everything that people have done.
#[derive(Debug, Default)]
pub struct Crowd {
    done: BTreeMap<(Interaction, String), Vec<Done>>,
    said: Vec<Said>,
    hidden: BTreeSet<u32>,
    people: BTreeSet<By>,
    numbers: u64,
    /// Somebody can pass the same post on twice, and then stands there twice.
    pub doubles: bool,
}

impl Crowd {
    /// Carries it out; `id` is what is said by it would be called. Says whether something was said.
    pub fn act(&mut self, act: &CrowdAct, id: &str, now: Timestamp) -> bool {
        let said = |by: By, text: &str| Said {
            id: id.into(),
            parent: None,
            quotes: None,
            names: None,
            by,
            text: text.into(),
            private: false,
            at: now,
            gone: false,
        };
        self.people.extend(act.by());
        let said = match act {
            CrowdAct::Like { by, post } => return self.does(Interaction::Like, *by, post, now),
            CrowdAct::Repost { by, post } => return self.does(Interaction::Repost, *by, post, now),
            CrowdAct::Unlike { by, post } => return self.undoes(Interaction::Like, *by, post),
            CrowdAct::Unrepost { by, post } => return self.undoes(Interaction::Repost, *by, post),
            CrowdAct::Unsay { id } => {
                self.said.iter_mut().filter(|said| said.id == *id).for_each(|said| said.gone = true);
                return false;
            }
            CrowdAct::Block { person } | CrowdAct::Vanish { person } => {
                self.hidden.insert(*person);
                return false;
            }
            CrowdAct::Delete { .. } => return false,
            CrowdAct::Reply { by, to, text, private } => {
                Said { parent: Some(to.clone()), private: *private, ..said(*by, text) }
            }
            CrowdAct::Quote { by, post, text } => Said { quotes: Some(post.clone()), ..said(*by, text) },
            CrowdAct::Mention { by, account, text, private } => {
                Said { names: Some(*account), private: *private, ..said(*by, text) }
            }
        };
        self.said.push(said);
        true
    }

    /// What was said names an account.
    pub fn names(&mut self, id: &str, account: u32) {
        self.said.iter_mut().filter(|said| said.id == id).for_each(|said| said.names = Some(account));
    }

    fn does(&mut self, kind: Interaction, by: By, post: &str, at: Timestamp) -> bool {
        self.numbers += 1;
        let done = self.done.entry((kind, post.to_owned())).or_default();
        let again = done.iter().any(|held| held.by == by);
        if !again || (self.doubles && kind == Interaction::Repost) {
            done.push(Done { number: self.numbers, by, at });
        }
        false
    }

    fn undoes(&mut self, kind: Interaction, by: By, post: &str) -> bool {
        let done = self.done.entry((kind, post.to_owned())).or_default();
        if let Some(place) = done.iter().position(|held| held.by == by) {
            done.remove(place);
        }
        false
    }

    /// Everybody who has ever done something and is a bot.
    pub fn bots(&self) -> impl Iterator<Item = By> {
        self.people.iter().copied().filter(|by| by.is_bot())
    }

    /// Whether anything is told of them.
    pub fn shows(&self, by: By) -> bool {
        !matches!(by, By::Person(number) if self.hidden.contains(&number))
    }

    pub fn count(&self, kind: Interaction, post: &str) -> u64 {
        self.all(kind, post).len() as u64
    }

    /// Everybody who is counted, oldest first.
    fn all(&self, kind: Interaction, post: &str) -> &[Done] {
        self.done.get(&(kind, post.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Everybody who is told of, newest first.
    pub fn list(&self, kind: Interaction, post: &str) -> Vec<&Done> {
        self.all(kind, post).iter().rev().filter(|done| self.shows(done.by)).collect()
    }

    /// What was said and is still there, oldest first; also by those who are not told of.
    pub fn said(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.said.iter().filter(|said| !said.gone)
    }

    /// The same without those who are not told of.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.said().filter(|said| self.shows(said.by))
    }

    pub fn find(&self, id: &str) -> Option<&Said> {
        self.shown().find(|said| said.id == id)
    }

    pub fn quotes<'a>(&'a self, post: &'a str) -> impl DoubleEndedIterator<Item = &'a Said> {
        self.said().filter(move |said| said.quotes.as_deref() == Some(post))
    }
}

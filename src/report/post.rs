//! The posts that a report speaks of: what they are about, and where they were delivered when.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{AccountId, DeliveryId, Goal, PostId, Timestamp};

/// Every post of which an attempt is on record. Replies of ours are none.
#[derive(Debug, Default)]
pub struct Posts(BTreeMap<PostId, Post>);

#[derive(Debug, Default)]
pub struct Post {
    pub about: About,
    /// Those within the time that is looked at.
    pub deliveries: BTreeMap<AccountId, Timestamp>,
}

/// What an intent holds of a post for those who count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct About {
    #[serde(default)]
    pub audience: Option<String>,
    #[serde(default)]
    pub goal: Option<Goal>,
    #[serde(default)]
    pub series: Option<String>,
}

impl Posts {
    /// `body` is that of the first attempt.
    pub fn intended(&mut self, post: &PostId, body: &str) {
        if !self.0.contains_key(post) {
            let about = serde_json::from_str(body).unwrap_or_default();
            self.0.insert(post.clone(), Post { about, ..Post::default() });
        }
    }

    pub fn delivered_at(&mut self, delivery: &DeliveryId, at: Timestamp) {
        if let Some(post) = self.0.get_mut(&delivery.post) {
            post.deliveries.entry(delivery.account.clone()).or_insert(at);
        }
    }

    pub fn about(&self, post: &PostId) -> Option<&About> {
        self.0.get(post).map(|post| &post.about)
    }

    pub fn was_delivered(&self, post: &PostId) -> bool {
        self.0.get(post).is_some_and(|post| !post.deliveries.is_empty())
    }

    /// Those that were delivered within the time that is looked at.
    pub fn delivered(&self) -> impl Iterator<Item = &Post> {
        self.named().map(|(_, post)| post)
    }

    /// The same, with their names, in the order of these.
    pub fn named(&self) -> impl Iterator<Item = (&PostId, &Post)> {
        self.0.iter().filter(|(_, post)| !post.deliveries.is_empty())
    }
}

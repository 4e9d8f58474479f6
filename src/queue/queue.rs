//! All files together: one set of posts, each id once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::PostId;

use super::{Order, Post, Trouble};

/// The posts in force, file by file. A file that cannot be read keeps its last good posts.
#[derive(Debug, Default)]
pub struct Queue {
    files: BTreeMap<Arc<str>, Vec<PostId>>,
    posts: BTreeMap<PostId, Held>,
}

/// The versions of one post: normally one; two while it moves, or when two files clash.
#[derive(Debug)]
struct Held {
    versions: Vec<Arc<Post>>,
}

/// What a new reading of a file has changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The post is new, or has changed.
    Put(Arc<Post>),
    /// No file holds it any more.
    Removed(PostId),
}

impl Queue {
    /// A file's posts are now these.
    pub fn file(&mut self, file: &Arc<str>, posts: Vec<Post>) -> Vec<Change> {
        let before = self.files.remove(file).unwrap_or_default();
        let mut touched: BTreeMap<PostId, Option<Arc<Post>>> = BTreeMap::new();
        for id in before {
            touched.insert(id.clone(), self.current(&id));
            self.drop_version(&id, file);
        }
        let mut ids = Vec::with_capacity(posts.len());
        for post in posts {
            let id = post.id.clone();
            if !touched.contains_key(&id) {
                touched.insert(id.clone(), self.current(&id));
            }
            ids.push(id.clone());
            let held = self.posts.entry(id).or_insert(Held { versions: Vec::new() });
            held.versions.push(Arc::new(post));
            held.versions.sort_by(|a, b| a.order.cmp(&b.order));
        }
        if !ids.is_empty() {
            self.files.insert(file.clone(), ids);
        }
        self.changes(touched)
    }

    /// The file is not there any more.
    pub fn gone(&mut self, file: &Arc<str>) -> Vec<Change> {
        self.file(file, Vec::new())
    }

    /// The names of the files that hold posts.
    pub fn files(&self) -> impl Iterator<Item = &Arc<str>> {
        self.files.keys()
    }

    /// How many posts there are.
    pub fn len(&self) -> usize {
        self.posts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
    }

    fn drop_version(&mut self, id: &PostId, file: &Arc<str>) {
        if let Some(held) = self.posts.get_mut(id) {
            held.versions.retain(|post| post.order.file != *file);
            if held.versions.is_empty() {
                self.posts.remove(id);
            }
        }
    }

    /// The version in force. Where two files hold one id with the same content, the first one counts; where they
    /// differ, nobody can say which was meant, and the post is in trouble until one of them goes.
    fn current(&self, id: &PostId) -> Option<Arc<Post>> {
        let versions = &self.posts.get(id)?.versions;
        let first = versions.first()?;
        match versions.iter().find(|other| other.digest != first.digest) {
            None => Some(first.clone()),
            Some(other) => {
                Some(Arc::new(Post { trouble: Some(clash(&first.order, &other.order)), ..(**first).clone() }))
            }
        }
    }

    fn changes(&self, touched: BTreeMap<PostId, Option<Arc<Post>>>) -> Vec<Change> {
        let mut changes = Vec::new();
        for (id, before) in touched {
            match (before, self.current(&id)) {
                (before, Some(now)) if before.as_ref() != Some(&now) => changes.push(Change::Put(now)),
                (Some(_), None) => changes.push(Change::Removed(id)),
                _ => {}
            }
        }
        changes
    }
}

fn clash(first: &Order, second: &Order) -> Trouble {
    Trouble::Duplicate(format!("{} and {} hold this id with different contents", first.file, second.file).into())
}

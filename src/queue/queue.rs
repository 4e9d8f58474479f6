//! All files together: one set of posts, each id once.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{PostId, Sorted};

use super::{Order, Post, Rare, Trouble};

/// Posts by their ids: a set of the posts themselves, for a million of them are held.
#[derive(Debug, Clone, Default)]
pub struct Posts(Sorted<ById>);

/// A post by its id.
#[derive(Debug, Clone)]
pub struct ById(pub Arc<Post>);

impl Ord for ById {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}
impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for ById {}

impl Borrow<PostId> for ById {
    fn borrow(&self) -> &PostId {
        &self.0.id
    }
}

impl Posts {
    pub fn get(&self, id: &PostId) -> Option<&Arc<Post>> {
        self.0.get(id).map(|(post, ())| &post.0)
    }

    /// Puts a post in; gives the one that had its id.
    pub fn insert(&mut self, post: Arc<Post>) -> Option<Arc<Post>> {
        self.0.insert(ById(post), ()).map(|(before, ())| before.0)
    }

    pub fn remove(&mut self, id: &PostId) -> Option<Arc<Post>> {
        self.0.remove(id).map(|(before, ())| before.0)
    }

    /// By id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.0.keys().map(|post| &post.0)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The posts in force, file by file. A file that cannot be read keeps its last good posts.
#[derive(Debug, Default)]
pub struct Queue {
    files: BTreeMap<Arc<str>, Box<[Arc<Post>]>>,
    /// Of every id the version that comes first in the queue.
    first: Posts,
    /// The others, in order: while a post moves from one file to another, or when two files clash.
    others: BTreeMap<PostId, Vec<Arc<Post>>>,
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
    /// The posts of a file, in its order.
    pub fn of_file(&self, file: &str) -> &[Arc<Post>] {
        self.files.get(file).map_or(&[], |posts| posts)
    }

    /// A file's posts are now these.
    pub fn file(&mut self, file: &Arc<str>, posts: Vec<Post>) -> Vec<Change> {
        let before = self.files.remove(file).unwrap_or_default();
        let mut touched: BTreeMap<PostId, Option<Arc<Post>>> = BTreeMap::new();
        for post in &before {
            touched.insert(post.id.clone(), self.current(&post.id));
            self.drop_version(&post.id, file);
        }
        let posts: Box<[Arc<Post>]> = posts.into_iter().map(Arc::new).collect();
        for post in &posts {
            if !touched.contains_key(&post.id) {
                touched.insert(post.id.clone(), self.current(&post.id));
            }
            self.add_version(post.clone());
        }
        if !posts.is_empty() {
            self.files.insert(file.clone(), posts);
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
        self.first.len()
    }

    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    fn add_version(&mut self, post: Arc<Post>) {
        let id = post.id.clone();
        if let Some(before) = self.first.insert(post.clone()) {
            let mut versions = self.others.remove(&id).unwrap_or_default();
            versions.extend([before, post]);
            versions.sort_by(|a, b| a.order.cmp(&b.order));
            self.hold(id, versions);
        }
    }

    fn drop_version(&mut self, id: &PostId, file: &Arc<str>) {
        let Some(first) = self.first.get(id) else { return };
        if first.order.file != *file && !self.others.contains_key(id) {
            return;
        }
        let mut versions: Vec<_> = self.first.remove(id).into_iter().collect();
        versions.extend(self.others.remove(id).unwrap_or_default());
        versions.retain(|post| post.order.file != *file);
        self.hold(id.clone(), versions);
    }

    /// `versions` are in order.
    fn hold(&mut self, id: PostId, mut versions: Vec<Arc<Post>>) {
        if versions.is_empty() {
            return;
        }
        self.first.insert(versions.remove(0));
        if !versions.is_empty() {
            self.others.insert(id, versions);
        }
    }

    /// The version in force. Where two files hold one id with the same content, the first one counts that is approved, for a
    /// post that moves is not always approved in both at once; where they differ, nobody can say which was meant, and the post is in trouble until one of them goes.
    fn current(&self, id: &PostId) -> Option<Arc<Post>> {
        let first = self.first.get(id)?;
        let others = self.others.get(id).into_iter().flatten();
        match others.into_iter().find(|other| other.digest != first.digest) {
            None => {
                let mut versions = std::iter::once(first).chain(self.others.get(id).into_iter().flatten());
                versions.find(|version| version.approval.is_given()).or(Some(first)).cloned()
            }
            Some(other) => {
                let rare = Rare { trouble: Some(clash(&first.order, &other.order)), ..Rare::clone(&first.rare) };
                Some(Arc::new(Post { rare: rare.into(), ..(**first).clone() }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, Goal};
    use crate::queue::{Approval, Kind, Rarely};

    fn post(file: &str, content: &str, approval: Approval) -> Post {
        Post {
            id: PostId::new("p").unwrap(),
            kind: Kind::Post,
            to: Arc::default(),
            goal: Goal::Change,
            priority: 0,
            order: Order { file: file.into(), place: 0 },
            digest: Digest::of(content.as_bytes()),
            approval,
            rare: Rarely::default(),
            answers_ours: false,
            body: content.into(),
        }
    }

    #[test]
    fn a_post_that_moves_stays_approved_while_only_one_of_its_files_is_signed() {
        let mut queue = Queue::default();
        queue.file(&"z.toml".into(), vec![post("z.toml", "one", Approval::Signed)]);
        let moved = queue.file(&"a.toml".into(), vec![post("a.toml", "one", Approval::NotApproved)]);
        assert_eq!(moved, [], "nothing has changed for it");
        let gone = queue.gone(&"z.toml".into());
        assert_eq!(gone, [Change::Put(post("a.toml", "one", Approval::NotApproved).into())]);
        // Another content is not approved by that.
        let mut queue = Queue::default();
        queue.file(&"z.toml".into(), vec![post("z.toml", "one", Approval::Signed)]);
        let clash = queue.file(&"a.toml".into(), vec![post("a.toml", "two", Approval::NotApproved)]);
        assert!(matches!(&clash[..], [Change::Put(post)] if post.rare.trouble.is_some()), "{clash:?}");
    }
}

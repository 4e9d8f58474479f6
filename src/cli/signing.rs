//! What `cadenced approve --sign` writes: for each queue file one list of contents, old and new, and one signature over it.
//!
//! A signature is over all lines of its list, so whoever approves one post signs the others of the file again. Of those only
//! the ones stay whose approval holds at this moment; they are shown before the question is asked, and so is what would be left
//! out, a post whose picture is not on this machine for one. The private key is never
//! read here: who signs is somebody else ([`Signer`]).

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::domain::{Digest, PostId, Timestamp};
use crate::queue::digest::Body;
use crate::queue::signed::{Allowed, Beside, Verdict, sheet};
use crate::queue::{Post, Trouble};

use super::approve::QueueDesk;
use super::faults::visible;

/// Longest beginning of a text that is shown of a post that is signed again.
const SHOWN: usize = 60;

/// Has something signed, by whoever keeps the key.
pub trait Signer {
    /// Whether there is a key to ask, before a person is asked.
    ///
    /// # Errors
    /// Why there is none.
    fn ready(&self) -> Result<(), String>;

    /// An armoured signature of exactly these bytes, as `ssh-keygen -Y sign -n cadenced` makes it.
    ///
    /// # Errors
    /// Why there is none.
    fn sign(&self, message: &str) -> Result<String, String>;
}

/// What stands beside a queue file that is to be approved.
pub struct Standing {
    pub found: Beside,
    pub verdict: Verdict,
    /// Posts of the file whose approval holds, whoever has given it.
    pub kept: Vec<Post>,
    /// What was signed and would be no more, and why: nobody signs again what they cannot see as it was approved.
    pub left: Vec<(PostId, Arc<str>)>,
}

impl Standing {
    /// What stands beside a file, of whose posts the `chosen` are to be approved. All of them have been judged by it.
    pub fn new(found: Beside, verdict: Verdict, chosen: &[Post], others: &[Post]) -> Self {
        let given = |post: &&Post| post.approval.is_given();
        let mut kept: Vec<_> = chosen.iter().chain(others).filter(given).cloned().collect();
        kept.sort_by_key(|post| post.order.place);
        let stays = |id: &PostId| chosen.iter().chain(&kept).any(|post| post.id == *id);
        let why = |id: &PostId| match others.iter().find(|post| post.id == *id) {
            None => "it is not in the file any more".into(),
            Some(post) => match (&post.rare.trouble, &post.rare.unapproved) {
                (Some(Trouble::Media(why) | Trouble::Invalid(why) | Trouble::Duplicate(why)), _) => (**why).into(),
                (None, why) => why.as_deref().unwrap_or_default().into(),
            },
        };
        let left = verdict.names().filter(|id| !stays(id)).map(|id| (id.clone(), why(id))).collect();
        Self { found, verdict, kept, left }
    }
}

/// Judges what stands beside a file.
pub fn verdict(
    desk: &dyn QueueDesk,
    folder: &Path,
    file: &str,
    allowed: &Allowed,
    now: Timestamp,
) -> (Beside, Verdict) {
    let found = desk.beside(folder, file);
    let verdict = Verdict::new(file, &found, allowed, now);
    (found, verdict)
}

/// Shows what is signed again, and what is not.
pub fn show(out: &mut dyn Write, file: &str, standing: &Standing) -> io::Result<()> {
    for post in &standing.kept {
        let by = standing.verdict.of(&post.id, &post.digest).unwrap_or_default();
        writeln!(out, "again {}  ({})  approved by {}", post.id, visible(file), visible(&by))?;
        let body = post.body.read();
        let text = Body::read(&body).text.unwrap_or_default();
        let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        writeln!(out, "  text       | {}", visible(&first.chars().take(SHOWN).collect::<String>()))?;
        writeln!(out, "  digest     | {}\n", post.digest)?;
    }
    for (id, why) in &standing.left {
        writeln!(out, "left out {id}  ({})  its approval ends with this: {}\n", visible(file), visible(why))?;
    }
    Ok(())
}

/// A list of what is approved from now on, signed; and by whom.
///
/// # Errors
/// It could not be signed, or what was signed would not count.
pub fn signed(
    signer: &dyn Signer,
    file: &str,
    posts: impl Iterator<Item = (PostId, Digest)>,
    allowed: &Allowed,
    now: Timestamp,
) -> Result<(String, Arc<str>), String> {
    let lines: BTreeMap<PostId, Digest> = posts.collect();
    let message = sheet::message(&lines);
    let mut text = message.clone() + signer.sign(&message)?.trim_end();
    text.push('\n');
    // As it would be read: by a key whose word does not count, or of something else, it would approve nothing.
    let verdict = Verdict::new(file, &Beside::Bytes(text.clone().into_bytes()), allowed, now);
    let mut by = None;
    for (id, digest) in &lines {
        by = Some(verdict.of(id, digest).map_err(|void| format!("it was signed, but {}", void.why))?);
    }
    by.map(|by| (text, by)).ok_or_else(|| "there is nothing to sign".into())
}

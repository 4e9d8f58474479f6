//! `NAME.toml.approval`: which contents were approved, and a signature over exactly these lines.
//!
//! ```text
//! cadenced-approval-v1
//! 2026-11-desk-story sha256:…
//! -----BEGIN SSH SIGNATURE-----
//! …
//! -----END SSH SIGNATURE-----
//! ```
//!
//! What is signed is every byte before the armour. So that nobody signs one thing and another is read, there is one way to
//! write each line, and what is written otherwise is refused.

use std::collections::BTreeMap;

use super::sshsig::{BEGIN, Signature};
use crate::domain::{Digest, PostId, limits};

/// The first line. A later form of the file has another one.
const FIRST: &str = "cadenced-approval-v1";

/// A file that has been read. Its signature says nothing until it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    pub lines: BTreeMap<PostId, Digest>,
    /// What the signature is over.
    pub message: String,
    pub signature: Signature,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub line: u32,
    pub reason: String,
}

/// What is to be signed to approve these contents.
pub fn message<'a>(lines: impl IntoIterator<Item = (&'a PostId, &'a Digest)>) -> String {
    let mut message = format!("{FIRST}\n");
    for (id, digest) in lines {
        message += &format!("{id} {digest}\n");
    }
    message
}

impl Sheet {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let broken = |line: usize, reason: &str| Broken {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            reason: reason.to_owned(),
        };
        if bytes.len() as u64 > limits::FILE_BYTES {
            return Err(broken(0, &format!("it is larger than {} bytes", limits::FILE_BYTES)));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| broken(0, "it is not UTF-8"))?;
        if text.contains('\r') {
            return Err(broken(0, "its lines end with CR LF, and what was signed ends with LF; sign it again"));
        }
        let Some(rest) = text.strip_prefix(FIRST).and_then(|rest| rest.strip_prefix('\n')) else {
            return Err(broken(1, &format!("the first line is not {FIRST:?}")));
        };
        let mut lines = BTreeMap::new();
        let mut from = text.len() - rest.len();
        for (number, line) in (2..).zip(rest.split_inclusive('\n')) {
            if line.starts_with(BEGIN) {
                let (message, armour) = text.split_at(from);
                let signature = Signature::read(armour).map_err(|refused| broken(number, &refused.to_string()))?;
                return Ok(Self { lines, message: message.to_owned(), signature });
            }
            let entry = line.strip_suffix('\n').and_then(|line| line.split_once(' '));
            let entry = entry.and_then(|(id, digest)| Some((PostId::new(id).ok()?, digest.parse::<Digest>().ok()?)));
            // Written back it must be the same: digits of a digest may be large letters for those who read them.
            let Some((id, digest)) = entry.filter(|(id, digest)| line == format!("{id} {digest}\n")) else {
                return Err(broken(number, "the line is not \"POST-ID sha256:DIGEST\""));
            };
            if lines.insert(id, digest).is_some() {
                return Err(broken(number, "it names a post a second time"));
            }
            from += line.len();
        }
        Err(broken(0, "it holds no signature"))
    }
}

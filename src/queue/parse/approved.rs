//! Whether the approval that stands in the file holds for what the entry says. What is signed stands beside the file, and
//! whoever reads that says so afterwards.

use crate::domain::Digest;
use crate::domain::document::{DeTable, Faults};
use crate::domain::policy::ApprovalMode;
use crate::queue::Approval;
use crate::queue::digest::Body;

use super::keys::APPROVAL_KEYS;
use super::texts;

/// `approve` changes an approval in its own layout, and what has none it can read it leaves alone.
const ANEW: &str = "remove the whole [post.approval]; then cadenced approve writes a new one";

/// The digest that was approved.
pub(super) fn read<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>, mode: ApprovalMode) -> Option<Digest> {
    let value = table.get("approval")?;
    // What counts for nothing is not wrong in itself.
    if mode == ApprovalMode::Signed {
        let hint = "take it out; cadenced approve --sign approves".to_owned();
        faults.warning(value.span(), "this approval does not count: approvals are signed here", hint);
        return None;
    }
    let table = faults.table("approval", value)?;
    faults.check_keys(table, "in an approval", APPROVAL_KEYS.iter().copied());
    texts::line(faults, table, "by");
    texts::moment(faults, table, "at");
    let Some(digest) = table.get("digest") else {
        faults.missing(value.span(), "digest", ANEW.to_owned());
        return None;
    };
    let text = faults.text("digest", digest)?;
    match text.parse() {
        Ok(digest) => Some(digest),
        Err(cause) => {
            let reason = format!("the approval's digest is refused: {cause}");
            faults.error(digest.span(), reason, ANEW.to_owned());
            None
        }
    }
}

/// What `approved` is for a post with that body and that digest.
pub(super) fn judge(mode: ApprovalMode, approved: Option<Digest>, body: &Body<'_>, digest: Digest) -> Approval {
    match (mode, approved) {
        (ApprovalMode::None, _) => Approval::Approved,
        (ApprovalMode::Signed, _) | (ApprovalMode::Digest, None) => Approval::NotApproved,
        (ApprovalMode::Digest, Some(approved)) if approved == digest => Approval::Approved,
        // Whether the approval still holds can be told only when the file is back.
        (ApprovalMode::Digest, Some(_)) if lacks_a_file(body) => Approval::NotApproved,
        (ApprovalMode::Digest, Some(_)) => Approval::Stale,
    }
}

/// Whether nobody knows what one of its media files holds.
fn lacks_a_file(body: &Body<'_>) -> bool {
    let media = std::iter::once(&body.media).chain(body.variant.values().map(|variant| &variant.media));
    media.flatten().flatten().any(|item| item.sha256.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::parse::{Surroundings, read};

    const POST: &str = "to = ['a']\naudience = 'x'\ngoal = 'change'\ntext = 't'\n";

    #[test]
    fn what_counts_for_nothing_where_approvals_are_signed_spoils_no_file() {
        for approval in ["{ by = 1, at = 'soon', digst = 2 }", "'yes'"] {
            let text = format!("[[post]]\nid = 'p'\n{POST}approval = {approval}\n");
            let read = |approval| {
                let mut media = |_: &str| Ok(Digest([7; 32]).into());
                read(
                    &"a.toml".into(),
                    text.as_bytes(),
                    &mut Surroundings { approval, accounts: None, media: &mut media },
                )
            };
            let reading = read(ApprovalMode::Signed);
            assert_eq!(reading.posts.unwrap()[0].approval, Approval::NotApproved);
            assert_eq!(reading.faults.len(), 1, "{:?}", reading.faults);
            assert!(read(ApprovalMode::Digest).posts.is_none());
        }
    }
}

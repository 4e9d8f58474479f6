//! `cadenced resolve`: what a decision came to, in a sentence. Pure.

use std::io::{self, Write};

use crate::control::protocol::{Decision, Resolved};
use crate::telemetry::escape::escape;

use super::output::{Page, paint};

/// Confirms a decision that is on record.
///
/// # Errors
/// When the output cannot be written.
pub fn confirm(resolved: &Resolved, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let consequence = match &resolved.decision {
        Decision::Delivered { url } => {
            format!("It is on record as delivered at {}; it is never sent again.", escape(url))
        }
        Decision::Retry => "It is sent again as soon as the account's rules allow.".to_owned(),
        Decision::Drop => "It is never sent, even while it stays in the queue.".to_owned(),
    };
    let name = paint(page.colour, page.styles().head, &resolved.delivery.to_string());
    writeln!(
        out,
        "{name}: {} is now {} (decided by {})",
        resolved.before.name(),
        resolved.after.name(),
        escape(&resolved.by)
    )?;
    writeln!(out, "{consequence}")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::control::protocol::Stage;

    fn shown(decision: Decision, after: Stage) -> String {
        let delivery = "desk@fedi".parse().unwrap();
        let resolved = Resolved { delivery, decision, by: "me\u{1b}[2J".into(), before: Stage::Uncertain, after };
        let mut out = Vec::new();
        confirm(&resolved, Page::plain(80), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_decision_says_what_follows() {
        let url = "https://mastodon.example/@me/115".into();
        assert_snapshot!(shown(Decision::Delivered { url }, Stage::Delivered), @r#"
        desk@fedi: uncertain is now delivered (decided by me\u{1b}[2J)
        It is on record as delivered at https://mastodon.example/@me/115; it is never sent again.
        "#);
        assert_snapshot!(shown(Decision::Retry, Stage::Retrying), @r#"
        desk@fedi: uncertain is now retrying (decided by me\u{1b}[2J)
        It is sent again as soon as the account's rules allow.
        "#);
        assert_snapshot!(shown(Decision::Drop, Stage::Withdrawn), @r#"
        desk@fedi: uncertain is now withdrawn (decided by me\u{1b}[2J)
        It is never sent, even while it stays in the queue.
        "#);
    }
}

//! `cadenced inbox`: who waits for an answer, oldest first. Pure; the conversations come in ready.
//!
//! A conversation has a short name made of what it is about, the same each time, so that it can be typed.

use std::collections::HashMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, DeliveryId, Digest, Message, PersonId, PostId, Profile, Timestamp, time};
use crate::engage::{Conversation, Conversations};
use crate::telemetry::escape::escape;

use super::output::{Page, fit, moment, paint};

/// Digits of a short name: two of a hundred thousand are the same once in a century.
const NAME_DIGITS: usize = 8;
/// Most lines of a message in the table; the JSON has all of it.
const LINES: usize = 4;

/// A conversation that waits for us.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiting {
    /// What it is called here.
    pub id: String,
    /// What an answer to the newest message is called: each has one of its own.
    #[serde(skip)]
    pub answer: String,
    pub account: AccountId,
    /// The post of ours that it stands below; `null` for a mention.
    pub delivery: Option<DeliveryId>,
    pub person: PersonId,
    /// What people call them; `null` where that is not on record.
    pub handle: Option<String>,
    pub since: Timestamp,
    pub waiting_s: u64,
    /// What is written as `conversation` in a `[[reply]]` to answer the newest message.
    pub conversation: String,
    /// What waits, oldest first.
    pub messages: Vec<Said>,
    /// The same, by the platform's own ids.
    #[serde(skip)]
    pub ids: Vec<String>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    pub at: Timestamp,
    pub text: String,
    pub url: Option<String>,
    /// It was said to us alone.
    pub private: bool,
}

/// Those that wait, oldest first.
pub fn waiting(
    conversations: &Conversations,
    account: Option<&AccountId>,
    people: &HashMap<PersonId, Profile>,
    now: Timestamp,
) -> Vec<Waiting> {
    let of = |held: &Conversation| {
        let since = held.since?;
        let messages: Vec<&Message> = conversations.unanswered(held).collect();
        let said = |message: &&Message| Said {
            at: message.at,
            text: message.text.clone(),
            url: message.url.clone(),
            private: message.private,
        };
        Some(Waiting {
            id: name(&held.account, &held.first.id),
            answer: name(&held.account, &held.latest.id),
            account: held.account.clone(),
            delivery: held.delivery.clone(),
            handle: people.get(&held.person).map(|profile| profile.handle.clone()),
            person: held.person.clone(),
            since,
            waiting_s: time::since(now, since).as_secs(),
            conversation: held.latest.answer.clone(),
            ids: messages.iter().map(|message| message.id.clone()).collect(),
            messages: messages.iter().map(said).collect(),
        })
    };
    conversations.waiting(account).filter_map(of).collect()
}

fn name(account: &AccountId, first: &str) -> String {
    Digest::of(format!("{account} {first}").as_bytes()).hex()[..NAME_DIGITS].to_owned()
}

/// The contract's list.
///
/// # Errors
/// When the output cannot be written.
pub fn json(waiting: &[Waiting], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, waiting)?;
    out.write_all(b"\n")
}

/// For people.
///
/// # Errors
/// When the output cannot be written.
pub fn table(waiting: &[Waiting], zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let styles = page.styles();
    if waiting.is_empty() {
        return writeln!(out, "nobody waits for an answer");
    }
    for (place, held) in waiting.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let who = held.handle.as_ref().map_or_else(|| held.person.to_string(), |handle| format!("@{handle}"));
        let about =
            held.delivery.as_ref().map_or_else(|| format!("a mention of {}", held.account), ToString::to_string);
        let name = paint(page.colour, styles.head, &held.id);
        writeln!(out, "{name}  {} on {}", escape(&who), escape(&about))?;
        let age = time::days_text(held.waiting_s as f64 / 86_400.0);
        let since = format!("waits {age}, since {}", moment(held.since, zone));
        writeln!(out, "  {}", paint(page.colour, styles.warn, &since))?;
        for said in &held.messages {
            let mut lines = said.text.lines().filter(|line| !line.trim().is_empty());
            for line in lines.by_ref().take(LINES) {
                writeln!(out, "  {}", fit(&format!("| {}", escape(line)), page.width.saturating_sub(2)))?;
            }
            if lines.next().is_some() {
                writeln!(out, "  | …")?;
            }
            let place = said.url.as_deref().unwrap_or(&held.conversation);
            let private = if said.private { "  (said to us alone)" } else { "" };
            writeln!(out, "  {}{private}", paint(page.colour, styles.dim, &escape(place)))?;
        }
    }
    let count = waiting.len();
    let some = if count == 1 { "1 conversation waits".to_owned() } else { format!("{count} conversations wait") };
    writeln!(out, "\n{some}; `cadenced inbox --draft ID` begins an answer, `--done ID` says that none is needed")
}

/// A queue file with an answer to be filled in. It cannot be sent as it is: its text is empty, and nobody has approved it
/// where that is asked for.
pub fn draft(held: &Waiting, post: &PostId, approval: ApprovalMode) -> String {
    let who = held.handle.as_ref().map_or_else(|| held.person.to_string(), |handle| format!("@{handle}"));
    let about = held.delivery.as_ref().map_or_else(|| "a mention".to_owned(), ToString::to_string);
    let mut text = format!("# To {} on {}:\n", plain(&who), about);
    for said in &held.messages {
        for line in said.text.lines().filter(|line| !line.trim().is_empty()) {
            text.push_str(&format!("#   {}\n", plain(line)));
        }
        if let Some(url) = &said.url {
            text.push_str(&format!("#   {}\n", plain(url)));
        }
    }
    // What JSON writes in quotes is a basic string of TOML, but for one character.
    let string = |text: &str| serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
    let then = match approval.how() {
        Some(how) => format!("Write the answer here, then: cadenced approve {post} {how}"),
        None => "Write the answer here: with a text, it goes out".to_owned(),
    };
    text.push_str(&format!(
        "\n[[reply]]\nid = {}\nto = {}\nconversation = {}\n# {then}\ntext = \"\"\"\n\"\"\"\n",
        string(post.as_str()),
        string(held.account.as_str()),
        string(&held.conversation),
    ));
    text
}

/// A comment ends with its line, and holds no control characters.
fn plain(text: &str) -> String {
    escape(text).to_string()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::engage::{Fact, Record};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn held() -> Vec<Waiting> {
        let account = AccountId::new("bsky").unwrap();
        let ann: PersonId = "bluesky:did:plc:ann".parse().unwrap();
        let profile = Profile { person: ann.clone(), handle: "ann.example\u{1b}[2J".into(), bot: None };
        let message = |id: &str, parent: &str, text: &str, minute: &str| Message {
            id: id.into(),
            parent: Some(parent.into()),
            by: Some(ann.clone()),
            at: at(&format!("2026-11-26T10:{minute}:00Z")),
            text: text.into(),
            url: Some(format!("https://bsky.app/{id}")),
            answer: format!("at://did:plc:ann/app.bsky.feed.post/{id}"),
            private: false,
        };
        let mut conversations = Conversations::default();
        let said = [
            message("m1", "ours", "How long did it take?\n\nAnd with whom?", "00"),
            message("m2", "m1", "\"\"\"\ntext = 'evil'\n\u{202e}", "05"),
        ];
        for message in said {
            let delivery = Some("desk@bsky".parse().unwrap());
            let fact = Fact::Said { account: account.clone(), delivery, message };
            conversations.apply(&Record::new(at("2026-11-26T10:10:00Z"), fact));
        }
        let people = HashMap::from([(ann, profile)]);
        waiting(&conversations, Some(&account), &people, at("2026-11-28T10:00:00Z"))
    }

    #[test]
    fn who_waits_is_told_with_what_they_said() {
        let mut out = Vec::new();
        table(&held(), &TimeZone::UTC, Page::plain(80), &mut out).unwrap();
        assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        ca01a3d6  @ann.example\u{1b}[2J on desk@bsky
          waits 2.0 days, since Thu 2026-11-26 10:00
          | How long did it take?
          | And with whom?
          https://bsky.app/m1
          | """
          | text = 'evil'
          | \u{202e}
          https://bsky.app/m2

        1 conversation waits; `cadenced inbox --draft ID` begins an answer, `--done ID` says that none is needed
        "#);
    }

    #[test]
    fn a_draft_is_a_queue_file_whatever_was_said() {
        let held = held();
        let text = draft(&held[0], &PostId::new("re-desk").unwrap(), ApprovalMode::Digest);
        for (approval, wanted) in [
            (ApprovalMode::Signed, "then: cadenced approve re-desk --sign\n"),
            (ApprovalMode::None, "with a text, it goes out\n"),
        ] {
            assert!(draft(&held[0], &PostId::new("re-desk").unwrap(), approval).contains(wanted), "{wanted}");
        }
        let read: toml::Table = text.parse().unwrap();
        let reply = &read["reply"][0];
        assert_eq!(read.len(), 1);
        assert_eq!(reply["conversation"].as_str(), Some("at://did:plc:ann/app.bsky.feed.post/m2"));
        assert_eq!((reply["text"].as_str(), reply["to"].as_str()), (Some(""), Some("bsky")));
        assert_snapshot!(text, @r#"
        # To @ann.example\u{1b}[2J on desk@bsky:
        #   How long did it take?
        #   And with whom?
        #   https://bsky.app/m1
        #   """
        #   text = 'evil'
        #   \u{202e}
        #   https://bsky.app/m2

        [[reply]]
        id = "re-desk"
        to = "bsky"
        conversation = "at://did:plc:ann/app.bsky.feed.post/m2"
        # Write the answer here, then: cadenced approve re-desk --by NAME
        text = """
        """
        "#);
    }
}

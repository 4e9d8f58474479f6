//! What stands beside a queue file: what counts as an approval of which content.

use cadenced::domain::{Digest, PostId, Timestamp};
use cadenced::queue::Approval;
use cadenced::queue::signed::{Allowed, Beside, Signers, Verdict, sheet};
use jiff::tz::TimeZone;

use super::keys::Signer;

const ME: u8 = 1;

pub fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().expect("a moment")
}

pub fn id(text: &str) -> PostId {
    PostId::new(text).expect("an id")
}

/// The list for posts whose digests are those of these words.
pub fn message(posts: &[(&str, &str)]) -> String {
    let lines: Vec<_> = posts.iter().map(|(post, word)| (id(post), Digest::of(word.as_bytes()))).collect();
    sheet::message(lines.iter().map(|(id, digest)| (id, digest)))
}

fn allowed(text: &str) -> Allowed {
    Ok(Signers::read(text, &TimeZone::UTC))
}

/// Our key, on a disk and as a security key.
fn both() -> Allowed {
    allowed(&format!("me {}\nme {}\n", Signer::new(ME).line(), Signer::touched(ME).line()))
}

/// Who has approved post `a` with the content `word`; or what it is called, and why.
fn of(found: &Beside, allowed: &Allowed, word: &str) -> Result<String, String> {
    let verdict = Verdict::new("week.toml", found, allowed, now());
    let held = |approval| if approval == Approval::Stale { "stale" } else { "not approved" };
    let result = verdict.of(&id("a"), &Digest::of(word.as_bytes()));
    result.map(|by| by.to_string()).map_err(|void| format!("{}: {}", held(void.approval), void.why))
}

fn of_text(text: impl Into<Vec<u8>>) -> Result<String, String> {
    of(&Beside::Bytes(text.into()), &both(), "one")
}

#[test]
fn what_is_signed_is_approved_and_nothing_else() {
    let text = message(&[("a", "one"), ("b", "two")]);
    for signer in [Signer::new(ME), Signer { hash: "sha256", ..Signer::new(ME) }, Signer::touched(ME)] {
        let found = Beside::Bytes(signer.sheet(&text));
        assert_eq!(of(&found, &both(), "one"), Ok("me".into()));
        // One edited post voids its own approval only.
        assert_eq!(of(&found, &both(), "other"), Err("stale: it has changed since me signed it".into()));
        let verdict = Verdict::new("week.toml", &found, &both(), now());
        assert!(verdict.of(&id("b"), &Digest::of(b"two")).is_ok());
        let void = verdict.of(&id("c"), &Digest::of(b"two")).expect_err("nobody has signed it");
        assert_eq!((void.approval, &*void.why), (Approval::NotApproved, "week.toml.approval does not name it"));
    }
}

#[test]
fn what_does_not_count_says_why() {
    let text = message(&[("a", "one")]);
    let ours = |text: &str| String::from_utf8(Signer::new(ME).sheet(text)).expect("text");
    let other_lines = text.clone() + &Signer::new(ME).sign(&message(&[("a", "other")]));
    let (before, digest) = text.split_once("sha256:").expect("a digest");
    let big = format!("{before}sha256:{}", digest.to_uppercase());
    for (what, found, why) in [
        ("another key", Signer::new(9).sheet(&text), "is not in allowed_signers"),
        ("another security key", Signer::touched(9).sheet(&text), "is not in allowed_signers"),
        ("another namespace", Signer { namespace: "git", ..Signer::new(ME) }.sheet(&text), "the namespace \"git\""),
        ("another hash", Signer { hash: "md5", ..Signer::new(ME) }.sheet(&text), "hashes with \"md5\""),
        (
            "more than is known",
            Signer { reserved: "more", ..Signer::new(ME) }.sheet(&text),
            "says something that is not known",
        ),
        ("no touch", Signer { flags: 0, ..Signer::touched(ME) }.sheet(&text), "was not touched"),
        ("only a PIN", Signer { flags: 4, ..Signer::touched(ME) }.sheet(&text), "was not touched"),
        ("another counter", Signer { told_counter: Some(8), ..Signer::touched(ME) }.sheet(&text), "not of these lines"),
        ("other lines", other_lines.into_bytes(), "not of these lines"),
        ("a line more", ours(&text).replacen('\n', "\nb sha256:00\n", 1).into(), ":2: the line is not"),
        ("CR LF", ours(&text).replace('\n', "\r\n").into(), "CR LF"),
        ("signed as CR LF", ours(&text.replace('\n', "\r\n")).into(), "CR LF"),
        ("text behind it", (ours(&text) + "b\n").into(), "as ssh-keygen -Y sign writes it"),
        ("a second signature", (ours(&text) + &Signer::new(ME).sign(&text)).into(), "as ssh-keygen -Y sign writes it"),
        ("a line before it", ("\n".to_owned() + &ours(&text)).into(), ":1: the first line is not"),
        ("a later version", ours(&text.replace("v1", "v2")).into(), ":1: the first line is not"),
        ("large letters", ours(&big).into(), ":2: the line is not"),
        ("two blanks", ours(&text.replace(' ', "  ")).into(), ":2: the line is not"),
        ("a blank behind", ours(&text.replace("\na ", "\na  ")).into(), ":2: the line is not"),
        ("a post twice", ours(&message(&[("a", "one"), ("a", "one")])).into(), ":3: it names a post a second time"),
        ("no signature", text.clone().into(), "it holds no signature"),
        ("no line end", text.trim_end().into(), ":2: the line is not"),
        ("nothing", Vec::new(), ":1: the first line is not"),
        ("no text", b"cadenced-approval-v1\n\xff".to_vec(), "it is not UTF-8"),
        ("too much", ours(&text).into_bytes().into_iter().chain(vec![b'\n'; 1 << 20]).collect(), "it is larger than"),
        (
            "a huge armour",
            ours(&text).replace("\n-----END", &("A".repeat(5000) + "\n-----END")).into(),
            "as ssh-keygen",
        ),
    ] {
        let said = of_text(found).expect_err(what);
        // What somebody has signed is a person's, whoever that was.
        let word = if why == "is not in allowed_signers" { "stale: " } else { "not approved: " };
        assert!(said.starts_with(word) && said.contains(why), "{what}: {said}");
    }
    for (found, why) in [
        (Beside::Nothing, "not approved: there is no week.toml.approval"),
        (Beside::Unreadable("it is a FIFO, not a file".into()), "it cannot be read: it is a FIFO, not a file"),
    ] {
        assert!(of(&found, &both(), "one").expect_err("nothing to read").contains(why));
    }
    let good = Beside::Bytes(Signer::new(ME).sheet(&text));
    let nobody: Allowed = Err("there is no such file".into());
    assert!(of(&good, &nobody, "one").is_err_and(|said| said.contains("allowed_signers cannot be read")));
}

#[test]
fn a_key_counts_in_its_time_and_for_this() {
    let key = Signer::new(ME).line();
    let good = Beside::Bytes(Signer::new(ME).sheet(&message(&[("a", "one")])));
    for (options, said) in [
        ("", Ok("me")),
        ("valid-before=\"20261120100000Z\" ", Ok("me")),
        ("valid-after=\"20261120100000Z\" ", Ok("me")),
        ("namespaces=\"git,cad*\" ", Ok("me")),
        ("valid-before=\"20261120095959Z\" ", Err("stale: ")),
        ("valid-after=\"20261120100001Z\" ", Err("not approved: ")),
        ("namespaces=\"git\" ", Err("stale: ")),
        ("namespaces=\"!cadenced,*\" ", Err("stale: ")),
        ("cert-authority ", Err("stale: ")),
    ] {
        let result = of(&good, &allowed(&format!("me {options}{key}\n")), "one");
        match said {
            Ok(by) => assert_eq!(result, Ok(by.into()), "{options}"),
            Err(word) => assert!(result.as_ref().is_err_and(|said| said.starts_with(word)), "{options}: {result:?}"),
        }
    }
    let refused = of(&good, &allowed(&format!("me cert-authority {key}\n")), "one").expect_err("no authorities");
    assert!(refused.contains("line 1 is refused: certificate authorities"), "{refused}");
}

#[test]
fn it_is_known_when_to_judge_again() {
    let key = Signer::new(ME).line();
    let good = Beside::Bytes(Signer::new(ME).sheet(&message(&[("a", "one")])));
    for (text, at) in [
        ("me KEY", None),
        ("me valid-before=\"20261121Z\" KEY", Some("2026-11-21T00:00:01Z")),
        ("me valid-after=\"20261121Z\" KEY\nme valid-before=\"20270101Z\" KEY", Some("2026-11-21T00:00:00Z")),
        ("me valid-before=\"20260101Z\" KEY", None),
    ] {
        let verdict = Verdict::new("week.toml", &good, &allowed(&text.replace("KEY", &key)), now());
        assert_eq!(verdict.turns_at, at.map(|at| at.parse().expect("a moment")), "{text}");
    }
}

#[test]
fn it_is_known_when_what_holds_now_ends() {
    let key = Signer::new(ME).line();
    let good = Beside::Bytes(Signer::new(ME).sheet(&message(&[("a", "one")])));
    let table = [
        ("me KEY", None),
        ("me valid-before=\"20261121Z\" KEY", Some(("2026-11-21T00:00:01Z", Approval::Stale))),
        // One window goes over into the next, and what ends at last is the second.
        (
            "me valid-before=\"20261121Z\" KEY\nnext valid-after=\"20261120Z\",valid-before=\"20261122Z\" KEY",
            Some(("2026-11-22T00:00:01Z", Approval::Stale)),
        ),
        ("me valid-before=\"20261121Z\" KEY\nme valid-after=\"20261120Z\" KEY", None),
        // A pause between two windows is an end, though not the last word.
        (
            "me valid-before=\"20261121Z\" KEY\nme valid-after=\"20261201Z\" KEY",
            Some(("2026-11-21T00:00:01Z", Approval::NotApproved)),
        ),
        // What does not hold now has no end.
        ("me valid-after=\"20261121Z\",valid-before=\"20261122Z\" KEY", None),
        ("me valid-before=\"20260101Z\" KEY", None),
    ];
    for (text, end) in table {
        let allowed = allowed(&text.replace("KEY", &key));
        let verdict = Verdict::new("week.toml", &good, &allowed, now());
        let end = end.map(|(at, approval)| (at.parse().expect("a moment"), approval));
        assert_eq!(verdict.lapse.as_ref().map(|lapse| (lapse.at, lapse.approval)), end, "{text}");
        let Some(lapse) = verdict.lapse else { continue };
        // It is called then what it was said to be called.
        let then = Verdict::new("week.toml", &good, &allowed, lapse.at);
        let void = then.of(&id("a"), &Digest::of(b"one")).expect_err("it has ended");
        assert_eq!((void.approval, void.why), (lapse.approval, lapse.why), "{text}");
    }
}

#[test]
fn no_byte_of_a_sheet_can_be_changed_or_left_out() {
    for signer in [Signer::new(ME), Signer::touched(ME)] {
        let good = signer.sheet(&message(&[("a", "one")]));
        assert!(of_text(good.clone()).is_ok());
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut other = good.clone();
                other[at] ^= 1 << bit;
                assert!(of_text(other).is_err(), "bit {bit} of byte {at}");
            }
            // Without the line end behind it, it is still whole.
            assert!(at + 1 == good.len() || of_text(&good[..at]).is_err(), "the first {at} bytes");
            let without: Vec<u8> =
                good.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, byte)| *byte).collect();
            let is_line_end = good[at] == b'\n';
            assert!(is_line_end || of_text(without).is_err(), "without byte {at}");
        }
    }
}

//! `allowed_signers` is read as `ssh-keygen -Y verify` reads it.

use std::fs;

use cadenced::domain::Digest;
use cadenced::edge::signatures::allowed;
use cadenced::queue::signed::{Beside, Key, NAMESPACE, Signers, Standing, Verdict};
use jiff::tz::TimeZone;

use super::keygen;
use super::keys::Signer;
use super::sheets::{id, message, now};

/// Whether a key may sign, by files in which `KEY` stands for it and `OTHER` for another one.
const TABLE: &[&str] = &[
    "me KEY",
    "me KEY and a comment",
    "  me\tKEY",
    "me  KEY  ",
    "\n\n# me\n\nme KEY",
    "# me KEY",
    "#me KEY",
    "\u{feff}#me KEY",
    "x OTHER\n\u{feff}#me KEY",
    "\u{a0}#me KEY",
    "me,you KEY",
    "you,me KEY",
    "you KEY",
    "m? KEY",
    "*e KEY",
    "m* KEY",
    "!me,* KEY",
    "*,!me KEY",
    "!*,me KEY",
    "me,!me KEY",
    "me,!m* KEY",
    "!*,you KEY",
    "!nobody KEY",
    "!nobody@x,!other KEY",
    "\"me\" KEY",
    "\"you there,me\" KEY",
    "me OTHER",
    "me OTHER\nme KEY",
    "me namespaces=\"cadenced\" KEY",
    "me namespaces=\"git,cadenced\" KEY",
    "me namespaces=\"cad*\" KEY",
    "me namespaces=\"c?denced\" KEY",
    "me namespaces=\"git\" KEY",
    "me namespaces=\"cadence\" KEY",
    "me namespaces=\"*,!cadenced\" KEY",
    "me NameSpaces=\"cadenced\" KEY",
    "me namespaces=\"git\" KEY\nme namespaces=\"cadenced\" KEY",
    "me namespaces=cadenced KEY",
    "me namespaces=\"cadenced KEY",
    "me namespaces=\"cadenced\",namespaces=\"cadenced\" KEY",
    "me valid-after=\"20261120Z\" KEY",
    "me valid-after=\"20261120100000Z\" KEY",
    "me valid-after=\"20261120100001Z\" KEY",
    "me valid-after=\"202611201000Z\" KEY",
    "me valid-after=\"20261121\" KEY",
    "me valid-before=\"20261121\" KEY",
    "me valid-before=\"20261120100000\" KEY",
    "me valid-before=\"20261120095959\" KEY",
    "me valid-before=\"202611201000\" KEY",
    "me valid-before=\"20261120095959Z\" KEY",
    "me valid-before=\"20261120\" KEY",
    "me valid-after=\"20250101\",valid-before=\"20270101\" KEY",
    "me valid-after=\"20250101\",namespaces=\"cadenced\",valid-before=\"20270101\" KEY",
    "me valid-after=\"20270101\",valid-before=\"20250101\" KEY",
    "me valid-before=\"20250101\" KEY\nme KEY",
    "me valid-after=\"2026\" KEY",
    "me valid-after=\"20261301\" KEY",
    "me valid-after=\"tomorrow\" KEY",
    "me valid-after=\"20260101\",valid-after=\"20260101\" KEY",
    "me no-touch-required KEY",
    "me restrict,namespaces=\"cadenced\" KEY",
    "me cert-authority KEY",
    "me namespaces=\"cadenced\" ",
    "me",
    "me ssh-ed25519",
    "me ssh-ed25519 AAAA",
    "KEY",
];

#[test]
fn it_is_read_as_ssh_keygen_reads_it() {
    let Some(folder) = keygen::folder() else { return };
    let (file, line) = keygen::key(folder.path(), "key");
    let (_, other) = keygen::key(folder.path(), "other");
    let mut words = line.split(' ');
    let key = Key::of_line(words.next().unwrap(), words.next().unwrap()).unwrap();
    let text = message(&[("a", "one")]);
    fs::write(folder.path().join("sig"), keygen::sign(folder.path(), &file, &text)).unwrap();
    let mut allowed = 0;
    for row in TABLE {
        let signers = row.replace("KEY", &line).replace("OTHER", &other) + "\n";
        fs::write(folder.path().join("allowed"), &signers).unwrap();
        let verify = ["-Y", "verify", "-n", NAMESPACE, "-I", "me", "-f", "allowed", "-s", "sig"];
        let theirs = keygen::run(folder.path(), &[&verify[..], &["-Overify-time=20261120100000Z"]].concat(), &text);
        // Who asks is not known to us before: the names of a line have no part in whether its key may sign.
        let names_me = !matches!(*row, "you KEY" | "!me,* KEY" | "*,!me KEY");
        let ours = Signers::read(&signers, &TimeZone::UTC).standing(&key, NAMESPACE, now());
        let ours_allowed = matches!(ours, Standing::Allowed { .. });
        assert_eq!(ours_allowed && names_me, theirs.is_ok(), "{row}\nours: {ours:?}\ntheirs: {theirs:?}");
        allowed += usize::from(theirs.is_ok());
    }
    assert!((20..TABLE.len() - 15).contains(&allowed), "{allowed} rows let it sign: the table shows little");
}

#[test]
fn what_ssh_keygen_signs_counts_and_ours_counts_for_it() {
    let Some(folder) = keygen::folder() else { return };
    let (file, line) = keygen::key(folder.path(), "key");
    let text = message(&[("a", "one")]);
    let verdict = |armour: &str, line: &str| {
        let found = Beside::Bytes(format!("{text}{armour}").into_bytes());
        let signers = Ok(Signers::read(&format!("me {line}\n"), &TimeZone::UTC));
        Verdict::new("week.toml", &found, &signers, now()).of(&id("a"), &Digest::of(b"one")).map(|by| by.to_string())
    };
    let armour = keygen::sign(folder.path(), &file, &text);
    assert_eq!(verdict(&armour, &line).as_deref(), Ok("me"));
    let path = file.to_str().unwrap();
    let short = ["-Y", "sign", "-n", "cadenced", "-O", "hashalg=sha256", "-f", path];
    assert_eq!(verdict(&keygen::run(folder.path(), &short, &text).unwrap(), &line).as_deref(), Ok("me"));
    let wrong = keygen::run(folder.path(), &["-Y", "sign", "-n", "file", "-f", path], &text).unwrap();
    assert!(verdict(&wrong, &line).is_err());
    // The fixtures of these tests are what they are taken for: a security key's among them.
    for signer in [Signer::new(1), Signer::touched(1)] {
        let armour = signer.sign(&text);
        fs::write(folder.path().join("sig"), &armour).unwrap();
        fs::write(folder.path().join("allowed"), format!("me {}\n", signer.line())).unwrap();
        let verify = ["-Y", "verify", "-n", NAMESPACE, "-I", "me", "-f", "allowed", "-s", "sig"];
        let theirs = keygen::run(folder.path(), &verify, &text);
        assert!(theirs.is_ok(), "{theirs:?}");
        assert!(verdict(&armour, &signer.line()).is_ok());
        // As `ssh-keygen -l` shows it.
        fs::write(folder.path().join("public"), signer.line()).unwrap();
        let shown = keygen::run(folder.path(), &["-l", "-f", "public"], "").unwrap();
        assert!(shown.contains(&format!(" {} ", signer.key().fingerprint())), "{shown}");
    }
}

#[test]
fn a_line_that_cannot_be_used_lets_nobody_in_and_keeps_no_other_back() {
    let signer = Signer::new(1);
    let text = format!(
        "me namespaces=git {key}\nyou ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=\nca cert-authority {key}\n\u{7}\n\
         x \"{key}\n!nobody@x,,!other {key}\nme {key}\r\n",
        key = signer.line()
    );
    let signers = Signers::read(&text, &TimeZone::UTC);
    let lines: Vec<u32> = signers.faults.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6], "{:?}", signers.faults);
    let standing = signers.standing(&signer.key(), NAMESPACE, now());
    assert_eq!(standing, Standing::Allowed { by: "me".into(), until: None });
}

#[test]
fn what_looks_like_a_comment_lets_nobody_in() {
    let signer = Signer::new(1);
    let read = |text: &str| {
        let signers = Signers::read(&text.replace("KEY", &signer.line()), &TimeZone::UTC);
        let lines: Vec<u32> = signers.faults.iter().map(|(line, _)| *line).collect();
        (matches!(signers.standing(&signer.key(), NAMESPACE, now()), Standing::Allowed { .. }), lines)
    };
    // The mark that some editors begin a file with, there and where two files were joined.
    assert_eq!(read("\u{feff}#guest@x KEY\n"), (false, vec![]));
    assert_eq!(read("# all\n\u{feff}#guest@x KEY\n"), (false, vec![2]));
    assert_eq!(read("\u{200b} # guest@x KEY\n\u{fffd}#guest@x KEY\n"), (false, vec![1, 2]));
    // Whom that file names first, it names.
    assert_eq!(read("\u{feff}me KEY\n"), (true, vec![]));
    assert_eq!(read("é# KEY\n"), (true, vec![]));
}

#[test]
fn what_is_no_text_spoils_its_line_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("allowed");
    let signer = Signer::new(1);
    for (line, faults) in [(&b"# J\xfcrgen's"[..], 0), (b"\xff# me ssh-ed25519 AAAA", 1), (b"me ssh-ed25519 \xff", 1)] {
        fs::write(&file, [line, b"\nme ", signer.line().as_bytes(), b" J\xfcrgen\n"].concat()).unwrap();
        let signers = allowed(&file).unwrap();
        assert_eq!(signers.faults.len(), faults, "{:?}", signers.faults);
        assert!(matches!(signers.standing(&signer.key(), NAMESPACE, now()), Standing::Allowed { .. }));
    }
}

#[test]
fn times_without_a_zone_are_local() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let signer = Signer::new(1);
    let standing = |time: &str| {
        let text = format!("me valid-before=\"{time}\" {}\n", signer.line());
        match Signers::read(&text, &berlin).standing(&signer.key(), NAMESPACE, now()) {
            Standing::Allowed { until, .. } => until.unwrap().to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(standing("20270101"), "2026-12-31T23:00:00Z");
    assert_eq!(standing("202707011200"), "2027-07-01T10:00:00Z");
    assert_eq!(standing("20270701120000Z"), "2027-07-01T12:00:00Z");
    assert_eq!(standing("20270701120000utc"), "2027-07-01T12:00:00Z");
    // The clocks skip half past two, and come through it twice.
    assert_eq!(standing("202703280230"), "2027-03-28T01:30:00Z");
    assert_eq!(standing("202710310230"), "2027-10-31T00:30:00Z");
}

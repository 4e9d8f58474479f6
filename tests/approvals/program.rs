//! The program itself: signs by the real `ssh-keygen`, runs, and holds what is edited or revoked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::keygen;
use super::support::{Program, quoted};

const CONFIG: &str = r#"
[queue]
approval = "signed"
allowed_signers = "allowed_signers"
[store]
path = "store"
[log]
format = "json"
[policy]
max_per_day = 20
min_gap = "0s"
late_grace = "24h"
[accounts.site]
platform = "site"
path = "site"
base_url = "https://notes.example"
title = "Notes"
slots = ["0 0 1 1 *"]
"#;

/// Posts with a time that has just passed: they go out at once.
fn posts(posts: &[(&str, &str)]) -> String {
    let at = jiff::Timestamp::from_second(seconds() - 60).expect("a moment");
    let one = |(id, text): &(&str, &str)| {
        format!(
            "[[post]]\nid = {}\nto = [\"site\"]\naudience = \"all\"\ngoal = \"connection\"\ntext = {}\nat = {at}\n\n",
            quoted(id),
            quoted(text)
        )
    };
    posts.iter().map(one).collect()
}

#[expect(clippy::disallowed_methods, reason = "the program runs by the real clock")]
fn seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("soon")
}

/// What a delivery is, and why.
fn state(program: &Program, post: &str) -> String {
    let all = program.deliveries();
    let found = all.iter().find(|delivery| delivery["post"] == post).expect("a delivery");
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("state"), text("reason")).trim().to_owned()
}

fn allow(program: &Program, line: &str) {
    fs::write(program.path("allowed_signers"), format!("# who may\neditor@example.org {line}\n")).expect("written");
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).expect("a text")
}

#[test]
fn what_is_signed_goes_out_and_what_is_edited_or_revoked_does_not() {
    let Some(folder) = keygen::folder() else { return };
    let (key, line) = keygen::key(folder.path(), "key");
    let key = key.to_str().expect("a path");
    let program = Program::new(CONFIG, &[]);
    allow(&program, &line);
    let sign = ["approve", "queue/week.toml", "--sign", "--key", key, "--yes"];
    let sign: Vec<String> = sign.iter().map(|word| (*word).to_owned()).collect();
    let week = program.path("queue/week.toml");
    let approve = |what: &str| {
        let words: Vec<&str> = sign.iter().map(|word| if word == "queue/week.toml" { what } else { word }).collect();
        program.succeeds(&words)
    };
    let file = week.to_str().expect("a path").to_owned();

    // Nothing goes out before it is signed, whatever stands in the file.
    let mut plain = posts(&[("one", "first"), ("two", "second")]);
    plain += "[post.approval]\nby = \"me\"\nat = 2026-01-01T00:00:00Z\ndigest = \"sha256:";
    plain += &format!("{}\"\n", "0".repeat(64));
    program.queue("week.toml", &plain);
    program.run();
    assert_eq!(state(&program, "one"), "held not-approved: there is no week.toml.approval");
    let (_, said) = program.says(&["check"]);
    assert!(said.contains("this approval does not count: approvals are signed here"), "{said}");
    program.queue("week.toml", plain.split("[post.approval]").next().expect("the posts"));

    let said = approve(&file);
    assert!(said.contains("week.toml: 2 posts approved by editor@example.org"), "{said}");
    assert_eq!(program.succeeds(&["check"]), "1 queue file, 2 posts: no problems\n");
    program.run();
    for post in ["one", "two"] {
        assert_eq!(state(&program, post), "delivered");
    }
    // Who has approved what went out is on record.
    let records = program.succeeds(&["export", "--what", "all"]);
    assert_eq!(records.matches("\"by\":\"editor@example.org\"").count(), 2, "{records}");

    // One edited post voids its own approval only.
    program.queue("week.toml", posts(&[("one", "first"), ("two", "second"), ("three", "third"), ("four", "fourth")]));
    approve(&file);
    let edited = text(&week).replace("fourth", "fourth!");
    program.queue("week.toml", &edited);
    program.run();
    assert_eq!(state(&program, "three"), "delivered");
    assert_eq!(state(&program, "four"), "held approval-stale: it has changed since editor@example.org signed it");

    // Approving it leaves the others approved, and shows them before.
    let said = approve("four");
    assert!(said.contains("again three  (week.toml)  approved by editor@example.org"), "{said}");
    let sheet = text(&program.path("queue/week.toml.approval"));
    for post in ["one", "two", "three", "four"] {
        assert_eq!(sheet.matches(&format!("\n{post} sha256:")).count(), 1, "{sheet}");
    }

    // A key that may not sign any more approves nothing that is still to come.
    allow(&program, "");
    program.run();
    let held = state(&program, "four");
    assert!(
        held.starts_with("held approval-stale: the key SHA256:") && held.contains("not in allowed_signers"),
        "{held}"
    );
    // A person is asked for.
    assert!(program.count("post.approved_stale") > 0);
    let (status, said) = program.says(&["status", "--strict"]);
    assert!(!status.success() && said.contains("then: cadenced approve four --sign"), "{said}");
    assert_eq!(state(&program, "three"), "delivered", "what is out is out");
    let (status, said) = program.says(&["check"]);
    assert!(!status.success() && said.contains("allowed_signers:2:1"), "{said}");
    let words: Vec<&str> = sign.iter().map(|word| if word == "queue/week.toml" { "four" } else { word }).collect();
    let (status, said) = program.says(&words);
    assert!(!status.success() && said.contains("nothing was approved"), "{said}");
    assert_eq!(text(&program.path("queue/week.toml.approval")), sheet, "nothing was written");

    allow(&program, &format!("{line} the key of the desk"));
    fs::remove_file(program.path("queue/week.toml.approval")).expect("removed");
    program.run();
    assert_eq!(state(&program, "four"), "held not-approved: there is no week.toml.approval");

    // By hand, with the digests that `approve` shows.
    let (_, shown) = program.says(&["approve", "four", "--sign"]);
    let digest = shown.lines().find_map(|line| line.strip_prefix("  digest     | ")).expect("its digest");
    let message = format!("cadenced-approval-v1\nfour {digest}\n");
    let armour = keygen::sign(folder.path(), Path::new(key), &message);
    program.queue("week.toml.approval", format!("{message}{armour}"));
    program.run();
    assert_eq!(state(&program, "four"), "delivered");
}

#[test]
fn a_configuration_says_who_may_sign_and_how_is_what_it_says() {
    let program = Program::new(&CONFIG.replace("allowed_signers = \"allowed_signers\"\n", ""), &[]);
    program.queue("week.toml", posts(&[("one", "first")]));
    let (status, said) = program.says(&["check"]);
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("nothing says whose signatures count"), "{said}");

    let program = Program::new(CONFIG, &[]);
    program.queue("week.toml", posts(&[("one", "first")]));
    let (_, said) = program.says(&["check"]);
    assert!(said.contains("it cannot be read, so no approval counts: there is no such file"), "{said}");
    let (status, said) = program.says(&["approve", "one", "--by", "me", "--yes"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("approvals are signed here") && said.contains("use --sign"), "{said}");

    let program = Program::new(&CONFIG.replace("\"signed\"", "\"digest\""), &[]);
    program.queue("week.toml", posts(&[("one", "first")]));
    let (status, said) = program.says(&["approve", "one", "--sign", "--yes"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("signatures count for nothing here"), "{said}");
}

#[test]
fn what_will_not_be_approved_any_more_is_not_in_the_plan() {
    let Some(folder) = keygen::folder() else { return };
    let (key, line) = keygen::key(folder.path(), "key");
    let program = Program::new(&CONFIG.replace("0 0 1 1 *", "0 0 * * *"), &[]);
    let one = |id: &str| {
        format!(
            "[[post]]\nid = \"{id}\"\nto = [\"site\"]\naudience = \"all\"\ngoal = \"connection\"\ntext = \"{id}\"\n\n"
        )
    };
    let names = ["a", "b", "c", "d", "e", "f"];
    program.queue("week.toml", names.map(one).concat());
    // Whenever it is now: two or three midnights are before that, and never six.
    let end = jiff::Timestamp::from_second(seconds() + 60 * 60 * 60).expect("a moment").strftime("%Y%m%d%H%MZ");
    allow(&program, &format!("valid-before=\"{end}\" {line}"));
    let file = program.path("queue/week.toml");
    let file = file.to_str().expect("a path");
    program.succeeds(&["approve", file, "--sign", "--key", key.to_str().expect("a path"), "--yes"]);
    let plan = program.succeeds(&["plan", "--days", "30"]);
    let held = plan.matches("approval-stale").count();
    assert!((3..=4).contains(&held), "{plan}");
    let lines = program.succeeds(&["plan", "--days", "30", "--format", "json"]);
    assert_eq!(lines.matches(" was allowed until ").count(), held, "{lines}");
    let (status, said) = program.says(&["doctor", "--offline"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("what editor@example.org has signed counts until"), "{said}");
}

/// A passphrase is asked for on the terminal only where the input is one.
#[test]
fn what_is_signed_does_not_take_the_terminal_away() {
    let Some(folder) = keygen::folder() else { return };
    let (key, line) = keygen::key(folder.path(), "key");
    let between = folder.path().join("ssh-keygen");
    // It signs what stands in a file, and finds the input that the program was given, which is nothing.
    let script = "#!/bin/sh\nfor last; do :; done\nread -r first < \"$last\"\nread -r word && exit 8\n\
                  [ \"$first\" = cadenced-approval-v1 ] || exit 9\nPATH=${PATH#*:} exec ssh-keygen \"$@\"\n";
    fs::write(&between, script).expect("written");
    fs::set_permissions(&between, PermissionsExt::from_mode(0o755)).expect("it may be run");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("a path"));
    let program = Program::new(CONFIG, &[("PATH", &path)]);
    program.queue("week.toml", posts(&[("one", "first")]));
    allow(&program, &line);
    let said = program.succeeds(&["approve", "one", "--sign", "--key", key.to_str().expect("a path"), "--yes"]);
    assert!(said.contains("1 post approved by editor@example.org"), "{said}");
}

#[test]
fn the_agent_signs_with_the_key_that_may() {
    let Some(folder) = keygen::folder() else { return };
    let Some(agent) = Agent::start(folder.path()) else {
        eprintln!("NOT TESTED: ssh-agent is not on this machine, and nothing was signed by one");
        return;
    };
    let (key, line) = keygen::key(folder.path(), "key");
    let (other, other_line) = keygen::key(folder.path(), "other");
    let program = Program::new(CONFIG, &[("SSH_AUTH_SOCK", agent.socket.to_str().expect("a path"))]);
    program.queue("week.toml", posts(&[("one", "first")]));
    allow(&program, &line);
    agent.add(&other);
    let nobody = Program::new(CONFIG, &[("SSH_AUTH_SOCK", "/nowhere")]);
    nobody.queue("week.toml", posts(&[("one", "first")]));
    allow(&nobody, &line);
    let (_, said) = nobody.says(&["approve", "one", "--sign"]);
    assert!(said.contains("there is no agent to be asked for a key; name one with --key"), "{said}");
    assert!(!said.contains("[y/N]"), "nobody is asked what cannot be done: {said}");
    let (_, said) = program.says(&["approve", "one", "--sign", "--yes"]);
    assert!(said.contains("the agent holds no key that allowed_signers lets sign; name one with --key"), "{said}");
    agent.add(&key);
    // Only the agent has it from here on.
    fs::remove_file(&key).expect("removed");
    let said = program.succeeds(&["approve", "one", "--sign", "--yes"]);
    assert!(said.contains("1 post approved by editor@example.org"), "{said}");
    fs::write(program.path("allowed_signers"), format!("a {line}\nb {other_line}\n")).expect("written");
    program.queue("week.toml", posts(&[("one", "other words")]));
    let (_, said) = program.says(&["approve", "one", "--sign", "--yes"]);
    assert!(said.contains("the agent holds several keys that allowed_signers lets sign: SHA256:"), "{said}");
    let public = folder.path().join("key.pub");
    let said = program.succeeds(&["approve", "one", "--sign", "--key", public.to_str().expect("a path"), "--yes"]);
    assert!(said.contains("1 post approved by a\n"), "{said}");
}

/// An agent of our own.
struct Agent {
    process: std::process::Child,
    socket: std::path::PathBuf,
}

impl Agent {
    fn start(folder: &Path) -> Option<Self> {
        let socket = folder.join("agent");
        let mut command = std::process::Command::new("ssh-agent");
        let process = command.arg("-D").arg("-a").arg(&socket).stdout(std::process::Stdio::null()).spawn().ok()?;
        let agent = Self { process, socket };
        for _ in 0..500 {
            if agent.socket.exists() {
                return Some(agent);
            }
            super::support::pause(std::time::Duration::from_millis(10));
        }
        panic!("the agent does not listen");
    }

    fn add(&self, key: &Path) {
        let mut command = std::process::Command::new("ssh-add");
        let output = command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

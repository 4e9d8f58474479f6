//! Commands as a person gives them, where nothing but the real program shows what comes of it.

#![cfg(test)]

mod support {
    pub mod house;
}

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use support::house::{House, SITE, post, skipped};

/// A house whose store cannot be seen by anybody, whoever runs this: a file stands in its way.
fn without_sight() -> House {
    let house = House::with(SITE, |rules| rules.replace("path = \"store\"", "path = \"wall/store\""));
    fs::write(house.path("wall"), "").unwrap();
    house
}

#[test]
fn what_cannot_be_seen_is_not_said_to_be_nothing() {
    let house = without_sight();
    for words in [&["forget", "x:y", "--yes"][..], &["people"], &["report"], &["export"]] {
        let said = house.run(words);
        assert_eq!(said.code, 77, "{said:?}");
        assert!(said.err.contains("cannot be read") && said.err.contains("hint: "), "{said:?}");
    }
}

#[test]
fn a_post_is_begun_by_whoever_may_not_read_the_store() {
    let house = without_sight();
    let said = house.run(&["new", "lamp"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(
        said.out.contains("whether lamp is on record, and when its accounts have room next, is not known"),
        "{said:?}"
    );
    let text = fs::read_to_string(house.path("queue/lamp.toml")).unwrap();
    assert!(text.contains("# site (site): ") && !text.contains("next free slot"), "{text}");

    // A daemon that has the store tells, though its files are out of sight.
    let house = House::new(SITE);
    house.queue("a.toml", &post("one", "site", "The first"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    fs::remove_file(house.path("queue/a.toml")).unwrap();
    let daemon = house.ready();
    house.configure(&house.config().replace("path = \"store\"", "path = \"wall/store\""));
    fs::write(house.path("wall"), "").unwrap();
    let said = house.run(&["new", "lamp"]);
    assert_eq!((said.code, said.out.contains("is not known")), (0, false), "{said:?}");
    let text = fs::read_to_string(house.path("queue/lamp.toml")).unwrap();
    assert!(text.contains("# site (site): next free slot "), "{text}");
    let said = house.run(&["new", "one"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("the id one is taken: a post of that name is on record"), "{said:?}");
    drop(daemon);
}

#[test]
fn an_export_may_come_through_a_pipe() {
    let house = House::new(SITE);
    house.queue("a.toml", &post("one", "site", "The first"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    let exported = house.run(&["export"]).out;
    let new = House::new(SITE);
    let mut import = new.command(&["import", "/dev/stdin"]);
    let mut import = import.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    import.stdin.take().unwrap().write_all(exported.as_bytes()).unwrap();
    let said = import.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    assert_eq!(new.exported().len(), house.exported().len() + 1, "and that it was opened from an export");
}

#[test]
fn a_report_of_what_is_to_come_is_none() {
    let house = House::new(SITE);
    for words in [&["report", "--since", "2999-01-01"][..], &["report", "--demo", "--since", "2999-01-01"]] {
        let said = house.run(words);
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
        assert!(said.err.contains("that is still to come"), "{said:?}");
    }
}

#[test]
fn a_device_that_is_named_stays_one() {
    let house = House::new(SITE);
    std::os::unix::fs::symlink("/dev/null", house.path("null")).unwrap();
    for verb in ["export", "report", "people"] {
        let said = house.run(&[verb, "-o", "null"]);
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{said:?}");
        assert!(house.path("null").is_symlink(), "{verb} has put a file into its place");
    }
}

/// What docs/commands.md gives to jq is what jq can take.
#[test]
fn what_the_page_pipes_into_jq_can_be() {
    let page = include_str!("../docs/commands.md");
    let lines: Vec<_> = page.lines().filter(|line| line.starts_with("cadenced ") && line.contains("| jq ")).collect();
    assert!(lines.len() >= 5, "{lines:?}");
    if Command::new("jq").arg("--version").output().is_err() {
        return skipped("commands", "jq is not here; nothing was piped into it");
    }
    let house = House::new(SITE);
    house.queue("a.toml", "[[post]]\n");
    for line in lines {
        let program = env!("CARGO_BIN_EXE_cadenced");
        let script = line.replacen("cadenced", &format!("'{program}' --config cadenced.toml"), 1);
        let said = Command::new("sh").args(["-c", &script]).current_dir(house.root()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((said.status.code(), text(&said.stderr)), (Some(0), String::new()), "{line}");
        assert!(!line.starts_with("cadenced check") || text(&said.stdout).contains("is missing"), "{line}: {said:?}");
    }
}

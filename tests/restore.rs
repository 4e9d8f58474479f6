//! A ledger that moves to another machine, and one that is looked over.

#![cfg(test)]

mod support {
    pub mod house;
}

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use support::house::{House, SITE, post};

fn house() -> House {
    let house = House::new(SITE);
    house.queue("a.toml", &(post("one", "site", "The first") + &post("two", "site", "The second")));
    house
}

/// A house in which two posts are out, and what it has exported.
fn published() -> (House, String) {
    let house = house();
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    let exported = house.run(&["export"]).out;
    (house, exported)
}

/// Spoils a record that others follow.
fn damage(house: &House) {
    let mut file = fs::OpenOptions::new().write(true).open(house.path("store/journal/0000000001.seg")).unwrap();
    file.seek(SeekFrom::Start(300)).unwrap();
    file.write_all(b"garbage").unwrap();
}

#[test]
fn a_new_machine_publishes_nothing_again() {
    let (old, exported) = published();
    let new = house();
    fs::write(new.path("cadenced.jsonl"), &exported).unwrap();
    let said = new.run(&["import", "cadenced.jsonl"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Never start the old daemon again"), "{said:?}");
    assert_eq!((new.state("one@site"), new.state("two@site")), ("delivered".into(), "delivered".into()));
    new.queue("b.toml", &post("three", "site", "The third"));
    let mut daemon = new.start(&["--until-idle"]);
    assert_eq!(daemon.end().code(), 0);
    let sent: Vec<_> = daemon.log.iter().filter(|line| line["event"] == "delivery.sending").collect();
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!(sent[0]["delivery"], "three@site");
    let status = |house: &House| house.run(&["status", "one@site", "--format", "json"]).json();
    let history = |house: &House| status(house)["deliveries"][0]["history"].clone();
    assert_eq!(history(&new), history(&old), "its story has moved, too");
    let said = new.run(&["verify"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("3 deliveries: 3 delivered"), "{said:?}");
    // And once more, from there: what was taken in is given out as it was.
    let again = new.run(&["export"]).out;
    let attempts = |text: &str| {
        let own = text.lines().filter(|line| line.contains("one@site") && line.contains("\"attempts\""));
        own.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(attempts(&again), attempts(&exported));
}

#[test]
fn what_is_not_whole_makes_no_store() {
    let (_, exported) = published();
    let new = house();
    let half = &exported[..exported.len() / 2];
    let one_less: Vec<_> = exported.lines().enumerate().filter(|(nth, _)| *nth != 3).map(|(_, line)| line).collect();
    for (text, why) in [
        (half.to_owned(), "broken off"),
        (one_less.join("\n") + "\n", "do not add up"),
        (exported.replace("The first", "The worst"), "do not add up"),
        ("at,delivery\r\n".into(), "line 1"),
    ] {
        fs::write(new.path("cadenced.jsonl"), text).unwrap();
        let said = new.run(&["import", "cadenced.jsonl"]);
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains(why), "{why}: {said:?}");
        assert!(!new.path("store").exists() && !new.path("store.import").exists(), "{why}");
    }
    assert_eq!(new.run(&["import", "nowhere.jsonl"]).code, 1);
    // Nor does it go over one that is there.
    fs::write(new.path("cadenced.jsonl"), &exported).unwrap();
    assert_eq!(new.start(&["--until-idle"]).end().code(), 0);
    let said = new.run(&["import", "cadenced.jsonl"]);
    assert!(said.code == 1 && said.err.contains("there is a store"), "{said:?}");
    assert_eq!(new.state("one@site"), "delivered");
}

#[test]
fn what_a_daemon_may_have_gone_on_with_is_not_taken_in_without_a_word() {
    let old = house();
    let mut daemon = old.ready();
    daemon.about("delivery.delivered", "one@site");
    let exported = old.run(&["export"]).out;
    assert_eq!(daemon.stop().code(), 0);
    let new = house();
    fs::write(new.path("cadenced.jsonl"), &exported).unwrap();
    let said = new.run(&["import", "cadenced.jsonl"]);
    assert!(said.code == 1 && said.err.contains("what went out after"), "{said:?}");
    assert!(!new.path("store").exists());
    assert_eq!(new.run(&["import", "cadenced.jsonl", "--accept-gap"]).code, 0);
    assert_eq!(new.state("one@site"), "delivered");
}

/// What cannot be seen is not nothing, and what cannot be read to its end is not all.
#[test]
fn an_export_never_looks_whole_where_it_is_not() {
    let (house, exported) = published();
    fs::write(house.path("backup.jsonl"), &exported).unwrap();
    damage(&house);
    let said = house.run(&["export", "-o", "backup.jsonl"]);
    assert_eq!(said.code, 77, "{said:?}");
    assert_eq!(fs::read_to_string(house.path("backup.jsonl")).unwrap(), exported, "the last good one is kept");
    let said = house.run(&["export"]);
    assert!(said.code == 77 && !said.out.contains("\"table\":\"end\""), "{said:?}");
    // Of no store there is an export, but it makes none.
    let empty = House::new(SITE);
    fs::write(empty.path("nothing.jsonl"), empty.run(&["export"]).out).unwrap();
    let said = empty.run(&["import", "nothing.jsonl"]);
    assert!(said.code == 1 && said.err.contains("holds no record"), "{said:?}");
    // A folder that is none of ours stands for one that may not be entered.
    fs::create_dir(empty.path("store")).unwrap();
    std::os::unix::fs::symlink("journal", empty.path("store/journal")).unwrap();
    let said = empty.run(&["export"]);
    assert!(said.code == 77 && said.err.contains("cannot be read"), "{said:?}");
}

/// The lock tells whether a daemon is there, wherever its socket may be.
#[test]
fn a_daemon_without_a_socket_is_seen_too() {
    let house = House::with(SITE, |rules| rules.replace("[control]\nsocket = \"c.sock\"\n", ""));
    house.queue("a.toml", &post("one", "site", "The first"));
    let mut daemon = house.ready();
    daemon.about("delivery.delivered", "one@site");
    let exported = house.run(&["export"]).out;
    assert!(exported.lines().last().unwrap().contains("\"daemon\":true"), "{exported}");
    assert_eq!(daemon.stop().code(), 0);
    assert!(house.run(&["export"]).out.lines().last().unwrap().contains("\"daemon\":false"));
}

#[test]
fn an_old_export_is_not_taken_in_without_a_word() {
    let (_, exported) = published();
    let end: serde_json::Value = serde_json::from_str(exported.lines().last().unwrap()).unwrap();
    let new = house();
    let old = exported.replace(end["at"].as_str().unwrap(), "2020-01-01T00:00:00Z");
    fs::write(new.path("cadenced.jsonl"), &old).unwrap();
    let said = new.run(&["import", "cadenced.jsonl"]);
    assert!(said.code == 1 && said.err.contains("is of 2020-01-01"), "{said:?}");
    assert_eq!(new.run(&["import", "cadenced.jsonl", "--accept-gap"]).code, 0);
}

#[test]
fn damage_is_found_and_said() {
    let (house, _) = published();
    let said = house.run(&["verify"]);
    assert!(said.code == 0 && said.out.contains("index    agrees with the journal"), "{said:?}");
    let mut daemon = house.ready();
    let said = house.run(&["verify"]);
    assert!(said.code == 0 && said.out.contains("a daemon holds the store"), "{said:?}");
    assert_eq!(daemon.stop().code(), 0);
    fs::remove_dir_all(house.path("store/index")).unwrap();
    let said = house.run(&["verify"]);
    assert!(said.code == 1 && said.out.contains("is made anew"), "{said:?}");
    assert_eq!(house.run(&["verify"]).code, 0);
    damage(&house);
    let said = house.run(&["verify"]);
    assert_eq!(said.code, 77, "{said:?}");
    assert!(said.err.contains("is damaged"), "{said:?}");
    let empty = House::new(SITE);
    assert!(empty.run(&["verify"]).out.contains("there is no store"));
}

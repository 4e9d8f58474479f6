//! The whole daemon with its store on a disk that is really full, or cannot be written to: nothing new is begun that
//! could not be recorded, what is under way is recorded, and with room again everything goes out, once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::support::house::{House, SITE, eventually, pause, post, skipped};
use crate::support::platform::{Platform, Weather};

const STORE_REFUSED: i32 = 77;
/// A segment of the journal, of which there are two: one that is written to, and a spare one.
const SEGMENT: u64 = 8 * MIB;
const MIB: u64 = 1024 * 1024;
const PAGE: u64 = 4096;

/// A small file system in memory, until it is dropped.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    fn mount(bytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("cadenced-disk-").tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size(bytes), "cadenced-test"]).arg(folder.path());
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Somebody else uses all of it up.
    fn fill(&self) {
        let free = rustix::fs::statvfs(self.path()).unwrap();
        let file = File::create(self.filler()).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, free.f_bavail * free.f_frsize).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        // Without the options that it has: in a namespace its owner has another number inside than is shown.
        mount.args(["--options-mode", "ignore", "-o", &format!("remount,{how}")]).arg(self.path());
        let output = mount.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

fn size(bytes: u64) -> String {
    format!("size={bytes}")
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that a failed test has left running must not keep it for ever.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Runs a test on a disk of its own: here, or, where the right to mount one is missing, in a process that is root in a
/// namespace of its own.
fn on_a_disk(test: &str, bytes: u64, run: impl FnOnce(&Disk)) {
    const INSIDE: &str = "CADENCED_TEST_INSIDE";
    if let Some(disk) = Disk::mount(bytes) {
        return run(&disk);
    }
    let why = "neither root nor a user namespace can mount a file system here; A FULL DISK WAS NOT TRIED";
    if std::env::var_os(INSIDE).is_some() {
        return skipped(test, why);
    }
    let mut apart = Command::new("unshare");
    apart.args(["--user", "--map-root-user", "--mount", "--"]).arg(std::env::current_exe().unwrap());
    let said = apart.args(["--exact", test, "--nocapture"]).env(INSIDE, "yes").output();
    match said.map(|output| (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())) {
        Ok((true, told)) if !told.contains("SKIPPED") => {}
        Ok((false, told)) if told.contains("panicked") => panic!("{told}"),
        _ => skipped(test, why),
    }
}

/// A house whose store is on the disk.
fn house(disk: &Disk, accounts: &str) -> House {
    let store = format!("path = \"{}\"", disk.path().join("store").display());
    House::with(accounts, |config| config.replace("path = \"store\"", &store).replace("\"5s\"", "\"60s\""))
}

/// Sites that are used to fill the journal.
fn ballast_sites() -> (String, Vec<String>) {
    let names: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let tables = names.iter().map(|name| {
        SITE.replace("accounts.site", &format!("accounts.{name}"))
            .replace("\"site\"\nbase", &format!("\"{name}\"\nbase"))
    });
    (tables.collect(), names)
}

/// A post so large that a segment holds no more than nine of its intents.
fn ballast(names: &[String]) -> String {
    let long = "Ballast. ".repeat(6_800);
    let thread: Vec<String> = (0..14).map(|_| format!("\"{long}\"")).collect();
    let to = names.join("\", \"");
    post("ballast", &to, &long) + &format!("thread = [{}]\n", thread.join(", "))
}

/// How many attempts have been begun on the ledger's word.
fn begun(house: &House, delivery: &str) -> usize {
    let rows = house.exported();
    let all = rows.iter().filter(|row| row["what"] == "intent" && row["delivery"] == delivery);
    all.count()
}

#[test]
fn a_disk_that_fills_up_stops_what_is_new_and_nothing_else() {
    on_a_disk("a_disk_that_fills_up_stops_what_is_new_and_nothing_else", 26 * MIB, |disk| {
        let (fedi, bsky) = (Platform::mastodon(), Platform::bluesky());
        let (sites, names) = ballast_sites();
        let mut house = house(disk, &(fedi.account("fedi") + &bsky.account("bsky") + &sites));
        for (name, value) in fedi.secrets().into_iter().chain(bsky.secrets()) {
            house.set(&name, &value);
        }
        // One attempt gets its answer when the disk is full, one never.
        let (answer, waits) = mpsc::channel();
        let mut waits = Some(waits);
        fedi.weather(move |asked| match asked.publishes && asked.before == 1 {
            true => Weather::When(waits.take().unwrap()),
            false => Weather::Fair,
        });
        bsky.weather(|asked| if asked.publishes && asked.before == 0 { Weather::HangAfter } else { Weather::Fair });
        house.queue("a.toml", &post("first", "fedi", "First."));
        let mut daemon = house.ready();
        daemon.about("delivery.delivered", "first@fedi");
        house.queue("b.toml", &(post("way", "fedi", "Under way.") + &post("lost", "bsky", "Lost.")));
        eventually("both are under way", || (fedi.tries(), bsky.tries()) == (2, 1));

        disk.fill();
        house.queue("c.toml", &ballast(&names));
        let full = daemon.event("store.full");
        assert!(full["why"].as_str().unwrap().contains("No space left"), "{full}");
        house.queue("d.toml", &(post("late", "fedi", "Late.") + &post("later", "bsky", "Later.")));
        daemon.wait("d.toml", |line| line["event"] == "queue.loaded" && line["file"] == "d.toml");
        answer.send(()).unwrap();
        daemon.about("delivery.delivered", "way@fedi");
        assert_eq!(house.state("way@fedi"), "delivered");
        let status = house.status();
        assert_eq!(status["daemon"]["running"], true, "{status}");
        let attention = status["attention"].as_array().unwrap();
        assert!(attention.iter().any(|entry| entry["kind"] == "store"), "{status}");
        // Its slots come and go.
        pause(Duration::from_secs(2));
        assert_eq!((fedi.tries(), bsky.tries(), begun(&house, "late@fedi")), (2, 1, 0));
        daemon.kill();

        // A start on the full disk finds out what was under way, and begins nothing.
        let mut daemon = house.ready();
        daemon.about("delivery.delivered", "lost@bsky");
        assert_eq!((daemon.count("store.full"), daemon.count("store.room")), (1, 0));
        pause(Duration::from_secs(2));
        assert_eq!((fedi.tries(), bsky.tries(), daemon.count("delivery.sending")), (2, 1, 0));
        assert_eq!(daemon.stop().code(), 0);
        let mut daemon = house.ready();

        disk.free();
        daemon.event("store.room");
        daemon.about("delivery.delivered", "late@fedi");
        assert_eq!(daemon.stop().code(), 0);
        let mut daemon = house.start(&["--until-idle"]);
        assert_eq!(daemon.end().code(), 0);
        for text in ["First.", "Under way.", "Late."] {
            assert_eq!(fedi.times(text), 1, "{text}");
        }
        for text in ["Lost.", "Later."] {
            assert_eq!(bsky.times(text), 1, "{text}");
        }
        assert_eq!((fedi.tries(), bsky.tries()), (3, 2));
        for name in names {
            assert_eq!(house.state(&format!("ballast@{name}")), "delivered");
            assert_eq!(begun(&house, &format!("ballast@{name}")), 1, "{name}");
        }
    });
}

#[test]
fn a_start_on_a_full_disk_says_so_or_waits_for_room() {
    on_a_disk("a_start_on_a_full_disk_says_so_or_waits_for_room", MIB, |_| {
        // Around the places where the next thing that is made fits just so, or not any more.
        let lefts = [
            0,
            PAGE,
            MIB,
            SEGMENT,
            SEGMENT + PAGE,
            SEGMENT + 2 * PAGE,
            SEGMENT + 4 * PAGE,
            SEGMENT + MIB,
            2 * SEGMENT,
            2 * SEGMENT + 2 * PAGE,
            2 * SEGMENT + 4 * PAGE,
            2 * SEGMENT + MIB,
            2 * SEGMENT + 4 * MIB,
        ];
        let ends: Vec<(u64, Start)> = std::thread::scope(|scope| {
            let starts: Vec<_> = lefts.into_iter().map(|left| scope.spawn(move || (left, start_with(left)))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let told = |wanted: Start| ends.iter().filter(|(_, start)| *start == wanted).count();
        for wanted in [Start::Refused, Start::Waited, Start::Went] {
            assert!(told(wanted) > 0, "none of them was {wanted:?}: {ends:?}");
        }
    });
}

/// What came of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Refused,
    Waited,
    Went,
}

/// Starts a daemon for the first time on a disk with so much room, and lets it have more then.
fn start_with(left: u64) -> Start {
    let disk = Disk::mount(left + PAGE).unwrap();
    fs::write(disk.filler(), "somebody else's").unwrap();
    let house = house(&disk, SITE);
    house.queue("a.toml", &post("one", "site", "One"));
    let mut daemon = house.start(&[]);
    let start = match daemon.event_or_end("daemon.ready") {
        Err(ended) => {
            assert_eq!(ended.code(), STORE_REFUSED, "{left}: {ended:?}");
            assert!(ended.err.contains("make room on the disk"), "{left}: {ended:?}");
            assert!(!ended.err.contains("panicked"), "{left}: {ended:?}");
            // Trying it again makes it no worse.
            assert_eq!(house.start(&[]).end().code(), STORE_REFUSED);
            assert_eq!(house.shown(), [""; 0]);
            disk.remount(&size(32 * MIB));
            daemon = house.ready();
            Start::Refused
        }
        Ok(_) if daemon.count("store.full") == 1 => {
            assert_eq!(house.shown(), [""; 0]);
            disk.remount(&size(32 * MIB));
            daemon.event("store.room");
            Start::Waited
        }
        Ok(_) => Start::Went,
    };
    daemon.about("delivery.delivered", "one@site");
    let ended = daemon.stop();
    assert_eq!((ended.code(), ended.err.as_str()), (0, ""), "{left}");
    assert_eq!(daemon.count("daemon.panicked"), 0, "{left}: {:?}", daemon.log);
    assert_eq!((house.shown(), begun(&house, "one@site")), (vec!["one".to_owned()], 1), "{left}");
    // And it is whole.
    let mut daemon = house.start(&["--until-idle"]);
    assert_eq!((daemon.end().code(), daemon.count("delivery.sending")), (0, 0), "{left}: {:?}", daemon.log);
    start
}

#[test]
fn a_store_that_cannot_be_written_is_refused_and_can_still_be_read() {
    on_a_disk("a_store_that_cannot_be_written_is_refused_and_can_still_be_read", 32 * MIB, |disk| {
        let house = house(disk, SITE);
        house.queue("a.toml", &post("one", "site", "One"));
        disk.remount("ro");
        let refused = || {
            let ended = house.start(&["--until-idle"]).end();
            assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
            assert!(ended.err.to_lowercase().contains("read-only file system"), "{ended:?}");
            assert!(ended.err.contains(disk.path().to_str().unwrap()), "{ended:?}");
        };
        refused();
        disk.remount("rw");
        assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
        let kept = house.exported();

        house.queue("b.toml", &post("two", "site", "Two"));
        disk.remount("ro");
        refused();
        assert_eq!(house.state("one@site"), "delivered");
        assert_eq!((house.exported(), house.shown()), (kept, vec!["one".to_owned()]));
        assert_eq!(house.run(&["plan"]).code, 0);
        let said = house.run(&["resolve", "one@site", "--drop"]);
        assert_ne!(said.code, 0, "{said:?}");
        disk.remount("rw");
        let mut daemon = house.start(&["--until-idle"]);
        assert_eq!((daemon.end().code(), daemon.count("delivery.delivered")), (0, 1));
        assert_eq!(house.shown(), ["one", "two"]);
    });
}

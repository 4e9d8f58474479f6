//! Whatever changes in the files of an approval is seen where the queue is read.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use cadenced::domain::policy::ApprovalMode;
use cadenced::domain::{FoundMedia, Timestamp};
use cadenced::edge::inbox::{Depth, Desk, Keep, Patience, Reader, Watch, Watcher};
use cadenced::parts::{Clock, Inbox};
use cadenced::queue::parse::{self, Surroundings};
use cadenced::queue::signed::sheet;

use super::keys::Signer;
use super::sheets::now;

const LONG: Duration = Duration::from_secs(60);

struct Still(Mutex<Timestamp>);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn post(id: &str, text: &str) -> String {
    format!("[[post]]\nid = \"{id}\"\nto = [\"x\"]\naudience = \"all\"\ngoal = \"change\"\ntext = \"{text}\"\n")
}

fn parsed(file: &Arc<str>, bytes: &[u8]) -> parse::Reading {
    read_as(ApprovalMode::Signed, file, bytes)
}

fn read_as(approval: ApprovalMode, file: &Arc<str>, bytes: &[u8]) -> parse::Reading {
    let mut media = |_: &str| -> Result<FoundMedia, String> { Err("no media here".into()) };
    parse::read(file, bytes, &mut Surroundings { approval, accounts: None, media: &mut media })
}

/// A sheet for all posts of a queue file.
fn sheet_of(signer: &Signer, toml: &str) -> Vec<u8> {
    let posts = parsed(&"week.toml".into(), toml.as_bytes()).posts.expect("a queue file");
    signer.sheet(&sheet::message(posts.iter().map(|post| (&post.id, &post.digest))))
}

/// What a message says of each post, in one line.
fn word(message: Inbox) -> String {
    match message {
        Inbox::File { posts: Some(posts), .. } => {
            let one = |post: &cadenced::queue::Post| match post.rare.unapproved.as_deref() {
                None => format!("{} {:?}", post.id, post.approval),
                Some(why) => format!("{} {:?} ({why})", post.id, post.approval),
            };
            posts.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Inbox::File { posts: None, .. } => "broken".into(),
        other => format!("{other:?}").split_whitespace().next().unwrap_or_default().to_owned(),
    }
}

struct Bench {
    dir: tempfile::TempDir,
    desk: Desk,
    clock: Arc<Still>,
}

impl Bench {
    /// A folder with a queue file, its sheet, and those who may sign.
    fn new(toml: &str, signed: &str, allowed: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("queue")).unwrap();
        let clock = Arc::new(Still(Mutex::new(now())));
        let reader = Reader::new(|file, bytes, _| parsed(file, bytes)).signed_by(dir.path().join("allowed"));
        let keep = Some(Keep::new(dir.path().join("copies")));
        let desk = Desk::new(dir.path().join("queue"), keep, reader, clock.clone());
        let bench = Self { dir, desk, clock };
        bench.write("queue/week.toml", toml);
        bench.write("queue/week.toml.approval", sheet_of(&Signer::new(1), signed));
        bench.write("allowed", allowed);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// By rename, so that another version is another file however coarse the disk's clock is.
    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path("aside"), bytes).unwrap();
        fs::rename(self.path("aside"), self.path(name)).unwrap();
    }

    fn look(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        self.desk.look(Depth::Media, Patience::None, &mut |message| {
            words.push(word(message));
            ControlFlow::Continue(())
        });
        words.retain(|word| word != "Complete");
        words
    }

    /// The file, if it is there, was written at this moment.
    fn written_now(&self, name: &str) {
        let now = std::time::SystemTime::from(*self.clock.0.lock().unwrap());
        if let Ok(file) = fs::File::options().write(true).open(self.path(name)) {
            file.set_modified(now).unwrap();
        }
    }

    fn later(&self, millis: i64) {
        let mut now = self.clock.0.lock().unwrap();
        *now = now.checked_add(jiff::SignedDuration::from_millis(millis)).unwrap();
    }

    /// What a daemon's look says, and whether it wants to look again at once.
    fn waits(&mut self) -> (Vec<String>, bool) {
        let mut words = Vec::new();
        let look = self.desk.look(Depth::Media, Patience::Wait, &mut |message| {
            words.push(word(message));
            ControlFlow::Continue(())
        });
        words.retain(|word| word != "Complete");
        (words, look.again.is_some())
    }

    /// All that a daemon's look says.
    fn all_words(&mut self) -> Vec<String> {
        let mut words = Vec::new();
        self.desk.look(Depth::Media, Patience::Wait, &mut |message| {
            words.push(word(message));
            ControlFlow::Continue(())
        });
        words
    }

    /// One message, that begins like this.
    #[track_caller]
    fn sees(&mut self, wanted: &str) {
        let words = self.look();
        assert!(words.len() == 1 && words[0].starts_with(wanted), "{wanted}: {words:?}");
        assert_eq!(self.look(), [""; 0], "the same is not said twice");
    }
}

fn allowed(options: &str) -> String {
    format!("me {options}{}\n", Signer::new(1).line())
}

#[test]
fn edits_of_the_queue_file_the_sheet_and_the_signers_are_seen() {
    let (one, two) = (post("a", "one"), post("b", "two"));
    let both = format!("{one}{two}");
    let mut bench = Bench::new(&both, &both, &allowed(""));
    bench.sees("a Signed, b Signed");
    bench.write("queue/week.toml", format!("{one}{}", post("b", "other")));
    bench.sees("a Signed, b Stale (it has changed since me signed it)");
    bench.write("queue/week.toml", &both);
    bench.sees("a Signed, b Signed");
    bench.write("queue/week.toml.approval", sheet_of(&Signer::new(1), &one));
    bench.sees("a Signed, b NotApproved (week.toml.approval does not name it)");
    fs::remove_file(bench.path("queue/week.toml.approval")).unwrap();
    bench.sees("a NotApproved (there is no week.toml.approval), b NotApproved (there is no");
    bench.write("queue/week.toml.approval", sheet_of(&Signer::new(1), &both));
    bench.sees("a Signed, b Signed");
    bench.write("allowed", format!("me {}\n", Signer::new(2).line()));
    bench.sees("a Stale (the key SHA256:");
    bench.write("allowed", allowed(""));
    bench.sees("a Signed, b Signed");
    fs::remove_file(bench.path("allowed")).unwrap();
    bench.sees("a NotApproved (allowed_signers cannot be read: there is no such file)");
    bench.write("allowed", format!("# more\n{}", allowed("")));
    bench.sees("a Signed, b Signed");
    // Another line of the file is nobody's business.
    bench.write("allowed", format!("# other\n{}", allowed("")));
    assert_eq!(bench.look(), [""; 0]);
}

#[test]
fn the_time_of_a_key_comes_and_ends() {
    let one = post("a", "one");
    let times = "valid-after=\"20261120110000Z\",valid-before=\"20261120120000Z\" ";
    let mut bench = Bench::new(&one, &one, &allowed(times));
    let mut at = |time: &str, wanted: &str| {
        *bench.clock.0.lock().unwrap() = time.parse().unwrap();
        match wanted {
            "" => assert_eq!(bench.look(), [""; 0], "{time}"),
            wanted => bench.sees(wanted),
        }
    };
    at("2026-11-20T10:00:00Z", "a NotApproved (the key SHA256:");
    at("2026-11-20T10:59:59Z", "");
    at("2026-11-20T11:00:00Z", "a Signed");
    at("2026-11-20T12:00:00Z", "");
    at("2026-11-20T12:00:01Z", "a Stale (the key SHA256:");
    // The clock was ahead, and is set back.
    at("2026-11-20T11:30:00Z", "a Signed");
    at("2026-11-20T12:00:01Z", "a Stale (the key SHA256:");
    let look = bench.desk.look(Depth::Files, Patience::Wait, &mut |_| ControlFlow::Continue(()));
    assert_eq!(look.again, None);
    *bench.clock.0.lock().unwrap() = "2026-11-20T10:00:00Z".parse().unwrap();
    bench.desk.forget_stamps();
    let look = bench.desk.look(Depth::Files, Patience::Wait, &mut |_| ControlFlow::Continue(()));
    assert_eq!(look.again, Some(Duration::from_secs(3600)), "it is known when to look again");
}

#[test]
fn a_broken_file_keeps_its_last_good_posts_and_loses_their_approval_with_the_key() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    bench.sees("a Signed");
    bench.write("queue/week.toml", "[[post]\n");
    bench.sees("broken");
    bench.write("allowed", "# nobody\n");
    bench.sees("a Stale (the key SHA256:");
    bench.write("allowed", allowed(""));
    bench.sees("a Signed");
    fs::remove_file(bench.path("queue/week.toml.approval")).unwrap();
    bench.sees("a NotApproved (there is no");
    // And a file that cannot be opened at all.
    bench.write("queue/week.toml.approval", sheet_of(&Signer::new(1), &one));
    bench.sees("a Signed");
    fs::remove_file(bench.path("queue/week.toml")).unwrap();
    symlink("/etc/passwd", bench.path("queue/week.toml")).unwrap();
    bench.sees("broken");
    bench.write("allowed", "# nobody\n");
    bench.sees("a Stale (the key SHA256:");
}

#[test]
fn another_reader_judges_the_last_good_posts_of_a_broken_file_anew() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    bench.sees("a Signed");
    bench.write("queue/week.toml", "[[post]\n");
    bench.sees("broken");
    bench.desk.set_reader(Reader::new(|file, bytes, _| read_as(ApprovalMode::None, file, bytes)));
    bench.sees("a Approved");
    bench.desk.set_reader(Reader::new(|file, bytes, _| read_as(ApprovalMode::Digest, file, bytes)));
    bench.sees("a NotApproved");
}

#[test]
fn what_is_gone_or_empty_for_a_moment_changes_nothing() {
    let one = post("a", "one");
    let signers = allowed("");
    for (name, whole) in
        [("allowed", signers.as_bytes().to_vec()), ("queue/week.toml.approval", sheet_of(&Signer::new(1), &one))]
    {
        for half in [None, Some("")] {
            let mut bench = Bench::new(&one, &one, &signers);
            bench.sees("a Signed");
            let take = |bench: &Bench| match half {
                Some(half) => bench.write(name, half),
                None => fs::remove_file(bench.path(name)).unwrap(),
            };
            take(&bench);
            bench.written_now(name);
            assert_eq!(bench.waits(), (vec![], true), "{name} {half:?}");
            bench.write(name, &whole);
            bench.later(200);
            assert_eq!(bench.waits(), (vec![], false), "{name} {half:?}: as it was");
            take(&bench);
            bench.written_now(name);
            assert_eq!(bench.waits(), (vec![], true), "{name} {half:?}");
            bench.later(1000);
            let (words, _) = bench.waits();
            let wanted = match (name, half) {
                // Nobody can tell who may sign.
                ("allowed", None) => "Lost",
                ("allowed", Some(_)) => "a Stale",
                _ => "a NotApproved",
            };
            assert!(words.len() == 1 && words[0].starts_with(wanted), "{name} {half:?}: {words:?}");
        }
    }
}

#[test]
fn signers_who_could_not_be_read_are_read_again_although_their_file_is_the_same() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    bench.sees("a Signed");
    // It cannot be read, and that may be mended with the same stamp.
    fs::remove_file(bench.path("allowed")).unwrap();
    fs::create_dir(bench.path("allowed")).unwrap();
    bench.later(10_000);
    bench.sees("a NotApproved (allowed_signers cannot be read: it is not a regular file)");
    assert!(bench.desk.has_other_signers(), "it is read again");
}

#[test]
fn a_list_that_cannot_be_read_is_no_word_against_anybody() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    let back = |bench: &Bench| bench.write("allowed", allowed(""));
    // Before the daemon has ever read it, as on a disk that is mounted late.
    fs::remove_file(bench.path("allowed")).unwrap();
    assert_eq!(bench.all_words(), ["Lost"]);
    bench.later(5000);
    assert_eq!(bench.all_words(), [""; 0]);
    back(&bench);
    assert_eq!(bench.all_words(), ["a Signed", "Complete"]);
    for _ in 0..2 {
        fs::remove_file(bench.path("allowed")).unwrap();
        assert_eq!(bench.all_words(), [""; 0], "each gap has its moment");
        bench.later(3000);
        assert_eq!(bench.all_words(), ["Lost"]);
        // An edit meanwhile is seen when it is back.
        bench.write("queue/week.toml", format!("{one}{}", post("b", "two")));
        bench.later(60_000);
        assert_eq!(bench.all_words(), [""; 0]);
        back(&bench);
        bench.later(1000);
        let words = bench.all_words();
        assert!(
            matches!(&words[..], [file, last] if file.starts_with("a Signed, b NotA") && last == "Complete"),
            "{words:?}"
        );
        bench.write("queue/week.toml", &one);
        assert_eq!(bench.all_words(), ["a Signed"]);
    }
    // Whoever looks once, and not again, is told what it is like now.
    fs::remove_file(bench.path("allowed")).unwrap();
    bench.sees("a NotApproved (allowed_signers cannot be read: there is no such file)");
}

#[test]
fn a_list_that_is_mounted_late_a_second_time_has_its_moment_again() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, "");
    fs::create_dir(bench.path("disk")).unwrap();
    bench.write("disk/allowed", allowed(""));
    fs::remove_file(bench.path("allowed")).unwrap();
    // The very same file, seen through a name that comes and goes.
    let mount = |bench: &Bench| symlink("disk/allowed", bench.path("allowed")).unwrap();
    mount(&bench);
    assert_eq!(bench.all_words(), ["a Signed", "Complete"]);
    for _ in 0..2 {
        fs::remove_file(bench.path("allowed")).unwrap();
        bench.later(700);
        assert_eq!(bench.waits(), (vec![], true));
        mount(&bench);
        bench.later(700);
        assert_eq!(bench.all_words(), [""; 0]);
    }
}

#[test]
fn a_sheet_that_may_not_be_read_is_no_word_against_anybody() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    assert_eq!(bench.all_words(), ["a Signed", "Complete"]);
    let sheet = bench.path("queue/week.toml.approval");
    fs::set_permissions(&sheet, PermissionsExt::from_mode(0o000)).unwrap();
    if fs::read(&sheet).is_ok() {
        eprintln!("NOT TESTED: this user may read everything, and no sheet was closed to it");
        return;
    }
    assert_eq!(bench.waits(), (vec![], true));
    bench.later(2000);
    assert_eq!(bench.all_words(), ["broken"], "its last good version stays");
    bench.later(60_000);
    assert_eq!(bench.all_words(), [""; 0], "that is said once");
    // Nor do edits of the rest bring it down.
    bench.write("allowed", format!("# more\nme {}\n", Signer::new(2).line()));
    bench.write("queue/week.toml", format!("{one}{}", post("b", "two")));
    bench.later(60_000);
    assert_eq!(bench.all_words(), [""; 0]);
    bench.write("allowed", allowed(""));
    bench.write("queue/week.toml", &one);
    fs::set_permissions(&sheet, PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(bench.all_words(), ["a Signed"]);
    // Without a daemon it is as it is.
    fs::set_permissions(&sheet, PermissionsExt::from_mode(0o000)).unwrap();
    bench.sees("a NotApproved (week.toml.approval: it cannot be read: there is no permission");
}

#[test]
fn lines_of_the_list_that_let_nobody_in_are_told() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    assert_eq!(bench.all_words(), ["a Signed", "Complete"]);
    bench.write("allowed", format!("you namespaces=git {}\n{}", Signer::new(2).line(), allowed("")));
    let mut told = Vec::new();
    bench.desk.look(Depth::Files, Patience::Wait, &mut |message| {
        if let Inbox::Signers { faults } = message {
            told.extend(faults.iter().map(ToString::to_string));
        }
        ControlFlow::Continue(())
    });
    assert!(matches!(&told[..], [fault] if fault.contains("allowed:1:1: the value of an option")), "{told:?}");
    assert_eq!(bench.all_words(), [""; 0], "once");
}

#[test]
fn another_reader_says_what_counts_for_it_before_all_else_and_when_all_is_read() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    assert_eq!(bench.all_words(), ["a Signed", "Complete"]);
    let reader = |approval| Reader::new(move |file, bytes, _| read_as(approval, file, bytes)).counting(approval);
    bench.desk.set_reader(reader(ApprovalMode::Digest));
    assert_eq!(bench.all_words(), ["Anew", "a NotApproved", "Complete"]);
    assert_eq!(bench.all_words(), [""; 0]);
    bench.desk.set_reader(reader(ApprovalMode::None));
    assert_eq!(bench.all_words(), ["Anew", "a Approved", "Complete"]);
}

#[test]
fn a_sheet_is_a_regular_file_in_the_folder() {
    let one = post("a", "one");
    let mut bench = Bench::new(&one, &one, &allowed(""));
    bench.sees("a Signed");
    let sheet = bench.path("queue/week.toml.approval");
    fs::rename(&sheet, bench.path("outside")).unwrap();
    symlink(bench.path("outside"), &sheet).unwrap();
    bench.sees("a NotApproved (week.toml.approval: it cannot be read: it leads out of the queue folder)");
    fs::remove_file(&sheet).unwrap();
    fs::rename(bench.path("outside"), bench.path("queue/elsewhere")).unwrap();
    symlink("elsewhere", &sheet).unwrap();
    bench.sees("a Signed");
    fs::remove_file(&sheet).unwrap();
    fs::create_dir(&sheet).unwrap();
    bench.sees("a NotApproved (week.toml.approval: it cannot be read: it is a folder, not a file)");
    fs::remove_dir(&sheet).unwrap();
    fs::File::create(&sheet).unwrap().set_len(1 << 40).unwrap();
    bench.sees("a NotApproved (week.toml.approval: it cannot be read: it has more than 1 MiB)");
}

#[test]
fn the_daemon_is_told_by_itself() {
    let one = post("a", "one");
    let bench = Bench::new(&one, &one, &allowed(""));
    let (send, words) = mpsc::channel();
    let reader = Reader::new(|file, bytes, _| parsed(file, bytes)).signed_by(bench.path("allowed"));
    let watch = Watch { queue: bench.path("queue"), keep: None, reader };
    let watcher = Watcher::start(watch, move |message| drop(send.send(word(message)))).unwrap();
    let expect = |wanted: &str| {
        let mut others = Vec::new();
        while let Ok(word) = words.recv_timeout(LONG) {
            if word.starts_with(wanted) {
                return;
            }
            others.push(word);
        }
        panic!("{wanted:?} was not said, but {others:?}");
    };
    expect("a Signed");
    bench.write("allowed", "# nobody\n");
    expect("a Stale (the key SHA256:");
    bench.write("allowed", allowed(""));
    expect("a Signed");
    fs::remove_file(bench.path("queue/week.toml.approval")).unwrap();
    expect("a NotApproved (there is no");
    bench.write("queue/week.toml.approval", sheet_of(&Signer::new(1), &one));
    expect("a Signed");
    watcher.stop();
}

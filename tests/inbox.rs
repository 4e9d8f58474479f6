//! What the inbox says about a queue folder: hostile names, broken files, files in the middle of being written,
//! folders that go away, and edits that have to be in force soon.

#![cfg(test)]

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use cadenced::domain::{Digest, Fault, Goal, Place, PostId, Timestamp};
use cadenced::edge::inbox::{Depth, Desk, Keep, Look, Patience, Reader, Watch, Watcher, read_all};
use cadenced::parts::{Clock, Inbox};
use cadenced::queue::parse::Reading;
use cadenced::queue::{Approval, Kind, Order, Post, Rarely};

const LONG: Duration = Duration::from_secs(60);

/// Queue files of these tests: one word a line is a post's id, `media PATH` names a file whose digest becomes part of
/// the posts, and a line `broken` spoils all.
fn reader() -> Reader {
    Reader::new(|file, bytes, digest_of| {
        let text = String::from_utf8_lossy(bytes);
        let mut about = String::new();
        for path in text.lines().filter_map(|line| line.strip_prefix("media ")) {
            match digest_of(path) {
                Ok(found) => about += &found.sha256.to_string(),
                Err(why) => about += &why,
            }
        }
        if text.lines().any(|line| line == "broken") {
            let faults = vec![Fault::error(Place::file(file), "it is broken")];
            return Reading { posts: None, faults };
        }
        let ids = text.lines().filter(|line| !line.contains(' ') && !line.is_empty());
        let posts = ids.map(|id| post(file, id, &about)).collect();
        Reading { posts: Some(posts), faults: Vec::new() }
    })
}

fn post(file: &Arc<str>, id: &str, about: &str) -> Post {
    Post {
        id: PostId::new(id).unwrap(),
        kind: Kind::Post,
        to: Arc::default(),
        goal: Goal::Change,
        priority: 0,
        order: Order { file: file.clone(), place: 0 },
        digest: Digest::of(about.as_bytes()),
        approval: Approval::Approved,
        rare: Rarely::default(),
        answers_ours: false,
        body: about.into(),
    }
}

/// A message, short enough to compare: `+file ids`, `!file why`, `+file ids !why`, `-file`, `lost`, `complete`.
fn word(message: Inbox) -> String {
    match message {
        Inbox::File { file, posts, faults } => {
            let posts = posts.map(|posts| {
                let ids: Vec<_> = posts.iter().map(|post| post.id.to_string()).collect();
                format!("+{file} {}", ids.join(","))
            });
            let faults: Vec<_> = faults.iter().map(|fault| format!("!{file} {}", fault.reason)).collect();
            posts.into_iter().chain(faults).collect::<Vec<_>>().join(" ")
        }
        Inbox::Gone { file } => format!("-{file}"),
        Inbox::Lost { .. } => "lost".into(),
        Inbox::Anew { .. } => "anew".into(),
        Inbox::Signers { .. } => "signers".into(),
        Inbox::Complete => "complete".into(),
    }
}

/// A clock that stands still until it is moved.
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst)).unwrap()
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

struct Bench {
    dir: tempfile::TempDir,
    clock: Arc<Still>,
    desk: Desk,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("queue")).unwrap();
        let clock = Arc::new(Still(AtomicI64::new(1_800_000_000_000)));
        let desk = desk(dir.path(), clock.clone());
        Self { dir, clock, desk }
    }

    /// As after a restart of the daemon.
    fn restart(&mut self) {
        self.desk = desk(self.dir.path(), self.clock.clone());
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("queue").join(file)
    }

    /// Writes a file that has been at rest for `age` milliseconds.
    fn write_aged(&self, file: &str, content: &str, age: i64) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let millis = self.clock.0.load(Ordering::SeqCst) - age;
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap());
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }

    fn write(&self, file: &str, content: &str) {
        self.write_aged(file, content, 10_000);
    }

    fn wait(&self, millis: i64) {
        self.clock.0.fetch_add(millis, Ordering::SeqCst);
    }

    fn look_for(&mut self, depth: Depth) -> (Vec<String>, Look) {
        let mut words = Vec::new();
        let look = self.desk.look(depth, Patience::Wait, &mut |message| {
            words.push(word(message));
            ControlFlow::Continue(())
        });
        (words, look)
    }

    fn look(&mut self) -> Vec<String> {
        self.look_for(Depth::Media).0
    }
}

fn desk(dir: &Path, clock: Arc<Still>) -> Desk {
    Desk::new(dir.join("queue"), Some(Keep::new(dir.join("copies"))), reader(), clock)
}

fn mkfifo(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

// One look after the other.

#[test]
fn files_come_in_name_order_and_only_once() {
    let mut bench = Bench::new();
    for file in ["b.toml", "a/z.toml", "a/b/c.toml", "a.toml", "notes.txt", ".hidden.toml", ".git/x.toml", ".#b.toml"] {
        bench.write(file, file.split(['/', '.']).nth_back(1).unwrap_or("x"));
    }
    bench.write("b.toml~", "x");
    assert_eq!(bench.look(), ["+a.toml a", "+a/b/c.toml c", "+a/z.toml z", "+b.toml b", "complete"]);
    assert_eq!(bench.look(), [""; 0]);
    bench.write("a/z.toml", "other");
    fs::remove_file(bench.path("b.toml")).unwrap();
    assert_eq!(bench.look(), ["-b.toml", "+a/z.toml other"]);
    // Touched, and the same.
    bench.write_aged("a/z.toml", "other", 5_000);
    assert_eq!(bench.look(), [""; 0]);
}

#[test]
fn an_empty_folder_is_complete() {
    let mut bench = Bench::new();
    assert_eq!(bench.look(), ["complete"]);
}

#[test]
fn what_is_no_queue_file_is_reported_and_blocks_nobody() {
    let mut bench = Bench::new();
    bench.write("good.toml", "good");
    bench.write("large.toml", &"x".repeat(1024 * 1024 + 1));
    fs::create_dir(bench.path("folder.toml")).unwrap();
    mkfifo(&bench.path("fifo.toml"));
    fs::write(bench.path("new\nline.toml"), "x").unwrap();
    fs::write(bench.dir.path().join("outside"), "stolen").unwrap();
    symlink("../outside", bench.path("leads-out.toml")).unwrap();
    symlink("/dev/zero", bench.path("zero.toml")).unwrap();
    symlink("nowhere", bench.path("dangling.toml")).unwrap();
    symlink("good.toml", bench.path("inside.toml")).unwrap();
    symlink(".", bench.path("cycle")).unwrap();
    symlink("..", bench.path("outwards")).unwrap();
    let words = bench.look();
    let expected = [
        "!cycle it is a symlink to a folder, and those are not followed",
        "!dangling.toml there is no such file",
        "!fifo.toml it is a FIFO, not a file",
        "!folder.toml it is a folder, not a file",
        "+good.toml good",
        "+inside.toml good",
        "!large.toml it has more than 1 MiB",
        "!leads-out.toml it leads out of the queue folder",
        "!new\\nline.toml its name is not printable UTF-8",
        "!outwards it is a symlink to a folder, and those are not followed",
        "!zero.toml it leads out of the queue folder",
        "complete",
    ];
    assert_eq!(words, expected);
    assert_eq!(bench.look(), [""; 0], "what was reported is not reported again");
}

#[test]
fn a_broken_file_keeps_its_last_good_posts_over_a_restart() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.write("b.toml", "second");
    assert_eq!(bench.look(), ["+a.toml first", "+b.toml second", "complete"]);
    bench.write("a.toml", "first\nbroken");
    assert_eq!(bench.look(), ["!a.toml it is broken"], "its posts stay as they are");
    bench.restart();
    assert_eq!(bench.look(), ["+a.toml first !a.toml it is broken", "+b.toml second", "complete"]);
    // A name that cannot be read at all is no reason to lose them either.
    fs::remove_file(bench.path("a.toml")).unwrap();
    mkfifo(&bench.path("a.toml"));
    bench.restart();
    assert_eq!(bench.look(), ["+a.toml first !a.toml it is a FIFO, not a file", "+b.toml second", "complete"]);
    fs::remove_file(bench.path("a.toml")).unwrap();
    assert_eq!(bench.look(), ["-a.toml"]);
    bench.write("a.toml", "broken");
    bench.restart();
    assert_eq!(bench.look(), ["!a.toml it is broken", "+b.toml second", "complete"], "a file that was gone has none");
}

#[test]
fn copies_of_files_that_went_while_nobody_looked_are_removed() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.write("b.toml", "second");
    bench.look();
    let copies = |bench: &Bench| fs::read_dir(bench.dir.path().join("copies")).unwrap().count();
    assert_eq!(copies(&bench), 2);
    fs::remove_file(bench.path("a.toml")).unwrap();
    bench.restart();
    bench.look();
    assert_eq!(copies(&bench), 1);
}

#[test]
fn a_copy_that_cannot_be_kept_is_a_warning_and_the_file_is_in_force() {
    let mut bench = Bench::new();
    fs::write(bench.dir.path().join("copies"), "a file where the folder should be").unwrap();
    bench.write("a.toml", "first");
    let words = bench.look();
    assert!(words[0].starts_with("+a.toml first !a.toml the file is in force, but no copy"), "{words:?}");
}

#[test]
fn a_folder_that_is_lost_takes_nothing_away_and_comes_back_whole() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.write("b.toml", "second");
    bench.look();
    let aside = bench.dir.path().join("aside");
    fs::rename(bench.path(""), &aside).unwrap();
    let (words, look) = bench.look_for(Depth::Files);
    assert_eq!((words.as_slice(), look.lost), (["lost".to_string()].as_slice(), true));
    assert_eq!(bench.look(), [""; 0], "it is said once");
    fs::remove_file(aside.join("b.toml")).unwrap();
    fs::rename(&aside, bench.path("")).unwrap();
    assert_eq!(bench.look(), ["-b.toml", "+a.toml first", "complete"]);
}

#[test]
fn a_folder_inside_that_cannot_be_listed_takes_nothing_away() {
    let mut bench = Bench::new();
    bench.write("sub/a.toml", "first");
    bench.write("subway.toml", "other");
    bench.look();
    let sub = bench.path("sub");
    let mode = |bits| fs::set_permissions(&sub, fs::Permissions::from_mode(bits)).unwrap();
    mode(0o000);
    // The superuser may read it all the same; then there is nothing to see here.
    let refused = fs::read_dir(&sub).is_err();
    fs::remove_file(bench.path("subway.toml")).unwrap();
    let words = bench.look();
    mode(0o700);
    if refused {
        assert_eq!(words, ["-subway.toml", "!sub there is no permission to read it"]);
        assert_eq!(bench.look(), ["-sub"]);
    } else {
        assert_eq!(words, ["-subway.toml"]);
    }
}

/// A folder too deep to be listed stands for one that may not be: the superuser may list them all.
#[test]
fn what_lies_out_of_sight_at_the_start_is_as_it_was() {
    let deep = ["d"; 33].join("/");
    let file = format!("{deep}/x.toml");
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    fs::create_dir_all(bench.path(&deep)).unwrap();
    let copies = bench.dir.path().join("copies");
    let mut keep = Keep::new(copies.clone());
    for name in [&file, "gone.toml", "d/gone.toml"] {
        keep.save(name, b"second").unwrap();
    }
    let why = format!("!{deep} it lies more than 32 folders deep");
    let before = ["+a.toml first", &*why, &format!("+{file} second"), "complete"];
    assert_eq!(bench.look(), before);
    assert_eq!(bench.look(), [""; 0]);
    // Nobody knows which copies are of files that are gone, so all are kept.
    bench.restart();
    assert_eq!(bench.look(), before);
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 4);
    // To another reader it stays as it was judged, for nobody can look at its media.
    bench.desk.set_reader(reader());
    assert_eq!(bench.look(), ["+a.toml first", &*why, "complete"]);
    // When the folder goes, it goes.
    fs::remove_dir_all(bench.path("d")).unwrap();
    assert_eq!(bench.look(), [format!("-{deep}"), format!("-{file}")]);
    bench.restart();
    assert_eq!(bench.look(), ["+a.toml first", "complete"]);
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 1);
}

#[test]
fn a_file_that_goes_out_of_sight_while_it_is_written_keeps_nobody_waiting() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.write_aged("sub/b.toml", "second", 0);
    assert_eq!(bench.look(), ["+a.toml first"]);
    let sub = bench.path("sub");
    let mode = |bits| fs::set_permissions(&sub, fs::Permissions::from_mode(bits)).unwrap();
    mode(0o000);
    // The superuser may read it all the same; then there is nothing to see here.
    let refused = fs::read_dir(&sub).is_err();
    let words = bench.look();
    mode(0o700);
    if refused {
        assert_eq!(words, ["!sub there is no permission to read it", "complete"]);
        bench.wait(1000);
        assert_eq!(bench.look(), ["-sub", "+sub/b.toml second"]);
    }
}

#[test]
fn a_file_that_is_being_written_is_read_when_it_rests() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first\nsecond");
    bench.look();
    // Cut short, in the middle of being written again.
    bench.write_aged("a.toml", "first", 0);
    let (words, look) = bench.look_for(Depth::Files);
    assert_eq!(words, [""; 0]);
    assert!(look.again.is_some_and(|again| again <= Duration::from_millis(100)));
    bench.wait(50);
    bench.write_aged("a.toml", "first\nsecond\nthird", 0);
    assert_eq!(bench.look(), [""; 0]);
    bench.wait(150);
    let (words, look) = bench.look_for(Depth::Files);
    assert_eq!(words, ["+a.toml first,second,third"]);
    assert_eq!(look.again, None);
}

#[test]
fn a_file_that_never_rests_is_read_after_a_second() {
    let mut bench = Bench::new();
    bench.look();
    let mut seen = Vec::new();
    for round in 0..60 {
        bench.write_aged("a.toml", &format!("post-{round}"), 0);
        seen.extend(bench.look().into_iter().map(|word| (round, word)));
        bench.wait(50);
    }
    let rounds: Vec<_> = seen.iter().map(|(round, _)| *round).collect();
    assert!(rounds.len() >= 2 && rounds[0] <= 21, "{seen:?}");
    assert!(rounds.windows(2).all(|pair| pair[1] - pair[0] <= 22), "{seen:?}");
}

#[test]
fn a_file_that_never_rests_and_makes_no_sense_for_a_moment_is_tried_again() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.look();
    let mut words = Vec::new();
    for round in 0..30 {
        // Empty is what a file is right after an editor has opened it for writing.
        let content = if round % 2 == 0 { "" } else { "first\nsecond" };
        bench.write_aged("a.toml", content, 0);
        words.extend(bench.look());
        bench.wait(50);
    }
    assert_eq!(words, ["+a.toml first,second"], "an empty file was taken for the queue");
}

#[test]
fn the_first_reading_is_complete_only_when_every_file_rests() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.write_aged("b.toml", "cut sho", 0);
    assert_eq!(bench.look(), ["+a.toml first"]);
    bench.write("b.toml", "second");
    assert_eq!(bench.look(), ["+b.toml second", "complete"]);
}

#[test]
fn a_file_from_a_machine_with_another_clock_is_read_at_once() {
    let mut bench = Bench::new();
    bench.write_aged("a.toml", "first", -3_600_000);
    assert_eq!(bench.look(), ["+a.toml first", "complete"]);
}

#[test]
fn media_that_appear_change_or_go_make_their_file_be_read_again() {
    let mut bench = Bench::new();
    bench.write("week/a.toml", "media img/x.jpg\nfirst");
    bench.write("b.toml", "second");
    assert_eq!(bench.look(), ["+b.toml second", "+week/a.toml first", "complete"]);
    bench.write("week/img/x.jpg", "one picture");
    assert_eq!(bench.look(), ["+week/a.toml first"]);
    assert_eq!(bench.look(), [""; 0]);
    bench.write("week/img/x.jpg", "another one");
    assert_eq!(bench.look_for(Depth::Files).0, [""; 0]);
    assert_eq!(bench.look(), ["+week/a.toml first"]);
    // The same bytes in another file are the same media.
    bench.write("week/img/new", "another one");
    fs::rename(bench.path("week/img/new"), bench.path("week/img/x.jpg")).unwrap();
    assert_eq!(bench.look(), [""; 0]);
    fs::remove_file(bench.path("week/img/x.jpg")).unwrap();
    assert_eq!(bench.look(), ["+week/a.toml first"]);
    assert_eq!(bench.look(), [""; 0]);
}

#[test]
fn media_of_a_broken_file_are_those_of_its_last_good_version() {
    let mut bench = Bench::new();
    bench.write("x.jpg", "one picture");
    bench.write("a.toml", "media x.jpg\nfirst");
    bench.look();
    bench.write("a.toml", "broken");
    assert_eq!(bench.look(), ["!a.toml it is broken"]);
    bench.desk.forget_stamps();
    assert_eq!(bench.look(), [""; 0]);
    bench.write("x.jpg", "another one");
    assert_eq!(bench.look(), ["+a.toml first !a.toml it is broken"]);
    assert_eq!(bench.look(), [""; 0]);
}

#[test]
fn media_that_are_being_written_are_hashed_again_when_they_rest() {
    let mut bench = Bench::new();
    bench.write("a.toml", "media x.jpg\nfirst");
    bench.write_aged("x.jpg", "half a pic", 0);
    let (words, look) = bench.look_for(Depth::Media);
    assert_eq!(words, ["+a.toml first", "complete"]);
    assert!(look.again.is_some());
    bench.wait(150);
    // As many bytes, at the same time to the clock's precision.
    bench.write_aged("x.jpg", "a whole it", 150);
    let (words, look) = bench.look_for(Depth::Media);
    assert_eq!((words.as_slice(), look.again), (["+a.toml first".to_string()].as_slice(), None));
}

#[test]
fn another_reader_reads_and_tells_everything_again() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.look();
    bench.desk.set_reader(reader());
    assert_eq!(bench.look(), ["+a.toml first", "complete"]);
    bench.desk.forget_stamps();
    assert_eq!(bench.look(), [""; 0]);
}

#[test]
fn files_over_the_limit_are_reported_once_and_push_nobody_out() {
    let mut bench = Bench::new();
    // Without copies, and links of one file: making that many files is slow.
    bench.desk = Desk::new(bench.path(""), None, reader(), bench.clock.clone());
    bench.write("z.toml", "last");
    for number in 0..9_999 {
        fs::hard_link(bench.path("z.toml"), bench.path(&format!("m{number:05}.toml"))).unwrap();
    }
    bench.look();
    bench.write("a.toml", "early");
    bench.write("b.toml", "early");
    let words = bench.look();
    assert_eq!(words, ["!a.toml the queue holds more than 10000 files; this one is not read"]);
    assert_eq!(bench.look(), [""; 0]);
    fs::remove_file(bench.path("m00000.toml")).unwrap();
    let words = bench.look();
    assert_eq!(words[..2], ["-m00000.toml", "+a.toml early"], "{words:?}");
}

#[test]
fn reading_all_once_takes_files_as_they_are_and_changes_nothing() {
    let mut bench = Bench::new();
    bench.write("a.toml", "first");
    bench.look();
    bench.write("a.toml", "broken");
    fs::write(bench.path("b.toml"), "fresh").unwrap();
    let copies = bench.dir.path().join("copies");
    let words: Vec<_> = read_all(&bench.path(""), Some(&copies), reader()).into_iter().map(word).collect();
    assert_eq!(words, ["+a.toml first !a.toml it is broken", "+b.toml fresh", "complete"]);
    assert_eq!(fs::read_dir(&copies).unwrap().count(), 1);
    let words: Vec<_> = read_all(&bench.path("nowhere"), None, reader()).into_iter().map(word).collect();
    assert_eq!(words, ["lost"]);
}

// The thread.

struct Live {
    dir: tempfile::TempDir,
    words: Receiver<String>,
    watcher: Watcher,
}

impl Live {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("queue")).unwrap();
        Self::watch(dir, "queue")
    }

    fn watch(dir: tempfile::TempDir, queue: &str) -> Self {
        let (send, words) = mpsc::channel();
        let (queue, keep) = (dir.path().join(queue), Some(dir.path().join("copies")));
        let each = move |message| drop(send.send(word(message)));
        let watcher = Watcher::start(Watch { queue, keep, reader: reader() }, each).unwrap();
        Self { dir, words, watcher }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join("queue").join(file)
    }

    /// Waits for a message and passes over others.
    #[track_caller]
    fn expect(&self, wanted: &str) {
        let mut others = Vec::new();
        while let Ok(word) = self.words.recv_timeout(LONG) {
            if word == wanted {
                return;
            }
            others.push(word);
        }
        panic!("{wanted:?} was not said, but {others:?}");
    }
}

#[test]
fn edits_in_place_by_rename_and_in_new_folders_are_told() {
    let live = Live::new();
    live.expect("complete");
    fs::write(live.path("a.toml"), "first").unwrap();
    live.expect("+a.toml first");
    fs::write(live.path("aside"), "first\nsecond").unwrap();
    fs::rename(live.path("aside"), live.path("a.toml")).unwrap();
    live.expect("+a.toml first,second");
    fs::create_dir_all(live.path("deep/er")).unwrap();
    fs::write(live.path("deep/er/b.toml"), "third").unwrap();
    live.expect("+deep/er/b.toml third");
    fs::write(live.path("deep/er/b.toml"), "fourth").unwrap();
    live.expect("+deep/er/b.toml fourth");
    fs::remove_file(live.path("a.toml")).unwrap();
    live.expect("-a.toml");
    live.watcher.stop();
}

#[test]
fn a_folder_that_goes_and_comes_back_is_watched_again() {
    let live = Live::new();
    fs::write(live.path("a.toml"), "first").unwrap();
    live.expect("+a.toml first");
    fs::remove_dir_all(live.path("")).unwrap();
    live.expect("lost");
    fs::create_dir(live.path("")).unwrap();
    fs::write(live.path("b.toml"), "second").unwrap();
    live.expect("+b.toml second");
    live.expect("complete");
    fs::write(live.path("b.toml"), "third").unwrap();
    live.expect("+b.toml third");
}

#[test]
fn a_folder_switched_over_by_symlink_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, content) in [("one", "first"), ("two", "second")] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::write(dir.path().join(folder).join("a.toml"), content).unwrap();
    }
    symlink("one", dir.path().join("current")).unwrap();
    let live = Live::watch(dir, "current");
    live.expect("+a.toml first");
    symlink("two", live.dir.path().join("next")).unwrap();
    fs::rename(live.dir.path().join("next"), live.dir.path().join("current")).unwrap();
    live.expect("+a.toml second");
    fs::write(live.dir.path().join("two/a.toml"), "third").unwrap();
    live.expect("+a.toml third");
}

#[test]
fn media_that_change_are_noticed() {
    let live = Live::new();
    fs::write(live.path("a.toml"), "media x.jpg\nfirst").unwrap();
    live.expect("+a.toml first");
    fs::write(live.path("x.jpg"), "one picture").unwrap();
    live.expect("+a.toml first");
}

#[test]
fn a_file_that_is_edited_all_the_time_is_in_force_all_the_time() {
    let live = Live::new();
    live.expect("complete");
    let (path, stop) = (live.path("a.toml"), Arc::new(Mutex::new(false)));
    let writer = {
        let stop = stop.clone();
        std::thread::Builder::new().spawn(move || {
            let mut round = 0;
            while !*stop.lock().unwrap() {
                round += 1;
                fs::write(&path, format!("post-{round}\n")).unwrap();
                std::thread::park_timeout(Duration::from_millis(50));
            }
        })
    };
    // While it is edited, without a pause.
    let mut told = Vec::new();
    while told.len() < 2 {
        told.push(live.words.recv_timeout(LONG).unwrap());
    }
    *stop.lock().unwrap() = true;
    writer.unwrap().join().unwrap();
    // Whoever reads between the cutting and the writing sees a file without a word; the next reading mends that.
    assert!(told.iter().all(|word| word == "+a.toml " || word.starts_with("+a.toml post-")), "{told:?}");
    let last = format!("+a.toml {}", fs::read_to_string(live.path("a.toml")).unwrap().trim());
    if !told.contains(&last) {
        live.expect(&last);
    }
}

#[test]
fn a_rescan_tells_what_is_new_and_only_that() {
    let live = Live::new();
    fs::write(live.path("a.toml"), "first").unwrap();
    live.expect("+a.toml first");
    live.watcher.rescan();
    fs::write(live.path("b.toml"), "second").unwrap();
    let next: Vec<_> = live.words.recv_timeout(LONG).into_iter().collect();
    assert!(next == ["complete"] || next == ["+b.toml second"], "{next:?}");
    live.watcher.set_reader(reader());
    live.expect("+a.toml first");
}

#[test]
fn a_watcher_that_is_stopped_is_silent() {
    let live = Live::new();
    live.expect("complete");
    live.watcher.stop();
    fs::write(live.dir.path().join("queue/a.toml"), "first").unwrap();
    assert!(live.words.recv().is_err(), "its end of the channel is closed");
}

//! What is said of a signature right before the intent.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use cadenced::domain::{Digest, Timestamp};
use cadenced::edge::beneath::FolderPath;
use cadenced::edge::media::MediaShelf;
use cadenced::edge::signatures::{SignersPath, vouch};
use cadenced::parts::{Claim, Shelf, Unvouched};

use super::keys::Signer;
use super::sheets::{id, message};

/// The answer in one word.
fn word(answer: Result<Arc<str>, Unvouched>) -> String {
    match answer {
        Ok(by) => by.to_string(),
        Err(Unvouched::Void(_)) => "void".into(),
        Err(Unvouched::Unclear(_)) => "unclear".into(),
    }
}

fn claim() -> Claim {
    Claim { queue_file: "week.toml".into(), post: id("a"), digest: Digest::of(b"one") }
}

#[test]
fn a_no_counts_when_the_files_can_be_read_and_are_at_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, allowed) = (dir.path().join("queue"), dir.path().join("allowed"));
    let sheet = queue.join("week.toml.approval");
    fs::create_dir(&queue).unwrap();
    let (queue, signers) = (FolderPath(queue), SignersPath::default());
    let ask = |at: Timestamp| word(vouch(&queue, &signers, &claim(), at));
    let (me, other) = (format!("me {}\n", Signer::new(1).line()), format!("me {}\n", Signer::new(2).line()));
    let (one, two) = (Signer::new(1).sheet(&message(&[("a", "one")])), Signer::new(1).sheet(&message(&[("a", "two")])));
    assert_eq!(ask(Timestamp::UNIX_EPOCH), "unclear", "nobody is named who may sign");
    signers.set(Some(allowed.clone()));
    let half = &one[..one.len() / 2];
    // Whose signatures count, and for how many hours; the same of what is signed; and what is said.
    for (list, since, signed, at, wanted) in [
        (Some(&*me), 1, Some(&*one), 1, "me"),
        (Some(&*me), 0, Some(&*one), 0, "me"),
        (Some(&*other), 1, Some(&*one), 1, "void"),
        (Some(&*other), 0, Some(&*one), 1, "unclear"),
        (Some(&*other), 1, Some(&*one), 0, "unclear"),
        (Some(""), 1, Some(&*one), 1, "unclear"),
        (None, 1, Some(&*one), 1, "unclear"),
        (Some(&*me), 1, Some(&*two), 1, "void"),
        (Some(&*me), 1, Some(half), 1, "unclear"),
        (Some(&*me), 1, None, 1, "unclear"),
    ] {
        for (path, bytes) in [(&allowed, list.map(str::as_bytes)), (&sheet, signed)] {
            let _ = fs::remove_file(path);
            if let Some(bytes) = bytes {
                fs::write(path, bytes).unwrap();
            }
        }
        // Their times of writing are set; when they were put there, nobody can set.
        let put = [&allowed, &sheet].into_iter().filter_map(|path| put_there(path)).max().expect("one of them");
        let later = put.checked_add(jiff::SignedDuration::from_secs(1800)).unwrap();
        for (path, hours) in [(&allowed, since), (&sheet, at)] {
            if let Ok(file) = fs::File::options().write(true).open(path) {
                file.set_modified(SystemTime::from(later) - Duration::from_secs(3600 * hours)).unwrap();
            }
        }
        assert_eq!(ask(later), wanted, "{list:?} {since} {at}");
        if wanted == "void" {
            let put = put_there(&sheet).expect("it is there");
            assert_eq!(ask(put), "unclear", "a copy that keeps its time is new there");
        }
    }
}

/// When a file was put where it is, by the file system.
fn put_there(path: &Path) -> Option<Timestamp> {
    let about = fs::metadata(path).ok()?;
    Timestamp::new(about.ctime(), i32::try_from(about.ctime_nsec()).ok()?).ok()
}

#[test]
fn the_shelf_asks_the_files() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("queue")).unwrap();
    fs::write(dir.path().join("allowed"), format!("me {}\n", Signer::new(1).line())).unwrap();
    let sheet = Signer::new(1).sheet(&message(&[("a", "one")]));
    fs::write(dir.path().join("queue/week.toml.approval"), sheet).unwrap();
    let signers = SignersPath::default();
    signers.set(Some(dir.path().join("allowed")));
    let shelf = MediaShelf::new(runtime.handle().clone(), dir.path().join("queue"), signers);
    let (send, answer) = mpsc::channel();
    shelf.vouch(claim(), Box::new(move |result| drop(send.send(result))));
    assert_eq!(word(answer.recv_timeout(Duration::from_secs(60)).expect("an answer")), "me");
}

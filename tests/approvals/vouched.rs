//! What is said of a signature right before the intent.

use std::fs;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use cadenced::domain::Digest;
use cadenced::edge::media::MediaShelf;
use cadenced::edge::signatures::SignersPath;
use cadenced::parts::{Claim, Shelf, Unvouched};

use super::keys::Signer;
use super::sheets::{id, message};

/// The answer in one word.
fn ask(shelf: &MediaShelf) -> String {
    let claim = Claim { queue_file: "week.toml".into(), post: id("a"), digest: Digest::of(b"one") };
    let (send, answer) = mpsc::channel();
    shelf.vouch(claim, Box::new(move |result: Result<Arc<str>, Unvouched>| drop(send.send(result))));
    match answer.recv_timeout(Duration::from_secs(60)).expect("an answer") {
        Ok(by) => by.to_string(),
        Err(Unvouched::Void(_)) => "void".into(),
        Err(Unvouched::Unclear(_)) => "unclear".into(),
    }
}

#[test]
fn a_no_counts_when_the_files_can_be_read_and_are_at_rest() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (queue, allowed) = (dir.path().join("queue"), dir.path().join("allowed"));
    let sheet = queue.join("week.toml.approval");
    fs::create_dir(&queue).unwrap();
    let signers = SignersPath::default();
    let shelf = MediaShelf::new(runtime.handle().clone(), queue, signers.clone());
    let (me, other) = (format!("me {}\n", Signer::new(1).line()), format!("me {}\n", Signer::new(2).line()));
    let (one, two) = (Signer::new(1).sheet(&message(&[("a", "one")])), Signer::new(1).sheet(&message(&[("a", "two")])));
    assert_eq!(ask(&shelf), "unclear", "nobody is named who may sign");
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
        for (path, bytes, hours) in [(&allowed, list.map(str::as_bytes), since), (&sheet, signed, at)] {
            let _ = fs::remove_file(path);
            if let Some(bytes) = bytes {
                fs::write(path, bytes).unwrap();
                // Ahead counts like behind: so there is time to ask.
                let at = now() + Duration::from_millis(900) - Duration::from_secs(3600 * hours);
                fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
            }
        }
        assert_eq!(ask(&shelf), wanted, "{list:?} {since} {at}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the shelf compares the times of files with the real clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

//! The site adapter writes the same site to a real folder as to its twin.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId, Timestamp};
use cadenced::edge::files::carry_out;
use cadenced::platform;
use cadenced::platform::contract::{Adapter, Call, Job, Media, Published, Reply, Secrets, Table, Twin};
use cadenced::platform::site::twin::Folder;
use support::drive::Drive;
use support::png;

/// A twin that carries calls out on the disk as well, and expects the same answers.
struct Both {
    folder: Folder,
}

impl Twin for Both {
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table {
        self.folder.table(account, base, folder)
    }
    fn secrets(&self, account: u32) -> Secrets {
        self.folder.secrets(account)
    }
    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let Call::File(on_disk) = call else { panic!("a site makes file calls") };
        let from_disk = carry_out(on_disk).expect("the disk is fine");
        let from_twin = self.folder.answer(call, now);
        assert_eq!(format!("{from_disk:?}"), format!("{from_twin:?}"));
        from_disk
    }
    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        self.folder.published_since(mark)
    }
    fn throttle(&mut self, until: Timestamp) {
        self.folder.throttle(until);
    }
    fn expire_tokens(&mut self) {
        self.folder.expire_tokens();
    }
    fn set_revoked(&mut self, revoked: bool) {
        self.folder.set_revoked(revoked);
    }
}

fn files(root: &Path, below: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(root.join(below)).expect("a folder") {
        let entry = entry.expect("a name");
        let path = format!("{below}{}", entry.file_name().display());
        match entry.file_type().expect("a type").is_dir() {
            true => files(root, &format!("{path}/"), found),
            false => drop(found.insert(path, std::fs::read(entry.path()).expect("a file"))),
        }
    }
}

fn job(adapter: &dyn Adapter, id: &str) -> Job {
    let started: Timestamp = "2026-12-01T08:00:00Z".parse().expect("a moment");
    let picture = png::tiny(9);
    let item =
        MediaItem { file: "a.png".into(), alt: "Twelve pixels".into(), sha256: Digest::of(&picture), facts: None };
    let content = Content {
        text: format!("This is {id}"),
        thread: vec!["and more".into()],
        media: vec![item.clone()],
        ..Content::default()
    };
    Job {
        delivery: DeliveryId::new(PostId::new(id).expect("an id"), AccountId::new("site").expect("an id")),
        attempt: 1,
        key: "0".repeat(32),
        digest: Digest::of(id.as_bytes()),
        media: vec![Media { item, mime: "image/png".into(), size: Some((4, 3)), bytes: picture.into() }],
        frozen: adapter.freeze(&content, started, 0),
        content,
        started,
        answers: None,
        taken: Arc::default(),
    }
}

#[test]
fn disk_and_twin_hold_the_same_site() {
    let place = tempfile::tempdir().unwrap();
    let mut both = Both { folder: Folder::default() };
    let values = both.table(0, "http://127.0.0.1:1/", &place.path().display().to_string());
    let mut table = Table::new(AccountId::new("site").unwrap(), values, "/".into());
    let adapter = (platform::find("site").unwrap().build)(&mut table).unwrap();
    for id in ["first", "second", "second"] {
        let job = job(&*adapter, id);
        let remote = Drive::new(&*adapter, &mut both, &job).finish();
        assert_eq!(remote.url, Some(format!("http://127.0.0.1:1/site-0/posts/{id}/")));
    }
    let mut on_disk = BTreeMap::new();
    files(&place.path().join("site-0"), "", &mut on_disk);
    assert_eq!(on_disk.keys().collect::<Vec<_>>(), both.folder.files(0).keys().collect::<Vec<_>>());
    assert!(on_disk == both.folder.files(0));
    assert_eq!(both.published().len(), 4, "two posts of two parts");
}

//! The quickstart's own files, as far as they can be wrong without the daemon: the site account and the picture.

use std::path::{Path, PathBuf};

use cadenced::domain::{AccountId, Digest};
use cadenced::platform;
use cadenced::platform::contract::Table;

fn config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn read(path: &str) -> toml::Table {
    std::fs::read_to_string(config().join(path)).expect("a file of ours").parse().expect("TOML")
}

#[test]
fn the_site_account_is_one_that_the_adapter_takes() {
    let file = read("quickstart.toml");
    let mut values = file["accounts"]["site"].as_table().unwrap().clone();
    values.retain(|key, _| !matches!(key, "platform" | "slots"));
    let entry = platform::find("site").unwrap();
    assert!(values.keys().all(|key| entry.keys.iter().any(|known| known.name == key)), "{values:?}");
    let mut table = Table::new(AccountId::new("site").unwrap(), values, config());
    let adapter = (entry.build)(&mut table).unwrap();
    assert_eq!(table.into_complaints(), []);
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/quickstart/site");
    assert_eq!(adapter.place(), target.display().to_string(), "the work tree stays clean");
}

#[test]
fn the_picture_is_the_one_that_the_post_names() {
    let posts = read("quickstart/queue/1-welcome.toml");
    let item = &posts["post"][1]["media"][0];
    let bytes = std::fs::read(config().join("quickstart/queue").join(item["file"].as_str().unwrap())).unwrap();
    assert_eq!(Digest::of(&bytes).hex(), item["sha256"].as_str().unwrap());
    assert_eq!(imagesize::blob_size(&bytes).map(|size| (size.width, size.height)).ok(), Some((1200, 500)));
    assert!(bytes.len() < 10_000, "a sample is small");
}

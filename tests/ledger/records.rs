//! Records and journals of earlier versions stay readable. The samples are made once for each version and never
//! changed afterwards.

use std::path::{Path, PathBuf};

use cadenced::domain::{AccountId, Held, Origin, SealKey, Secret};
use cadenced::edge::store::{self, Options};
use cadenced::ledger::record::{DecodeError, Fact, VERSION};
use cadenced::ledger::store::Ledger as _;
use cadenced::ledger::{Record, View};
use serde_json::Value;

use super::support::{copy_folder, fold, record, story};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledger")
}

fn lines() -> Vec<String> {
    lines_of("v1.jsonl")
}

fn lines_of(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(samples().join(file)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn every_sample_reads_and_writes_back_the_same() {
    let mut kinds = std::collections::BTreeSet::new();
    // The second file has what was added to the version after the store was made of the first.
    for line in lines().into_iter().chain(lines_of("v1-added.jsonl")) {
        let record = Record::decode(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
        let written: Value = serde_json::from_slice(&record.encode()).unwrap();
        let kept: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(written, kept);
        let fact = kept["fact"].as_object().unwrap();
        let (kind, body) = fact.iter().next().unwrap();
        for inner in ["outcome", "decision", "held"] {
            match &body[inner] {
                Value::Object(of) => kinds.extend(of.keys().map(|name| format!("{kind}/{name}"))),
                Value::String(name) => _ = kinds.insert(format!("{kind}/{name}")),
                _ => {}
            }
        }
        kinds.insert(kind.clone());
    }
    let expected = [
        "account-resumed",
        "account-set-back",
        "account-stopped",
        "checkpoint",
        "clock-confirmed",
        "clock-set",
        "delivery-set-back",
        "expired",
        "gained",
        "intent",
        "missed",
        "opened",
        "outcome",
        "outcome/abandoned",
        "outcome/ambiguous",
        "outcome/auth",
        "outcome/delivered",
        "outcome/rate-limited",
        "outcome/refused",
        "outcome/retry",
        "outcome/uncertain",
        "pinned",
        "planned",
        "resolved",
        "resolved/delivered",
        "resolved/drop",
        "resolved/retry",
        "slot-empty",
        "spent",
        "tokens-kept",
        "withdrawn",
    ];
    let helds = [
        Held::NotApproved,
        Held::ApprovalStale,
        Held::Invalid,
        Held::MediaMissing,
        Held::WaitingSeries,
        Held::PromotionShare,
        Held::Unanswered,
        Held::Budget,
        Held::AccountAuth,
        Held::AccountPaused,
        Held::NotBefore,
        Held::Duplicate,
    ];
    let mut expected: std::collections::BTreeSet<String> = expected.iter().map(|&kind| kind.to_owned()).collect();
    expected.extend(helds.map(|held| format!("planned/{held}")));
    assert_eq!(kinds, expected, "there is a sample of every kind");
}

/// The seal is a format too: what is sealed in the sample opens, with the key that it was sealed with.
#[test]
fn the_sealed_tokens_of_the_sample_open() {
    let account = AccountId::new("fedi").unwrap();
    let sealed = lines().iter().find_map(|line| match Record::decode(line.as_bytes()).unwrap().fact {
        Fact::TokensKept { sealed, .. } => sealed,
        _ => None,
    });
    let key = SealKey::new(&Secret::new("the key of the samples, which is no secret")).unwrap();
    let secrets = [("token", Secret::new("the first token"))];
    let origin = Origin::of("mastodon", "mastodon.example", secrets.iter().map(|(key, secret)| (*key, secret)));
    let sealed = sealed.expect("there is one");
    assert_eq!(sealed.origin, origin);
    assert_eq!(key.open(&account, &sealed).as_deref(), Some(&br#"{"refresh":"the second token"}"#[..]));
    assert!(key.seal([1; 24], &account, &origin, br#"{"refresh":"the second token"}"#) == Ok(sealed));
}

#[test]
fn a_later_version_is_refused_and_told_apart_from_garbage() {
    let known = &lines()[0];
    let newer = known.replace("\"v\":1", "\"v\":2");
    let unknown = r#"{"v":7,"at":"2027-01-15T08:00:00Z","fact":{"something-new":{}}}"#;
    let garbled = r#"{"v":1,"at":"2027-01-15T08:00:00Z","fact":{"something-new":{}}}"#;
    assert_eq!(Record::decode(newer.as_bytes()), Err(DecodeError::Newer(VERSION + 1)));
    assert_eq!(Record::decode(unknown.as_bytes()), Err(DecodeError::Newer(7)));
    assert!(matches!(Record::decode(garbled.as_bytes()), Err(DecodeError::Garbled(_))));
    assert!(matches!(Record::decode(b""), Err(DecodeError::Garbled(_))));
    assert!(DecodeError::Newer(7).to_string().contains("use that version"));
}

#[test]
fn fields_that_a_later_build_of_this_version_has_added_do_no_harm() {
    fn add(value: &mut Value) {
        if let Value::Object(fields) = value {
            // The outer map of a kind has the kind as its only key.
            let kinds = ["fact", "outcome", "decision"];
            for (name, inner) in fields.iter_mut() {
                if kinds.contains(&name.as_str()) {
                    inner.as_object_mut().into_iter().flat_map(|kind| kind.values_mut()).for_each(add);
                }
            }
            fields.insert("later".into(), serde_json::json!({"deep": [1, 2]}));
        }
    }
    for line in lines() {
        let plain = Record::decode(line.as_bytes()).unwrap();
        let mut value: Value = serde_json::from_str(&line).unwrap();
        add(&mut value);
        assert_eq!(Record::decode(value.to_string().as_bytes()).as_ref(), Ok(&plain), "{value}");
    }
}

#[test]
fn a_store_of_the_first_version_opens() {
    let dir = tempfile::tempdir().unwrap();
    copy_folder(&samples().join("v1-store"), dir.path());
    let expected: Vec<Record> =
        lines().iter().map(|line| Record::decode(line.as_bytes()).unwrap()).chain(story(60)).collect();
    let read_files = || {
        let mut records = Vec::new();
        store::replay_files(dir.path(), &mut |record| {
            records.push(record);
            true
        })
        .unwrap();
        records
    };
    assert_eq!(read_files(), expected);
    let (store, view, opened) = open(dir.path());
    assert_eq!(opened.store.to_string(), "76312d73746f7265206f662063616465");
    assert_eq!(opened.seed, 0x7631_2d73_746f_7265);
    assert_eq!((opened.torn, opened.records), (None, expected.len() as u64));
    assert!(view == fold(&expected));
    record(&store, &story(3), 1);
    assert_eq!(store.figures().records, expected.len() as u64 + 3);
    drop(store);
    assert_eq!(read_files(), [expected, story(3)].concat());
}

fn open(dir: &Path) -> (std::sync::Arc<store::Store>, View, store::Opened) {
    let options = Options {
        segment_bytes: 8 * 1024,
        machine_file: "/nonexistent".into(),
        fresh: Some(cadenced::edge::journal::StoreId(*b"v1-store of cade")),
        ..Options::default()
    };
    store::open(dir, &options, &mut |_| {}).unwrap()
}

/// Makes the sample store. For a new version of the format: give the folder a new name, and keep the old one.
#[test]
#[ignore = "writes into the source tree"]
fn make_the_sample_store() {
    let dir = samples().join("v1-store");
    let records: Vec<Record> = lines().iter().map(|line| Record::decode(line.as_bytes()).unwrap()).collect();
    let (store, ..) = open(&dir);
    record(&store, &records, 4);
    record(&store, &story(60), 9);
    drop(store);
    std::fs::remove_dir_all(dir.join("index")).unwrap();
    std::fs::remove_file(dir.join("lock")).unwrap();
    std::fs::remove_file(dir.join("journal/spare.seg")).unwrap();
}

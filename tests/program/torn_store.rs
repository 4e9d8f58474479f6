//! The store is damaged between two runs of the real program, in every way that a crash, a bad disk or a helping hand
//! could do it. Each time the daemon either goes on, with nothing published twice and everything accounted for, or it
//! refuses the store with exit code 77, says what can be done, and leaves the journal as it is.
//!
//! What the tests show, platform by platform, when the end of the journal is lost and the index, which would tell that
//! records are missing, is lost too or as old:
//!
//! | lost | Mastodon | GoToSocial, which ignores keys | Bluesky | site |
//! |---|---|---|---|---|
//! | the outcome | found among our posts | found among our posts | sent again under the same record key: one record | the same page |
//! | the intent too | sent again with the same key, which the server knows for an hour: one post | **twice** | **twice**, under another record key | the same page |
//!
//! The first row is what a crash can do. The second is not: an intent is durable before its request leaves, so only a
//! disk that lies about its syncs, or an old copy put back by hand, can take it away; and then nothing is left on this
//! machine that knows of the post. Where the index is still there, or any later record, the store is refused instead.
//!
//! `CADENCED_TORN_STEP=N` cuts the end of the journal at every Nth byte; 1 takes minutes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::support::house::House;
use crate::support::platform::{Platform, now};
use cadenced::edge::journal::frame;
use cadenced::edge::store;
use cadenced::ledger::{Fact, Record};

const STORE_REFUSED: i32 = 77;
/// Between two cuts of the journal's end, in bytes.
const STEP: u64 = 29;
/// Damaged stores that are tried at a time. Those in doubt wait ten seconds for their first look.
const AT_ONCE: usize = 16;

const FIRST: &str = "0000000001.seg";
const SECOND: &str = "0000000002.seg";

/// A folder's files by their path, without the zeros at their ends, and how long they are.
type Files = BTreeMap<String, (Vec<u8>, u64)>;

fn keep(folder: &Path) -> Files {
    fn walk(folder: &Path, name: &str, files: &mut Files) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{name}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), files);
            } else {
                let mut bytes = fs::read(entry.path()).unwrap();
                let length = bytes.len() as u64;
                bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                files.insert(path, (bytes, length));
            }
        }
    }
    let mut files = Files::new();
    walk(folder, "", &mut files);
    files
}

fn put_back(folder: &Path, files: &Files) {
    for (name, (bytes, length)) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(*length).unwrap();
    }
}

/// Two posts on three platforms, delivered.
struct Base {
    twins: [Platform; 2],
    config: String,
    queue: [String; 2],
    /// The store when the first post was out, and when both were.
    early: Files,
    late: Files,
    site: Files,
    /// How often it was copied.
    copies: AtomicI64,
}

const POSTS: [&str; 2] = ["one", "two"];
const ACCOUNTS: [&str; 3] = ["fedi", "bsky", "site"];

impl Base {
    /// `segment`: size of the journal's first segment, in bytes.
    fn new(fediverse: Platform, segment: Option<u64>) -> Self {
        let twins = [fediverse, Platform::bluesky()];
        // Everything has its fixed time.
        let seldom = |table: String| table.replace("* * * * * *", "0 0 0 1 1 *");
        let accounts = format!(
            "{}{}[accounts.site]\nplatform = \"site\"\npath = \"site\"\nbase_url = \"http://127.0.0.1:8000\"\n\
             title = \"Notes\"\nslots = [\"0 0 0 1 1 *\"]\n",
            seldom(twins[0].account("fedi")),
            seldom(twins[1].account("bsky"))
        );
        let house = House::with(&accounts, |text| text.replace("min_gap = \"1s\"", "min_gap = \"0s\""));
        let mut base = Self {
            twins,
            config: house.config(),
            queue: [String::new(), String::new()],
            early: Files::new(),
            late: Files::new(),
            site: Files::new(),
            copies: AtomicI64::new(0),
        };
        let house = base.enter(house);
        if let Some(segment_bytes) = segment {
            let options = store::Options { segment_bytes, ..store::Options::default() };
            drop(store::open(&house.path("store"), &options, &mut |_| {}).unwrap());
        }
        for (place, post) in POSTS.into_iter().enumerate() {
            base.queue[place] = format!(
                "[[post]]\nid = \"{post}\"\nto = {ACCOUNTS:?}\naudience = \"testers\"\ngoal = \"connection\"\n\
                 text = \"The {post}.\"\nat = {}\n",
                now()
            );
            house.queue(&format!("{post}.toml"), &base.queue[place]);
            let mut daemon = house.start(&["--until-idle"]);
            assert_eq!(daemon.end().code(), 0);
            assert_eq!(daemon.count("delivery.delivered"), 3, "{:?}", daemon.log);
            base.early = std::mem::replace(&mut base.late, keep(&house.path("store")));
        }
        base.site = keep(&house.path("site"));
        base
    }

    /// The secrets of this base for a house.
    fn enter(&self, mut house: House) -> House {
        house.configure(&self.config);
        for (name, value) in self.twins.iter().flat_map(Platform::secrets) {
            house.set(&name, &value);
        }
        house
    }

    /// A copy of everything, with `store` as its store.
    fn copy(&self, store: &Files) -> House {
        // The platform allows thirty logins in five minutes, of its own time.
        let copies = self.copies.fetch_add(1, Ordering::Relaxed);
        self.twins[1].clock(20 * copies, false);
        let house = self.enter(House::new(""));
        for (place, post) in POSTS.into_iter().enumerate() {
            house.queue(&format!("{post}.toml"), &self.queue[place]);
        }
        put_back(&house.path("site"), &self.site);
        put_back(&house.path("store"), store);
        house
    }

    /// How often each post is on each of the two platforms.
    fn times(&self) -> Vec<(usize, usize)> {
        POSTS
            .map(|post| format!("The {post}."))
            .map(|text| (self.twins[0].times(&text), self.twins[1].times(&text)))
            .into()
    }

    /// Ends of the frames in the first segment, each with its record.
    fn frames(&self) -> Vec<(u64, Record)> {
        let (bytes, _) = &self.late[&format!("journal/{FIRST}")];
        let mut at = 64;
        let mut frames = Vec::new();
        while at < bytes.len() {
            let frame = frame::read(&bytes[at..]).unwrap();
            let record = Record::decode(&bytes[at + frame::HEAD..][..frame.length]).unwrap();
            at += usize::try_from(frame.size()).unwrap();
            frames.push((at as u64, record));
        }
        frames
    }
}

/// What becomes of a damaged store.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is refused, and the reason says this.
    Refused(&'static str),
    /// The daemon goes on, and nothing is published again.
    GoesOn,
}
use Fate::{GoesOn, Refused};

type Damage = Box<dyn Fn(&Path) + Send + Sync>;

fn damage(work: impl Fn(&Path) + Send + Sync + 'static) -> Damage {
    Box::new(work)
}

/// Tries one damaged copy.
fn try_one(base: &Base, store: &Files, name: &str, damage: &Damage, fate: Fate) {
    let house = base.copy(store);
    damage(&house.path("store"));
    let before = fs::read_dir(house.path("store/journal")).is_ok().then(|| keep(&house.path("store/journal")));
    let mut daemon = house.start(&["--until-idle"]);
    let ended = daemon.end();
    let said = format!("{name}: {ended:?}\n{:#?}", daemon.log);
    match fate {
        Refused(why) => {
            assert_eq!(ended.code(), STORE_REFUSED, "{said}");
            assert!(ended.err.contains(why) && ended.err.contains("hint: "), "{said}");
            assert_eq!(daemon.count("delivery.sending"), 0, "{said}");
            if let Some(before) = before {
                assert!(keep(&house.path("store/journal")) == before, "{name}: evidence is left as it is");
            }
        }
        GoesOn => {
            assert_eq!(ended.code(), 0, "{said}");
            let status = house.status();
            let all = status["deliveries"].as_array().unwrap();
            assert!(all.len() == 6 && all.iter().all(|entry| entry["state"] == "delivered"), "{name}: {status:#}");
            // A store that was mended is a good one.
            let mut daemon = house.start(&["--until-idle"]);
            assert_eq!(daemon.end().code(), 0, "{name}");
            let trouble = ["store.torn_tail", "store.rebuilding", "store.failed", "delivery.sending"];
            assert_eq!(trouble.map(|event| daemon.count(event)), [0; 4], "{name}: {:#?}", daemon.log);
        }
    }
    assert_eq!(base.times(), [(1, 1), (1, 1)], "{said}");
    assert_eq!(house.shown(), POSTS, "{said}");
}

/// Tries all of them, many at a time, and tells of all that fail.
fn try_all(base: &Base, store: &Files, damages: Vec<(String, Damage, Fate)>) {
    let (waiting, failed) = (Mutex::new(damages), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((name, damage, fate)) = waiting.lock().unwrap().pop() else { return };
                    let one = std::panic::AssertUnwindSafe(|| try_one(base, store, &name, &damage, fate));
                    if std::panic::catch_unwind(one).is_err() {
                        failed.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn without_index(store: &Path) {
    fs::remove_dir_all(store.join("index")).unwrap();
}

/// Writes zeros from `from` on, as far as `until`.
fn zero(path: &Path, from: u64, until: u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&vec![0; usize::try_from(until - from).unwrap()], from).unwrap();
}

fn flip(path: &Path, at: u64, bit: u8) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << bit], at).unwrap();
}

#[test]
fn a_journal_that_is_cut_after_the_last_intent_is_found_out_about_or_refused() {
    let step = std::env::var("CADENCED_TORN_STEP").map_or(STEP, |text| text.parse().unwrap());
    // Reading back alone has to do it: this server takes no notice of keys.
    let base = Base::new(Platform::gotosocial(), None);
    let frames = base.frames();
    let end = frames.last().unwrap().0;
    let is_intent = |(_, record): &&(u64, Record)| matches!(record.fact, Fact::Intent(_));
    let begin = frames.iter().rev().find(is_intent).unwrap().0;
    let edges = frames.iter().map(|(end, _)| *end).flat_map(|edge| [edge - 1, edge, edge + 1]);
    let mut cuts: Vec<u64> = edges.chain((begin..end).step_by(usize::try_from(step).unwrap())).collect();
    cuts.retain(|cut| (begin..end).contains(cut));
    cuts.sort_unstable();
    cuts.dedup();
    assert!(cuts.len() > 10, "{cuts:?} of {frames:?}");
    let mut damages = Vec::new();
    for (place, cut) in cuts.into_iter().enumerate() {
        let journal = move |store: &Path| {
            let path = store.join("journal").join(FIRST);
            match place % 2 {
                0 => zero(&path, cut, end),
                _ => File::options().write(true).open(path).unwrap().set_len(cut).unwrap(),
            }
        };
        // What a crash leaves: the index is behind the journal, or not there at all.
        let lost = damage(move |store| {
            journal(store);
            without_index(store);
        });
        damages.push((format!("cut at {cut} of {end}, without the index"), lost, GoesOn));
        damages.push((format!("cut at {cut} of {end}"), damage(journal), Refused("has lost its end")));
    }
    try_all(&base, &base.late, damages);
}

#[test]
fn a_bent_bit_is_a_torn_tail_in_the_last_record_and_refused_everywhere_else() {
    let base = Base::new(Platform::gotosocial(), None);
    let frames = base.frames();
    let (last, end) = (frames[frames.len() - 2].0, frames[frames.len() - 1].0);
    let mut damages = Vec::new();
    let at = |at: u64, bit: u8| move |store: &Path| flip(&store.join("journal").join(FIRST), at, bit);
    for (place, byte) in (last..end).step_by(61).enumerate() {
        let bend = at(byte, (place % 8) as u8);
        damages.push((format!("bit of byte {byte} in the last record"), damage(bend), Refused("has lost its end")));
        let alone = damage(move |store| {
            bend(store);
            without_index(store);
        });
        damages.push((format!("bit of byte {byte} in the last record, without the index"), alone, GoesOn));
    }
    for (place, byte) in (64..frames[frames.len() - 4].0).step_by(487).enumerate() {
        for index in [true, false] {
            let bend = at(byte, (place % 8) as u8);
            let bent = damage(move |store| {
                bend(store);
                if !index {
                    without_index(store);
                }
            });
            damages.push((format!("bit of byte {byte}, index: {index}"), bent, Refused(FIRST)));
        }
    }
    for byte in (0..64).step_by(5) {
        damages.push((format!("bit of byte {byte} in the header"), damage(at(byte, 3)), Refused(FIRST)));
    }
    let block = damage(|store| zero(&store.join("journal").join(FIRST), 4096, 4096 + 512));
    damages.push(("a block of zeros".into(), block, Refused(FIRST)));
    let page = damage(|store| zero(&store.join("journal").join(FIRST), 0, 4096));
    damages.push(("zeros from the beginning".into(), page, Refused(FIRST)));
    try_all(&base, &base.late, damages);
}

#[test]
fn files_that_are_gone_or_were_put_there_are_made_again_or_refused() {
    let base = Base::new(Platform::mastodon(), Some(2048));
    let other = Base::new(Platform::mastodon(), None);
    let remove = |name: &'static str| damage(move |store| fs::remove_file(store.join(name)).unwrap());
    let write =
        |name: &'static str, text: &'static str| damage(move |store| fs::write(store.join(name), text).unwrap());
    let both = |first: Damage| {
        damage(move |store| {
            first(store);
            without_index(store);
        })
    };
    let theirs = other.late["identity"].0.clone();
    let their_segment = other.late[&format!("journal/{FIRST}")].0.clone();
    assert!(base.late.contains_key(&format!("journal/{SECOND}")) && base.late.contains_key("journal/spare.seg"));
    let damages: Vec<(&str, Damage, Fate)> = vec![
        ("no first segment", remove("journal/0000000001.seg"), Refused("the segment is missing")),
        ("no first segment and no index", both(remove("journal/0000000001.seg")), Refused("the segment is missing")),
        ("no last segment", remove("journal/0000000002.seg"), Refused("has lost its end")),
        ("an empty last segment", write("journal/0000000002.seg", ""), Refused(SECOND)),
        (
            "no journal",
            damage(|store| fs::remove_dir_all(store.join("journal")).unwrap()),
            Refused("the journal is missing"),
        ),
        (
            "no journal and no index",
            both(damage(|store| fs::remove_dir_all(store.join("journal")).unwrap())),
            Refused("the journal is missing"),
        ),
        (
            "a segment too many",
            damage(|store| {
                fs::copy(store.join("journal").join(SECOND), store.join("journal/0000000003.seg")).unwrap();
            }),
            Refused("0000000003.seg"),
        ),
        (
            "somebody else's segment",
            damage(move |store| fs::write(store.join("journal").join(SECOND), &their_segment).unwrap()),
            Refused("another store"),
        ),
        ("no spare", remove("journal/spare.seg"), GoesOn),
        ("a short spare", write("journal/spare.seg", ""), GoesOn),
        (
            "records in the spare",
            damage(|store| {
                fs::copy(store.join("journal").join(SECOND), store.join("journal/spare.seg")).unwrap();
            }),
            Refused("spare"),
        ),
        ("half a segment that was being made", write("journal/new.tmp", "cadenced"), GoesOn),
        ("no identity", remove("identity"), GoesOn),
        ("an empty identity", write("identity", ""), Refused("identity")),
        (
            "somebody else's identity",
            damage(move |store| fs::write(store.join("identity"), &theirs).unwrap()),
            Refused("another store"),
        ),
        ("half an identity that was being written", write("identity.tmp", "{"), GoesOn),
        ("no lock", remove("lock"), GoesOn),
        ("a lock of nobody", write("lock", "999999\n"), GoesOn),
        ("no kept queue files", damage(|store| fs::remove_dir_all(store.join("queue")).unwrap()), GoesOn),
    ];
    try_all(
        &base,
        &base.late,
        damages.into_iter().map(|(name, damage, fate)| (name.to_owned(), damage, fate)).collect(),
    );
}

#[test]
fn an_index_is_never_believed_where_the_journal_says_something_else() {
    let base = Base::new(Platform::gotosocial(), None);
    let write =
        |name: &'static str, text: &'static str| damage(move |store| fs::write(store.join(name), text).unwrap());
    let (db, _) = base.late["index/db"].clone();
    let mut damages: Vec<(String, Damage, Fate)> = vec![
        ("no index".into(), damage(without_index), GoesOn),
        (
            "an empty index".into(),
            damage(|store| {
                without_index(store);
                fs::create_dir(store.join("index")).unwrap();
            }),
            GoesOn,
        ),
        ("no db".into(), damage(|store| fs::remove_file(store.join("index/db")).unwrap()), GoesOn),
        ("an empty db".into(), write("index/db", ""), GoesOn),
        ("no conf".into(), damage(|store| fs::remove_file(store.join("index/conf")).unwrap()), GoesOn),
        ("an odd conf".into(), write("index/conf", "odd"), GoesOn),
        (
            "a file in its place".into(),
            damage(|store| {
                without_index(store);
                fs::write(store.join("index"), "odd").unwrap();
            }),
            GoesOn,
        ),
        ("an unfinished snapshot".into(), write("index/snap.00000000000009C4.generating", "odd"), GoesOn),
        ("an empty unfinished snapshot".into(), write("index/snap.0000000000000400.generating", ""), GoesOn),
        ("a finished snapshot that is none".into(), write("index/snap.00000000000009C4", "odd"), GoesOn),
        (
            "an old copy that was set aside".into(),
            damage(|store| {
                fs::create_dir(store.join("index.broken-1")).unwrap();
                fs::copy(store.join("index/db"), store.join("index.broken-1/db")).unwrap();
                fs::write(store.join("index/db"), "odd").unwrap();
            }),
            GoesOn,
        ),
    ];
    for part in 1..8 {
        let cut = (db.len() * part / 8) as u64;
        let shorter = damage(move |store| {
            File::options().write(true).open(store.join("index/db")).unwrap().set_len(cut).unwrap()
        });
        damages.push((format!("db cut at {cut}"), shorter, GoesOn));
        let bent = damage(move |store| flip(&store.join("index/db"), cut, 2));
        damages.push((format!("db bent at {cut}"), bent, GoesOn));
        let zeros = damage(move |store| zero(&store.join("index/db"), cut, cut + 64));
        damages.push((format!("db zeroed at {cut}"), zeros, GoesOn));
    }
    let index = |files: &Files| -> Files {
        let inside = files.iter().filter(|(name, _)| name.starts_with("index/"));
        inside.map(|(name, file)| (name.clone(), file.clone())).collect()
    };
    let early = index(&base.early);
    let older = damage(move |store| {
        without_index(store);
        put_back(store, &early);
    });
    damages.push(("an older copy of the index".into(), older, GoesOn));
    try_all(&base, &base.late, damages);

    // The other way round the index knows what the journal has lost.
    let late = index(&base.late);
    let newer = damage(move |store| {
        without_index(store);
        put_back(store, &late);
    });
    try_all(&base, &base.early, vec![("an older copy of the journal".into(), newer, Refused("has lost its end"))]);
}

/// What the platforms themselves keep from being there twice when nothing on this machine knows of a post any more: an
/// older copy of the whole store, and a journal without its last intents and without an index.
#[test]
fn a_store_that_has_forgotten_a_post_relies_on_the_platform_alone() {
    for (fediverse, fedi) in [(Platform::mastodon as fn() -> Platform, 1), (Platform::gotosocial, 2)] {
        for old_copy in [true, false] {
            let base = Base::new(fediverse(), None);
            let house = base.copy(if old_copy { &base.early } else { &base.late });
            if !old_copy {
                let frames = base.frames();
                let of_two = |record: &Record| matches!(&record.fact, Fact::Intent(intent) if intent.delivery.post.as_str() == "two");
                let first = frames.iter().position(|(_, record)| of_two(record)).unwrap();
                zero(&house.path("store/journal").join(FIRST), frames[first - 1].0, frames.last().unwrap().0);
                without_index(&house.path("store"));
            }
            let mut daemon = house.start(&["--until-idle"]);
            let ended = daemon.end();
            assert_eq!(ended.code(), 0, "{ended:?}");
            assert_eq!(base.times(), [(1, 1), (fedi, 2)], "{:#?}", daemon.log);
            assert_eq!(house.shown(), POSTS);
            assert_eq!(daemon.count("delivery.delivered"), 3);
        }
    }
}

//! Posts to publish on Bluesky and what must come of them, for the imitation and for real servers alike; and a
//! small driver that carries an adapter's steps out without anything durable.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaItem, PostId, Remote, ReplyTo, Timestamp,
};
use cadenced::platform::contract::{
    Adapter, Attempt, Call, Effect, Job, Media, Next, Purpose, Reading, Reply, Secrets, Session, Step, Table,
};
use serde_json::Value;

// ---- what is published ------------------------------------------------------------------------------------------

/// A post, and what each of its parts must be on the platform.
#[derive(Debug, Default, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub text: String,
    pub link: Option<&'static str>,
    pub lang: Option<&'static str>,
    pub tags: &'static [&'static str],
    pub warning: Option<&'static str>,
    pub thread: &'static [&'static str],
    /// Alternative texts; each image is a small PNG of its own.
    pub images: &'static [&'static str],
    /// Whether it answers a post of `fan.test`.
    pub answers_fan: bool,
    /// JSON that must be found in the record of each part: objects as a subset, all else as it is. `{fan}` is the
    /// DID of `fan.test`.
    pub records: &'static [&'static str],
    /// What must not be in the first part's record.
    pub absent: &'static [&'static str],
}

/// Everything the adapter can say, a piece at a time.
pub fn scenarios() -> Vec<Scenario> {
    let new = |name, text: &str| Scenario { name, text: text.into(), ..Scenario::default() };
    vec![
        Scenario {
            lang: Some("de"),
            records: &[r#"{"$type": "app.bsky.feed.post", "text": "Guten Morgen", "langs": ["de"]}"#],
            absent: &["facets", "embed", "reply", "labels", "tags"],
            ..new("plain text", "Guten Morgen")
        },
        Scenario {
            records: &[r##"{"facets": [
                {"index": {"byteStart": 5, "byteEnd": 14},
                 "features": [{"$type": "app.bsky.richtext.facet#mention", "did": "{fan}"}]},
                {"index": {"byteStart": 33, "byteEnd": 56},
                 "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/a?x"}]},
                {"index": {"byteStart": 61, "byteEnd": 72},
                 "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.com"}]},
                {"index": {"byteStart": 74, "byteEnd": 82},
                 "features": [{"$type": "app.bsky.richtext.facet#tag", "tag": "Bücher"}]}
            ]}"##],
            ..new("facets", "🦋 @fan.test and @nobody.test (https://example.org/a?x) or example.com, #Bücher!")
        },
        Scenario {
            link: Some("https://www.example.org/story/?utm_source=bluesky#top"),
            records: &[r#"{"text": "A story", "embed": {"$type": "app.bsky.embed.external", "external": {
                "uri": "https://www.example.org/story/?utm_source=bluesky#top", "title": "example.org/story",
                "description": ""}}}"#],
            absent: &["facets"],
            ..new("card", "A story")
        },
        Scenario {
            link: Some("https://bücher.example/ä b"),
            records: &[r#"{"embed": {"external": {"uri": "https://xn--bcher-kva.example/%C3%A4%20b"}}}"#],
            ..new("card of an address in another script", "Read")
        },
        Scenario {
            link: Some("https://example.org/desk"),
            images: &["A small desk with two screens", ""],
            records: &[r#"{"text": "My desk\nhttps://example.org/desk",
                "facets": [{"index": {"byteStart": 8, "byteEnd": 32},
                    "features": [{"$type": "app.bsky.richtext.facet#link", "uri": "https://example.org/desk"}]}],
                "embed": {"$type": "app.bsky.embed.images"}}"#],
            ..new("images", "My desk")
        },
        Scenario { images: &["Nothing said"], records: &[r#"{"text": ""}"#], ..new("image alone", "") },
        Scenario {
            thread: &["second, by @fan.test", "third #end"],
            records: &[
                r#"{"text": "first"}"#,
                r#"{"text": "second, by @fan.test", "facets": [{"features": [{"did": "{fan}"}]}]}"#,
                r#"{"text": "third #end", "facets": [{"features": [{"tag": "end"}]}]}"#,
            ],
            absent: &["reply"],
            ..new("thread", "first")
        },
        Scenario {
            warning: Some("graphic-media"),
            records: &[r#"{"text": "Careful", "labels": {"$type": "com.atproto.label.defs#selfLabels",
                "values": [{"val": "graphic-media"}]}}"#],
            ..new("label", "Careful")
        },
        Scenario {
            warning: Some("long"),
            records: &[r#"{"text": "[long]\nMind the steps"}"#],
            absent: &["labels"],
            ..new("warning in words", "Mind the steps")
        },
        Scenario {
            tags: &["buildinpublic", "Desk", "größe"],
            records: &[r##"{"text": "#desk", "tags": ["buildinpublic", "größe"]}"##],
            ..new("tags", "#desk")
        },
        Scenario { answers_fan: true, records: &[r#"{"text": "I do"}"#], ..new("answer", "I do") },
        Scenario {
            answers_fan: true,
            thread: &["and so do we"],
            records: &["{}", r#"{"text": "and so do we"}"#],
            ..new("answer in two parts", "I do")
        },
        Scenario { records: &["{}"], ..new("300 flags", &"🇩🇪".repeat(300)) },
        Scenario { records: &["{}"], ..new("3,000 bytes", &"👨‍👩‍👧‍👧".repeat(120)) },
        Scenario { records: &["{}"], ..new("300 conjuncts", &"\u{915}\u{94d}\u{937}".repeat(300)) },
        Scenario { records: &["{}"], ..new("300 with CR LF", &"a\r\n".repeat(150)) },
    ]
}

impl Scenario {
    /// The post. `fan_post` is the address of what it answers, where it does.
    pub fn content(&self, fan_post: &str) -> Content {
        let item = |(place, alt): (usize, &&str)| MediaItem {
            file: format!("image-{place}.png"),
            alt: (*alt).into(),
            sha256: Digest::of(&png(place)),
            facts: None,
        };
        Content {
            text: self.text.clone(),
            link: self.link.map(Into::into),
            lang: self.lang.map(Into::into),
            tags: self.tags.iter().map(|tag| (*tag).into()).collect(),
            media: self.images.iter().enumerate().map(item).collect(),
            thread: self.thread.iter().map(|part| (*part).into()).collect(),
            reply_to: self.answers_fan.then(|| ReplyTo::Theirs(fan_post.into())),
            warning: self.warning.map(Into::into),
            ..Content::default()
        }
    }

    pub fn media(&self, content: &Content) -> Vec<Media> {
        let media = |(place, item): (usize, &MediaItem)| Media {
            item: item.clone(),
            mime: "image/png".into(),
            size: Some((1, 1)),
            bytes: png(place).into(),
        };
        content.media.iter().enumerate().map(media).collect()
    }

    /// Compares the records of all parts, first to last, as (uri, cid, value), with what they must be.
    pub fn verify(&self, parts: &[(String, String, Value)], fan: &str, answered: Option<&Value>) {
        let name = self.name;
        assert_eq!(parts.len(), self.records.len(), "{name}: parts");
        for (place, ((_, _, record), expected)) in parts.iter().zip(self.records).enumerate() {
            let expected: Value = serde_json::from_str(&expected.replace("{fan}", fan)).expect("expectations are JSON");
            assert!(holds(record, &expected), "{name}, part {place}: {record:#} does not hold {expected:#}");
            let reference = |place: usize| serde_json::json!({"uri": parts[place].0, "cid": parts[place].1});
            let reply = match (place, answered) {
                (0, None) => Value::Null,
                (0, Some(answered)) => serde_json::json!({"root": answered, "parent": answered}),
                (_, None) => serde_json::json!({"root": reference(0), "parent": reference(place - 1)}),
                (_, Some(answered)) => serde_json::json!({"root": answered, "parent": reference(place - 1)}),
            };
            assert_eq!(record["reply"], reply, "{name}, part {place}: reply");
        }
        let first = &parts[0].2;
        for key in self.absent {
            assert_eq!(first.get(*key), None, "{name}: {key}");
        }
        let images = first["embed"]["images"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(images.iter().map(|image| image["alt"].as_str()).collect::<Vec<_>>(), {
            self.images.iter().map(|alt| Some(*alt)).collect::<Vec<_>>()
        });
        for (place, image) in images.iter().enumerate() {
            assert_eq!(image["image"]["size"], png(place).len(), "{name}: image {place}");
            assert_eq!(image["aspectRatio"], serde_json::json!({"width": 1, "height": 1}), "{name}: image {place}");
        }
    }
}

/// Whether `found` holds all of `expected`: objects as a subset, all else as it is.
fn holds(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| holds(found, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, value)| holds(found, value))
        }
        _ => found == expected,
    }
}

/// A PNG of one grey pixel, each `place` its own shade.
pub fn png(place: usize) -> Vec<u8> {
    let shade = u8::try_from(place).unwrap_or(u8::MAX);
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut body = kind.to_vec();
        body.extend(data);
        let mut whole = u32::try_from(data.len()).unwrap_or_default().to_be_bytes().to_vec();
        let sum = crc32fast::hash(&body);
        whole.extend(body);
        whole.extend(sum.to_be_bytes());
        whole
    };
    // One stored block of zlib: filter 0 and the shade; the Adler sum of [0, shade].
    let (low, high) = (1 + u16::from(shade), 2 + u16::from(shade));
    let mut data = vec![0x78, 0x01, 0x01, 2, 0, 0xfd, 0xff, 0, shade];
    data.extend(high.to_be_bytes());
    data.extend(low.to_be_bytes());
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]));
    png.extend(chunk(b"IDAT", &data));
    png.extend(chunk(b"IEND", &[]));
    png
}

// ---- how it is published ----------------------------------------------------------------------------------------

/// The adapter that an account table makes.
pub fn adapter(table: toml::Table) -> Arc<dyn Adapter> {
    let account = AccountId::new("bsky").expect("an id");
    let mut table = Table::new(account, table, PathBuf::from("/"));
    let adapter = (cadenced::platform::find("bluesky").expect("it is registered").build)(&mut table);
    adapter.unwrap_or_else(|| panic!("{:?}", table.into_complaints()))
}

/// A job for `content`, frozen at `now`.
pub fn job(adapter: &dyn Adapter, name: &str, content: Content, media: Vec<Media>, now: Timestamp, draw: u64) -> Job {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let post = PostId::new(&name.to_lowercase()).expect("a name makes an id");
    Job {
        delivery: DeliveryId::new(post, AccountId::new("bsky").expect("an id")),
        attempt: 1,
        key: "0".repeat(32),
        digest: Digest::of(name.as_bytes()),
        frozen: adapter.freeze(&content, now, draw),
        content,
        media,
        started: now,
        answers: None,
        taken: Arc::new(BTreeSet::new()),
    }
}

/// Where calls go.
pub trait Network {
    fn now(&self) -> Timestamp;
    fn call(&mut self, step: &Step) -> Reply;
}

/// What becomes of the reply to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    /// The call was carried out, the reply is lost, and the attempt goes on.
    Lost,
    /// The same, and the process ends: only checkpoints survive.
    Crash,
}

/// Drives one account's jobs step by step, as `deliver` does, but remembers nothing for long.
pub struct Driver<'a> {
    pub adapter: &'a dyn Adapter,
    pub secrets: Secrets,
    pub session: Session,
    pub done: Vec<Checkpoint>,
}

/// How it ended.
#[derive(Debug)]
pub enum End {
    Done(Remote),
    Reading(Reading),
    Other(Next),
}

impl<'a> Driver<'a> {
    pub fn new(adapter: &'a dyn Adapter, secrets: Secrets) -> Self {
        Self { adapter, secrets, session: Session::default(), done: Vec::new() }
    }

    /// Publishes `job`, or looks for its next part. `fate` is asked before each call, with the number of the call.
    pub fn run(
        &mut self,
        job: &Job,
        purpose: Purpose,
        network: &mut dyn Network,
        fate: &mut dyn FnMut(usize, &Step) -> Fate,
    ) -> End {
        let mut scratch = Value::Null;
        for number in 0..200 {
            let Self { adapter, secrets, session, done } = self;
            let attempt = |now, done| Attempt { job, purpose, done, scratch: &scratch, session, secrets, now };
            let step = match adapter.next(&attempt(network.now(), done)) {
                Next::Call(step) => step,
                Next::Done(remote) => return End::Done(remote),
                other => return End::Other(other),
            };
            let fate = fate(number, &step);
            let reply = network.call(&step);
            match fate {
                Fate::Arrives => {}
                Fate::Lost => continue,
                Fate::Crash => {
                    self.session = Session::default();
                    scratch = Value::Null;
                    continue;
                }
            }
            let Self { adapter, secrets, session, done } = self;
            let attempt = |now, done| Attempt { job, purpose, done, scratch: &scratch, session, secrets, now };
            match adapter.read(&attempt(network.now(), done), &step, &reply) {
                Reading::Learned(value) => scratch = value,
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) if step.effect != Effect::Harmless => {
                    self.done.push(Checkpoint { step: step.name, data });
                }
                Reading::Redo { .. } => self.done.retain(|checkpoint| checkpoint.step.starts_with("publish-")),
                other => return End::Reading(other),
            }
        }
        panic!("{}: no end after 200 steps", job.delivery)
    }

    /// Publishes `job` undisturbed.
    pub fn publish(&mut self, job: &Job, network: &mut dyn Network) -> Remote {
        self.done.clear();
        match self.run(job, Purpose::Publish, network, &mut |_, _| Fate::Arrives) {
            End::Done(remote) => remote,
            other => panic!("{}: {other:?}", job.delivery),
        }
    }

    /// Address and content id of the parts published last.
    pub fn parts(&self) -> Vec<(String, String)> {
        let published = self.done.iter().filter(|checkpoint| checkpoint.step.starts_with("publish-"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        published.map(|part| (text(&part.data["uri"]), text(&part.data["cid"]))).collect()
    }
}

/// The request of an HTTP step.
pub fn request(step: &Step) -> &cadenced::platform::contract::Request {
    match &step.call {
        Call::Http(request) => request,
        _ => panic!("{}: not a request by HTTP", step.name),
    }
}

// ---- where it is tried ------------------------------------------------------------------------------------------

/// The folder of public specifications beside the project (or where `CADENCED_SHARED` says), if it is there.
pub fn shared(part: &str) -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let path = std::env::var_os("CADENCED_SHARED").map_or_else(beside, PathBuf::from).join(part);
    path.is_dir().then_some(path)
}

/// Says past the test harness that something was not tried.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

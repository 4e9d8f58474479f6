use std::collections::{BTreeMap, BTreeSet};

use super::twin::{LinkedinTwin, author};
use super::*;
use crate::domain::{DeliveryId, Digest, MediaFacts, MediaItem, PostId, ReplyTo, time};
use crate::platform::contract::{Body, HeaderValue, Media, Method, Request, Secrets};

macro_rules! fixtures {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("fixtures/", $name, ".json")))),*] };
}

/// One reply for each class of them.
const FIXTURES: &[(&str, &str)] = fixtures![
    "created" "created-ugc" "created-no-id" "created-odd-id" "accepted" "duplicate" "duplicate-words" "duplicate-old"
    "duplicate-taken" "duplicate-person" "version-gone" "version-missing" "token-expired" "token-echoed" "denied"
    "denied-fields" "denied-html" "limited" "limited-told" "too-long" "blank" "upload-expired" "image-unknown"
    "image-waiting" "image-failed" "bad-request-html" "conflict" "conflict-html" "not-found" "not-found-html" "gone"
    "too-large" "wrong-type" "unprocessable-html" "request-timeout" "internal" "bad-gateway" "unavailable"
    "gateway-timeout" "redirect" "page" "empty" "refreshed" "refreshed-injection" "refresh-revoked" "client-wrong"
    "userinfo" "image-begun" "image-begun-elsewhere" "image-begun-odd" "slice" "uploaded" "image-available"
    "image-processing" "image-processing-failed" "posts-empty" "posts-other" "posts-ours" "posts-other-file"
    "posts-text"
];

const STEPS: [&str; 8] = ["refresh", "whose", "author", "begin-0", "upload-0", "media-0", "look-0", "publish-0"];

/// What each reply means for each step, to a page with an image.
const TABLE: &str = include_str!("fixtures/readings.txt");

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const IMAGE: &str = "urn:li:image:C4D22";
/// Made five seconds after [`NOW`], and known to another delivery.
const OURS: &str = "urn:li:share:7507804180971520001";
const TAKEN: &str = "urn:li:share:7507804189360128009";

#[test]
fn every_reply_means_something_for_every_step() {
    let world = World::with_image();
    let mut lines = vec![format!("{:<26}{}", "", STEPS.map(|step| format!("{step:<12}")).concat())];
    for (name, _) in FIXTURES {
        let words = STEPS.map(|step| format!("{:<12}", word(&world.read(step, &fixture(name)))));
        lines.push(format!("{name:<26}{}", words.concat()));
    }
    let table: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    assert_eq!(TABLE, table.join("\n") + "\n");
}

#[test]
fn every_fixture_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/linkedin/fixtures");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    assert_eq!(files, FIXTURES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn an_empty_page_is_the_end_of_the_list_only_where_it_is_told_to_be() {
    let mut world = World { purpose: Purpose::LookBack, ..World::page(text("Hello")) };
    world.session.identity = Some(author(0));
    let look = |paging: Value| {
        let page = json!({"paging": paging, "elements": []});
        word(&world.read("look-0", &HttpReply::json(200, &page)))
    };
    assert_eq!(look(json!({"start": 0, "count": 20, "links": []})), "absent");
    assert_eq!(look(json!({"start": 0, "count": 20, "total": 0})), "absent");
    let next = json!([{"rel": "next", "href": "/rest/posts?start=20", "type": "application/json"}]);
    assert_eq!(look(json!({"start": 0, "count": 20, "links": next})), "learned");
    assert_eq!(look(json!({"start": 0, "count": 20, "links": [], "total": 21})), "learned");
    assert_eq!(look(Value::Null), "learned", "nothing is told");
}

#[test]
fn no_reply_tells_a_secret() {
    let world = World::with_image();
    for step in STEPS {
        let said = format!("{:?}", world.read(step, &fixture("token-echoed")));
        assert!(!said.contains("twin-token-0"), "{said}");
    }
    let Next::Call(step) = World::page(text("Hello")).next() else { panic!() };
    assert!(!format!("{step:?}").contains("twin-token-0"));
}

#[test]
fn a_text_goes_out_as_little_text_and_comes_back_as_a_urn() {
    let mut world = World::page(text("3 * 4 (see page 7) #rust"));
    let mut twin = LinkedinTwin::new();
    let steps = world.attempt(&mut twin);
    assert_eq!(steps, ["author", "publish-0"]);
    let posted = twin.published();
    assert_eq!(posted[0].text, "3 * 4 (see page 7) #rust");
    let Next::Done(remote) = world.next() else { panic!() };
    assert_eq!(remote.id, posted[0].id);
    assert_eq!(remote.url, Some(format!("https://www.linkedin.com/feed/update/{}/", remote.id)));
    // Another delivery of the same life asks nothing more.
    world.done.clear();
    world.job.content = text("Another");
    assert_eq!(world.attempt(&mut twin), ["publish-0"]);
}

#[test]
fn what_is_not_escaped_would_be_cut_off() {
    let mut twin = LinkedinTwin::new();
    let mut world = World::page(text("a (b)"));
    world.attempt_changed(&mut twin, |request| {
        let body = String::from_utf8(request.body.concat()).unwrap();
        request.body = Body::bytes("application/json", body.replace("\\\\(", "(").into_bytes().into());
    });
    assert_eq!(twin.published()[0].text, "a ");
}

#[test]
fn media_are_sent_waited_for_and_described() {
    let image = |name: &str| media(name, "image/png", 40, "What it shows");
    let (mut twin, mut world) = (LinkedinTwin::new(), World::page(text("Look")).with(vec![image("a.png")]));
    assert_eq!(
        world.attempt(&mut twin),
        ["author", "begin-0", "upload-0", "media-0", "media-0", "media-0", "publish-0"]
    );
    let content = twin.content(&twin.published()[0].id).unwrap();
    assert_eq!(content["media"]["altText"], "What it shows");

    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::page(text("Look")).with(vec![image("a.png"), image("b.png")]));
    let link = Some("https://example.org/a_b".into());
    world.job.content.link = link;
    world.attempt(&mut twin);
    let posted = &twin.published()[0];
    let content = twin.content(&posted.id).unwrap();
    assert_eq!(content["multiImage"]["images"].as_array().unwrap().len(), 2);
    assert_eq!(posted.text, "Look\nhttps://example.org/a_b", "beside media a link stands in the text");

    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::page(text("Read")).with(vec![media("a.pdf", "application/pdf", 9, "The report")]));
    world.attempt(&mut twin);
    assert_eq!(twin.content(&twin.published()[0].id).unwrap()["media"]["title"], "The report");
}

#[test]
fn a_video_goes_in_slices_without_a_token() {
    let length = 4 * 1024 * 1024 + 1;
    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::page(text("Watch")).with(vec![media("a.mp4", "video/mp4", length, "A desk")]));
    let steps = world.attempt(&mut twin);
    let steps: Vec<_> = steps.iter().map(String::as_str).filter(|step| *step != "media-0").collect();
    assert_eq!(steps, ["author", "begin-0", "part-0-0", "part-0-1", "upload-0", "publish-0"]);
    let content = twin.content(&twin.published()[0].id).unwrap();
    let urn = content["media"]["id"].as_str().unwrap();
    assert_eq!(twin.slices(urn), 2);
    assert_eq!(content["media"].get("altText"), None);
}

#[test]
fn slices_that_do_not_make_up_the_video_are_not_sent() {
    let world = World::page(text("Watch")).with(vec![media("a.mp4", "video/mp4", 10, "")]);
    let begun = |slices: Value| {
        let value = json!({"value": {"video": "urn:li:video:V", "uploadToken": "", "uploadInstructions": slices}});
        word(&world.read("begin-0", &HttpReply::json(200, &value)))
    };
    let slice =
        |first: i64, last: i64| json!({"firstByte": first, "lastByte": last, "uploadUrl": "http://127.0.0.1:1/v"});
    assert_eq!(begun(json!([slice(0, 4), slice(5, 9)])), "learned");
    for wrong in [
        json!([]),
        json!([slice(0, 8)]),
        json!([slice(0, 10)]),
        json!([slice(0, 4), slice(6, 9)]),
        json!([slice(5, 9), slice(0, 4)]),
        json!([slice(-1, 9)]),
        json!([slice(0, 9), slice(10, 9)]),
        json!([{"firstByte": 0, "lastByte": 9, "uploadUrl": "https://elsewhere.example/"}]),
    ] {
        assert_eq!(begun(wrong.clone()), "retry", "{wrong}");
    }
}

#[test]
fn a_link_alone_becomes_a_card() {
    let (mut twin, mut world) = (LinkedinTwin::new(), World::page(text("Read this")));
    world.job.content.link = Some("https://www.example.org/story?a=1".into());
    world.attempt(&mut twin);
    let posted = &twin.published()[0];
    let card = json!({"article": {"source": "https://www.example.org/story?a=1", "title": "example.org/story"}});
    assert_eq!((posted.text.as_str(), twin.content(&posted.id)), ("Read this", Some(&card)));
}

#[test]
fn uploads_that_are_gone_are_made_again() {
    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::page(text("Look")).with(vec![media("a.png", "image/png", 40, "")]));
    let mut calls = 0;
    let steps = world.attempt_in(&mut twin, &mut |step, twin| {
        calls += usize::from(step.name == "publish-0");
        if step.name == "publish-0" && calls == 1 {
            twin.forget_files();
        }
    });
    assert_eq!(steps.iter().filter(|step| *step == "begin-0").count(), 2, "{steps:?}");
    assert_eq!(twin.published().len(), 1);
}

#[test]
fn a_file_that_linkedin_waits_for_is_waited_for_and_then_sent_again() {
    let mut world = World::with_image();
    let waiting = HttpReply::json(200, &json!({"status": "WAITING_UPLOAD"}));
    for (elapsed, media, publish) in [(0, "wait 2", "wait 10"), (600, "wait 30", "wait 10"), (601, "redo", "redo")] {
        world.now = time::after(NOW, Duration::from_secs(elapsed));
        assert_eq!(word(&world.read("media-0", &waiting)), media, "{elapsed}");
        assert_eq!(word(&world.read("publish-0", &fixture("image-waiting"))), publish, "{elapsed}");
    }
}

#[test]
fn a_file_that_cannot_be_processed_stops_the_post() {
    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::page(text("Look")).with(vec![media("a.png", "image/png", 40, "")]));
    let mut reading = None;
    world.attempt_reading(
        &mut twin,
        &mut |step, twin| {
            if step.name == "media-0" {
                twin.fail_files()
            }
        },
        &mut reading,
    );
    assert_eq!(word(&reading.unwrap()), "refused");
    assert_eq!(twin.published(), []);
}

#[test]
fn a_member_posts_without_reading() {
    let (mut twin, mut world) =
        (LinkedinTwin::new(), World::member(text("Look")).with(vec![media("a.png", "image/png", 40, "")]));
    let began = world.now;
    let steps = world.attempt(&mut twin);
    assert_eq!(steps, ["whose", "author", "begin-0", "upload-0", "media-0", "media-0", "publish-0"]);
    assert!(time::since(world.now, began) >= Kind::Image.grace(), "a file that nobody may ask about is left alone");
    assert_eq!(world.session.identity.as_deref(), Some("urn:li:person:Twin-1"));
    assert_eq!(world.account.evidence(), Evidence::None);
    world.done.clear();
    world.purpose = Purpose::LookBack;
    assert!(matches!(world.next(), Next::CannotTell(_)));
}

#[test]
fn a_member_need_not_say_who_they_are_but_must_not_be_another() {
    let mut twin = LinkedinTwin::new();
    let mut table = twin.table(1, "http://127.0.0.1:1", "");
    table.remove("author");
    let mut world = World { account: built(table.clone()), ..World::member(text("Hello")) };
    world.attempt(&mut twin);
    assert_eq!(twin.published()[0].account, 1);

    table.insert("author".into(), "urn:li:person:Other".into());
    let world = World { account: built(table), ..World::member(text("Hello")) };
    let Reading::Auth { why } = world.read("whose", &fixture("userinfo")) else { panic!() };
    assert!(why.contains("urn:li:person:782bbtaQ") && why.contains("urn:li:person:Other"), "{why}");
    assert_eq!(word(&World::member(text("a")).read("whose", &fixture("denied"))), "auth");
}

/// What a person who says "send it again" relies on.
#[test]
fn a_duplicate_that_is_ours_is_the_publication() {
    let (mut twin, mut world) = (LinkedinTwin::new(), World::member(text("Hello")));
    twin.time_out(1);
    let mut reading = None;
    world.attempt_reading(&mut twin, &mut |_, _| {}, &mut reading);
    assert_eq!(word(&reading.unwrap()), "unclear");
    world.now = time::after(world.now, Duration::from_secs(3_600));
    world.attempt(&mut twin);
    let Next::Done(remote) = world.next() else { panic!() };
    let posted = twin.published();
    assert_eq!((posted.len(), &posted[0].id), (1, &remote.id));
}

/// The name may be that of a post which nobody can see: a page is looked through.
#[test]
fn a_duplicate_on_a_page_is_looked_for() {
    let (mut twin, mut world) = (LinkedinTwin::new(), World::page(text("Hello")));
    twin.time_out(1);
    let mut reading = None;
    world.attempt_reading(&mut twin, &mut |_, _| {}, &mut reading);
    assert_eq!(word(&reading.take().unwrap()), "unclear");
    world.now = time::after(world.now, Duration::from_secs(3_600));
    world.attempt_reading(&mut twin, &mut |_, _| {}, &mut reading);
    assert_eq!(word(&reading.unwrap()), "already");
    assert_eq!(twin.published().len(), 1);
}

#[test]
fn a_duplicate_of_what_was_said_before_is_refused_by_its_name() {
    let (mut twin, mut world) = (LinkedinTwin::new(), World::page(text("Hello")));
    let earlier = twin.post_by_hand(0, "Hello", time::before(NOW, Duration::from_secs(3_600)));
    let mut reading = None;
    world.attempt_reading(&mut twin, &mut |_, _| {}, &mut reading);
    let Some(Reading::Refused { why }) = reading else { panic!("{reading:?}") };
    assert!(why.contains(&earlier), "{why}");

    // By LinkedIn's clock, where ours is an hour ahead.
    let mut reply = fixture("duplicate");
    reply.headers.push(("date".into(), "Mon, 21 Sep 2026 13:13:25 GMT".into()));
    let body = String::from_utf8(reply.body).unwrap().replace(OURS, "urn:li:share:7507789081472204801");
    reply.body = body.into_bytes();
    assert_eq!(word(&world.read("publish-0", &reply)), "already");
    reply.headers.retain(|(name, _)| name != "date");
    assert_eq!(word(&world.read("publish-0", &reply)), "refused");
    // A clock that was set back says nothing about what was before.
    world.job.started = time::after(NOW, Duration::from_secs(86_400));
    assert_eq!(word(&world.read("publish-0", &fixture("duplicate"))), "refused");
}

#[test]
fn a_version_that_is_gone_stops_the_account_before_anything_is_sent() {
    for mut world in [World::member(text("Hello")), World::page(text("Hello"))] {
        let mut twin = LinkedinTwin::new();
        twin.sunset("202610");
        let mut reading = None;
        world.attempt_reading(&mut twin, &mut |_, _| {}, &mut reading);
        let Some(Reading::Auth { why }) = reading else { panic!("{reading:?}") };
        assert!(why.contains("`version`") && why.contains(VERSION), "{why}");
    }
}

#[test]
fn a_partners_token_is_refreshed_when_it_is_refused_and_then_only() {
    let (mut twin, mut world) = (LinkedinTwin::new(), World::page(text("Hello")));
    twin.expire_tokens();
    assert_eq!(world.attempt(&mut twin), ["author", "refresh", "author", "publish-0"]);
    assert!(!format!("{:?}", world.session).contains("twin-token"));
    // A token that was refused just after it was given out is no case for another one.
    assert_eq!(word(&world.read("publish-0", &fixture("token-expired"))), "auth");
    world.now = time::after(world.now, Duration::from_secs(60));
    assert_eq!(word(&world.read("publish-0", &fixture("token-expired"))), "session");
    // A new token in the configuration comes first.
    world.secrets.0.insert("token".into(), Secret::new("twin-token-0-7"));
    world.done.clear();
    let Next::Call(step) = world.next() else { panic!() };
    let Call::Http(request) = &step.call else { panic!() };
    assert_eq!(bearer(request).as_deref(), Some("Bearer twin-token-0-7"));

    // Whoever has nothing to refresh with is told.
    assert_eq!(word(&World::member(text("a")).read("publish-0", &fixture("token-expired"))), "auth");
}

#[test]
fn looking_back_tells_ours_from_others() {
    let at = |by: i64| 1_790_000_000_000_i64 + by * 1_000;
    let post = |text: &str, by: i64| {
        json!({
            "id": OURS, "author": author(0), "commentary": text, "createdAt": at(by), "lifecycleState": "PUBLISHED"
        })
    };
    let with = |mut post: Value, pointer: &str, value: Value| {
        post[pointer] = value;
        post
    };
    let look = |items: Vec<Value>| {
        let mut world = World { purpose: Purpose::LookBack, ..World::page(text("Hello #rust (all)")) };
        world.session.identity = Some(author(0));
        let mut page = HttpReply::json(200, &json!({"paging": {"links": []}, "elements": items}));
        for number in 0..2 {
            match world.read(&format!("look-{number}"), &page) {
                Reading::Learned(scratch) => world.scratch = scratch,
                reading => return word(&reading),
            }
            if matches!(world.knowing().next(), Next::CannotTell(_)) {
                return "cannot tell".into();
            }
            assert_eq!(world.next_name(), format!("look-{}", number + 1));
            page = HttpReply::json(200, &json!({"paging": {"links": []}, "elements": []}));
        }
        panic!("the list has an end");
    };
    let ours = r"Hello {hashtag|\#|rust} \(all\)";
    assert_eq!(look(vec![]), "absent");
    assert_eq!(look(vec![post(ours, 5)]), "found");
    assert_eq!(look(vec![post(ours, -100)]), "found", "clocks differ");
    assert_eq!(look(vec![post("Hello", 5)]), "absent");
    assert_eq!(look(vec![post(ours, -200), post("x", 1)]), "cannot tell", "said before");
    assert_eq!(look(vec![with(post(ours, 5), "id", json!(TAKEN))]), "absent");
    assert_eq!(look(vec![with(post(ours, 5), "author", json!("urn:li:organization:7"))]), "absent");
    assert_eq!(look(vec![with(post(ours, 5), "lifecycleState", json!("PUBLISH_FAILED"))]), "cannot tell");
    assert_eq!(look(vec![with(post(ours, 5), "reshareContext", json!({"parent": OURS}))]), "absent");
    let edited = with(post("Hello", 5), "lifecycleStateInfo", json!({"isEditedByAuthor": true}));
    assert_eq!(look(vec![edited]), "cannot tell");
    let two = with(post(ours, 6), "id", json!("urn:li:share:7507804185165824002"));
    assert_eq!(look(vec![post(ours, 5), two]), "cannot tell");
    // A post that does not say when it was made is dated by its number.
    assert_eq!(look(vec![with(post(ours, 5), "createdAt", Value::Null)]), "found");
}

#[test]
fn a_list_that_does_not_end_is_not_read_for_ever() {
    let mut world = World { purpose: Purpose::LookBack, ..World::page(text("Hello")) };
    world.session.identity = Some(author(0));
    let item = json!({"id": OURS, "author": author(0), "commentary": "Other", "createdAt": 1_790_000_005_000_i64});
    let page = HttpReply::json(200, &json!({ "elements": [item] }));
    for number in 0..10 {
        assert_eq!(world.knowing().next_name(), format!("look-{number}"));
        let Reading::Learned(scratch) = world.read(&format!("look-{number}"), &page) else { panic!() };
        world.scratch = scratch;
    }
    assert!(matches!(world.knowing().next(), Next::CannotTell(_)));
}

#[test]
fn what_linkedin_would_refuse_is_said_beforehand() {
    let keys =
        |content: Content| -> Vec<String> { check(&content).into_iter().map(|complaint| complaint.key).collect() };
    assert!(keys(text(&"ü".repeat(3_000))).is_empty());
    assert_eq!(keys(text(&"ü".repeat(3_001))), ["text"]);
    assert_eq!(keys(text(" ")), ["text"]);
    assert!(keys(Content { link: Some("https://example.org".into()), ..text("") }).is_empty());
    assert_eq!(keys(Content { link: Some("ftp://example.org".into()), ..text("a") }), ["link"]);
    assert_eq!(keys(Content { visibility: Visibility::Followers, ..text("a") }), ["visibility"]);
    assert_eq!(keys(Content { thread: vec!["b".into()], ..text("a") }), ["thread"]);
    assert_eq!(keys(Content { warning: Some("b".into()), ..text("a") }), ["warning"]);
    let answer = Some(ReplyTo::Theirs("https://www.linkedin.com/feed/update/urn:li:share:1/".into()));
    assert_eq!(keys(Content { reply_to: answer, ..text("a") }), ["reply_to"]);

    let fits = |mime: &'static str, size: (u32, u32), seconds: u64, alt: &str| {
        let duration = (seconds > 0).then(|| Duration::from_secs(seconds));
        let facts = Some(Arc::new(MediaFacts { mime, bytes: 9, size: Some(size), duration }));
        let item = MediaItem { file: "a".into(), alt: alt.into(), sha256: Digest::of(b""), facts };
        keys(Content { media: vec![item], ..text("a") }).is_empty()
    };
    assert!(fits("image/png", (6_000, 6_000), 0, "") && !fits("image/png", (6_013, 6_013), 0, ""));
    assert!(fits("image/gif", (1, 1), 0, &"a".repeat(4_086)) && !fits("image/gif", (1, 1), 0, &"a".repeat(4_087)));
    assert!(!fits("image/webp", (1, 1), 0, "") && !fits("audio/mpeg", (1, 1), 9, ""));
    assert!(fits("video/mp4", (1, 1), 3, "") && !fits("video/mp4", (1, 1), 2, "") && fits("video/mp4", (1, 1), 0, ""));
    assert!(fits("video/mp4", (1, 1), 1_800, "") && !fits("video/mp4", (1, 1), 1_801, ""));
    assert!(!fits("video/webm", (1, 1), 9, ""));
    assert!(fits("application/pdf", (0, 0), 0, "A report") && !fits("application/pdf", (0, 0), 0, " "));
    assert!(!fits("application/octet-stream", (0, 0), 0, "A report"));

    // And again of what is at hand.
    let refused = |mime: &str| {
        matches!(World::page(text("a")).with(vec![media("a", mime, 9, "b")]).knowing().next(), Next::Refuse(_))
    };
    assert!(refused("image/webp") && refused("video/quicktime") && !refused("image/png"));
    let mixed = vec![media("a", "image/png", 9, ""), media("b", "video/mp4", 9, "")];
    assert!(matches!(World::page(text("a")).with(mixed).knowing().next(), Next::Refuse(_)));
}

#[test]
fn the_account_table_is_read_with_everything_wrong_in_it() {
    let read = |text: &str| {
        let mut table = Table::new("li".parse().unwrap(), text.parse().unwrap(), "/etc".into());
        let place = build(&mut table).map(|adapter| adapter.place());
        (place, table.into_complaints().into_iter().map(|complaint| complaint.key).collect::<Vec<_>>())
    };
    let place = |text: &str| Some(format!("api.linkedin.com, {text}"));
    assert_eq!(read("token = { credential = 'li' }"), (place("member with the token from credential li"), vec![]));
    let page = "author = 'urn:li:organization:1'\ntoken = { env = 'LI' }\nversion = '202612'";
    assert_eq!(read(page), (place("urn:li:organization:1"), vec![]));
    let bad =
        "author = 'urn:li:share:1'\ntoken = 'abc'\nversion = '202613'\nclient_id = 'x'\nbase_url = 'http://x.example'";
    assert_eq!(read(bad), (None, ["author", "token", "client_secret", "version", "base_url"].map(Into::into).into()));
    assert_eq!(read("").1, ["token"]);
    for version in ["2026-09", "20260", "202600", "latest", "202113", "２０２６０９"] {
        assert_eq!(read(&format!("token = {{ env = 'LI' }}\nversion = '{version}'")).1, ["version"], "{version}");
    }
}

const STATUSES: &[u16] =
    &[200, 201, 202, 204, 302, 400, 401, 403, 404, 408, 409, 422, 426, 429, 500, 502, 503, 504, 599];

proptest::proptest! {
    #[test]
    fn no_reply_makes_it_panic_or_believe(which in 0..FIXTURES.len(), status in proptest::sample::select(STATUSES), at in 0usize..900, byte: u8, cut: bool) {
        let world = World::with_image();
        let mut reply = fixture(FIXTURES[which].0);
        (reply.status, reply.cut) = (status, cut);
        if !reply.body.is_empty() {
            let at = at % reply.body.len();
            reply.body[at] = byte;
        }
        for step in STEPS {
            world.read(step, &reply);
        }
        let reading = world.read("publish-0", &reply);
        let named = status == 201 || status == 422 || status == 400;
        proptest::prop_assert!(named || !matches!(reading, Reading::Checkpoint(_)), "{reading:?}");
        proptest::prop_assert!(!(500..600).contains(&status) || matches!(reading, Reading::Unclear { .. }), "{reading:?}");
    }
}

fn text(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(file: &str, mime: &str, bytes: usize, alt: &str) -> Media {
    let item = MediaItem { file: file.into(), alt: alt.into(), sha256: Digest::of(file.as_bytes()), facts: None };
    Media { item, mime: mime.into(), size: Some((4, 3)), bytes: vec![7; bytes].into() }
}

fn bearer(request: &Request) -> Option<String> {
    request.headers.iter().find(|(name, _)| *name == "authorization").map(|(_, value)| HeaderValue::expose(value))
}

fn built(values: toml::Table) -> Arc<dyn Adapter> {
    build(&mut Table::new("li".parse().unwrap(), values, "/".into())).expect("a good table")
}

fn fixture(name: &str) -> HttpReply {
    let (_, text) = FIXTURES.iter().find(|(held, _)| *held == name).unwrap_or_else(|| panic!("no fixture {name}"));
    let value: Value = serde_json::from_str(text).unwrap();
    let headers: BTreeMap<String, String> = serde_json::from_value(value["headers"].clone()).unwrap();
    let body = match &value["body"] {
        Value::Null => Vec::new(),
        Value::String(page) => page.clone().into_bytes(),
        body => body.to_string().into_bytes(),
    };
    HttpReply {
        status: u16::try_from(value["status"].as_u64().unwrap()).unwrap(),
        headers: headers.into_iter().collect(),
        body,
        cut: false,
    }
}

fn word(reading: &Reading) -> String {
    match reading {
        Reading::Learned(_) => "learned".into(),
        Reading::Checkpoint(_) => "done".into(),
        Reading::Session(_) => "session".into(),
        Reading::Found(_) => "found".into(),
        Reading::Absent => "absent".into(),
        Reading::Wait(span) => format!("wait {}", span.as_secs()),
        Reading::Retry { .. } => "retry".into(),
        Reading::RateLimited { until, .. } => format!("off {}", time::since(*until, NOW).as_secs()),
        Reading::Auth { .. } => "auth".into(),
        Reading::Refused { .. } => "refused".into(),
        Reading::Unclear { .. } => "unclear".into(),
        Reading::AlreadyThere { .. } => "already".into(),
        Reading::Redo { .. } => "redo".into(),
    }
}

/// A situation, and the means to go on from it.
struct World {
    account: Arc<dyn Adapter>,
    job: Job,
    done: Vec<Checkpoint>,
    scratch: Value,
    session: Session,
    secrets: Secrets,
    purpose: Purpose,
    now: Timestamp,
}

impl World {
    fn new(number: u32, content: Content) -> Self {
        let twin = LinkedinTwin::new();
        let account = built(twin.table(number, "http://127.0.0.1:1", ""));
        let job = Job {
            delivery: DeliveryId::new(PostId::new("post").unwrap(), "li".parse().unwrap()),
            attempt: 1,
            key: "0".repeat(32),
            digest: Digest::of(b"post"),
            frozen: account.freeze(&content, NOW, 7),
            content,
            media: Vec::new(),
            started: NOW,
            answers: None,
            taken: Arc::new([TAKEN.to_owned()].into()),
        };
        Self {
            account,
            job,
            done: Vec::new(),
            scratch: Value::Null,
            session: Session::default(),
            secrets: twin.secrets(number),
            purpose: Purpose::Publish,
            now: NOW,
        }
    }

    fn page(content: Content) -> Self {
        Self::new(0, content)
    }

    fn member(content: Content) -> Self {
        Self::new(1, content)
    }

    fn with(mut self, media: Vec<Media>) -> Self {
        self.job.content.media = media.iter().map(|media| media.item.clone()).collect();
        self.job.media = media;
        self
    }

    /// A page whose post has an image that is sent.
    fn with_image() -> Self {
        let mut world = Self::page(text("Hello #rust (all)")).with(vec![media("a.png", "image/png", 40, "A desk")]);
        world.session.identity = Some(author(0));
        let Reading::Learned(scratch) = world.read("begin-0", &fixture("image-begun")) else { panic!() };
        world.scratch = scratch;
        let data = json!({"media": 0, "urn": IMAGE, "at": NOW});
        world.done.push(Checkpoint { step: "upload-0".into(), data });
        world
    }

    /// The same, once the account is known.
    fn knowing(&mut self) -> &mut Self {
        let reading = self.read("author", &fixture("posts-empty"));
        let Reading::Session(session) = reading else { panic!("{reading:?}") };
        self.session = session;
        self
    }

    fn view(&self) -> Attempt<'_> {
        Attempt {
            job: &self.job,
            purpose: self.purpose,
            done: &self.done,
            scratch: &self.scratch,
            session: &self.session,
            secrets: &self.secrets,
            now: self.now,
        }
    }

    fn next(&self) -> Next {
        self.account.next(&self.view())
    }

    fn next_name(&self) -> String {
        match self.next() {
            Next::Call(step) => step.name,
            other => panic!("{other:?}"),
        }
    }

    /// What a reply to the step of that name means.
    fn read(&self, name: &str, reply: &HttpReply) -> Reading {
        let effect = match name.split('-').next() {
            Some("publish") => Effect::Publishes,
            Some("upload") => Effect::Leaves,
            _ => Effect::Harmless,
        };
        let url = "http://127.0.0.1:1/".parse().unwrap();
        let call = Call::Http(Request {
            method: Method::Get,
            url,
            headers: Vec::new(),
            body: Body::default(),
            secret_path: None,
        });
        self.account.read(&self.view(), &Step { name: name.into(), effect, call }, &Reply::Http(reply.clone()))
    }

    /// One attempt that must succeed; the names of its steps.
    fn attempt(&mut self, twin: &mut LinkedinTwin) -> Vec<String> {
        self.attempt_in(twin, &mut |_, _| {})
    }

    fn attempt_in(
        &mut self,
        twin: &mut LinkedinTwin,
        before: &mut dyn FnMut(&mut Step, &mut LinkedinTwin),
    ) -> Vec<String> {
        let mut reading = None;
        let steps = self.attempt_reading(twin, before, &mut reading);
        assert!(reading.is_none(), "{reading:?}");
        steps
    }

    /// The same, each request being changed on its way.
    fn attempt_changed(&mut self, twin: &mut LinkedinTwin, change: fn(&mut Request)) {
        self.attempt_in(twin, &mut |step, _| {
            if let Call::Http(request) = &mut step.call {
                change(request);
            }
        });
    }

    /// One attempt; `ending` is what ended it, when that is not its success.
    fn attempt_reading(
        &mut self,
        twin: &mut LinkedinTwin,
        before: &mut dyn FnMut(&mut Step, &mut LinkedinTwin),
        ending: &mut Option<Reading>,
    ) -> Vec<String> {
        let mut steps = Vec::new();
        self.scratch = Value::Null;
        for _ in 0..40 {
            let mut step = match self.next() {
                Next::Call(step) => step,
                Next::Done(_) => return steps,
                other => panic!("{other:?}"),
            };
            before(&mut step, twin);
            let Reply::Http(reply) = twin.answer(&step.call, self.now) else { panic!() };
            steps.push(step.name.clone());
            match self.account.read(&self.view(), &step, &Reply::Http(reply)) {
                Reading::Learned(scratch) => self.scratch = scratch,
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) => self.done.push(Checkpoint { step: step.name, data }),
                Reading::Wait(span) => self.now = time::after(self.now, span),
                Reading::Redo { .. } => self.done.clear(),
                other => {
                    *ending = Some(other);
                    return steps;
                }
            }
        }
        panic!("the attempt does not end: {steps:?}")
    }
}

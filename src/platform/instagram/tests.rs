//! Replies one by one, as a table of files, and whole deliveries against the imitation.

use super::twin::InstagramTwin;
use super::*;
use crate::domain::{Digest, MediaFacts, time};
use crate::platform::contract::{Call, Purpose, Twin};
use crate::platform::graph::tests::{self as trial, End, Run, build, content};

fn adapter() -> Arc<dyn Adapter> {
    build(&ENTRY, InstagramTwin::new().table(0, "https://graph.example", "/")).0.unwrap()
}

fn run(media: Vec<Media>) -> Run<InstagramTwin> {
    let content = Content { link: Some("https://a.example/x".into()), tags: vec!["desk".into()], ..content("Hello") };
    Run::new(&ENTRY, InstagramTwin::new(), content, media)
}

fn picture(shade: u8) -> Media {
    trial::media("image/jpeg", &[shade])
}

fn film() -> Media {
    trial::media("video/mp4", b"film")
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/instagram/fixtures");
    let seen = trial::fixtures(folder, &*adapter());
    for class in ["checkpoint", "unclear", "auth", "rate-limited", "wait", "session"] {
        assert!(seen.contains(&format!("publish {class}")), "no fixture for publish {class}");
    }
}

#[test]
fn a_picture_is_fetched_by_its_digest() {
    let mut run = run(vec![picture(1)]);
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.names()) };
    let expected = ["refresh", "identity", "quota", "container-0", "status-0", "status-0", "publish-0", "address"];
    assert_eq!(run.names(), expected);
    assert!(remote.url.is_some());
    let form = run.form("container-0");
    assert_eq!(form["image_url"], format!("https://graph.example/media/{}.jpg", Digest::of(&[1]).hex()));
    assert_eq!(form["caption"], "Hello\nhttps://a.example/x\n#desk");
    assert_eq!((form["alt_text"].as_str(), form.contains_key("media_type")), ("a desk", false));
    // Below the account's own number, which its token has told.
    let Call::Http(request) = &run.steps[3].call else { panic!() };
    assert_eq!(request.url.path(), "/v26.0/17841400000000000/media");
}

#[test]
fn a_carousel_is_its_items_and_the_container_around_them() {
    let mut run = run(vec![picture(1), film()]);
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    let (first, second, around) = (run.form("item-0"), run.form("item-1"), run.form("container-0"));
    assert_eq!(first["is_carousel_item"], "true");
    assert_eq!(second["media_type"], "VIDEO");
    assert!(!second.contains_key("alt_text") && !second.contains_key("caption"));
    assert_eq!(around["media_type"], "CAROUSEL");
    assert_eq!(around["children"].split(',').count(), 2);
}

/// A delivery on an account with these keys beside its token, and no public folder.
fn run_with(keys: &str, content: Content, media: Vec<Media>) -> Run<InstagramTwin> {
    let table = format!(
        "token = {{ env = 'T' }}\nbase_url = 'https://graph.example'\nupload_url = 'https://graph.example'\n{keys}"
    );
    let (adapter, complaints) = build(&ENTRY, table.parse().unwrap());
    let adapter = adapter.unwrap_or_else(|| panic!("{complaints:?}"));
    Run { adapter, ..Run::new(&ENTRY, InstagramTwin::new(), content, media) }
}

const WITH_FACEBOOK: &str = "user_id = '17841400000000000'\nmedia_base_url = 'https://graph.example/media'";

#[test]
fn the_bytes_of_a_single_film_are_sent_where_that_is_allowed() {
    let (sent, beside) = (film(), picture(1));
    let (alone, both) = ([(&sent.item, &*sent.mime)], [(&sent.item, &*sent.mime), (&beside.item, "image/jpeg")]);
    // By Facebook's login they are, and without a folder nothing else can be tried.
    for keys in [WITH_FACEBOOK, ""] {
        let mut run = run_with(keys, content("Hello"), vec![film()]);
        assert_eq!(run.adapter.fetches(&alone, &[]), []);
        assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
        assert_eq!(run.form("container-0")["upload_type"], "resumable");
        assert_eq!(run.form("container-0")["media_type"], "REELS");
        let step = run.steps.iter().find(|step| step.name == "bytes-0").unwrap();
        let Call::Http(request) = &step.call else { panic!() };
        let container = request.url.path().strip_prefix("/ig-api-upload/v26.0/").unwrap();
        assert!(container.starts_with("179") && request.body.concat() == b"film");
        assert!(run.waited > Duration::ZERO, "it takes time");
    }
    // By Instagram's own login it is fetched like a picture.
    let mut run = run(vec![film()]);
    assert_eq!(run.adapter.fetches(&alone, &[]).len(), 1);
    assert_eq!(run.adapter.fetches(&both, &[]).len(), 2);
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    assert_eq!((run.form("container-0")["media_type"].as_str(), run.count("bytes-0")), ("REELS", 0));
    assert!(run.form("container-0")["video_url"].ends_with(".mp4"));
}

#[test]
fn bytes_that_broke_off_go_on_where_instagram_says() {
    let sent = |run: &Run<InstagramTwin>| -> Vec<(String, String)> {
        let bytes = run.steps.iter().filter(|step| step.name == "bytes-0").map(|step| {
            let Call::Http(request) = &step.call else { panic!() };
            let offset = request.headers.iter().find(|(name, _)| *name == "offset").unwrap().1.expose();
            (offset, String::from_utf8(request.body.concat()).unwrap())
        });
        bytes.collect()
    };
    let pair = |offset: &str, bytes: &str| (offset.to_owned(), bytes.to_owned());
    // Half of them arrive.
    let mut run = run_with(WITH_FACEBOOK, content("Hello"), vec![film()]);
    run.twin.break_off();
    assert!(matches!(run.publish(), End::Read(Reading::Retry { .. })), "{:?}", run.names());
    run.job.attempt = 2;
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    assert_eq!(sent(&run), [pair("0", "film"), pair("2", "lm")]);
    assert_eq!((run.count("container-0"), run.count("stored-0")), (1, 1));
    // All of them arrive, and nobody hears of it: nothing is sent again.
    let mut run = run_with(WITH_FACEBOOK, content("Hello"), vec![film()]);
    assert_eq!(run.go(Purpose::Publish, "bytes-0"), End::Lost("bytes-0".into()));
    run.job.attempt = 2;
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    assert_eq!((sent(&run).len(), run.count("container-0"), run.texts().len()), (1, 1, 1));
    // A container that tells nothing, or too much, is made again.
    for told in [json!({}), json!({"video_status": {"uploading_phase": {"bytes_transferred": 5}}})] {
        let step = run.steps.iter().find(|step| step.name == "stored-0").unwrap().clone();
        let attempt = Attempt {
            job: &run.job,
            purpose: Purpose::Publish,
            done: &run.done,
            scratch: &Value::Null,
            session: &run.session,
            secrets: &run.secrets,
            now: run.now,
        };
        let reply = Reply::Http(crate::platform::contract::HttpReply::json(200, &told));
        assert!(matches!(run.adapter.read(&attempt, &step, &reply), Reading::Redo { .. }), "{told}");
    }
}

#[test]
fn a_story_is_one_file_without_a_word() {
    let keys = "kind = 'story'\nmedia_base_url = 'https://graph.example/media'";
    let mut run = run_with(keys, content(""), vec![picture(1)]);
    assert!(run.adapter.place().ends_with(", stories"), "{}", run.adapter.place());
    assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost("publish-0".into()));
    let form = run.form("container-0");
    assert_eq!(form["media_type"], "STORIES");
    assert!(form.contains_key("image_url") && !form.contains_key("caption") && !form.contains_key("alt_text"));
    // It stands in a list of its own.
    run.now = time::after(run.now, Duration::from_secs(60));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.names());
    let looks = run.steps.iter().filter(|step| step.name.starts_with("look-"));
    let paths: Vec<String> = looks
        .map(|step| match &step.call {
            Call::Http(request) => request.url.path().to_owned(),
            _ => panic!(),
        })
        .collect();
    assert_eq!(paths, ["/v26.0/17841400000000000/stories"]);
    let mut film = run_with("kind = 'story'", content(""), vec![film()]);
    assert!(matches!(film.publish(), End::Done(_)), "{:?}", film.names());
    assert_eq!(film.form("container-0")["media_type"], "STORIES");
    // What it would leave out is told, ahead and at the time of sending.
    let complained = |content: Content, media: Vec<Media>| {
        let mut run = run_with(keys, content, media);
        let complaints = run.adapter.check(&run.job.content, &Session::default());
        let refused = matches!(run.publish(), End::Refuse(_));
        (complaints.into_iter().map(|complaint| complaint.key).collect::<Vec<_>>().join(" "), refused)
    };
    assert_eq!(complained(content(""), vec![picture(1)]), (String::new(), false));
    assert_eq!(complained(content("Hello"), vec![picture(1)]), ("text".into(), true));
    let linked = Content { link: Some("https://a.example/x".into()), ..content("") };
    assert_eq!(complained(linked, vec![picture(1)]), ("text".into(), true));
    assert_eq!(complained(content(""), vec![picture(1), picture(2)]), ("media".into(), true));
    assert_eq!(build(&ENTRY, "token = { env = 'T' }\nkind = 'reel'".parse().unwrap()).1, ["kind"]);
}

#[test]
fn a_lost_reply_is_settled_by_the_container() {
    let mut run = run(vec![picture(1)]);
    run.go(Purpose::Publish, "publish-0");
    run.now = time::after(run.now, Duration::from_secs(60));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert!(matches!(run.publish(), End::Done(remote) if remote.url.is_some()));
    assert_eq!(run.texts().len(), 1);
}

#[test]
fn a_post_without_a_caption_is_taken_for_ours_only_where_the_container_is_published() {
    let mut run = Run::new(&ENTRY, InstagramTwin::new(), content(""), vec![picture(1)]);
    run.go(Purpose::Publish, "publish-0");
    run.now = time::after(run.now, Duration::from_secs(60));
    let done = std::mem::take(&mut run.done);
    // What somebody has posted by hand is not taken for ours, and no reason for doubt.
    assert!(matches!(run.look_back(), End::Read(Reading::Absent)), "without a container nothing can be out");
    run.done = done;
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
}

#[test]
fn with_facebook_login_the_account_is_named_and_the_token_left_alone() {
    let table = "token = { env = 'T' }\nuser_id = '17841400000000000'\nmedia_base_url = 'https://graph.example/media'";
    let adapter = build(&ENTRY, table.parse().unwrap()).0.unwrap();
    assert!(adapter.place().starts_with("graph.facebook.com, 17841400000000000"), "{}", adapter.place());
    let mut run = run(vec![picture(1)]);
    run.adapter = adapter;
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    assert_eq!((run.names()[0], run.count("refresh")), ("identity", 0));
    let Call::Http(request) = &run.steps[0].call else { panic!() };
    assert_eq!(request.url.as_str(), "https://graph.facebook.com/v26.0/17841400000000000?fields=id%2Cusername");
    assert_eq!(build(&ENTRY, "token = { env = 'T' }\nuser_id = 'brand'".parse().unwrap()).1, ["user_id"]);
}

#[test]
fn objections_name_the_key() {
    let bare = build(&ENTRY, "token = { env = 'T' }".parse().unwrap()).0.unwrap();
    let keys = |adapter: &dyn Adapter, content: &Content| -> Vec<String> {
        adapter.check(content, &Session::default()).into_iter().map(|complaint| complaint.key).collect()
    };
    let item = |mime: &'static str, bytes: u64, size: (u32, u32), seconds: Option<u64>| {
        let duration = seconds.map(Duration::from_secs);
        let facts = MediaFacts { mime, bytes, size: Some(size), duration };
        MediaItem { facts: Some(Arc::new(facts)), ..picture(1).item }
    };
    let with = |text: &str, items: Vec<MediaItem>| Content { media: items, ..content(text) };
    let good = || item("image/jpeg", 1, (4, 5), None);
    assert_eq!(keys(&*adapter(), &content("text alone")), ["media"]);
    assert_eq!(keys(&*adapter(), &with("", vec![good()])), Vec::<String>::new());
    assert_eq!(keys(&*bare, &with("x", vec![good()])), ["media"], "nowhere to fetch it from");
    assert_eq!(keys(&*bare, &with("x", vec![item("video/mp4", 1, (9, 16), Some(10))])), Vec::<String>::new());
    assert_eq!(keys(&*bare, &with("x", vec![picture(1).item])), Vec::<String>::new(), "it may be a film");
    assert_eq!(keys(&*adapter(), &with(&"x".repeat(2_201), vec![good()])), ["text"]);
    assert_eq!(keys(&*adapter(), &with(&"#x ".repeat(31), vec![good()])), ["tags"]);
    let visibility = Visibility::Unlisted;
    assert_eq!(keys(&*adapter(), &Content { visibility, ..with("x", vec![good()]) }), ["visibility"]);
    for (bad, files) in [
        ("PNG", vec![item("image/png", 1, (1, 1), None)]),
        ("too large", vec![item("image/jpeg", 9_000_000, (1, 1), None)]),
        ("too high", vec![item("image/jpeg", 1, (3, 4), None)]),
        ("too wide", vec![item("image/jpeg", 1, (2, 1), None)]),
        ("too short", vec![item("video/mp4", 1, (9, 16), Some(2))]),
        ("too long", vec![item("video/mp4", 1, (9, 16), Some(901))]),
        ("too many", vec![good(); 11]),
    ] {
        assert_eq!(keys(&*adapter(), &with("x", files)), ["media"], "{bad}");
    }
    for fine in [item("image/jpeg", 1, (191, 100), None), item("image/jpeg", 1, (4, 5), None)] {
        assert_eq!(
            keys(&*adapter(), &with("x", vec![fine.clone(), item("image/jpeg", 1, (3, 1), None)])),
            Vec::<String>::new()
        );
    }
}

#[test]
fn what_was_not_looked_into_before_is_refused_when_it_is_sent() {
    let mut run = run(vec![trial::media("image/png", b"x")]);
    let end = run.publish();
    assert!(matches!(&end, End::Refuse(why) if why.contains("image/png")), "{end:?}");
    let mut none = Run::new(&ENTRY, InstagramTwin::new(), content("x"), vec![]);
    assert!(matches!(none.publish(), End::Refuse(_)));
}

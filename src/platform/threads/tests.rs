//! Replies one by one, as a table of files, and whole deliveries against the imitation.

use serde_json::json;

use super::twin::ThreadsTwin;
use super::*;
use crate::domain::{Digest, PostId, Remote, ReplyTo, Secret, time};
use crate::platform::contract::{Call, HeaderValue, Purpose, Twin};
use crate::platform::graph::tests::{self as trial, End, NOW, Run, at, build, content, job, name};

fn adapter() -> std::sync::Arc<dyn Adapter> {
    build(&ENTRY, ThreadsTwin::new().table(0, "https://graph.example", "/")).0.unwrap()
}

fn run(content: Content, media: Vec<Media>) -> Run<ThreadsTwin> {
    Run::new(&ENTRY, ThreadsTwin::new(), content, media)
}

fn picture(shade: u8) -> Media {
    trial::media("image/jpeg", &[shade])
}

fn threaded() -> Content {
    Content { thread: vec!["two".into(), "three".into()], ..content("one") }
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/threads/fixtures");
    let seen = trial::fixtures(folder, &*adapter());
    for class in ["checkpoint", "unclear", "auth", "rate-limited", "wait", "session"] {
        assert!(seen.contains(&format!("publish {class}")), "no fixture for publish {class}");
    }
}

#[test]
fn a_text_takes_as_few_calls_as_it_can() {
    let mut run = run(Content { link: Some("https://a.example/x".into()), ..content("Hello") }, vec![]);
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.names()) };
    let expected = ["refresh", "identity", "quota", "container-0", "status-0", "publish-0", "address"];
    assert_eq!(run.names(), expected);
    assert!(remote.url.unwrap().starts_with("https://www.threads.com/@twin0/post/"));
    let form = run.form("container-0");
    let expected = [("link_attachment", "https://a.example/x"), ("media_type", "TEXT"), ("text", "Hello")];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    // The next post knows the account, and has a token that lives long enough.
    run.job = job(&*run.adapter, content("Again"), vec![]);
    run.done.clear();
    run.steps.clear();
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.names(), ["quota", "container-0", "status-0", "publish-0", "address"]);
}

#[test]
fn a_carousel_is_its_items_and_the_container_around_them() {
    let mut run = run(content("Two"), vec![picture(1), trial::media("video/mp4", b"film")]);
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    let item = run.form("item-1");
    assert_eq!((item["media_type"].as_str(), item["is_carousel_item"].as_str()), ("VIDEO", "true"));
    assert_eq!(item["alt_text"], "a desk");
    let digest = Digest::of(b"film").hex();
    assert_eq!(item["video_url"], format!("https://graph.example/media/{digest}.mp4"));
    let around = run.form("container-0");
    assert_eq!((around["media_type"].as_str(), around["text"].as_str()), ("CAROUSEL", "Two"));
    assert_eq!(around["children"].split(',').count(), 2);
    assert!(!item.contains_key("text"));
}

#[test]
fn a_thread_is_a_chain_of_containers() {
    let mut run = run(threaded(), vec![picture(1)]);
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.names()) };
    let published = run.twin.published();
    assert_eq!(run.texts(), ["one", "two", "three"]);
    assert_eq!(published[2].answers.as_deref(), Some(published[1].id.as_str()));
    assert_eq!(remote.id, published[0].id);
    assert_eq!(run.form("container-1")["media_type"], "TEXT");
}

#[test]
fn a_lost_reply_is_settled_by_the_container() {
    // It went out: the container says so, and the list, later, what it is called.
    let mut out = run(threaded(), vec![]);
    assert_eq!(out.go(Purpose::Publish, "publish-1"), End::Lost("publish-1".into()));
    let first = out.look_back();
    assert!(
        matches!(&first, End::Read(Reading::Retry { why, .. }) if why.contains("says that it is published")),
        "{first:?}"
    );
    out.now = time::after(out.now, Duration::from_secs(60));
    assert!(matches!(out.look_back(), End::Read(Reading::Found(_))));
    out.job.attempt = 2;
    assert!(matches!(out.publish(), End::Done(_)));
    assert_eq!(out.texts(), ["one", "two", "three"]);
    // Somebody deleted it before we looked: nobody sends it again.
    let mut gone = run(content("one"), vec![]);
    gone.go(Purpose::Publish, "publish-0");
    gone.now = time::after(gone.now, Duration::from_secs(3600));
    let id = gone.twin.published()[0].id.clone();
    gone.twin.delete(&id);
    assert!(matches!(gone.look_back(), End::Read(Reading::Retry { .. })));
    let again = gone.publish();
    assert!(matches!(again, End::Read(Reading::AlreadyThere { .. })), "{again:?}");
}

#[test]
fn an_error_to_what_went_out_does_not_send_it_again() {
    let mut run = run(content("one"), vec![]);
    run.twin.deny(1);
    assert!(matches!(run.publish(), End::Read(Reading::AlreadyThere { .. })));
    run.now = time::after(run.now, Duration::from_secs(60));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.texts(), ["one"]);
}

#[test]
fn what_went_out_in_spite_of_an_answer_is_looked_for_before_the_next_call() {
    // As if a token's end had been answered to a call that was carried out.
    let mut run = run(content("one"), vec![]);
    run.go(Purpose::Publish, "publish-0");
    run.job.attempt = 2;
    let end = run.publish();
    assert!(matches!(end, End::Read(Reading::AlreadyThere { .. })), "{end:?}");
    assert_eq!(run.texts(), ["one"]);
}

#[test]
fn a_finished_container_that_cannot_be_found_is_tried_again_and_then_made_anew() {
    let mut patient = run(content("one"), vec![]);
    patient.twin.lose_sight(2);
    assert!(matches!(patient.publish(), End::Done(_)));
    assert_eq!((patient.count("container-0"), patient.count("publish-0"), patient.count("status-0")), (1, 3, 3));
    assert!(patient.waited >= Duration::from_secs(10));
    let mut lost = run(content("one"), vec![]);
    lost.twin.lose_sight(5);
    assert!(matches!(lost.publish(), End::Done(_)));
    assert_eq!((lost.count("container-0"), lost.count("publish-0")), (2, 6));
    assert_eq!(lost.texts(), ["one"]);
}

#[test]
fn a_container_that_failed_is_made_again_or_refused_by_its_reason() {
    let mut again = run(content("one"), vec![picture(1)]);
    again.twin.fail("FAILED_DOWNLOADING_VIDEO");
    assert!(matches!(again.publish(), End::Done(_)));
    assert_eq!(again.count("container-0"), 2);
    let mut refused = run(content("one"), vec![picture(1)]);
    refused.twin.fail("INVALID_ASPEC_RATIO");
    let end = refused.publish();
    assert!(matches!(&end, End::Read(Reading::Refused { why }) if why.contains("INVALID_ASPEC_RATIO")), "{end:?}");
}

#[test]
fn a_container_of_the_day_before_is_made_anew() {
    let mut run = run(content("one"), vec![]);
    run.go(Purpose::Publish, "status-0");
    run.now = time::after(run.now, Duration::from_secs(3 * 86_400));
    run.job.attempt = 2;
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.count("container-0"), 2);
}

#[test]
fn files_are_fetched_by_their_digests_until_they_are_published() {
    let mut run = run(threaded(), vec![picture(1), trial::media("video/mp4", b"film")]);
    let files = run.job.media.clone();
    let urls = |run: &Run<ThreadsTwin>| -> Vec<String> {
        let named: Vec<_> = files.iter().map(|file| (&file.item, file.mime.as_str())).collect();
        let wanted = run.adapter.fetches(&named, &run.done);
        assert!(wanted.iter().enumerate().all(|(at, file)| file.place == at && file.key == "media_base_url"));
        wanted.into_iter().map(|file| file.url.into()).collect()
    };
    let address = |bytes: &[u8], ending| format!("https://graph.example/media/{}.{ending}", Digest::of(bytes).hex());
    let all = [address(&[1], "jpg"), address(b"film", "mp4")];
    assert_eq!(urls(&run), all);
    // A container that was made may have to be made again.
    run.go(Purpose::Publish, "publish-0");
    assert_eq!(urls(&run), all);
    run.now = time::after(run.now, Duration::from_secs(300));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert_eq!(urls(&run), Vec::<String>::new());
    let bare = build(&ENTRY, "token = { env = 'T' }".parse().unwrap()).0.unwrap();
    assert_eq!(bare.fetches(&[(&files[0].item, "image/jpeg")], &[]), []);
}

#[test]
fn the_quota_is_asked_before_anything_is_made() {
    let mut run = run(content("one"), vec![]);
    run.twin.used = 250;
    let end = run.publish();
    assert!(matches!(&end, End::Read(Reading::RateLimited { why, .. }) if why.contains("250 of 250")), "{end:?}");
    assert!(run.twin.containers().is_empty());
}

#[test]
fn a_token_is_refreshed_at_half_life_and_given_up_when_it_is_refused() {
    let mut run = run(content("one"), vec![]);
    assert!(matches!(run.publish(), End::Done(_)));
    let first = run.session.kept.clone().expect("a refresh gave a token");
    let used = |run: &Run<ThreadsTwin>| {
        let Call::Http(request) = &run.steps.last().unwrap().call else { panic!() };
        let (_, HeaderValue::Secret { secret, .. }) = &request.headers[0] else { panic!() };
        secret.expose().to_owned()
    };
    assert_eq!(used(&run), "threads-token-0.r1");
    let post = |run: &mut Run<ThreadsTwin>, days: u64| {
        run.now = time::after(run.now, Duration::from_secs(days * 86_400));
        (run.done, run.steps) = (vec![], vec![]);
        run.job = job(&*run.adapter, content(&format!("after {days}")), vec![]);
        run.publish()
    };
    assert!(matches!(post(&mut run, 29), End::Done(_)));
    assert_eq!((run.count("refresh"), run.session.kept.as_ref()), (0, Some(&first)));
    assert!(matches!(post(&mut run, 2), End::Done(_)));
    assert_eq!((run.count("refresh"), used(&run).as_str()), (1, "threads-token-0.r2"));
    // The fresh one is refused: the configured one is tried, and only then a person is asked.
    run.twin.expire_tokens();
    assert!(matches!(post(&mut run, 0), End::Done(_)));
    assert_eq!(used(&run), "threads-token-0");
    run.twin.set_revoked(true);
    assert!(matches!(post(&mut run, 0), End::Read(Reading::Auth { .. })));
    run.twin.set_revoked(false);
    // What was kept of another secret is of no use.
    run.session.kept = Some(json!({"token": "threads-token-7.r1", "of": "0123456789abcdef", "expires": i64::MAX}));
    assert!(matches!(post(&mut run, 0), End::Done(_)));
    assert_eq!(used(&run), "threads-token-0");
}

#[test]
fn every_call_proves_the_app_secret_where_it_is_given() {
    let mut twin = ThreadsTwin::new();
    let app = Secret::new("hush-hush");
    twin.demand_proof(app.clone());
    let mut table = twin.table(0, "https://graph.example", "/");
    table.insert("app_secret".into(), toml::Value::Table("env = \"APP\"".parse().unwrap()));
    let adapter = build(&ENTRY, table).0.unwrap();
    let mut run = run(threaded(), vec![picture(1), picture(2)]);
    (run.twin, run.adapter) = (twin, adapter);
    assert_eq!(run.publish(), End::Auth("there is no app secret".into()));
    run.secrets.0.insert("app_secret".into(), app);
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.names());
    assert!(!format!("{:?}", run.steps).contains("hush"));
}

#[test]
fn an_answer_needs_an_id() {
    let reply_to = Some(ReplyTo::Ours(PostId::new("earlier").unwrap()));
    let mut run = run(Content { reply_to, ..content("one") }, vec![]);
    let remote = |id: &str| Some(Remote { id: id.into(), url: None, reference: Default::default() });
    run.job.answers = remote("https://www.threads.com/@brand/post/abc");
    assert!(matches!(run.publish(), End::Refuse(_)));
    run.job.answers = remote("4711");
    // The twin knows no such post; that is not ours to decide.
    assert_eq!(
        name(match &run.publish() {
            End::Read(reading) => reading,
            other => panic!("{other:?}"),
        }),
        "retry"
    );
    assert_eq!(run.form("container-0")["reply_to_id"], "4711");
}

#[test]
fn objections_name_the_key() {
    let with = |table: &str| build(&ENTRY, table.parse().unwrap()).0.unwrap();
    let bare = with("token = { env = 'T' }");
    let keys = |adapter: &dyn Adapter, content: &Content| -> Vec<String> {
        adapter.check(content, &Session::default()).into_iter().map(|complaint| complaint.key).collect()
    };
    let file = |mime: &'static str, bytes: u64, size: (u32, u32)| {
        let facts = crate::domain::MediaFacts { mime, bytes, size: Some(size), duration: None };
        crate::domain::MediaItem { facts: Some(std::sync::Arc::new(facts)), ..picture(1).item }
    };
    let pictured = |item: crate::domain::MediaItem| Content { media: vec![item], ..content("x") };
    assert_eq!(keys(&*bare, &content(&"x".repeat(500))), Vec::<String>::new());
    assert_eq!(keys(&*bare, &content(&"x".repeat(501))), ["text"]);
    assert_eq!(keys(&*bare, &Content { thread: vec![" ".into()], ..content("x") }), ["thread"]);
    assert_eq!(keys(&*bare, &content("")), ["text"]);
    assert_eq!(keys(&*bare, &pictured(file("image/jpeg", 1, (1, 1)))), ["media"], "nowhere to fetch it from");
    let homed = adapter();
    for (item, expected) in [
        (file("image/jpeg", 1, (10, 1)), 0),
        (file("image/jpeg", 1, (11, 1)), 1),
        (file("image/png", 9_000_000, (1, 1)), 1),
        (file("image/webp", 1, (1, 1)), 1),
        (file("video/mp4", 9_000_000, (1, 20)), 0),
    ] {
        assert_eq!(keys(&*homed, &pictured(item.clone())).len(), expected, "{item:?}");
    }
    assert_eq!(keys(&*bare, &Content { visibility: Visibility::Followers, ..content("x") }), ["visibility"]);
}

#[test]
fn the_account_table_is_read_and_complained_about_at_once() {
    let (adapter, complaints) = build(&ENTRY, "token = { credential = 't' }".parse().unwrap());
    assert_eq!(
        (adapter.unwrap().place().as_str(), complaints.len()),
        ("graph.threads.net, token from credential t", 0)
    );
    let wrong = "token = 'abc'\napp_secret = 'def'\nversion = '1'\nbase_url = 'http://a.example'\nmedia_base_url = 'ftp://b.example'";
    let (adapter, complaints) = build(&ENTRY, wrong.parse().unwrap());
    assert_eq!(
        (adapter.is_none(), complaints),
        (true, ["base_url", "version", "token", "app_secret", "media_base_url"].map(String::from).to_vec())
    );
}

#[test]
fn a_page_of_older_posts_is_turned() {
    let mut run = run(content("the one"), vec![]);
    run.go(Purpose::Publish, "publish-0");
    let (done, started) = (run.done.clone(), run.now);
    for number in 0..30 {
        run.now = time::after(run.now, Duration::from_secs(60));
        (run.done, run.job) = (vec![], job(&*run.adapter, content(&format!("other {number}")), vec![]));
        assert!(matches!(run.publish(), End::Done(_)));
    }
    (run.done, run.job) = (done, Job { started, ..job(&*run.adapter, content("the one"), vec![]) });
    run.now = time::after(run.now, Duration::from_secs(60));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert_eq!(run.count("look-0-0-1"), 1);
}

proptest::proptest! {
    /// Whatever comes back: no panic, nothing unclear becomes a refusal or a repeat, and no secret is told.
    #[test]
    fn hostile_replies_are_survived(
        status in 100u16..600,
        step in proptest::sample::select(vec!["publish-0", "container-0", "item-0", "ready-0", "status-0", "asked-0", "look-0-0-0", "quota", "identity", "refresh", "address"]),
        body in "(\\{|\\}|\\[|\\]|\"|,|:|null|1e999|\"(id|error|code|data|status|text)\":|threads-token-0|\\PC){0,40}",
        wait in "\\PC{0,12}",
    ) {
        let mut run = run(content("Text"), vec![picture(1), picture(2)]);
        run.go(Purpose::Publish, "publish-0");
        let sent = run.steps.iter().find(|held| held.name == "publish-0").unwrap();
        let effect = match step { "publish-0" => super::super::contract::Effect::Publishes, _ => super::super::contract::Effect::Harmless };
        let step = Step { name: step.into(), effect, ..sent.clone() };
        let headers = vec![("retry-after".to_owned(), wait.clone()), ("x-business-use-case-usage".to_owned(), wait)];
        let reply = Reply::Http(super::super::contract::HttpReply { status, headers, body: body.into_bytes(), cut: false });
        let (scratch, now) = (&Value::Null, at(NOW));
        let attempt = Attempt { job: &run.job, purpose: Purpose::Publish, done: &run.done, scratch, session: &run.session, secrets: &run.secrets, now };
        let reading = run.adapter.read(&attempt, &step, &reply);
        let shown = format!("{reading:?}");
        proptest::prop_assert!(!shown.contains("threads-token"), "{}", shown);
        if step.name == "publish-0" {
            let fits = matches!(name(&reading), "unclear" | "checkpoint" | "rate-limited" | "auth" | "session" | "wait");
            proptest::prop_assert!(fits, "{}", shown);
        }
    }
}

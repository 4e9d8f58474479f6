use std::collections::BTreeSet;

use super::twin::{Manner, YoutubeTwin};
use super::*;
use crate::domain::{Checkpoint, DeliveryId, Digest, MediaFacts, MediaItem, PostId, ReplyTo, time};
use crate::platform::contract::{HttpReply, Job, Media, Request};

macro_rules! fixtures {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("fixtures/", $name, ".json")))),*] };
}

/// One reply for each class of them.
const FIXTURES: &[(&str, &str)] = fixtures![
    "token" "token-narrow" "token-header-injection" "invalid-grant" "invalid-client" "channel" "no-channel" "begun"
    "begun-elsewhere" "nothing-yet" "incomplete" "all-but-whole" "range-garbled" "session-gone" "uploaded"
    "thumbnail" "captions" "captions-exist" "forbidden" "in-processing" "processed" "unreadable" "rejected" "seen-public" "no-video" "listed" "not-listed" "entry"
    "entry-there" "no-playlist" "published" "published-unlisted" "published-other" "kept-private"
    "forbidden-privacy" "no-such-video" "invalid-title" "quota" "rate" "upload-limit" "auth-error"
    "signup-required" "scope-missing" "api-off" "backend" "limited-html" "bad-gateway" "hotel" "redirect" "not-google"
];

const STEPS: [&str; 13] = [
    "token",
    "channel",
    "begin",
    "ask",
    "chunk-0",
    "video",
    "thumbnail",
    "captions",
    "processing",
    "playlist-look",
    "playlist",
    "publish-0",
    "look-0",
];

/// What each reply means for each step.
const TABLE: &str = include_str!("fixtures/readings.txt");

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const VIDEO: &str = "v0123456789";
const CAPTIONS: &str = "1\n00:00:01,000 --> 00:00:02,000\nA desk.\n";
const MIB: usize = 1024 * 1024;

#[test]
fn every_reply_means_something_for_every_step() {
    let line = begun();
    let mut lines = vec![format!("{:<24}{}", "", STEPS.map(|step| format!("{step:<15}")).concat())];
    for (name, _) in FIXTURES {
        let words = STEPS.map(|step| format!("{:<15}", word(&line.read(step, &fixture(name)))));
        lines.push(format!("{name:<24}{}", words.concat()));
    }
    let table: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    let table = table.join("\n") + "\n";
    for (held, made) in TABLE.lines().zip(table.lines()) {
        assert_eq!(held, made);
    }
    assert_eq!(TABLE, table);
}

#[test]
fn every_fixture_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/youtube/fixtures");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    assert_eq!(files, FIXTURES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn a_long_film_goes_up_in_chunks_and_comes_out_once() {
    let mut line = Line::new(Manner::Usual, 20 * MIB, true);
    assert_eq!(line.run(), "done");
    let expected = "token channel begin ask chunk-0 chunk-8388608 video thumbnail processing processing processing \
                    playlist-look playlist publish-0";
    assert_eq!(line.steps.join(" "), expected);
    assert_eq!((line.twin.published().len(), line.twin.thumbnails(), line.twin.listed(0)), (1, 1, 1));
    assert_eq!(line.sent("chunk-8388608", "content-range"), "bytes 8388608-16777215/20971520");
    assert_eq!(line.sent("video", "content-range"), "bytes 16777216-20971519/20971520");
    // All that went up is the film.
    let bytes: Vec<u8> = ["chunk-0", "chunk-8388608", "video"].map(|step| line.request(step).body.concat()).concat();
    assert!(bytes == *line.job.media[0].bytes);
}

/// Whichever reply is lost, and whether or not the request had arrived, with the process gone as well.
#[test]
fn a_lost_call_never_makes_a_second_video() {
    for manner in [Manner::Usual, Manner::Forgetful] {
        for arrived in [true, false] {
            for call in 0.. {
                let mut line = Line::new(manner, 20 * MIB, true);
                line.caption("A desk in words");
                line.lose = Some((call, arrived));
                let first = line.run();
                let over = line.lose.is_some();
                line.finish();
                let count = (line.twin.videos(), line.twin.published().len(), line.twin.listed(0));
                assert_eq!(count, (1, 1, 1), "{manner:?}, call {call}, arrived: {arrived}, first {first}");
                assert_eq!(line.twin.captions(), [["en", "A desk in words", CAPTIONS]]);
                let begun = line.steps.iter().filter(|step| *step == "begin").count();
                assert!(begun <= 2 && (begun == 1 || call == 2), "{manner:?}: the upload began {begun} times");
                if over {
                    break;
                }
            }
        }
    }
}

#[test]
fn it_goes_on_at_the_byte_that_the_session_names() {
    let mut line = Line::new(Manner::Forgetful, 20 * MIB, false);
    assert_eq!(line.run(), "retry", "which counts: a session may never keep the rest");
    let expected = "token channel begin ask chunk-0 chunk-4194304 chunk-8388608 video";
    assert_eq!(line.steps.join(" "), expected);
    assert_eq!(line.sent("video", "content-range"), "bytes 12582912-20971519/20971520");
    line.steps.clear();
    line.run();
    assert_eq!(line.steps[..2], ["ask", "video"]);
    assert_eq!(line.sent("video", "content-range"), "bytes 16777216-20971519/20971520");
}

/// The process is killed between two chunks, or while one is under way: the next one asks, and sends what is missing.
#[test]
fn a_kill_in_the_middle_of_an_upload_goes_on_at_the_byte() {
    for (arrived, chunk) in [(false, "chunk-8388608"), (true, "video")] {
        let mut line = Line::new(Manner::Usual, 20 * MIB, false);
        line.lose = Some((5, arrived));
        assert_eq!((line.run().as_str(), line.steps.last().unwrap().as_str()), ("lost", "chunk-8388608"));
        line.steps.clear();
        assert_eq!(line.finish(), "done");
        assert_eq!(line.steps[..4], ["token", "channel", "ask", chunk]);
        let from = if arrived { 16_777_216 } else { 8_388_608 };
        let next = line.calls.iter().rev().find(|call| call.name == chunk).unwrap();
        let Call::Http(request) = &next.call else { panic!("files") };
        let range = request.headers.iter().find(|(name, _)| *name == "content-range").unwrap().1.expose();
        assert!(range.starts_with(&format!("bytes {from}-")), "{range}");
        assert_eq!((line.twin.videos(), line.twin.published().len()), (1, 1));
    }
}

/// What the ledger does not keep (see [`Checkpoint::PRIVATE`]), costs an upload and nothing else.
#[test]
fn an_upload_whose_session_nobody_knows_any_more_begins_anew() {
    let mut line = Line::new(Manner::Usual, 20 * MIB, false);
    line.lose = Some((5, false));
    assert_eq!(line.run(), "lost");
    line.done[0].data[Checkpoint::PRIVATE] = Value::Null;
    line.steps.clear();
    assert_eq!(line.finish(), "done");
    assert_eq!(line.steps[..5], ["token", "channel", "begin", "ask", "chunk-0"]);
    assert_eq!((line.twin.videos(), line.twin.published().len()), (1, 1));
    // Ledgers of earlier versions have it under another name.
    let mut line = Line::new(Manner::Usual, 20 * MIB, false);
    line.lose = Some((5, false));
    line.run();
    let session = line.done[0].data[Checkpoint::PRIVATE].take();
    line.done[0].data = json!({ "session": session });
    line.steps.clear();
    line.finish();
    assert_eq!(line.steps[..3], ["token", "channel", "ask"]);
}

#[test]
fn captions_are_there_before_anybody_sees_the_video() {
    let mut line = Line::new(Manner::Usual, 10, true);
    line.caption("English");
    assert_eq!(line.run(), "done");
    let expected = "token channel begin ask video thumbnail captions processing processing processing playlist-look \
                    playlist publish-0";
    assert_eq!(line.steps.join(" "), expected);
    assert_eq!(line.twin.captions(), [["en", "English", CAPTIONS]]);
    // Captions that cannot be read hold the video back; what was uploaded stays private.
    let mut line = Line::new(Manner::Illegible, 10, false);
    line.caption("English");
    let end = line.run();
    assert!(end.starts_with("refused") && end.ends_with("look at the file of captions"), "{end}");
    assert_eq!((line.twin.videos(), line.twin.published().len()), (1, 0));
    // Where the quota does not reach for them, the video waits, and is not uploaded again.
    let mut line = Line::new(Manner::Usual, 10, false);
    line.caption("English");
    line.run_until("processing");
    line.done.retain(|done| done.step != "captions");
    line.twin.exhaust(Timestamp::constant(1_790_060_400, 0));
    line.steps.clear();
    line.session = Session::default();
    assert!(line.run().starts_with("limited"), "{:?}", line.steps);
    assert_eq!(line.finish(), "done");
    assert_eq!(line.steps.iter().filter(|step| *step == "begin").count(), 0);
    assert_eq!(line.twin.captions().len(), 1, "those of the first try were there");
}

#[test]
fn an_upload_that_is_whole_is_not_sent_again() {
    let mut line = Line::new(Manner::Usual, 10, false);
    // The reply to the bytes is lost.
    line.lose = Some((4, true));
    assert_eq!(line.run(), "lost");
    assert_eq!(line.steps.join(" "), "token channel begin ask video");
    line.steps.clear();
    line.finish();
    assert_eq!(line.steps[..4], ["token", "channel", "ask", "video"]);
    assert_eq!(line.sent("video", "content-range"), "bytes */10");
    assert_eq!((line.twin.videos(), line.twin.published().len()), (1, 1));
}

#[test]
fn an_upload_session_that_is_gone_is_begun_anew() {
    let mut line = Line::new(Manner::Usual, 20 * MIB, false);
    line.lose = Some((5, false));
    assert_eq!(line.run(), "lost");
    line.twin.forget_sessions();
    line.steps.clear();
    assert_eq!(line.finish(), "done");
    assert_eq!(line.steps[..6].join(" "), "token channel ask begin ask chunk-0");
    assert_eq!(line.twin.published().len(), 1);
}

#[test]
fn what_can_never_be_shown_is_refused_while_it_is_private() {
    for (manner, said) in [
        (Manner::Unaudited, "ask for the audit"),
        (Manner::Unreadable, "cannot read the film: codec"),
        (Manner::Unverified, "youtube.com/verify"),
    ] {
        let mut line = Line::new(manner, 10, true);
        let end = line.run();
        assert!(end.starts_with("refused") && end.contains(said), "{manner:?}: {end}");
        assert_eq!(line.twin.published(), [], "{manner:?}");
    }
}

#[test]
fn processing_is_waited_for_and_not_for_ever() {
    let mut line = Line::new(Manner::Slow, 10, false);
    assert_eq!(line.run(), "done");
    assert_eq!(time::since(line.now, NOW).as_secs(), 600);
    assert_eq!(line.twin.published().len(), 1);
}

/// What a person does in the studio stays done.
#[test]
fn a_look_takes_what_is_no_longer_private_for_published() {
    for (studio, look) in [
        (None, "found"),
        (Some("public"), "found"),
        (Some("unlisted"), "found"),
        (Some("private"), "absent"),
        (Some("deleted"), "refused: the video is not there any more: somebody has deleted it"),
    ] {
        let mut line = Line::new(Manner::Usual, 10, false);
        assert_eq!(line.run_until("publish-0"), "lost");
        match studio {
            None => {}
            Some("deleted") => line.twin.delete_videos(),
            Some(privacy) => line.twin.set_privacy(privacy),
        }
        line.steps.clear();
        line.purpose = Purpose::LookBack;
        assert_eq!(line.run(), look, "{studio:?}");
        assert_eq!(line.steps.join(" "), "token channel look-0");
        if look == "found" {
            line.purpose = Purpose::Publish;
            line.steps.clear();
            assert_eq!((line.run().as_str(), line.steps.len()), ("done", 0), "nothing more is asked or set");
        }
    }
}

#[test]
fn a_video_that_was_deleted_before_it_was_published_stays_deleted() {
    let mut line = Line::new(Manner::Usual, 10, false);
    assert_eq!(line.run_until("processing"), "lost");
    line.twin.delete_videos();
    line.now = time::after(line.now, Duration::from_secs(700));
    assert!(line.run().starts_with("refused: the video was uploaded and is not there any more"));
    assert_eq!(line.twin.videos(), 0);
}

#[test]
fn quota_is_waited_for_until_it_is_whole_again() {
    let mut line = Line::new(Manner::Usual, 10, false);
    line.twin.exhaust(Timestamp::constant(1_790_060_400, 0));
    // 14:13 in Greenwich, 07:13 in California, where it is summer: midnight is at 07:00 of the next day.
    assert_eq!(line.run(), "limited 2026-09-22T07:02:00Z");
    assert_eq!(line.finish(), "done");
}

#[test]
fn the_status_is_set_as_it_was_but_for_who_may_see_it() {
    for (visibility, expected) in [(Visibility::Public, "public"), (Visibility::Unlisted, "unlisted")] {
        let mut line = Line::new(Manner::Usual, 10, false);
        line.job.content.visibility = visibility;
        assert_eq!(line.run(), "done");
        let body = |step: &str| serde_json::from_slice::<Value>(&line.request(step).body.concat()).unwrap();
        let (mut first, last) = (body("begin")["status"].clone(), body("publish-0"));
        assert_eq!(first["privacyStatus"], "private");
        first["privacyStatus"] = json!(expected);
        assert_eq!(last, json!({"id": line.twin.published()[0].id, "status": first}));
    }
}

#[test]
fn what_is_said_of_a_video_is_what_was_approved() {
    let mut line = Line::new(Manner::Usual, 10, false);
    line.job.content = Content {
        text: "A desk\n\nThe one I began on.".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["desk".into(), "indie maker".into()],
        lang: Some("en".into()),
        ..line.job.content
    };
    assert_eq!(line.run(), "done");
    let body: Value = serde_json::from_slice(&line.request("begin").body.concat()).unwrap();
    let expected = json!({
        "title": "A desk", "description": "The one I began on.\n\nhttps://example.org/a",
        "tags": ["desk", "indie maker"], "categoryId": "22", "defaultLanguage": "en",
    });
    assert_eq!(body["snippet"], expected);
}

#[test]
fn neither_secrets_nor_the_upload_session_are_printed_or_quoted() {
    let mut line = Line::new(Manner::Usual, 20 * MIB, true);
    assert_eq!(line.run(), "done");
    let shown = format!("{:?} {:?} {:?}", line.calls, line.done, line.session);
    assert!(shown.contains("chunk-0") && shown.contains("authorization") && shown.contains("upload_id"), "{shown}");
    for secret in ["twin-refresh", "GOCSPX", "ya29", "ADPycdu"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    let session = line.done[0].data[Checkpoint::PRIVATE].as_str().unwrap().to_owned();
    let id = session.rsplit('=').next().unwrap();
    for said in [session.as_str(), id, "GOCSPX-twin-client-secret", "1//twin-refresh-0"] {
        let errors = json!([{"reason": "invalidTitle"}]);
        let body = json!({"error": {"errors": errors, "message": format!("about {said}")}});
        let reading = line.read("publish-0", &HttpReply::json(400, &body));
        let Reading::Refused { why } = reading else { panic!("{reading:?}") };
        assert_eq!(why, "400 invalidTitle: about [secret]");
    }
}

#[test]
fn what_cannot_go_there_is_said_beforehand() {
    let reasons = |content: Content| -> String {
        let complaints = build_one("").0.unwrap().check(&content, &Session::default());
        complaints.into_iter().map(|complaint| complaint.reason).collect::<Vec<_>>().join("; ")
    };
    let with = |media: Vec<MediaItem>| reasons(Content { text: "A".into(), media, ..Content::default() });
    let known = |file: &str, mime, bytes| MediaItem {
        facts: Some(Arc::new(MediaFacts { mime, bytes, size: None, duration: None })),
        ..item(file)
    };
    assert_eq!(with(vec![item("a.mp4")]), "");
    assert_eq!(with(vec![item("a.mp4"), item("a.jpg")]), "");
    assert_eq!(with(vec![item("a"), item("a.PNG")]), "");
    assert_eq!(with(vec![known("a", "video/mp4", 9), known("b", "image/png", 9)]), "");
    // No reader of ours knows it; YouTube may.
    assert_eq!(with(vec![known("a.ts", "application/octet-stream", 9)]), "");
    let no_video = "youtube takes no post without videos";
    assert_eq!(with(vec![]), no_video);
    assert_eq!(with(vec![item("a.jpg")]), no_video);
    assert_eq!(with(vec![known("a.mp4", "image/png", 9)]), no_video);
    assert_eq!(with(vec![item("a.mp4"), item("b.mp4")]), "2 files, youtube takes 1");
    assert_eq!(with(vec![known("a", "audio/mpeg", 9)]), "youtube takes no sounds");
    let said = |lang: Option<&str>, media: Vec<MediaItem>| {
        reasons(Content { text: "A".into(), lang: lang.map(Into::into), media, ..Content::default() })
    };
    assert_eq!(said(Some("en"), vec![item("a.mp4"), item("a.SRT"), item("a.jpg")]), "");
    assert_eq!(said(Some("en"), vec![item("a.mp4"), known("a.vtt", "application/octet-stream", 9)]), "");
    assert_eq!(said(None, vec![item("a.mp4"), item("a.vtt")]), "nobody says what language the captions are in");
    let two = "2 files of captions, youtube takes one";
    assert_eq!(said(Some("en"), vec![item("a.mp4"), item("a.srt"), item("b.vtt")]), two);
    let named = MediaItem { alt: "x".repeat(151), ..item("a.srt") };
    let long = "the description of a.srt names its captions, in at most 150 characters";
    assert_eq!(said(Some("en"), vec![item("a.mp4"), named]), long);
    let text = "a.txt: only a video, its thumbnail and its captions can go to youtube";
    assert_eq!(with(vec![item("a.mp4"), item("a.txt")]), format!("2 files, youtube takes 1; {text}"));
    let two = "2 images, youtube takes one, as the thumbnail of the video";
    assert_eq!(with(vec![item("a.mp4"), item("a.png"), item("b.png")]), two);
    let gif = "the thumbnail is image/gif, youtube takes image/jpeg and image/png";
    assert_eq!(with(vec![item("a.mp4"), known("a", "image/gif", 9)]), gif);
    let large = "the thumbnail has 50000001 bytes, youtube takes 50000000";
    assert_eq!(with(vec![item("a.mp4"), known("a", "image/png", 50_000_001)]), large);
    let long = |seconds| {
        let facts =
            MediaFacts { mime: "video/mp4", bytes: 9, size: None, duration: Some(Duration::from_secs(seconds)) };
        with(vec![MediaItem { facts: Some(Arc::new(facts)), ..item("a.mp4") }])
    };
    assert_eq!(long(12 * 3600), "");
    assert_eq!(long(12 * 3600 + 1), "a.mp4 plays for more than 12 hours, youtube takes no longer video");
    let film = || Content { text: "A".into(), media: vec![item("a.mp4")], ..Content::default() };
    let followers = "youtube shows a video to everybody, or to who has its address";
    assert_eq!(reasons(Content { visibility: Visibility::Followers, ..film() }), followers);
    assert_eq!(reasons(Content { thread: vec!["b".into()], ..film() }), "youtube knows no threads");
    let answer = Some(ReplyTo::Theirs("https://www.youtube.com/watch?v=x".into()));
    assert_eq!(reasons(Content { reply_to: answer, ..film() }), "youtube lets nobody answer posts this way");
}

#[test]
fn files_are_looked_at_again_before_anything_is_sent() {
    let end = |media: Vec<(&str, &str)>| {
        let mut line = Line::new(Manner::Usual, 10, false);
        line.run_until("begin");
        line.job.media = media.iter().map(|(file, mime)| film(file, mime, 9)).collect();
        line.job.content.media = line.job.media.iter().map(|media| media.item.clone()).collect();
        line.steps.clear();
        let end = line.run();
        (end, line.steps.iter().any(|step| step == "begin"))
    };
    assert_eq!(end(vec![("a", "application/octet-stream")]), ("done".into(), true));
    let refused = |why: &str| (format!("refused: {why}"), false);
    assert_eq!(end(vec![("a.mp4", "image/png")]), refused("youtube takes no post without a video"));
    let sound = "a.mp4 is audio/mpeg, and only a video can go to youtube";
    assert_eq!(end(vec![("a.mp4", "audio/mpeg")]), refused(sound));
    let two = "youtube takes one video, one image as its thumbnail, and one file of captions";
    assert_eq!(end(vec![("a", "video/mp4"), ("b", "video/mp4")]), refused(two));
    let gif = "the thumbnail is image/gif, youtube takes image/jpeg and image/png";
    assert_eq!(end(vec![("a", "video/mp4"), ("b", "image/gif")]), refused(gif));
    let nothing = "b.srt holds no captions in UTF-8 with times";
    assert_eq!(end(vec![("a", "video/mp4"), ("b.srt", "application/octet-stream")]), refused(nothing));
}

#[test]
fn the_account_table_is_read_with_everything_wrong_in_it() {
    let keys = |text: &str| {
        let (adapter, complaints) = build_one(text);
        assert_eq!(adapter.is_none(), !complaints.is_empty());
        complaints.into_iter().map(|complaint| complaint.key).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys("playlist = 'PLabc_-1'\ncategory = '28'\nmade_for_kids = true"), "");
    assert_eq!(
        keys("playlist = 'https://www.youtube.com/playlist?list=PLabc'\ncategory = 'Music'"),
        "playlist category"
    );
    assert_eq!(keys("base_url = 'http://www.googleapis.com'\nauth_url = 'x'"), "base_url auth_url");
    let place = build_one("").0.unwrap().place();
    assert_eq!(place, "www.googleapis.com, token from credential token");
}

#[test]
fn kids_and_category_are_said_as_the_account_says() {
    let mut line = Line::new(Manner::Usual, 10, false);
    line.adapter = adapter(&line.twin, "made_for_kids = true\ncategory = '28'");
    assert_eq!(line.run(), "done");
    let body: Value = serde_json::from_slice(&line.request("begin").body.concat()).unwrap();
    assert_eq!(
        (&body["snippet"]["categoryId"], &body["status"]["selfDeclaredMadeForKids"]),
        (&json!("28"), &json!(true))
    );
}

proptest::proptest! {
    #[test]
    fn no_reply_makes_it_panic_or_believe_in_another_video(
        which in 0..FIXTURES.len(), status in 100u16..600, at in 0usize..2000, byte: u8, keep in 0usize..3,
    ) {
        let line = begun();
        let mut reply = fixture(FIXTURES[which].0);
        if keep == 0 {
            reply.status = status;
        }
        if keep < 2 && !reply.body.is_empty() {
            let at = at % reply.body.len();
            reply.body[at] = byte;
        }
        for step in STEPS {
            let reading = line.read(step, &reply);
            if let (true, Reading::Checkpoint(data) | Reading::Found(data)) = (step == "publish-0" || step == "look-0", reading) {
                proptest::prop_assert_eq!(data, json!({"published": VIDEO}));
                proptest::prop_assert!([200, 201].contains(&reply.status));
            }
        }
    }
}

/// One delivery against the imitation, call by call.
struct Line {
    adapter: Arc<dyn Adapter>,
    twin: YoutubeTwin,
    job: Job,
    purpose: Purpose,
    done: Vec<Checkpoint>,
    session: Session,
    now: Timestamp,
    /// Names of steps, and what was sent.
    steps: Vec<String>,
    calls: Vec<Step>,
    /// The call of the next run that is lost, and whether it arrives.
    lose: Option<(usize, bool)>,
}

impl Line {
    fn new(manner: Manner, bytes: usize, adorned: bool) -> Self {
        let twin = YoutubeTwin::with(manner);
        let mut media = vec![film("desk.mp4", "video/mp4", bytes)];
        if adorned {
            media.push(film("desk.png", "image/png", 9));
        }
        let items = media.iter().map(|media| media.item.clone()).collect();
        let content = Content { text: "A desk".into(), media: items, ..Content::default() };
        let job = Job {
            delivery: DeliveryId::new(PostId::new("p").unwrap(), "tube".parse().unwrap()),
            attempt: 1,
            key: "0".repeat(32),
            digest: Digest::of(b""),
            content,
            media,
            frozen: json!({}),
            started: NOW,
            answers: None,
            taken: Arc::new(BTreeSet::new()),
        };
        Self {
            adapter: adapter(&twin, ""),
            twin,
            job,
            purpose: Purpose::Publish,
            done: Vec::new(),
            session: Session::default(),
            now: NOW,
            steps: Vec::new(),
            calls: Vec::new(),
            lose: None,
        }
    }

    /// The video has captions of that name.
    fn caption(&mut self, name: &str) {
        let item = MediaItem { alt: name.into(), ..item("desk.srt") };
        let bytes = CAPTIONS.as_bytes().into();
        self.job.media.push(Media { item: item.clone(), mime: "application/octet-stream".into(), size: None, bytes });
        self.job.content.media.push(item);
        self.job.content.lang = Some("en".into());
    }

    /// One attempt; how it ended.
    fn run(&mut self) -> String {
        let mut scratch = Value::Null;
        for number in 0..200 {
            let secrets = self.twin.secrets(0);
            let attempt = Attempt {
                job: &self.job,
                purpose: self.purpose,
                done: &self.done,
                scratch: &scratch,
                session: &self.session,
                secrets: &secrets,
                now: self.now,
            };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(_) => return "done".into(),
                Next::Refuse(why) => return format!("refused: {why}"),
                other => return format!("{other:?}"),
            };
            self.steps.push(step.name.clone());
            self.calls.push(step.clone());
            let lost = self.lose.filter(|(call, _)| *call == number);
            if lost.is_none_or(|(_, arrives)| arrives) {
                let before = self.twin.published().len();
                let reply = self.twin.answer(&step.call, self.now);
                assert!(step.effect == Effect::Publishes || self.twin.published().len() == before, "{}", step.name);
                if lost.is_none() {
                    let reading = self.adapter.read(&attempt, &step, &reply);
                    match reading {
                        Reading::Learned(value) => scratch = value,
                        Reading::Session(session) => self.session = session,
                        Reading::Checkpoint(data) => self.keep(step.name, data),
                        Reading::Wait(span) => self.now = time::after(self.now, span),
                        Reading::Redo { .. } => self.done.clear(),
                        Reading::Found(data) => {
                            self.keep("publish-0".into(), data);
                            return "found".into();
                        }
                        Reading::RateLimited { until, .. } => {
                            self.now = until;
                            return format!("limited {until}");
                        }
                        Reading::Refused { why } => return format!("refused: {why}"),
                        ending => return word(&ending),
                    }
                    continue;
                }
            }
            self.lose = None;
            self.session = Session::default();
            return "lost".into();
        }
        panic!("no end: {:?}", self.steps);
    }

    fn keep(&mut self, step: String, data: Value) {
        self.done.retain(|held| held.step != step);
        self.done.push(Checkpoint { step, data });
    }

    /// Up to a step, whose reply is lost.
    fn run_until(&mut self, step: &str) -> String {
        let mut dry = Self::new(Manner::Usual, 10, false);
        dry.run();
        self.lose = Some((dry.steps.iter().position(|held| held == step).unwrap(), true));
        self.run()
    }

    /// Attempts, and looks where one was needed, until it is over.
    fn finish(&mut self) -> String {
        for _ in 0..20 {
            if self.steps.last().is_some_and(|step| step == "publish-0") {
                self.purpose = Purpose::LookBack;
                self.run();
                self.purpose = Purpose::Publish;
            }
            self.job.attempt += 1;
            self.now = time::after(self.now, Duration::from_secs(60));
            let end = self.run();
            if end == "done" {
                return end;
            }
        }
        panic!("it comes to no end: {:?}", self.steps);
    }

    /// What was sent last in a step.
    fn request(&self, step: &str) -> &Request {
        match &self.calls.iter().rev().find(|held| held.name == step).unwrap().call {
            Call::Http(request) => request,
            _ => panic!("files"),
        }
    }

    fn sent(&self, step: &str, header: &str) -> String {
        self.request(step).headers.iter().find(|(name, _)| *name == header).unwrap().1.expose()
    }

    fn read(&self, step: &str, reply: &HttpReply) -> Reading {
        let effect = match step {
            "publish-0" => Effect::Publishes,
            "begin" | "video" | "thumbnail" | "captions" | "playlist" => Effect::Leaves,
            _ => Effect::Harmless,
        };
        let secrets = self.twin.secrets(0);
        let attempt = Attempt {
            job: &self.job,
            purpose: self.purpose,
            done: &self.done,
            scratch: &Value::Null,
            session: &self.session,
            secrets: &secrets,
            now: self.now,
        };
        let wire = Wire::new(wire::API.parse().unwrap(), wire::AUTH.parse().unwrap());
        let step = Step { name: step.into(), effect, call: wire.own_channel(&Secret::new("unused")) };
        self.adapter.read(&attempt, &step, &Reply::Http(reply.clone()))
    }
}

/// A delivery whose film is up, and that has all steps before and behind it.
fn begun() -> Line {
    let mut line = Line::new(Manner::Usual, 20 * MIB, true);
    let keys = "base_url = 'https://www.googleapis.com'\nplaylist = 'PLabcdefghijkl'";
    line.adapter = adapter(&line.twin, keys);
    line.keep("begin".into(), json!({"private": "https://www.googleapis.com/upload?upload_id=ADPycdvFixture"}));
    line.keep("video".into(), json!({"video": VIDEO, "uploaded": NOW}));
    line
}

fn adapter(twin: &YoutubeTwin, more: &str) -> Arc<dyn Adapter> {
    let mut values = twin.table(0, "http://127.0.0.1:1/", "");
    values.extend(more.parse::<toml::Table>().unwrap());
    let mut table = Table::new("tube".parse().unwrap(), values, "/etc".into());
    build(&mut table).unwrap_or_else(|| panic!("{:?}", table.into_complaints()))
}

fn build_one(more: &str) -> (Option<Arc<dyn Adapter>>, Vec<Complaint>) {
    let text = format!(
        "client_id = 'c'\nclient_secret = {{ credential = 'secret' }}\nrefresh_token = {{ credential = 'token' }}\n{more}"
    );
    let mut table = Table::new("tube".parse().unwrap(), text.parse().unwrap(), "/etc".into());
    (build(&mut table), table.into_complaints())
}

fn item(file: &str) -> MediaItem {
    MediaItem { file: file.into(), alt: "A desk".into(), sha256: Digest::of(b""), facts: None }
}

fn film(file: &str, mime: &str, bytes: usize) -> Media {
    let bytes: Vec<u8> = (0..bytes).map(|at| (at / 65_521 + at) as u8).collect();
    Media { item: item(file), mime: mime.into(), size: None, bytes: bytes.into() }
}

fn fixture(name: &str) -> HttpReply {
    let text = FIXTURES.iter().find(|(held, _)| *held == name).unwrap().1;
    let value: Value = serde_json::from_str(text).unwrap();
    let headers = value["headers"].as_object().unwrap();
    HttpReply {
        status: u16::try_from(value["status"].as_u64().unwrap()).unwrap(),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect(),
        body: match &value["body"] {
            Value::String(text) => text.clone().into_bytes(),
            body => body.to_string().into_bytes(),
        },
        cut: false,
    }
}

/// A reading in a word or two.
fn word(reading: &Reading) -> String {
    match reading {
        Reading::Learned(scratch) => match (&scratch["stored"], &scratch["whole"], &scratch["in_playlist"]) {
            (Value::Number(stored), ..) => format!("has {stored}"),
            (_, Value::Bool(true), _) => "whole".into(),
            (.., Value::Bool(listed)) => format!("listed: {listed}"),
            _ if scratch["processed"] == true => "processed".into(),
            _ => "learned".into(),
        },
        Reading::Checkpoint(_) => "done".into(),
        Reading::Session(session) if session.identity.is_some() => "channel".into(),
        Reading::Session(session) if !session.values.contains_key("access_token") => "no token".into(),
        Reading::Session(_) => "token".into(),
        Reading::Found(_) => "found".into(),
        Reading::Absent => "absent".into(),
        Reading::Wait(span) => format!("wait {}", span.as_secs()),
        Reading::Retry { after: Some(after), .. } => format!("retry {}", after.as_secs()),
        Reading::Retry { after: None, .. } => "retry".into(),
        Reading::RateLimited { until, .. } => format!("limited {}", time::since(*until, NOW).as_secs()),
        Reading::Auth { .. } => "auth".into(),
        Reading::Refused { .. } => "refused".into(),
        Reading::Unclear { .. } => "unclear".into(),
        Reading::AlreadyThere { .. } => "look".into(),
        Reading::Redo { .. } => "redo".into(),
    }
}

#[test]
fn a_token_that_is_refused_again_at_once_stops_the_account() {
    let line = begun();
    let expired = fixture("auth-error");
    let Reading::Session(session) = line.read("look-0", &expired) else { panic!("another token is asked for") };
    let again = Line { session, ..begun() };
    assert_eq!(word(&again.read("look-0", &expired)), "auth");
    // A token of an hour that ends in its time is another thing.
    let later = Line { now: time::after(again.now, Duration::from_secs(3_600)), ..again };
    assert_eq!(word(&later.read("look-0", &expired)), "no token");
}

//! The files that people write: every message, at its place; nothing that a person can write makes us panic.
//!
//! The texts are snapshots below `tests/fixtures`; `INSTA_UPDATE=always` writes them anew, and `UPDATE_SCHEMAS=1` the
//! schemas below `config/schema`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cadenced::cli::schema;
use cadenced::config::{self, ConfigEnv, Settings};
use cadenced::domain::policy::ApprovalMode;
use cadenced::domain::{AccountId, Digest, Fault};
use cadenced::platform::REGISTRY;
use cadenced::queue::parse::{Reading, Surroundings};
use cadenced::queue::{Approval, parse};
use proptest::prelude::*;

const PLATFORMS: &[(&str, &[&str])] = &[
    ("bluesky", &["service", "handle", "password"]),
    ("mastodon", &["base_url", "token"]),
    ("site", &["path", "base_url", "title"]),
];

fn read_config(bytes: &[u8]) -> Result<(Settings, Vec<Fault>), Vec<Fault>> {
    let platforms: BTreeMap<_, _> = PLATFORMS.iter().map(|(name, keys)| (*name, keys.to_vec())).collect();
    let env =
        ConfigEnv { state_directory: Some("/state:/other"), runtime_directory: Some("/run/c"), platforms: &platforms };
    config::read(Path::new("/etc/cadenced/cadenced.toml"), bytes, &env)
}

fn accounts() -> BTreeSet<AccountId> {
    ["fedi", "bsky"].map(|id| AccountId::new(id).expect("an id")).into()
}

fn read_queue(bytes: &[u8]) -> Reading {
    let mut media = |path: &str| match path {
        "img/desk.jpg" => Ok(Digest::of(b"desk").into()),
        _ => Err("there is no such file".to_owned()),
    };
    let accounts = accounts();
    let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: Some(&accounts), media: &mut media };
    parse::read(&"q/a.toml".into(), bytes, &mut around)
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(Path::new("tests/fixtures").join(path)).expect("the fixture is there")
}

fn lines(faults: &[Fault]) -> String {
    let word =
        |fault: &Fault| if fault.severity == cadenced::domain::fault::Severity::Error { "" } else { "warning: " };
    faults.iter().map(|fault| format!("{}{fault}\n", word(fault))).collect()
}

fn snapshot(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("fixtures/{folder}"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_complete_configuration_is_read() {
    let (settings, warnings) = read_config(&fixture("config/complete.toml")).map_err(|faults| lines(&faults)).unwrap();
    snapshot("config", "complete", &lines(&warnings));
    let account = |id: &str| settings.accounts.get(id).unwrap();
    assert_eq!(settings.queue.path, Path::new("/etc/cadenced/queue"));
    assert_eq!(account("fedi").schedule.zone.iana_name(), Some("America/New_York"));
    assert_eq!(account("bsky").schedule.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(account("fedi").schedule.slots.len(), 2);
    assert_eq!(account("fedi").policy.quiet.len(), 1);
    assert_eq!(account("site").policy.quiet.len(), 0);
    assert_eq!((account("bsky").policy.max_per_day, account("fedi").policy.max_per_day), (2, 4));
    let rules = account("bsky").rules;
    assert_eq!((rules.timeout, rules.settle), (Duration::from_secs(10), Some(Duration::from_secs(300))));
    assert_eq!((rules.retry.first, rules.retry.tries), (Duration::from_secs(30), 3));
    let keys: Vec<_> = account("bsky").table.keys().collect();
    assert_eq!(keys, ["handle", "password", "service"]);
    assert_eq!(account("bsky").place("password").to_string(), "/etc/cadenced/cadenced.toml:50:12");
    assert_eq!(account("bsky").place("nothing").to_string(), "/etc/cadenced/cadenced.toml:46:1");
}

#[test]
fn an_empty_configuration_has_the_defaults_of_the_sample() {
    let (empty, _) = read_config(b"").unwrap();
    let (sample, warnings) = read_config(config::SAMPLE.as_bytes()).unwrap();
    assert_eq!(lines(&warnings), "");
    assert_eq!(format!("{empty:?}"), format!("{sample:?}"));
    assert_eq!(empty.store, Path::new("/state/store"));
    assert_eq!(empty.control.socket.as_deref(), Some(Path::new("/run/c/control.sock")));
    // Policy and rules show only in an account; and what the sample has commented out is right, too.
    let account = "\n[accounts.a]\nplatform = \"site\"\nslots = [\"0 9 * * *\"]\n";
    let plain: String = config::SAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_toml(rest)).unwrap_or(line).to_owned() + "\n")
        .collect();
    let of = |text: &str| read_config(text.as_bytes()).map_err(|faults| lines(&faults)).unwrap().0;
    let (empty, sample, full) =
        (of(account), of(&format!("{}{account}", config::SAMPLE)), of(&format!("{plain}{account}")));
    let shown = |settings: &Settings| {
        let account = settings.accounts.get("a").unwrap();
        format!("{:?} {:?}", account.policy, account.schedule.zone)
    };
    assert_eq!(shown(&empty), shown(&sample));
    assert_eq!(shown(&empty), shown(&full));
    assert_eq!(full.accounts.len(), 4);
}

fn is_toml(line: &str) -> bool {
    line.starts_with("[accounts.") || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

#[test]
fn every_fault_of_a_configuration_is_told_at_once() {
    let faults = lines(&read_config(&fixture("config/faults.toml")).unwrap_err());
    assert!(!faults.contains("hunter2"), "{faults}");
    snapshot("config", "faults", &faults);
    snapshot("config", "syntax", &lines(&read_config(&fixture("config/syntax.toml")).unwrap_err()));
}

#[test]
fn the_end_of_a_token_is_a_date_or_a_moment() {
    let read = |value: &str| {
        let text = format!("[accounts.fedi]\nplatform = \"mastodon\"\ntoken_expires = {value}\n");
        let expires = |settings: Settings| settings.accounts.into_values().next().unwrap().token_expires;
        read_config(text.as_bytes())
            .map(|(settings, _)| expires(settings).unwrap().to_string())
            .map_err(|all| lines(&all))
    };
    for value in ["2027-01-30", "\"2027-01-30\"", "2027-01-30T01:00:00+01:00", "2027-01-30T00:00:00Z"] {
        assert_eq!(read(value).as_deref(), Ok("2027-01-30T00:00:00Z"), "{value}");
    }
    for value in ["\"soon\"", "20270130", "2027-13-01", "\"\""] {
        assert!(read(value).is_err(), "{value}");
    }
}

#[test]
fn a_complete_queue_file_is_read() {
    let Reading { posts, faults } = read_queue(&fixture("queue/complete.toml"));
    assert_eq!(lines(&faults), "");
    let shown: String = posts.unwrap().iter().map(|post| format!("{post:#?}\n")).collect();
    snapshot("queue", "complete", &shown);
}

#[test]
fn every_fault_of_a_queue_file_is_told_at_once() {
    for name in ["faults", "syntax"] {
        let Reading { posts, faults } = read_queue(&fixture(&format!("queue/{name}.toml")));
        assert!(posts.is_none());
        snapshot("queue", name, &lines(&faults));
    }
}

#[test]
fn a_post_in_trouble_does_not_keep_the_others_back() {
    let Reading { posts, faults } = read_queue(&fixture("queue/troubles.toml"));
    let troubles: String = posts
        .unwrap()
        .iter()
        .map(|post| format!("{} {:?} {:?}\n", post.id, post.approval, post.rare.trouble))
        .collect();
    snapshot("queue", "troubles", &format!("{}\n{troubles}", lines(&faults)));
}

#[test]
fn files_are_bounded() {
    let many: String = (0..2001)
        .map(|at| format!("[[post]]\nid='p{at}'\nto=['fedi']\naudience='a'\ngoal='change'\ntext='x'\n"))
        .collect();
    let told = |bytes: &[u8]| lines(&read_queue(bytes).faults);
    assert_eq!(
        told(many.as_bytes()),
        "q/a.toml:12001:1: a file holds at most 2000 posts (split it into several files)\n"
    );
    assert!(told(&vec![b'#'; 1024 * 1024]).is_empty());
    assert!(told(&vec![b'#'; 1024 * 1024 + 1]).contains("larger than"));
    let long =
        "[[post]]\nid='p'\nto=['fedi']\naudience='a'\ngoal='change'\ntext='".to_owned() + &"x".repeat(65_537) + "'";
    assert_eq!(told(long.as_bytes()), "q/a.toml:6:6: \"text\" is longer than 65536 bytes\n");
    for bomb in
        ["[".repeat(1 << 20), "a.".repeat(1 << 19), "a=".to_owned() + &"{a=".repeat(300_000), "[a.".repeat(300_000)]
    {
        assert!(told(bomb.as_bytes()).contains("nested too deeply"), "{}", &bomb[..10]);
        assert!(lines(&read_config(bomb.as_bytes()).unwrap_err()).contains("nested too deeply"));
    }
    // A hundred thousand unknown keys on one line are not looked up one by one.
    let keys: String = (0..100_000).map(|at| format!("k{at}=1,")).collect();
    let told = told(format!("post = [{{{keys}}}]").as_bytes());
    assert!(told.ends_with("more faults are not listed\n"), "{}", &told[told.len() - 200..]);
}

#[test]
fn a_file_may_be_empty_and_may_have_a_mark_and_other_line_ends() {
    assert_eq!(read_queue(b"").posts, Some(Vec::new()));
    assert_eq!(read_queue(b"\xef\xbb\xbf").posts, Some(Vec::new()));
    let unix = "\u{feff}[[post]]\nid = 'a'\nto = ['fedi']\naudience = 'a'\ngoal = 'change'\ntext = '''\none\ntwo'''\n";
    let windows = unix.replace('\n', "\r\n");
    let digest = |text: &str| read_queue(text.as_bytes()).posts.unwrap()[0].digest;
    assert_eq!(digest(unix), digest(&windows));
    assert_eq!(lines(&read_queue("\u{feff}x = 1".as_bytes()).faults).split(' ').next(), Some("q/a.toml:1:1:"));
}

#[test]
fn approval_is_bound_to_the_content() {
    let text = String::from_utf8(fixture("queue/complete.toml")).unwrap();
    let posts = read_queue(text.as_bytes()).posts.unwrap();
    assert!(posts.iter().all(|post| post.approval == Approval::NotApproved));
    let ids = posts.iter().map(|post| (post.id.clone(), post.digest)).collect();
    let at = "2026-11-20T10:00:00Z".parse().unwrap();
    let approved = cadenced::queue::approval::approve(&text, &ids, "editor@example.org", at).unwrap();
    let state =
        |text: &str| -> Vec<_> { read_queue(text.as_bytes()).posts.unwrap().iter().map(|p| p.approval).collect() };
    assert_eq!(state(&approved), [Approval::Approved; 3]);
    let changed = approved.replace("A shorter story.", "A shorter story!");
    assert_eq!(state(&changed), [Approval::Stale, Approval::Approved, Approval::Approved]);
    let moved = approved.replace("2026-12-01T09:00:00+01:00", "2026-12-01T08:00:00Z");
    assert_eq!(state(&moved), [Approval::Approved; 3]);
    let default = approved.replace("lang = \"en\"", "lang = \"de\"");
    assert_eq!(state(&default), [Approval::Stale, Approval::Stale, Approval::Approved]);
}

#[test]
fn the_schemas_are_current() {
    for (name, schema) in [("cadenced", schema::config(REGISTRY)), ("queue", schema::queue())] {
        let path = format!("config/schema/{name}.schema.json");
        let made = schema::print(&schema);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == made, "{path} is not what the code says: UPDATE_SCHEMAS=1 writes it anew");
    }
}

#[test]
fn the_samples_fit_the_schemas() {
    let value = |bytes: &[u8]| -> serde_json::Value {
        let table: toml::Table = toml::from_str(std::str::from_utf8(bytes).unwrap()).unwrap();
        plain(toml::Value::Table(table))
    };
    let config = schema::config(&[]);
    let queue = schema::queue();
    fits(&value(config::SAMPLE.as_bytes()), &config, "cadenced.toml");
    fits(&value(&fixture("queue/complete.toml")), &queue, "queue");
    let mut wrong = value(&fixture("queue/complete.toml"));
    wrong["post"][0]["titel"] = "x".into();
    assert!(std::panic::catch_unwind(|| fits(&wrong, &queue, "queue")).is_err());
}

fn plain(value: toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Datetime(moment) => moment.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(key, value)| (key, plain(value))).collect(),
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
    }
}

/// What of JSON Schema our schemas lean on: types, keys, required keys, lists, enums.
fn fits(value: &serde_json::Value, schema: &serde_json::Value, at: &str) {
    let kind = match value {
        serde_json::Value::Object(_) => "object",
        serde_json::Value::Array(_) => "array",
        serde_json::Value::String(_) => "string",
        serde_json::Value::Bool(_) => "boolean",
        serde_json::Value::Number(number) if number.is_f64() => "number",
        _ => "integer",
    };
    if let Some(wanted) = schema["type"].as_str() {
        assert!(wanted == kind || (wanted, kind) == ("number", "integer"), "{at}: {kind} is not {wanted}");
    }
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value}");
    }
    for key in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(key.as_str().unwrap_or_default()).is_some(), "{at}: {key} is missing");
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let rest = &schema["additionalProperties"];
        let of = schema["properties"].get(key).unwrap_or(rest);
        assert!(*of != serde_json::Value::Bool(false), "{at}.{key} is unknown");
        fits(inner, of, &format!("{at}.{key}"));
    }
    for inner in value.as_array().into_iter().flatten() {
        fits(inner, &schema["items"], &format!("{at}[]"));
    }
}

/// Pieces that make text which is almost a queue file, or almost a configuration.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            "[[post]]", "[post]", "[[reply]]", "[defaults]", "[post.approval]", "[post.variant.fedi]", "[post.variant]",
            "[accounts.a]", "[accounts]", "[policy]", "[control]", "[accounts.a.delivery]", "id", "to", "text", "media", "at",
            "approval", "variant", "goal", "audience", "platform", "slots", "promotion", "quiet", "token", "retry", "min_gap",
            " = ", ".", ",", "[", "]", "{", "}", "\"", "'", "\"\"\"", "'''", "\\", "\\u202e", "#", "\n", "\r\n", "\r", " ", "\u{feff}",
            "1", "-1", "0x", "1e400", "nan", "true", "2026-12-01T09:00:00Z", "2026-12-01", "99:99", "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00:00+23:59", "\"fedi\"", "\"2h\"", "[\"fedi\"]", "\"site\"", "[\"* * * * *\"]", "{ share = 1 }", "\u{0}", "é", "\u{202e}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn inside(faults: &[Fault], bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let count = text.split('\n').count();
    for fault in faults {
        let line = fault.place.line as usize;
        assert!(line <= count, "{fault} of {count} lines");
        if let Some(span) = fault.place.span {
            assert!(span.start <= span.end && span.end <= bytes.len(), "{fault}");
            assert!(line > 0 && fault.place.column > 0, "{fault}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_text_makes_a_reader_panic(text in pieces()) {
        let Reading { posts, faults } = read_queue(text.as_bytes());
        inside(&faults, text.as_bytes());
        prop_assert!(posts.is_some() || !faults.is_empty());
        let faults = match read_config(text.as_bytes()) {
            Ok((_, faults)) => faults,
            Err(faults) => { prop_assert!(!faults.is_empty()); faults }
        };
        inside(&faults, text.as_bytes());
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        inside(&read_queue(&bytes).faults, &bytes);
        if let Err(faults) = read_config(&bytes) {
            inside(&faults, &bytes);
        }
    }

    #[test]
    fn a_cut_or_garbled_file_never_makes_a_reader_panic(name in 0usize..4, cut in any::<prop::sample::Index>(), byte: u8) {
        let path = ["queue/complete.toml", "queue/faults.toml", "config/complete.toml", "config/faults.toml"][name];
        let mut bytes = fixture(path);
        let at = cut.index(bytes.len());
        bytes[at] = byte;
        inside(&read_queue(&bytes).faults, &bytes);
        let _ = read_config(&bytes);
        bytes.truncate(at);
        inside(&read_queue(&bytes).faults, &bytes);
        let _ = read_config(&bytes);
    }

    #[test]
    fn the_layout_has_no_part_in_the_digest(order in Just(vec![0usize, 1, 2, 3, 4, 5, 6]).prop_shuffle(), style in any::<[bool; 7]>()) {
        let keys = [
            ("id = 'a'", "id = \"\\u0061\" # the name"),
            ("to = ['fedi', 'bsky']", "to = [\n  'fedi', # first\n  \"bsky\",\n]"),
            ("audience = 'x y'", "audience = '''\nx y'''"),
            ("goal = 'change'", "\"goal\" = \"change\""),
            ("text = \"one\\ntwo\"", "text = \"\"\"\none\ntwo\"\"\""),
            ("at = 2026-12-01T09:00:00+01:00", "at = 2026-12-01 08:00:00.000Z"),
            ("media = [{ file = 'img/desk.jpg', alt = 'd' }]", "media = [{ alt = 'd', file = 'img/desk.jpg' }]"),
        ];
        let line = |at: usize| if style[at] { keys[at].1 } else { keys[at].0 };
        let body: String = order.iter().map(|&at| format!("{}\n", line(at))).collect();
        let base: String = keys.iter().map(|(plain, _)| format!("{plain}\n")).collect();
        let variant = if style[0] { "[post.variant.bsky]\ntext='v'" } else { "variant = { bsky = { text = \"v\" } }" };
        let of = |body: &str, variant: &str| read_queue(format!("[[post]]\n{body}{variant}\n").as_bytes()).posts.unwrap()[0].clone();
        let (one, other) = (of(&body, variant), of(&base, "variant.bsky.text = 'v'"));
        prop_assert_eq!(&one.body, &other.body);
        prop_assert_eq!(one.digest, other.digest);
        let content = one.content(&AccountId::new("bsky").unwrap());
        prop_assert_eq!(content.text, "v");
        prop_assert_eq!(content.media[0].sha256, Digest::of(b"desk"));
    }
}

#[test]
fn without_approvals_being_in_the_queue_is_enough() {
    let file: Arc<str> = "x.toml".into();
    let mut media = |_: &str| Err("no".to_owned());
    let mut around = Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
    let read = parse::read(&file, b"[[post]]\nid='a'\nto=['any']\naudience='a'\ngoal='change'\ntext='t'", &mut around);
    let post = &read.posts.unwrap()[0];
    assert_eq!((post.approval, &*post.order.file, post.order.place), (Approval::Approved, "x.toml", 0));
}

#[test]
fn the_samples_build_with_the_real_platforms() {
    let platforms = cadenced::cli::check::platform_keys(REGISTRY);
    let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
    let path = Path::new("/etc/cadenced/cadenced.toml");
    let (settings, _) =
        config::read(path, &fixture("config/complete.toml"), &env).map_err(|faults| lines(&faults)).unwrap();
    let (adapters, faults) = cadenced::cli::check::build(&settings, REGISTRY);
    assert_eq!(lines(&faults), "");
    assert_eq!(adapters.len(), 3);
}

//! What the benchmarks share: posts, accounts, a server that answers as cheaply as it can, and the binary as a child.

#![allow(dead_code, reason = "each benchmark uses its own part of this file")]

pub mod daemon;
pub mod ledger;
pub mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cadenced::cli::check::{build, platform_keys};
use cadenced::config::read::{ConfigEnv, draft};
use cadenced::domain::{AccountId, Secret, Timestamp};
use cadenced::engine::AccountSetup;
use cadenced::parts::Inbox;
use cadenced::platform::REGISTRY;
use cadenced::platform::contract::Secrets;
use cadenced::queue::parse::{self, Surroundings};

pub fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("stdout is open");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn ticks() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "a benchmark waits for its child")]
pub fn pause(span: std::time::Duration) {
    std::thread::sleep(span);
}

/// A size from the command line: the first argument that is a number. `cargo bench` hands over others.
pub fn size(default: usize) -> usize {
    std::env::args().skip(1).find_map(|argument| argument.replace('_', "").parse().ok()).unwrap_or(default)
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// As many file descriptors as the system lets us have: both ends of each connection are ours.
pub fn many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

pub fn account(n: usize) -> String {
    format!("account-{n:05}")
}

/// A configuration with so many Mastodon accounts on one server. `slots` as in the file.
pub fn config(accounts: usize, base_url: &str, slots: &str) -> String {
    let mut text = String::from(
        "timezone = \"UTC\"\n[queue]\npath = \"queue\"\napproval = \"none\"\n[store]\npath = \"store\"\n[log]\nformat = \"json\"\n\
         [control]\nsocket = \"control.sock\"\n[policy]\nmax_per_day = 1000000\nmin_gap = \"0s\"\nlate_grace = \"1d\"\n",
    );
    for n in 0..accounts {
        let name = account(n);
        write!(
            text,
            "[accounts.{name}]\nplatform = \"mastodon\"\nbase_url = \"{base_url}\"\ntoken = {{ env = \"TOKEN_{n}\" }}\nslots = {slots}\n"
        )
        .expect("text");
    }
    text
}

/// The accounts of such a configuration, ready for work.
pub fn setups(config: &str) -> Vec<AccountSetup> {
    let platforms = platform_keys(REGISTRY);
    let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
    let draft = draft(Path::new("/bench/cadenced.toml"), config.as_bytes(), &env);
    assert!(draft.usable, "{:?}", draft.faults);
    let settings = draft.settings.expect("settings");
    let (adapters, faults) = build(&settings, REGISTRY);
    assert!(faults.is_empty(), "{faults:?}");
    let token = |id: &AccountId| Secrets([("token".to_owned(), Secret::new(format!("token-of-{id}")))].into());
    let accounts = settings.accounts.values();
    accounts
        .map(|account| AccountSetup {
            id: account.id.clone(),
            adapter: adapters[&account.id].clone(),
            secrets: token(&account.id),
            schedule: account.schedule.clone(),
            policy: account.policy.clone(),
            rules: account.rules,
            links: account.links.clone(),
            paused: account.paused,
            identity: None,
            token_expires: None,
            seal: None,
        })
        .collect()
}

/// Words that English prose is made of; what is built of them compresses about as well as what people write.
const WORDS: &str = "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they \
    which one you were all her she there would their we him been has when who will no more if out so what up said about other \
    into than its time only could new them man some these then two first may any like now my such make over our even most \
    after also made many before must through years where much your way well down should because long each just state those \
    people little good world very year still see own work men day get here between both life being under three never know \
    same last another while us off might great go come since against right came take used himself few house use place \
    during high without again home around small however found thought went say part once general upon school every left \
    desk lamp letter garden bread river window market street neighbour workshop kitchen morning evening winter harvest \
    question answer reader maker founder customer promise mistake habit practice patience craft journey harbour mountain";

/// Some 160 characters that no other number has.
fn prose(n: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut state = n as u64;
    let mut text = format!("Number {n}:");
    while text.len() < 160 {
        // Knuth's constants for MMIX; the square makes the first words of the list come more often, as in a language.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let share = (state >> 33) as f64 / (1u64 << 31) as f64;
        text.push(' ');
        text.push_str(words[((share * share) * words.len() as f64) as usize]);
    }
    text
}

/// Post number `n`, as in a queue file: some 250 characters for one account.
pub fn post(n: usize, account: &str, at: Option<Timestamp>) -> String {
    let at = at.map(|at| format!("at = {at}\n")).unwrap_or_default();
    let text = prose(n);
    format!(
        "[[post]]\nid = \"2026-11-post-{n:07}\"\nto = [\"{account}\"]\naudience = \"indie-founders\"\ngoal = \"connection\"\n\
         text = \"\"\"\n{text}.\"\"\"\nlink = \"https://example.org/story/{n}\"\nlang = \"en\"\n\
         tags = [\"buildinpublic\"]\n{at}\n"
    )
}

/// Posts `from..to`, over so many accounts, as one queue file.
pub fn file(from: usize, to: usize, accounts: usize, at: impl Fn(usize) -> Option<Timestamp>) -> String {
    (from..to).map(|n| post(n, &account(n % accounts), at(n))).collect()
}

/// What the inbox says of such a file.
pub fn inbox(name: &str, text: &str) -> Inbox {
    let file: Arc<str> = name.into();
    let mut around = Surroundings {
        approval: cadenced::domain::policy::ApprovalMode::None,
        accounts: None,
        media: &mut |_| Err("there is none".into()),
    };
    let reading = parse::read(&file, text.as_bytes(), &mut around);
    assert!(reading.posts.is_some() && reading.faults.is_empty(), "{:?}", reading.faults);
    Inbox::File { file, posts: reading.posts, faults: Vec::new() }
}

/// Writes a queue of `posts` posts, `per_file` in each file.
pub fn write_queue(folder: &Path, posts: usize, per_file: usize, accounts: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    for (number, from) in (0..posts).step_by(per_file).enumerate() {
        let text = file(from, (from + per_file).min(posts), accounts, |_| None);
        std::fs::write(folder.join(format!("{number:05}.toml")), text).expect("a file");
    }
}

/// A line of `/proc/PID/status`, in kilobytes.
pub fn status_kb(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

pub fn mib(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// CPU that a process has used so far, in seconds: of the process itself, and of the kernel for it.
pub fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let jiffies = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Linux tells user space hundredths of a second, whatever its own clock does.
    (jiffies(11) + jiffies(12)) / 100.0
}

/// How often each thing was seen.
pub type Counts = BTreeMap<String, u64>;

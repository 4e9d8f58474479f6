//! What a run is about: accounts, policies, posts and how bad the world is, all drawn from the seed.

use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::policy::{
    ApprovalMode, Cron, DeliveryRules, Missed, Policy, Promotion, Quiet, Retry, Schedule, Unanswered,
};
use cadenced::domain::{Timestamp, time};
use cadenced::queue::{Approval, Order, Post, parse};

use crate::chance::Chance;

/// Days in which faults happen and posts are added.
pub const DAYS: u64 = 6;

#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub chance: Chance,
    pub start: Timestamp,
    pub accounts: Vec<AccountPlan>,
    /// Queue files: name and the posts they hold as TOML, one by one.
    pub files: Vec<(Arc<str>, Vec<PostPlan>)>,
    pub weather: Weather,
}

#[derive(Debug, Clone)]
pub struct AccountPlan {
    pub id: String,
    /// Which twin, and which account of it.
    pub twin: usize,
    pub number: u32,
    pub schedule: Schedule,
    pub policy: Policy,
    pub rules: DeliveryRules,
}

/// A post as it was written, and as it was read: a text is read once, and not at each edit of its file.
#[derive(Debug, Clone)]
pub struct PostPlan {
    pub toml: String,
    pub approved: bool,
    pub version: u32,
    read: Post,
}

impl PostPlan {
    fn new(toml: String, approved: bool) -> Self {
        let read = read_one(&toml);
        Self { toml, approved, version: 1, read }
    }

    /// Another text under the same name.
    pub fn change(&mut self, approved: bool) {
        let (old, new) = (format!(" v{} ", self.version), format!(" v{} ", self.version + 1));
        self.toml = self.toml.replace(&old, &new);
        self.version += 1;
        self.approved = approved;
        self.read = read_one(&self.toml);
    }
}

/// How often things go wrong, in a thousand.
#[derive(Debug, Clone)]
pub struct Weather {
    pub crash: u64,
    pub never_left: u64,
    pub lost_request: u64,
    pub lost_reply: u64,
    pub late_effect: u64,
    pub server_error: u64,
    pub garbage: u64,
    pub throttle: u64,
    pub expire: u64,
    pub revoke: u64,
    pub disk: u64,
    pub edits: u64,
    pub clock_jumps: bool,
}

impl Weather {
    pub fn calm() -> Self {
        Self {
            crash: 0,
            never_left: 0,
            lost_request: 0,
            lost_reply: 0,
            late_effect: 0,
            server_error: 0,
            garbage: 0,
            throttle: 0,
            expire: 0,
            revoke: 0,
            disk: 0,
            edits: 0,
            clock_jumps: false,
        }
    }

    fn draw(chance: &mut Chance) -> Self {
        // Each kind of trouble is absent in some runs, so that one does not always hide another.
        let mut sometimes = |most: u64| if chance.permille(350) { 0 } else { chance.below(most + 1) };
        Self {
            crash: sometimes(60),
            never_left: sometimes(100),
            lost_request: sometimes(100),
            lost_reply: sometimes(250),
            late_effect: sometimes(200),
            server_error: sometimes(150),
            garbage: sometimes(80),
            throttle: sometimes(40),
            expire: sometimes(60),
            revoke: sometimes(10),
            disk: sometimes(30),
            edits: sometimes(30),
            clock_jumps: sometimes(9) >= 8,
        }
    }
}

const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"];
const SLOTS: [&[&str]; 5] =
    [&["0 9 * * *"], &["0 */3 * * *"], &["30 2 * * *", "15 14 * * *"], &["*/20 * * * *"], &["0 8,12,18 * * *"]];
/// Ordinary days, and the days on which Berlin, New York and Lord Howe change their clocks.
const STARTS: [&str; 6] = [
    "2026-06-10T00:00:00Z",
    "2026-03-27T00:00:00Z",
    "2026-10-23T00:00:00Z",
    "2026-03-06T00:00:00Z",
    "2026-10-30T00:00:00Z",
    "2026-04-03T00:00:00Z",
];

impl Scenario {
    pub fn draw(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let start: Timestamp = chance.pick(&STARTS).parse().unwrap();
        let twins = crate::world::twin_count() as u64;
        let accounts: Vec<AccountPlan> =
            (0..1 + chance.below(3)).map(|n| account(&mut chance, n as usize, twins)).collect();
        let mut files = Vec::new();
        let mut number = 0;
        for file in 0..1 + chance.below(3) {
            let posts = (0..chance.below(7))
                .map(|_| {
                    number += 1;
                    post(&mut chance, number, start, &accounts)
                })
                .collect();
            files.push((format!("f{file}.toml").into(), posts));
        }
        let weather = Weather::draw(&mut chance);
        Self { seed, chance, start, accounts, files, weather }
    }
}

fn account(chance: &mut Chance, n: usize, twins: u64) -> AccountPlan {
    let zone = chance.pick(&ZONES);
    let slots = chance.pick(&SLOTS).iter().map(|text| cron(text)).collect();
    let quiet = if chance.permille(300) {
        vec![Quiet { from: jiff::civil::time(22, 0, 0, 0), to: jiff::civil::time(7, 0, 0, 0) }]
    } else {
        Vec::new()
    };
    let policy = Policy {
        max_per_day: 1 + chance.below(6) as u32,
        min_gap: Duration::from_secs(*chance.pick(&[0, 600, 3600, 7200])),
        missed: *chance.pick(&[Missed::NextSlot, Missed::Skip, Missed::Now]),
        late_grace: Duration::from_secs(*chance.pick(&[600, 3600, 6 * 3600])),
        promotion: *chance.pick(&[
            Promotion { share: 1.0, window: 10 },
            Promotion { share: 0.5, window: 4 },
            Promotion { share: 0.2, window: 10 },
        ]),
        unanswered: Unanswered { max: 5, older_than: Duration::from_secs(86_400) },
        quiet,
        runway_warn: Duration::from_secs(7 * 86_400),
    };
    let rules = DeliveryRules {
        timeout: Duration::from_secs(60),
        settle: None,
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3600), tries: 8 },
    };
    AccountPlan {
        id: format!("a{n}"),
        twin: chance.below(twins) as usize,
        number: n as u32,
        schedule: Schedule { zone: jiff::tz::TimeZone::get(zone).unwrap(), slots },
        policy,
        rules,
    }
}

fn cron(text: &str) -> Cron {
    let pattern = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build().parse(text);
    Cron { text: text.into(), pattern: pattern.unwrap() }
}

/// A new post. Its text tells post, version and part, so that the oracle knows it wherever it appears.
pub fn post(chance: &mut Chance, number: u64, start: Timestamp, accounts: &[AccountPlan]) -> PostPlan {
    let id = format!("p{number}");
    let mut to: Vec<String> =
        accounts.iter().filter(|_| chance.permille(600)).map(|account| format!("\"{}\"", account.id)).collect();
    if to.is_empty() {
        to.push(format!("\"{}\"", chance.pick(accounts).id));
    }
    let goal = if chance.permille(300) { "promotion" } else { "connection" };
    let mut keys = String::new();
    let in_days =
        |chance: &mut Chance, days: u64| time::after(start, Duration::from_secs(chance.below(days * 86_400) / 60 * 60));
    if chance.permille(200) {
        keys += &format!("at = {}\n", in_days(chance, DAYS));
    } else if chance.permille(150) {
        keys += &format!("not_before = {}\n", in_days(chance, 3));
    }
    if chance.permille(100) && !keys.starts_with("not_before") {
        keys += &format!("expires = {}\n", time::after(in_days(chance, DAYS), Duration::from_secs(10 * 86_400)));
    }
    if chance.permille(200) {
        keys += &format!("series = \"s{}\"\n", chance.below(2));
    }
    if chance.permille(200) {
        keys += &format!("priority = {}\n", chance.below(3));
    }
    let parts = if chance.permille(200) { 1 + chance.below(3) } else { 0 };
    if parts > 0 {
        let parts: Vec<String> = (1..=parts).map(|part| format!("\"{}\"", marker(&id, 1, part))).collect();
        keys += &format!("thread = [{}]\n", parts.join(", "));
    }
    if chance.permille(200) {
        keys += "media = [{ file = \"dot.png\", alt = \"a dot\" }]\n";
    }
    let text = marker(&id, 1, 0);
    let toml = format!(
        "[[post]]\nid = \"{id}\"\nto = [{}]\naudience = \"all\"\ngoal = \"{goal}\"\ntext = \"{text}\"\n{keys}\n",
        to.join(", ")
    );
    PostPlan::new(toml, chance.permille(930))
}

/// What stands in the text of a part.
pub fn marker(post: &str, version: u32, part: u64) -> String {
    format!("[{post} v{version} part{part}]")
}

/// The posts of a file as the reader gives them.
pub fn read(file: &Arc<str>, plans: &[PostPlan]) -> Vec<Post> {
    let posts = (0..).zip(plans).map(|(place, plan)| {
        let mut post = plan.read.clone();
        post.order = Order { file: file.clone(), place };
        if !plan.approved {
            post.approval = Approval::NotApproved;
        }
        post
    });
    posts.collect()
}

fn read_one(toml: &str) -> Post {
    let mut media = |_: &str| Ok(cadenced::domain::Digest::of(&dot()));
    let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
    let reading = parse::read(&"one.toml".into(), toml.as_bytes(), &mut around);
    let mut posts = reading.posts.unwrap_or_else(|| panic!("{toml}\n{:?}", reading.faults));
    posts.remove(0)
}

/// The bytes of the one image there is: a PNG of one pixel.
pub fn dot() -> Vec<u8> {
    vec![
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1,
        8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0xf8, 0xcf,
        0xc0, 0, 0, 3, 1, 1, 0, 0xc9, 0xfe, 0x92, 0xef, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ]
}

//! What a run is about: accounts, policies, posts and how bad the world is, all drawn from the seed.

use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::policy::{
    ApprovalMode, Cron, DeliveryRules, Missed, Policy, Promotion, Quiet, Retry, Schedule, Unanswered,
};
use cadenced::domain::{AccountId, Digest, Dollars, MediaFacts, MediaItem, PostId, Timestamp, time};
use cadenced::platform::contract::{Abilities, Media};
use cadenced::queue::{Approval, Order, Post, parse};

use super::chance::Chance;
use super::twins;

/// Which kind of life a run leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// A few days in which something happens every few minutes.
    Dense,
    /// Two such days: for the whole daemon, whose steps take longer.
    Brief,
    /// Months and years as people have them: one to three slots a day, somebody who fills the queue every few days, and
    /// trouble every other day, all through, beside what happens to calls and commands.
    Long,
    /// Two to ten years of somebody who says little and steadily: one to four posts a week, a queue that is filled
    /// every week or two, trouble as seldom.
    Years,
}

impl Family {
    /// Those in which people fill the queue.
    pub fn is_of_people(self) -> bool {
        matches!(self, Self::Long | Self::Years)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Brief => "brief",
            Self::Long => "long",
            Self::Years => "years",
        }
    }

    /// For how many days a post may ask for its moment in advance.
    fn ahead(self) -> u64 {
        match self {
            Self::Dense | Self::Long => 6,
            Self::Years => 20,
            Self::Brief => BRIEF_DAYS,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub family: Family,
    pub chance: Chance,
    pub start: Timestamp,
    /// Days in which faults happen and posts are added.
    pub days: u64,
    pub rhythm: Rhythm,
    pub accounts: Vec<AccountPlan>,
    /// Queue files: name and the posts they hold as TOML, one by one.
    pub files: Vec<(Arc<str>, Vec<PostPlan>)>,
    pub weather: Weather,
    /// Accounts on X prove themselves by OAuth 2.0, whose tokens work once.
    pub oauth2: bool,
}

/// How many seconds pass between two of a kind: at least, and at most so many more.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub trouble: (u64, u64),
    pub operator: (u64, u64),
    /// Somebody who fills the queue and takes out of it what is over.
    pub editor: Option<(u64, u64)>,
}

#[derive(Debug, Clone)]
pub struct AccountPlan {
    pub id: String,
    /// Which twin, and which account of it.
    pub twin: usize,
    pub can: Abilities,
    /// The files that it takes.
    takes: Vec<&'static str>,
    pub number: u32,
    pub schedule: Schedule,
    pub policy: Policy,
    pub rules: DeliveryRules,
}

impl AccountPlan {
    fn move_to(&mut self, twin: usize) {
        let entry = twins::entries()[twin];
        self.twin = twin;
        self.can = entry.can;
        self.takes = FILES.iter().copied().filter(|file| twins::takes(entry, &media_item(file))).collect();
    }
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

    /// What it is called.
    pub fn id(&self) -> &PostId {
        &self.read.id
    }

    pub fn to(&self) -> &[AccountId] {
        &self.read.to
    }

    /// Posts are numbered as they are written.
    pub fn number(&self) -> u64 {
        self.read.id.as_str()[1..].parse().expect("p and a number")
    }

    /// Whether this content may go out on this account.
    pub fn allows(&self, account: &AccountId, digest: &Digest) -> bool {
        self.approved && self.read.digest == *digest && self.read.to.contains(account)
    }

    /// Whether somebody has signed this content.
    pub fn is_signed(&self, digest: &Digest) -> bool {
        self.approved && self.read.digest == *digest
    }

    /// No moment is asked for any more.
    pub fn forget_times(&mut self) {
        let timed = |line: &&str| ["at = ", "not_before = ", "expires = "].iter().any(|key| line.starts_with(key));
        self.toml = self.toml.lines().filter(|line| !timed(line)).map(|line| format!("{line}\n")).collect();
        self.read = read_one(&self.toml);
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
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// At each command.
    pub crash: u64,
    /// At each call.
    pub never_left: u64,
    pub lost_request: u64,
    pub lost_reply: u64,
    pub late_effect: u64,
    pub server_error: u64,
    pub garbage: u64,
    /// At each batch.
    pub disk: u64,
    /// Whenever trouble comes.
    pub throttle: u64,
    pub expire: u64,
    pub revoke: u64,
    pub outage: u64,
    pub edits: u64,
    pub folder: u64,
    pub accounts: u64,
    pub stops: u64,
    pub clock_jumps: bool,
}

impl Weather {
    fn draw(chance: &mut Chance, family: Family) -> Self {
        // Each kind of trouble is absent in some runs, so that one does not always hide another.
        let mut sometimes = |most: u64| if chance.permille(350) { 0 } else { chance.below(most + 1) };
        // People's networks are bad, and not that bad.
        let part = if family.is_of_people() { 4 } else { 1 };
        Self {
            crash: sometimes(60 / part),
            never_left: sometimes(100 / part),
            lost_request: sometimes(100 / part),
            lost_reply: sometimes(250 / part),
            late_effect: sometimes(200 / part),
            server_error: sometimes(150 / part),
            garbage: sometimes(80 / part),
            disk: sometimes(30),
            throttle: sometimes(200),
            expire: sometimes(300),
            revoke: sometimes(50),
            outage: sometimes(20),
            edits: sometimes(120),
            folder: sometimes(20),
            accounts: sometimes(20),
            stops: sometimes(20),
            clock_jumps: sometimes(9) >= 7,
        }
    }
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/Santiago",
    "Asia/Kolkata",
    "Pacific/Chatham",
];
const SLOTS: [&[&str]; 5] =
    [&["0 9 * * *"], &["0 */3 * * *"], &["30 2 * * *", "15 14 * * *"], &["*/20 * * * *"], &["0 8,12,18 * * *"]];
/// A slot a second for a while.
const SLOT_A_SECOND: [&str; 2] = ["* 0 12 * * *", "0 16 * * *"];
const SLOTS_OF_PEOPLE: [&[&str]; 6] = [
    &["0 9 * * *"],
    &["30 2 * * *"],
    &["30 9 * * MON-FRI", "0 11 * * SAT,SUN"],
    &["15 1 * * *", "0 12 * * MON"],
    &["0 9 * * *", "30 17 * * *"],
    &["0 8,12,18 * * *"],
];
/// One to four a week.
const SLOTS_OF_A_WEEK: [&[&str]; 6] = [
    &["0 9 * * MON,WED,FRI"],
    &["30 2 * * TUE,SUN"],
    &["0 10 * * TUE", "30 17 * * FRI"],
    &["0 12 * * WED"],
    &["15 1 * * MON,TUE,THU,SUN"],
    &["0 8,18 * * SAT"],
];
/// Days of a dense run, and of a brief one, in which faults happen.
const DENSE_DAYS: u64 = 6;
const BRIEF_DAYS: u64 = 2;
/// Ordinary days, and the days on which Berlin, New York and Lord Howe change their clocks.
const STARTS: [&str; 6] = [
    "2026-06-10T00:00:00Z",
    "2026-03-27T00:00:00Z",
    "2026-10-23T00:00:00Z",
    "2026-03-06T00:00:00Z",
    "2026-10-30T00:00:00Z",
    "2026-04-03T00:00:00Z",
];

/// Where a seed tells the number of twins.
const TWINS_SHIFT: u32 = 56;

/// The seed as it was drawn when there were so many twins.
pub const fn of_so_many(twins: u64, seed: u64) -> u64 {
    (twins << TWINS_SHIFT) | seed
}

/// The seed of a run whose accounts are all on X, which bills requests and whose tokens may work once.
pub const fn on_x(seed: u64) -> u64 {
    of_so_many(ON_X, seed)
}

const ON_X: u64 = 0xff;

/// Budgets of a month, in millionths of a dollar: for one post and a few.
const BUDGETS: [i64; 4] = [30_000, 70_000, 150_000, 400_000];

impl Scenario {
    /// The highest byte of a seed says how many of the twins its run may have; 0 is all of them, and [`ON_X`] only X.
    pub fn draw(family: Family, seed: u64) -> Self {
        let all = twins::entries().len() as u64;
        let (twins, drawn) = (seed >> TWINS_SHIFT, seed & ((1 << TWINS_SHIFT) - 1));
        // Runs with fewer twins are kept as they were drawn.
        let of_today = matches!(twins, 0 | ON_X);
        let only_x = twins == ON_X;
        let twins = if of_today { all } else { twins };
        // A stream of its own, so that no run is another one for it.
        let mut money = Chance::new(drawn ^ (0x6d6f_6e65 << 32));
        let oauth2 = of_today && money.permille(600);
        let stream = match family {
            Family::Dense | Family::Brief => 0,
            Family::Long => 0x6c6f_6e67 << 32,
            Family::Years => 0x7965_6172 << 32,
        };
        let mut chance = Chance::new(drawn ^ stream);
        let (start, days, rhythm) = match family {
            Family::Dense | Family::Brief => {
                let rhythm = Rhythm { trouble: (60, 3600), operator: (3600, 40_000), editor: None };
                let days = if family == Family::Dense { DENSE_DAYS } else { BRIEF_DAYS };
                (chance.pick(&STARTS).parse().unwrap(), days, rhythm)
            }
            Family::Long | Family::Years => {
                let new_year: Timestamp = "2024-01-01T00:00:00Z".parse().unwrap();
                let start = time::after(new_year, Duration::from_secs(chance.below(6 * 366) * 86_400));
                let day = 86_400;
                if family == Family::Long {
                    let rhythm =
                        Rhythm { trouble: (3600, 4 * day), operator: (day / 2, day), editor: Some((day, 6 * day)) };
                    (start, *chance.pick(&[60, 90, 120, 180, 240, 365, 365, 730]), rhythm)
                } else {
                    let rhythm =
                        Rhythm { trouble: (day, 14 * day), operator: (day, 5 * day), editor: Some((5 * day, 9 * day)) };
                    (start, *chance.pick(&[730, 1095, 1461, 1826, 3652]), rhythm)
                }
            }
        };
        // Most people have one.
        let how_many: &[u64] = match family {
            Family::Brief => &[1, 2, 3],
            Family::Dense | Family::Long => &[1, 1, 1, 2, 3],
            Family::Years => &[1, 1, 1, 1, 2],
        };
        let mut accounts: Vec<AccountPlan> =
            (0..*chance.pick(how_many)).map(|n| account(&mut chance, family, n as usize, twins)).collect();
        for plan in accounts.iter_mut().filter(|_| of_today) {
            if only_x {
                plan.move_to(twins::x());
            }
            if plan.twin == twins::x() && money.permille(700) {
                plan.policy.budget = Some(Dollars(*money.pick(&BUDGETS)));
            }
        }
        let mut files = Vec::new();
        let mut number = 0;
        for file in 0..1 + chance.below(3) {
            let posts = (0..chance.below(7))
                .map(|_| {
                    number += 1;
                    post(&mut chance, family, number, start, &accounts)
                })
                .collect();
            files.push((format!("f{file}.toml").into(), posts));
        }
        let weather = Weather::draw(&mut chance, family);
        Self { seed, family, chance, start, days, rhythm, accounts, files, weather, oauth2 }
    }
}

/// When an account is to publish.
pub fn slots(chance: &mut Chance, family: Family) -> Vec<Cron> {
    let texts = match family {
        Family::Dense if chance.permille(60) => &SLOT_A_SECOND,
        Family::Dense | Family::Brief => *chance.pick(&SLOTS),
        Family::Long => *chance.pick(&SLOTS_OF_PEOPLE),
        Family::Years => *chance.pick(&SLOTS_OF_A_WEEK),
    };
    texts.iter().map(|text| cron(text)).collect()
}

/// Whether slots of people who mean what they write: one that always lies in quiet hours is never kept.
pub fn may_be_kept(family: Family, slots: &[Cron], policy: &Policy) -> bool {
    let by_night = |cron: &Cron| ["30 2", "15 1"].iter().any(|night| cron.text.starts_with(night));
    !family.is_of_people() || policy.quiet.is_empty() || !slots.iter().any(by_night)
}

fn account(chance: &mut Chance, family: Family, n: usize, twins: u64) -> AccountPlan {
    let zone = chance.pick(&ZONES);
    let slots: Vec<Cron> = slots(chance, family);
    let quiet = if chance.permille(300) {
        vec![Quiet { from: jiff::civil::time(22, 0, 0, 0), to: jiff::civil::time(7, 0, 0, 0) }]
    } else {
        Vec::new()
    };
    let mut policy = Policy {
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
        budget: None,
        spray: cadenced::domain::policy::Spray::default(),
    };
    if !may_be_kept(family, &slots, &policy) {
        policy.quiet.clear();
    }
    let rules = DeliveryRules {
        timeout: Duration::from_secs(60),
        settle: None,
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3600), tries: 8 },
    };
    let twin = chance.below(twins) as usize;
    let mut plan = AccountPlan {
        id: format!("a{n}"),
        twin,
        can: twins::entries()[twin].can,
        takes: Vec::new(),
        number: n as u32,
        schedule: Schedule { zone: jiff::tz::TimeZone::get(zone).unwrap(), slots },
        policy,
        rules,
    };
    plan.move_to(twin);
    plan
}

/// How many slots of people there are in a week.
pub fn a_week(slots: &[Cron]) -> usize {
    let of = |cron: &Cron| {
        let mut fields = cron.text.split(' ').skip(1);
        let hours = fields.next().map_or(1, |hours| hours.split(',').count());
        let days = match fields.nth(2) {
            Some("*") | None => 7,
            Some("MON-FRI") => 5,
            Some(days) => days.split(',').count(),
        };
        hours * days
    };
    slots.iter().map(of).sum()
}

pub fn cron(text: &str) -> Cron {
    let pattern = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build().parse(text);
    Cron { text: text.into(), pattern: pattern.unwrap() }
}

/// A new post. Its text tells post, version and part, so that the oracle knows it wherever it appears.
pub fn post(chance: &mut Chance, family: Family, number: u64, start: Timestamp, accounts: &[AccountPlan]) -> PostPlan {
    let id = format!("p{number}");
    let mut to: Vec<&AccountPlan> = accounts.iter().filter(|_| chance.permille(600)).collect();
    if to.is_empty() {
        to.push(chance.pick(accounts));
    }
    let goal = if chance.permille(300) { "promotion" } else { "connection" };
    let mut keys = String::new();
    let in_days =
        |chance: &mut Chance, days: u64| time::after(start, Duration::from_secs(chance.below(days * 86_400) / 60 * 60));
    let mut from = start;
    if chance.permille(200) {
        from = in_days(chance, family.ahead());
        keys += &format!("at = {from}\n");
    } else if chance.permille(150) {
        from = in_days(chance, family.ahead() / 2);
        keys += &format!("not_before = {from}\n");
    }
    if chance.permille(100) {
        keys += &format!("expires = {}\n", time::after(from, Duration::from_secs(3600 + chance.below(9 * 86_400))));
    }
    if chance.permille(200) {
        keys += &format!("series = \"s{}\"\n", chance.below(2));
    }
    if chance.permille(200) {
        keys += &format!("priority = {}\n", chance.below(3));
    }
    let parts = if chance.permille(200) { 1 + chance.below(3) } else { 0 };
    let parts = if to.iter().all(|account| account.can.threads) { parts } else { 0 };
    if parts > 0 {
        let parts: Vec<String> = (1..=parts).map(|part| format!("\"{}\"", marker(&id, 1, part))).collect();
        keys += &format!("thread = [{}]\n", parts.join(", "));
    }
    if let Some(file) = file_for(&mut to, chance.permille(200)) {
        keys += &format!("media = [{{ file = \"{file}\", alt = \"a dot\" }}]\n");
    }
    let to: Vec<String> = to.iter().map(|account| format!("\"{}\"", account.id)).collect();
    let text = marker(&id, 1, 0);
    let toml = format!(
        "[[post]]\nid = \"{id}\"\nto = [{}]\naudience = \"all\"\ngoal = \"{goal}\"\ntext = \"{text}\"\n{keys}\n",
        to.join(", ")
    );
    PostPlan::new(toml, chance.permille(930))
}

/// A file that all these accounts take, where one of them needs it or somebody wants it. Where there is none for all,
/// the post goes to the first account only.
fn file_for(to: &mut Vec<&AccountPlan>, wanted: bool) -> Option<&'static str> {
    let for_all =
        |to: &[&AccountPlan]| FILES.iter().copied().find(|file| to.iter().all(|account| account.takes.contains(file)));
    if !wanted && to.iter().all(|account| account.can.text_alone) {
        return None;
    }
    for_all(to).or_else(|| {
        to.truncate(1);
        for_all(to)
    })
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
    let mut media = |file: &str| Ok(cadenced::domain::Digest::of(&bytes_of(file)).into());
    let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
    let reading = parse::read(&"one.toml".into(), toml.as_bytes(), &mut around);
    let mut posts = reading.posts.unwrap_or_else(|| panic!("{toml}\n{:?}", reading.faults));
    posts.remove(0)
}

/// The bytes of the one image there is: a PNG of one pixel.
fn dot() -> Vec<u8> {
    vec![
        0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1,
        8, 6, 0, 0, 0, 0x1f, 0x15, 0xc4, 0x89, 0, 0, 0, 0x0d, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0xf8, 0xcf,
        0xc0, 0, 0, 3, 1, 1, 0, 0xc9, 0xfe, 0x92, 0xef, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
    ]
}

/// The files that there are.
const DOT: &str = "dot.png";
const CLIP: &str = "clip.mp4";
const SHOT: &str = "shot.jpg";
const FILES: [&str; 3] = [DOT, CLIP, SHOT];

/// A file as somebody who has looked into it knows it.
fn media_item(file: &str) -> MediaItem {
    let bytes = bytes_of(file);
    let (mime, size) = kind_of(file);
    let duration = (file == CLIP).then_some(Duration::from_secs(10));
    let facts = MediaFacts { mime, bytes: bytes.len() as u64, size: Some(size), duration };
    MediaItem { file: file.into(), alt: "a dot".into(), sha256: Digest::of(&bytes), facts: Some(Arc::new(facts)) }
}

fn kind_of(file: &str) -> (&'static str, (u32, u32)) {
    match file {
        CLIP => ("video/mp4", (640, 480)),
        SHOT => ("image/jpeg", (1, 1)),
        _ => ("image/png", (1, 1)),
    }
}

/// A file as the edge hands it out.
pub fn media(item: MediaItem) -> Media {
    let (mime, size) = kind_of(&item.file);
    let bytes = bytes_of(&item.file).into();
    Media { item, mime: mime.into(), size: Some(size), bytes }
}

fn bytes_of(file: &str) -> Vec<u8> {
    match file {
        CLIP => b"a film that nobody has shot".to_vec(),
        SHOT => b"\xff\xd8\xff\xe0 no more than begin and end \xff\xd9".to_vec(),
        _ => dot(),
    }
}

//! A story that shows what a report looks like: two years of a small business that is made up, with people, conversations
//! and sales that never were. It is told in records, as both journals would hold them; the same at any time and anywhere.
//!
//! What is in it: a beat that grows steadier, with gaps of several causes; a quiet series that people come back for; a post
//! that many saw and nobody answered; people of all standings, bots, conversations that wait; outcomes in two currencies.

mod cast;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;

pub use cast::crowd;

use cast::{Dice, bot, profile};

use crate::domain::{
    AccountId, DeliveryId, Digest, Gain, GainKind, Interaction, JsonText, Message, Money, PersonId, PostId, Profile,
    Remote, Timestamp, time,
};
use crate::engage::record::Came;
use crate::engage::{self, Sample};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Intent, Outcome};

/// When it is told: a Monday, shortly after a post.
pub const NOW: Timestamp = Timestamp::constant(1_794_820_800, 0);
const SEED: u64 = 202_611;
const WEEKS: u64 = 104;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The hours of the week of an account's slots, with which of the week's three posts goes out then.
type Slots = &'static [(u64, u64)];
/// Account, platform, slots.
const ACCOUNTS: [(&str, &str, Slots); 3] = [
    ("bsky", "bluesky", &[(34, 0), (82, 2)]),
    ("fedi", "mastodon", &[(9, 0), (57, 1), (105, 2)]),
    ("page", "linkedin", &[(56, 3)]),
];
/// What the posts of a week are: topic, audience, series, how many people they move, and how many see them.
const KINDS: [(&str, &str, Option<&str>, u64, u64); 3] = [
    ("shop-story", "indie-founders", None, 9, 1_400),
    ("bench-note", "repair-cafes", Some("bench-notes"), 13, 320),
    ("how-it-works", "bike-shops", Some("how-it-works"), 6, 1_900),
];
/// Weeks with a post that everybody sees and nobody needs.
const LOUD: [u64; 3] = [47, 92, 101];
/// The moment of the last message that is settled where it is not answered.
const SETTLED: Duration = Duration::from_secs(16 * 86_400);

/// The records of the story.
#[derive(Debug)]
pub struct Story {
    pub zones: BTreeMap<AccountId, TimeZone>,
    /// Of the delivery journal, oldest first.
    pub deliveries: Vec<Record>,
    /// About people, oldest first.
    pub people: Vec<engage::Record>,
}

/// Tells it.
pub fn story() -> Story {
    let mut teller = Teller::new();
    for week in 0..=WEEKS {
        teller.week(week);
    }
    teller.deliveries.sort_by_key(|record| record.at);
    teller.people.sort_by_key(|record| record.at);
    let zones = ACCOUNTS.iter().map(|(account, ..)| (name(account), TimeZone::UTC)).collect();
    Story { zones, deliveries: teller.deliveries, people: teller.people }
}

struct Teller {
    dice: Dice,
    deliveries: Vec<Record>,
    people: Vec<engage::Record>,
    /// By platform.
    crowds: BTreeMap<&'static str, Crowd>,
    /// What was delivered of late, for those who buy: post, account, and whether it is of the quiet series.
    late: Vec<(PostId, AccountId, bool)>,
    gains: u64,
}

/// The people of one platform.
#[derive(Default)]
struct Crowd {
    /// With the weeks in which they come and go.
    regulars: Vec<(Profile, u64, u64)>,
    others: Vec<Profile>,
    met: std::collections::BTreeSet<PersonId>,
    next: u64,
}

fn name(account: &str) -> AccountId {
    AccountId::new(account).expect("an account")
}

/// When a week of the story begins.
fn monday(week: u64) -> Timestamp {
    let last = time::before(NOW, HOUR * 9 + Duration::from_secs(20 * 60));
    time::before(last, DAY * 7 * u32::try_from(WEEKS - week.min(WEEKS)).unwrap_or(0))
}

impl Teller {
    fn new() -> Self {
        let mut dice = Dice::new(SEED);
        let mut crowds = BTreeMap::new();
        for (_, platform, _) in ACCOUNTS {
            let mut crowd = Crowd::default();
            for _ in 0..if platform == "linkedin" { 12 } else { 30 } {
                let from = dice.below(WEEKS);
                let until = from + dice.between(6, 50);
                crowd.regulars.push((profile(platform, crowd.next), from, until));
                crowd.next += 1;
            }
            crowds.insert(platform, crowd);
        }
        Self { dice, deliveries: Vec::new(), people: Vec::new(), crowds, late: Vec::new(), gains: 0 }
    }

    fn week(&mut self, week: u64) {
        for (account, platform, slots) in ACCOUNTS {
            for (hour, post) in slots {
                let slot = time::after(monday(week), HOUR * u32::try_from(*hour).unwrap_or(0));
                if slot > NOW {
                    continue;
                }
                // The page has one of the three in turn.
                let kind = usize::try_from(if *post == 3 { week % 3 } else { *post }).unwrap_or(0);
                match self.gap(week, account, *post) {
                    Some(reason) => {
                        let fact = Fact::SlotEmpty { account: name(account), slot, reason: reason.into(), run: None };
                        self.deliveries.push(Record::new(slot, fact));
                    }
                    None => self.post(week, account, platform, kind, slot),
                }
            }
            self.mention(week, account, platform);
        }
        self.gain(week);
    }

    /// Why a slot was not kept.
    fn gap(&mut self, week: u64, account: &str, post: u64) -> Option<&'static str> {
        match week {
            22 | 23 | 61 | 98 => Some("nothing is left to send"),
            40 if post < 2 => Some("the daemon was not running"),
            70 | 71 if account == "page" => Some("the account's token is not accepted"),
            100 if post == 2 => Some("too many people wait for an answer"),
            96 if post == 1 => Some("promotion would pass its share"),
            0..20 if self.dice.chance(22) => Some("nothing is left to send"),
            _ => None,
        }
    }

    fn post(&mut self, week: u64, account: &'static str, platform: &'static str, kind: usize, slot: Timestamp) {
        let (topic, audience, series, ..) = KINDS[kind];
        let loud = LOUD.contains(&week) && account == "page";
        let date = TimeZone::UTC.to_datetime(slot).date().iso_week_date();
        let topic = if loud { "giveaway" } else { topic };
        let post = PostId::new(&format!("{}-w{:02}-{topic}", date.year(), date.week())).expect("an id");
        let promotion = loud || kind == 2 && week.is_multiple_of(3);
        let goal = match kind {
            _ if promotion => "promotion",
            2 => "change",
            0 if week.is_multiple_of(4) => "change",
            _ => "connection",
        };
        let series = series.filter(|_| !loud);
        let body = serde_json::json!({"audience": audience, "goal": goal, "series": series, "text": "made up"});
        let id = DeliveryId::new(post.clone(), name(account));
        let at = time::after(slot, Duration::from_secs(self.dice.between(1, 9)));
        let at = if self.dice.chance(3) { time::after(at, Duration::from_secs(2_400)) } else { at };
        let intent = Intent {
            delivery: id.clone(),
            platform: platform.into(),
            host: None,
            attempt: 1,
            tries: 0,
            digest: Digest([0; 32]),
            key: String::new(),
            slot: Some(slot),
            fixed: false,
            fingerprint: 0,
            promotion,
            counts: true,
            body: body.to_string(),
            link: None,
            by: None,
            frozen: serde_json::Value::Null,
            started: at,
        };
        let remote = Remote { id: post.to_string(), url: None, reference: JsonText::default() };
        let outcome = Outcome::Delivered { remote, reconciled: false };
        self.deliveries.push(Record::new(at, Fact::Intent(Box::new(intent))));
        self.deliveries.push(Record::new(at, Fact::Outcome { delivery: id.clone(), attempt: 1, outcome }));
        if !loud {
            self.late.push((post, name(account), kind == 1));
        }
        self.respond(&id, platform, at, week, kind, loud);
    }

    /// What people do with a post, and what is seen of it at its looks.
    fn respond(&mut self, id: &DeliveryId, platform: &'static str, at: Timestamp, week: u64, kind: usize, loud: bool) {
        let (_, _, _, moves, views) = KINDS[kind];
        let grown = 40 + 80 * week / WEEKS;
        let many = if loud { 1 } else { moves * grown * self.dice.between(50, 150) / 10_000 };
        let gone = week == 97 && platform == "bluesky" && kind == 2;
        // The page does not tell of every post who it was.
        let silent = platform == "linkedin" && kind == 2 && !loud;
        // Nobody has looked yet.
        let many = if gone || time::since(NOW, at) < HOUR { 0 } else { many };
        let mut acts: Vec<(Timestamp, Interaction, PersonId)> = Vec::new();
        for number in 0..many {
            let moment = time::after(at, Duration::from_secs(180 + self.dice.soon(6 * 86_400)));
            let person = self.somebody(platform, week, at);
            match self.dice.below(100) {
                0..22 if !silent => {
                    self.talk(id, &id.account, Some(id), number, &person, moment);
                    acts.push((moment, Interaction::Reply, person));
                }
                0..74 => acts.push((moment, Interaction::Like, person)),
                74..90 => acts.push((moment, Interaction::Repost, person)),
                90..95 => acts.push((moment, Interaction::Quote, person)),
                _ => acts.push((moment, Interaction::Save, person)),
            }
        }
        if platform != "linkedin" {
            for number in 0..5 {
                if self.dice.chance(30) {
                    let machine = bot(platform, number);
                    self.meet(platform, &machine, at);
                    acts.push((time::after(at, Duration::from_secs(60 + number)), Interaction::Repost, machine.person));
                }
            }
        }
        let views = match () {
            () if platform != "linkedin" => None,
            () if loud => Some(self.dice.between(28_000, 46_000)),
            () => Some(views * grown / 100 + self.dice.below(views)),
        };
        self.look(id, at, &acts, views, gone, silent);
    }

    fn look(
        &mut self,
        id: &DeliveryId,
        at: Timestamp,
        acts: &[(Timestamp, Interaction, PersonId)],
        views: Option<u64>,
        gone: bool,
        silent: bool,
    ) {
        let mut before = Timestamp::MIN;
        for (age, part) in [(HOUR, 40), (DAY, 85), (DAY * 7, 100)] {
            let moment = time::after(at, age);
            if moment > NOW {
                return;
            }
            let (mut counts, mut came) = (BTreeMap::new(), BTreeMap::<_, Vec<Came>>::new());
            if !gone {
                counts.extend([Interaction::Like, Interaction::Repost].map(|kind| (kind, 0)));
                counts.extend((!silent).then_some((Interaction::Reply, 0)));
                for (when, kind, person) in acts.iter().filter(|(when, ..)| *when <= moment) {
                    *counts.entry(*kind).or_default() += 1;
                    if !silent && *kind != Interaction::Reply && *when > before {
                        came.entry(*kind).or_default().push(Came(person.clone(), *when));
                    }
                }
                if let Some(views) = views {
                    counts.insert(Interaction::View, views * part / 100);
                    counts.insert(Interaction::Click, views * part / 100 / 45);
                }
            }
            let mut sample =
                Sample { delivery: id.clone(), age: age.as_secs(), gone, counts, came, left: BTreeMap::new() };
            // One in fifty thinks better of it.
            if let Some((_, kind, person)) = acts
                .first()
                .filter(|(when, kind, _)| *when <= before && *kind != Interaction::Reply && self.dice.chance(6))
            {
                sample.left.insert(*kind, vec![person.clone()]);
            }
            self.people.push(engage::Record::new(moment, engage::Fact::Sampled(Box::new(sample))));
            before = moment;
        }
    }

    /// Somebody says something, and mostly we answer; some come back to that.
    fn talk(
        &mut self,
        about: &DeliveryId,
        account: &AccountId,
        below: Option<&DeliveryId>,
        number: u64,
        person: &PersonId,
        moment: Timestamp,
    ) {
        let root = format!("{about}-{number}");
        let mut say = |at: Timestamp, id: String, parent: Option<String>, by: Option<&PersonId>| {
            let url = by.map(|_| format!("https://social.example/{id}"));
            let (by, answer) = (by.cloned(), id.clone());
            let message = Message { id, parent, by, at, text: "made up".into(), url, answer, private: false };
            let fact = engage::Fact::Said { account: account.clone(), delivery: below.cloned(), message };
            if at < NOW {
                self.people.push(engage::Record::new(at, fact));
            }
        };
        say(moment, root.clone(), below.map(|_| "ours".into()), Some(person));
        // We have learned to answer faster.
        let lazy = 60 - time::since(moment, monday(0)).as_secs() / 86_400 / 15;
        let answered = time::after(moment, Duration::from_secs(900 + self.dice.soon(lazy * 3_600)));
        if self.dice.chance(86) {
            say(answered, format!("{root}-answer"), Some(root.clone()), None);
            if self.dice.chance(25) {
                let again = time::after(answered, Duration::from_secs(1_800 + self.dice.soon(86_400)));
                say(again, format!("{root}-more"), Some(format!("{root}-answer")), Some(person));
                let last = time::after(again, HOUR * 3);
                say(last, format!("{root}-last"), Some(format!("{root}-more")), None);
            }
        } else if moment < time::before(NOW, SETTLED) {
            let fact =
                engage::Fact::Settled { account: account.clone(), ids: vec![root], by: "mara@workshop.example".into() };
            self.people.push(engage::Record::new(time::after(moment, DAY * 3), fact));
        }
    }

    fn mention(&mut self, week: u64, account: &'static str, platform: &'static str) {
        if platform == "linkedin" || !self.dice.chance(70) {
            return;
        }
        let moment = time::after(monday(week), Duration::from_secs(self.dice.below(6 * 86_400)));
        if moment < NOW {
            let about = DeliveryId::new(PostId::new(&format!("mention-{week}")).expect("an id"), name(account));
            let person = self.somebody(platform, week, moment);
            self.talk(&about, &name(account), None, 0, &person, moment);
        }
    }

    /// One who comes often, one who was here before, or one who has never been.
    fn somebody(&mut self, platform: &'static str, week: u64, at: Timestamp) -> PersonId {
        let crowd = self.crowds.entry(platform).or_default();
        let here: Vec<usize> = crowd
            .regulars
            .iter()
            .enumerate()
            .filter(|(_, one)| (one.1..one.2).contains(&week))
            .map(|one| one.0)
            .collect();
        let chance = self.dice.below(100);
        let who = if chance < 50 && !here.is_empty() {
            crowd.regulars[self.dice.pick(&here)].0.clone()
        } else if chance < 70 && !crowd.others.is_empty() {
            // Of those who came last.
            let last = crowd.others.len().saturating_sub(60);
            crowd.others[last + usize::try_from(self.dice.below((crowd.others.len() - last) as u64)).unwrap_or(0)]
                .clone()
        } else {
            let new = profile(platform, crowd.next);
            crowd.next += 1;
            crowd.others.push(new.clone());
            new
        };
        self.meet(platform, &who, at);
        who.person
    }

    fn meet(&mut self, platform: &'static str, who: &Profile, at: Timestamp) {
        if self.crowds.entry(platform).or_default().met.insert(who.person.clone()) {
            self.people.push(engage::Record::new(at, engage::Fact::Person(who.clone())));
        }
    }

    /// What is bought, mostly by those who read the quiet series.
    fn gain(&mut self, week: u64) {
        if !self.dice.chance(35 + 50 * week / WEEKS) {
            return;
        }
        let asked = time::after(monday(week), Duration::from_secs(self.dice.below(5 * 86_400)));
        let quiet = self.dice.chance(70);
        let last = self.late.len().saturating_sub(18);
        let near: Vec<_> = self.late[last..].iter().filter(|(.., of_series)| *of_series == quiet).collect();
        let told = if near.is_empty() || self.dice.chance(25) { None } else { Some(self.dice.pick(&near)) };
        let (post, account) = told.map(|(post, account, _)| (post.clone(), account.clone())).unzip();
        let mut gain = |at: Timestamp, kind, money: Option<Money>| {
            self.gains += 1;
            let (key, note) = (format!("crm-{:04}", self.gains), String::new());
            let gain = Gain { key, at, kind, post: post.clone(), account: account.clone(), money, note };
            if at < NOW {
                self.deliveries.push(Record::new(at, Fact::Gained(Box::new(gain))));
            }
        };
        gain(asked, GainKind::Lead, None);
        if self.dice.chance(40) {
            let currency = if self.dice.chance(70) { "EUR" } else { "CHF" }.parse().expect("a currency");
            let mut money =
                |low, high| Money { micros: self.dice.between(low, high).cast_signed() * 5_000_000, currency };
            let bought = time::after(asked, DAY * 12);
            let (first, again) = (money(40, 240), money(20, 90));
            gain(bought, GainKind::Customer, Some(first));
            gain(time::after(bought, DAY * 45), GainKind::Revenue, Some(again));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Report, Reporter, Window};

    fn report(since: &str) -> Report {
        let story = story();
        let window = Window { since: since.parse().unwrap(), until: NOW };
        let mut reporter = Reporter::new(window, story.zones);
        story.deliveries.iter().for_each(|record| reporter.record(record));
        story.people.iter().for_each(|record| reporter.people(record));
        reporter.finish()
    }

    #[test]
    fn it_is_told_the_same_each_time_and_has_everything_in_it() {
        let (all, again) = (report("2024-11-01T00:00:00Z"), report("2024-11-01T00:00:00Z"));
        assert_eq!(all, again);
        assert_eq!(all.not_measured, [""; 0]);
        assert!(
            all.accounts.iter().all(|account| account.beat.kept > 80 && account.beat.gaps.len() > 3),
            "{:?}",
            all.accounts
        );
        let standing = all.people.standing;
        let each = [standing.core, standing.returning, standing.new, standing.cooling, standing.lost];
        assert!(each.iter().all(|many| *many > 5), "{standing:?}");
        assert!(all.people.advocates > 2 && all.people.bots.len() == 2);
        assert!(all.people.measured.silent > 0 && all.people.measured.gone > 0 && all.people.measured.not_yet > 0);
        assert!((3..30).contains(&all.conversations.waiting.len()), "{:?}", all.conversations.waiting.len());
        assert_eq!(all.outcomes.total.revenue.len(), 2);
        assert!(all.outcomes.without_post.leads > 0);
        let late = report("2026-08-18T00:00:00Z");
        for verdict in [super::super::Verdict::LoudAndUseless, super::super::Verdict::QuietAndUseful] {
            assert!(late.comparison.posts.iter().any(|line| line.verdict == Some(verdict)), "{verdict:?}");
        }
    }
}

//! People: who did something with posts of ours, who came back, who brought others.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{BotSign, Interaction, PersonId, Timestamp, time};
use crate::engage::people::{self, FAITHFUL, People, Person, Standing, is_core, week_starts};

use super::{Measured, Window, week};

/// What is counted, in words.
const COUNTS: &str = "people who answered, mentioned, quoted, reposted, liked or saved, each once; no bots, no accounts of ours, \
    nobody who only looked; core: three or more interactions in two or more weeks of the last 90 days";
/// Most people of the core that are named.
const NAMED: usize = 50;

/// What people did. Bots are told beside and counted nowhere else; accounts of ours are nobody.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PeopleSummary {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// Deliveries of which it is known who it was.
    pub measured: Measured,
    /// People who did something within the time that is looked at.
    pub distinct: u64,
    /// Of them, those whose very first interaction on record lies within it.
    pub first_time: u64,
    /// Everybody on record, by what they are to us at its end.
    pub standing: Standings,
    /// People who brought others at least twice, by different posts, in the last 90 days of it.
    pub advocates: u64,
    /// What people did within it, by kind. A kind that is absent was not seen.
    pub kinds: BTreeMap<Interaction, u64>,
    /// What says that somebody is a bot, and how many there are who did something within it.
    pub bots: Vec<Bots>,
    /// Every week from the first to the last in which somebody did something, oldest first. Weeks begin in UTC.
    pub weeks: Vec<PeopleWeek>,
    /// In the order of their names.
    pub platforms: Vec<PlatformPeople>,
    /// Those who come back, the most faithful first: by weeks and then by interactions in the last 90 days. At most 50;
    /// `standing.core` says how many there are.
    pub core: Vec<CorePerson>,
}

/// How many people stand how to us. Together they are everybody on record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Standings {
    pub core: u64,
    pub returning: u64,
    pub new: u64,
    pub cooling: u64,
    pub lost: u64,
}

/// Bots, by what says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bots {
    pub sign: BotSign,
    /// `sign` in words.
    pub reason: &'static str,
    pub accounts: u64,
}

/// One week of people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeopleWeek {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    /// People who did something in it.
    pub distinct: u64,
    /// Of them, those who had never done anything before it.
    pub new: u64,
    /// Of them, those who had.
    pub returning: u64,
    /// How many belonged to the core at its end.
    pub core: u64,
}

/// The people of one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlatformPeople {
    pub platform: String,
    pub distinct: u64,
    pub first_time: u64,
    pub standing: Standings,
    pub advocates: u64,
    /// Bots that did something, whatever says so.
    pub bots: u64,
}

/// Somebody who comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorePerson {
    pub person: PersonId,
    /// What people call them, without `@`; empty where it is not on record.
    pub handle: String,
    pub platform: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// What they did in the last 90 days.
    pub interactions: u64,
    /// In how many weeks of the last 90 days.
    pub weeks: u64,
    pub advocate: bool,
}

/// A week while it is counted.
#[derive(Debug, Default)]
struct Counted {
    distinct: u64,
    new: u64,
    core: u64,
}

/// Counts everybody on record.
pub fn summary(people: &People, measured: Measured, window: &Window) -> PeopleSummary {
    let mut summary = PeopleSummary { counts: COUNTS, measured, ..PeopleSummary::default() };
    let mut weeks: BTreeMap<u32, Counted> = BTreeMap::new();
    let mut platforms: BTreeMap<&str, PlatformPeople> = BTreeMap::new();
    let mut core = Vec::new();
    // The window ends before `until`, and what was done is told to the second.
    let last = time::before(window.until, std::time::Duration::from_secs(1));
    for person in people.people() {
        let Some(standing) = person.standing(last) else { continue };
        let platform = platform(&mut platforms, person);
        summary.standing.add(standing);
        platform.standing.add(standing);
        let advocate = person.is_advocate(last);
        summary.advocates += u64::from(advocate);
        platform.advocates += u64::from(advocate);
        if standing == Standing::Core {
            core.push(core_person(person, advocate, last));
        }
        let inside = person.between(window.since, last);
        if inside.is_empty() {
            continue;
        }
        let first_time = inside.len() == person.between(Timestamp::MIN, last).len();
        (summary.distinct, platform.distinct) = (summary.distinct + 1, platform.distinct + 1);
        summary.first_time += u64::from(first_time);
        platform.first_time += u64::from(first_time);
        inside.iter().for_each(|act| *summary.kinds.entry(act.kind).or_default() += 1);
        for week in inside.chunk_by(|a, b| a.week() == b.week()) {
            let counted = weeks.entry(week[0].week()).or_default();
            counted.distinct += 1;
            counted.new += u64::from(week[0].week() == person.acts[0].week());
        }
    }
    let mut weeks = week::without_gaps(weeks);
    people.people().for_each(|person| grow(&mut weeks, person, last));
    summary.weeks = weeks.into_iter().map(|(number, counted)| PeopleWeek::new(number, &counted)).collect();
    for bot in people.bots().filter(|bot| !bot.between(window.since, last).is_empty()) {
        platform(&mut platforms, bot).bots += 1;
        let Some(sign) = bot.bot else { continue };
        match summary.bots.iter_mut().find(|bots| bots.sign == sign) {
            Some(bots) => bots.accounts += 1,
            None => summary.bots.push(Bots { sign, reason: sign.reason(), accounts: 1 }),
        }
    }
    summary.bots.sort_by_key(|bots| bots.sign);
    summary.platforms = platforms.into_values().collect();
    core.sort_by(|a, b| (b.weeks, b.interactions, &a.person).cmp(&(a.weeks, a.interactions, &b.person)));
    core.truncate(NAMED);
    summary.core = core;
    summary
}

/// Counts somebody for each week at whose end they belonged to the core.
fn grow(weeks: &mut BTreeMap<u32, Counted>, person: Person<'_>, last: Timestamp) {
    let (Some(first), Some(latest)) = (person.acts.first(), person.acts.last()) else { return };
    if !is_core(person.acts) {
        return;
    }
    let until = people::week(time::after(latest.at(), FAITHFUL));
    for (number, counted) in weeks.range_mut(first.week()..=until) {
        let end = time::before(week_starts(number + 1), std::time::Duration::from_secs(1)).min(last);
        counted.core += u64::from(is_core(person.recent(end)));
    }
}

fn platform<'a, 'b>(
    platforms: &'b mut BTreeMap<&'a str, PlatformPeople>,
    person: Person<'a>,
) -> &'b mut PlatformPeople {
    let name = person.id.platform();
    platforms.entry(name).or_insert_with(|| PlatformPeople {
        platform: name.to_owned(),
        distinct: 0,
        first_time: 0,
        standing: Standings::default(),
        advocates: 0,
        bots: 0,
    })
}

fn core_person(person: Person<'_>, advocate: bool, last: Timestamp) -> CorePerson {
    let recent = person.recent(last);
    CorePerson {
        person: person.id.clone(),
        handle: person.handle.to_owned(),
        platform: person.id.platform().to_owned(),
        first_seen: person.acts.first().map_or(last, people::Act::at),
        last_seen: recent.last().map_or(last, people::Act::at),
        interactions: recent.len() as u64,
        weeks: recent.chunk_by(|a, b| a.week() == b.week()).count() as u64,
        advocate,
    }
}

impl Standings {
    fn add(&mut self, standing: Standing) {
        match standing {
            Standing::Core => self.core += 1,
            Standing::Lost => self.lost += 1,
            Standing::Cooling => self.cooling += 1,
            Standing::New => self.new += 1,
            Standing::Returning => self.returning += 1,
        }
    }
}

impl PeopleWeek {
    fn new(number: u32, counted: &Counted) -> Self {
        let starts = week::monday(number);
        let Counted { distinct, new, core } = *counted;
        Self { week: week::name(starts), starts, distinct, new, returning: distinct - new, core }
    }
}

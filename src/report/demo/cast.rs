//! The people of a made-up story, and the chance that rules in it.

use crate::domain::{BotSign, PersonId, Profile, Timestamp};
use crate::engage::record::Came;
use crate::engage::{Fact, Record, Sample};

const NAMES: [&str; 40] = [
    "ada", "amir", "anouk", "aylin", "bea", "boris", "carla", "chidi", "dana", "deniz", "elif", "emil", "farah",
    "femke", "goran", "hana", "ines", "ivo", "jana", "jonas", "kaya", "kofi", "lena", "luca", "maren", "milan",
    "nadia", "noor", "oskar", "petra", "rafa", "rosa", "samir", "selma", "taro", "tilda", "ulla", "vera", "yara",
    "zoran",
];
const THINGS: [&str; 24] = [
    "spokes",
    "chainring",
    "toolbox",
    "solder",
    "workbench",
    "bearings",
    "kettle",
    "lantern",
    "paperclip",
    "ledger",
    "compost",
    "harbour",
    "tandem",
    "saddle",
    "pedals",
    "rivets",
    "thimble",
    "lathe",
    "varnish",
    "hinges",
    "gearbox",
    "notebook",
    "postcard",
    "weather",
];

/// Chance that gives the same story from the same seed.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64, by its published constants.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// So often of a hundred times.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }

    /// Up to `most`, and mostly far below: a third of the time below a 27th of it.
    pub fn soon(&mut self, most: u64) -> u64 {
        let part = self.below(1_000);
        most.saturating_mul(part * part * part) / 1_000_000_000
    }
}

/// Person number `number` of a platform. Each has a handle of their own.
pub fn profile(platform: &str, number: u64) -> Profile {
    let (names, things) = (NAMES.len() as u64, THINGS.len() as u64);
    let name = NAMES[usize::try_from(number % names).unwrap_or(0)];
    let thing = THINGS[usize::try_from((number / names + number) % things).unwrap_or(0)];
    let round = number / (names * things);
    let round = if round == 0 { String::new() } else { round.to_string() };
    let handle = match platform {
        "mastodon" => format!("{name}{round}@{thing}.example"),
        "bluesky" => format!("{name}{round}.{thing}.example"),
        _ => format!("{name}-{thing}{round}"),
    };
    let id = if platform == "mastodon" { handle.clone() } else { format!("id-{number:06}") };
    Profile { person: PersonId::new(platform, &id).expect("it has no spaces"), handle, bot: None }
}

/// A machine of a platform.
pub fn bot(platform: &str, number: u64) -> Profile {
    let sign = if number.is_multiple_of(3) { BotSign::SelfLabel } else { BotSign::PlatformFlag };
    let handle = format!("repeater{number}.machines.example");
    let person = PersonId::new(platform, &format!("machine-{number}")).expect("it has no spaces");
    Profile { person, handle, bot: Some(sign) }
}

/// So many interactions of so many people, for who wants to see what a fold costs: profiles first, then samples of twenty
/// each, over two years. Some people do much and most do little.
pub fn crowd(seed: u64, people: u64, interactions: u64) -> impl Iterator<Item = Record> {
    const EACH: u64 = 20;
    const BEGIN: i64 = 1_730_000_000;
    const SPAN: u64 = 2 * 365 * 86_400;
    let at =
        |second: u64| Timestamp::from_second(BEGIN.saturating_add_unsigned(second)).expect("within what can be told");
    let everybody: Vec<Profile> = (0..people).map(|number| profile("mastodon", number)).collect();
    let ids: Vec<PersonId> = everybody.iter().map(|profile| profile.person.clone()).collect();
    let mut dice = Dice::new(seed);
    let samples = interactions / EACH;
    let sampled = move |number: u64| {
        let moment = SPAN / samples.max(1) * number;
        let mut came = || {
            let place = (dice.soon(people) + dice.below(people / 4 + 1)) % people.max(1);
            Came(ids[usize::try_from(place).unwrap_or(0)].clone(), at(moment.saturating_sub(dice.below(86_400))))
        };
        let came: Vec<Came> = (0..EACH).map(|_| came()).collect();
        let kind = crate::domain::Interaction::ALL[usize::try_from(2 + number % 4).unwrap_or(2)];
        let delivery = format!("post-{:05}@fedi", number / 12).parse().expect("a delivery");
        let sample = Sample {
            delivery,
            age: 86_400,
            gone: false,
            counts: [(kind, EACH)].into(),
            came: [(kind, came)].into(),
            left: Default::default(),
        };
        Record::new(at(moment), Fact::Sampled(Box::new(sample)))
    };
    let looks = everybody.into_iter().map(move |profile| Record::new(at(0), Fact::Person(profile)));
    looks.chain((0..samples).map(sampled))
}

//! What befalls requests: the network and the platforms, out of order at random.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chance::Chance;
use crate::support::platform::{Asked, Weather, answer};

/// Longest time that a request is under way. It is longer than the program waits for an answer.
pub const LATEST: Duration = Duration::from_secs(6);
/// Most time that an answer takes which the program waits for.
const SLOWEST: u64 = 1_500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    Fair,
    /// What publishes has its effect, whatever is heard of it.
    Gentle,
    Rough,
}

pub struct Sky {
    pub mood: Mood,
    /// Of so many requests that publish, 143 do not go as they should, and 92 of others.
    requests: u64,
    chance: Chance,
    pub tally: BTreeMap<&'static str, u64>,
}

impl Sky {
    pub fn new(requests: u64, chance: Chance) -> Self {
        Self { mood: Mood::Rough, requests, chance, tally: BTreeMap::new() }
    }

    /// What becomes of a request, in a mood no worse than `worst`.
    pub fn over(&mut self, asked: &Asked, worst: Mood) -> Weather {
        let draw = self.chance.below(self.requests);
        let spell = Duration::from_millis(self.chance.below(SLOWEST));
        let json = "content-type: application/json\r\n";
        let error = |status| answer(status, json, "{\"error\":\"out of order\"}");
        let (name, weather) = match (self.mood.min(worst), asked.publishes, draw) {
            (Mood::Fair, ..) => return Weather::Fair,
            (_, _, 0..20) => {
                let headers = format!("{json}retry-after: 2\r\n");
                ("429", Weather::Say(answer(429, &headers, "{\"error\":\"RateLimitExceeded\"}")))
            }
            (_, _, 20..60) => ("slow", Weather::Slowly(spell)),
            (_, true, 60..80) => ("reply lost", Weather::CutAfter),
            (_, true, 80..88) => ("never answered", Weather::HangAfter),
            (_, true, 88..103) => ("502 after", Weather::SayAfter(error(502))),
            (Mood::Gentle, ..) => return Weather::Fair,
            (_, _, 110..122) => ("request lost", Weather::CutBefore),
            (_, _, 122..126) => ("never carried out", Weather::Hang),
            (_, _, 126..134) => ("500 before", Weather::Say(error(500))),
            (_, _, 134..142) => ("503 before", Weather::Say(error(503))),
            (_, true, 142..150) => ("late", Weather::Late(LATEST.mul_f64(self.chance.below(1000) as f64 / 1000.0))),
            _ => return Weather::Fair,
        };
        *self.tally.entry(name).or_default() += 1;
        weather
    }
}

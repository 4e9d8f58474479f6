//! How much of what was delivered a figure can speak for.

use serde::Serialize;

use crate::domain::Interaction;
use crate::engage::Sample;

/// Of how many deliveries something is known, and why not of the others. The four parts add up to `deliveries`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Posts of ours, on each account, that were delivered within the time that is looked at.
    pub deliveries: u64,
    /// Something is known of these; a figure counts them alone.
    pub measured: u64,
    /// Nobody has looked at them yet.
    pub not_yet: u64,
    /// They were looked at, and the platform does not tell this.
    pub silent: u64,
    /// They were not there any more before this was known of them.
    pub gone: u64,
}

/// What a platform has told of one delivery, up to now.
#[derive(Debug, Default)]
pub struct Seen {
    looked: bool,
    gone: bool,
    /// As counted last. What was known before a post was gone stays known.
    counts: [Option<u64>; Interaction::ALL.len()],
    /// Somebody was named, or is known by what they have said.
    named: bool,
    said: bool,
}

/// Whether something is known of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Known,
    NotYet,
    Silent,
    Gone,
}

impl Seen {
    pub fn sampled(&mut self, sample: &Sample) {
        self.looked = true;
        self.gone |= sample.gone;
        self.named |= sample.came.iter().any(|(kind, came)| !kind.is_reach() && !came.is_empty());
        for (place, kind) in Interaction::ALL.into_iter().enumerate() {
            if let Some(count) = sample.counts.get(&kind) {
                self.counts[place] = Some(*count);
            }
        }
    }

    pub fn said(&mut self) {
        (self.looked, self.named, self.said) = (true, true, true);
    }

    pub fn count(&self, kind: Interaction) -> Option<u64> {
        let place = Interaction::ALL.into_iter().position(|other| other == kind)?;
        self.counts[place]
    }

    /// Whether it is known who did something with it. Where all counts are zero it is known too: nobody.
    pub fn who(&self) -> Told {
        let done = Interaction::ALL.into_iter().filter(|kind| !kind.is_reach());
        let counts: Vec<u64> = done.filter_map(|kind| self.count(kind)).collect();
        let nobody = !counts.is_empty() && counts.iter().all(|count| *count == 0);
        self.told(self.named || nobody)
    }

    /// Whether it is known what was said below it.
    pub fn what_was_said(&self) -> Told {
        self.told(self.said || self.count(Interaction::Reply).is_some())
    }

    pub fn views(&self) -> Told {
        self.told(self.count(Interaction::View).is_some())
    }

    fn told(&self, known: bool) -> Told {
        match (known, self.looked, self.gone) {
            (true, ..) => Told::Known,
            (false, false, _) => Told::NotYet,
            (false, true, true) => Told::Gone,
            (false, true, false) => Told::Silent,
        }
    }
}

impl Measured {
    /// Counts one delivery.
    pub fn add(&mut self, told: Told) {
        self.deliveries += 1;
        match told {
            Told::Known => self.measured += 1,
            Told::NotYet => self.not_yet += 1,
            Told::Silent => self.silent += 1,
            Told::Gone => self.gone += 1,
        }
    }
}

/// Two figures together, where what is unknown adds nothing and is no zero.
pub fn plus(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (sum, more) {
        (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
        (sum, more) => sum.or(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(gone: bool, counts: &[(Interaction, u64)]) -> Sample {
        Sample {
            delivery: "p@a".parse().unwrap(),
            age: 60,
            gone,
            counts: counts.iter().copied().collect(),
            came: Default::default(),
            left: Default::default(),
        }
    }

    #[test]
    fn what_is_not_known_says_why() {
        use Interaction::{Like, Reply, View};
        use Told::{Gone, Known, NotYet, Silent};
        for (samples, who, said, views) in [
            (&[][..], NotYet, NotYet, NotYet),
            (&[sample(false, &[])], Silent, Silent, Silent),
            (&[sample(true, &[])], Gone, Gone, Gone),
            // Somebody, but who?
            (&[sample(false, &[(Like, 3), (View, 0)])], Silent, Silent, Known),
            (&[sample(false, &[(Like, 0), (Reply, 0)])], Known, Known, Silent),
            (&[sample(false, &[(Reply, 0), (View, 7)]), sample(true, &[])], Known, Known, Known),
        ] {
            let mut seen = Seen::default();
            samples.iter().for_each(|sample| seen.sampled(sample));
            assert_eq!((seen.who(), seen.what_was_said(), seen.views()), (who, said, views), "{samples:?}");
        }
        let mut seen = Seen::default();
        seen.said();
        assert_eq!((seen.who(), seen.what_was_said(), seen.views()), (Known, Known, Silent));
        assert_eq!((plus(None, None), plus(None, Some(0)), plus(Some(1), Some(2))), (None, Some(0), Some(3)));
    }
}

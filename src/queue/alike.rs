//! Texts that say the same, or nearly: what makes a series of posts a spray.
//!
//! A text is compared by its shingles, the runs of three words that it holds, without addresses, hashtags, mentions,
//! punctuation and the size of letters. How alike two texts are is the Jaccard similarity of their shingles.
//!
//! [`Alikes`] finds texts that are alike among many without comparing each with each (MinHash, with locality-sensitive
//! hashing): what it finds is alike for certain; of pairs that are just alike enough it overlooks some two in a hundred, and
//! of many that look alike at first sight it compares the latest only.

use std::collections::HashMap;
use std::time::Duration;

use unicode_segmentation::UnicodeSegmentation as _;

use crate::domain::Content;

/// From which similarity on two texts are nearly the same. Of a text of forty words with three others put in at three places
/// 29 of 47 shingles are left, which is 0.62; two texts by the same hand about the same thing share hardly any.
pub const ALIKE: f64 = 0.6;
/// For how long after a text the same one is too much.
pub const AGAIN: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Fewer words say too little to be told from others: greetings, "new on the blog".
pub const LEAST_WORDS: usize = 5;

/// Words in a shingle.
const SHINGLE: usize = 3;
/// Texts are compared that agree in all minima of one band. With three minima in each of sixteen bands, 98 of 100 pairs of
/// similarity 0.6 do, and 2 of 100 of similarity 0.1.
const BANDS: usize = 16;
const ROWS: usize = 3;
/// How many of those that agree in a band are compared.
const COMPARED: usize = 8;
/// The end of a chain.
const NONE: u32 = u32::MAX;

/// What a text says, so that it can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist(Box<[u32]>);

impl Gist {
    /// `None` where too little is said.
    pub fn of(content: &Content) -> Option<Self> {
        let parts = std::iter::once(&content.text).chain(&content.thread);
        let words: Vec<String> = parts.flat_map(|part| words(part)).collect();
        if words.len() < LEAST_WORDS {
            return None;
        }
        let mut shingles: Vec<u32> = words.windows(SHINGLE).map(|words| short(hash(&words.join("\0")))).collect();
        shingles.sort_unstable();
        shingles.dedup();
        Some(Self(shingles.into()))
    }

    /// From 0, nothing in common, to 1, the same.
    pub fn likeness(&self, other: &Self) -> f64 {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = 0;
        while let (Some(one), Some(two)) = (ours.peek(), theirs.peek()) {
            match one.cmp(two) {
                std::cmp::Ordering::Less => _ = ours.next(),
                std::cmp::Ordering::Greater => _ = theirs.next(),
                std::cmp::Ordering::Equal => {
                    common += 1;
                    ours.next();
                    theirs.next();
                }
            }
        }
        common as f64 / (self.0.len() + other.0.len() - common) as f64
    }

    pub fn is_like(&self, other: &Self) -> bool {
        self.likeness(other) >= ALIKE
    }

    /// One key for each band, other ones for each group.
    fn bands(&self, group: &str) -> [u64; BANDS] {
        let group = hash(&plain(group));
        let mut number = 0;
        std::array::from_fn(|band| {
            let mut key = mixed(group ^ band as u64);
            for _ in 0..ROWS {
                number += 1;
                let seed = mixed(number);
                let least = self.0.iter().map(|shingle| mixed(u64::from(*shingle) ^ seed)).min().unwrap_or(0);
                key = mixed(key ^ least);
            }
            key
        })
    }
}

/// A group's name without what people write it differently with.
fn plain(name: &str) -> String {
    name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// The words of a text, in small letters.
fn words(text: &str) -> impl Iterator<Item = String> {
    let said = text.split_whitespace().filter(|token| {
        let token = token.trim_start_matches(['(', '[', '"', '\'', '.', '„', '“', '‘', '«']);
        let address = token.contains("://") || token.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www."));
        !address && !token.starts_with(['#', '＃', '@', '＠'])
    });
    said.flat_map(|token| token.unicode_words().map(str::to_lowercase).collect::<Vec<_>>())
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The last step of SplitMix64: every bit of what comes in has a part in every bit of what goes out.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn short(hash: u64) -> u32 {
    u32::try_from(mixed(hash) >> 32).unwrap_or(0)
}

/// Many texts in groups, and what is known of each.
#[derive(Debug, Clone)]
pub struct Alikes<T> {
    texts: Vec<(Gist, T)>,
    /// The text before each one in each band.
    before: Vec<[u32; BANDS]>,
    /// The latest text of each key.
    latest: HashMap<u64, u32>,
}

impl<T> Default for Alikes<T> {
    fn default() -> Self {
        Self { texts: Vec::new(), before: Vec::new(), latest: HashMap::new() }
    }
}

impl<T> Alikes<T> {
    /// Adds a text. More than four thousand million are not held.
    pub fn insert(&mut self, group: &str, gist: Gist, item: T) {
        let Some(place) = u32::try_from(self.texts.len()).ok().filter(|place| *place != NONE) else { return };
        let bands = gist.bands(group);
        self.before.push(bands.map(|key| self.latest.insert(key, place).unwrap_or(NONE)));
        self.texts.push((gist, item));
    }

    /// A text of the group that is like this one and that `accept` accepts, of the latest ones first.
    pub fn find(&self, group: &str, gist: &Gist, mut accept: impl FnMut(&T) -> bool) -> Option<&T> {
        for (band, key) in gist.bands(group).into_iter().enumerate() {
            let mut place = self.latest.get(&key).copied().unwrap_or(NONE);
            for _ in 0..COMPARED {
                let Some((other, item)) = self.texts.get(place as usize) else { break };
                if accept(item) && gist.is_like(other) {
                    return Some(item);
                }
                place = self.before[place as usize][band];
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gist(text: &str) -> Option<Gist> {
        Gist::of(&Content { text: text.into(), ..Content::default() })
    }

    const DESK: &str = "The desk I built the first version on stands in a cellar without a window. \
        It has two screens, one lamp and a drawer that does not close, and everything that you use today was written there \
        between midnight and six.";

    #[test]
    fn what_is_not_said_does_not_count() {
        let same = [
            "THE DESK, I built: the first version on!",
            "the desk I built the first version on #buildinpublic @ann@a.example",
            "(https://a.example/desk) The desk I built\nthe first version on www.a.example/x",
        ];
        for text in same {
            assert_eq!(gist(text), gist("The desk I built the first version on"), "{text}");
        }
        assert_ne!(gist("The desk I built the second version on"), gist(same[0]));
        assert_eq!(
            gist("机の上に猫がいる。").map(|gist| gist.0.len() > 1),
            Some(true),
            "words without blanks between them"
        );
        for text in ["", "New on the blog: https://a.example", "#one #two #three #four #five #six"] {
            assert_eq!(gist(text), None, "{text}");
        }
    }

    #[test]
    fn a_few_other_words_are_nearly_the_same_and_another_text_is_not() {
        let desk = gist(DESK).unwrap();
        let nearly = DESK.replace("cellar", "garage").replace("lamp", "light").replace("midnight", "one");
        let nearly = gist(&nearly).unwrap();
        assert!(desk.is_like(&nearly), "{}", desk.likeness(&nearly));
        let half = format!(
            "{} And then we moved into a room with a window, which has changed more than I would have \
            thought, because people came by and asked.",
            &DESK[..90]
        );
        let half = gist(&half).unwrap();
        assert!(!desk.is_like(&half), "{}", desk.likeness(&half));
        let other = gist("A lamp and a drawer: what I learned from two years of writing in a cellar at night").unwrap();
        assert!(desk.likeness(&other) < 0.1, "{}", desk.likeness(&other));
    }

    #[test]
    fn what_is_alike_is_found_within_its_group() {
        let mut alikes = Alikes::default();
        for number in 0..2_000 {
            let text = format!(
                "Note {number} of many: {number} things about desk {number} and lamp {number} by night {number}"
            );
            alikes.insert("founders", gist(&text).unwrap(), number);
        }
        alikes.insert("Founders ", gist(DESK).unwrap(), 7_000);
        alikes.insert("others", gist(DESK).unwrap(), 8_000);
        let nearly = gist(&DESK.replace("cellar", "garage")).unwrap();
        assert_eq!(alikes.find("founders", &nearly, |_| true), Some(&7_000));
        assert_eq!(alikes.find("founders", &nearly, |item| *item != 7_000), None);
        assert_eq!(alikes.find("nobody", &nearly, |_| true), None);
    }

    #[test]
    fn a_hundred_thousand_texts_that_are_the_same_are_no_more_work_than_others() {
        let mut alikes = Alikes::default();
        let desk = gist(DESK).unwrap();
        let mut asked = 0u64;
        for number in 0..2_000u32 {
            alikes.find("founders", &desk, |_| {
                asked += 1;
                false
            });
            alikes.insert("founders", desk.clone(), number);
        }
        assert!(asked <= 2_000 * (BANDS * COMPARED) as u64, "{asked}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn likeness_is_the_same_from_both_sides(one in "[a-d ]{20,80}", two in "[a-d ]{20,80}") {
            let (Some(one), Some(two)) = (gist(&one), gist(&two)) else { return Ok(()) };
            let likeness = one.likeness(&two);
            prop_assert_eq!(likeness, two.likeness(&one));
            prop_assert!((0.0..=1.0).contains(&likeness));
            prop_assert_eq!(one.likeness(&one), 1.0);
        }

        #[test]
        fn what_differs_in_one_word_is_nearly_always_found(seed in any::<u64>()) {
            let word = |place: u64| format!("w{}", mixed(seed ^ place) % 5_000);
            let words: Vec<String> = (0..40).map(word).collect();
            let mut changed = words.clone();
            changed[20] = "other".into();
            let mut alikes = Alikes::default();
            alikes.insert("g", gist(&words.join(" ")).unwrap(), ());
            prop_assert!(alikes.find("g", &gist(&changed.join(" ")).unwrap(), |()| true).is_some());
        }
    }
}

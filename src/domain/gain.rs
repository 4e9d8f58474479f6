//! What came of posts outside the platforms: leads, customers, revenue.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AccountId, Digest, PostId, Timestamp};

/// One outcome. Two of one kind with the same key are one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain {
    /// What it is known by where it comes from, such as an order number; of what is recorded twice under one key, the first
    /// counts.
    pub key: String,
    /// When it happened.
    pub at: Timestamp,
    pub kind: GainKind,
    /// The post that brought it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<PostId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What it brought; every kind may have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Gain {
    /// Longest key, in characters.
    pub const KEY_CHARS: usize = 200;
    /// Longest note that is kept, in characters.
    pub const NOTE_CHARS: usize = 500;

    /// What it is known by: an order may bring a customer and revenue.
    pub fn key_hash(&self) -> KeyHash {
        KeyHash::of(&format!("{}\n{}", self.kind.name(), self.key))
    }

    /// Whether it keeps to the limits, whoever has made it.
    pub fn is_sound(&self) -> bool {
        let key = self.key.chars();
        let within = (1..=Self::KEY_CHARS).contains(&key.clone().count()) && !key.clone().any(char::is_control);
        within && self.note.chars().count() <= Self::NOTE_CHARS
    }
}

/// What is remembered of a key, to know it again: the first half of SHA-256 over it. Keys may be long, and a million of
/// them stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 16]);

impl KeyHash {
    pub fn of(key: &str) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&Digest::of(key.as_bytes()).bytes()[..16]);
        Self(half)
    }
}

/// What kind of outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GainKind {
    /// Somebody who asks.
    Lead,
    /// Somebody who has bought for the first time.
    Customer,
    /// Money, from whomever.
    Revenue,
}

impl GainKind {
    pub const ALL: [Self; 3] = [Self::Lead, Self::Customer, Self::Revenue];

    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Customer => "customer",
            Self::Revenue => "revenue",
        }
    }
}

/// An amount of money, in millionths of its currency. Amounts of different currencies are never added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    pub micros: i64,
    pub currency: Currency,
}

impl Money {
    /// Millionths in one.
    pub const MICROS: i64 = 1_000_000;

    /// The amount as a number, for reports and rows: exact to sixteen digits.
    pub fn amount(self) -> f64 {
        self.micros as f64 / Self::MICROS as f64
    }
}

/// As people write it: `120.50 EUR`, with more decimals only where there are some.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micros < 0 { "-" } else { "" };
        let micros = self.micros.unsigned_abs();
        let (whole, part) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
        let kept = part.trim_end_matches('0').len().max(2);
        f.pad(&format!("{sign}{whole}.{} {}", &part[..kept], self.currency))
    }
}

/// A currency by its three letters (ISO 4217).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// A text that names no currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a currency is written with three capital letters, such as EUR")]
pub struct NoCurrency;

impl Currency {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Currency {
    type Err = NoCurrency;

    fn from_str(text: &str) -> Result<Self, NoCurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NoCurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(NoCurrency) }
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_with_the_decimals_it_has() {
        let written = |micros| Money { micros, currency: "EUR".parse().unwrap() }.to_string();
        let cases = [
            (120_500_000, "120.50 EUR"),
            (-20_000_000, "-20.00 EUR"),
            (1_234_500, "1.2345 EUR"),
            (-1, "-0.000001 EUR"),
            (0, "0.00 EUR"),
            (i64::MIN, "-9223372036854.775808 EUR"),
        ];
        for (micros, text) in cases {
            assert_eq!(written(micros), text);
        }
    }
}

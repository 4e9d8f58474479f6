//! Names of posts, accounts and deliveries, and the digest that approval is bound to.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest post or account id, in characters (all ASCII).
const ID_CHARS: usize = 80;

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id must not be empty")]
    Empty,
    #[error("an id has at most {ID_CHARS} characters")]
    TooLong,
    #[error("an id starts with a lower-case letter or a digit, not {0:?}")]
    Start(char),
    #[error("an id holds only a-z, 0-9, '.', '_' and '-', not {0:?}")]
    Character(char),
    #[error("a delivery is written POST@ACCOUNT")]
    NoAccount,
    #[error("a digest is written sha256: and 64 hexadecimal digits")]
    Digest,
}

fn check(text: &str) -> Result<(), IdError> {
    let first = text.chars().next().ok_or(IdError::Empty)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !allowed(first) {
        return Err(IdError::Start(first));
    }
    if let Some(c) = text.chars().find(|&c| !allowed(c) && !matches!(c, '.' | '_' | '-')) {
        return Err(IdError::Character(c));
    }
    if text.len() > ID_CHARS {
        return Err(IdError::TooLong);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `[a-z0-9][a-z0-9._-]{0,79}`.
            ///
            /// # Errors
            /// Says which rule the text breaks.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// Name of a post, unique over the queue.
    PostId
);
id!(
    /// Name of a place to publish: the key of its table in the configuration.
    AccountId
);

/// One post on one account, written `post@account`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    pub post: PostId,
    pub account: AccountId,
}

impl DeliveryId {
    pub fn new(post: PostId, account: AccountId) -> Self {
        Self { post, account }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.post, self.account)
    }
}

impl FromStr for DeliveryId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (post, account) = text.split_once('@').ok_or(IdError::NoAccount)?;
        Ok(Self { post: PostId::new(post)?, account: AccountId::new(account)? })
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// SHA-256 over what was approved, written `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// The 64 hexadecimal digits alone.
    pub fn hex(&self) -> String {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
    }

    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits, as `sha256sum` prints them.
    ///
    /// # Errors
    /// [`IdError::Digest`] when the text is something else.
    pub fn from_hex(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0u8; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(IdError::Digest);
        }
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).map_err(|_| IdError::Digest)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::from_hex(text.strip_prefix("sha256:").ok_or(IdError::Digest)?)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_refused_with_the_rule_they_break() {
        assert_eq!(PostId::new(""), Err(IdError::Empty));
        assert_eq!(PostId::new("-a"), Err(IdError::Start('-')));
        assert_eq!(PostId::new("a\u{202e}b"), Err(IdError::Character('\u{202e}')));
        assert_eq!(PostId::new("a\nb"), Err(IdError::Character('\n')));
        assert_eq!(PostId::new(&"a".repeat(81)), Err(IdError::TooLong));
        assert!(PostId::new(&"a".repeat(80)).is_ok());
    }

    #[test]
    fn a_delivery_reads_back_what_it_writes() {
        let text = "2026-11-desk-story@fedi";
        assert_eq!(text.parse::<DeliveryId>().unwrap().to_string(), text);
        assert_eq!("no-account".parse::<DeliveryId>(), Err(IdError::NoAccount));
    }

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(Digest::from_hex("zz"), Err(IdError::Digest));
    }
}

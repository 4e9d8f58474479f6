//! The signature: that of the public "Standard Webhooks" scheme, version 1.
//!
//! It is HMAC-SHA256, in base 64, over the message's id, the moment of the request in seconds, and the body, with dots
//! between. The scheme dates each request and not each message: its libraries refuse what is minutes old, so that
//! nobody can play an old request again. Therefore a repeat is dated and signed anew; id, key and body stay the same.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::{Secret, Timestamp};
use crate::platform::contract::Body;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a key has, by the scheme.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What both sides sign with.
pub struct Key(Vec<u8>);

impl Key {
    /// Reads `whsec_` and base 64.
    pub fn parse(secret: &Secret) -> Option<Self> {
        let bytes = BASE64_STANDARD.decode(secret.expose().trim().strip_prefix(PREFIX)?).ok()?;
        KEY_BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// The signature without its version.
    pub fn sign(&self, id: &str, at: Timestamp, body: &Body) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{}.", at.as_second()).as_bytes());
        body.chunks.iter().for_each(|chunk| mac.update(chunk));
        Some(BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the scheme's own libraries are tested with.
    #[test]
    fn it_is_that_of_the_public_scheme() {
        let key = Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        let at = Timestamp::from_second(1_614_265_330).unwrap();
        let chunks = vec![br#"{"test": "#.as_slice().into(), b"2432232314}".as_slice().into()];
        let body = Body { mime: None, chunks };
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", at, &body);
        assert_eq!(signature.as_deref(), Some("g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert_eq!(format!("{key:?}"), "[secret]");
    }

    #[test]
    fn a_secret_is_long_enough_and_marked() {
        let of = |text: String| Key::parse(&Secret::new(text)).is_some();
        let bytes = |count: usize| BASE64_STANDARD.encode(vec![7; count]);
        assert!(of(format!("whsec_{}\n", bytes(24))) && of(format!("whsec_{}", bytes(64))));
        for wrong in [bytes(32), format!("whsec_{}", bytes(23)), format!("whsec_{}", bytes(65)), "whsec_%".into()] {
            assert!(!of(wrong.clone()), "{wrong}");
        }
    }
}

//! What the store keeps of tokens: sealed, so that a copy of the store is of no use without the key.
//!
//! XChaCha20-Poly1305. The key is a hash of a secret of the configuration. The nonce comes in as an argument, for this
//! room has no chance of its own; it is 24 bytes long, so that random ones never meet. Whose tokens they are, and of
//! which secrets they were got, is bound to the seal: one that is moved to another account does not open.
//!
//! It does not say what is in the tokens, nor when they are used.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretBox};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{AccountId, Secret, limits};

/// Bytes of a nonce.
pub const NONCE: usize = 24;
/// Least characters of the secret that the key is made of. The hash is quick, so what it is made of must be more than a
/// word that somebody can remember.
pub const SECRET_CHARS: usize = 32;

/// The key; wiped when dropped.
#[derive(Clone)]
pub struct SealKey(Arc<SecretBox<[u8; 32]>>);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

impl PartialEq for SealKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// Why a secret makes no key, or tokens are not sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    #[error("it has fewer than {SECRET_CHARS} characters")]
    Short,
    #[error("the tokens have {0} bytes, {max} are kept", max = limits::TOKENS_BYTES)]
    Large(usize),
    #[error("they could not be encrypted")]
    Cipher,
}

impl SealKey {
    /// The key that this secret stands for.
    ///
    /// # Errors
    /// It is too short.
    pub fn new(secret: &Secret) -> Result<Self, SealError> {
        if secret.expose().chars().count() < SECRET_CHARS {
            return Err(SealError::Short);
        }
        let mut hash = Sha256::new();
        hash.update("cadenced-seal-v1\0");
        hash.update(secret.expose());
        Ok(Self(Arc::new(SecretBox::new(Box::new(hash.finalize().into())))))
    }

    /// Seals tokens of `account` that were got by the secrets of `origin`. A nonce must never be used twice.
    ///
    /// # Errors
    /// The tokens are too large.
    pub fn seal(
        &self,
        nonce: [u8; NONCE],
        account: &AccountId,
        origin: &Origin,
        tokens: &[u8],
    ) -> Result<Sealed, SealError> {
        if tokens.len() > limits::TOKENS_BYTES {
            return Err(SealError::Large(tokens.len()));
        }
        let payload = Payload { msg: tokens, aad: &about(account, origin) };
        let closed = self.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Cipher)?;
        Ok(Sealed { origin: origin.clone(), text: BASE64.encode([&nonce[..], &closed].concat()) })
    }

    /// What was sealed; `None` when it was sealed with another key, for another account, or is damaged.
    pub fn open(&self, account: &AccountId, sealed: &Sealed) -> Option<Vec<u8>> {
        let bytes = BASE64.decode(&sealed.text).ok()?;
        let (nonce, closed) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: closed, aad: &about(account, &sealed.origin) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.0.expose_secret().into())
    }
}

/// What the seal is bound to beside the tokens. No account's id holds a zero byte.
fn about(account: &AccountId, origin: &Origin) -> Vec<u8> {
    format!("cadenced-tokens-v1\0{account}\0{}", origin.0).into_bytes()
}

/// Tokens as the store keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// What they were got by.
    pub origin: Origin,
    /// Nonce and ciphertext.
    text: String,
}

/// The secrets that tokens were got by, and the place that gave them out, as a hash: 32 hexadecimal digits. When a person
/// gives the account another secret, or moves it, what was kept before is not used any more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(String);

impl Origin {
    /// `secrets` are in the order of their keys.
    pub fn of<'a>(platform: &str, host: &str, secrets: impl Iterator<Item = (&'a str, &'a Secret)>) -> Self {
        let mut hash = Sha256::new();
        hash.update("cadenced-origin-v1\0");
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(platform);
        add(host);
        for (key, secret) in secrets {
            add(key);
            add(secret.expose());
        }
        let mut hex = super::Digest(hash.finalize().into()).hex();
        hex.truncate(32);
        Self(hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: &[u8] = br#"{"refresh":"canary-77"}"#;

    fn key(text: &str) -> SealKey {
        SealKey::new(&Secret::new(text.repeat(SECRET_CHARS))).unwrap()
    }

    fn account(id: &str) -> AccountId {
        AccountId::new(id).unwrap()
    }

    fn origin(secret: &str) -> Origin {
        let secrets = [("token", Secret::new(secret))];
        Origin::of("x", "api.x.example", secrets.iter().map(|(key, secret)| (*key, secret)))
    }

    #[test]
    fn only_the_same_key_account_and_origin_open_a_seal() {
        let sealed = key("k").seal([7; NONCE], &account("a"), &origin("first"), TOKENS).unwrap();
        assert_eq!(key("k").open(&account("a"), &sealed).as_deref(), Some(TOKENS));
        assert_eq!(key("l").open(&account("a"), &sealed), None);
        assert_eq!(key("k").open(&account("b"), &sealed), None);
        let moved = Sealed { origin: origin("second"), ..sealed.clone() };
        assert_eq!(key("k").open(&account("a"), &moved), None);
        let text = |change: fn(&mut Vec<u8>)| {
            let mut bytes = BASE64.decode(&sealed.text).unwrap();
            change(&mut bytes);
            Sealed { text: BASE64.encode(bytes), ..sealed.clone() }
        };
        for damaged in [text(|bytes| bytes[30] ^= 1), text(|bytes| bytes.truncate(30)), text(Vec::clear)] {
            assert_eq!(key("k").open(&account("a"), &damaged), None);
        }
    }

    #[test]
    fn neither_key_nor_tokens_show() {
        let sealed = key("k").seal([7; NONCE], &account("a"), &origin("canary-secret"), TOKENS).unwrap();
        let shown = format!("{sealed:?} {:?} {}", key("k"), serde_json::to_string(&sealed).unwrap());
        assert!(!shown.contains("canary") && !shown.contains("kkkk"), "{shown}");
        let other = key("k").seal([8; NONCE], &account("a"), &origin("canary-secret"), TOKENS).unwrap();
        assert_ne!(sealed.text, other.text, "the same tokens do not look the same");
    }

    #[test]
    fn a_short_secret_and_large_tokens_are_refused() {
        assert_eq!(SealKey::new(&Secret::new("k".repeat(SECRET_CHARS - 1))).err(), Some(SealError::Short));
        assert!(SealKey::new(&Secret::new("ü".repeat(SECRET_CHARS))).is_ok());
        let large = vec![b'x'; limits::TOKENS_BYTES + 1];
        let error = key("k").seal([7; NONCE], &account("a"), &origin("s"), &large);
        assert_eq!(error, Err(SealError::Large(large.len())));
    }

    #[test]
    fn an_origin_tells_every_part_apart() {
        let of = |platform, host, key, secret| {
            let secret = Secret::new(secret);
            Origin::of(platform, host, [(key, &secret)].into_iter())
        };
        let all = [of("x", "h", "k", "s"), of("y", "h", "k", "s"), of("x", "i", "k", "s"), of("x", "h", "l", "s")];
        let more = [of("x", "h", "k", "t"), of("xh", "", "k", "s"), of("x", "h", "ks", "")];
        let distinct: std::collections::BTreeSet<String> = all.into_iter().chain(more).map(|origin| origin.0).collect();
        assert_eq!(distinct.len(), 7);
        assert!(distinct.iter().all(|hex| hex.len() == 32));
    }
}

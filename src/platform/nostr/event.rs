//! Events as NIP-01 has them: what their id is, and how they are signed.
//!
//! The same event from the same key is the same to the last byte, whenever it is made: the signature takes no randomness
//! (BIP-340 allows that, and loses only a defence against somebody who measures the machine). So an event need not be
//! kept to be sent again.

use k256::schnorr::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
use k256::schnorr::{Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::nip19;
use crate::domain::{Digest, Secret};

/// Kinds of events. What an author is called, replaced by each later one.
pub const PROFILE: u32 = 0;
/// A short text note.
pub const NOTE: u32 = 1;
/// Its author asks for other events to be taken away (NIP-09).
pub const DELETION: u32 = 5;
/// A note, passed on (NIP-18); and anything else.
pub const REPOSTS: [u32; 2] = [6, 16];
/// A like, a dislike or a picture (NIP-25).
pub const REACTION: u32 = 7;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    pub pubkey: String,
    pub created_at: i64,
    pub kind: u32,
    pub tags: Vec<Vec<String>>,
    pub content: String,
    pub sig: String,
}

/// An event before it has an author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub created_at: i64,
    pub tags: Vec<Vec<String>>,
    pub content: String,
}

impl Event {
    /// Whether the id is that of its content, and the signature that of its author.
    pub fn is_genuine(&self) -> bool {
        let id = digest(&self.pubkey, self.created_at, self.kind, &self.tags, &self.content);
        let signature = bytes(&self.sig).and_then(|bytes| Signature::from_slice(&bytes).ok());
        let author = bytes(&self.pubkey).and_then(|bytes| VerifyingKey::from_slice(&bytes).ok());
        let (Some(signature), Some(author)) = (signature, author) else { return false };
        // To the letter: in capitals the same event would be another one.
        self.id == id.hex() && author.verify_prehash(&id.0, &signature).is_ok()
    }
}

/// What the id is the digest of leaves nothing to choose: no white space, and in texts only the escapes that JSON cannot
/// do without. For other control characters implementations differ, so no text of ours has any.
fn digest(pubkey: &str, created_at: i64, kind: u32, tags: &[Vec<String>], content: &str) -> Digest {
    Digest::of(json!([0, pubkey, created_at, kind, tags, content]).to_string().as_bytes())
}

/// An account's key.
pub struct Key(SigningKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key([secret] of {})", self.pubkey())
    }
}

impl Key {
    /// Reads `nsec1…` or 64 hexadecimal digits; `None` where it is neither.
    pub fn read(secret: &Secret) -> Option<Self> {
        let text = secret.expose().trim();
        let bytes = match nip19::decode("nsec", text) {
            Some(bytes) => bytes,
            None => Digest::from_hex(text).ok()?.0.to_vec(),
        };
        SigningKey::from_slice(&bytes).ok().map(Self)
    }

    /// In hexadecimal digits, as events name their authors.
    pub fn pubkey(&self) -> String {
        hex(&self.0.verifying_key().to_bytes())
    }

    /// `None` only by a chance that nobody will ever have.
    pub fn sign(&self, draft: Draft) -> Option<Event> {
        self.sign_as(NOTE, draft)
    }

    /// The same for an event that is no note; nothing of ours is one, but imitations speak for other people.
    pub fn sign_as(&self, kind: u32, draft: Draft) -> Option<Event> {
        let Draft { created_at, tags, content } = draft;
        let pubkey = self.pubkey();
        let id = digest(&pubkey, created_at, kind, &tags, &content);
        let sig = hex(&self.signature(&id.0)?);
        Some(Event { id: id.hex(), pubkey, created_at, kind, tags, content, sig })
    }

    fn signature(&self, message: &[u8; 32]) -> Option<[u8; 64]> {
        let signature: Signature = self.0.sign_prehash(message).ok()?;
        Some(signature.to_bytes())
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of an even number of lower-case hexadecimal digits.
pub fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the published list of BIP-340, `test-vectors.csv`: secret key, public key, message, signature. Of its
    /// signing vectors, the one without randomness is the one that we can make; all can be checked.
    const VECTORS: &[[&str; 4]] = &[
        [
            "0000000000000000000000000000000000000000000000000000000000000003",
            "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca821525f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0",
        ],
        [
            "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef",
            "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
            "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89",
            "6896bd60eeae296db48a229ff71dfe071bde413e6d43f917dc8dcf8c78de33418906d11ac976abccb20b091292bff4ea897efcb639ea871cfa95f6de339e4b0a",
        ],
        [
            "c90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b14e5c9",
            "dd308afec5777e13121fa72b9cc1b7cc0139715309b086c960e18fd969774eb8",
            "7e2d58d8b3bcdf1abadec7829054f90dda9805aab56c77333024b9d0a508b75c",
            "5831aaeed7b44bb74e5eab94ba9d4294c49bcf2a60728d8b4c200f50dd313c1bab745879a5ad954a72c45a91c3a51d3c7adea98d82f8481e0e1e03674a6f3fb7",
        ],
    ];

    fn message(hex: &str) -> [u8; 32] {
        Digest::from_hex(hex).unwrap().0
    }

    #[test]
    fn signatures_are_those_of_bip_340() {
        for (place, [secret, public, text, expected]) in VECTORS.iter().enumerate() {
            let key = Key::read(&Secret::new(*secret)).unwrap();
            assert_eq!(key.pubkey(), *public);
            let author = VerifyingKey::from_slice(&bytes(public).unwrap()).unwrap();
            let published = Signature::from_slice(&bytes(expected).unwrap()).unwrap();
            author.verify_prehash(&message(text), &published).unwrap();
            let ours = hex(&key.signature(&message(text)).unwrap());
            if place == 0 {
                assert_eq!(ours, *expected);
            }
            assert_eq!(hex(&key.signature(&message(text)).unwrap()), ours, "it is the same each time");
        }
    }

    #[test]
    fn an_event_is_the_same_each_time_and_another_one_after_any_change() {
        let key = Key::read(&Secret::new(VECTORS[1][0])).unwrap();
        let draft = Draft {
            created_at: 1_790_000_000,
            tags: vec![vec!["t".into(), "wörter".into()]],
            content: "a \"quote\", a \\, a\nline, a\ttab, \u{7f}, 家族 👩\u{200d}👧".into(),
        };
        let event = key.sign(draft.clone()).unwrap();
        assert_eq!(key.sign(draft).unwrap(), event);
        assert!(event.is_genuine());
        let digested = format!(
            "[0,\"{}\",1790000000,1,[[\"t\",\"wörter\"]],\"a \\\"quote\\\", a \\\\, a\\nline, a\\ttab, \u{7f}, 家族 👩\u{200d}👧\"]",
            event.pubkey
        );
        assert_eq!(event.id, Digest::of(digested.as_bytes()).hex());
        let changes: [fn(&mut Event); 5] = [
            |event| event.content.push(' '),
            |event| event.created_at += 1,
            |event| event.kind = 7,
            |event| event.tags.clear(),
            |event| event.sig.replace_range(..2, "00"),
        ];
        for change in changes {
            let mut changed = event.clone();
            change(&mut changed);
            assert!(!changed.is_genuine(), "{changed:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let nsec = nip19::encode("nsec", &[7; 32]).unwrap();
        assert_eq!(
            Key::read(&Secret::new(nsec)).unwrap().pubkey(),
            Key::read(&Secret::new("07".repeat(32))).unwrap().pubkey()
        );
        let npub = nip19::encode("npub", &[7; 32]).unwrap();
        let short = nip19::encode("nsec", &[7; 31]).unwrap();
        for text in ["", "abc", &"0".repeat(64), &"f".repeat(64), &"g".repeat(64), &npub, &short, "nsec1qqqq"] {
            assert!(Key::read(&Secret::new(text)).is_none(), "{text:?}");
        }
    }
}

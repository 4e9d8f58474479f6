//! Signatures as `ssh-keygen -Y sign` makes them (OpenSSH's PROTOCOL.sshsig), by Ed25519 keys on a disk and on security
//! keys (PROTOCOL.u2f).
//!
//! The format is a handful of length-prefixed fields, and the arithmetic is that of the library that carries TLS here, so
//! that nothing new is linked. Whether a key is one that may sign is not decided here ([`super::signers`]).

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256, Sha512};

/// The kinds of keys whose signatures count.
const ED25519_NAME: &str = "ssh-ed25519";
const SECURITY_KEY_NAME: &str = "sk-ssh-ed25519@openssh.com";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
pub const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
pub const END: &str = "-----END SSH SIGNATURE-----";
/// Longest armour. One of an Ed25519 key has less than 400 bytes; `application` of a security key is a short name.
const ARMOUR_BYTES: usize = 4096;
/// Of a security key: somebody touched it.
const USER_PRESENT: u8 = 1;

/// Why something is no signature that counts, as a lower-case fragment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the signature is not written as ssh-keygen -Y sign writes it")]
    Armour,
    #[error("the signature is cut short or garbled")]
    Garbled,
    #[error("the signature is of version {0}, which is not known here")]
    Version(u32),
    #[error("keys of the kind {0:?} do not count: sign with an ed25519 or ed25519-sk key")]
    KeyKind(String),
    #[error("the signature was made for the namespace {0:?}: sign with -n {1}")]
    Namespace(String, &'static str),
    #[error("the signature hashes with {0:?}, which is not known here")]
    Hash(String),
    #[error("the signature says something that is not known here")]
    Reserved,
    #[error("the security key was not touched for the signature")]
    NotTouched,
    #[error("the signature is not of these lines")]
    Wrong,
}

/// A public key of a kind that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// As SSH writes it, the kind included: two keys are the same when this is.
    blob: Box<[u8]>,
    point: [u8; 32],
    /// Of a security key: what it was enrolled for.
    application: Option<Box<[u8]>>,
}

impl Key {
    /// Reads a key as it stands in a `.pub` file, in base64, and in a signature.
    ///
    /// # Errors
    /// It is no key, or of a kind that does not count.
    pub fn read(blob: &[u8]) -> Result<Self, Refused> {
        let mut rest = Fields(blob);
        let name = rest.name()?;
        let with_application = match &*name {
            ED25519_NAME => false,
            SECURITY_KEY_NAME => true,
            _ => return Err(Refused::KeyKind(name)),
        };
        let point = rest.string()?.try_into().map_err(|_| Refused::Garbled)?;
        let application = with_application.then(|| rest.string()).transpose()?.map(Into::into);
        rest.end()?;
        Ok(Self { blob: blob.into(), point, application })
    }

    /// The key of a line such as `ssh-ed25519 AAAA… comment`.
    ///
    /// # Errors
    /// As [`Key::read`].
    pub fn of_line(kind: &str, base64: &str) -> Result<Self, Refused> {
        let blob = BASE64_STANDARD.decode(base64).map_err(|_| Refused::Garbled)?;
        let mut rest = Fields(&blob);
        if rest.name()? != kind {
            return Err(Refused::Garbled);
        }
        Self::read(&blob)
    }

    /// As `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }

    /// As it stands in a `.pub` file, without the comment.
    pub fn line(&self) -> String {
        let kind = if self.application.is_some() { SECURITY_KEY_NAME } else { ED25519_NAME };
        format!("{kind} {}", BASE64_STANDARD.encode(&self.blob))
    }
}

/// A signature that has been read, and says nothing until it is [verified](Signature::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub key: Key,
    namespace: String,
    hash: Hash,
    signed: Box<[u8]>,
    /// Flags and counter of a security key.
    touch: Option<(u8, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl Signature {
    /// Reads an armoured signature; nothing but line ends may follow it.
    ///
    /// # Errors
    /// It is none, or of a kind that is not known here.
    pub fn read(armour: &str) -> Result<Self, Refused> {
        let inner = armour.strip_prefix(BEGIN).and_then(|rest| rest.strip_prefix('\n'));
        let inner = inner.filter(|rest| rest.len() <= ARMOUR_BYTES);
        let inner = inner.and_then(|rest| rest.trim_end_matches('\n').strip_suffix(END));
        let inner = inner.and_then(|rest| rest.strip_suffix('\n')).ok_or(Refused::Armour)?;
        let blob = BASE64_STANDARD.decode(inner.replace('\n', "")).map_err(|_| Refused::Armour)?;
        let mut rest = Fields(blob.strip_prefix(MAGIC).ok_or(Refused::Garbled)?);
        match rest.number()? {
            VERSION => {}
            other => return Err(Refused::Version(other)),
        }
        let key = Key::read(rest.string()?)?;
        let namespace = rest.name()?;
        // It is for what a later version may say, and that may be a condition.
        if !rest.string()?.is_empty() {
            return Err(Refused::Reserved);
        }
        let hash = match &*rest.name()? {
            "sha256" => Hash::Sha256,
            "sha512" => Hash::Sha512,
            other => return Err(Refused::Hash(other.to_owned())),
        };
        let mut inner = Fields(rest.string()?);
        rest.end()?;
        let kind = if key.application.is_some() { SECURITY_KEY_NAME } else { ED25519_NAME };
        if inner.name()? != kind {
            return Err(Refused::Garbled);
        }
        let signed = inner.string()?.into();
        let touch = match key.application {
            Some(_) => Some((inner.byte()?, inner.number()?)),
            None => None,
        };
        inner.end()?;
        Ok(Self { key, namespace, hash, signed, touch })
    }

    /// Whether its key has signed exactly this, for this namespace.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, namespace: &'static str, message: &[u8]) -> Result<(), Refused> {
        if self.namespace != namespace {
            return Err(Refused::Namespace(self.namespace.clone(), namespace));
        }
        let (name, digest) = match self.hash {
            Hash::Sha256 => ("sha256", Sha256::digest(message).to_vec()),
            Hash::Sha512 => ("sha512", Sha512::digest(message).to_vec()),
        };
        let mut bytes = MAGIC.to_vec();
        for field in [self.namespace.as_bytes(), &[], name.as_bytes(), &digest] {
            put(&mut bytes, field);
        }
        if let (Some(application), Some((flags, counter))) = (&self.key.application, self.touch) {
            if flags & USER_PRESENT == 0 {
                return Err(Refused::NotTouched);
            }
            let hash = Sha256::digest(&bytes);
            bytes = Sha256::digest(application).to_vec();
            bytes.push(flags);
            bytes.extend(counter.to_be_bytes());
            bytes.extend(hash);
        }
        UnparsedPublicKey::new(&ED25519, &self.key.point).verify(&bytes, &self.signed).map_err(|_| Refused::Wrong)
    }
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(field);
}

/// What is left of bytes that are read field by field.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Refused> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Refused::Garbled)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        self.take(1)?.first().copied().ok_or(Refused::Garbled)
    }

    fn number(&mut self) -> Result<u32, Refused> {
        self.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| Refused::Garbled)
    }

    fn string(&mut self) -> Result<&'b [u8], Refused> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Refused::Garbled)?)
    }

    fn name(&mut self) -> Result<String, Refused> {
        String::from_utf8(self.string()?.to_vec()).map_err(|_| Refused::Garbled)
    }

    fn end(&self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(Refused::Garbled) }
    }
}

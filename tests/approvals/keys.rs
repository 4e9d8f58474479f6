//! Keys that sign as `ssh-keygen -Y sign` does, by OpenSSH's PROTOCOL.sshsig and PROTOCOL.u2f. A security key needs a
//! finger; these need none.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cadenced::queue::signed::Key;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256, Sha512};

/// A key, and how it signs.
pub struct Signer {
    pub pair: Ed25519KeyPair,
    /// Of a security key.
    pub application: Option<&'static str>,
    pub namespace: &'static str,
    pub hash: &'static str,
    pub reserved: &'static str,
    pub flags: u8,
    pub counter: u32,
    /// Another counter than the one that was signed.
    pub told_counter: Option<u32>,
}

impl Signer {
    /// A key on a disk; the same for the same number.
    pub fn new(number: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[number; 32]).expect("a seed");
        Self {
            pair,
            application: None,
            namespace: "cadenced",
            hash: "sha512",
            reserved: "",
            flags: 1,
            counter: 7,
            told_counter: None,
        }
    }

    /// A security key.
    pub fn touched(number: u8) -> Self {
        Self { application: Some("ssh:"), ..Self::new(number) }
    }

    fn kind(&self) -> &'static str {
        if self.application.is_some() { "sk-ssh-ed25519@openssh.com" } else { "ssh-ed25519" }
    }

    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, self.kind().as_bytes());
        put(&mut blob, self.pair.public_key().as_ref());
        if let Some(application) = self.application {
            put(&mut blob, application.as_bytes());
        }
        blob
    }

    /// As it stands in a `.pub` file.
    pub fn line(&self) -> String {
        format!("{} {}", self.kind(), BASE64_STANDARD.encode(self.blob()))
    }

    pub fn key(&self) -> Key {
        Key::read(&self.blob()).expect("a key of a kind that counts")
    }

    /// An armoured signature of `message`.
    pub fn sign(&self, message: &str) -> String {
        let digest = match self.hash {
            "sha256" => Sha256::digest(message).to_vec(),
            _ => Sha512::digest(message).to_vec(),
        };
        let mut signed = b"SSHSIG".to_vec();
        for field in [self.namespace.as_bytes(), self.reserved.as_bytes(), self.hash.as_bytes(), &digest] {
            put(&mut signed, field);
        }
        let mut signature = Vec::new();
        put(&mut signature, self.kind().as_bytes());
        match self.application {
            None => put(&mut signature, self.pair.sign(&signed).as_ref()),
            Some(application) => {
                let mut whole = Sha256::digest(application).to_vec();
                whole.push(self.flags);
                whole.extend(self.counter.to_be_bytes());
                whole.extend(Sha256::digest(&signed));
                put(&mut signature, self.pair.sign(&whole).as_ref());
                signature.push(self.flags);
                signature.extend(self.told_counter.unwrap_or(self.counter).to_be_bytes());
            }
        }
        let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
        for field in
            [&self.blob(), self.namespace.as_bytes(), self.reserved.as_bytes(), self.hash.as_bytes(), &signature]
        {
            put(&mut blob, field);
        }
        let text = BASE64_STANDARD.encode(blob);
        let lines: Vec<&str> =
            text.as_bytes().chunks(70).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
    }

    /// A whole file that approves these.
    pub fn sheet(&self, message: &str) -> Vec<u8> {
        format!("{message}{}", self.sign(message)).into_bytes()
    }
}

fn put(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.extend(u32::try_from(field.len()).expect("short").to_be_bytes());
    bytes.extend(field);
}

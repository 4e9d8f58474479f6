//! Signatures by `ssh-keygen`: the private key stays with it, or with the agent or the security key that it asks.
//!
//! It talks to the person itself: it asks for a passphrase, a PIN or a touch on the terminal.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::domain::Timestamp;
use crate::queue::signed::{Key, NAMESPACE, Signers, Standing};

/// Signs with one key.
#[derive(Debug)]
pub struct Keygen {
    key: PathBuf,
    /// The public key, where it is written down only to name the one that the agent holds.
    _public: Option<tempfile::NamedTempFile>,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum KeygenError {
    #[error("failed to start {0}")]
    Start(&'static str, #[source] io::Error),
    #[error("{0} has not signed")]
    Refused(&'static str),
    #[error("the agent holds no key that allowed_signers lets sign")]
    NoKey,
    #[error("the agent holds several keys that allowed_signers lets sign: {0}")]
    SeveralKeys(String),
    #[error("failed to write down a public key")]
    Public(#[source] io::Error),
}

const KEYGEN: &str = "ssh-keygen";
const ADD: &str = "ssh-add";

impl Keygen {
    /// Signs with the key in `file`: a private one, or a public one whose other half the agent holds.
    pub fn with_key(file: &Path) -> Self {
        Self { key: file.to_path_buf(), _public: None }
    }

    /// Signs with that key of the agent whose signature counts at `now`.
    ///
    /// # Errors
    /// There is no agent, and no or more than one such key.
    pub fn with_agent(signers: &Signers, now: Timestamp) -> Result<Self, KeygenError> {
        let listed = Command::new(ADD).arg("-L").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let listed = listed.map_err(|error| KeygenError::Start(ADD, error))?;
        let listed = String::from_utf8_lossy(&listed.stdout);
        let keys = listed.lines().filter_map(|line| {
            let mut words = line.split(' ');
            Key::of_line(words.next()?, words.next()?).ok()
        });
        let allowed = |key: &Key| matches!(signers.standing(key, NAMESPACE, now), Standing::Allowed { .. });
        let mut keys: Vec<Key> = keys.filter(allowed).collect();
        let Some(key) = keys.pop() else { return Err(KeygenError::NoKey) };
        if !keys.is_empty() {
            keys.push(key);
            let names: Vec<String> = keys.iter().map(Key::fingerprint).collect();
            return Err(KeygenError::SeveralKeys(names.join(", ")));
        }
        let public = tempfile::Builder::new().suffix(".pub").tempfile().and_then(|mut file| {
            writeln!(file, "{}", key.line())?;
            Ok(file)
        });
        let public = public.map_err(KeygenError::Public)?;
        Ok(Self { key: public.path().to_path_buf(), _public: Some(public) })
    }

    /// An armoured signature of exactly these bytes.
    ///
    /// # Errors
    /// It cannot be started, or signs nothing; why, it has told the person itself.
    pub fn sign(&self, message: &[u8]) -> Result<String, KeygenError> {
        let start = |error| KeygenError::Start(KEYGEN, error);
        let mut child = Command::new(KEYGEN)
            .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
            .arg(&self.key)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        if let Some(mut input) = child.stdin.take() {
            // One that has given up already reads nothing, and its end tells so.
            let _ = input.write_all(message);
        }
        let output = child.wait_with_output().map_err(start)?;
        let signature = String::from_utf8(output.stdout).ok().filter(|_| output.status.success());
        signature.ok_or(KeygenError::Refused(KEYGEN))
    }
}

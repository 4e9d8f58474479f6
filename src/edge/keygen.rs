//! Signatures by `ssh-keygen`: the private key stays with it, or with the agent or the security key that it asks.
//!
//! It talks to the person itself: it asks for a passphrase, a PIN or a touch on the terminal. So what is to be signed is
//! written down for it, and its input stays the terminal: where that is a pipe, it asks by a window or not at all.

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
    #[error("there is no agent to be asked for a key")]
    NoAgent,
    #[error("the agent holds no key that allowed_signers lets sign")]
    NoKey,
    #[error("the agent holds several keys that allowed_signers lets sign: {0}")]
    SeveralKeys(String),
    #[error("failed to write down a public key")]
    Public(#[source] io::Error),
    #[error("failed to write down what is to be signed")]
    Message(#[source] io::Error),
}

const KEYGEN: &str = "ssh-keygen";
const ADD: &str = "ssh-add";
/// Its exit code where it cannot reach an agent (ssh-add(1)); with an agent that holds no key it is another one.
const NO_AGENT: i32 = 2;

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
        if listed.status.code() == Some(NO_AGENT) {
            return Err(KeygenError::NoAgent);
        }
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
        let folder = tempfile::tempdir().map_err(KeygenError::Message)?;
        let file = folder.path().join("approval");
        std::fs::write(&file, message).map_err(KeygenError::Message)?;
        let status = Command::new(KEYGEN)
            .args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"])
            .arg(&self.key)
            .arg(&file)
            .stdout(Stdio::null())
            .status()
            .map_err(|error| KeygenError::Start(KEYGEN, error))?;
        let signature = std::fs::read_to_string(folder.path().join("approval.sig")).ok();
        signature.filter(|_| status.success()).ok_or(KeygenError::Refused(KEYGEN))
    }
}

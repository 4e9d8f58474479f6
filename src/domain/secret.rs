//! Secrets and where they come from. A secret has no `Display`, and its `Debug` shows a placeholder.

use secrecy::{ExposeSecret, SecretString};

/// A token or password in memory; wiped when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself, for the one line that puts it into a request.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where a secret is kept. The configuration holds only this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A file of `$CREDENTIALS_DIRECTORY`.
    Credential(String),
    /// A file, by absolute path; refused when group or world may read it.
    File(std::path::PathBuf),
    /// An environment variable.
    Env(String),
}

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

/// Where it is kept, for people; no part of the secret.
/// Where it is kept, not what it is: tells two accounts of one place apart.
impl std::fmt::Display for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "variable {name}"),
        }
    }
}

/// Reads `{ credential = "…" }`, `{ file = "…" }` or `{ env = "…" }`; the error is a reason and a hint.
///
/// # Errors
/// A secret written in place, an unknown way, or more than one way.
pub fn secret_ref(value: &toml::Value, base: &std::path::Path) -> Result<SecretRef, (String, String)> {
    const HINT: &str = "write { credential = \"NAME\" }, { file = \"PATH\" } or { env = \"VARIABLE\" }";
    let toml::Value::Table(table) = value else {
        return Err(("a secret must not stand in the configuration".into(), HINT.into()));
    };
    let mut ways = table.iter();
    match (ways.next(), ways.next()) {
        (Some((way, toml::Value::String(text))), None) => match way.as_str() {
            "credential" if text.is_empty() || text.contains('/') || text == "." || text == ".." => {
                Err(("a credential is a plain file name".into(), HINT.into()))
            }
            "credential" => Ok(SecretRef::Credential(text.clone())),
            "file" => Ok(SecretRef::File(base.join(text))),
            "env" => Ok(SecretRef::Env(text.clone())),
            _ => Err((format!("there is no way {way:?} to give a secret"), HINT.into())),
        },
        _ => Err(("a secret is given in exactly one way".into(), HINT.into())),
    }
}

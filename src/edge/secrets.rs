//! Secrets: read from where the configuration says, and kept out of core dumps.
//!
//! Errors name the key and the place, never the content. A secret file must be nobody else's to read; credentials of
//! the service manager are exempt, because systemd 257 and later hands them over as 0440 with an access list.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::domain::{Secret, SecretRef};

/// Largest secret, in bytes. Tokens have a few hundred; whoever names a larger file has named the wrong one.
const SECRET_BYTES: u64 = 64 * 1024;

/// Why there is no secret. `key` is the configuration's.
#[derive(Debug, thiserror::Error)]
#[error("failed to read the secret of {key:?} from {place}: {why}")]
pub struct SecretError {
    pub key: String,
    pub place: String,
    pub why: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

/// Where secrets are looked up.
#[derive(Debug, Clone, Default)]
pub struct Vault {
    credentials: Option<PathBuf>,
}

impl Vault {
    /// `credentials` is the value of `$CREDENTIALS_DIRECTORY`.
    pub fn new(credentials: Option<PathBuf>) -> Self {
        Self { credentials }
    }

    /// Reads the secret that `reference` names. One line break at its end is not part of it.
    ///
    /// # Errors
    /// When it is absent, empty, too large, no text, or a file that others may read.
    pub fn resolve(&self, key: &str, reference: &SecretRef) -> Result<Secret, SecretError> {
        let (place, read) = match reference {
            SecretRef::Credential(name) => (format!("the credential {name:?}"), self.credential(name)),
            SecretRef::File(path) => (format!("the file {}", path.display()), private(path)),
            SecretRef::Env(name) => (format!("the environment variable {name:?}"), variable(name)),
        };
        read.and_then(text).map_err(|Reason { why, hint }| SecretError { key: key.into(), place, why, hint })
    }

    fn credential(&self, name: &str) -> Result<Vec<u8>, Reason> {
        let folder = self.credentials.as_ref().ok_or(Reason {
            why: "$CREDENTIALS_DIRECTORY is not set".into(),
            hint: Some("add LoadCredential= to the unit, or give the secret as { file = \"…\" }"),
        })?;
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(Reason::new("a credential is a plain file name"));
        }
        let (file, _) = open(&folder.join(name))?;
        read(file)
    }
}

/// Writes a secret into a file that nobody else may use: aside, then renamed. A file that was there keeps its owner, for
/// the daemon's user has to read it; a link stays one.
///
/// # Errors
/// It cannot be written, or its owner not be kept.
pub fn write(path: &Path, secret: &Secret) -> io::Result<()> {
    let (mut file, path) = aside(path)?;
    file.write_all(secret.expose().as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Whether [`write`] will be possible, as far as can be told without writing.
///
/// # Errors
/// There is no such folder, it is not to be written to, or the owner could not be kept.
pub fn may_write(path: &Path) -> io::Result<()> {
    aside(path).map(|_| ())
}

/// A file beside `path`, of the same owner and for nobody else, and the path that it is to take.
fn aside(path: &Path) -> io::Result<(tempfile::NamedTempFile, PathBuf)> {
    let path = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
    // Made with mode 0600.
    let file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/")))?;
    let ours = file.as_file().metadata()?;
    let before = std::fs::metadata(&path).ok();
    if let Some(before) = before.filter(|before| (before.uid(), before.gid()) != (ours.uid(), ours.gid())) {
        std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid())).map_err(|error| {
            let why = format!("its owner could not be kept ({error}); run the command as that user, or as root");
            io::Error::new(error.kind(), why)
        })?;
    }
    Ok((file, path))
}

struct Reason {
    why: String,
    hint: Option<&'static str>,
}

impl Reason {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }
}

impl From<io::Error> for Reason {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::new("it is not there"),
            io::ErrorKind::PermissionDenied => Self::new("there is no permission to read it"),
            _ => Self::new(error.to_string()),
        }
    }
}

fn open(path: &Path) -> Result<(File, std::fs::Metadata), Reason> {
    // Not blocking, so that a FIFO is refused instead of waited for.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    if about.is_file() { Ok((file, about)) } else { Err(Reason::new("it is not a regular file")) }
}

fn private(path: &Path) -> Result<Vec<u8>, Reason> {
    let (file, about) = open(path)?;
    if about.mode() & 0o077 != 0 {
        let why = format!("others may use it too (its mode is {:04o})", about.mode() & 0o7777);
        return Err(Reason { why, hint: Some("chmod 600 it") });
    }
    read(file)
}

fn variable(name: &str) -> Result<Vec<u8>, Reason> {
    use std::os::unix::ffi::OsStringExt;
    let value = std::env::var_os(name).ok_or_else(|| Reason::new("it is not set"))?;
    Ok(value.into_vec())
}

fn read(file: File) -> Result<Vec<u8>, Reason> {
    // Room for all from the start: a buffer that grows leaves copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(SECRET_BYTES + 1).unwrap_or(0));
    file.take(SECRET_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a secret of bytes, and wipes them.
fn text(mut bytes: Vec<u8>) -> Result<Secret, Reason> {
    let secret = match std::str::from_utf8(&bytes) {
        _ if bytes.len() as u64 > SECRET_BYTES => Err(Reason::new("it has more than 64 KiB")),
        Err(_) => Err(Reason::new("it is not UTF-8 text")),
        Ok(text) => {
            let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
            if text.trim().is_empty() { Err(Reason::new("it is empty")) } else { Ok(Secret::new(text)) }
        }
    };
    bytes.fill(0);
    std::hint::black_box(&bytes);
    secret
}

/// Forbids core dumps and reading this process's memory, for itself and whatever inherits from it.
///
/// # Errors
/// When the operating system refuses; the daemon may go on and say so.
pub fn harden() -> io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TOKEN: &str = "canary-1f0c";

    fn file(dir: &tempfile::TempDir, content: &[u8], mode: u32) -> PathBuf {
        let path = dir.path().join("token");
        // Anew, for a file of mode 0 is opened for writing by nobody but root.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_a_secret() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(Some(dir.path().into()));
        for (content, secret) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a", " a")] {
            let path = file(&dir, content.as_bytes(), 0o600);
            assert_eq!(vault.resolve("token", &SecretRef::File(path)).unwrap().expose(), secret);
            assert_eq!(vault.resolve("token", &SecretRef::Credential("token".into())).unwrap().expose(), secret);
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_and_a_credential_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(Some(dir.path().into()));
        for mode in [0o640, 0o604, 0o620] {
            let path = file(&dir, TOKEN.as_bytes(), mode);
            let error = vault.resolve("token", &SecretRef::File(path)).unwrap_err();
            assert!(error.to_string().contains(&format!("{mode:04o}")), "{error}");
            assert!(!error.to_string().contains(TOKEN));
        }
        file(&dir, TOKEN.as_bytes(), 0o440);
        assert!(vault.resolve("token", &SecretRef::Credential("token".into())).is_ok());
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::new(None);
        let mut large = TOKEN.repeat(10_000).into_bytes();
        large.truncate(65 * 1024);
        let cases: [(&[u8], &str); 4] =
            [(b"", "empty"), (b"\n", "empty"), (&large, "64 KiB"), (b"canary-1f0c\xff", "not UTF-8")];
        for (content, why) in cases {
            let error = vault.resolve("password", &SecretRef::File(file(&dir, content, 0o600))).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(why) && shown.contains("password") && !shown.contains(TOKEN), "{shown}");
        }
        let folder = vault.resolve("token", &SecretRef::File(dir.path().into())).unwrap_err();
        assert!(folder.to_string().contains("not a regular file"), "{folder}");
        assert!(vault.resolve("token", &SecretRef::Env("CADENCED_NO_SUCH_VARIABLE".into())).is_err());
        assert!(vault.resolve("token", &SecretRef::Credential("token".into())).unwrap_err().hint.is_some());
        // Set by cargo for its tests.
        assert!(vault.resolve("token", &SecretRef::Env("CARGO_MANIFEST_DIR".into())).is_ok());
    }
}

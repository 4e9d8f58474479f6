//! Secrets: read from where the configuration says, and kept out of core dumps.
//!
//! Errors name the key and the place, never the content. A secret file must be nobody else's to read; credentials of
//! the service manager are exempt, because systemd 257 and later hands them over as 0440 with an access list.
//!
//! A person's `cadenced auth` writes them, often as root and into folders that others may write to; so a file is never
//! given to whoever happens to own what was there.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
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

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

impl Owner {
    pub const ROOT: Self = Self { user: 0, group: 0 };

    /// Whose the folder is, or the nearest one above it that is there.
    pub fn of(folder: &Path) -> Option<Self> {
        let about = folder.ancestors().find_map(|folder| std::fs::metadata(folder).ok())?;
        Some(Self { user: about.uid(), group: about.gid() })
    }

    /// Who runs this program.
    fn ours() -> Self {
        Self { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() }
    }
}

/// Writes a secret into a file that nobody else may use: aside, then renamed. Tells whose it is.
///
/// Root writes for the user of the daemon, who has to read it: the file is given to `reader`. A file that was there is
/// replaced only where it is root's or theirs, for whoever put another one there would be given the secret. Everybody
/// else keeps the owner of a file that was there, or fails. A link that leads out of its folder is not followed: it could
/// make root replace any file. One that stays inside stays a link.
///
/// # Errors
/// It cannot be written so.
pub fn write(path: &Path, secret: &Secret, reader: Owner) -> io::Result<Owner> {
    let mut aside = Aside::beside(path, reader, Owner::ours())?;
    aside.file.write_all(secret.expose().as_bytes())?;
    aside.file.write_all(b"\n")?;
    aside.file.sync_all()?;
    rustix::fs::renameat(&aside.folder, &aside.name, &aside.folder, &aside.target)?;
    rustix::fs::fsync(&aside.folder)?;
    Ok(aside.owner)
}

/// Whether [`write`] will be possible, as far as can be told without writing.
///
/// # Errors
/// There is no such folder, it is not to be written to, the file is a stranger's, or its owner could not be kept.
pub fn may_write(path: &Path, reader: Owner) -> io::Result<()> {
    Aside::beside(path, reader, Owner::ours()).map(|_| ())
}

/// A file beside the one that it is to become, for nobody but its owner. It goes away unless it has been renamed.
struct Aside {
    folder: OwnedFd,
    name: String,
    target: std::ffi::OsString,
    file: File,
    owner: Owner,
}

/// How many names are tried. Others are left of programs that were killed.
const NAMES: u32 = 100;

impl Aside {
    /// Everything is done below the folder as it was opened, so that nothing can be exchanged on the way.
    fn beside(path: &Path, reader: Owner, ours: Owner) -> io::Result<Self> {
        let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let path = std::path::absolute(path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(refuse("it is not the name of a file".into()));
        };
        // What leads to the folder, the configuration says.
        let folder = rustix::fs::open(parent, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let target = inside(&folder, name)?;
        let before = match rustix::fs::statat(&folder, &target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(held) if FileType::from_raw_mode(held.st_mode) == FileType::RegularFile => {
                Some(Owner { user: held.st_uid, group: held.st_gid })
            }
            Ok(_) => return Err(refuse("what is there is not a regular file".into())),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        let owner = match before {
            Some(before) if ours.user == 0 && ![0, reader.user].contains(&before.user) => {
                let theirs = before.user;
                let why =
                    format!("the file belongs to user {theirs}, who is neither root nor the daemon's: take it away");
                return Err(refuse(why));
            }
            _ if ours.user == 0 => reader,
            before => before.unwrap_or(ours),
        };
        let (name, file) = new_in(&folder, &target)?;
        let aside = Self { folder, name, target, file, owner };
        if (owner.user, owner.group) != (ours.user, ours.group) {
            std::os::unix::fs::fchown(&aside.file, Some(owner.user), Some(owner.group)).map_err(|error| {
                let why = format!("its owner could not be kept ({error}); run the command as that user, or as root");
                io::Error::new(error.kind(), why)
            })?;
        }
        Ok(aside)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Once it is renamed there is none.
        let _ = rustix::fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

/// The file in this folder that a name stands for.
fn inside(folder: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<std::ffi::OsString> {
    use std::os::unix::ffi::OsStringExt;
    let link = match rustix::fs::readlinkat(folder, name, Vec::new()) {
        Ok(link) => std::ffi::OsString::from_vec(link.into_bytes()),
        // No link, or nothing at all.
        Err(Errno::INVAL | Errno::NOENT) => return Ok(name.to_owned()),
        Err(error) => return Err(error.into()),
    };
    let mut parts = Path::new(&link).components();
    match (parts.next(), parts.next()) {
        (Some(std::path::Component::Normal(file)), None) => Ok(file.to_owned()),
        _ => {
            let why = "it is a link that leads out of its folder: name the file itself";
            Err(io::Error::new(io::ErrorKind::InvalidInput, why))
        }
    }
}

/// A new file in the folder, of mode 0600.
fn new_in(folder: &OwnedFd, beside: &std::ffi::OsStr) -> io::Result<(String, File)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 0..NAMES {
        let name = format!(".{}.{}-{number}", beside.to_string_lossy(), std::process::id());
        match rustix::fs::openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((name, File::from(file))),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many files of attempts that were broken off"))
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

    /// Nobody's, on any machine.
    const STRANGER: u32 = 64_999;

    fn mode_and_user(path: &Path) -> (u32, u32) {
        let about = std::fs::symlink_metadata(path).unwrap();
        (about.mode() & 0o7777, about.uid())
    }

    #[test]
    fn a_secret_goes_into_a_file_of_its_own_and_through_no_link_that_leads_out() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ours = Owner::ours();
        let (token, secret) = (dir.path().join("token"), Secret::new(TOKEN));
        assert_eq!(write(&token, &secret, ours).unwrap(), ours);
        assert_eq!(std::fs::read_to_string(&token).unwrap(), format!("{TOKEN}\n"));
        assert_eq!(mode_and_user(&token), (0o600, ours.user));
        // A link that stays inside stays one.
        std::os::unix::fs::symlink("token", dir.path().join("link")).unwrap();
        write(&dir.path().join("link"), &Secret::new("other"), ours).unwrap();
        assert_eq!(std::fs::read_to_string(&token).unwrap(), "other\n");
        assert!(std::fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "as it was").unwrap();
        let absolute = victim.to_str().unwrap().to_owned();
        let climbing = format!("../{}/victim", outside.path().file_name().unwrap().to_str().unwrap());
        for (name, target) in [("absolute", absolute), ("climbing", climbing), ("twice", "absolute".into())] {
            let link = dir.path().join(name);
            std::os::unix::fs::symlink(target, &link).unwrap();
            assert!(may_write(&link, ours).is_err() && write(&link, &secret, ours).is_err(), "{name}");
        }
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(write(&dir.path().join("folder"), &secret, ours).is_err());
        assert!(write(&dir.path().join("no/such"), &secret, ours).is_err());
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was");
        let mut left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["absolute", "climbing", "folder", "link", "token", "twice"], "nothing is left aside");
    }

    #[test]
    fn root_writes_for_the_daemon_and_gives_a_stranger_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (token, secret) = (dir.path().join("token"), Secret::new(TOKEN));
        let (root, daemon) = (Owner::ROOT, Owner { user: STRANGER - 1, group: STRANGER - 1 });
        if Owner::ours().user != 0 {
            // Who is not root cannot give anything away.
            assert!(Aside::beside(&token, daemon, root).is_err());
            return;
        }
        assert_eq!(write(&token, &secret, daemon).unwrap(), daemon);
        assert_eq!(mode_and_user(&token), (0o600, daemon.user));
        // Theirs, and root's own, are replaced.
        write(&token, &secret, daemon).unwrap();
        std::os::unix::fs::chown(&token, Some(0), Some(0)).unwrap();
        write(&token, &secret, daemon).unwrap();
        assert_eq!(mode_and_user(&token), (0o600, daemon.user));
        std::os::unix::fs::chown(&token, Some(STRANGER), Some(STRANGER)).unwrap();
        std::fs::write(&token, "a trap").unwrap();
        for reader in [root, daemon] {
            assert!(may_write(&token, reader).unwrap_err().to_string().contains("64999"));
            assert!(write(&token, &secret, reader).is_err());
        }
        assert_eq!(std::fs::read_to_string(&token).unwrap(), "a trap");
    }

    #[test]
    fn the_owner_of_a_folder_that_is_not_there_is_that_of_the_one_above() {
        let dir = tempfile::tempdir().unwrap();
        let about = std::fs::metadata(dir.path()).unwrap();
        let expected = Some(Owner { user: about.uid(), group: about.gid() });
        assert_eq!((Owner::of(&dir.path().join("store/deep")), Owner::of(dir.path())), (expected, expected));
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

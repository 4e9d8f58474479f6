//! What stands at a path, for the user that this process runs as, and how much room there is. Looks only.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};

/// What stands at a path; a link is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_folder: bool,
    /// The bits that `chmod` sets.
    pub mode: u32,
    pub readable: bool,
    pub writable: bool,
    /// A program that may be run, or a folder that may be entered.
    pub passable: bool,
}

/// Looks at a path; `None` where nothing is.
///
/// # Errors
/// It cannot be looked at.
pub fn look(path: &Path) -> io::Result<Option<Standing>> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let may = |what| access(path, what).is_ok();
    Ok(Some(Standing {
        is_folder: about.is_dir(),
        mode: about.permissions().mode() & 0o7777,
        readable: may(Access::READ_OK),
        writable: may(Access::WRITE_OK),
        passable: may(Access::EXEC_OK),
    }))
}

/// Free bytes of the disk that a path is on, for users like this one.
pub fn free(path: &Path) -> Option<u64> {
    let about = statvfs(path).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_there_is_told_and_what_does_not_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("program");
        assert_eq!(look(&file).unwrap(), None);
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let found = look(&file).unwrap().unwrap();
        assert!(!found.is_folder && found.readable && found.writable && !found.passable);
        assert_eq!(found.mode, 0o640);
        assert!(look(dir.path()).unwrap().unwrap().is_folder);
        assert!(look(&file.join("below")).is_err(), "a file is no folder");
        assert!(free(dir.path()).is_some_and(|bytes| bytes > 0));
    }
}

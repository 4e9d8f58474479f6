//! What stands at a path, for the user that this process runs as, how much room there is, and what else of this machine
//! an examination asks for. Looks only.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

/// What stands at a path; a link is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_folder: bool,
    pub is_socket: bool,
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
        is_socket: about.file_type().is_socket(),
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

/// How many folders there are below a path, itself included; no more than `limit` are counted. Links are not followed.
pub fn folders(path: &Path, limit: u64) -> u64 {
    let mut waiting = vec![path.to_owned()];
    let mut count = 0;
    while count < limit
        && let Some(folder) = waiting.pop()
    {
        count += 1;
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        waiting.extend(
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()),
        );
    }
    count
}

/// How many folders a user may watch at once.
pub fn watches() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").ok()?.trim().parse().ok()
}

/// The addresses that a name stands for; none where that cannot be found out.
pub fn addresses(host: &str) -> Vec<IpAddr> {
    let found = (host, 443).to_socket_addrs().into_iter().flatten().map(|address| address.ip());
    let found: std::collections::BTreeSet<IpAddr> = found.collect();
    found.into_iter().collect()
}

/// Whom this machine asks for names.
pub fn resolvers() -> Vec<IpAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let named = text.lines().filter_map(|line| line.strip_prefix("nameserver"));
    named.filter_map(|address| address.trim().parse().ok()).collect()
}

/// A unit's file and its drop-ins below these folders, in the order in which they count. The first folder that has a
/// file of a name wins. `None` where there is no such unit.
pub fn unit(folders: &[&Path], name: &str) -> Option<Vec<(PathBuf, String)>> {
    let read = |path: PathBuf| std::fs::read_to_string(&path).ok().map(|text| (path, text));
    let file = folders.iter().find_map(|folder| read(folder.join(name)))?;
    let mut drop_ins: BTreeMap<std::ffi::OsString, PathBuf> = BTreeMap::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder.join(format!("{name}.d"))).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "conf")) {
            drop_ins.entry(path.file_name().unwrap_or_default().to_owned()).or_insert(path);
        }
    }
    Some(std::iter::once(file).chain(drop_ins.into_values().filter_map(read)).collect())
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

    #[test]
    fn drop_ins_come_by_name_and_the_nearest_of_a_name_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (near, far) = (dir.path().join("etc"), dir.path().join("lib"));
        let put = |path: PathBuf, text: &str| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(unit(&[&near, &far], "a.service"), None);
        put(far.join("a.service"), "far");
        put(far.join("a.service.d/1.conf"), "far 1");
        put(far.join("a.service.d/3.conf"), "far 3");
        put(near.join("a.service.d/2.conf"), "near 2");
        put(near.join("a.service.d/1.conf"), "near 1");
        put(near.join("a.service.d/note.txt"), "no");
        let texts = |found: Option<Vec<(PathBuf, String)>>| -> Vec<String> {
            found.unwrap().into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(texts(unit(&[&near, &far], "a.service")), ["far", "near 1", "near 2", "far 3"]);
        put(near.join("a.service"), "near");
        assert_eq!(texts(unit(&[&near, &far], "a.service"))[0], "near");
    }

    #[test]
    fn folders_are_counted_up_to_a_limit() {
        let dir = tempfile::tempdir().unwrap();
        for inside in ["a", "a/b", "c"] {
            std::fs::create_dir(dir.path().join(inside)).unwrap();
        }
        std::fs::write(dir.path().join("file"), "").unwrap();
        assert_eq!([folders(dir.path(), 9), folders(dir.path(), 2)], [4, 2]);
        assert_eq!(addresses("127.0.0.1"), ["127.0.0.1".parse::<IpAddr>().unwrap()]);
    }
}

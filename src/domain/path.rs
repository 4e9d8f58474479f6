//! Paths as people see them.

use std::path::{Component, Path, PathBuf};

/// A path without `.` and without `name/..`, for logs and messages. Where `name` is a symlink this names another place
/// than the path does, so it is never opened, and nobody is told to delete what stands in it.
pub fn shown(path: &Path) -> String {
    let mut short = PathBuf::new();
    for part in path.components() {
        match (part, short.components().next_back()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => _ = short.pop(),
            (Component::ParentDir, Some(Component::RootDir)) => {}
            _ => short.push(part),
        }
    }
    if short.as_os_str().is_empty() { ".".into() } else { short.display().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_detours() {
        for (path, expected) in [
            ("config/../target/demo/store", "target/demo/store"),
            ("/srv/cadenced/config/../../store", "/srv/store"),
            ("/../store", "/store"),
            ("../queue/./a.toml", "../queue/a.toml"),
            ("../../a/..", "../.."),
            ("a/..", "."),
            ("plain", "plain"),
        ] {
            assert_eq!(shown(Path::new(path)), expected, "{path}");
        }
    }
}

//! The real `ssh-keygen`, where there is one.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder for its files, if it is on this machine.
pub fn folder() -> Option<tempfile::TempDir> {
    let there = Command::new("ssh-keygen").arg("-?").stdin(Stdio::null()).output().is_ok();
    if !there {
        eprintln!("NOT TESTED: ssh-keygen is not on this machine, and signatures were not compared with its own");
    }
    there.then(|| tempfile::tempdir().expect("a folder"))
}

/// Makes a key of its own; where the private half is, and the line of the public one.
pub fn key(folder: &Path, name: &str) -> (PathBuf, String) {
    let file = folder.join(name);
    run(folder, &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name], "").expect("a key is made");
    let line = std::fs::read_to_string(folder.join(format!("{name}.pub"))).expect("its public half");
    (file, line.trim().to_owned())
}

/// Signs by hand, as docs/queue.md tells.
pub fn sign(folder: &Path, key: &Path, message: &str) -> String {
    let key = key.to_str().expect("a path");
    run(folder, &["-Y", "sign", "-n", "cadenced", "-f", key], message).expect("it signs")
}

/// Runs it in a folder; what it wrote, where it was content.
pub fn run(folder: &Path, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder)
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it was here a moment ago");
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

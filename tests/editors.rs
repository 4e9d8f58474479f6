//! What editors are told: files of ours against the schemas, by the checker that most of them ask.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "what cannot be tested on a machine is said on stderr")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cadenced::cli::schema;
use cadenced::platform::REGISTRY;

/// `$CADENCED_TAPLO`, or `taplo` of the `PATH`; `None` where there is none.
fn taplo() -> Option<PathBuf> {
    let program = std::env::var_os("CADENCED_TAPLO").map_or_else(|| "taplo".into(), PathBuf::from);
    let there = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!(
            "NOT TESTED: taplo is not on this machine (npm install @taplo/cli), and no file was held against the schemas"
        );
    }
    there.then_some(program)
}

/// Whether a file agrees with a schema, and what was said.
fn checked(taplo: &Path, folder: &Path, schema: &Path, name: &str, text: &str) -> (bool, String) {
    let file = folder.join(name);
    fs::write(&file, text).expect("a file is written");
    let address = format!("file://{}", schema.display());
    let output = Command::new(taplo)
        .args(["check", "--no-auto-config", "--schema", &address])
        .arg(&file)
        .env("RUST_LOG", "warn")
        .env("XDG_CACHE_HOME", folder)
        .output()
        .expect("it was here a moment ago");
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn files_of_ours_agree_with_the_schemas_and_wrong_ones_do_not() {
    let Some(taplo) = taplo() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, schema: &serde_json::Value| {
        let path = folder.path().join(name);
        fs::write(&path, schema::print(schema)).expect("a schema is written");
        path
    };
    let (config, queue) = (write("config.json", &schema::config(REGISTRY)), write("queue.json", &schema::queue()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file of ours");
    let page = read("docs/queue.md");
    let sample =
        page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).expect("a sample of a queue file");
    let post = "[[post]]\nid = \"a\"\nto = [\"x\"]\naudience = \"all\"\ngoal = \"change\"\ntext = \"t\"\n";
    for (what, schema, text, good) in [
        ("cadenced.toml", &config, read("config/cadenced.toml"), true),
        ("quickstart.toml", &config, read("config/quickstart.toml"), true),
        ("complete.toml", &config, read("tests/fixtures/config/complete.toml"), true),
        ("faults.toml", &config, read("tests/fixtures/config/faults.toml"), false),
        ("approval", &config, "[queue]\napproval = \"sworn\"\n".to_owned(), false),
        ("welcome", &queue, read("config/quickstart/queue/1-welcome.toml"), true),
        ("complete queue", &queue, read("tests/fixtures/queue/complete.toml"), true),
        ("the page", &queue, sample.to_owned(), true),
        ("a post", &queue, post.to_owned(), true),
        ("an unknown key", &queue, format!("{post}txt = \"t\"\n"), false),
        ("another goal", &queue, post.replace("change", "fame"), false),
        ("an id in capitals", &queue, post.replace("\"a\"", "\"A\""), false),
    ] {
        // Their first line may name a schema that lies elsewhere.
        let text: String =
            text.lines().filter(|line| !line.starts_with("#:schema")).map(|line| format!("{line}\n")).collect();
        let (agrees, said) = checked(&taplo, folder.path(), schema, "file.toml", &text);
        assert_eq!(agrees, good, "{what}: {said}");
    }
}

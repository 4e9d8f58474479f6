//! What `cadenced check` costs beside reading the same files with the `toml` crate alone.
//!
//! `cargo bench --bench check [-- POSTS]`. The files lie in memory, so that only the work is measured.

mod support;

use std::path::Path;
use std::sync::Arc;

use cadenced::cli::check::{CLEAN, Check, Format, QueueFiles, QueueFolder, check};
use cadenced::cli::faults::Look;
use cadenced::domain::FoundMedia;
use cadenced::platform::REGISTRY;
use cadenced::queue::signed::{Allowed, Beside};

use support::{config, file, median, say, size, ticks, wall};

const ACCOUNTS: usize = 64;
const PER_FILE: usize = 2_000;
const ROUNDS: usize = 5;

struct Memory(Vec<(Arc<str>, String)>);

impl QueueFolder for Memory {
    fn files<'f>(&'f self, _: &Path) -> Result<QueueFiles<'f>, String> {
        Ok(Box::new(self.0.iter().map(|(name, text)| (name.clone(), Ok(text.clone().into_bytes())))))
    }
    fn read(&self, _: &Path, file: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| **name == *file);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or_else(|| "there is none".into())
    }
    fn media(&self, _: &Path, _: &str, _: &str) -> Result<FoundMedia, String> {
        Err("there is none".into())
    }
    fn media_size(&self, _: &Path, _: &str, _: &str) -> Option<u64> {
        None
    }
    fn beside(&self, _: &Path, _: &str) -> Beside {
        Beside::Nothing
    }
    fn allowed(&self, _: &Path) -> Allowed {
        Err("nobody signs here".into())
    }
}

fn main() {
    let posts = size(100_000);
    let files = (0..posts)
        .step_by(PER_FILE)
        .map(|from| (format!("{from:07}.toml").into(), file(from, (from + PER_FILE).min(posts), ACCOUNTS, |_| None)));
    let folder = Memory(files.collect());
    let bytes: usize = folder.0.iter().map(|(_, text)| text.len()).sum();
    let config = config(ACCOUNTS, "https://mastodon.example", "[\"0 9 * * *\"]");
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = ticks();
        for (_, text) in &folder.0 {
            let table: toml::Table = text.clone().parse().expect("TOML");
            assert!(!std::hint::black_box(table).is_empty());
        }
        let alone = began.elapsed().as_secs_f64();
        let ask = Check {
            config_file: Path::new("/bench/cadenced.toml"),
            config: Ok(config.clone().into_bytes()),
            state_directory: None,
            runtime_directory: None,
            registry: REGISTRY,
            now: wall(),
            format: Format::Text(Look::Plain),
            over: &|_| false,
            sent: &|_| None,
        };
        let mut out = Vec::new();
        let began = ticks();
        let code = check(&ask, &folder, &mut out).expect("memory takes everything");
        let whole = began.elapsed().as_secs_f64();
        assert_eq!(code, CLEAN, "{}", String::from_utf8_lossy(&out[..out.len().min(2000)]));
        ours.push(whole);
        bare.push(alone);
        ratios.push(whole / alone);
    }
    say(&format!(
        "check of {posts} posts ({} MiB): {:.2} s; toml alone {:.2} s; ratio {:.2} (at most 3)",
        bytes >> 20,
        median(ours),
        median(bare),
        median(ratios)
    ));
}

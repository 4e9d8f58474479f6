//! The list of platforms in the documents is the one in the code.

use cadenced::domain::Visibility;
use cadenced::platform::REGISTRY;
use cadenced::platform::contract::{Abilities, Answers};

fn doc(name: &str) -> Option<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    std::fs::read_to_string(folder.join(name)).ok()
}

fn count(most: usize) -> String {
    match most {
        0 => "no".into(),
        usize::MAX => "any".into(),
        most => most.to_string(),
    }
}

fn yes(can: bool) -> &'static str {
    if can { "yes" } else { "no" }
}

fn row(name: &str, can: &Abilities) -> String {
    let answers = match can.answers {
        Answers::Nothing => "no",
        Answers::Ours => "to ours",
        Answers::Anything => "to all",
    };
    let kept_back = [(Visibility::Unlisted, can.unlisted), (Visibility::Followers, can.followers)];
    let kept_back: Vec<_> = kept_back
        .iter()
        .filter(|(_, can)| *can)
        .map(|(visibility, _)| format!("{visibility:?}").to_lowercase())
        .collect();
    let visibility =
        if kept_back.is_empty() { "public only".into() } else { format!("public, {}", kept_back.join(", ")) };
    format!(
        "| [`{name}`](platforms/{name}.md) | {} | {} | {} | {} | {} | {} | {} | {answers} | {} | {visibility} |",
        if can.text_alone { "yes" } else { "needs media" },
        count(can.images),
        count(can.videos),
        count(can.sounds),
        count(can.documents),
        yes(can.mixed),
        yes(can.threads),
        yes(can.warnings),
    )
}

#[test]
fn the_documents_list_every_platform_and_what_it_can_show() {
    let page = doc("platforms.md").expect("there is docs/platforms.md");
    let rows: Vec<_> = REGISTRY.iter().map(|entry| row(entry.name, &entry.can)).collect();
    let listed: Vec<_> = page.lines().filter(|line| line.starts_with("| [`")).collect();
    assert_eq!(listed, rows, "the table must be:\n{}", rows.join("\n"));
}

/// Each has a page of its own, with the keys of its account table.
#[test]
fn every_platform_has_a_page_that_names_its_keys() {
    let mut unnamed = Vec::new();
    for entry in REGISTRY {
        let page = doc(&format!("platforms/{}.md", entry.name));
        let page = page.unwrap_or_else(|| panic!("there is no docs/platforms/{}.md", entry.name));
        for key in entry.keys {
            let (quoted, set) = (format!("`{}`", key.name), format!("{} = ", key.name));
            let named = page.contains(&quoted) || page.lines().any(|line| line.trim_start().starts_with(&set));
            if !named {
                unnamed.push(format!("{}: {}", entry.name, key.name));
            }
        }
    }
    assert_eq!(unnamed, [""; 0]);
}

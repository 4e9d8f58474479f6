//! `cadenced new` through the program: what it adds, and what it does not touch.

#![cfg(test)]

#[path = "support/program.rs"]
mod support;

use std::fs;

use support::Program;

const CONFIG: &str = r#"
[store]
path = "store"
[log]
format = "json"
[accounts.other]
platform = "site"
path = "other"
base_url = "https://other.example"
title = "Other notes"
slots = ["0 9 * * *"]
[accounts.site]
platform = "site"
path = "site"
base_url = "https://notes.example"
title = "Notes"
slots = ["0 9 * * *"]
"#;

const FIRST: &str = "# week\n[defaults]\naudience = \"founders\"\n\n[[post]] # one\nid = \"first\"\nto = [\"site\"]\n\
                     goal = \"change\"\ntext = \"hello\"\n";

#[test]
fn a_post_is_begun_filled_in_and_clean() {
    let program = Program::new(CONFIG, &[]);
    program.queue("week.toml", FIRST);
    let week = program.path("queue/week.toml");
    let file = week.to_str().expect("a path");
    let said = program.succeeds(&["new", "lamp", "--to", "site", "--file", file]);
    assert!(
        said.ends_with("week.toml holds lamp, with a text to be filled in; then: cadenced approve lamp --by NAME\n"),
        "{said}"
    );
    let text = fs::read_to_string(&week).expect("a text");
    let own = text.strip_prefix(FIRST).expect("what stood there stays");
    assert!(own.contains("\n# site (site): next free slot ") && own.contains("to = [\"site\"]\n"), "{own}");
    assert!(!own.contains("audience") && !own.contains("other"), "{own}");
    let (_, said) = program.says(&["check"]);
    assert!(said.contains("the text is empty"), "{said}");
    fs::write(&week, text.replace("\"\"\"\n\"\"\"", "\"\"\"\nA lamp.\"\"\"")).expect("written");
    assert_eq!(program.succeeds(&["check"]), "1 queue file, 2 posts: no problems\n");

    // What is taken is refused, wherever it is known from, and nothing is written.
    let before = fs::read_to_string(&week).expect("a text");
    fs::create_dir(program.path("queue/.x")).expect("a folder");
    let hidden = file.replace("week.toml", ".x/week.toml");
    for (words, why) in [
        (&["new", "b", "--file", &hidden][..], "is no place for a queue file"),
        (&["new", "first"], "the id first is taken: it stands in week.toml"),
        (&["new", "lamp", "--file", file], "the id lamp is taken: it stands in week.toml"),
        (&["new", "b", "--to", "nobody"], "there is no account nobody"),
        (&["new", "b", "--file", "/tmp/elsewhere.toml"], "is no place for a queue file"),
        (&["new", "b", "--file", &file.replace(".toml", ".txt")], "is no place for a queue file"),
    ] {
        let (status, said) = program.says(words);
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(why), "{said}");
    }
    // Nobody has approved it; that it was held is on record.
    program.run();
    fs::remove_file(&week).expect("removed");
    let (_, said) = program.says(&["new", "lamp"]);
    assert!(said.contains("the id lamp is taken: a post of that name is on record"), "{said}");
    fs::write(&week, &before).expect("written");

    // Without a name, and into a file of its own.
    let said = program.succeeds(&["new"]);
    let name = said.split(" holds ").nth(1).and_then(|rest| rest.split(',').next()).expect("its name").to_owned();
    let made = program.path(&format!("queue/{name}.toml"));
    let text = fs::read_to_string(&made).expect("a file of its own");
    assert!(text.contains("to = [\"other\", \"site\"]") && text.contains("audience = \"everyone\""), "{text}");
    assert!(program.succeeds(&["new"]).contains(&format!("holds {name}-2,")));
    assert_eq!(fs::read_to_string(&week).expect("a text"), before);

    // A file that is broken is left alone.
    fs::write(&week, "[[post]\n").expect("written");
    let (status, said) = program.says(&["new", "c", "--file", file]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("it has faults; cadenced check shows them"), "{said}");
    assert_eq!(fs::read_to_string(&week).expect("a text"), "[[post]\n");
}

//! `cadenced import --from` through the program: what becomes drafts, and that nothing of it is published unseen.

#![cfg(test)]

#[path = "support/program.rs"]
mod support;

use std::fs;

use support::Program;

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
[store]
path = "store"
[log]
format = "json"
[policy]
min_gap = "1s"
max_per_day = 1000
quiet = []
[accounts.site]
platform = "site"
path = "site"
base_url = "https://notes.example"
title = "Notes"
slots = ["* * * * * *"]
"#;

const POSTS: &str = "Text,Image URL,Tags,Posting Time\r\n\
                     \"One\r\nand \"\"more\"\"\",https://i.example/a.png,,2020-01-01 09:00\r\n\
                     Two \u{202e}odd,,work,\r\n\
                     Three,,,soon\r\n\
                     Four,,,2126-12-01 09:00\r\n\
                     \"[[post]]\r\nid = 'x'\",,,\r\n";

fn posts(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).collect()
}

#[test]
fn what_was_planned_elsewhere_waits_for_a_person() {
    let program = Program::new(CONFIG, &[]);
    fs::write(program.path("posts.csv"), POSTS).expect("written");
    let csv = program.path("posts.csv");
    let csv = csv.to_str().expect("a path");
    let import = ["import", "--from", "buffer-csv", csv, "--audience", "founders"];
    let (status, said) = program.says(&import);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("posts.csv:5: its moment \"soon\" is no date"), "{said}");
    assert!(said.contains("4 drafts are new, 0 are in the queue or on record already, 1 were not taken"), "{said}");
    assert!(said.contains("1 drafts have media that are to be fetched"), "{said}");
    let file = program.path("queue/buffer.toml");
    let text = fs::read_to_string(&file).expect("a queue file");
    assert_eq!(posts(&text).len(), 4, "{text}");
    assert!(text.contains("# was planned for 2020-01-01T09:00:00+01:00, which is over"), "{text}");
    assert!(text.contains("at = 2126-12-01T09:00:00+01:00") && !text.contains("approval"), "{text}");

    // All that stands against them is that nobody has approved them.
    let (_, said) = program.says(&["check", "--format", "json"]);
    let faults: Vec<serde_json::Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let errors: Vec<&serde_json::Value> = faults.iter().filter(|fault| fault["severity"] == "error").collect();
    assert!(errors.is_empty() && said.contains("U+202E"), "{said}");

    // The second time nothing is new, wherever the posts are by then.
    fs::rename(&file, program.path("queue/other.toml")).expect("moved");
    let before = fs::read_to_string(program.path("queue/other.toml")).expect("a text");
    let (_, said) = program.says(&import);
    assert!(said.contains("0 drafts are new, 4 are in the queue or on record already"), "{said}");
    assert!(!file.exists());
    // What is new goes into a file that was not there.
    fs::write(csv, "text\nFive\n").expect("written");
    fs::write(&file, "# mine\n").expect("written");
    program.queue("buffer-2.toml", "");
    program.queue("buffer-3.toml.approval", "");
    let said = program.succeeds(&import);
    assert!(said.contains("buffer-4.toml"), "{said}");
    assert_eq!(fs::read_to_string(&file).expect("a text"), "# mine\n");
    assert_eq!(fs::read_to_string(program.path("queue/other.toml")).expect("a text"), before);

    // One of them is approved, and only that one goes out.
    let first = posts(&before)[0].to_owned();
    program.succeeds(&["approve", &first, "--by", "ann", "--yes"]);
    program.run();
    assert_eq!(program.count("delivery.delivered"), 1);
    let delivered = program.log().into_iter().find(|line| line["event"] == "delivery.delivered").expect("one");
    assert_eq!(delivered["post"], first.as_str());
    // What is on record is known even when its file is gone.
    fs::write(csv, POSTS).expect("written");
    fs::remove_file(program.path("queue/other.toml")).expect("removed");
    let (_, said) = program.says(&import);
    assert!(said.contains("0 drafts are new, 4 are in the queue or on record already"), "{said}");
}

#[test]
fn other_files_are_drafts_too() {
    let program = Program::new(CONFIG, &[]);
    let outbox = r#"{"type":"OrderedCollection","orderedItems":[
        {"type":"Announce","object":"https://x.example/1"},
        {"type":"Create","object":{"id":"https://m.example/1","type":"Note","content":"<p>Tea</p>","inReplyTo":null,
         "to":["https://www.w3.org/ns/activitystreams#Public"],"summary":"drinks","published":"2024-01-01T00:00:00Z"}},
        {"type":"Create","object":{"id":"https://m.example/2","type":"Note","content":"<p>Cake</p>","inReplyTo":"https://m.example/1",
         "to":["https://www.w3.org/ns/activitystreams#Public"],"published":"2024-01-01T00:01:00Z"}}]}"#;
    let feed = "<rss><channel><item><title>Story</title><link>https://a.example/1</link></item></channel></rss>";
    for (from, file, text, says) in [
        ("mastodon-archive", "outbox.json", outbox, "left out: 1 boosts"),
        ("rss", "feed.xml", feed, "1 drafts are new"),
        ("hootsuite-csv", "bulk.csv", "02/13/2126 10:00,Hello,https://a.example/2\n", "1 drafts are new"),
    ] {
        let path = program.path(file);
        fs::write(&path, text).expect("written");
        let path = path.to_str().expect("a path");
        let said = program.succeeds(&["import", path, "--from", from, "--audience", "all", "--goal", "change"]);
        assert!(said.contains(says), "{said}");
        let (_, said) = program.says(&["import", path, "--from", from, "--audience", "all"]);
        assert!(said.contains("0 drafts are new, 1 are in the queue"), "{said}");
    }
    let text = fs::read_to_string(program.path("queue/mastodon.toml")).expect("a queue file");
    for part in ["thread = [\n\"Cake\",\n]", "warning = \"drinks\"", "goal = \"change\"", "visibility = \"public\""] {
        assert!(text.contains(part), "{text}");
    }
    assert!(program.says(&["check"]).1.contains("3 posts"), "{}", program.says(&["check"]).1);
}

#[test]
fn where_drafts_would_be_published_or_cannot_be_put_nothing_is_written() {
    let program = Program::new(
        &format!("[queue]\npath = \"queue\"\napproval = \"none\"\n{CONFIG}").replacen(
            "\ntimezone = \"Europe/Berlin\"",
            "",
            1,
        ),
        &[],
    );
    let csv = program.path("posts.csv");
    fs::write(&csv, "text\nOne\n").expect("written");
    let csv = csv.to_str().expect("a path");
    let import = ["import", csv, "--from", "buffer-csv", "--audience", "x"];
    let (status, said) = program.says(&import);
    assert!(status.code() == Some(1) && said.contains("all drafts would be published"), "{said}");
    assert!(said.contains("and reload the daemon"), "{said}");

    let program = Program::new(CONFIG, &[]);
    let folder = program.path("queue/.hidden");
    fs::create_dir(&folder).expect("a folder");
    let (hidden, folder) = (folder.join("a.toml"), folder.to_str().expect("a path"));
    let hidden = hidden.to_str().expect("a path");
    let more = |words: &[&'static str]| [&import[..], words].concat();
    for (words, code, why) in [
        (more(&["--to", "nobody"]), 1, "there is no account nobody"),
        (more(&["--into", "/elsewhere.toml"]), 1, "is no place for a queue file"),
        ([&import[..], &["--into", hidden]].concat(), 1, "is no place for a queue file"),
        (vec!["import", "nowhere", "--from", "rss", "--audience", "x"], 1, "hint: it is the path of a file"),
        (vec!["import", "-", "--from", "rss", "--audience", "x"], 1, "hint: only files are read"),
        (vec!["import", folder, "--from", "mastodon-archive", "--audience", "x"], 1, "give the file outbox.json"),
        (more(&["--accept-gap"]), 2, "--accept-gap"),
        (vec!["import", csv, "--from", "rss"], 2, "--audience"),
        (vec!["import", csv, "--audience", "x"], 2, "--from"),
        (vec!["import", csv, "--from", "rss", "--audience", "x"], 1, "it is no"),
        (vec!["import", csv, "--from", "buffer-csv", "--audience", ""], 1, "\"audience\" is empty"),
    ] {
        let (status, said) = program.says(&words);
        assert!(status.code() == Some(code) && said.contains(why), "{words:?}: {said}");
    }
    // What cannot be read may hold the same posts.
    program.queue("large.toml", " ".repeat(1024 * 1024 + 1));
    let (status, said) = program.says(&import);
    assert!(
        status.code() == Some(1) && said.contains("large.toml in the queue folder may hold the same posts"),
        "{said}"
    );
    fs::remove_file(program.path("queue/large.toml")).expect("removed");
    fs::remove_dir(folder).expect("removed");
    assert_eq!(fs::read_dir(program.path("queue")).expect("a folder").count(), 0);
}

#[test]
fn what_is_not_taken_is_told_in_order_and_does_no_harm() {
    let program = Program::new(
        &format!("{CONFIG}[queue]\npath = \"queue\"\napproval = \"signed\"\nallowed_signers = \"allowed\"\n"),
        &[],
    );
    fs::write(program.path("allowed"), "").expect("written");
    let csv = program.path("posts.csv");
    let rows = "text,date,Time\u{1b}zone,images\nSame,,,\n,,,https://i.example/a.png\nSame,,,\nx,\u{1b}[2J soon,,\n";
    fs::write(&csv, rows).expect("written");
    let import = ["import", csv.to_str().expect("a path"), "--from", "buffer-csv", "--audience", "x"];
    let (status, said) = program.says(&import);
    assert!(status.code() == Some(1) && !said.contains('\u{1b}'), "{said:?}");
    assert!(said.contains("1 drafts are new, 0 are in the queue or on record already, 1 stand twice in "), "{said}");
    assert!(
        said.contains("2 were not taken") && said.contains("left out: what stands in the columns Time\\u{1b}zone"),
        "{said}"
    );
    let place = |line: &str| said.find(line).expect(line);
    assert!(place("posts.csv:3: it has media only") < place("posts.csv:5: its moment"), "{said}");
    let item =
        r#"{"type":"Create","object":{"id":"x","url":"u\n\u001b[2J","type":"Note","content":"","to":"as:Public"}}"#;
    let outbox = program.path("outbox.json");
    fs::write(&outbox, format!("{{\"orderedItems\":[{item}]}}")).expect("written");
    let import = ["import", outbox.to_str().expect("a path"), "--from", "mastodon-archive", "--audience", "x"];
    let (_, said) = program.says(&import);
    assert!(said.contains("item 1: u\\n\\u{1b}[2J: it has no text"), "{said:?}");
}

//! The program itself, when what counts as an approval becomes something else while it runs.

use cadenced::domain::FoundMedia;
use cadenced::domain::policy::ApprovalMode;
use cadenced::queue::parse::{self, Surroundings};
use cadenced::queue::signed::sheet;
use rustix::process::Signal;

use super::house::{Daemon, House, SITE, post};
use super::keys::Signer;

/// The same rules with something else as an approval.
fn counting(house: &House, approval: &str) {
    let line = |line: &str| match line.split(' ').next() {
        Some("approval") => format!("approval = {approval}\n"),
        Some("allowed_signers") => String::new(),
        _ => format!("{line}\n"),
    };
    house.configure(&house.config().lines().map(line).collect::<String>());
}

fn reload(house: &House, daemon: &mut Daemon, approval: &str) {
    counting(house, approval);
    daemon.signal(Signal::HUP);
    daemon.event("config.changed");
}

/// What our key says of all posts of a file.
fn signed(toml: &str) -> String {
    let mut media = |_: &str| -> Result<FoundMedia, String> { Err("no media here".into()) };
    let mut around = Surroundings { approval: ApprovalMode::Signed, accounts: None, media: &mut media };
    let posts = parse::read(&"a.toml".into(), toml.as_bytes(), &mut around).posts.expect("a queue file");
    let bytes = Signer::new(1).sheet(&sheet::message(posts.iter().map(|post| (&post.id, &post.digest))));
    String::from_utf8(bytes).expect("a text")
}

const SIGNED: &str = "\"signed\"\nallowed_signers = \"allowed\"";
const DIGEST: &str = "\"digest\"";

#[test]
fn what_counts_from_now_on_is_what_lets_posts_go() {
    let house = House::new(SITE);
    std::fs::write(house.path("allowed"), format!("me {}\n", Signer::new(1).line())).expect("written");
    counting(&house, DIGEST);
    let mut daemon = house.ready();
    let approve = |post: &str| {
        let said = house.run(&["approve", post, "--by", "me", "--yes"]);
        assert_eq!(said.code, 0, "{said:?}");
    };

    // What is written counts, and then it does not.
    house.queue("a.toml", &post("one", "site", "One"));
    daemon.about("delivery.held", "one@site");
    approve("one");
    daemon.about("delivery.delivered", "one@site");
    reload(&house, &mut daemon, SIGNED);
    let toml = post("two", "site", "Two");
    house.queue("a.toml", &toml);
    let held = daemon.about("delivery.held", "two@site");
    assert_eq!(held["reason"], "not-approved", "{held}");
    house.queue("a.toml.approval", &signed(&toml));
    daemon.about("delivery.delivered", "two@site");

    // Signatures count, and then they do not.
    reload(&house, &mut daemon, DIGEST);
    let toml = post("three", "site", "Three");
    house.queue("a.toml", &toml);
    house.queue("a.toml.approval", &signed(&toml));
    let held = daemon.about("delivery.held", "three@site");
    assert_eq!(held["reason"], "not-approved", "{held}");
    approve("three");
    daemon.about("delivery.delivered", "three@site");

    // Presence in the queue counts.
    reload(&house, &mut daemon, "\"none\"");
    house.queue("a.toml", &post("four", "site", "Four"));
    daemon.about("delivery.delivered", "four@site");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(house.shown(), ["four", "one", "three", "two"]);
}

#[test]
fn what_counts_at_the_start_is_what_the_configuration_says() {
    let house = House::new(SITE);
    std::fs::write(house.path("allowed"), format!("me {}\n", Signer::new(1).line())).expect("written");
    counting(&house, SIGNED);
    let (one, two) = (post("one", "site", "One"), post("two", "site", "Two"));
    house.queue("a.toml", &format!("{one}{two}"));
    house.queue("a.toml.approval", &signed(&one));
    let mut daemon = house.ready();
    daemon.about("delivery.delivered", "one@site");
    assert_eq!(house.state("two@site"), "held");
    // Whoever may sign cannot be told: nothing is begun, and nothing is held against anybody.
    std::fs::remove_file(house.path("allowed")).expect("removed");
    let lost = daemon.event("queue.lost");
    assert!(lost["why"].as_str().is_some_and(|why| why.contains("nobody can tell who may sign")), "{lost}");
    let status = house.status();
    assert!(status["attention"].to_string().contains("nobody can tell who may sign"), "{status}");
    house.queue("a.toml.approval", &signed(&format!("{one}{two}")));
    std::fs::write(house.path("allowed"), format!("me {}\n", Signer::new(1).line())).expect("written");
    daemon.event("queue.back");
    daemon.about("delivery.delivered", "two@site");
    assert_eq!(daemon.stop().code(), 0);
}

//! The life of the real program: starting, stopping, reloading, and what its commands say with and without a daemon. How
//! it takes being killed is in `kills`, and what it makes of a damaged store in `torn_store`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use crate::support::house::{House, SITE, eventually, pause, post, skipped};
use crate::support::platform::{Platform, Weather, answer};
use rustix::process::Signal;
use serde_json::{Value, json};

const STORE_REFUSED: i32 = 77;
const CONFIG_REFUSED: i32 = 78;

fn two_posts(house: &House) {
    house.queue("a.toml", &format!("{}{}", post("one", "site", "First"), post("two", "site", "Second")));
}

/// A house with one account on an imitated platform.
fn on(platform: &Platform, change: impl FnOnce(String) -> String) -> House {
    let mut house = House::with(&platform.account("acc"), change);
    for (name, value) in platform.secrets() {
        house.set(&name, &value);
    }
    house
}

// ---- going and coming back --------------------------------------------------------------------------------------

#[test]
fn until_idle_publishes_all_of_it_once_however_often_it_is_run() {
    let house = House::new(SITE);
    two_posts(&house);
    for round in 0..3 {
        let mut daemon = house.start(&["--until-idle"]);
        assert_eq!(daemon.end().code(), 0);
        assert_eq!(daemon.count("delivery.delivered"), if round == 0 { 2 } else { 0 });
        assert_eq!(house.shown(), ["one", "two"]);
    }
    assert_eq!(house.state("one@site"), "delivered");
}

#[test]
fn the_quickstart_runs_from_a_copy_and_an_edited_letter_is_held() {
    let mut house = House::new("");
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let copied = std::process::Command::new("cp").arg("-r").arg(&source).arg(house.path("config")).status();
    assert!(copied.unwrap().success());
    house.set("CADENCED_CONFIG", house.path("config/quickstart.toml").to_str().unwrap());
    let run = |house: &House, args: &[&str]| {
        // The configuration is named by the environment alone.
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cadenced"));
        command.env_clear().env("CADENCED_CONFIG", house.path("config/quickstart.toml")).args(args).output().unwrap()
    };
    let file = house.path("config/quickstart/queue/2-promises.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("text = \"\"\"\n", "text = \"\"\"\nX", 1)).unwrap();

    let said = run(&house, &["run", "--until-idle"]);
    assert_eq!(said.status.code(), Some(0), "{said:?}");
    let log = String::from_utf8(said.stdout).unwrap();
    assert!(log.contains("post.approved_stale"), "{log}");
    let status = run(&house, &["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let states: Vec<_> = status["deliveries"].as_array().unwrap().iter().map(|d| (&d["state"], &d["reason"])).collect();
    let held = states.iter().filter(|(state, reason)| *state == "held" && *reason == "approval-stale").count();
    assert_eq!(held, 1, "{states:?}");
    let delivered = states.iter().filter(|(state, _)| *state == "delivered").count();
    assert!(delivered >= 2, "{states:?}");

    // Those that went out kept a slot each, and the beat is looked back on from the store's files.
    let report = run(&house, &["report", "--format", "json"]);
    assert_eq!(report.status.code(), Some(0), "{report:?}");
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    let beat = &report["accounts"][0]["beat"];
    assert_eq!((&beat["kept"], &report["posts"][0]["posts"]), (&json!(delivered), &json!(delivered)), "{report}");
    let file = house.path("beat.csv");
    let written = run(&house, &["report", "--since", "1d", "--format", "csv", "-o", file.to_str().unwrap()]);
    assert_eq!(written.status.code(), Some(0), "{written:?}");
    assert!(fs::read_to_string(file).unwrap().starts_with("account,platform,week,"));
    // What is made up says so at once, and needs nothing.
    let nowhere = ["--config", "/nowhere/cadenced.toml", "report", "--demo"];
    let demo = run(&house, &nowhere);
    assert_eq!((demo.status.code(), run(&house, &nowhere).stdout), (Some(0), demo.stdout.clone()));
    assert!(String::from_utf8(demo.stdout).unwrap().starts_with("made up: "));

    let again = run(&house, &["run", "--until-idle"]);
    assert_eq!(again.status.code(), Some(0));
    assert!(!String::from_utf8(again.stdout).unwrap().contains("delivery.sending"));
}

#[test]
fn approval_lets_a_post_go_and_one_letter_voids_it() {
    let house = House::with(SITE, |text| text.replace("approval = \"none\"", "approval = \"digest\""));
    two_posts(&house);
    let mut daemon = house.ready();
    assert_eq!(house.state("one@site"), "held");
    let said = house.run(&["approve", "one", "--by", "editor@example.org", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    daemon.about("delivery.delivered", "one@site");
    assert_eq!(house.shown(), ["one"]);

    let said = house.run(&["approve", "two", "--by", "editor@example.org", "--yes"]);
    assert_eq!(said.code, 0, "{said:?}");
    daemon.about("delivery.delivered", "two@site");
    let file = fs::read_to_string(house.path("queue/a.toml")).unwrap();
    house.queue("a.toml", &file.replace("Second", "Sec0nd"));
    let stale = daemon.event("post.approved_stale");
    assert_eq!(stale["post"], "two");
    assert_eq!(house.state("two@site"), "delivered", "what is out is out");

    house.queue("b.toml", &file.replace("\"one\"", "\"three\"").replace("\"two\"", "\"four\"").replace("First", "1st"));
    daemon.about("delivery.held", "three@site");
    let status = house.status();
    let three = status["deliveries"].as_array().unwrap().iter().find(|d| d["delivery"] == "three@site").unwrap();
    assert_eq!(three["reason"], "approval-stale", "{three}");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(house.shown(), ["one", "two"]);
}

#[test]
fn an_edit_is_in_force_before_long_written_in_place_or_renamed() {
    // The slot is far away, so that all that is heard of is the edit.
    let house = House::new(&SITE.replace("* * * * * *", "0 0 1 1 *"));
    two_posts(&house);
    let mut daemon = house.ready();
    for round in 0..3u32 {
        let text = post(&format!("extra-{round}"), "site", &format!("Extra {round}"));
        if round % 2 == 0 {
            house.queue(&format!("x{round}.toml"), &text);
        } else {
            fs::write(house.path(&format!("queue/x{round}.toml")), &text).unwrap();
        }
        daemon.about("delivery.scheduled", &format!("extra-{round}@site"));
    }
    fs::remove_file(house.path("queue/x1.toml")).unwrap();
    daemon.about("delivery.withdrawn", "extra-1@site");
    assert_eq!(daemon.stop().code(), 0);
}

// ---- being stopped ----------------------------------------------------------------------------------------------

#[test]
fn sigterm_and_sigint_end_an_idle_daemon_in_good_order() {
    let house = House::new(&SITE.replace("* * * * * *", "0 0 1 1 *"));
    two_posts(&house);
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = house.ready();
        daemon.signal(signal);
        assert_eq!(daemon.end().code(), 0);
        let last: Vec<_> = daemon.log.iter().rev().take(2).map(|line| line["event"].clone()).collect();
        assert_eq!(last, ["daemon.stopped", "daemon.stopping"]);
    }
}

#[test]
fn sigterm_before_it_is_ready_sends_nothing() {
    let house = House::new(SITE);
    let posts: String = (0..200).map(|n| post(&format!("p{n}"), "site", &format!("Post {n}"))).collect();
    house.queue("a.toml", &posts);
    let mut daemon = house.start(&[]);
    // It says so once it has taken the store and listens to signals.
    daemon.event("store.opened");
    assert_eq!(daemon.stop().code(), 0);
    let ready = daemon.count("daemon.ready");
    assert!(ready == 1 || daemon.count("delivery.sending") == 0, "nothing is begun before it is ready");
    assert_eq!(daemon.count("daemon.stopped"), 1);
}

#[test]
fn a_stop_waits_for_what_hangs_only_so_long_and_the_next_start_finds_out() {
    let twin = Platform::bluesky();
    twin.weather(|asked| if asked.publishes && asked.before == 0 { Weather::HangAfter } else { Weather::Fair });
    let house = on(&twin, |text| {
        text.replace("stop_timeout = \"30s\"", "stop_timeout = \"1s\"").replace("timeout = \"5s\"", "timeout = \"60s\"")
    });
    house.queue("a.toml", &post("one", "acc", "Hanging"));
    let mut daemon = house.start(&[]);
    daemon.about("delivery.sending", "one@acc");
    eventually("the request is under way", || twin.tries() == 1);
    assert_eq!(daemon.stop().code(), 0);
    let stopped = daemon.log.last().unwrap();
    assert_eq!((&stopped["event"], &stopped["in_flight"]), (&"daemon.stopped".into(), &1.into()));
    assert_eq!(house.state("one@acc"), "sending");

    let mut daemon = house.start(&["--until-idle"]);
    assert_eq!(daemon.end().code(), 0);
    assert_eq!(house.state("one@acc"), "delivered");
    assert_eq!(twin.times("Hanging"), 1);
}

#[test]
fn a_stop_waits_for_an_answer_that_comes() {
    let twin = Platform::mastodon();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    twin.weather(move |asked| {
        if asked.publishes {
            // Until the test has asked for the end.
            let _ = gone.recv_timeout(Duration::from_secs(4));
        }
        Weather::Fair
    });
    let house = on(&twin, |text| text);
    house.queue("a.toml", &post("one", "acc", "Slowly"));
    let mut daemon = house.start(&[]);
    daemon.about("delivery.sending", "one@acc");
    daemon.signal(Signal::TERM);
    daemon.event("daemon.stopping");
    let _ = go.send(());
    assert_eq!(daemon.end().code(), 0);
    let delivered = daemon.count("delivery.delivered");
    // The first request of the attempt may not have been the one that publishes yet; nothing new is begun then.
    assert_eq!(delivered, twin.times("Slowly"));
    if delivered == 0 {
        assert_ne!(house.state("one@acc"), "delivered");
    }
}

#[test]
fn a_daemon_that_slept_goes_on() {
    let house = House::new(SITE);
    two_posts(&house);
    let mut daemon = house.ready();
    daemon.signal(Signal::STOP);
    house.queue("b.toml", &post("late", "site", "Late"));
    pause(Duration::from_secs(3));
    daemon.signal(Signal::CONT);
    daemon.about("delivery.delivered", "late@site");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(house.shown(), ["late", "one", "two"]);
}

// ---- the store --------------------------------------------------------------------------------------------------

#[test]
fn a_second_daemon_on_the_store_is_refused() {
    let house = House::new(&SITE.replace("* * * * * *", "0 0 1 1 *"));
    two_posts(&house);
    let mut first = house.ready();
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    assert!(ended.err.contains("store"), "{ended:?}");
    // Another socket does not help.
    house.configure(&house.config().replace("c.sock", "d.sock"));
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    house.configure(&house.config().replace("d.sock", "c.sock"));
    assert_eq!(house.status()["daemon"]["pid"], first.pid());
    assert_eq!(first.stop().code(), 0);
}

fn waits_for_the_store(line: &Value) -> bool {
    line["event"] == "config.warning" && line["reason"].as_str().unwrap().contains("it is waited for")
}

#[test]
fn a_command_that_holds_the_store_for_a_moment_is_waited_for() {
    let house = House::new(SITE);
    two_posts(&house);
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    let lock = fs::File::open(house.path("store/lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    // Until it is told to stop.
    let mut daemon = house.start(&[]);
    daemon.wait("waiting", waits_for_the_store);
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!((daemon.count("store.opened"), daemon.count("daemon.stopped")), (0, 1));
    let mut daemon = house.start(&["--until-idle"]);
    daemon.wait("waiting", waits_for_the_store);
    drop(lock);
    assert_eq!(daemon.end().code(), 0);
    assert_eq!(daemon.count("store.opened"), 1);
}

#[test]
fn a_store_of_another_machine_is_refused() {
    let house = House::new(SITE);
    two_posts(&house);
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    let identity = house.path("store/identity");
    let text = fs::read_to_string(&identity).unwrap();
    let tied = text.lines().find(|line| line.contains("machine")).map(str::to_owned);
    let Some(tied) = tied.filter(|_| fs::metadata("/etc/machine-id").is_ok_and(|file| file.len() > 0)) else {
        return skipped("a_store_of_another_machine_is_refused", &format!("nothing ties it to this one: {text}"));
    };
    let other: String = tied
        .chars()
        .map(|c| if c.is_ascii_digit() { char::from(b'0' + (c as u8 - b'0' + 1) % 10) } else { c })
        .collect();
    fs::write(&identity, text.replace(&tied, &other)).unwrap();
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
}

/// The segment that holds records, and how many of its bytes are used.
fn used_segment(house: &House) -> (std::path::PathBuf, Vec<u8>, usize) {
    let path = house.path("store/journal/0000000001.seg");
    let bytes = fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (path, bytes, used)
}

#[test]
fn damage_in_the_middle_of_the_journal_stops_the_daemon_and_a_torn_tail_does_not() {
    let house = House::new(SITE);
    two_posts(&house);
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    let (path, bytes, used) = used_segment(&house);

    let mut damaged = bytes.clone();
    damaged[used / 2] ^= 0x20;
    fs::write(&path, &damaged).unwrap();
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    assert!(ended.err.contains("0000000001.seg"), "{ended:?}");
    let said = house.run(&["status"]);
    assert_eq!(said.code, STORE_REFUSED, "{said:?}");
    assert_eq!(fs::read(&path).unwrap(), damaged, "evidence is left as it is");

    // The index knows of the record that is gone now: then it was not a crash that cut it off.
    let mut torn = bytes.clone();
    torn[used - 5..used].fill(0);
    fs::write(&path, &torn).unwrap();
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    assert!(fs::read(&path).unwrap() == torn, "evidence is left as it is");

    // After a crash the index is behind the journal, if it is there at all.
    fs::remove_dir_all(house.path("store/index")).unwrap();
    let mut daemon = house.start(&["--until-idle"]);
    assert_eq!(daemon.end().code(), 0);
    daemon.rewind();
    daemon.event("store.torn_tail");
    assert_eq!(house.shown(), ["one", "two"]);
    assert_eq!(house.state("two@site"), "delivered", "what the tail had said is found out again");
}

#[test]
fn a_store_that_is_taken_away_stops_the_daemon() {
    let house = House::new(SITE);
    house.queue("a.toml", &post("one", "site", "One"));
    let mut daemon = house.ready();
    daemon.about("delivery.delivered", "one@site");
    fs::rename(house.path("store"), house.path("elsewhere")).unwrap();
    house.queue("b.toml", &post("two", "site", "Two"));
    let ended = daemon.end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    let last: Vec<_> = daemon.log.iter().rev().take(2).map(|line| line["event"].clone()).collect();
    assert_eq!(last, ["daemon.stopped", "store.failed"]);
    // Copies of queue files may have been kept in its place.
    let _ = fs::remove_dir_all(house.path("store"));
    fs::rename(house.path("elsewhere"), house.path("store")).unwrap();
    let mut daemon = house.start(&["--until-idle"]);
    assert_eq!(daemon.end().code(), 0);
    assert_eq!(house.shown(), ["one", "two"]);
}

#[test]
fn a_store_that_cannot_be_written_says_so() {
    let house = House::new(SITE);
    let config = house.config().replace("path = \"store\"", "path = \"/proc/cadenced/store\"");
    house.configure(&config);
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    assert!(ended.err.contains("/proc/cadenced"), "{ended:?}");

    house.configure(&config.replace("/proc/cadenced/store", "file"));
    fs::write(house.path("file"), "no folder").unwrap();
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), STORE_REFUSED, "{ended:?}");
    assert!(ended.err.contains("file"), "{ended:?}");
}

// ---- the queue --------------------------------------------------------------------------------------------------

#[test]
fn a_queue_folder_that_goes_and_comes_back_withdraws_nothing() {
    let house = House::new(&SITE.replace("* * * * * *", "0 0 1 1 *"));
    two_posts(&house);
    let mut daemon = house.ready();
    fs::rename(house.path("queue"), house.path("away")).unwrap();
    daemon.event("queue.lost");
    assert_eq!(house.state("one@site"), "scheduled");
    fs::rename(house.path("away"), house.path("queue")).unwrap();
    daemon.event("queue.back");
    house.queue("b.toml", &post("three", "site", "Third"));
    daemon.about("delivery.scheduled", "three@site");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(daemon.count("delivery.withdrawn"), 0);
}

#[test]
fn a_file_that_is_edited_all_the_time_harms_no_other() {
    let house = House::new(SITE);
    two_posts(&house);
    let mut daemon = house.start(&[]);
    let mut round = 0;
    eventually("both are out", || {
        round += 1;
        // In place and cut short in between, as an editor without manners does.
        let whole = post("busy", "site", &format!("Busy {round}"));
        let cut = if round % 3 == 0 { &whole[..whole.len() / 2] } else { &whole };
        fs::write(house.path("queue/busy.toml"), cut).unwrap();
        pause(Duration::from_millis(30));
        house.shown().iter().filter(|name| *name != "busy").count() == 2
    });
    house.queue("busy.toml", &post("busy", "site", "Busy at last"));
    daemon.about("delivery.delivered", "busy@site");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(house.shown(), ["busy", "one", "two"]);
    let sendings = daemon.log.iter().filter(|line| line["event"] == "delivery.sending").count();
    assert_eq!(sendings, 3, "each once");
}

#[test]
fn the_last_good_version_of_a_broken_file_outlives_a_restart() {
    let house = House::new(&SITE.replace("* * * * * *", "0 0 1 1 *"));
    two_posts(&house);
    let mut daemon = house.ready();
    house.queue("a.toml", "[[post]]\nid = \"one\nto = 3");
    let rejected = daemon.event("queue.file_rejected");
    assert!(rejected["place"].as_str().unwrap().starts_with("a.toml:2:"), "{rejected}");
    assert_eq!(daemon.stop().code(), 0);
    let mut daemon = house.ready();
    assert_eq!(house.state("one@site"), "scheduled");
    assert_eq!(house.state("two@site"), "scheduled");
    assert_eq!(daemon.stop().code(), 0);
    daemon.rewind();
    daemon.event("queue.file_rejected");
    assert_eq!(daemon.count("delivery.withdrawn"), 0);
    assert_eq!(house.state("one@site"), "scheduled", "commands without a daemon see the same");
}

// ---- the configuration ------------------------------------------------------------------------------------------

#[test]
fn a_broken_configuration_never_replaces_a_running_one() {
    let house = House::new(SITE);
    let mut daemon = house.ready();
    let good = house.config();
    house.configure(&good.replace("max_per_day = 1000", "max_per_day = \"many\""));
    daemon.signal(Signal::HUP);
    let rejected = daemon.event("config.rejected");
    assert!(rejected["fault"].as_str().unwrap().contains("cadenced.toml:15:"), "{rejected}");
    house.queue("a.toml", &post("one", "site", "Goes on"));
    daemon.about("delivery.delivered", "one@site");

    house.configure(&good.replace("title = \"Notes\"", "title = \"Notes\"\npaused = true"));
    daemon.signal(Signal::HUP);
    daemon.event("config.loaded");
    daemon.event("account.paused");
    house.queue("b.toml", &post("two", "site", "Waits"));
    daemon.wait("b.toml", |line| line["event"] == "queue.loaded" && line["file"] == "b.toml");
    assert_eq!(house.state("two@site"), "held");
    house.configure(&good);
    daemon.signal(Signal::HUP);
    daemon.about("delivery.delivered", "two@site");
    assert_eq!(daemon.stop().code(), 0);
}

#[test]
fn faults_of_the_configuration_are_told_with_their_place() {
    let house = House::new(SITE);
    let good = house.config();
    let refused = |text: &str, place: &str, hint: &str| {
        house.configure(text);
        for args in [&["run"][..], &["plan"], &["status"]] {
            let said = house.run(args);
            assert_eq!(said.code, CONFIG_REFUSED, "{said:?}");
            assert!(said.err.contains(place) && said.err.contains(hint), "{place}, {hint}: {}", said.err);
            assert_eq!(said.out, "");
        }
    };
    refused(&good.replace("min_gap = \"1s\"", "min_gap = \"soon\""), "cadenced.toml:14:11", "");
    refused(&good.replace("min_gap", "min_gab"), "cadenced.toml:14:1", "min_gap");
    refused(&good.replace("title = \"Notes\"", "title = \"Notes"), "cadenced.toml:", "");
    refused(&good.replace("platform = \"site\"", "platform = \"sight\""), "cadenced.toml:", "site");
    // What is served to everybody holds nothing of ours.
    for (path, what) in [(".", "store"), ("store", "store"), ("store/site", "store"), ("queue/site", "queue")] {
        let text = good.replace("path = \"site\"", &format!("path = \"{path}\""));
        assert_ne!(text, good);
        refused(&text, "cadenced.toml:", &format!("where the {what} is"));
    }
    let long = format!("socket = \"{}/s\"", "x".repeat(120));
    refused(&good.replace("socket = \"c.sock\"", &long), "cadenced.toml:12:10", "at most 107 bytes");
    fs::remove_file(house.path("cadenced.toml")).unwrap();
    let said = house.run(&["run"]);
    assert_eq!(said.code, CONFIG_REFUSED, "{said:?}");
}

#[test]
fn why_it_does_not_start_is_an_error_in_the_journal() {
    let house = House::new(SITE);
    house.configure(&house.config().replace("min_gap", "min_gab"));
    let journal = house.path("journal");
    let said = |stream: &dyn Fn(u64, u64) -> String| {
        let file = fs::File::create(&journal).unwrap();
        let about = file.metadata().unwrap();
        let stream = stream(about.dev(), about.ino());
        let status = house.command(&["run"]).env("JOURNAL_STREAM", stream).stderr(file).status().unwrap();
        assert_eq!(status.code(), Some(CONFIG_REFUSED));
        fs::read_to_string(&journal).unwrap()
    };
    let marked = said(&|device, inode| format!("{device}:{inode}"));
    assert!(marked.lines().count() > 3 && marked.lines().all(|line| line.starts_with("<3>")), "{marked}");
    let elsewhere = said(&|device, inode| format!("{device}:{}", inode + 1));
    assert_eq!(elsewhere, marked.replace("<3>", ""));
}

#[test]
fn a_secret_that_is_missing_or_open_to_all_is_told_at_its_key_and_never_shown() {
    let twin = Platform::mastodon();
    let account = twin.account("acc");
    let house = House::new(&account);
    let said = house.run(&["run"]);
    assert_eq!(said.code, CONFIG_REFUSED, "{said:?}");
    assert!(said.err.contains("TWIN_TOKEN_0") && said.err.contains("cadenced.toml:"), "{said:?}");

    let token = house.path("token");
    fs::write(&token, "canary-3141\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let from_file = house.config().replace("{ env = \"TWIN_TOKEN_0\" }", "{ file = \"token\" }");
    assert_ne!(from_file, house.config());
    house.configure(&from_file);
    let said = house.run(&["run"]);
    assert_eq!(said.code, CONFIG_REFUSED, "{said:?}");
    assert!(!format!("{said:?}").contains("canary"), "{said:?}");

    house.configure(&from_file.replace("{ file = \"token\" }", "\"canary-2718\""));
    let said = house.run(&["run"]);
    assert_eq!(said.code, CONFIG_REFUSED, "{said:?}");
    assert!(!format!("{said:?}").contains("canary"), "{said:?}");
    assert!(said.err.contains("credential"), "{said:?}");
}

// ---- commands, with and without a daemon ------------------------------------------------------------------------

/// What does not stay the same from one moment to the next.
fn settled(mut value: Value) -> Value {
    for key in ["now", "daemon"] {
        if let Some(object) = value.as_object_mut() {
            object.remove(key);
        }
    }
    value
}

#[test]
fn commands_say_the_same_with_a_daemon_and_without() {
    let house = House::with(&SITE.replace("* * * * * *", "0 0 1 1 *"), |text| {
        text.replace("approval = \"none\"", "approval = \"digest\"")
    });
    two_posts(&house);
    assert_eq!(house.run(&["approve", "one", "--by", "me", "--yes"]).code, 0);
    let json = |args: &[&str]| {
        let said = house.run(&[args, &["--format", "json"]].concat());
        assert_eq!(said.code, 0, "{said:?}");
        settled(said.json())
    };
    let asked: [&[&str]; 4] = [&["status"], &["status", "one"], &["status", "one@site"], &["plan", "--days", "400"]];
    let before: Vec<Value> = asked.iter().map(|args| json(args)).collect();
    assert_eq!(before[0]["deliveries"].as_array().unwrap().len(), 2, "{}", before[0]);

    let mut daemon = house.ready();
    let during: Vec<Value> = asked.iter().map(|args| json(args)).collect();
    assert_eq!(house.status()["daemon"]["running"], true);
    let exported = house.exported();
    assert_eq!(daemon.stop().code(), 0);

    let after: Vec<Value> = asked.iter().map(|args| json(args)).collect();
    assert_eq!(house.status()["daemon"]["running"], false);
    for (place, args) in asked.iter().enumerate() {
        assert_eq!(during[place], after[place], "{args:?} with and without a daemon");
    }
    // Before the first start there is no history yet.
    assert_eq!((&before[0], &before[3]), (&after[0], &after[3]));
    assert_eq!(exported, house.exported());

    let strict = house.run(&["status", "--strict"]);
    assert_eq!(strict.code, 0, "{strict:?}");
    let unknown = house.run(&["status", "nobody@site"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""), "{unknown:?}");
}

#[test]
fn a_refused_post_is_resolved_with_a_daemon_and_without() {
    let twin = Platform::mastodon();
    twin.weather(|asked| match asked.publishes {
        true => Weather::Say(answer(422, "content-type: application/json\r\n", "{\"error\":\"no\"}")),
        false => Weather::Fair,
    });
    let house = on(&twin, |text| text);
    house.queue("a.toml", &format!("{}{}", post("one", "acc", "Refused one"), post("two", "acc", "Refused two")));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!(house.state("one@acc"), "refused");
    assert_eq!(house.run(&["status", "--strict"]).code, 1);

    let said = house.run(&["resolve", "one@acc", "--drop"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(house.state("one@acc"), "withdrawn");
    let said = house.run(&["resolve", "one@acc", "--drop"]);
    assert_eq!(said.code, 1, "{said:?}");

    twin.weather(|_| Weather::Fair);
    let mut daemon = house.ready();
    let said = house.run(&["resolve", "two@acc", "--retry", "--by", "me"]);
    assert_eq!(said.code, 0, "{said:?}");
    daemon.about("delivery.resolved", "two@acc");
    daemon.about("delivery.delivered", "two@acc");
    assert_eq!(house.run(&["resolve", "none@acc", "--retry"]).code, 1);
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!((twin.times("Refused one"), twin.times("Refused two")), (0, 1));
}

#[test]
fn a_dry_run_publishes_nothing_and_records_nothing() {
    let twin = Platform::bluesky();
    let house = on(&twin, |text| text + SITE);
    house.queue("a.toml", &format!("{}{}", post("one", "site", "Dry"), post("two", "acc", "Dry too")));
    let mut daemon = house.start(&["--dry-run", "--until-idle"]);
    assert_eq!(daemon.end().code(), 0);
    let would: Vec<_> = daemon.log.iter().filter(|line| line["event"] == "delivery.would_send").collect();
    assert_eq!(would.len(), 2, "{:?}", daemon.log);
    assert_eq!(daemon.count("delivery.sending"), 0);
    assert_eq!(twin.asked(), [""; 0]);
    assert!(!house.path("site").exists());
    assert_eq!(house.exported(), [Value::Null; 0]);

    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!((house.shown(), twin.times("Dry too")), (vec!["one".to_owned()], 1));
}

#[test]
fn what_is_printed_for_programs_is_for_programs() {
    let house = House::new(SITE);
    two_posts(&house);
    for args in [&["check", "--format", "json"][..], &["plan", "--format", "json"], &["status", "--format", "json"]] {
        let said = house.run(args);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
        let lines = args[0] == "check";
        let parts = if lines { said.out.lines().collect() } else { vec![said.out.as_str()] };
        parts.into_iter().for_each(|part| drop(serde_json::from_str::<Value>(part).unwrap()));
    }
    for kind in ["config", "queue"] {
        assert!(house.run(&["schema", kind]).json()["$schema"].is_string());
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(house.run(&["completions", shell]).out.contains("cadenced"));
    }
    assert!(house.run(&["man"]).out.contains(".TH"));
    let ics = house.run(&["plan", "--format", "ics"]);
    assert!(ics.out.starts_with("BEGIN:VCALENDAR\r\n"), "{ics:?}");
    assert_eq!(house.run(&["no-such-verb"]).code, 2);
    assert_eq!(house.run(&["check"]).code, 0);
    house.queue("b.toml", "[[post]]\nid = 3\n");
    let said = house.run(&["check"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("b.toml:2:6"), "{said:?}");
}

#[test]
fn no_color_is_respected() {
    let mut house = House::new(SITE);
    house.set("CLICOLOR_FORCE", "1");
    house.queue("b.toml", "[[post]]\nid = 3\n");
    let coloured = house.run(&["check"]);
    assert!(coloured.out.contains('\u{1b}'), "colour can be asked for: {coloured:?}");
    house.set("NO_COLOR", "1");
    for args in [&["check"][..], &["status"], &["plan"], &["--help"], &["run", "--nonsense"]] {
        let said = house.run(args);
        assert!(!said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'), "{said:?}");
    }
}

//! `cadenced auth` and the store's key, with the real program: a login at an imitated platform, where its token goes, what
//! is refused, and tokens that are given to a running daemon.

#![cfg(test)]

mod support {
    pub mod house;
    pub mod platform;
    pub mod server;
}

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use sha2::Digest as _;
use support::house::{House, post};
use support::platform::{Platform, Weather, answer};

const CONFIG_REFUSED: i32 = 78;
const CODE: &str = "code-canary-1";

/// A house whose account reads its secret as `reference` says.
fn house(platform: &Platform, reference: &str) -> House {
    let (name, _) = platform.secrets().remove(0);
    let account = platform.account("acc").replace(&format!("{{ env = \"{name}\" }}"), reference);
    assert!(account.contains(reference), "{account}");
    House::with(&account, |text| text)
}

fn token(platform: &Platform) -> String {
    platform.secrets().remove(0).1
}

/// Runs a command with this on stdin; its code and all that it said.
fn typed(house: &House, args: &[&str], input: &str) -> (i32, String) {
    let mut command = house.command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

/// The platform lets the program in, and gives `token` for a code; the fields that it was asked with come out.
fn lets_in(platform: &Platform, token: &str) -> mpsc::Receiver<Vec<(String, String)>> {
    let (tell, told) = mpsc::channel();
    let json = |value: Value| Weather::Say(answer(200, "content-type: application/json\r\n", &value.to_string()));
    let token = token.to_owned();
    platform.weather(move |asked| match asked.what.as_str() {
        "POST /api/v1/apps" => json(json!({"client_id": "client-1", "client_secret": "client-canary"})),
        "POST /oauth/token" => {
            let fields = url::form_urlencoded::parse(&asked.seen.body).into_owned().collect();
            let _ = tell.send(fields);
            json(json!({"access_token": token, "token_type": "Bearer", "scope": "read", "created_at": 1}))
        }
        _ => Weather::Fair,
    });
    told
}

/// What the address that was shown asks for, by name.
fn address(said: &str) -> Vec<(String, String)> {
    let address = said.lines().find(|line| line.contains("/oauth/authorize")).expect("an address").trim();
    url::Url::parse(address).unwrap().query_pairs().into_owned().collect()
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    &fields.iter().find(|(held, _)| held == name).unwrap_or_else(|| panic!("{name} is not in {fields:?}")).1
}

#[test]
fn a_login_ends_with_a_token_where_the_daemon_reads_it() {
    let platform = Platform::mastodon();
    let house = house(&platform, "{ file = \"token\" }");
    let asked = lets_in(&platform, &token(&platform));
    let (code, said) = typed(&house, &["auth", "acc"], &format!("{CODE}\n"));
    assert_eq!(code, 0, "{said}");
    let (shown, sent) = (address(&said), asked.recv().unwrap());
    assert_eq!(field(&shown, "code_challenge_method"), "S256");
    let challenge = BASE64.encode(sha2::Sha256::digest(field(&sent, "code_verifier")));
    assert_eq!(field(&shown, "code_challenge"), challenge);
    assert_eq!((field(&sent, "code"), field(&sent, "client_secret")), (CODE, "client-canary"));
    assert_eq!(field(&sent, "redirect_uri"), field(&shown, "redirect_uri"));
    assert!(said.contains("it is accepted: acc is the account"), "{said}");
    for secret in [token(&platform).as_str(), CODE, "client-canary", field(&sent, "code_verifier")] {
        assert!(!said.contains(secret), "{said}");
    }
    let file = house.path("token");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", token(&platform)));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    house.queue("a.toml", &post("one", "acc", "First"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!(platform.times("First"), 1);
}

#[test]
fn a_token_that_is_not_accepted_or_of_another_account_is_not_stored() {
    let platform = Platform::mastodon();
    let house = house(&platform, "{ file = \"token\" }");
    std::fs::write(house.path("token"), "the old one").unwrap();
    std::fs::set_permissions(house.path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let asked = lets_in(&platform, "another-token");
    let login = |house: &House| typed(house, &["auth", "acc"], &format!("{CODE}\n"));
    let (code, said) = login(&house);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("nothing was stored"), "{said}");
    drop(asked);
    let _asked = lets_in(&platform, &token(&platform));
    house.configure(&house.config().replace("[accounts.acc]\n", "[accounts.acc]\nidentity = \"77\"\n"));
    let (code, said) = login(&house);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("not of 77"), "{said}");
    assert_eq!(std::fs::read_to_string(house.path("token")).unwrap(), "the old one");
    // No code, and no such account.
    assert_eq!(typed(&house, &["auth", "acc"], "\n").0, 1);
    let (code, said) = typed(&house, &["auth", "axc"], "");
    assert_eq!((code, said.contains("did you mean acc?")), (1, true), "{said}");
}

#[test]
fn what_cannot_be_written_is_told_before_a_login_and_goes_into_a_folder_that_is_named() {
    let platform = Platform::mastodon();
    let house = house(&platform, "{ credential = \"acc-token\" }");
    let (code, said) = typed(&house, &["auth", "acc"], "");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--out") && !said.contains("/oauth/authorize"), "{said}");
    assert_eq!(platform.asked().len(), 0, "nobody was asked");
    let _asked = lets_in(&platform, &token(&platform));
    let folder = house.path("new").to_str().unwrap().to_owned();
    let (code, said) = typed(&house, &["auth", "acc", "--out", &folder], "");
    assert_eq!((code, platform.asked().len()), (1, 0), "there is no such folder: {said}");
    std::fs::create_dir(house.path("new")).unwrap();
    let (code, said) = typed(&house, &["auth", "acc", "--out", &folder], &format!("{CODE}\n"));
    assert_eq!(code, 0, "{said}");
    let file = house.path("new/acc-token");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", token(&platform)));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_password_is_pasted_and_proven() {
    let platform = Platform::bluesky();
    let house = house(&platform, "{ file = \"password\" }");
    let (code, said) = typed(&house, &["auth", "acc"], "wrong-password\n");
    assert_eq!((code, house.path("password").exists()), (1, false), "{said}");
    let (code, said) = typed(&house, &["auth", "acc"], &format!("{}\n", token(&platform)));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("App passwords") && !said.contains(&token(&platform)), "{said}");
    assert_eq!(std::fs::read_to_string(house.path("password")).unwrap().trim(), token(&platform));
    // A credential is proven, and the person told what to do with it.
    let house = self::house(&platform, "{ credential = \"acc-password\" }");
    let (code, said) = typed(&house, &["auth", "acc"], &format!("{}\n", token(&platform)));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("systemd-creds encrypt --name=acc-password -"), "{said}");
    house.hides(&platform.canaries());
}

/// Logs in as account number 0: opens the address that the command prints, agrees, and pastes where the browser was sent.
fn logs_in(house: &House, platform: &Platform) -> (i32, String) {
    let mut command = house.command(&["auth", "acc"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut said, mut shown) = (String::new(), BufReader::new(child.stdout.take().unwrap()));
    let address = loop {
        let from = said.len();
        assert_ne!(shown.read_line(&mut said).unwrap(), 0, "no address: {said} {:?}", child.wait_with_output());
        if let Some(address) = said[from..].strip_prefix("  http") {
            break format!("http{}", address.trim());
        }
    };
    let sent = platform.agree(0, &address);
    child.stdin.take().unwrap().write_all(format!("{sent}\n").as_bytes()).unwrap();
    shown.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    said += &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn a_login_gives_tokens_to_a_daemon_that_waits_for_them() {
    let platform = Platform::x_oauth2();
    let account: String = platform
        .account("acc")
        .lines()
        .filter(|line| !line.starts_with("refresh_token"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let mut house = House::with(&account, |text| {
        text.replace("path = \"store\"\n", "path = \"store\"\nseal = { env = \"STORE_KEY\" }\n")
    });
    for (name, value) in platform.secrets() {
        house.set(&name, &value);
    }
    house.set("STORE_KEY", "key-canary-of-more-than-32-characters-1");
    let mut daemon = house.ready();
    house.queue("a.toml", &post("one", "acc", "First"));
    daemon.event("account.auth_lost");
    assert!(house.status()["accounts"][0]["reason"].to_string().contains("cadenced auth"), "{}", house.status());
    let (code, said) = logs_in(&house, &platform);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("it is accepted: acc is the account") && said.contains("sealed"), "{said}");
    daemon.event("account.tokens_kept");
    daemon.event("delivery.delivered");
    assert_eq!(daemon.stop().code(), 0);
    assert_eq!(platform.times("First"), 1);
    let canaries = platform.canaries();
    assert!(canaries.len() > 4 && canaries.iter().all(|canary| !said.contains(canary)), "{said}");
    house.hides(&canaries);
    // They are there for the next one, and without a daemon a login goes into the store itself.
    assert_eq!(logs_in(&house, &platform).0, 0);
    house.queue("b.toml", &post("two", "acc", "Second"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!(platform.times("Second"), 1);
    house.hides(&platform.canaries());
}

#[test]
fn a_first_token_that_is_pasted_is_said_to_be_unproven_and_is_used_once() {
    let platform = Platform::x_oauth2();
    let secrets: BTreeMap<String, String> = platform.secrets().into_iter().collect();
    let (of_refresh, refresh) = secrets.iter().find(|(name, _)| name.contains("REFRESH")).unwrap();
    let file = "{ file = \"refresh\" }";
    let account = platform.account("acc").replace(&format!("{{ env = \"{of_refresh}\" }}"), file);
    let sealed =
        |text: String| text.replace("path = \"store\"\n", "path = \"store\"\nseal = { env = \"STORE_KEY\" }\n");
    let mut house = House::with(&account, sealed);
    secrets.iter().for_each(|(name, value)| house.set(name, value));
    house.set("STORE_KEY", "key-canary-of-more-than-32-characters-1");
    // The client's secret is there, and not asked for.
    let (code, said) = typed(&house, &["auth", "acc", "--paste"], &format!("{refresh}\n"));
    assert_eq!((code, platform.asked().len()), (0, 0), "{said}");
    assert!(said.contains("stored unproven") && !said.contains(refresh), "{said}");
    assert_eq!(std::fs::read_to_string(house.path("refresh")).unwrap().trim(), refresh);
    house.queue("a.toml", &post("one", "acc", "First"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!(platform.times("First"), 1);
    // Where only a login gives tokens, there is nothing to paste.
    let without: String =
        account.lines().filter(|line| !line.contains("refresh")).map(|line| line.to_owned() + "\n").collect();
    house.configure(&house.config().replace(&account, &without));
    let (code, said) = typed(&house, &["auth", "acc", "--paste"], "");
    assert!(code == 1 && said.contains("log in without --paste"), "{said}");
}

#[test]
fn a_login_whose_token_stands_in_a_query_shows_it_to_nobody() {
    use cadenced::platform::graph::twin::{APP, REDIRECT};
    let platform = Platform::start("threads");
    let (name, _) = platform.secrets().remove(0);
    let file = "{ file = \"token\" }";
    let account = platform.account("acc").replace(&format!("{{ env = \"{name}\" }}"), file)
        + &format!("app_id = \"{}\"\nredirect = \"{REDIRECT}\"\napp_secret = {{ env = \"APP\" }}\n", APP[0]);
    let mut house = House::with(&account, |text| text);
    house.set("APP", APP[1]);
    let (code, said) = logs_in(&house, &platform);
    assert_eq!(code, 0, "{said}");
    assert_eq!(std::fs::read_to_string(house.path("token")).unwrap(), format!("{}\n", token(&platform)));
    let canaries = [platform.canaries(), vec![APP[1].to_owned()]].concat();
    assert!(canaries.iter().all(|canary| !said.contains(canary)), "{said}");
    // Both exchanges were made, and a failing one tells no address.
    let exchanges = |what: &str| platform.asked().iter().filter(|asked| *asked == what).count();
    assert_eq!((exchanges("POST /oauth/access_token"), exchanges("GET /access_token")), (1, 1));
    platform.weather(|asked| if asked.what == "GET /access_token" { Weather::CutBefore } else { Weather::Fair });
    let (code, said) = logs_in(&house, &platform);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("did not answer") && canaries.iter().all(|canary| !said.contains(canary)), "{said}");
    platform.weather(|_| Weather::Fair);
    house.queue("a.toml", &post("one", "acc", "First"));
    assert_eq!(house.start(&["--until-idle"]).end().code(), 0);
    assert_eq!(platform.times("First"), 1);
}

/// Hands tokens to the daemon over its socket: the status of its answer, and its document.
fn hand(house: &House, account: &str, tokens: &Value) -> (String, Value) {
    let body = json!({"account": account, "tokens": tokens}).to_string();
    let mut socket = UnixStream::connect(house.path("c.sock")).unwrap();
    let length = body.len();
    let head =
        format!("POST /v1/auth HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    socket.write_all((head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, document) = answer.split_once("\r\n\r\n").unwrap();
    (head["HTTP/1.1 ".len()..][..3].to_owned(), serde_json::from_str(document).unwrap())
}

#[test]
fn tokens_given_to_the_daemon_are_sealed_and_another_key_stops_the_account() {
    let platform = Platform::mastodon();
    let mut house = House::with(&platform.account("acc"), |text| {
        text.replace("path = \"store\"\n", "path = \"store\"\nseal = { env = \"STORE_KEY\" }\n")
    });
    for (name, value) in platform.secrets() {
        house.set(&name, &value);
    }
    let account = |house: &House| house.status()["accounts"][0].clone();
    house.set("STORE_KEY", "too short for a key");
    let ended = house.start(&[]).end();
    assert_eq!(ended.code(), CONFIG_REFUSED);
    assert!(ended.err.contains("fewer than 32 characters"), "{ended:?}");
    let keys = ["key-canary-of-more-than-32-characters-1", "key-canary-of-more-than-32-characters-2"];
    house.set("STORE_KEY", keys[0]);
    let mut daemon = house.ready();
    let tokens = json!({"refresh": "refresh-canary"});
    assert_eq!(hand(&house, "acc", &tokens), ("200".to_owned(), json!({"account": "acc"})));
    let (status, unknown) = hand(&house, "other", &tokens);
    assert_eq!((status.as_str(), &unknown["error"]["kind"]), ("404", &json!("unknown")));
    daemon.event("account.tokens_kept");
    assert_eq!(daemon.stop().code(), 0);
    let rows = house.exported();
    let row = rows.iter().find(|row| row["what"] == "tokens-kept").expect("it is told that there were some");
    assert_eq!(row["record"]["fact"], json!({"tokens-kept": {"account": "acc"}}));
    let canaries = ["refresh-canary".to_owned(), keys[0].to_owned()];
    assert!(canaries.iter().all(|canary| daemon.log.iter().all(|line| !line.to_string().contains(canary))));
    house.hides(&canaries);
    house.set("STORE_KEY", keys[1]);
    let mut daemon = house.ready();
    daemon.rewind();
    let lost = daemon.event("account.auth_lost");
    assert!(lost["reason"].as_str().unwrap().contains("sealed with another key"), "{lost}");
    assert_eq!(account(&house)["state"], "auth");
    let attention = house.status()["attention"].to_string();
    assert!(attention.contains("cadenced auth acc"), "{attention}");
    assert_eq!(daemon.stop().code(), 0);
    house.set("STORE_KEY", keys[0]);
    let mut daemon = house.ready();
    daemon.rewind();
    daemon.event("account.auth_refreshed");
    assert_eq!(account(&house)["state"], "ready");
    daemon.stop();
}

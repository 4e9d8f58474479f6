//! `cadenced doctor`: every adapter's examination against its imitation, what is made of it and of this machine, and the
//! command with the real program.

#![cfg(test)]

mod support {
    pub mod house;
    pub mod platform;
    pub mod server;
}

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cadenced::cli::args::{DoctorArgs, DoctorFormat};
use cadenced::cli::doctor::program::{Program, Running};
use cadenced::cli::doctor::signers::Signatures;
use cadenced::cli::doctor::unit::{Installed, SHIPPED, Wishes};
use cadenced::cli::doctor::{self, Area, DoctorDesk, Examined, Finding, Ledger, Patient, Standing, Subject};
use cadenced::cli::output::Page;
use cadenced::deliver::{Probe, probe::Verdict};
use cadenced::domain::{AccountId, Timestamp, time};
use cadenced::platform::contract::examine::{End, Ending, Examination, Level};
use cadenced::platform::contract::{Adapter, Ask, Call, HttpReply, Reply, Session, Table, Twin};
use cadenced::platform::{REGISTRY, find};
use cadenced::platform::{bluesky, instagram, linkedin, mastodon, nostr, telegram, x, youtube};
use cadenced::queue::signed::Signers;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::constant(1_796_112_000, 0);
/// Of a secret file's folder and of the store, as they should be.
const PRIVATE: Standing =
    Standing { is_folder: true, is_socket: false, mode: 0o700, readable: true, writable: true, passable: true };
const PROGRAM: Standing = Standing { is_folder: false, mode: 0o755, ..PRIVATE };

/// A machine, and the one platform that it can reach.
struct World<T: ?Sized> {
    asked: Mutex<Vec<String>>,
    now: Timestamp,
    down: bool,
    /// By how many seconds the servers' clocks are ahead.
    ahead: i64,
    free: u64,
    folders: u64,
    names: BTreeMap<&'static str, IpAddr>,
    places: BTreeMap<PathBuf, Option<Standing>>,
    twin: Mutex<Box<T>>,
}

impl<T: Twin + ?Sized> World<T> {
    fn new(twin: Box<T>) -> Self {
        Self {
            asked: Mutex::default(),
            now: NOW,
            down: false,
            ahead: 0,
            free: 1 << 40,
            folders: 3,
            names: BTreeMap::new(),
            // No systemd and no daemon, if a test does not say otherwise.
            places: BTreeMap::from([("/run/systemd/system".into(), None), ("/run/cadenced/control.sock".into(), None)]),
            twin: Mutex::new(twin),
        }
    }

    /// Something else, or nothing, stands at this path.
    fn put(&mut self, path: &str, standing: Option<Standing>) {
        self.places.insert(path.into(), standing);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn examine(&self, subject: &Subject) -> Vec<Finding> {
        doctor::examine(subject, &args(), self)
    }

    /// What is found about one account.
    fn of_account(&self, patient: Patient) -> Vec<Finding> {
        let secrets: Vec<String> = patient.secrets.0.values().map(|secret| secret.expose().to_owned()).collect();
        let findings = self.examine(&subject(vec![patient]));
        assert_eq!(self.twin.lock().unwrap().published(), [], "nothing is published");
        let mut shown = Vec::new();
        doctor::write(&findings, DoctorFormat::Json, Page::plain(80), &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        for secret in secrets.iter().filter(|secret| secret.len() > 3) {
            assert!(!shown.contains(secret), "a secret is told: {shown}");
        }
        findings.into_iter().filter(|finding| finding.account.is_some()).collect()
    }
}

impl<T: Twin + ?Sized> DoctorDesk for World<T> {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn call(&self, call: Call, timeout: Duration) -> Result<Reply, String> {
        assert!(timeout <= Duration::from_secs(20), "a person waits");
        if let Call::Http(request) = &call {
            self.asked.lock().unwrap().push(format!("{} {}", request.method.name(), request.url.path()));
        }
        if self.down {
            return Err("connection refused".into());
        }
        let mut reply = self.twin.lock().unwrap().answer(&call, self.now);
        if let Reply::Http(http) = &mut reply {
            http.headers.retain(|(name, _)| name != "date");
            let shown = self.now.checked_add(jiff::SignedDuration::from_secs(self.ahead)).unwrap();
            http.headers.push(("date".into(), shown.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
        }
        Ok(reply)
    }

    fn look(&self, path: &Path) -> Result<Option<Standing>, String> {
        Ok(*self.places.get(path).unwrap_or(&Some(if path.to_string_lossy().contains("board") {
            PROGRAM
        } else {
            PRIVATE
        })))
    }

    fn free(&self, _: &Path) -> Option<u64> {
        Some(self.free)
    }

    fn folders(&self, _: &Path, limit: u64) -> u64 {
        self.folders.min(limit)
    }

    fn watches(&self) -> Option<u64> {
        Some(8192)
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        let address = self.names.get(host).copied().or_else(|| host.parse().ok());
        address.into_iter().collect()
    }

    fn side_by_side(&self, jobs: usize, job: &(dyn Fn(usize) -> Examined + Sync)) -> Vec<Examined> {
        (0..jobs).map(job).collect()
    }
}

fn args() -> DoctorArgs {
    DoctorArgs { accounts: Vec::new(), offline: false, format: DoctorFormat::Text }
}

fn subject(accounts: Vec<Patient>) -> Subject {
    Subject {
        file: "/etc/cadenced/cadenced.toml".into(),
        warnings: Vec::new(),
        faults: Vec::new(),
        secrets: vec!["/etc/cadenced/secrets/token".into()],
        queue: "/srv/queue".into(),
        signatures: None,
        store: "/var/lib/cadenced/store".into(),
        socket: Some("/run/cadenced/control.sock".into()),
        ledger: Ok(Ledger { begun: true, mark: Some(NOW) }),
        accounts,
        program: Program { version: "1.2.3".into(), of: Some(NOW), daemon: Some(Running::Version("1.2.3".into())) },
        unit: None,
        wishes: Wishes::default(),
    }
}

fn adapter(twin: &dyn Twin, platform: &str, number: u32, more: &[(&str, &str)]) -> Arc<dyn Adapter> {
    let mut values = twin.table(number, "http://127.0.0.1:1/", "folder");
    for (key, value) in more {
        values.insert((*key).to_owned(), (*value).into());
    }
    let mut table = Table::new(AccountId::new("acc").unwrap(), values, PathBuf::from("/base"));
    let built = (find(platform).unwrap().build)(&mut table);
    assert_eq!(table.into_complaints(), []);
    built.unwrap()
}

fn patient(twin: &dyn Twin, platform: &str) -> Patient {
    patient_with(twin, platform, &[])
}

fn patient_with(twin: &dyn Twin, platform: &str, more: &[(&str, &str)]) -> Patient {
    patient_of(twin, platform, 0, more)
}

fn patient_of(twin: &dyn Twin, platform: &str, number: u32, more: &[(&str, &str)]) -> Patient {
    Patient {
        id: AccountId::new("acc").unwrap(),
        adapter: adapter(twin, platform, number, more),
        secrets: twin.secrets(number),
        faults: Vec::new(),
        kept: Ok(None),
        identity: None,
        stopped: None,
        paused: false,
        // Far away, and asked for where the platform does not tell.
        token_expires: Some(time::after(NOW, days(300))),
        timeout: Duration::from_secs(60),
    }
}

fn days(count: u64) -> Duration {
    Duration::from_secs(86_400 * count)
}

fn worst(findings: &[Finding]) -> Level {
    findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
}

/// What was found of that level or worse, with what to do.
fn bad(findings: &[Finding]) -> String {
    let shown = |finding: &Finding| {
        let remedy = finding.remedy.as_deref().unwrap_or_default();
        format!("{} {} {remedy}\n", finding.level.name(), finding.what)
    };
    findings.iter().filter(|finding| finding.level > Level::Ok).map(shown).collect()
}

/// Every platform; the name is told where it fails.
fn each(check: impl Fn(&'static str, Box<dyn Twin>)) {
    for entry in REGISTRY {
        let run = std::panic::AssertUnwindSafe(|| check(entry.name, (entry.twin)()));
        if let Err(cause) = std::panic::catch_unwind(run) {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("{}: {}", entry.name, text.unwrap_or_default());
        }
    }
}

// ---- every platform ---------------------------------------------------------------------------------------------

#[test]
fn a_good_account_has_nothing_wrong_and_a_name() {
    each(|platform, twin| {
        let patient = patient(&*twin, platform);
        let named = !patient.adapter.secrets().is_empty();
        let world = World::new(twin);
        let findings = world.of_account(patient);
        assert_eq!(bad(&findings), "");
        let told = findings.iter().any(|finding| finding.what.starts_with("it is "));
        assert_eq!(told, named, "{findings:?}");
    });
}

#[test]
fn a_token_that_is_not_accepted_is_a_finding_with_a_way_out() {
    each(|platform, mut twin| {
        twin.set_revoked(true);
        let patient = patient(&*twin, platform);
        if patient.adapter.secrets().is_empty() {
            return;
        }
        let findings = World::new(twin).of_account(patient);
        assert_eq!(worst(&findings), Level::Fail);
        assert!(bad(&findings).contains("cadenced auth acc"), "{findings:?}");
    });
}

#[test]
fn a_server_that_is_down_is_not_taken_for_a_bad_token() {
    each(|platform, twin| {
        let patient = patient(&*twin, platform);
        if patient.adapter.secrets().is_empty() {
            return;
        }
        let findings = World { down: true, ..World::new(twin) }.of_account(patient);
        assert_eq!(worst(&findings), Level::Fail);
        let bad = bad(&findings);
        assert!(bad.contains("nobody answered") && !bad.contains("cadenced auth"), "{bad}");
    });
}

#[test]
fn a_token_of_another_account_is_a_finding() {
    each(|platform, twin| {
        let patient = Patient { identity: Some("somebody-else".into()), ..patient(&*twin, platform) };
        if patient.adapter.secrets().is_empty() {
            return;
        }
        let findings = World::new(twin).of_account(patient);
        assert!(bad(&findings).contains("not of somebody-else"), "{findings:?}");
    });
}

#[test]
fn offline_nobody_is_asked() {
    each(|platform, twin| {
        let world = World { down: true, ..World::new(twin) };
        let patient = patient(&**world.twin.lock().unwrap(), platform);
        let args = DoctorArgs { offline: true, ..args() };
        let findings = doctor::examine(&subject(vec![patient]), &args, &world);
        assert_eq!((bad(&findings), world.asked()), (String::new(), Vec::new()));
    });
}

#[test]
fn answers_that_make_no_sense_come_to_an_end() {
    each(|platform, mut twin| {
        let account = patient(&*twin, platform);
        let mut probe = Probe::new(account.adapter.clone(), &account.id, None, NOW);
        let mut verdict = probe.proceed(&account.secrets, NOW);
        let session = loop {
            verdict = match verdict {
                Verdict::Call(step) => probe.answered(Ok(twin.answer(&step.call, NOW)), &account.secrets, NOW),
                Verdict::Keep(_) => probe.proceed(&account.secrets, NOW),
                Verdict::Accepted(session) => break session,
                Verdict::NotYet(why) => panic!("{why}"),
            };
        };
        let silent = HttpReply::default;
        let odd = |value: Value| HttpReply::json(200, &value);
        let named = json!({"data": 7, "name": ["x"], "items": {"0": 1}, "ok": true, "result": [1], "scope": "read"});
        let all = [silent(), odd(json!([])), odd(json!("x")), odd(named), HttpReply { cut: true, ..odd(json!({})) }];
        for reply in all {
            let mut replies = Vec::new();
            let about = Examination { session: &session, secrets: &account.secrets, now: NOW };
            while let Ask::Call(_) = account.adapter.examine(&about, &replies) {
                replies.push(reply.clone());
                assert!(replies.len() < 24, "it asks again and again");
            }
        }
    });
}

#[test]
fn an_allowance_that_is_used_up_is_told() {
    let twin = mastodon::twin::MastodonTwin::mastodon();
    let account = || patient(&mastodon::twin::MastodonTwin::mastodon(), "mastodon");
    let world = World::new(Box::new(twin));
    let left = |findings: &[Finding]| findings.iter().any(|finding| finding.what.contains("allowance"));
    let before = world.of_account(account());
    world.twin.lock().unwrap().throttle(time::after(NOW, Duration::from_secs(600)));
    let findings = world.of_account(account());
    assert_eq!((worst(&before), worst(&findings)), (Level::Ok, Level::Warn), "{findings:?}");
    assert!(left(&before) && left(&findings), "{findings:?}");
    let bad = bad(&findings);
    assert!(bad.contains("is used up until") && bad.contains("ask again later") && !bad.contains("auth"), "{bad}");
}

// ---- permissions ------------------------------------------------------------------------------------------------

#[test]
fn a_missing_scope_is_told_with_what_it_is_for() {
    let of = |scopes: &[&'static str]| {
        let mut twin = mastodon::twin::MastodonTwin::mastodon();
        twin.set_scopes(scopes);
        let patient = patient(&twin, "mastodon");
        World::new(Box::new(twin)).of_account(patient)
    };
    assert_eq!(bad(&of(&["read", "write:statuses", "write:media"])), "");
    let findings = of(&["read", "write:statuses"]);
    assert_eq!(worst(&findings), Level::Warn);
    assert!(bad(&findings).contains("write:media, which a post with media needs"), "{findings:?}");
    assert_eq!(worst(&of(&["read"])), Level::Fail);

    let mut twin = linkedin::twin::LinkedinTwin::new();
    twin.withhold("w_organization_social");
    twin.withhold("w_member_social");
    let account = patient(&twin, "linkedin");
    let introspects = account.adapter.secrets().len() > 1;
    let findings = World::new(Box::new(twin)).of_account(account);
    assert_eq!(worst(&findings) == Level::Fail, introspects, "{findings:?}");

    let mut twin = instagram::twin::InstagramTwin::new();
    twin.withhold("instagram_content_publish");
    let findings = by_facebook(twin);
    assert!(bad(&findings).contains("instagram_content_publish"), "{findings:?}");
    assert_eq!(bad(&by_facebook(instagram::twin::InstagramTwin::new())), "");

    let mut twin = x::twin::XTwin::new();
    twin.set_reads_only(true);
    let account = patient(&twin, "x");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(worst(&findings) == Level::Fail && bad(&findings).contains("may read and not write"), "{findings:?}");

    let mut twin = telegram::twin::TelegramTwin::default();
    twin.bar_photos();
    let account = patient(&twin, "telegram");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(worst(&findings) == Level::Warn && bad(&findings).contains("can_send_photos"), "{findings:?}");
}

/// An account that is reached by Facebook's login.
fn by_facebook(twin: instagram::twin::InstagramTwin) -> Vec<Finding> {
    let own = World::new(Box::new(twin));
    let id = {
        let twin = own.twin.lock().unwrap();
        let first = patient(&**twin, "instagram");
        drop(twin);
        let found = own.of_account(first);
        let line = found.iter().find(|finding| finding.what.starts_with("it is ")).unwrap().what.clone();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let patient = patient_with(&**own.twin.lock().unwrap(), "instagram", &[("user_id", &id)]);
    own.of_account(patient)
}

#[test]
fn what_an_account_should_have_otherwise_is_told() {
    let mut twin = bluesky::twin::BlueskyTwin::new();
    twin.use_main_passwords();
    let account = patient(&twin, "bluesky");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(worst(&findings) == Level::Warn && bad(&findings).contains("app password"), "{findings:?}");

    let mut twin = youtube::twin::YoutubeTwin::new();
    twin.leave_unverified();
    let account = patient(&twin, "youtube");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(bad(&findings).contains("youtube.com/verify"), "{findings:?}");

    let mut twin = nostr::twin::Relays::default();
    twin.behave("one", Some(nostr::twin::Manner::Down));
    twin.behave("two", Some(nostr::twin::Manner::Paid));
    let account = patient(&twin, "nostr");
    let findings = World::new(Box::new(twin)).of_account(account);
    let bad = bad(&findings);
    assert!(worst(&findings) == Level::Warn && bad.lines().count() == 2, "{bad}");
    assert!(bad.contains("/one cannot be reached") && bad.contains("/two wants to be paid"), "{bad}");
}

// ---- tokens -----------------------------------------------------------------------------------------------------

#[test]
fn a_token_that_works_once_is_never_spent() {
    let of = |kept: Option<Value>, now: Timestamp, twin: x::twin::XTwin| {
        let account = Patient { kept: Ok(kept), ..patient(&twin, "x") };
        let world = World { now, ..World::new(Box::new(twin)) };
        let findings = world.of_account(account);
        let asked = world.asked();
        assert!(asked.iter().all(|asked| !asked.contains("token")), "{asked:?}");
        (findings, asked.len())
    };
    let mut twin = x::twin::XTwin::with_oauth2();
    let (findings, asked) = of(None, NOW, x::twin::XTwin::with_oauth2());
    assert!(findings.iter().any(|finding| finding.what.contains("no token is kept yet")), "{findings:?}");
    assert_eq!((worst(&findings), asked), (Level::Ok, 0));
    // The daemon has refreshed once.
    let (secrets, adapter) = (twin.secrets(0), adapter(&twin, "x", 0, &[]));
    let mut probe = Probe::new(adapter, &AccountId::new("acc").unwrap(), None, NOW);
    let kept = loop {
        match probe.proceed(&secrets, NOW) {
            Verdict::Call(step) => {
                let reply = twin.answer(&step.call, NOW);
                if let Verdict::Keep(kept) = probe.answered(Ok(reply), &secrets, NOW) {
                    break kept;
                }
            }
            _ => panic!("it does not refresh"),
        }
    };
    let access = kept["access"].as_str().unwrap().to_owned();
    let (findings, asked) = of(Some(kept.clone()), time::after(NOW, days(1)), x::twin::XTwin::with_oauth2());
    assert!(findings.iter().any(|finding| finding.what.contains("the daemon renews it")), "{findings:?}");
    assert_eq!((worst(&findings), asked), (Level::Ok, 0));
    // Whom the platform asks to wait, or nobody hears, needs no new token.
    let mut busy = x::twin::XTwin::with_oauth2();
    busy.throttle(time::after(NOW, days(1)));
    let down = World { down: true, ..World::new(Box::new(x::twin::XTwin::with_oauth2())) };
    let silent =
        down.of_account(Patient { kept: Ok(Some(kept.clone())), ..patient(&x::twin::XTwin::with_oauth2(), "x") });
    for findings in [of(Some(kept.clone()), NOW, busy).0, silent] {
        assert_eq!(worst(&findings), Level::Warn, "{findings:?}");
        assert!(!bad(&findings).contains("cadenced auth"), "{findings:?}");
    }
    let (findings, asked) = of(Some(kept), NOW, twin);
    assert!(findings.iter().any(|finding| finding.what.contains("@account0")), "{findings:?}");
    assert!(!format!("{findings:?}").contains(&access));
    assert_eq!((worst(&findings), asked), (Level::Ok, 1));
}

#[test]
fn an_account_that_nobody_has_logged_in_as_is_told() {
    let twin = x::twin::XTwin::with_oauth2();
    let mut account = patient(&twin, "x");
    account.secrets.0.remove("refresh_token");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert_eq!(worst(&findings), Level::Fail, "{findings:?}");
    assert!(bad(&findings).contains("nobody has logged in"), "{findings:?}");
}

#[test]
fn the_end_of_a_token_is_told_by_how_near_it_is() {
    for (left, level) in [(-1, Level::Fail), (2, Level::Warn), (13, Level::Warn), (15, Level::Ok)] {
        let twin = mastodon::twin::MastodonTwin::mastodon();
        let end = NOW.checked_add(jiff::SignedDuration::from_hours(24 * left)).unwrap();
        let account = Patient { token_expires: Some(end), ..patient(&twin, "mastodon") };
        let findings = World::new(Box::new(twin)).of_account(account);
        assert_eq!(worst(&findings), level, "{left}: {findings:?}");
    }
    // The built-in version of LinkedIn's API ends in September 2027.
    let twin = linkedin::twin::LinkedinTwin::new();
    let account = patient(&twin, "linkedin");
    let world = World { now: "2027-09-01T00:00:00Z".parse().unwrap(), ..World::new(Box::new(twin)) };
    let findings = world.of_account(account);
    assert!(bad(&findings).contains("version 202609"), "{findings:?}");
}

#[test]
fn a_platform_that_does_not_tell_the_end_is_made_up_for_by_the_configuration() {
    let account = |token_expires| {
        let twin = linkedin::twin::LinkedinTwin::new();
        let member = (0..4).find(|number| twin.secrets(*number).0.len() == 1).expect("a member");
        Patient { token_expires, ..patient_of(&twin, "linkedin", member, &[]) }
    };
    let world = World::new(Box::new(linkedin::twin::LinkedinTwin::new()));
    assert!(bad(&world.of_account(account(None))).contains("token_expires"));
    assert_eq!(bad(&world.of_account(account(Some(time::after(NOW, days(40)))))), "");
}

#[test]
fn the_end_of_a_refresh_token_is_told_where_the_platform_does() {
    let mut twin = youtube::twin::YoutubeTwin::new();
    twin.lend(5 * 86_400);
    let account = patient(&twin, "youtube");
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(bad(&findings).contains("its token ends in 5"), "{findings:?}");

    let mut twin = linkedin::twin::LinkedinTwin::new();
    twin.expire_tokens();
    let page = (0..4).find(|number| twin.secrets(*number).0.len() > 1).expect("a page with a refresh token");
    let account = patient_of(&twin, "linkedin", page, &[]);
    let findings = World::new(Box::new(twin)).of_account(account);
    assert!(findings.iter().any(|finding| finding.what.starts_with("its token ends in 231")), "{findings:?}");
}

#[test]
fn a_token_that_was_changed_for_a_fresh_one_ends_with_that() {
    let mut twin = instagram::twin::InstagramTwin::new();
    let account = patient(&twin, "instagram");
    let mut probe = Probe::new(account.adapter.clone(), &account.id, None, NOW);
    let kept = match probe.proceed(&account.secrets, NOW) {
        Verdict::Call(step) => match probe.answered(Ok(twin.answer(&step.call, NOW)), &account.secrets, NOW) {
            Verdict::Keep(kept) => kept,
            _ => panic!("nothing is kept"),
        },
        _ => panic!("it does not ask"),
    };
    let session = Session { kept: Some(kept), ..Session::default() };
    let ends = account.adapter.ends(&session, &account.secrets);
    assert_eq!(ends, [End { of: Ending::Token, at: time::after(NOW, days(60)) }]);
    // It belongs to the secret that it came from.
    assert_eq!(account.adapter.ends(&session, &twin.secrets(1)), []);
}

#[test]
fn what_the_daemon_has_stopped_and_secrets_that_are_not_there_are_told() {
    let twin = mastodon::twin::MastodonTwin::mastodon();
    let account = Patient { stopped: Some("status 401".into()), paused: true, ..patient(&twin, "mastodon") };
    let world = World::new(Box::new(twin));
    assert!(bad(&world.of_account(account)).contains("the daemon has stopped it: status 401"));
    let twin = mastodon::twin::MastodonTwin::mastodon();
    let place = cadenced::domain::Place::file("cadenced.toml");
    let fault = cadenced::domain::Fault::error(place, "the secret cannot be read").with_hint("chmod 600 it");
    let account = Patient { faults: vec![fault], ..patient(&twin, "mastodon") };
    world.asked();
    let findings = world.of_account(account);
    assert_eq!(world.asked(), Vec::<String>::new(), "nothing is asked without its token");
    assert!(bad(&findings).contains("the secret cannot be read"), "{findings:?}");
}

// ---- this machine -----------------------------------------------------------------------------------------------

/// What is found on a machine without accounts.
fn machine(change: impl Fn(&mut World<mastodon::twin::MastodonTwin>, &mut Subject)) -> Vec<Finding> {
    let mut world = World::new(Box::new(mastodon::twin::MastodonTwin::mastodon()));
    let mut subject = subject(Vec::new());
    change(&mut world, &mut subject);
    world.examine(&subject)
}

#[test]
fn a_machine_in_good_order_has_no_findings() {
    assert_eq!(bad(&machine(|_, _| {})), "");
    // A first start.
    let fresh = machine(|world, subject| {
        world.put("/var/lib/cadenced/store", None);
        subject.ledger = Ok(Ledger::default());
    });
    assert_eq!(bad(&fresh), "");
}

type Change = fn(&mut World<mastodon::twin::MastodonTwin>, &mut Subject);

#[test]
fn what_is_wrong_with_a_machine_is_told_with_a_remedy() {
    let table: &[(Change, Level, &str)] = &[
        (
            |world, _| world.put("/etc/cadenced/secrets", Some(Standing { mode: 0o775, ..PRIVATE })),
            Level::Warn,
            "others may put files into /etc/cadenced/secrets",
        ),
        (
            |world, _| {
                world.put("/var/lib/cadenced/store", Some(Standing { mode: 0o755, ..PRIVATE }));
            },
            Level::Warn,
            "everybody on this machine may look into",
        ),
        (
            |world, _| {
                let foreign = Standing { writable: false, ..PRIVATE };
                world.put("/var/lib/cadenced/store", Some(foreign));
            },
            Level::Fail,
            "this user may not read and write in",
        ),
        (
            |world, subject| {
                let foreign = Standing { writable: false, ..PRIVATE };
                world.put("/var/lib/cadenced/store", None);
                world.put("/var/lib/cadenced", Some(foreign));
                subject.ledger = Ok(Ledger::default());
            },
            Level::Fail,
            "may not make it in /var/lib/cadenced",
        ),
        (
            |_, subject| subject.ledger = Err(("the journal is damaged".into(), "restore the store".into())),
            Level::Fail,
            "the journal is damaged",
        ),
        (|world, _| world.free = 1 << 20, Level::Warn, "has 1 MiB left"),
        (|world, _| world.put("/srv/queue", None), Level::Fail, "/srv/queue is not there"),
        (
            |world, _| world.put("/srv/queue", Some(Standing { readable: false, ..PRIVATE })),
            Level::Fail,
            "this user may not read /srv/queue",
        ),
        (
            |world, _| world.put("/srv/queue", Some(Standing { mode: 0o1777, ..PRIVATE })),
            Level::Warn,
            "everybody on this machine may put posts into /srv/queue",
        ),
        (|world, _| world.folders = 9000, Level::Warn, "more folders than a user may watch (8192)"),
        (
            |world, _| world.put("/etc/cadenced/credentials", Some(Standing { mode: 0o750, ..PRIVATE })),
            Level::Warn,
            "others may look into /etc/cadenced/credentials (its mode is 0750)",
        ),
        (unkept, Level::Warn, "nothing seems to keep the clock right"),
        (
            |world, _| world.put("/run/cadenced/control.sock", Some(PROGRAM)),
            Level::Fail,
            "/run/cadenced/control.sock is no socket",
        ),
        (|_, subject| subject.program.daemon = Some(Running::Silent), Level::Fail, "does not answer"),
        (
            |_, subject| {
                subject.ledger = Ok(Ledger { begun: true, mark: Some(time::after(NOW, Duration::from_secs(60))) });
            },
            Level::Fail,
            "--confirm-clock",
        ),
    ];
    for (change, level, expected) in table {
        let findings = machine(change);
        assert_eq!(worst(&findings), *level, "{expected}: {findings:?}");
        assert!(bad(&findings).contains(expected), "{expected}: {findings:?}");
        let remedied = findings.iter().filter(|finding| finding.level > Level::Ok).all(|it| it.remedy.is_some());
        assert!(remedied, "{findings:?}");
    }
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM0JToenm7BTZb4xLfuoihZcOSK2Z4+99MBB9jz+WIHv";

/// What is said of a list of those who may sign, with KEY in it.
fn signed(list: &str, change: impl Fn(&mut World<mastodon::twin::MastodonTwin>, &mut Signatures)) -> Vec<Finding> {
    machine(|world, subject| {
        let allowed = Ok(Signers::read(&list.replace("KEY", KEY), &jiff::tz::TimeZone::UTC));
        let mut signatures = Signatures { file: "/etc/cadenced/allowed_signers".into(), allowed };
        world.put("/etc/cadenced/allowed_signers", Some(Standing { is_folder: false, mode: 0o644, ..PRIVATE }));
        change(world, &mut signatures);
        subject.signatures = Some(signatures);
    })
}

#[test]
fn who_may_sign_is_looked_at() {
    let next = "me valid-before=\"20261208Z\" KEY\nnext valid-after=\"20261207Z\" KEY";
    for list in ["me KEY", "me valid-before=\"20261220Z\" KEY", next] {
        let findings = signed(list, |_, _| {});
        assert_eq!(bad(&findings), "", "{list}");
        assert!(findings.iter().any(|it| it.what.ends_with("keys that may sign now: 1")), "{list}: {findings:?}");
    }
    let open = |mode| Some(Standing { is_folder: false, mode, ..PRIVATE });
    type Spoil = Box<dyn Fn(&mut World<mastodon::twin::MastodonTwin>, &mut Signatures)>;
    let spoil = |spoil: fn(&mut World<mastodon::twin::MastodonTwin>, &mut Signatures)| -> Spoil { Box::new(spoil) };
    let nothing = || spoil(|_, _| {});
    let at = |path: &'static str, standing| -> Spoil { Box::new(move |world, _| world.put(path, standing)) };
    let list = "/etc/cadenced/allowed_signers";
    let table = [
        ("", nothing(), Level::Fail, "lets nobody sign now"),
        ("me namespaces=\"git\" KEY", nothing(), Level::Fail, "lets nobody sign now"),
        ("me valid-before=\"20261130Z\" KEY", nothing(), Level::Fail, "lets nobody sign now"),
        (
            "me valid-before=\"20261208Z\" KEY",
            nothing(),
            Level::Warn,
            "what me has signed counts until 2026-12-08T00:00:01Z only",
        ),
        ("me KEY\nyou ssh-rsa AAAA", nothing(), Level::Warn, "/etc/cadenced/allowed_signers:2"),
        ("me KEY", at(list, open(0o664)), Level::Warn, "others may say in /etc/cadenced/allowed_signers"),
        ("me KEY", at(list, open(0o646)), Level::Warn, "(its mode is 0646)"),
        (
            "me KEY",
            at("/etc/cadenced", Some(Standing { mode: 0o775, ..PRIVATE })),
            Level::Warn,
            "others may put another file in the place of /etc/cadenced/allowed_signers (the mode of /etc/cadenced is 0775)",
        ),
        ("me KEY", spoil(|_, it| it.file = "/srv/queue/who/signers".into()), Level::Warn, "lies in the queue folder"),
        (
            "me KEY",
            spoil(|_, it| it.allowed = Err("permission denied".into())),
            Level::Fail,
            "/etc/cadenced/allowed_signers cannot be read: permission denied",
        ),
    ];
    for (list, change, level, expected) in &table {
        let findings = signed(list, change);
        assert_eq!(worst(&findings), *level, "{expected}: {findings:?}");
        assert!(bad(&findings).contains(expected), "{expected}: {findings:?}");
        let signers: Vec<_> = findings.iter().filter(|it| it.level > Level::Ok).collect();
        assert!(signers.iter().all(|it| it.area == Area::Signers && it.remedy.is_some()), "{findings:?}");
    }
    // What is there cannot be replaced in a sticky folder by whom it does not belong to.
    let sticky = Standing { mode: 0o1777, ..PRIVATE };
    assert_eq!(bad(&signed("me KEY", |world, _| world.put("/etc/cadenced", Some(sticky)))), "");
}

/// A machine with systemd, and with nothing that keeps its clock.
fn unkept(world: &mut World<mastodon::twin::MastodonTwin>, _: &mut Subject) {
    world.put("/run/systemd/system", Some(PRIVATE));
    let keepers =
        ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/ntpd.pid", "/var/run/ntpd.sock"];
    for path in keepers.iter().chain(&["/run/systemd/container"]) {
        world.put(path, None);
    }
}

#[test]
fn a_clock_that_somebody_keeps_is_fine_and_that_of_a_container_is_not_its_own() {
    for kept in ["/run/chrony/chronyd.pid", "/run/systemd/container"] {
        let findings = machine(|world, subject| {
            unkept(world, subject);
            world.put(kept, Some(PRIVATE));
        });
        assert_eq!(bad(&findings), "", "{kept}");
    }
}

#[test]
fn an_old_program_and_a_daemon_of_another_one_are_told() {
    let of = |days: i64, daemon: Option<&str>| {
        let of = NOW.checked_sub(jiff::SignedDuration::from_hours(24 * days)).unwrap();
        let daemon = daemon.map(str::to_owned);
        bad(&machine(|_, subject| {
            subject.program =
                Program { of: Some(of), daemon: daemon.clone().map(Running::Version), ..subject.program.clone() };
        }))
    };
    assert_eq!(of(364, None), "");
    assert!(of(366, Some("1.2.3")).contains("1.2.3 of 2025-11-30: platforms have changed"), "{}", of(366, None));
    assert!(of(1, Some("1.2.2")).contains("the daemon that runs is cadenced 1.2.2, and what is installed is 1.2.3"));
}

// ---- the unit ---------------------------------------------------------------------------------------------------

/// What is found about the shipped unit with a drop-in, of a machine that is changed like this.
fn with_drop_in(lines: &str, change: impl Fn(&mut World<mastodon::twin::MastodonTwin>, &mut Subject)) -> Vec<Finding> {
    machine(|world, subject| {
        subject.queue = "/etc/cadenced/queue".into();
        subject.secrets = vec!["/etc/cadenced/token".into()];
        let drop_in = format!("[Service]\n{lines}\n");
        subject.unit =
            Some(Installed(vec![("/a/cadenced.service".into(), SHIPPED.into()), ("/a/d/x.conf".into(), drop_in)]));
        change(world, subject);
    })
}

#[test]
fn the_shipped_unit_is_as_strict_as_itself() {
    let findings = with_drop_in("", |_, _| {});
    assert_eq!(bad(&findings), "");
    assert!(findings.last().unwrap().what.contains("as strict as the shipped unit"), "{findings:?}");
    let other = with_drop_in("", |_, subject| subject.file = "/home/me/cadenced.toml".into());
    assert!(other.last().unwrap().what.contains("another configuration"), "{other:?}");
}

#[test]
fn every_lock_that_was_loosened_is_told() {
    for (lines, told) in [
        ("ProtectSystem=no", "ProtectSystem is no, and strict in the shipped unit"),
        ("NoNewPrivileges=", "NoNewPrivileges is not set, and yes"),
        ("Restart=no", "Restart is no, and on-failure"),
        ("RestartPreventExitStatus=\nRestartPreventExitStatus=78", "RestartPreventExitStatus is 78, and 77 78"),
        ("IPAddressDeny=", "IPAddressDeny=any of the shipped unit is missing"),
        ("InaccessiblePaths=", "InaccessiblePaths=-+/etc/cadenced/credentials of the shipped unit is missing"),
        ("AmbientCapabilities=CAP_NET_ADMIN", "AmbientCapabilities=CAP_NET_ADMIN is opened in /a/d/x.conf"),
        ("IPAddressAllow=10.0.0.0/8", "IPAddressAllow=10.0.0.0/8 is opened in /a/d/x.conf, and nothing"),
        ("SystemCallFilter=@mount", "SystemCallFilter is"),
        ("User=root", "User is root, and cadenced"),
    ] {
        let findings = with_drop_in(lines, |_, _| {});
        assert_eq!(worst(&findings), Level::Warn, "{lines}: {findings:?}");
        let bad = bad(&findings);
        assert!(bad.contains(told) && bad.lines().count() == 1, "{lines}: {bad}");
        assert!(findings.iter().all(|it| it.level == Level::Ok || it.remedy.is_some()), "{findings:?}");
    }
    let taste = with_drop_in("MemoryMax=1G\n# ProtectSystem=no\nMemoryHigh=\\\n 1G", |_, _| {});
    assert_eq!(bad(&taste), "");
    assert!(taste.iter().any(|finding| finding.what == "MemoryHigh is 1G, and 192M in the shipped unit"), "{taste:?}");
}

/// Each drop-in that is shipped mends what the configuration that it is for suffers.
#[test]
fn what_the_configuration_needs_is_missed_until_the_drop_in_is_there() {
    let listens = |_: &mut World<_>, subject: &mut Subject| {
        subject.wishes.listen = Some("127.0.0.1:8321".parse().unwrap());
    };
    let table: &[(Change, &str, &str, &str)] = &[
        (
            |world, subject| {
                world.names.insert("fedi.lan", "192.168.1.20".parse().unwrap());
                subject.wishes.servers = vec![("fedi.lan".into(), "acc".into()), ("8.8.8.8".into(), "b".into())];
            },
            "reach fedi.lan (192.168.1.20), which acc talks to",
            "lan.conf",
            include_str!("../systemd/drop-ins/lan.conf"),
        ),
        (
            |_, subject| {
                subject.wishes.resolvers = vec!["192.168.1.20".parse().unwrap(), "127.0.0.53".parse().unwrap()]
            },
            "ask 192.168.1.20 for names",
            "lan.conf",
            include_str!("../systemd/drop-ins/lan.conf"),
        ),
        (
            |_, subject| subject.queue = "/srv/posts/queue".into(),
            "see /srv/posts/queue",
            "queue.conf",
            include_str!("../systemd/drop-ins/queue.conf"),
        ),
        (
            |_, subject| subject.wishes.written = vec!["/srv/www/notes".into(), "/var/lib/cadenced/site".into()],
            "write in /srv/www/notes",
            "site.conf",
            include_str!("../systemd/drop-ins/site.conf"),
        ),
        (listens, "take requests at 127.0.0.1:8321", "listen.conf", include_str!("../systemd/drop-ins/listen.conf")),
        (
            |_, subject| subject.wishes.credentials = vec!["fedi-token".into(), "accounts_fedi-token".into()],
            "have the credential fedi-token",
            "token.conf",
            include_str!("../systemd/drop-ins/token.conf"),
        ),
    ];
    for (change, missed, named, drop_in) in table {
        let findings = with_drop_in("", change);
        let without = bad(&findings);
        assert!(worst(&findings) == Level::Fail && without.lines().count() == 1, "{missed}: {without}");
        assert!(without.contains(missed) && without.contains(named), "{missed}: {without}");
        let mended = with_drop_in(drop_in, change);
        assert_eq!(bad(&mended), "", "{named}");
    }
    let twin = (find("exec").unwrap().twin)();
    let account = || patient_with(&*twin, "exec", &[("program", "/etc/cadenced/bin/board")]);
    let runs = |lines: &str| {
        with_drop_in(lines, |_, subject| subject.accounts = vec![account()])
            .into_iter()
            .filter(|finding| finding.account.is_none())
            .collect::<Vec<_>>()
    };
    assert!(bad(&runs("")).contains("run /etc/cadenced/bin/board"), "{:?}", runs(""));
    assert_eq!(bad(&runs(include_str!("../systemd/drop-ins/exec.conf"))), "");
    // A file that the unit hides is handed over by systemd.
    let hidden = |_: &mut World<_>, subject: &mut Subject| subject.secrets = vec!["/etc/cadenced/credentials/x".into()];
    assert!(bad(&with_drop_in("", hidden)).contains("see /etc/cadenced/credentials/x let systemd hand it over"));
    // Journald's socket is in reach of the shipped unit, and not of one that is older.
    let journald = |_: &mut World<_>, subject: &mut Subject| subject.wishes.journald = true;
    assert_eq!(bad(&with_drop_in("", journald)), "");
    let older = with_drop_in("BindReadOnlyPaths=\nBindReadOnlyPaths=/etc/cadenced", journald);
    assert!(bad(&older).contains("reach journald"), "{older:?}");
}

#[test]
fn a_clock_that_most_servers_contradict_is_a_finding() {
    for (ahead, level) in [(0, Level::Ok), (4, Level::Ok), (30, Level::Warn), (-30, Level::Warn), (300, Level::Fail)] {
        let twin = mastodon::twin::MastodonTwin::mastodon();
        let account = patient(&twin, "mastodon");
        let world = World { ahead, ..World::new(Box::new(twin)) };
        let findings = world.examine(&subject(vec![account]));
        assert_eq!(worst(&findings), level, "{ahead}: {findings:?}");
        let side = if ahead > 0 { "behind" } else { "ahead of" };
        assert_eq!(bad(&findings).contains(side), level > Level::Ok, "{findings:?}");
    }
}

#[test]
fn a_program_and_a_folder_have_to_be_usable() {
    let exec = find("exec").unwrap();
    let twin = (exec.twin)();
    let program = match &adapter(&*twin, "exec", 0, &[]).needs()[..] {
        [cadenced::platform::contract::examine::Need::Program(program)] => program.clone(),
        other => panic!("{other:?}"),
    };
    for standing in [None, Some(Standing { passable: false, ..PROGRAM }), Some(PRIVATE)] {
        let twin = (exec.twin)();
        let account = patient(&*twin, "exec");
        let mut world = World::new(twin);
        world.places.insert(program.clone(), standing);
        assert_eq!(worst(&world.of_account(account)), Level::Fail, "{standing:?}");
    }
    let twin = (find("site").unwrap().twin)();
    let account = patient(&*twin, "site");
    let mut world = World::new(twin);
    let folder = match &account.adapter.needs()[..] {
        [cadenced::platform::contract::examine::Need::Folder(folder)] => folder.clone(),
        other => panic!("{other:?}"),
    };
    world.places.insert(folder, Some(Standing { writable: false, ..PRIVATE }));
    assert!(bad(&world.of_account(account)).contains("may not write in"));
}

// ---- what is shown ----------------------------------------------------------------------------------------------

#[test]
fn findings_read_well() {
    let mut twin = mastodon::twin::MastodonTwin::mastodon();
    twin.set_scopes(&["read", "write:statuses"]);
    let account = Patient { token_expires: None, ..patient(&twin, "mastodon") };
    let world = World::new(Box::new(twin));
    let findings = world.examine(&subject(vec![account]));
    let shown = |format| {
        let mut out = Vec::new();
        doctor::write(&findings, format, Page::plain(80), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    insta::assert_snapshot!(shown(DoctorFormat::Text), @r"
    ok    config   /etc/cadenced/cadenced.toml is valid; accounts examined: 1
    ok    secrets  every secret can be read, and by nobody else
    ok    store    /var/lib/cadenced/store can be read and written
    ok    queue    /srv/queue can be read; cadenced check says whether it is sound
    ok    acc      it is @twin0 on 127.0.0.1:1, account 110000000000000000
    ok    acc      its token has no end
    ok    acc      the server runs 4.5.15
    warn  acc      the token lacks write:media, which a post with media needs
                   -> make a token with the scopes read and write
    ok    acc      its allowance of requests has 295 left until 2026-12-01T08:05:00Z
    ok    clock    the clock agrees with the servers' (asked: 1)
    ok    program  this is cadenced 1.2.3 of 2026-12-01
    ");
    let list: Vec<Value> = serde_json::from_str(&shown(DoctorFormat::Json)).unwrap();
    assert_eq!(list.len(), findings.len());
    let warn = list.iter().find(|line| line["level"] == "warn").unwrap();
    assert_eq!((&warn["area"], &warn["account"]), (&Value::from("account"), &Value::from("acc")));
    let keys: Vec<&str> = warn.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["account", "area", "level", "remedy", "what"]);
}

// ---- the real program -------------------------------------------------------------------------------------------

fn run(house: &support::house::House, args: &[&str]) -> (i32, String) {
    let output = house.command(args).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[test]
fn the_command_tells_by_its_exit_code_whether_all_is_well() {
    let platform = support::platform::Platform::mastodon();
    let (name, token) = platform.secrets().remove(0);
    let account = platform.account("acc").replace(&format!("{{ env = \"{name}\" }}"), "{ file = \"token\" }");
    let house = support::house::House::with(&account, |text| text);
    std::fs::write(house.path("token"), token).unwrap();
    std::fs::set_permissions(house.path("token"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = run(&house, &["doctor"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("acc") && said.contains("the token has the permissions"), "{said}");
    let asked = platform.asked().len();
    assert_eq!(run(&house, &["doctor", "--offline"]).0, 0);
    assert_eq!(platform.asked().len(), asked, "nobody was asked");
    let (code, said) = run(&house, &["doctor", "axc"]);
    assert_eq!((code, said.contains("did you mean acc?")), (1, true), "{said}");
    platform.weather(|_| {
        support::platform::Weather::Say(support::platform::answer(
            401,
            "content-type: application/json\r\n",
            r#"{"error":"The access token is invalid"}"#,
        ))
    });
    let (code, said) = run(&house, &["doctor", "acc", "--format", "json"]);
    assert_eq!(code, 1, "{said}");
    let list: Vec<Value> = serde_json::from_str(&said).unwrap();
    assert!(list.iter().any(|line| line["level"] == "fail" && line["account"] == "acc"), "{said}");
    for (_, secret) in platform.secrets() {
        assert!(!said.contains(&secret), "{said}");
    }
    house.configure("[accounts");
    let (code, said) = run(&house, &["doctor"]);
    assert_eq!((code, said.contains("fail  config")), (1, true), "{said}");
}

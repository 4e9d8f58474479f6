//! Sweeps over the registry: whatever a crowd does on a twin, what an adapter finds of it is what is true.

#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::deliver::Probe;
use cadenced::deliver::probe::Verdict;
use cadenced::domain::time::after;
use cadenced::domain::{AccountId, Content, DeliveryId, Digest, Interaction, PostId, Remote, Timestamp};
use cadenced::platform::contract::crowd::{By, CrowdAct};
use cadenced::platform::contract::sweep::{Found, Heard, Hindrance, Sweep, Watched};
use cadenced::platform::contract::{
    Abilities, Adapter, Call, Entry, HttpReply, Job, Reply, Session, SocketEnd, SocketReply, Table, Twin,
};
use cadenced::platform::mastodon::twin::MastodonTwin;
use cadenced::platform::{REGISTRY, find};
use support::drive::Drive;
use support::graph::{film, picture};
use support::sweep::{Swept, agrees, recorded, sweep_in, sweep_with};

/// A platform with posts of ours on it.
struct World {
    name: String,
    can: Abilities,
    adapter: Arc<dyn Adapter>,
    twin: Box<dyn Twin>,
    session: Session,
    posts: Vec<(DeliveryId, Remote)>,
    now: Timestamp,
}

impl World {
    fn new(entry: &Entry, name: &str, twin: Box<dyn Twin>) -> Self {
        let values = twin.table(0, "https://host.example/", "folder");
        let mut table = Table::new(account(), values, PathBuf::from("/base"));
        let adapter = (entry.build)(&mut table).expect("an adapter");
        let now: Timestamp = "2026-12-01T08:00:00Z".parse().expect("a moment");
        let (can, session, name) = (entry.can, Session::default(), name.to_owned());
        let mut world = Self { name, can, adapter, twin, session, posts: Vec::new(), now };
        for place in 0..4 {
            let thread = if place == 1 { vec!["And more.".into(), "The end.".into()] } else { vec![] };
            world.publish(&format!("post-{place}"), &format!("Post number {place} of us & others."), thread);
            world.now = after(world.now, Duration::from_secs(600));
        }
        world
    }

    fn publish(&mut self, id: &str, text: &str, thread: Vec<String>) {
        let thread = if self.can.threads { thread } else { Vec::new() };
        let mut job = job(&*self.adapter, id, Content { text: text.into(), thread, ..Content::default() }, self.now);
        if !self.can.text_alone {
            job.media = vec![if self.can.images > 0 { picture(id.as_bytes()[0]) } else { film() }];
            job.content.media = job.media.iter().map(|media| media.item.clone()).collect();
        }
        let mut drive = Drive::new(&*self.adapter, &mut *self.twin, &job);
        drive.session = self.session.clone();
        let remote = drive.finish();
        (self.session, self.now) = (drive.session.clone(), drive.now);
        self.posts.push((job.delivery.clone(), remote));
    }

    fn sweep(&mut self, known: &[BTreeMap<Interaction, u64>], waiting: &[String], heard: Option<Heard>) -> Swept {
        let posts = self.watched(known);
        let sweep = Sweep { posts, waiting: waiting.to_vec(), heard };
        let mut once = || sweep_with(&*self.adapter, &mut *self.twin, &self.session, sweep.clone(), self.now);
        let swept = once().expect("it sweeps");
        if matches!(swept.stopped, Some(Hindrance::LoggedOut { .. })) && self.renew() {
            return sweep_with(&*self.adapter, &mut *self.twin, &self.session, sweep, self.now).expect("it sweeps");
        }
        swept
    }

    /// Logs in again; whether that was possible.
    fn renew(&mut self) -> bool {
        let (secrets, mut probe) = (self.twin.secrets(0), Probe::new(self.adapter.clone(), &account(), None, self.now));
        let mut verdict = probe.proceed(&secrets, self.now);
        loop {
            verdict = match verdict {
                Verdict::Call(step) => {
                    let reply = self.twin.answer(&step.call, self.now);
                    probe.answered(Ok(reply), &secrets, self.now)
                }
                Verdict::Keep(_) => probe.proceed(&secrets, self.now),
                Verdict::Accepted(session) => {
                    self.session = session;
                    return true;
                }
                Verdict::NotYet(_) => return false,
            };
        }
    }

    fn watched(&self, known: &[BTreeMap<Interaction, u64>]) -> Vec<Watched> {
        let watched = |((delivery, remote), known): (&(DeliveryId, Remote), &BTreeMap<Interaction, u64>)| Watched {
            delivery: delivery.clone(),
            remote: remote.clone(),
            known: known.clone(),
        };
        self.posts.iter().zip(known).map(watched).collect()
    }

    fn act(&mut self, act: CrowdAct) -> Option<String> {
        self.now = after(self.now, Duration::from_secs(7));
        self.twin.act(&act, self.now)
    }

    fn like(&mut self, by: u32, place: usize) {
        let post = self.posts[place].1.id.clone();
        self.act(CrowdAct::Like { by: By::Person(by), post });
    }
}

fn account() -> AccountId {
    AccountId::new("a0").expect("an id")
}

fn job(adapter: &dyn Adapter, id: &str, content: Content, now: Timestamp) -> Job {
    let digest = Digest::of(id.as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new(id).expect("an id"), account()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        frozen: adapter.freeze(&content, now, u64::from(digest.0[0])),
        content,
        media: Vec::new(),
        started: now,
        answers: None,
        taken: Arc::default(),
    }
}

/// Every platform that tells something of its posts, in every manner of it.
fn worlds() -> Vec<World> {
    let telling = |entry: &&&Entry| (entry.twin)().standing(0, "nothing").is_some();
    let of = |entry: &&Entry| World::new(entry, entry.name, (entry.twin)());
    let mut worlds: Vec<World> = REGISTRY.iter().filter(telling).map(of).collect();
    let mastodon = find("mastodon").expect("a platform");
    worlds.push(World::new(mastodon, "gotosocial", Box::new(MastodonTwin::gotosocial())));
    worlds.push(World::new(mastodon, "pleroma", Box::new(MastodonTwin::pleroma())));
    worlds
}

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).expect("it fits")
    }
}

/// A crowd that does whatever comes to its mind.
struct Street {
    chance: Chance,
    /// Everything that was said, and whether it was said to us.
    said: Vec<(String, bool)>,
    heard: Heard,
}

impl Street {
    /// Somebody does something; what was said by it.
    fn act(&mut self, world: &mut World) -> Option<(String, bool)> {
        let chance = &mut self.chance;
        let by = By::Person(u32::try_from(chance.below(12)).expect("it fits"));
        let person = u32::try_from(chance.below(12)).expect("it fits");
        let post = world.posts[chance.below(world.posts.len())].1.id.clone();
        let to = match chance.below(self.said.len() + 3) {
            place if place < self.said.len() => self.said[place].0.clone(),
            _ => post.clone(),
        };
        let ours = By::Ours(0);
        let words = ["Yes.", "No & <no>!", "Wh\u{e4}t? \u{1f468}\u{200d}\u{1f469}", "two\nlines"];
        let text = format!("{} ({})", words[chance.below(words.len())], self.said.len());
        let private = chance.below(5) == 0;
        let to_us = world.posts.iter().any(|(_, remote)| remote.id == to);
        let (act, heard) = match chance.below(40) {
            0..10 => (CrowdAct::Like { by, post }, false),
            10..14 => (CrowdAct::Unlike { by, post }, false),
            14..19 => (CrowdAct::Repost { by, post }, false),
            19..21 => (CrowdAct::Unrepost { by, post }, false),
            21..28 => (CrowdAct::Reply { by, to, text, private }, to_us),
            28..30 => (CrowdAct::Reply { by: ours, to, text, private: false }, false),
            30..32 => (CrowdAct::Quote { by, post, text }, false),
            32..34 => (CrowdAct::Mention { by, account: 0, text, private }, true),
            34..36 if !self.said.is_empty() => {
                let (id, _) = self.said[chance.below(self.said.len())].clone();
                (CrowdAct::Unsay { id }, false)
            }
            36 if chance.below(3) == 0 => (CrowdAct::Block { person }, false),
            37 if chance.below(3) == 0 => (CrowdAct::Vanish { person }, false),
            38 if chance.below(4) == 0 => (CrowdAct::Delete { post }, false),
            39 => (CrowdAct::Like { by: ours, post }, false),
            _ => (CrowdAct::Repost { by: ours, post }, false),
        };
        let said = world.act(act).map(|id| (id, heard));
        self.said.extend(said.clone());
        said
    }
}

#[test]
fn whatever_a_crowd_does_is_found_as_it_is() {
    for seed in 1..=12 {
        for mut world in worlds() {
            let chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (seed * 0x1234_5678_9abc));
            let mut street = Street { chance, said: Vec::new(), heard: Heard::default() };
            let mut known = vec![BTreeMap::new(); world.posts.len()];
            let first = world.sweep(&known, &[], Some(Heard::default()));
            let hears = heard(&first).is_some();
            street.heard = heard(&first).map(|(_, heard)| heard).unwrap_or_default();
            for round in 0..6 {
                let acts = street.chance.below(30);
                let new: Vec<_> = (0..acts).filter_map(|_| street.act(&mut world)).collect();
                world.now = after(world.now, Duration::from_secs(3 * 3600));
                let waiting: Vec<String> = street.said.iter().rev().take(5).map(|(id, _)| id.clone()).collect();
                let swept = world.sweep(&known, &waiting, Some(street.heard.clone()));
                let what = format!("{}, seed {seed}, round {round}", world.name);
                assert_eq!(swept.stopped, None, "{what}");
                let told: Vec<_> = swept.posts().iter().map(|finding| finding.delivery.clone()).collect();
                let all: BTreeSet<_> = world.posts.iter().map(|(delivery, _)| delivery.clone()).collect();
                assert_eq!((told.len(), told.into_iter().collect()), (all.len(), all), "{what}: each once");
                for (place, (delivery, remote)) in world.posts.iter().enumerate() {
                    let posts = swept.posts();
                    let finding = posts.iter().find(|finding| finding.delivery == *delivery).expect("it is told");
                    let truth = world.twin.standing(0, &remote.id).expect("it is told");
                    agrees(&remote.id, finding, &truth, &known[place], world.name == "x");
                    known[place].extend(recorded(finding));
                }
                assert_eq!(heard(&swept).is_some(), hears, "{what}");
                let (ids, heard) = heard(&swept).unwrap_or_default();
                let missed: Vec<_> = new.iter().filter(|(id, to_us)| hears && *to_us && !ids.contains(id)).collect();
                for (id, _) in missed {
                    let around = conversation(&mut world, id);
                    assert!(around.is_empty(), "{what}: {id} was not heard, and is there: {around:?}");
                }
                street.heard = heard;
                for id in waiting {
                    let around = swept.found.iter().find_map(|found| match found {
                        Found::Around { waiting, messages, .. } if *waiting == id => Some(messages),
                        _ => None,
                    });
                    let messages = around.unwrap_or_else(|| panic!("{what}: nothing is told of {id}"));
                    assert!(messages.is_empty() || messages[0].id == id, "{what}: {messages:?}");
                    if world.name == "linkedin" {
                        // Its requests are counted by the day: what waits is looked at with posts that are due.
                        let alone = world.sweep(&[], &[id], None);
                        assert_eq!((alone.calls, alone.found.len()), (0, 0), "{what}");
                        continue;
                    }
                    // Some tell what answers a message only with the post that it stands below.
                    let alone = conversation(&mut world, &id);
                    let short = ["threads", "instagram", "youtube"].contains(&world.name.as_str());
                    let known = alone.iter().all(|message| messages.contains(message));
                    assert!(known && (short || alone.len() == messages.len()), "{what}: {alone:?}\n{messages:?}");
                }
            }
        }
    }
}

/// Whom a sweep has heard, and how far.
fn heard(swept: &Swept) -> Option<(BTreeSet<String>, Heard)> {
    swept.found.iter().find_map(|found| match found {
        Found::Heard { messages, heard, people } => {
            let known: BTreeSet<_> = people.iter().map(|profile| &profile.person).collect();
            assert!(messages.iter().all(|message| message.by.as_ref().is_some_and(|by| known.contains(by))));
            Some((messages.iter().map(|message| message.id.clone()).collect(), heard.clone()))
        }
        _ => None,
    })
}

/// What is around one message, when nothing else is asked.
fn conversation(world: &mut World, id: &str) -> Vec<cadenced::domain::Message> {
    let swept = world.sweep(&[], &[id.to_owned()], None);
    match &swept.found[..] {
        [Found::Around { messages, .. }] => messages.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn long_lists_are_read_to_their_end_while_they_grow() {
    for mut world in worlds() {
        (0..333).for_each(|by| world.like(by, 0));
        assert!(world.renew(), "{}", world.name);
        let (delivery, remote) = world.posts[0].clone();
        let post = Watched { delivery, remote: remote.clone(), known: BTreeMap::new() };
        let sweep = Sweep { posts: vec![post], ..Sweep::default() };
        let mut newcomer = 500;
        let swept =
            sweep_in(&*world.adapter, &mut *world.twin, &world.session, sweep, world.now, &mut |twin, call, now| {
                let reply = twin.answer(call, now);
                // Between any two pages somebody comes and somebody goes.
                newcomer += 1;
                twin.act(&CrowdAct::Like { by: By::Person(newcomer), post: remote.id.clone() }, now);
                twin.act(&CrowdAct::Unlike { by: By::Person(newcomer - 500), post: remote.id.clone() }, now);
                reply
            });
        let swept = swept.expect("it sweeps");
        let finding = &swept.posts()[0];
        // Some tell of nobody who likes a post.
        if !finding.who.contains_key(&Interaction::Like) {
            assert!(finding.counts[&Interaction::Like] >= 320, "{}", world.name);
            continue;
        }
        let people: BTreeSet<_> = finding.who[&Interaction::Like].iter().map(|act| act.person.clone()).collect();
        assert_eq!(people.len(), finding.who[&Interaction::Like].len(), "{}: each once", world.name);
        // Whoever was there from the begin to the end.
        assert!(people.len() >= 320, "{}: {} people", world.name, people.len());
    }
}

#[test]
fn a_conversation_is_read_to_its_depth() {
    for mut world in worlds() {
        let post = world.posts[0].1.id.clone();
        let mut to = post.clone();
        for by in 0..130 {
            let reply = CrowdAct::Reply { by: By::Person(by), to, text: format!("Answer {by}"), private: false };
            to = world.act(reply).expect("it was said");
        }
        world.now = after(world.now, Duration::from_secs(3600));
        let swept = world.sweep(&[BTreeMap::new()], &[], None);
        let truth = world.twin.standing(0, &post).expect("it is told");
        if world.name == "x" {
            assert_eq!(swept.posts()[0].said, None, "what it has not read it does not tell");
            continue;
        }
        assert_eq!(truth.said.len(), 130, "{}", world.name);
        agrees(&post, &swept.posts()[0], &truth, &BTreeMap::new(), world.name == "x");
        assert_eq!(swept.posts()[0].said.as_ref().map(Vec::len), Some(130), "{}", world.name);
    }
}

#[test]
fn whoever_has_spoken_since_is_heard_however_many_they_are() {
    for mut world in worlds() {
        let first = world.sweep(&[], &[], Some(Heard::default()));
        let Some((_, since)) = heard(&first) else { continue };
        let say = |world: &mut World, by| {
            let act = CrowdAct::Mention { by: By::Person(by), account: 0, text: format!("You, {by}?"), private: false };
            world.act(act).expect("it was said")
        };
        // Something has to be known before there is a since.
        let earlier = say(&mut world, 999);
        world.now = after(world.now, Duration::from_secs(3600));
        let (_, since) = heard(&world.sweep(&[], &[], Some(since))).expect("it is told");
        let said: BTreeSet<_> = (0..230).map(|by| say(&mut world, by)).collect();
        world.now = after(world.now, Duration::from_secs(3600));
        let (ids, since) = heard(&world.sweep(&[], &[], Some(since))).expect("it is told");
        assert!(said.is_subset(&ids), "{}: {} of {}", world.name, said.intersection(&ids).count(), said.len());
        world.now = after(world.now, Duration::from_secs(4 * 3600));
        let (again, _) = heard(&world.sweep(&[], &[], Some(since))).expect("it is told");
        // Bluesky is read an hour back, and to the end of a page: nothing but what was said is told once more.
        assert!(again.iter().all(|id| said.contains(id) || *id == earlier), "{}: {again:?}", world.name);
    }
}

/// A budget must not be passed unnoticed, and nobody pays twice for what is known.
#[test]
fn what_a_sweep_is_billed_is_reckoned_before_and_afterwards() {
    let mut billed = 0;
    for mut world in worlds() {
        let mut mark = 0;
        world.twin.billed_since(&mut mark);
        for by in 0..7 {
            world.like(by, 0);
            let post = world.posts[1].1.id.clone();
            world.act(CrowdAct::Quote { by: By::Person(by), post: post.clone(), text: format!("This, {by}") });
            world.act(CrowdAct::Reply { by: By::Person(by), to: post, text: format!("Yes, {by}"), private: false });
        }
        world.now = after(world.now, Duration::from_secs(3600));
        let mut known = vec![BTreeMap::new(); world.posts.len()];
        let first = world.sweep(&known, &[], Some(Heard::default()));
        for (known, finding) in known.iter_mut().zip(first.posts()) {
            *known = recorded(&finding);
        }
        let again = world.sweep(&known, &[], None);
        let bill = world.twin.billed_since(&mut mark);
        let sum = bill.iter().map(|item| item.money.0).sum::<i64>();
        assert!(sum <= first.spent.plus(again.spent).money.0, "{}: {bill:?}", world.name);
        if sum > 0 {
            billed += 1;
            assert!(
                again.spent.money.0 * 5 < first.spent.money.0,
                "{}: {:?}, {:?}",
                world.name,
                first.spent,
                again.spent
            );
        } else {
            assert!(first.spent.is_nothing(), "{}", world.name);
        }
    }
    assert!(billed > 0, "nobody bills anything");
}

/// What the platform does not show yet is no news.
#[test]
fn a_post_that_was_published_just_now_is_not_gone() {
    for mut world in worlds() {
        world.posts.clear();
        world.publish("just-now", "Just now.", Vec::new());
        let swept = world.sweep(&[BTreeMap::new()], &[], None);
        assert!(swept.posts().iter().all(|finding| !finding.gone), "{}: {swept:?}", world.name);
        assert_eq!(swept.stopped, None, "{}", world.name);
        world.now = after(world.now, Duration::from_secs(60));
        assert_eq!(world.sweep(&[BTreeMap::new()], &[], None).posts().len(), 1, "{}", world.name);
    }
}

#[test]
fn what_goes_wrong_stops_a_sweep_or_costs_it_a_list() {
    for mut world in worlds() {
        world.like(1, 0);
        let known = vec![BTreeMap::new(); world.posts.len()];
        let all = world.posts.len();

        world.twin.throttle(after(world.now, Duration::from_secs(500)));
        let swept = world.sweep(&known, &[], None);
        assert!(matches!(swept.stopped, Some(Hindrance::Limited { until, .. }) if until > world.now), "{swept:?}");
        assert_eq!((swept.found.len(), swept.calls), (0, 1), "{}", world.name);
        world.twin.throttle(Timestamp::UNIX_EPOCH);

        // Nobody answers any more in the middle.
        for answered in 0..4 {
            let sweep = Sweep { posts: world.watched(&known), ..Sweep::default() };
            let mut left = answered;
            let broken = &mut |twin: &mut dyn Twin, call: &Call, now| {
                left -= 1;
                if left >= 0 { twin.answer(call, now) } else { said(call, 502, "<html>") }
            };
            let swept = sweep_in(&*world.adapter, &mut *world.twin, &world.session, sweep, world.now, broken);
            let swept = swept.expect("it sweeps");
            assert!(swept.posts().iter().all(|finding| !finding.gone), "{}: {swept:?}", world.name);
            let asked = swept.calls;
            assert!(swept.stopped.is_none() || matches!(swept.stopped, Some(Hindrance::Failed { .. })), "{swept:?}");
            assert!(asked < answered as usize + 8, "{}: {asked} requests to a broken server", world.name);
        }

        // What is no answer at all is no news.
        for (status, body) in [(200, "[]"), (200, "{}"), (200, "[1,{}]"), (200, "null"), (200, ""), (404, "<html>")] {
            let sweep = Sweep { posts: world.watched(&known), heard: Some(Heard::default()), ..Sweep::default() };
            let garbage = &mut |_: &mut dyn Twin, call: &Call, _| said(call, status, body);
            let swept = sweep_in(&*world.adapter, &mut *world.twin, &world.session, sweep, world.now, garbage);
            let swept = swept.expect("it sweeps");
            assert_eq!(swept.posts().len(), 0, "{}: {status} {body:?} tells nothing: {swept:?}", world.name);
        }

        world.twin.set_revoked(true);
        let swept = world.sweep(&known, &[], Some(Heard::default()));
        let out = matches!(swept.stopped, Some(Hindrance::LoggedOut { .. } | Hindrance::Forbidden { .. }));
        assert!(out && swept.posts().is_empty(), "{}: {swept:?}", world.name);
        world.twin.set_revoked(false);
        assert_eq!(world.sweep(&known, &[], None).posts().len(), all);

        let nobody = Session::default();
        let sweep = Sweep { posts: world.watched(&known), ..Sweep::default() };
        let swept = sweep_with(&*world.adapter, &mut *world.twin, &nobody, sweep, world.now).expect("it sweeps");
        assert!(matches!(swept.stopped, Some(Hindrance::LoggedOut { .. })) && swept.calls == 0, "{swept:?}");
    }
}

/// The same said by whoever was asked.
fn said(call: &Call, status: u16, body: &str) -> Reply {
    let end = || SocketEnd::BrokenOff("no answer".into());
    match call {
        Call::Sockets(sockets) => {
            let one = |_: &_| SocketReply { messages: vec![body.to_owned()], end: end() };
            Reply::Sockets(sockets.iter().map(one).collect())
        }
        _ => Reply::Http(HttpReply { status, headers: Vec::new(), body: body.as_bytes().to_vec(), cut: false }),
    }
}

/// The table of the documents says what the adapters do.
#[test]
fn the_documents_list_what_is_told_of_posts() {
    let mut rows = Vec::new();
    let mut worlds = worlds();
    for entry in REGISTRY {
        let Some(world) = worlds.iter_mut().find(|world| world.name == entry.name) else {
            rows.push(format!("| `{}` | nothing | nobody |", entry.name));
            let page = format!("{}/docs/platforms/{}.md", env!("CARGO_MANIFEST_DIR"), entry.name);
            let page = std::fs::read_to_string(&page).expect("each platform has a page");
            assert!(page.contains("Nothing is measured"), "docs/platforms/{}.md does not say so", entry.name);
            continue;
        };
        let post = world.posts[0].1.id.clone();
        let by = By::Person(1);
        for act in [
            CrowdAct::Like { by, post: post.clone() },
            CrowdAct::Repost { by, post: post.clone() },
            CrowdAct::Quote { by, post: post.clone(), text: "This".into() },
            CrowdAct::Reply { by, to: post, text: "Yes".into(), private: false },
        ] {
            world.act(act);
        }
        world.now = after(world.now, Duration::from_secs(3600));
        let known = vec![BTreeMap::new(); world.posts.len()];
        let swept = world.sweep(&known, &[], Some(Heard::default()));
        let finding = &swept.posts()[0];
        let mut who: BTreeSet<Interaction> =
            finding.who.iter().filter(|(_, acts)| !acts.is_empty()).map(|(kind, _)| *kind).collect();
        who.extend(finding.said.as_ref().filter(|said| !said.is_empty()).map(|_| Interaction::Reply));
        who.extend(heard(&swept).map(|_| Interaction::Mention));
        let named = |kinds: Vec<&Interaction>| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let (counts, who) = (named(finding.counts.keys().collect()), named(who.iter().collect()));
        rows.push(format!("| `{}` | {counts} | {who} |", entry.name));
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/platforms.md")).expect("a page");
    let section = page.split("## What is measured").nth(1).unwrap_or_default();
    let listed: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).take(rows.len()).collect();
    assert_eq!(listed, rows, "the table must be:\n{}", rows.join("\n"));
}

/// Whatever comes back, nothing panics, everything ends, and what is told is sound in itself.
#[test]
fn garbled_answers_lead_to_nothing_unsound() {
    for mut world in worlds() {
        let mut street = Street { chance: Chance(0xfeed_beef), said: Vec::new(), heard: Heard::default() };
        (0..60).for_each(|_| _ = street.act(&mut world));
        world.now = after(world.now, Duration::from_secs(3600));
        assert!(world.renew(), "{}", world.name);
        let waiting: Vec<String> = street.said.iter().take(3).map(|(id, _)| id.clone()).collect();
        let known = vec![BTreeMap::from([(Interaction::Like, 1), (Interaction::Reply, 1)]); world.posts.len()];
        let all: BTreeSet<_> = world.posts.iter().map(|(delivery, _)| delivery.clone()).collect();
        let mut chance = Chance(0x5eed_5eed);
        for _ in 0..400 {
            let heard = Some(Heard(["", "1", "2026-12-01T08:00:00Z", "\u{0}/../"][chance.below(4)].into()));
            let sweep = Sweep { posts: world.watched(&known), waiting: waiting.clone(), heard };
            let garble = &mut |twin: &mut dyn Twin, call: &Call, now| {
                let mut reply = twin.answer(call, now);
                match &mut reply {
                    _ if chance.below(3) > 0 => {}
                    Reply::Http(reply) => garbled(reply, &mut chance),
                    Reply::Sockets(replies) => replies.iter_mut().for_each(|reply| misheard(reply, &mut chance)),
                    other => panic!("{other:?}"),
                }
                reply
            };
            let swept = sweep_in(&*world.adapter, &mut *world.twin, &world.session, sweep, world.now, garble);
            let swept = swept.expect("it sweeps");
            let told: Vec<_> = swept.posts().into_iter().map(|finding| finding.delivery).collect();
            let once: BTreeSet<_> = told.iter().cloned().collect();
            assert!(once.len() == told.len() && once.is_subset(&all), "{}: {told:?}", world.name);
            for finding in swept.posts() {
                let named = finding.who.values().flatten().map(|act| act.person.clone());
                let said = finding.said.iter().flatten().filter_map(|message| message.by.clone());
                let named: BTreeSet<_> = named.chain(said).collect();
                let people: BTreeSet<_> = finding.people.iter().map(|held| held.person.clone()).collect();
                assert!(named == people, "{}: {finding:?}", world.name);
                assert!(!finding.gone || (finding.counts.is_empty() && finding.said.is_none()), "{finding:?}");
                for acts in finding.who.values() {
                    let once: BTreeSet<_> = acts.iter().map(|act| &act.person).collect();
                    assert_eq!(once.len(), acts.len(), "{}: {acts:?}", world.name);
                }
            }
            for found in &swept.found {
                let (people, messages) = match found {
                    Found::Post(finding) => (finding.people.clone(), finding.said.clone().unwrap_or_default()),
                    Found::Around { waiting: id, people, messages } => {
                        assert!(waiting.contains(id), "{}: {id}", world.name);
                        (people.clone(), messages.clone())
                    }
                    Found::Heard { people, messages, .. } => (people.clone(), messages.clone()),
                };
                let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
                let handle = |c: char| odd(c) || c.is_whitespace();
                assert!(people.iter().all(|held| !held.handle.contains(handle)), "{}: {people:?}", world.name);
                let sound = |message: &cadenced::domain::Message| {
                    let short = message.text.chars().count() <= cadenced::domain::Message::TEXT_CHARS;
                    let ids = [Some(&message.id), message.parent.as_ref(), Some(&message.answer), message.url.as_ref()];
                    let plain = ids.into_iter().flatten().all(|id| !id.is_empty() && !id.contains(handle));
                    short && plain && !message.text.contains(odd)
                };
                assert!(messages.iter().all(sound), "{}: {messages:?}", world.name);
            }
        }
    }
}

/// Changes one answer: its status, its bytes, or one place in what it says.
fn garbled(reply: &mut HttpReply, chance: &mut Chance) {
    let mut value = match (chance.below(8), reply.value()) {
        (0, _) => {
            let statuses = [200, 204, 301, 400, 403, 404, 410, 429, 500, 503];
            return reply.status = statuses[chance.below(statuses.len())];
        }
        (1, _) | (_, None) => {
            let at = chance.below(reply.body.len());
            reply.body.truncate(at);
            return;
        }
        (2, _) => return reply.cut = true,
        (_, Some(value)) => value,
    };
    let mut paths = Vec::new();
    places(&value, String::new(), &mut paths);
    let path = paths.swap_remove(chance.below(paths.len()));
    let place = value.pointer_mut(&path).expect("it is there");
    let long = "x".repeat(5_000);
    let new = [
        serde_json::json!(null),
        serde_json::json!(-1),
        serde_json::json!(1e300),
        serde_json::json!([]),
        serde_json::json!({}),
        serde_json::json!([1, [2], {}]),
        serde_json::json!("\u{202e}\u{0}a b\r\n/../\u{1b}[2J"),
        serde_json::json!(""),
        serde_json::json!(long),
        serde_json::json!(true),
        serde_json::json!("https://a.example/\nb c"),
        serde_json::json!("9999-12-31T23:59:59Z"),
    ];
    match place {
        // The same twice, and less than there was.
        serde_json::Value::Array(items) if chance.below(3) == 0 && !items.is_empty() => {
            let item = items[chance.below(items.len())].clone();
            items.insert(0, item);
        }
        serde_json::Value::Array(items) if chance.below(2) == 0 => items.truncate(items.len() / 2),
        place => *place = new[chance.below(new.len())].clone(),
    }
    reply.body = value.to_string().into_bytes();
}

/// Changes one message of a conversation, or its end.
fn misheard(reply: &mut SocketReply, chance: &mut Chance) {
    let place = chance.below(reply.messages.len());
    let Some(message) = reply.messages.get_mut(place) else { return };
    let mut one = HttpReply { status: 200, headers: Vec::new(), body: message.as_bytes().to_vec(), cut: false };
    garbled(&mut one, chance);
    *message = String::from_utf8_lossy(&one.body).into_owned();
    if one.status != 200 || one.cut {
        reply.messages.truncate(place);
        reply.end = SocketEnd::BrokenOff("no answer".into());
    }
}

/// All places of a value.
fn places(value: &serde_json::Value, path: String, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, format!("{path}/{at}"), all));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, item)| places(item, format!("{path}/{name}"), all));
        }
        _ => {}
    }
    all.push(path);
}

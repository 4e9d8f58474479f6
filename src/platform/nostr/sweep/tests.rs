use std::path::PathBuf;
use std::sync::Arc;

use super::super::event::{DELETION, Draft, Key, NOTE, PROFILE, REACTION};
use super::super::twin::{Manner, Relays};
use super::pool::Pool;
use super::*;
use crate::domain::{AccountId, BotSign, DeliveryId, Digest, Remote, Secret};
use crate::platform::contract::crowd::{By, CrowdAct};
use crate::platform::contract::sweep::Finding;
use crate::platform::contract::{Adapter, Call, Session, Table, Twin as _, cases};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

/// A twin with one note of ours on all its relays.
struct World {
    adapter: Arc<dyn Adapter>,
    twin: Relays,
    session: Session,
    post: Event,
    calls: usize,
}

fn key(name: &str) -> Key {
    Key::read(&Secret::new(Digest::of(name.as_bytes()).hex())).unwrap()
}

fn event(author: &str, kind: u32, tags: &[&[&str]], content: &str, at: i64) -> Event {
    let tags = tags.iter().map(|tag| tag.iter().map(|field| (*field).to_owned()).collect()).collect();
    let draft = Draft { created_at: NOW.as_second() + at, tags, content: content.into() };
    key(author).sign_as(kind, draft).unwrap()
}

fn person(author: &str) -> PersonId {
    PersonId::new("nostr", &key(author).pubkey()).unwrap()
}

impl World {
    fn new() -> Self {
        let mut twin = Relays::default();
        let values = twin.table(0, "http://127.0.0.1:1/", "");
        let mut table = Table::new(AccountId::new("notes").unwrap(), values, PathBuf::from("/"));
        let adapter = (ENTRY.build)(&mut table).unwrap();
        let post = event("twin-key-0", NOTE, &[], "A desk", -600);
        let offers = |relay: &str| wire::offer(&format!("ws://127.0.0.1:1/{relay}").parse().unwrap(), &post);
        twin.answer(&Call::Sockets(["one", "two", "three"].map(offers).into()), NOW);
        let session = Session { identity: Some(post.pubkey.clone()), ..Session::default() };
        Self { adapter, twin, session, post, calls: 0 }
    }

    fn plant(&mut self, relay: &str, event: Event) -> String {
        let id = event.id.clone();
        self.twin.plant(relay, event);
        id
    }

    fn sweep(&mut self, sweep: Sweep) -> (Vec<Found>, Option<Hindrance>) {
        let secrets = self.twin.secrets(0);
        let looking = Looking { session: &self.session, secrets: &secrets, now: NOW };
        let mut sweeper = self.adapter.sweep(sweep, &looking).unwrap();
        cases::swept(&mut *sweeper, NOW, |call| {
            self.calls += 1;
            self.twin.answer(call, NOW)
        })
    }

    fn look(&mut self, known: &[(Interaction, u64)]) -> Option<Finding> {
        let remote = Remote { id: self.post.id.clone(), url: None, reference: Value::Null.into() };
        let delivery: DeliveryId = "desk@notes".parse().unwrap();
        let posts = vec![Watched { delivery, remote, known: known.iter().copied().collect() }];
        match self.sweep(Sweep { posts, ..Sweep::default() }).0.pop() {
            Some(Found::Post(finding)) => Some(*finding),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn hear(&mut self, heard: &str) -> (Vec<String>, String) {
        let sweep = Sweep { heard: Some(Heard(heard.into())), ..Sweep::default() };
        match self.sweep(sweep).0.pop() {
            Some(Found::Heard { messages, heard, .. }) => {
                (messages.into_iter().map(|message| message.text).collect(), heard.0)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn who(finding: &Finding, kind: Interaction) -> Vec<PersonId> {
    finding.who[&kind].iter().map(|act| act.person.clone()).collect()
}

#[test]
fn only_what_is_signed_and_meant_counts() {
    let mut world = World::new();
    let post = world.post.id.clone();
    let other = "ab".repeat(32);
    let liked = world.plant("one", event("ann", REACTION, &[&["e", &other], &["e", &post]], "+", -9));
    world.plant("two", event("ann", REACTION, &[&["e", &post]], "", -5));
    world.plant("one", event("bob", REACTION, &[&["e", &post]], "-", -5));
    world.plant("one", event("cat", REACTION, &[&["e", &post]], "\u{1f525}", -5));
    // Of another note, though it names ours.
    world.plant("one", event("dan", REACTION, &[&["e", &post], &["e", &other]], "+", -5));
    // Nobody else can take it back, and nobody can speak for others.
    world.plant("one", event("bob", DELETION, &[&["e", &liked], &["e", &post]], "", -1));
    for change in [
        (|event: &mut Event| event.content = "+".into()) as fn(&mut Event),
        |event| event.pubkey = key("bob").pubkey(),
        |event| event.id = event.id.to_uppercase(),
    ] {
        let mut forged = event("eve", REACTION, &[&["e", &post]], "", -3);
        change(&mut forged);
        world.plant("two", forged);
    }
    let finding = world.look(&[]).unwrap();
    assert_eq!(who(&finding, Interaction::Like), [person("ann")]);
    let at = finding.who[&Interaction::Like][0].at.unwrap();
    assert_eq!((finding.counts[&Interaction::Like], at.as_second()), (1, NOW.as_second() - 9));
    assert!(!finding.partly && !finding.gone);
    // Their second one still stands when the first is taken back, and then nothing does.
    world.plant("three", event("ann", DELETION, &[&["e", &liked]], "", -1));
    assert_eq!(world.look(&[]).unwrap().counts[&Interaction::Like], 1);
    let second = world.twin.held("two").into_iter().find(|event| event.pubkey == key("ann").pubkey()).unwrap().id;
    world.plant("three", event("ann", DELETION, &[&["e", &second]], "", 0));
    assert_eq!(world.look(&[]).unwrap().counts[&Interaction::Like], 0);
    // Gone is what we have taken back ourselves.
    world.plant("two", event("twin-key-0", DELETION, &[&["e", &post]], "", 0));
    assert!(world.look(&[]).unwrap().gone);
}

#[test]
fn a_note_is_below_what_it_answers_whichever_way_it_says_so() {
    let mut world = World::new();
    let post = world.post.id.clone();
    let marked = world.plant("one", event("ann", NOTE, &[&["e", &post, "", "root"]], "marked", -9));
    let old = world.plant("two", event("bob", NOTE, &[&["e", &post]], "by place", -8));
    let deep = world.plant("one", event("cat", NOTE, &[&["e", &post], &["e", &old], &["e", &marked]], "deep", -7));
    // Without a root: only by asking what answers the answer.
    let lost = world.plant("two", event("dan", NOTE, &[&["e", &deep, "", "reply"]], "lost", -6));
    world.plant("one", event("eve", NOTE, &[&["e", &post, "", "mention"]], "only names it", -6));
    let quote = world.plant("one", event("fay", NOTE, &[&["q", &post]], "shows it", -6));
    world.plant("one", event("gus", NOTE, &[&["e", &quote, "", "root"]], "elsewhere", -6));
    let ours = world.plant(
        "three",
        event("twin-key-0", NOTE, &[&["e", &post, "", "root"], &["e", &lost, "", "reply"]], "Thanks", -5),
    );
    let finding = world.look(&[]).unwrap();
    let said: Vec<_> = finding
        .said
        .as_ref()
        .unwrap()
        .iter()
        .map(|held| (held.id.clone(), held.parent.clone(), held.by.clone()))
        .collect();
    let by = |name: &str| Some(person(name));
    let expected = [
        (marked.clone(), Some(post.clone()), by("ann")),
        (old, Some(post.clone()), by("bob")),
        (deep.clone(), Some(marked), by("cat")),
        (lost.clone(), Some(deep.clone()), by("dan")),
        (ours.clone(), Some(lost.clone()), None),
    ];
    assert_eq!(said, expected);
    assert_eq!((finding.counts[&Interaction::Reply], who(&finding, Interaction::Quote)), (4, vec![person("fay")]));
    // What stood between was never told by anybody.
    let nowhere = "cd".repeat(32);
    let tags: [&[&str]; 2] = [&["e", &post, "", "root"], &["e", &nowhere, "", "reply"]];
    world.plant("one", event("hal", NOTE, &tags, "Below something", -4));
    assert_eq!(world.look(&[]).unwrap().counts[&Interaction::Reply], 5);
    // What stood between is taken back: the rest keeps its place, also where a relay still shows it.
    world.plant("three", event("cat", DELETION, &[&["e", &deep]], "", 0));
    let finding = world.look(&[]).unwrap();
    let ids: Vec<_> = finding.said.unwrap().into_iter().map(|held| held.id).collect();
    assert!(ids.contains(&lost) && ids.contains(&ours) && !ids.contains(&deep), "{ids:?}");
}

#[test]
fn a_relay_that_is_away_takes_nobody_from_us() {
    let mut world = World::new();
    let post = world.post.id.clone();
    world.plant("one", event("ann", REACTION, &[&["e", &post]], "+", -9));
    world.plant("three", event("bob", REACTION, &[&["e", &post]], "+", -8));
    let whole = world.look(&[]).unwrap();
    assert_eq!((whole.counts[&Interaction::Like], whole.partly), (2, false));
    for manner in [Manner::Down, Manner::Silent] {
        world.twin.behave("three", Some(manner));
        let part = world.look(&[(Interaction::Like, 2)]).unwrap();
        assert_eq!((who(&part, Interaction::Like), part.partly), (vec![person("ann")], true));
        assert_eq!(part.counts[&Interaction::Like], 2, "no fewer than are known");
    }
    for relay in ["one", "two", "three"] {
        world.twin.behave(relay, Some(Manner::Down));
    }
    let (found, stopped) = world.sweep(Sweep { heard: Some(Heard::default()), ..Sweep::default() });
    assert!(found.is_empty() && matches!(stopped, Some(Hindrance::Failed { .. })), "{stopped:?}");
}

#[test]
fn what_no_relay_has_is_told_neither_as_there_nor_as_gone() {
    let mut world = World::new();
    world.post = event("twin-key-0", NOTE, &[], "Nobody has it", -600);
    assert_eq!(world.look(&[]), None);
    // Of a message that waits, it is another thing: whoever wrote it has taken it away.
    let waiting = vec![world.post.id.clone()];
    let (found, _) = world.sweep(Sweep { waiting: waiting.clone(), ..Sweep::default() });
    assert!(matches!(&found[..], [Found::Around { messages, .. }] if messages.is_empty()), "{found:?}");
    world.twin.behave("two", Some(Manner::Silent));
    let (found, _) = world.sweep(Sweep { waiting, ..Sweep::default() });
    assert_eq!(found, []);
    // Also where one goes on showing what was taken back.
    let id = world.plant("one", event("ann", NOTE, &[], "Said", -9));
    world.plant("three", event("ann", DELETION, &[&["e", &id]], "", -8));
    world.twin.behave("two", None);
    let (found, _) = world.sweep(Sweep { waiting: vec![id], ..Sweep::default() });
    assert!(matches!(&found[..], [Found::Around { messages, .. }] if messages.is_empty()), "{found:?}");
}

#[test]
fn more_than_a_page_is_read_also_where_many_did_it_in_the_same_second() {
    let mut world = World::new();
    let post = world.post.id.clone();
    // The relay tells a hundred at once: the page ends within a second of thirty.
    for number in 0..160_u32 {
        let at = -i64::from(number / 30) * 10 - 10;
        world.plant("two", event(&format!("liker {number}"), REACTION, &[&["e", &post]], "+", at));
    }
    let finding = world.look(&[]).unwrap();
    assert_eq!((finding.counts[&Interaction::Like], finding.partly), (160, false));
    // More than is told of one second cannot be read, and that is known.
    for number in 0..120_u32 {
        world.plant("two", event(&format!("all at once {number}"), REACTION, &[&["e", &post]], "+", -5));
    }
    let finding = world.look(&[]).unwrap();
    assert!(finding.partly && finding.counts[&Interaction::Like] >= 100, "{:?}", finding.counts);
}

#[test]
fn each_relay_tells_what_it_has_not_told_before() {
    let mut world = World::new();
    let us = world.post.pubkey.clone();
    let (heard, first) = world.hear("");
    assert_eq!(heard, [""; 0]);
    let names = |text: &str, at: i64| event("ann", NOTE, &[&["p", &us]], text, at);
    world.plant("one", names("An hour ago?", -3_000));
    world.plant("two", names("Tomorrow?", 86_400));
    world.twin.behave("three", Some(Manner::Down));
    let (mut heard, second) = world.hear(&first);
    heard.sort();
    assert_eq!(heard, ["An hour ago?", "Tomorrow?"]);
    assert_eq!(first, second, "what comes tomorrow makes nobody deaf until then");
    // One that was away goes on where it was.
    let at = |back: i64| (NOW.as_second() - back).to_string();
    let cursors = format!("{{\"127.0.0.1:1/one\":{},\"127.0.0.1:1/three\":{}}}", at(0), at(5 * 86_400));
    world.twin.behave("three", None);
    world.plant("three", names("Four days ago?", -4 * 86_400));
    world.plant("one", names("Also four days ago?", -4 * 86_400));
    let (heard, third) = world.hear(&cursors);
    assert!(heard.contains(&"Four days ago?".into()) && !heard.contains(&"Also four days ago?".into()), "{heard:?}");
    let told: BTreeMap<String, i64> = serde_json::from_str(&third).unwrap();
    assert_eq!(told["127.0.0.1:1/three"], NOW.as_second() - 4 * 86_400);
    // Where nobody has spoken for long, nothing new is on record each time.
    let at = at(90 * 86_400);
    let long = ["one", "three", "two"].map(|relay| format!("\"127.0.0.1:1/{relay}\":{at}")).join(",");
    let long = format!("{{{long}}}");
    assert_eq!(World::new().hear(&long).1, long);
    for odd in
        ["\u{0}", "[]", "{\"127.0.0.1:1/one\":9223372036854775807}", "{\"127.0.0.1:1/one\":-9223372036854775808}"]
    {
        world.hear(odd);
    }
}

#[test]
fn people_are_called_as_they_say_last_and_machines_say_so_themselves() {
    let mut world = World::new();
    let post = world.post.id.clone();
    for (name, profile) in [("ann", "{\"name\":\"Ann\",\"bot\":false}"), ("bob", "{\"bot\":true}"), ("cat", "[]")] {
        world.plant("one", event(name, REACTION, &[&["e", &post]], "+", -9));
        world.plant("one", event(name, PROFILE, &[], profile, -99));
    }
    world.plant("one", event("ann", PROFILE, &[], "{\"name\":\"@ann of\\nold\",\"bot\":\"yes\"}", -50));
    world.plant("two", event("ann", PROFILE, &[], "{\"name\":\"Before\",\"bot\":true}", -200));
    let finding = world.look(&[]).unwrap();
    let called = |name: &str| {
        let held = finding.people.iter().find(|profile| profile.person == person(name)).unwrap();
        (held.handle.clone(), held.bot)
    };
    let npub = |name: &str| nip19::encode("npub", &event::bytes(&key(name).pubkey()).unwrap()).unwrap();
    assert_eq!(called("ann"), ("annofold".into(), None));
    assert_eq!(called("bob"), (npub("bob"), Some(BotSign::SelfLabel)));
    assert_eq!(called("cat"), (npub("cat"), None));
}

#[test]
fn listening_costs_one_conversation_where_nobody_has_spoken() {
    let mut world = World::new();
    world.hear("");
    assert_eq!(world.calls, 1);
    let post = world.post.id.clone();
    world.twin.act(&CrowdAct::Like { by: By::Person(1), post }, NOW);
    world.calls = 0;
    world.look(&[]);
    // The note, what names it, what shows it, what was taken back, and who they are.
    assert_eq!(world.calls, 5);
}

#[test]
fn what_strangers_write_costs_no_more_memory_than_it_may() {
    let mut pool = Pool::default();
    let long = "x".repeat(1024 * 1024);
    let taken = (0..100).take_while(|nth| {
        let full = pool.is_full();
        assert!(full || pool.take(event("stranger", NOTE, &[], &long, *nth)));
        !full
    });
    assert_eq!(taken.count(), 17);
}

//! Drives a sweep against a twin, without engine, clock or network, and compares what it finds with what is true.

use std::collections::{BTreeMap, BTreeSet};

use cadenced::domain::time::after;
use cadenced::domain::{Interaction, PersonId, Spend, Timestamp};
use cadenced::platform::contract::crowd::{By, CrowdAct, Standing, Word};
use cadenced::platform::contract::sweep::{Finding, Found, Heard, Hindrance, Looking, Seek, Sweep, Watched};
use cadenced::platform::contract::{Adapter, Call, HttpReply, Job, Method, Reply, Request, Session, Twin};

use super::drive::Drive;

/// More requests than any sweep here may need.
const REQUESTS: usize = 2_000;

/// What came of a sweep.
#[derive(Debug)]
pub struct Swept {
    pub found: Vec<Found>,
    /// Why it went no further, where it was not over.
    pub stopped: Option<Hindrance>,
    pub calls: usize,
    /// What it has cost at most.
    pub spent: Spend,
}

impl Swept {
    pub fn posts(&self) -> Vec<Finding> {
        let post = |found: &'_ Found| match found {
            Found::Post(finding) => Some((**finding).clone()),
            _ => None,
        };
        self.found.iter().filter_map(post).collect()
    }
}

/// A sweep of account number 0 in fair weather; `None` where the platform tells nothing.
pub fn sweep_with(
    adapter: &dyn Adapter,
    twin: &mut dyn Twin,
    session: &Session,
    sweep: Sweep,
    now: Timestamp,
) -> Option<Swept> {
    sweep_in(adapter, twin, session, sweep, now, &mut |twin, call, now| twin.answer(call, now))
}

/// The same, each call answered by `weather`.
pub fn sweep_in(
    adapter: &dyn Adapter,
    twin: &mut dyn Twin,
    session: &Session,
    sweep: Sweep,
    mut now: Timestamp,
    weather: &mut dyn FnMut(&mut dyn Twin, &Call, Timestamp) -> Reply,
) -> Option<Swept> {
    let secrets = twin.secrets(0);
    let mut sweeper = adapter.sweep(sweep, &Looking { session, secrets: &secrets, now })?;
    let mut swept = Swept { found: Vec::new(), stopped: None, calls: 0, spent: Spend::default() };
    for _ in 0..REQUESTS {
        match sweeper.next() {
            Seek::Found(found) => swept.found.push(found),
            Seek::Over => return Some(swept),
            Seek::Stopped(why) => {
                for (name, secret) in &secrets.0 {
                    assert!(!format!("{why:?}").contains(secret.expose()), "the secret {name} stands in {why:?}");
                }
                swept.stopped = Some(why);
                return Some(swept);
            }
            Seek::Ask(call) => {
                let (shown, reads) = match &call {
                    Call::Http(request) => (format!("{request:?} {}", request.url), request.method == Method::Get),
                    other => (format!("{other:?}"), false),
                };
                for (name, secret) in &secrets.0 {
                    assert!(!shown.contains(secret.expose()), "the secret {name} stands in {shown}");
                }
                let before = twin.published();
                now = after(now, std::time::Duration::from_millis(20));
                let reply = weather(twin, &call, now);
                if !reads {
                    assert_eq!(twin.published(), before, "looking changes nothing: {shown}");
                }
                let most = sweeper.price(None);
                match &reply {
                    Reply::Http(reply) => {
                        let cost = sweeper.price(Some(reply));
                        assert!(cost.money <= most.money && cost.reads <= most.reads, "a reply makes nothing dearer");
                        swept.spent = swept.spent.plus(cost);
                        sweeper.answered(reply, now);
                    }
                    Reply::Sockets(replies) => {
                        swept.spent = swept.spent.plus(most);
                        sweeper.heard(replies, now);
                    }
                    other => panic!("no answer to this: {other:?}"),
                }
                swept.calls += 1;
            }
        }
    }
    panic!("the sweep does not end")
}

/// Compares what was found of `post` with what is true of it. `known` is what the sweep was told to be on record.
/// What was found may lack what somebody pays for: `thrifty`.
pub fn agrees(post: &str, finding: &Finding, truth: &Standing, known: &BTreeMap<Interaction, u64>, thrifty: bool) {
    assert_eq!(finding.gone, truth.gone, "{finding:?}");
    assert_eq!(finding.counts, truth.counts, "{finding:?}");
    let mut named = BTreeSet::new();
    let listed = finding.who.iter().map(|(kind, acts)| {
        let people: BTreeSet<PersonId> = acts.iter().map(|act| act.person.clone()).collect();
        assert_eq!(people.len(), acts.len(), "{kind}: somebody stands there twice: {acts:?}");
        named.extend(people.iter().cloned());
        (*kind, people)
    });
    let mut listed: BTreeMap<_, _> = listed.collect();
    for (kind, people) in truth.who.iter().filter(|_| thrifty) {
        // Of whom as many as are counted are on record is not asked.
        if finding.counts.get(kind) == known.get(kind) {
            listed.entry(*kind).or_insert_with(|| people.clone());
        }
    }
    assert_eq!(listed, truth.who, "{finding:?}");
    match &finding.said {
        Some(messages) => {
            let word = |message: &cadenced::domain::Message| Word {
                by: message.by.clone(),
                parent: message.parent.clone(),
                text: message.text.clone(),
                private: message.private,
            };
            let said: BTreeMap<_, _> = messages.iter().map(|message| (message.id.clone(), word(message))).collect();
            assert_eq!(said.len(), messages.len(), "something was said twice: {messages:?}");
            named.extend(messages.iter().filter_map(|message| message.by.clone()));
            assert_eq!(said, truth.said, "{finding:?}");
        }
        None => {
            let counted = finding.counts.get(&Interaction::Reply).copied().unwrap_or_default();
            let nobody = counted == 0 && known.get(&Interaction::Reply).is_none_or(|known| *known == 0);
            // Of those who have answered the post itself nobody can be seen: whose conversation it is cannot be told.
            let unseen = truth.said.values().all(|word| word.parent.as_deref() != Some(post));
            assert!(thrifty || nobody || (unseen && !truth.said.is_empty()) || truth.gone, "{finding:?}\n{truth:?}");
        }
    }
    let people: BTreeSet<_> = finding.people.iter().map(|profile| profile.person.clone()).collect();
    assert_eq!(people.len(), finding.people.len(), "somebody looks in two ways: {:?}", finding.people);
    assert_eq!(people, named, "{finding:?}");
    for profile in &finding.people {
        assert_eq!(profile.bot.is_some(), truth.bots.contains(&profile.person), "{profile:?}");
    }
}

/// How many people are on record after this finding.
pub fn recorded(finding: &Finding) -> BTreeMap<Interaction, u64> {
    let mut known: BTreeMap<_, _> = finding.who.iter().map(|(kind, acts)| (*kind, acts.len() as u64)).collect();
    let said = finding.said.iter().flatten().filter_map(|message| message.by.as_ref());
    known.insert(Interaction::Reply, said.collect::<BTreeSet<_>>().len() as u64);
    known
}

/// Everything that is asked about a post with all that people can do with it, and about one of its answers alone.
pub fn exchanges(adapter: &dyn Adapter, twin: &mut dyn Twin, job: &Job) -> Vec<(Request, HttpReply)> {
    let mut drive = Drive::new(adapter, twin, job);
    let remote = drive.finish();
    let (session, now) = (drive.session.clone(), drive.now);
    let (post, text) = (remote.id.clone(), "Yes".to_owned());
    let reply = |by, to: &str| CrowdAct::Reply { by, to: to.to_owned(), text: text.clone(), private: false };
    let mut answers = Vec::new();
    for number in 0..120 {
        let by = By::Person(number);
        twin.act(&CrowdAct::Like { by, post: post.clone() }, now);
        answers.extend(twin.act(&reply(by, &post), now));
    }
    for number in 0..5 {
        twin.act(&reply(By::Person(number), &answers[0]), now);
    }
    twin.act(&reply(By::Ours(0), &answers[0]), now);
    twin.act(&CrowdAct::Repost { by: By::Person(1), post: post.clone() }, now);
    twin.act(&CrowdAct::Quote { by: By::Person(1), post: post.clone(), text: text.clone() }, now);
    twin.act(&CrowdAct::Mention { by: By::Person(1), account: 0, text: text.clone(), private: false }, now);
    let watched = Watched { delivery: job.delivery.clone(), remote, known: BTreeMap::new() };
    let whole = Sweep { posts: vec![watched.clone()], heard: Some(Heard::default()), ..Sweep::default() };
    let alone = Sweep { waiting: answers[..1].to_vec(), ..Sweep::default() };
    let mut all = Vec::new();
    let now = after(now, std::time::Duration::from_secs(60));
    let mut run = |sweep, twin: &mut dyn Twin| {
        let swept = sweep_in(adapter, twin, &session, sweep, now, &mut |twin, call, now| {
            let reply = twin.answer(call, now);
            if let (Call::Http(request), Reply::Http(reply)) = (call, &reply) {
                all.push((request.clone(), reply.clone()));
            }
            reply
        });
        assert_eq!(swept.expect("it sweeps").stopped, None);
    };
    run(whole, twin);
    run(alone, twin);
    twin.act(&CrowdAct::Delete { post }, now);
    run(Sweep { posts: vec![watched], ..Sweep::default() }, twin);
    all
}

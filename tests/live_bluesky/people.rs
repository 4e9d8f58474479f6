//! What people do with posts on a real network with the service that shows them: a sweep finds all of it, also after it
//! was undone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cadenced::domain::{BotSign, DeliveryId, Interaction, PersonId, Profile, Remote, Secret};
use cadenced::platform::contract::sweep::{Finding, Found, Heard, Looking, Seek, Sweep, Watched};
use cadenced::platform::contract::{Adapter, Body, Call, HeaderValue, Method, Request, Secrets, Session};
use serde_json::{Value, json};
use url::Url;

use super::support::{Driver, Network as _, Scenario, skipped};
use super::{Live, exchange, pause};

/// Accounts that like a post, and what they log in with. More than one page.
const CROWD: usize = 120;
const PASSWORD: &str = "crowd-password-1";
/// How long the service may lag behind.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody who is logged in on the network.
struct Somebody {
    did: String,
    token: Secret,
}

impl Live {
    fn xrpc(&self, method: &str, token: Option<&Secret>, body: &Value) -> Value {
        let mut url = Url::parse(self.told("/service")).expect("a URL");
        url.set_path(&format!("/xrpc/{method}"));
        let bypass = self.told("/rateLimitBypass/header").to_owned().leak();
        let mut headers = vec![(&*bypass, HeaderValue::Plain(self.told("/rateLimitBypass/value").into()))];
        headers.extend(
            token.map(|secret| ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret: secret.clone() })),
        );
        let reply =
            exchange(&Request { method: Method::Post, url, secret_path: None, headers, body: Body::json(body) });
        assert_eq!(reply.status, 200, "{method}: {}", String::from_utf8_lossy(&reply.body));
        reply.value().unwrap_or_default()
    }

    fn log_in(&self, account: &str) -> Somebody {
        let text = |key: &str| self.told(&format!("/accounts/{account}/{key}"));
        let body = json!({"identifier": text("handle"), "password": text("password")});
        somebody(&self.xrpc("com.atproto.server.createSession", None, &body))
    }

    fn newcomer(&self, number: usize) -> Somebody {
        let name = format!("n{:x}-{number}", self.now().as_millisecond());
        let body = json!({"handle": format!("{name}.test"), "email": format!("{name}@kit.test"), "password": PASSWORD});
        somebody(&self.xrpc("com.atproto.server.createAccount", None, &body))
    }

    /// Writes a record; its address.
    fn does(&self, who: &Somebody, collection: &str, mut record: Value) -> String {
        record["$type"] = json!(collection);
        record["createdAt"] = json!(format!("{:.3}", self.now()));
        let body = json!({"repo": who.did, "collection": collection, "record": record});
        let made = self.xrpc("com.atproto.repo.createRecord", Some(&who.token), &body);
        made["uri"].as_str().expect("an address").to_owned()
    }

    fn undoes(&self, who: &Somebody, uri: &str) {
        let parts: Vec<_> = uri.rsplit('/').collect();
        let body = json!({"repo": who.did, "collection": parts[1], "rkey": parts[0]});
        self.xrpc("com.atproto.repo.deleteRecord", Some(&who.token), &body);
    }

    fn reference(&self, uri: &str) -> Value {
        let parts: Vec<_> = uri.rsplit('/').collect();
        let query = [("repo", parts[2]), ("collection", parts[1]), ("rkey", parts[0])];
        let held = self.get("com.atproto.repo.getRecord", &query);
        json!({"uri": uri, "cid": held["cid"]})
    }

    fn likes(&self, who: &Somebody, post: &Value) -> String {
        self.does(who, "app.bsky.feed.like", json!({ "subject": post }))
    }

    fn answers(&self, who: &Somebody, root: &Value, parent: &Value, text: &str) -> String {
        self.does(who, "app.bsky.feed.post", json!({"text": text, "reply": {"root": root, "parent": parent}}))
    }

    /// One sweep; what was found.
    fn sweep(&self, adapter: &dyn Adapter, session: &Session, secrets: &Secrets, sweep: Sweep) -> Vec<Found> {
        let mut sweeper = adapter.sweep(sweep, &Looking { session, secrets, now: self.now() }).expect("it sweeps");
        let mut found = Vec::new();
        loop {
            match sweeper.next() {
                Seek::Ask(Call::Http(request)) => sweeper.answered(&exchange(&request), self.now()),
                Seek::Ask(other) => panic!("{other:?}"),
                Seek::Found(more) => found.push(more),
                Seek::Over => return found,
                Seek::Stopped(why) => panic!("{why:?}"),
            }
        }
    }
}

fn somebody(session: &Value) -> Somebody {
    let text = |key: &str| session[key].as_str().expect("a session").to_owned();
    Somebody { did: text("did"), token: Secret::new(text("accessJwt")) }
}

/// A post of ours that is looked at again and again.
struct Post<'a> {
    live: &'a Live,
    adapter: &'a dyn Adapter,
    session: Session,
    secrets: Secrets,
    delivery: DeliveryId,
    remote: Remote,
    known: BTreeMap<Interaction, u64>,
}

impl Post<'_> {
    /// What is found once the service counts so many replies, quotes, reposts and likes.
    fn counted(&mut self, counts: [u64; 4]) -> Finding {
        let kinds = [Interaction::Reply, Interaction::Quote, Interaction::Repost, Interaction::Like];
        let mut wanted: BTreeMap<_, _> = kinds.into_iter().zip(counts).collect();
        wanted.insert(Interaction::Save, 0);
        let finding = self.until(|finding| finding.counts == wanted);
        let reply = finding.said.iter().flatten().filter_map(|message| message.by.as_ref()).collect::<BTreeSet<_>>();
        self.known = finding.who.iter().map(|(kind, acts)| (*kind, acts.len() as u64)).collect();
        self.known.insert(Interaction::Reply, reply.len() as u64);
        finding
    }

    fn until(&self, wanted: impl Fn(&Finding) -> bool) -> Finding {
        let begun = self.live.now();
        loop {
            let finding = self.look();
            match finding {
                Some(finding) if wanted(&finding) => return finding,
                _ if cadenced::domain::time::since(self.live.now(), begun) > PATIENCE => panic!("{finding:#?}"),
                _ => pause(Duration::from_millis(200)),
            }
        }
    }

    fn look(&self) -> Option<Finding> {
        let (delivery, remote) = (self.delivery.clone(), self.remote.clone());
        let posts = vec![Watched { delivery, remote, known: self.known.clone() }];
        let sweep = Sweep { posts, ..Sweep::default() };
        match self.live.sweep(self.adapter, &self.session, &self.secrets, sweep).pop() {
            Some(Found::Post(finding)) => Some(*finding),
            Some(other) => panic!("{other:?}"),
            None => None,
        }
    }
}

fn who(finding: &Finding, kind: Interaction) -> BTreeSet<String> {
    let acts = &finding.who[&kind];
    let people: BTreeSet<_> = acts.iter().map(|act| act.person.to_string()).collect();
    assert_eq!(people.len(), acts.len(), "somebody stands there twice");
    people
}

fn person(who: &Somebody) -> String {
    format!("bluesky:{}", who.did)
}

fn people<'a>(all: impl IntoIterator<Item = &'a Somebody>) -> BTreeSet<String> {
    all.into_iter().map(person).collect()
}

fn bots(people: &[Profile]) -> Vec<(PersonId, Option<BotSign>)> {
    people.iter().filter(|held| held.bot.is_some()).map(|held| (held.person.clone(), held.bot)).collect()
}

#[test]
fn what_people_do_is_found_as_it_is_and_so_is_what_they_undo() {
    let test = "what_people_do_is_found_as_it_is_and_so_is_what_they_undo";
    let Some(mut live) = Live::find(test) else { return };
    if live.kit["appview"].is_null() {
        return skipped(test, "the network has no service that shows posts (KIT_MODE=full)");
    }
    let (adapter, secrets) = live.adapter("brand");
    let scenario =
        Scenario { name: "looked at", text: "Who starts small?".into(), thread: &["And why?"], ..Scenario::default() };
    let job = live.job(&*adapter, &scenario, "");
    let mut driver = Driver::new(&*adapter, secrets.clone());
    let remote = driver.publish(&job, &mut live);
    let session = driver.session.clone();
    let live = &live;
    let mut post = Post {
        live,
        adapter: &*adapter,
        session,
        secrets,
        delivery: job.delivery.clone(),
        remote: remote.clone(),
        known: BTreeMap::new(),
    };

    // Right after it was published nobody has done anything, and it is not gone.
    assert!(post.look().is_none_or(|finding| !finding.gone));
    let finding = post.counted([1, 0, 0, 0]);
    let part = finding.said.expect("the second part stands below it");
    assert!(part.len() == 1 && part[0].by.is_none() && part[0].text == "And why?", "{part:?}");

    let root = live.reference(&remote.id);
    let (brand, fan, bot) = (live.log_in("brand"), live.log_in("fan"), live.log_in("bot"));
    let crowd: Vec<_> = (0..CROWD).map(|number| live.newcomer(number)).collect();
    let liked: Vec<_> = crowd.iter().map(|who| live.likes(who, &root)).collect();
    for (number, who) in crowd.iter().enumerate().filter(|(number, _)| number % 10 == 0) {
        live.answers(who, &root, &root, &format!("I do, {number}"));
    }
    let fan_like = live.likes(&fan, &root);
    let repost = live.does(&fan, "app.bsky.feed.repost", json!({ "subject": root }));
    let embed = json!({"$type": "app.bsky.embed.record", "record": root});
    let quote = live.does(&fan, "app.bsky.feed.post", json!({"text": "This", "embed": embed}));
    let handle = live.told("/accounts/brand/handle").to_owned();
    let named = json!([{"index": {"byteStart": 0, "byteEnd": handle.len() + 1},
        "features": [{"$type": "app.bsky.richtext.facet#mention", "did": brand.did}]}]);
    let mention = live.does(&fan, "app.bsky.feed.post", json!({"text": format!("@{handle} hello"), "facets": named}));
    let reply = live.answers(&fan, &root, &root, "Me & <you>");
    live.likes(&bot, &root);
    let bot_reply = live.answers(&bot, &root, &live.reference(&reply), "Beep");
    live.likes(&brand, &root);

    let finding = post.counted([1 + CROWD as u64 / 10 + 1, 1, 1, CROWD as u64 + 3]);
    assert_eq!(who(&finding, Interaction::Like), people(crowd.iter().chain([&fan, &bot])), "ours is not among them");
    assert_eq!(who(&finding, Interaction::Repost), people([&fan]));
    assert_eq!(who(&finding, Interaction::Quote), people([&fan]));
    let labelled = vec![(person(&bot).parse().expect("a person"), Some(BotSign::SelfLabel))];
    assert_eq!(bots(&finding.people), labelled);
    let told = finding.people.iter().find(|held| held.person.to_string() == person(&fan)).expect("the fan");
    assert_eq!(told.handle, live.told("/accounts/fan/handle"));
    let said = finding.said.expect("it was told");
    assert_eq!(said.len(), 1 + CROWD / 10 + 2);
    let of_fan = said.iter().find(|message| message.id == reply).expect("the fan has answered");
    assert_eq!((of_fan.text.as_str(), of_fan.parent.as_ref()), ("Me & <you>", Some(&remote.id)));
    assert_eq!(of_fan.by.as_ref().map(ToString::to_string), Some(person(&fan)));
    let of_bot = said.iter().find(|message| message.id == bot_reply).expect("the bot has answered");
    assert_eq!(of_bot.parent.as_ref(), Some(&reply));

    // By hand, and then seen around what waits.
    let by_hand = live.answers(&brand, &root, &live.reference(&reply), "Thank you");
    let begun = live.now();
    let (around, heard) = loop {
        let sweep = Sweep { waiting: vec![reply.clone()], heard: Some(Heard::default()), ..Sweep::default() };
        let mut found = live.sweep(&*adapter, &post.session, &post.secrets, sweep).into_iter();
        let (Some(Found::Around { messages, .. }), Some(Found::Heard { messages: heard, .. })) =
            (found.next(), found.next())
        else {
            panic!("both were asked for")
        };
        if messages.iter().any(|message| message.id == by_hand && message.by.is_none()) {
            break (messages, heard);
        }
        let waited = cadenced::domain::time::since(live.now(), begun);
        assert!(waited < PATIENCE, "{messages:#?}");
        pause(Duration::from_millis(200));
    };
    assert_eq!(around.first().map(|message| &message.id), Some(&reply));
    let ids: BTreeSet<_> = heard.iter().map(|message| &message.id).collect();
    for wanted in [&mention, &quote, &reply] {
        assert!(ids.contains(wanted), "{wanted} was not heard: {heard:#?}");
    }
    assert!(heard.iter().all(|message| message.by.is_some()));

    // Undone again.
    live.undoes(&fan, &fan_like);
    live.undoes(&fan, &quote);
    live.undoes(&fan, &repost);
    for (who, like) in crowd.iter().zip(&liked).take(10) {
        live.undoes(who, like);
    }
    let finding = post.counted([1 + CROWD as u64 / 10 + 1, 0, 0, CROWD as u64 - 10 + 2]);
    assert_eq!(who(&finding, Interaction::Like), people(crowd[10..].iter().chain([&bot])));
    assert_eq!((who(&finding, Interaction::Repost), who(&finding, Interaction::Quote)), Default::default());

    // Who blocks us stays counted, and is named nowhere.
    live.likes(&fan, &root);
    let with_fan = post.counted([1 + CROWD as u64 / 10 + 1, 0, 0, CROWD as u64 - 10 + 3]);
    assert!(who(&with_fan, Interaction::Like).contains(&person(&fan)));
    let block = live.does(&fan, "app.bsky.graph.block", json!({"subject": brand.did}));
    let hidden = post.until(|finding| !who(finding, Interaction::Like).contains(&person(&fan)));
    assert_eq!(hidden.counts, with_fan.counts);
    assert!(hidden.people.iter().all(|held| held.person.to_string() != person(&fan)), "{:#?}", hidden.people);
    live.undoes(&fan, &block);

    // A conversation that is deeper than one answer tells.
    let mut above = bot_reply;
    for number in 0..45 {
        let who = if number % 2 == 0 { &fan } else { &bot };
        above = live.answers(who, &root, &live.reference(&above), &format!("Deeper: {number}"));
    }
    let deepest = |finding: &Finding| finding.said.iter().flatten().any(|message| message.id == above);
    let deep = post.until(deepest);
    // By hand there is one more than when everybody was counted.
    assert_eq!(deep.said.map(|said| said.len()), Some(1 + CROWD / 10 + 2 + 1 + 45));

    live.undoes(&brand, &remote.id);
    let gone = post.until(|finding| finding.gone);
    assert_eq!(gone, Finding { gone: true, ..Finding::of(job.delivery.clone()) });
}

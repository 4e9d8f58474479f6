//! The logins of the platforms, from the address that a person opens to a token that is proven: each against the imitation
//! of its platform, with all that can be wrong about a code.

#![cfg(test)]

mod cases;
mod described;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use cadenced::cli::exit::Exit;
use cadenced::cli::output::Page;
use cadenced::deliver::{Probe, probe::Verdict};
use cadenced::domain::{AccountId, Secret};
use cadenced::platform::contract::{Request, Secrets};
use cadenced::platform::facebook::twin::FacebookTwin;
use serde_json::json;
use url::Url;

use cases::{Case, LOOPBACK, cases};
use world::{Odd, Way, World, now, set};

#[test]
fn every_login_ends_with_tokens_that_the_platform_takes() {
    for case in cases() {
        let (world, result) = World::log_in(&case, Way::default());
        let said = world.said(&result);
        assert_eq!(result.unwrap(), Exit::Done, "{}: {said}", case.name());
        assert!(said.contains("it is accepted: acc is the account"), "{}: {said}", case.name());
        let address = world.address.borrow().clone().unwrap();
        let shown: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!(shown["scope"], case.scopes, "{}", case.name());
        assert_eq!(shown.contains_key("code_challenge"), case.pkce, "{}", case.name());
        let redirects = case.keys.iter().find(|(key, _)| *key == "redirect").map_or(LOOPBACK, |(_, uri)| *uri);
        assert_eq!(shown["redirect_uri"], redirects);
        // What is stored is all that is needed from then on.
        let written = world.written.borrow().clone();
        assert_eq!(written.keys().map(String::as_str).collect::<BTreeSet<_>>(), case.gives.iter().copied().collect());
        assert_eq!(world.kept.borrow().is_some(), case.gives.is_empty(), "{}", case.name());
        let mut secrets = case.secrets();
        secrets.0.extend(written.into_iter().map(|(key, token)| (key, Secret::new(token))));
        let adapter = case.adapter(&**world.twin.borrow());
        let kept = world.kept.borrow().clone();
        let mut probe = Probe::new(adapter, &AccountId::new("acc").unwrap(), kept, now());
        let mut verdict = probe.proceed(&secrets, now());
        loop {
            verdict = match verdict {
                Verdict::Call(step) => {
                    let reply = world.twin.borrow_mut().answer(&step.call, now());
                    probe.answered(Ok(reply), &secrets, now())
                }
                Verdict::Keep(_) => probe.proceed(&secrets, now()),
                Verdict::Accepted(_) => break,
                Verdict::NotYet(why) => panic!("{}: {why}", case.name()),
            };
        }
    }
}

#[test]
fn what_is_wrong_about_a_code_stores_nothing_and_is_said_without_it() {
    type Wrong = (&'static str, fn(&Case) -> Option<Way>);
    let wrong: [Wrong; 7] = [
        ("another code", |_| {
            let brings = |sent: &str| {
                let mut sent: Url = sent.parse().unwrap();
                let pairs: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
                let other =
                    |name: &str, value: &str| if name == "code" { "code-of-nobody".into() } else { value.to_owned() };
                let pairs = pairs.iter().map(|(name, value)| (name.clone(), other(name, value)));
                sent.query_pairs_mut().clear().extend_pairs(pairs.collect::<Vec<_>>());
                sent.into()
            };
            Some(Way { brings, ..Way::default() })
        }),
        ("a code that was used", |_| Some(Way { used: true, ..Way::default() })),
        ("another redirect", |_| {
            Some(Way {
                tampers: |request| set(request, "redirect_uri", "https://elsewhere.example/"),
                ..Way::default()
            })
        }),
        ("another verifier", |case| {
            let tampers: fn(&mut Request) = |request| set(request, "code_verifier", "somebody-else-s");
            case.pkce.then(|| Way { tampers, ..Way::default() })
        }),
        ("another client secret", |case| {
            let (key, _) = case.client?;
            let secrets = Secrets([(key.to_owned(), Secret::new("canary-of-a-wrong-client"))].into());
            Some(Way { secrets: Some(secrets), ..Way::default() })
        }),
        ("the address of another login", |_| {
            Some(Way { brings: |sent| sent.replace("state=", "state=x"), ..Way::default() })
        }),
        ("a person who says no", |_| {
            let brings = |sent: &str| sent.replace("code=", "error=access_denied&was=");
            Some(Way { brings, ..Way::default() })
        }),
    ];
    for case in cases() {
        for (what, way) in &wrong {
            let Some(way) = way(&case) else { continue };
            let (world, result) = World::log_in(&case, way);
            let said = world.said(&result);
            assert!(result.is_err() && world.stored_nothing(), "{}, {what}: {said}", case.name());
            assert!(!said.contains("canary"), "{}, {what}: {said}", case.name());
            let asked = world.requests.borrow().len();
            let expected = match *what {
                "the address of another login" => (0, "belongs to another login"),
                "a person who says no" => (0, "the platform refused: access_denied"),
                _ => (1, "gives no token for this code: status 4"),
            };
            assert!(asked == expected.0 && said.contains(expected.1), "{}, {what}, {asked}: {said}", case.name());
        }
    }
}

#[test]
fn a_login_as_somebody_else_is_not_stored() {
    for case in cases() {
        let (world, result) = World::log_in(&case, Way { identity: Some("4711"), ..Way::default() });
        let said = world.said(&result);
        assert!(result.is_err() && world.stored_nothing(), "{}: {said}", case.name());
        assert!(said.contains("not of 4711"), "{}: {said}", case.name());
    }
}

#[test]
fn a_client_secret_that_cannot_be_read_is_asked_for() {
    for case in cases().into_iter().filter(|case| case.client.is_some()) {
        let (world, result) = World::log_in(&case, Way { secrets: Some(Secrets::default()), ..Way::default() });
        let said = world.said(&result);
        assert_eq!(result.unwrap(), Exit::Done, "{}: {said}", case.name());
        assert!(said.contains("cannot be read here") && world.types.borrow().is_empty(), "{said}");
    }
}

#[test]
fn answers_that_are_no_tokens_are_refused() {
    let replies = [
        json!(null),
        json!([1]),
        json!({"access_token": 7}),
        json!({"access_token": "", "refresh_token": ""}),
        json!({"access_token": "canary-a\r\nHost: evil.example", "refresh_token": "canary-b\u{0}"}),
        json!({"access_token": "canary-".to_owned() + &"x".repeat(5_000)}),
        json!({"data": []}),
        json!({"error": "\u{202e}gnp\n", "error_description": {"deep": [[[]]]}}),
        json!({"error": {"message": ["x"], "code": "y"}}),
    ];
    for case in cases() {
        for reply in &replies {
            for status in [200, 302, 400, 500] {
                let twin = Box::new(Odd { twin: (case.twin)(), says: Some((status, reply.clone())), unticks: "" });
                let (world, result) = World::log_in_at(&case, twin, Way::default());
                let mut shown = world.out.0.borrow().clone();
                result.expect_err("nothing was given").render(Page::plain(400), &mut shown).unwrap();
                let shown = String::from_utf8(shown).unwrap();
                assert!(world.stored_nothing() && !shown.contains("canary") && !shown.contains('\u{202e}'), "{shown}");
            }
        }
    }
}

#[test]
fn what_was_not_granted_is_told() {
    let all = cases();
    let of = |platform: &str, account: u32| {
        all.iter().find(|case| (case.platform, case.account) == (platform, account)).expect("a case")
    };
    let told = [
        ("x", 3, "offline.access", "no refresh token"),
        ("x", 3, "media.write", "not granted all"),
        ("youtube", 1, "https://www.googleapis.com/auth/youtube.force-ssl", "was not granted"),
        ("linkedin", 1, "w_member_social", "has not granted"),
        ("instagram", 6, "instagram_business_content_publish", "was not granted"),
        ("threads", 5, "threads_content_publish", "was not granted"),
    ];
    for (platform, account, scope, expected) in told {
        let case = of(platform, account);
        let (world, result) =
            World::log_in_at(case, Box::new(Odd { twin: (case.twin)(), says: None, unticks: scope }), Way::default());
        let said = world.said(&result);
        assert!(result.is_err() && world.stored_nothing() && said.contains(expected), "{platform}, {scope}: {said}");
    }
    // A Page that was not chosen, by a person who has others.
    let case = of("facebook", 7);
    let (world, result) = World::log_in_at(case, Box::new(FacebookTwin::new().leaving_out()), Way::default());
    let said = world.said(&result);
    assert!(result.is_err() && world.stored_nothing(), "{said}");
    assert!(said.contains("110000000000000107, 110000000000000207"), "it names those that were chosen: {said}");
    // A refresh token that the application is not given.
    let member = cases().into_iter().find(|case| (case.platform, case.account) == ("linkedin", 1)).unwrap();
    let member = Case { gives: &["token", "refresh_token"], ..member };
    let (world, result) = World::log_in(&member, Way::default());
    let said = world.said(&result);
    assert!(result.is_err() && world.stored_nothing() && said.contains("gives no refresh token"), "{said}");
}

//! What the program tells of posts that it holds: until when the promotion share does, and what says nearly the same.

#![cfg(test)]

mod support {
    pub mod house;
}

use cadenced::domain::Timestamp;
use serde_json::Value;
use support::house::{House, SITE};

fn post(id: &str, goal: &str, text: &str) -> String {
    format!(
        "[[post]]\nid = \"{id}\"\nto = [\"site\"]\naudience = \"all\"\ngoal = \"{goal}\"\ntext = \"{text}\"\npriority = 1\n"
    )
}

#[test]
fn the_promotion_share_says_from_when_it_lets_a_post_go() {
    let house = House::with(SITE, |text| text.replace("[policy]", "[policy]\npromotion = { share = 0.5, window = 2 }"));
    house.queue("1.toml", &[post("p", "promotion", "One"), post("q", "promotion", "Two")].concat());
    let said = house.run(&["run", "--until-idle"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(house.shown(), ["p"]);
    let delivery = |house: &House, name: &str| -> Value {
        let status = house.status();
        let all = status["deliveries"].as_array().unwrap();
        all.iter().find(|delivery| delivery["post"] == name).unwrap().clone()
    };
    let q = delivery(&house, "q");
    let reason = q["reason"].as_str().unwrap();
    assert!(reason.starts_with("promotion-share: since "), "{reason}");
    assert!(reason.ends_with("allowed at the earliest after one more post that is no promotion"), "{reason}");
    assert_eq!(q.get("allowed_from"), None);
    // From now on there is a slot a day, and another post goes first.
    let config = house.config().replace("* * * * * *", "0 9 * * *");
    house.configure(&config);
    house.queue("2.toml", &post("a", "connection", "Three"));
    let q = delivery(&house, "q");
    let time = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let allowed = time(&q["allowed_from"]);
    let reason = q["reason"].as_str().unwrap();
    assert!(reason.ends_with(&format!("allowed from {allowed} if the post before it goes out")), "{reason}");
    let said = house.run(&["plan", "--format", "json"]);
    let plan = said.json();
    let line = |name: &str| {
        let of = |line: &&Value| line["delivery"] == format!("{name}@site");
        plan.as_array().unwrap().iter().find(of).unwrap().clone()
    };
    let (a, q) = (line("a"), line("q"));
    assert_eq!((&q["state"], time(&q["allowed_from"]), time(&q["at"])), (&"scheduled".into(), allowed, allowed));
    assert_eq!(allowed.duration_since(time(&a["at"])).as_hours(), 24);
    assert_eq!((a.get("allowed_from"), &a["reason"]), (None, &Value::Null));
    assert!(q["reason"].as_str().unwrap().starts_with("promotion-share: since "), "{q}");
}

#[test]
fn nearly_the_same_is_found_and_held_with_the_name_of_the_other() {
    let house = House::with(SITE, |text| text.replace("[policy]", "[policy]\nspray = \"hold\""));
    house.queue("1.toml", &post("p", "change", "The desk I built the first version on, with two screens and a lamp"));
    house.queue("2.toml", &post("q", "change", "THE DESK: I built the first version on, with two screens and a lamp!"));
    let said = house.run(&["check"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("p says nearly the same to the same people (1.toml:6:8)"), "{said:?}");
    assert!(said.out.contains("2.toml:6:8"), "{said:?}");
    let said = house.run(&["run", "--until-idle"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(house.shown(), ["p"]);
    let status = house.status();
    let q = status["deliveries"].as_array().unwrap().iter().find(|delivery| delivery["post"] == "q").unwrap();
    let why = "duplicate: p@site said nearly the same to the same people; change the text, or wait 90 days";
    assert_eq!((&q["state"], &q["reason"]), (&"held".into(), &why.into()));
}

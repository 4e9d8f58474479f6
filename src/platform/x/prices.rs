//! What X bills for requests, as its list of prices said in August 2026.
//!
//! Estimates are on the side that costs more: who was asked for an answer pays less for it than is reckoned here, the
//! same thing read twice in a day may be billed once, and a request that X has refused may be billed or not.

use crate::domain::{Content, Dollars, Spend};
use crate::platform::contract::{Attempt, Reply, Step, Table};

use super::wire::{self, Trouble};
use super::{StepName, lookback, text};

/// Key of the account table.
pub const PRICES: &str = "prices";
/// What has a price.
pub const NAMES: [&str; 6] = ["post", "post_with_address", "description", "user", "own_post", "other_post"];

/// In the order of [`NAMES`].
#[derive(Debug, Clone, Copy)]
pub struct Prices {
    post: Dollars,
    post_with_address: Dollars,
    description: Dollars,
    user: Dollars,
    own_post: Dollars,
    /// One that is read and does not come from a list of our own.
    other_post: Dollars,
}

impl Prices {
    /// X's own, where the table says nothing else.
    pub fn read(table: &mut Table) -> Self {
        let other = table.amounts(PRICES, &NAMES);
        let price = |name: &str, own: i64| other.get(name).copied().unwrap_or(Dollars(own));
        Self {
            post: price("post", 15_000),
            post_with_address: price("post_with_address", 200_000),
            description: price("description", 5_000),
            user: price("user", 10_000),
            own_post: price("own_post", 1_000),
            other_post: price("other_post", 5_000),
        }
    }

    /// A whole post, and one look at whose token it is.
    pub fn of_content(&self, content: &Content) -> Spend {
        let parts = text::compose(content).iter().map(|text| self.of_text(text)).fold(Spend::default(), Spend::plus);
        let described = content.media.iter().filter(|item| !item.alt.trim().is_empty());
        let described = described.map(|_| Spend::write(self.description)).fold(parts, Spend::plus);
        Spend::read(self.user, 1).plus(described)
    }

    fn of_text(&self, text: &str) -> Spend {
        let has_address = !text::addresses(&text::normal(text)).is_empty();
        Spend::write(if has_address { self.post_with_address } else { self.post })
    }

    /// So many posts, people, or posts of our own lists, that are read.
    pub fn of_posts(&self, count: u64) -> Spend {
        Spend::read(self.other_post, u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub fn of_users(&self, count: u64) -> Spend {
        Spend::read(self.user, u32::try_from(count).unwrap_or(u32::MAX))
    }

    pub fn of_own(&self, count: u64) -> Spend {
        Spend::read(self.own_post, u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// A step, or what it was with its reply.
    pub fn of_step(&self, attempt: &Attempt<'_>, step: &Step, reply: Option<&Reply>) -> Spend {
        let name = StepName::parse(&step.name);
        let asked = match name {
            StepName::Identity => Spend::read(self.user, 1),
            StepName::Describe(_) => Spend::write(self.description),
            StepName::Publish(part) => {
                text::compose(&attempt.job.content).get(part).map_or(Spend::default(), |text| self.of_text(text))
            }
            StepName::Look(_) => Spend::read(self.own_post, lookback::PAGE),
            _ => Spend::default(),
        };
        let Some(Reply::Http(reply)) = reply else { return asked };
        match (wire::understand(reply, &[], attempt.now), name) {
            (Ok(value), StepName::Look(_)) => {
                let none = value["meta"]["result_count"] == 0 && value["data"].is_null();
                let listed = value["data"].as_array().map(|posts| u32::try_from(posts.len()).unwrap_or(u32::MAX));
                listed
                    .or(none.then_some(0))
                    .map_or(asked, |listed| Spend::read(self.own_post, listed.min(lookback::PAGE)))
            }
            // Who is not known, has not paid or asks too much is answered for nothing.
            (Err(Trouble::Token(_) | Trouble::Stopped(_) | Trouble::TooMuch { .. } | Trouble::TurnedAway(_)), _) => {
                Spend::default()
            }
            _ => asked,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{AccountId, DeliveryId, Digest, MediaItem, PostId, Timestamp};
    use crate::platform::contract::{Effect, HttpReply, Job, Purpose, Secrets, Session};

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn table(prices: Option<toml::Value>) -> Table {
        let values = prices.map(|prices| (PRICES.to_owned(), prices));
        Table::new(AccountId::new("x").unwrap(), values.into_iter().collect(), "/".into())
    }

    fn own() -> Prices {
        Prices::read(&mut table(None))
    }

    fn content(text: &str, thread: &[&str]) -> Content {
        let thread = thread.iter().map(|part| (*part).to_owned()).collect();
        Content { text: text.into(), thread, ..Content::default() }
    }

    #[test]
    fn a_post_costs_what_all_its_requests_do() {
        let cost = |content: &Content| own().of_content(content).money.to_string();
        assert_eq!(cost(&content("Text", &[])), "0.025");
        assert_eq!(cost(&content("see example.org", &[])), "0.21", "an address is one without https:// too");
        assert_eq!(cost(&content("Text", &["one", "https://example.org/"])), "0.24");
        let linked = Content { link: Some("https://example.org/".into()), ..content("Text", &[]) };
        assert_eq!(cost(&linked), "0.21");
        let picture =
            |alt: &str| MediaItem { file: "a.png".into(), alt: alt.into(), sha256: Digest::of(b"a"), facts: None };
        let shown = Content { media: vec![picture("a dot"), picture(" "), picture("b")], ..content("Text", &[]) };
        let spend = own().of_content(&shown);
        assert_eq!((spend.money.to_string().as_str(), spend.reads, spend.writes), ("0.035", 1, 3));
    }

    #[test]
    fn a_step_is_reckoned_by_its_reply_where_that_tells() {
        let job = Job {
            delivery: DeliveryId::new(PostId::new("p").unwrap(), AccountId::new("x").unwrap()),
            attempt: 1,
            key: String::new(),
            digest: Digest::of(b""),
            content: content("Text", &["example.org"]),
            media: Vec::new(),
            frozen: json!(null),
            started: NOW,
            answers: None,
            taken: std::sync::Arc::default(),
        };
        let (session, secrets, scratch) = (Session::default(), Secrets::default(), json!(null));
        let attempt = Attempt {
            job: &job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &scratch,
            session: &session,
            secrets: &secrets,
            now: NOW,
        };
        let url = "https://api.x.com/".parse().unwrap();
        let request = super::super::wire::Wire { base: &url }.me();
        let price = |name: &str, reply: Option<(u16, serde_json::Value)>| {
            let call = crate::platform::contract::Call::Http(request.clone());
            let step = Step { name: name.into(), effect: Effect::Harmless, call };
            let reply = reply.map(|(status, value)| Reply::Http(HttpReply::json(status, &value)));
            own().of_step(&attempt, &step, reply.as_ref()).money.0
        };
        let forbidden = || json!({"title": "Forbidden", "detail": "You are not allowed to do this"});
        let posts = |count: usize| Some((200, json!({"data": vec![json!({}); count]})));
        for (name, reply, micros) in [
            ("identity", None, 10_000),
            ("identity", Some((200, json!({"data": {"id": "1"}}))), 10_000),
            ("identity", Some((401, json!({"title": "Unauthorized"}))), 0),
            ("publish-0", None, 15_000),
            ("publish-1", None, 200_000),
            ("publish-0", Some((201, json!({"data": {"id": "1"}}))), 15_000),
            ("publish-0", Some((403, forbidden())), 15_000),
            ("publish-0", Some((500, json!({}))), 15_000),
            ("publish-0", Some((402, json!({"title": "CreditsDepleted"}))), 0),
            ("publish-0", Some((429, json!({"title": "Too Many Requests"}))), 0),
            ("look-0", None, 20_000),
            ("look-0", posts(3), 3_000),
            ("look-0", posts(50), 20_000),
            ("look-0", Some((200, json!({"meta": {}}))), 20_000),
            ("look-0", Some((200, json!({"meta": {"result_count": 0}}))), 0),
            ("describe-0", None, 5_000),
            ("upload-0", None, 0),
            ("refresh", None, 0),
            ("status-0", Some((200, json!({"data": {"id": "1"}}))), 0),
        ] {
            assert_eq!(price(name, reply.clone()), micros, "{name} {reply:?}");
        }
    }

    #[test]
    fn prices_may_be_told_otherwise_and_only_those_that_there_are() {
        let read = |text: &str| {
            let mut table = table(Some(toml::Value::Table(text.parse().unwrap())));
            let prices = Prices::read(&mut table);
            (prices, table.into_complaints().into_iter().map(|complaint| complaint.reason).collect::<Vec<_>>())
        };
        let (prices, complaints) = read("post = 0.02\nown_post = 0");
        assert_eq!((prices.post, prices.own_post, prices.user), (Dollars(20_000), Dollars(0), Dollars(10_000)));
        assert_eq!(complaints, [""; 0]);
        let (_, complaints) = read("posts = 0.02\npost = -1\nuser = \"1\"");
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        let mut wrong = table(Some(toml::Value::Float(0.2)));
        Prices::read(&mut wrong);
        assert_eq!(wrong.into_complaints().len(), 1);
    }
}

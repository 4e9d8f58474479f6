//! Outcomes: leads, customers and revenue, and what they came from.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{AccountId, Gain, GainKind, Goal, Money};
use crate::engage::people::week;

use super::post::Posts;
use super::week;

/// What is counted, in words.
const COUNTS: &str = "leads, customers and money that were recorded, each key once, by when they happened; they belong to a post \
    only where they name it";

/// What came of posts outside the platforms, within the time that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OutcomeSummary {
    /// What is counted here, in words.
    pub counts: &'static str,
    pub total: Gains,
    /// Of the total: that which names no post.
    pub without_post: Gains,
    /// Of the total: that which names a post of which no delivery is on record.
    pub unknown_post: Gains,
    /// Every week from the first to the last with an outcome, oldest first. Weeks begin in UTC.
    pub weeks: Vec<GainWeek>,
    /// These tables hold what names a post that is on record. Names in their order; `None` at the end.
    pub by_audience: Vec<GainRow>,
    /// Connection, change, promotion, also where there was nothing.
    pub by_goal: Vec<GainRow>,
    pub by_series: Vec<GainRow>,
    pub by_post: Vec<GainRow>,
    /// Of every outcome that names an account, whether it names a post or not.
    pub by_account: Vec<GainRow>,
}

/// Leads, customers and revenue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Gains {
    pub leads: u64,
    pub customers: u64,
    /// One sum for each currency, in the order of their names. Amounts of different currencies are never added. Every kind
    /// of outcome may bring money.
    pub revenue: Vec<Money>,
}

/// One line of a table of outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GainRow {
    /// An audience, goal, series, post or account; `None` for what has none.
    pub name: Option<String>,
    /// Posts that were delivered within the time that is looked at.
    pub posts: u64,
    pub gains: Gains,
}

/// One week of outcomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GainWeek {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    pub gains: Gains,
}

/// Sorts outcomes, all of the time that is looked at, by what they came from.
pub fn summary<'a>(gains: impl Iterator<Item = &'a Gain>, posts: &Posts, accounts: &[AccountId]) -> OutcomeSummary {
    let mut summary = OutcomeSummary { counts: COUNTS, ..OutcomeSummary::default() };
    let mut by = Tables::new(posts, accounts);
    let mut weeks: BTreeMap<u32, Gains> = BTreeMap::new();
    for gain in gains {
        summary.total.add(gain);
        weeks.entry(week(gain.at)).or_default().add(gain);
        if let Some(account) = &gain.account {
            row(&mut by.account, Some(account.as_str())).gains.add(gain);
        }
        match &gain.post {
            None => summary.without_post.add(gain),
            Some(post) => match posts.about(post) {
                None => summary.unknown_post.add(gain),
                Some(about) => {
                    row(&mut by.audience, about.audience.as_deref()).gains.add(gain);
                    row(&mut by.goal, about.goal.map(Goal::name)).gains.add(gain);
                    row(&mut by.series, about.series.as_deref()).gains.add(gain);
                    let post_row = row(&mut by.post, Some(post.as_str()));
                    post_row.gains.add(gain);
                    post_row.posts = u64::from(posts.was_delivered(post));
                }
            },
        }
    }
    let weeks = week::without_gaps(weeks).into_iter().map(|(number, gains)| {
        let starts = week::monday(number);
        GainWeek { week: week::name(starts), starts, gains }
    });
    summary.weeks = weeks.collect();
    summary.by_audience = lines(by.audience);
    let in_order = Goal::ALL.iter().filter_map(|goal| by.goal.remove(&Some(goal.name().to_owned())));
    summary.by_goal = in_order.collect();
    summary.by_goal.extend(by.goal.into_values());
    summary.by_series = lines(by.series);
    summary.by_post = lines(by.post);
    summary.by_account = lines(by.account);
    summary
}

/// Rows by name.
type Rows = BTreeMap<Option<String>, GainRow>;

struct Tables {
    audience: Rows,
    goal: Rows,
    series: Rows,
    post: Rows,
    account: Rows,
}

impl Tables {
    /// With the posts that were delivered, and nothing that came of them.
    fn new(posts: &Posts, accounts: &[AccountId]) -> Self {
        let [audience, goal, series, post, account] = std::array::from_fn(|_| Rows::new());
        let mut tables = Self { audience, goal, series, post, account };
        for goal in Goal::ALL {
            row(&mut tables.goal, Some(goal.name()));
        }
        for account in accounts {
            row(&mut tables.account, Some(account.as_str()));
        }
        for post in posts.delivered() {
            row(&mut tables.audience, post.about.audience.as_deref()).posts += 1;
            row(&mut tables.goal, post.about.goal.map(Goal::name)).posts += 1;
            row(&mut tables.series, post.about.series.as_deref()).posts += 1;
            for account in post.deliveries.keys() {
                row(&mut tables.account, Some(account.as_str())).posts += 1;
            }
        }
        tables
    }
}

fn row<'a>(rows: &'a mut Rows, name: Option<&str>) -> &'a mut GainRow {
    let name = name.map(str::to_owned);
    rows.entry(name.clone()).or_insert_with(|| GainRow { name, ..GainRow::default() })
}

/// What has no name comes last.
fn lines(mut rows: Rows) -> Vec<GainRow> {
    let nameless = rows.remove(&None);
    rows.into_values().chain(nameless).collect()
}

impl Gains {
    pub(super) fn add(&mut self, gain: &Gain) {
        match gain.kind {
            GainKind::Lead => self.leads += 1,
            GainKind::Customer => self.customers += 1,
            GainKind::Revenue => {}
        }
        let Some(money) = gain.money else { return };
        match self.revenue.binary_search_by_key(&money.currency, |sum| sum.currency) {
            Ok(place) => self.revenue[place].micros = self.revenue[place].micros.saturating_add(money.micros),
            Err(place) => self.revenue.insert(place, money),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

//! Posts: by audience and goal, and one by one, where reach is set against what a post did for people.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::domain::{AccountId, DeliveryId, Gain, Goal, Interaction, PostId, Timestamp};
use crate::engage::Conversations;
use crate::engage::people::People;

use super::measured::{Seen, Told, plus};
use super::post::{Post, Posts};
use super::{Gains, Measured};

/// What is counted, in words.
const COUNTS: &str = "posts that were delivered in this time, with all that became of them until its end; views where the platform \
    tells them";
/// The rule of the verdicts, in words.
const RULE: &str = "loud and useless: in the top third by views, in the bottom third by people, and no outcome; quiet and useful: in \
    the bottom third by views, and in the top third by people or with an outcome; compared are posts whose views and people are \
    both known, when they are six or more";
/// Fewer posts have no thirds to speak of.
const COMPARED: usize = 6;
/// What is counted as reach, in words.
const REACH: &str = "views and clicks as the platforms counted them when each post was looked at last; nobody has said or done \
    anything";

/// Posts for one audience with one goal. A post counts once, on however many accounts it was delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PostGroup {
    pub audience: String,
    /// Empty for posts of which nothing is known any more. Every audience has a group for each goal, also without posts.
    pub goal: String,
    pub posts: u64,
    pub deliveries: u64,
    /// People who did something with them, each once; `None` where it is known of none of them.
    pub people: Option<u64>,
    /// Conversations that a person opened below them; `None` where it is known of none of them.
    pub conversations: Option<u64>,
    /// What came of them within the time that is looked at.
    pub gains: Gains,
}

/// Reach set against people and outcomes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// By what a post is loud and useless or quiet and useful, in words.
    pub rule: &'static str,
    /// Posts of which reach and people are known: those that are compared with each other.
    pub compared: u64,
    /// All posts that were delivered within the time that is looked at, oldest first.
    pub posts: Vec<PostLine>,
}

/// One post, on all its accounts together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PostLine {
    pub post: PostId,
    pub audience: String,
    /// Empty where it is not on record.
    pub goal: String,
    pub series: Option<String>,
    /// When it was delivered first.
    pub at: Timestamp,
    /// In the order of their names.
    pub accounts: Vec<AccountId>,
    /// Views, where they are told; `None` where no account tells them. `measured` speaks of those.
    pub reach: Option<u64>,
    pub measured: Measured,
    /// People who did something with it, each once; `None` where it is known of no account.
    pub people: Option<u64>,
    /// Conversations that a person opened below it; `None` where it is known of no account.
    pub conversations: Option<u64>,
    pub gains: Gains,
    /// `None`: neither, or not compared.
    pub verdict: Option<Verdict>,
}

/// What a post was worth for the noise it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    LoudAndUseless,
    QuietAndUseful,
}

impl Verdict {
    /// The stable name, as in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoudAndUseless => "loud-and-useless",
            Self::QuietAndUseful => "quiet-and-useful",
        }
    }
}

/// How far posts went. It comes last: nobody has said or done anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Reach {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// Deliveries whose views are told.
    pub measured: Measured,
    /// As counted when each post was looked at last; `None` where no account tells them.
    pub views: Option<u64>,
    /// Ways that were gone to the link; `None` where no account tells them.
    pub clicks: Option<u64>,
    pub accounts: BTreeMap<AccountId, AccountReach>,
}

/// The reach of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AccountReach {
    pub measured: Measured,
    pub views: Option<u64>,
    pub clicks: Option<u64>,
}

/// What a report knows of posts beside what was delivered.
pub struct Known<'a> {
    pub posts: &'a Posts,
    pub seen: &'a BTreeMap<DeliveryId, Seen>,
    pub people: &'a People,
    pub conversations: &'a Conversations,
    /// Those of the time that is looked at.
    pub gains: &'a [&'a Gain],
}

/// Of each delivery within the time that is looked at, whether something is known.
pub fn measured(known: &Known<'_>, told: fn(&Seen) -> Told) -> Measured {
    let mut measured = Measured::default();
    for (_, _, seen) in deliveries(known) {
        measured.add(seen.map_or(Told::NotYet, told));
    }
    measured
}

fn deliveries<'a>(known: &Known<'a>) -> impl Iterator<Item = (&'a PostId, &'a AccountId, Option<&'a Seen>)> {
    let Known { posts, seen, .. } = *known;
    posts.named().flat_map(move |(id, post)| {
        post.deliveries
            .keys()
            .map(move |account| (id, account, seen.get(&DeliveryId::new(id.clone(), account.clone()))))
    })
}

/// One line for each post, and one for each audience and goal.
pub fn lines(known: &Known<'_>) -> (Vec<PostGroup>, Comparison) {
    let posts: Vec<(&PostId, &Post)> = known.posts.named().collect();
    let places: HashMap<&PostId, usize> = posts.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let mut groups = Groups::new(&posts);

    // Who did something with which post, each once.
    let of: Vec<_> = known.people.deliveries().iter().map(|delivery| places.get(&delivery.post).copied()).collect();
    let mut did: Vec<(usize, usize)> = Vec::new();
    for (number, person) in known.people.people().enumerate() {
        did.extend(person.acts.iter().filter_map(|act| Some((of[act.post()?]?, number))));
    }
    did.sort_unstable();
    did.dedup();
    let mut people = vec![0; posts.len()];
    did.iter().for_each(|(place, _)| people[*place] += 1);
    let mut in_groups: Vec<_> = did.into_iter().map(|(place, number)| (groups.of[place], number)).collect();
    in_groups.sort_unstable();
    in_groups.dedup();
    let mut group_people = vec![0; groups.lines.len()];
    in_groups.iter().for_each(|(group, _)| group_people[*group] += 1);

    let mut conversations = vec![0; posts.len()];
    for told in known.conversations.all() {
        if let Some(place) = told.delivery.and_then(|delivery| places.get(&delivery.post).copied()) {
            conversations[place] += 1;
        }
    }
    let mut gains = vec![Gains::default(); posts.len()];
    for gain in known.gains {
        if let Some(&place) = gain.post.as_ref().and_then(|post| places.get(post)) {
            gains[place].add(gain);
            groups.lines[groups.of[place]].gains.add(gain);
        }
    }

    let mut lines = Vec::with_capacity(posts.len());
    for (place, (id, post)) in posts.iter().enumerate() {
        let of_post = OfPost::of(known, id, post);
        let line = PostLine {
            post: (*id).clone(),
            audience: post.about.audience.clone().unwrap_or_default(),
            goal: post.about.goal.map_or("", Goal::name).to_owned(),
            series: post.about.series.clone(),
            at: post.deliveries.values().min().copied().unwrap_or_default(),
            accounts: post.deliveries.keys().cloned().collect(),
            reach: of_post.reach,
            measured: of_post.views,
            people: of_post.who.then_some(people[place]),
            conversations: of_post.said.then_some(conversations[place]),
            gains: std::mem::take(&mut gains[place]),
            verdict: None,
        };
        let group = &mut groups.lines[groups.of[place]];
        group.posts += 1;
        group.deliveries += post.deliveries.len() as u64;
        if of_post.who {
            group.people = Some(group_people[groups.of[place]]);
        }
        group.conversations = plus(group.conversations, line.conversations);
        lines.push(line);
    }
    let compared = judge(&mut lines);
    lines.sort_by(|a, b| (a.at, &a.post).cmp(&(b.at, &b.post)));
    (groups.lines, Comparison { counts: COUNTS, rule: RULE, compared, posts: lines })
}

/// Audiences and goals: every audience has all goals.
struct Groups {
    lines: Vec<PostGroup>,
    /// The group of each post.
    of: Vec<usize>,
}

impl Groups {
    fn new(posts: &[(&PostId, &Post)]) -> Self {
        let key = |post: &Post| {
            (
                post.about.audience.clone().unwrap_or_default(),
                post.about.goal.map_or(Goal::ALL.len(), |goal| goal as usize),
            )
        };
        let mut places: BTreeMap<(String, usize), usize> = BTreeMap::new();
        for (_, post) in posts {
            let (audience, goal) = key(post);
            for goal in (0..Goal::ALL.len()).chain([goal]) {
                places.insert((audience.clone(), goal), 0);
            }
        }
        let mut lines = Vec::new();
        for ((audience, goal), place) in &mut places {
            *place = lines.len();
            let goal = Goal::ALL.get(*goal).map_or("", |goal| goal.name()).to_owned();
            lines.push(PostGroup { audience: audience.clone(), goal, ..PostGroup::default() });
        }
        let of = posts.iter().map(|(_, post)| places[&key(post)]).collect();
        Self { lines, of }
    }
}

/// What is known of one post on all its accounts.
#[derive(Default)]
struct OfPost {
    who: bool,
    said: bool,
    views: Measured,
    reach: Option<u64>,
}

impl OfPost {
    fn of(known: &Known<'_>, id: &PostId, post: &Post) -> Self {
        let mut of = Self::default();
        for account in post.deliveries.keys() {
            let seen = known.seen.get(&DeliveryId::new(id.clone(), account.clone()));
            of.views.add(seen.map_or(Told::NotYet, Seen::views));
            let Some(seen) = seen else { continue };
            of.who |= seen.who() == Told::Known;
            of.said |= seen.what_was_said() == Told::Known;
            of.reach = plus(of.reach, seen.count(Interaction::View));
        }
        of
    }
}

/// Says what was loud and useless, or quiet and useful; gives how many were compared.
fn judge(lines: &mut [PostLine]) -> u64 {
    let mut both: Vec<_> = lines.iter_mut().filter_map(|line| Some((line.reach?, line.people?, line))).collect();
    let compared = both.len() as u64;
    if both.len() >= COMPARED {
        let reach = Thirds::of(both.iter().map(|(reach, ..)| *reach).collect());
        let people = Thirds::of(both.iter().map(|(_, people, _)| *people).collect());
        for (views, who, line) in &mut both {
            let (views, who) = (reach.third(*views), people.third(*who));
            line.verdict = match (views, who) {
                (Third::Top, Third::Bottom) if line.gains.is_empty() => Some(Verdict::LoudAndUseless),
                (Third::Bottom, who) if who == Third::Top || !line.gains.is_empty() => Some(Verdict::QuietAndUseful),
                _ => None,
            };
        }
    }
    compared
}

#[derive(PartialEq, Eq)]
enum Third {
    Bottom,
    Middle,
    Top,
}

/// The values up to which something is in the bottom third, and from which on in the top third.
struct Thirds {
    bottom: u64,
    top: u64,
}

impl Thirds {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let third = values.len().div_ceil(3).saturating_sub(1);
        let at = |place: usize| values.get(place).copied().unwrap_or_default();
        Self { bottom: at(third), top: at(values.len().saturating_sub(third + 1)) }
    }

    /// Where many are alike, as when most posts were seen by nobody, they are in no third.
    fn third(&self, value: u64) -> Third {
        if self.bottom == self.top {
            return if value > self.top {
                Third::Top
            } else if value < self.bottom {
                Third::Bottom
            } else {
                Third::Middle
            };
        }
        if value <= self.bottom {
            Third::Bottom
        } else if value >= self.top {
            Third::Top
        } else {
            Third::Middle
        }
    }
}

/// Views and clicks, by account.
pub fn reach(known: &Known<'_>) -> Reach {
    let mut reach = Reach { counts: REACH, ..Reach::default() };
    for (_, account, seen) in deliveries(known) {
        let told = seen.map_or(Told::NotYet, Seen::views);
        let views = seen.and_then(|seen| seen.count(Interaction::View));
        let clicks = seen.and_then(|seen| seen.count(Interaction::Click));
        let line = reach.accounts.entry(account.clone()).or_default();
        for (measured, sums) in [
            (&mut reach.measured, (&mut reach.views, &mut reach.clicks)),
            (&mut line.measured, (&mut line.views, &mut line.clicks)),
        ] {
            measured.add(told);
            *sums.0 = plus(*sums.0, views);
            *sums.1 = plus(*sums.1, clicks);
        }
    }
    reach
}

//! Posts as rows: what one fills in for Buffer's and Hootsuite's bulk uploads.
//!
//! Columns are known by their names, in any order; those that mean nothing to us are named. Hootsuite's files have no names;
//! there the first column is the moment, the second the text, the third a link, and all others are media, and what is no
//! address there was a text with commas in it. A date such as `2/3/2026` is read as the other dates of the file are; where
//! they leave it open, the person has to say, and what contradicts that is refused. A day without a time is the first on
//! which the post may go out.

use std::io::Read;

use super::{Found, Harvest, Medium, Rules, address, cut, room};
use crate::cli::args::DateOrder;
use crate::domain::document::quoted;
use crate::engage::outcomes::{Moment, NoMoment, Rows, TableError, Wrong, plain};

/// What the columns of a kind of file are called.
pub struct Kind {
    /// Whether a first row without names is a post.
    nameless: bool,
}

pub const BUFFER: Kind = Kind { nameless: false };
pub const HOOTSUITE: Kind = Kind { nameless: true };

const TEXT: &[&str] = &["text", "message", "content", "caption", "post", "post_text", "post_content", "body"];
const WHEN: &[&str] = &[
    "posting_time",
    "scheduled_time",
    "schedule_time",
    "scheduled_at",
    "scheduled_date",
    "schedule_date",
    "date_and_time",
    "date_time",
    "datetime",
    "publish_date",
    "date",
];
const TIME: &[&str] = &["time", "hour"];
const LINK: &[&str] = &["link", "url", "link_url", "message_link"];
const MEDIA: &[&str] = &[
    "image_url",
    "image_urls",
    "image",
    "images",
    "image_link",
    "picture",
    "media",
    "media_url",
    "media_urls",
    "media_link",
    "video",
    "video_url",
    "video_urls",
    "photo",
];
const ALT: &[&str] = &["alt", "alt_text", "image_alt_text", "image_alt"];
const LABELS: &[&str] = &["tags", "tag", "labels", "label", "categories", "category"];

#[derive(Default)]
struct Columns {
    text: Option<usize>,
    when: Option<usize>,
    time: Option<usize>,
    link: Option<usize>,
    media: Vec<usize>,
    alt: Option<usize>,
    labels: Option<usize>,
    /// Links and media are addresses, or the columns are not what they seem.
    are_sure: bool,
}

impl Columns {
    fn find(names: &[String]) -> Self {
        let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let one = |wanted: &[&str]| wanted.iter().find_map(|name| names.iter().position(|other| other == name));
        // Several columns of pictures are numbered.
        let bare = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_').to_owned();
        let media = names.iter().enumerate().filter(|(_, name)| MEDIA.contains(&bare(name).as_str()));
        Self {
            text: one(TEXT),
            when: one(WHEN),
            time: one(TIME),
            link: one(LINK),
            media: media.map(|(place, _)| place).collect(),
            alt: one(ALT),
            labels: one(LABELS),
            are_sure: true,
        }
    }

    /// The names of those that nobody has asked for.
    fn others(&self, names: &[String]) -> Vec<String> {
        let one = [self.text, self.when, self.time, self.link, self.alt, self.labels];
        let is_known = |place: &usize| one.contains(&Some(*place)) || self.media.contains(place);
        let others = names.iter().enumerate().filter(|(place, name)| !is_known(place) && !name.is_empty());
        others.map(|(_, name)| cut(name)).collect()
    }

    fn nameless(width: usize) -> Self {
        let media = (3..width).collect();
        Self { when: Some(0), text: Some(1), link: Some(2), media, ..Self::default() }
    }
}

/// A row that has no moment yet.
struct Row {
    found: Found,
    when: String,
}

pub fn read(source: impl Read, kind: &Kind, rules: &Rules) -> Result<Harvest, TableError> {
    let mut rows = Rows::open(source)?;
    let names = rows.names().to_vec();
    let mut harvest = Harvest::default();
    let mut read: Vec<Row> = Vec::new();
    let is_post = kind.nameless && names.first().is_some_and(|first| Order::of(first).is_some());
    let columns = Columns::find(&names);
    if is_post {
        match row(1, &Columns::nameless(names.len()), &|place| Ok(names.get(place).map_or("", String::as_str))) {
            Ok(row) => read.push(row),
            Err(wrong) => harvest.refuse(1, wrong),
        }
    } else if columns.text.is_none() {
        let wrong = Wrong::new("no column holds a text").with_hint("name it in the first row: text, or message");
        return Err(TableError { line: 1, wrong });
    } else {
        harvest.columns = columns.others(&names);
    }
    while let Some(next) = rows.next_row() {
        let line = match next {
            Ok(line) => line,
            // Nothing behind it can be told apart.
            Err(error) => {
                let reason = format!("{}; the rest of the file is not read", error.wrong.reason);
                harvest.refuse(error.line, Wrong { reason, ..error.wrong });
                break;
            }
        };
        let cell = |place| rows.cell(place);
        let told = if is_post {
            row(line, &Columns::nameless(rows.count()), &cell)
        } else {
            rows.is_whole().and_then(|()| row(line, &columns, &cell))
        };
        match told {
            Ok(row) => read.push(row),
            Err(wrong) => harvest.refuse(line, wrong),
        }
        room(read.len())?;
    }
    let order = rules.dates.or_else(|| Order::all(read.iter().map(|row| row.when.as_str())));
    for row in read {
        let line = row.found.line;
        match planned(row, order, rules) {
            Ok(found) => harvest.posts.push(found),
            Err(wrong) => harvest.refuse(line, wrong),
        }
    }
    Ok(harvest)
}

fn row<'c>(line: u64, columns: &Columns, cell: &dyn Fn(usize) -> Result<&'c str, Wrong>) -> Result<Row, Wrong> {
    let at = |place: Option<usize>| place.map_or(Ok(""), cell);
    let mut when = at(columns.when)?.trim().to_owned();
    let time = at(columns.time)?.trim();
    if !time.is_empty() && columns.time != columns.when {
        when = format!("{when} {time}");
    }
    let text = at(columns.text)?.replace("\r\n", "\n").trim().to_owned();
    let (link, alt, labels) = (at(columns.link)?.trim(), at(columns.alt)?.trim(), at(columns.labels)?.trim());
    let mut media = Vec::new();
    for place in &columns.media {
        let words = at(Some(*place))?.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'));
        media.extend(words.filter(|word| !word.is_empty()).map(ToOwned::to_owned));
    }
    let is_odd = |text: &str| !text.is_empty() && address(text).is_none();
    if !columns.are_sure && (is_odd(link) || media.iter().any(|word| is_odd(word))) {
        let wrong = Wrong::new("what follows its text is no address");
        return Err(wrong.with_hint("put text with separators in it between quotation marks"));
    }
    // A row has no name; it is what it says.
    let key = [text.as_str(), &when, link, &media.join(" ")].join("\u{1f}");
    let mut found = Found { line, key, text, link: address(link), ..Found::default() };
    if found.link.is_none() && !link.is_empty() {
        found.notes.push(format!("its link is no address, and is left out: {link}"));
    }
    if !labels.is_empty() {
        found.notes.push(format!("labels: {labels}"));
    }
    let one = media.len() == 1;
    found.media = media
        .into_iter()
        .map(|address| Medium { address, alt: if one { alt.to_owned() } else { String::new() } })
        .collect();
    if !one && !alt.is_empty() {
        found.notes.push(format!("what is to be seen: {alt}"));
    }
    Ok(Row { found, when })
}

fn planned(row: Row, order: Option<DateOrder>, rules: &Rules) -> Result<Found, Wrong> {
    let Row { mut found, when } = row;
    if when.is_empty() {
        return Ok(found);
    }
    let refused = |why: &str, hint: &str| Wrong::new(format!("its moment {} {why}", quoted(&when))).with_hint(hint);
    let own = Order::of(&when).flatten();
    if own.is_some_and(|own| rules.dates.is_some_and(|said| said != own)) {
        return Err(refused("contradicts --dates", "write the year first: 2026-12-01 09:00"));
    }
    let no_moment = |error: NoMoment| {
        let hint = match error {
            NoMoment::Ambiguous => "say it: --dates day-first, or month-first",
            NoMoment::Shape => "write it as 2026-12-01 09:00",
        };
        refused(&error.to_string(), hint)
    };
    let written = Order::rewritten(&when, order).unwrap_or_else(|| when.clone());
    let moment = Moment::read(&written).map_err(no_moment)?;
    let at = moment.at(&rules.zone).map_err(no_moment)?;
    match moment {
        Moment::Day(_) => found.not_before = Some(at),
        Moment::Exact(_) | Moment::Civil(_) => found.at = Some(at),
    }
    if matches!(moment, Moment::Civil(civil) if rules.zone.to_datetime(at) != civil) {
        found.notes.push(format!("the clocks jump over its time {when}; it is moved"));
    }
    Ok(found)
}

/// Which of two numbers is the day.
struct Order;

impl Order {
    /// The three numbers of a date that does not begin with the year, what separates them, and what follows.
    fn parts(when: &str) -> Option<([u16; 3], usize, &str)> {
        let (day, rest) = when.split_at(when.find([' ', 'T', ',']).unwrap_or(when.len()));
        let mark = day.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '/' | '-' | '.'))?;
        let texts: Vec<&str> = day.split(mark).collect();
        let [first, second, year] = texts[..] else { return None };
        let fit = [first, second].iter().all(|part| (1..=2).contains(&part.len())) && matches!(year.len(), 2 | 4);
        let number = |text: &str| text.parse::<u16>().ok();
        let parts = [number(first)?, number(second)?, number(year)?];
        fit.then_some((parts, if mark == '.' { 1 } else { 0 }, rest))
    }

    /// Whether it is a date at all, and which order it tells.
    fn of(when: &str) -> Option<Option<DateOrder>> {
        let when = when.trim();
        let Some(([first, second, _], dotted, _)) = Self::parts(when) else {
            return Moment::read(when).ok().map(|_| None);
        };
        Some(match (first > 12, second > 12) {
            _ if dotted == 1 => None,
            (true, false) => Some(DateOrder::DayFirst),
            (false, true) => Some(DateOrder::MonthFirst),
            _ => None,
        })
    }

    /// What all dates of a file tell, if they agree.
    fn all<'w>(whens: impl Iterator<Item = &'w str>) -> Option<DateOrder> {
        let mut told: Vec<DateOrder> = whens.filter_map(|when| Self::of(when)?).collect();
        told.dedup();
        match told[..] {
            [order] => Some(order),
            _ => None,
        }
    }

    /// With the year first, where the order is known.
    fn rewritten(when: &str, order: Option<DateOrder>) -> Option<String> {
        let ([first, second, year], dotted, rest) = Self::parts(when)?;
        let order = if dotted == 1 || first == second { Some(DateOrder::DayFirst) } else { Self::of(when)?.or(order) };
        let (day, month) = match order? {
            DateOrder::DayFirst => (first, second),
            DateOrder::MonthFirst => (second, first),
        };
        let year = if year < 100 { year + 2000 } else { year };
        Some(format!("{year:04}-{month:02}-{day:02} {}", rest.trim_start_matches([' ', 'T', ','])))
    }
}

#[cfg(test)]
mod tests {
    use super::super::POSTS;
    use super::*;
    use jiff::tz::TimeZone;

    fn harvest(text: &str, kind: &Kind) -> Harvest {
        let rules = Rules { zone: TimeZone::get("Europe/Berlin").unwrap(), dates: None };
        read(text.as_bytes(), kind, &rules).unwrap_or_else(|error| panic!("{error:?}"))
    }

    fn told(harvest: &Harvest) -> Vec<String> {
        let at = |found: &Found| match (found.at, found.not_before) {
            (Some(at), None) => at.to_string(),
            (None, Some(from)) => format!("from {from}"),
            (at, _) => at.map(|_| "both".into()).unwrap_or_default(),
        };
        harvest.posts.iter().map(|found| format!("{}|{}|{}", found.line, found.text, at(found))).collect()
    }

    #[test]
    fn buffers_columns_stand_in_any_order() {
        let text = "\u{feff}Tags,Posting Time,Image URL,Text\r\n\
                    \"work, desk\",2026-12-01 09:00,https://i.example/a.png,\"One \"\"two\"\"\r\nthree\"\r\n\
                    ,12/24/26 18:30,,Eve\r\n,,,Any time\r\n";
        let found = harvest(text, &BUFFER);
        assert_eq!(
            told(&found),
            ["2|One \"two\"\nthree|2026-12-01T08:00:00Z", "4|Eve|2026-12-24T17:30:00Z", "5|Any time|"]
        );
        assert_eq!(found.posts[0].media, [Medium { address: "https://i.example/a.png".into(), alt: String::new() }]);
        assert_eq!(found.posts[0].notes, ["labels: work, desk"]);
        assert!(found.wrong.is_empty());
    }

    #[test]
    fn hootsuites_rows_need_no_names() {
        let text = "27/11/2026 10:05,First,https://a.example/1\n02/12/2026 10:00,Second\n\
                    3/12/2026 10:00,Third,,https://i.example/b.jpg,https://i.example/c.jpg\n";
        let found = harvest(text, &HOOTSUITE);
        assert_eq!(
            told(&found),
            ["1|First|2026-11-27T09:05:00Z", "2|Second|2026-12-02T09:00:00Z", "3|Third|2026-12-03T09:00:00Z"]
        );
        assert_eq!(found.posts[0].link.as_deref(), Some("https://a.example/1"));
        assert_eq!(found.posts[2].media.len(), 2);
        let named = harvest("Date,Message,Link\n2026-12-01 10:00,Named,nowhere\n", &HOOTSUITE);
        assert_eq!(told(&named), ["2|Named|2026-12-01T09:00:00Z"]);
        assert_eq!(named.posts[0].notes, ["its link is no address, and is left out: nowhere"]);
    }

    #[test]
    fn a_text_that_its_commas_have_cut_is_refused() {
        let many = format!("{}buy\n", "https://a.example,".repeat(40));
        let text = format!(
            "12/24/2126 10:00,Hello, world, buy this\n12/24/2126 10:00,Hello,,world\n12/24/2126 10:00,x,{many}\
             12/24/2126 10:00,\"Hello, world\"\n"
        );
        let found = harvest(&text, &HOOTSUITE);
        assert_eq!(told(&found), ["4|Hello, world|2126-12-24T09:00:00Z"]);
        let wrong: Vec<_> = found.wrong.iter().map(|(line, wrong)| (*line, wrong.reason.as_str())).collect();
        let why = "what follows its text is no address";
        assert_eq!(wrong, [(1, why), (2, why), (3, why)]);
    }

    #[test]
    fn a_day_is_no_midnight_and_what_is_moved_is_told() {
        let text = "text,date,time,Timezone,,First comment\na,2026-12-01,,x,,\nb,2026-12-01,09:00,x,,\nc,2026-03-29,02:30,x,,\n";
        let found = harvest(text, &BUFFER);
        assert_eq!(
            told(&found),
            ["2|a|from 2026-11-30T23:00:00Z", "3|b|2026-12-01T08:00:00Z", "4|c|2026-03-29T01:30:00Z"]
        );
        assert_eq!(found.posts[2].notes, ["the clocks jump over its time 2026-03-29 02:30; it is moved"]);
        assert_eq!(found.columns, ["Timezone", "First comment"]);
    }

    #[test]
    fn what_is_to_be_seen_belongs_to_the_one_picture() {
        let text = "text,alt,images\na,A cup,https://i.example/a.png\nb,Cups,https://i.example/a.png https://i.example/b.png\n";
        let found = harvest(text, &BUFFER);
        let alts = |post: &Found| post.media.iter().map(|medium| medium.alt.clone()).collect::<Vec<_>>();
        assert_eq!((alts(&found.posts[0]), alts(&found.posts[1])), (vec!["A cup".to_owned()], vec![String::new(); 2]));
        assert_eq!(found.posts[1].notes, ["what is to be seen: Cups"]);
        assert!(found.posts[0].notes.is_empty());
    }

    #[test]
    fn what_may_be_two_days_is_not_guessed() {
        let wrong = |text: &str| {
            let found = harvest(text, &BUFFER);
            (found.posts.len(), found.wrong.into_iter().map(|(line, wrong)| (line, wrong.reason)).collect::<Vec<_>>())
        };
        let (taken, said) = wrong("text,date\na,2/3/2026\nb,2026-03-02\n");
        assert_eq!(taken, 1);
        assert!(said[0].0 == 2 && said[0].1.contains("with the day or with the month"), "{said:?}");
        // Two that contradict each other tell nothing of a third.
        assert_eq!(wrong("text,date\na,2/3/2026\nb,13/3/2026\nc,3/13/2026\n").0, 2);
        assert_eq!(wrong("text,date\na,2/3/2026\nb,13/3/2026\n").0, 2);
        // What is said counts for all, and a date that cannot be read like that is no reason to read it otherwise.
        let rules = Rules { zone: TimeZone::UTC, dates: Some(DateOrder::MonthFirst) };
        let text = "text,date\na,2/3/2026 10:00\nb,13/3/2026 10:00\nc,14/3/2026 10:00\n";
        let found = read(text.as_bytes(), &BUFFER, &rules).unwrap_or_else(|_| panic!());
        assert_eq!(told(&found), ["2|a|2026-02-03T10:00:00Z"]);
        let wrong: Vec<_> = found.wrong.iter().map(|(line, wrong)| (*line, wrong.reason.as_str())).collect();
        assert_eq!(wrong[0], (3, "its moment \"13/3/2026 10:00\" contradicts --dates"));
        assert_eq!(wrong.len(), 2);
    }

    #[test]
    fn bad_rows_are_named_and_the_rest_is_kept() {
        let found = harvest("text,date\na,soon\nb,\nc\nd,\"2026-01-01\n", &BUFFER);
        assert_eq!(told(&found), ["3|b|"]);
        let mut lines: Vec<u64> = found.wrong.iter().map(|(line, _)| *line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [2, 4, 5]);
        let huge = format!("text\nfirst\n\"{}\n", "x".repeat(2 * 1024 * 1024));
        let found = harvest(&huge, &BUFFER);
        assert_eq!(told(&found), ["2|first|"]);
        assert!(found.wrong[0].1.reason.contains("more than"), "{:?}", found.wrong);
        let text = "text\n".to_owned() + &"x\n".repeat(POSTS + 1);
        let error = read(text.as_bytes(), &BUFFER, &Rules { zone: TimeZone::UTC, dates: None }).unwrap_err();
        assert!(error.wrong.reason.contains("more than"), "{error:?}");
        assert!(read("a,b\n1,2\n".as_bytes(), &BUFFER, &Rules { zone: TimeZone::UTC, dates: None }).is_err());
    }
}

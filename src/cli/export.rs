//! `cadenced export`: the ledger's records as tables.
//!
//! Records come in one by one, oldest first, and rows of `attempts`, `outcomes`, `engagement` and `people` leave at once; what is kept is the fold of each
//! delivery, which gives the rows of `deliveries` at the end. Every row says in `table` which one it belongs to.
//!
//! CSV is RFC 4180. A cell that a spreadsheet would run as a formula begins with an apostrophe: texts in it come from
//! posts and platforms. JSON lines hold every text as it is, escaped by JSON alone.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use crate::domain::{AccountId, Currency, DeliveryId, Digest, Gain, Money, PostId, Timestamp};
use crate::engage;
use crate::ledger::view::Entry;
use crate::ledger::{Fact, Record, words};

use super::args::{ExportFormat, ExportWhat};
use super::import::{End, Sum, VERSION};
use super::output::csv_cell;

/// Columns of the CSV, in order. All tables share one header, so that `--what all` is one readable file.
const COLUMNS: &[&str] = &[
    "table",
    "at",
    "delivery",
    "post",
    "account",
    "platform",
    "state",
    "reason",
    "slot",
    "attempts",
    "remote_id",
    "url",
    "digest",
    "what",
    "attempt",
    "detail",
    "record",
    "kind",
    "key",
    "amount",
    "currency",
    "note",
    "recorded",
];

/// Writes tables while records come in.
pub struct Exporter<'a> {
    what: ExportWhat,
    format: ExportFormat,
    out: &'a mut dyn Write,
    deliveries: BTreeMap<DeliveryId, Kept>,
    sum: Sum,
    records: u64,
    people: u64,
}

/// Whose store it was, and when.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    pub at: Timestamp,
    /// Whether a daemon held it, and may have gone on.
    pub daemon: bool,
}

#[derive(Serialize)]
struct EndRow {
    table: &'static str,
    #[serde(flatten)]
    end: End,
}

/// What is kept of a delivery until the end.
#[derive(Default)]
struct Kept {
    entry: Entry,
    platform: Option<String>,
    at: Timestamp,
}

#[derive(Serialize)]
struct DeliveryRow<'a> {
    table: &'static str,
    /// When its last record was made.
    at: Timestamp,
    delivery: &'a DeliveryId,
    post: &'a PostId,
    account: &'a AccountId,
    platform: Option<&'a str>,
    state: &'static str,
    reason: Option<String>,
    slot: Option<Timestamp>,
    attempts: u32,
    remote_id: Option<&'a str>,
    url: Option<&'a str>,
    digest: Option<Digest>,
}

#[derive(Serialize)]
struct AttemptRow<'a> {
    table: &'static str,
    /// When it was recorded.
    at: Timestamp,
    delivery: Option<&'a DeliveryId>,
    post: Option<&'a PostId>,
    account: Option<&'a AccountId>,
    what: &'static str,
    attempt: Option<u32>,
    detail: Option<String>,
    /// The record as the ledger keeps it, without what is secret.
    record: &'a Record,
}

#[derive(Serialize)]
struct OutcomeRow<'a> {
    table: &'static str,
    /// When it happened.
    at: Timestamp,
    post: Option<&'a PostId>,
    account: Option<&'a AccountId>,
    kind: &'static str,
    key: &'a str,
    amount: Option<f64>,
    currency: Option<Currency>,
    note: &'a str,
    recorded: Timestamp,
}

/// One record about people.
#[derive(Serialize)]
struct PeopleRow<'a> {
    table: &'static str,
    at: Timestamp,
    delivery: Option<&'a DeliveryId>,
    post: Option<&'a PostId>,
    account: Option<&'a AccountId>,
    what: &'static str,
    record: &'a engage::Record,
}

impl<'a> OutcomeRow<'a> {
    fn new(gain: &'a Gain, recorded: Timestamp) -> Self {
        Self {
            table: "outcomes",
            at: gain.at,
            post: gain.post.as_ref(),
            account: gain.account.as_ref(),
            kind: gain.kind.name(),
            key: &gain.key,
            amount: gain.money.map(Money::amount),
            currency: gain.money.map(|money| money.currency),
            note: &gain.note,
            recorded,
        }
    }
}

impl<'a> Exporter<'a> {
    /// Begins: a CSV has its header even when nothing follows.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn new(what: ExportWhat, format: ExportFormat, out: &'a mut dyn Write) -> io::Result<Self> {
        if format == ExportFormat::Csv {
            out.write_all(COLUMNS.join(",").as_bytes())?;
            out.write_all(b"\r\n")?;
        }
        Ok(Self { what, format, out, deliveries: BTreeMap::new(), sum: Sum::default(), records: 0, people: 0 })
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn record(&mut self, record: &Record) -> io::Result<()> {
        let delivery = record.fact.delivery();
        if let (Some(delivery), ExportWhat::Deliveries | ExportWhat::All) = (delivery, self.what) {
            if !self.deliveries.contains_key(delivery) {
                self.deliveries.insert(delivery.clone(), Kept::default());
            }
            if let Some(kept) = self.deliveries.get_mut(delivery) {
                kept.entry.apply(record);
                kept.at = record.at;
                if let Fact::Intent(intent) = &record.fact {
                    kept.platform = Some(intent.platform.clone());
                }
            }
        }
        if let (Fact::Gained(gain), ExportWhat::Outcomes | ExportWhat::All) = (&record.fact, self.what) {
            self.row(&OutcomeRow::new(gain, record.at))?;
        }
        if let ExportWhat::Attempts | ExportWhat::All = self.what {
            let account = delivery.map(|delivery| &delivery.account).or(record.fact.account());
            let shown = record.shown();
            let row = AttemptRow {
                table: "attempts",
                at: record.at,
                delivery,
                post: delivery.map(|delivery| &delivery.post),
                account,
                what: record.fact.name(),
                attempt: record.fact.attempt(),
                detail: record.fact.detail(),
                record: &shown,
            };
            self.row(&row)?;
            self.records += 1;
        }
        Ok(())
    }

    /// Takes the next record about people.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn people(&mut self, record: &engage::Record) -> io::Result<()> {
        let (table, asked) = match &record.fact {
            engage::Fact::Sampled(_) => ("engagement", ExportWhat::Engagement),
            _ => ("people", ExportWhat::People),
        };
        if self.what != asked && self.what != ExportWhat::All {
            return Ok(());
        }
        let delivery = record.fact.delivery();
        let row = PeopleRow {
            table,
            at: record.at,
            delivery,
            post: delivery.map(|delivery| &delivery.post),
            account: record.fact.account(),
            what: record.fact.name(),
            record,
        };
        self.people += 1;
        self.row(&row)
    }

    /// Writes what could be known only now; of everything, as JSON, a last row that `cadenced import` asks for.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn finish(mut self, held: Held) -> io::Result<()> {
        for (delivery, kept) in &std::mem::take(&mut self.deliveries) {
            let entry = &kept.entry;
            let remote = entry.remote();
            let row = DeliveryRow {
                table: "deliveries",
                at: kept.at,
                delivery,
                post: &delivery.post,
                account: &delivery.account,
                platform: kept.platform.as_deref(),
                state: entry.state.name(),
                reason: words::reason(&entry.state).or_else(|| entry.trouble()),
                slot: entry.sent.as_ref().and_then(|sent| sent.slot),
                attempts: entry.attempts,
                remote_id: remote.map(|remote| remote.id.as_str()),
                url: remote.and_then(|remote| remote.url.as_deref()),
                digest: entry.digest,
            };
            self.row(&row)?;
        }
        if (self.what, self.format) == (ExportWhat::All, ExportFormat::Jsonl) {
            let Held { at, daemon } = held;
            let (records, people, digest) = (self.records, self.people, self.sum.digest());
            self.row(&EndRow { table: "end", end: End { version: VERSION, at, daemon, records, people, digest } })?;
        }
        self.out.flush()
    }

    fn row<T: Serialize>(&mut self, row: &T) -> io::Result<()> {
        let line = match self.format {
            ExportFormat::Jsonl => {
                let mut line = serde_json::to_vec(row)?;
                line.push(b'\n');
                line
            }
            ExportFormat::Csv => {
                let row = serde_json::to_value(row)?;
                let cells: Vec<_> = COLUMNS.iter().map(|&column| cell(&row[column])).collect();
                (cells.join(",") + "\r\n").into_bytes()
            }
        };
        self.sum.add(&line);
        self.out.write_all(&line)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => csv_cell(text),
        other => csv_cell(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use serde_json::json;

    use super::*;
    use crate::domain::{JsonText, Remote};
    use crate::ledger::Outcome;
    use crate::ledger::record::Intent;

    fn records() -> Vec<Record> {
        let delivery: DeliveryId = "desk@fedi".parse().unwrap();
        let digest = Digest::of(b"desk");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let intent = Intent {
            delivery: delivery.clone(),
            platform: "mastodon".into(),
            host: None,
            attempt: 1,
            tries: 0,
            digest,
            key: "00".repeat(16),
            slot: Some(at("2026-12-01T08:00:00Z")),
            fixed: false,
            fingerprint: 7,
            promotion: false,
            counts: true,
            body: String::new(),
            link: None,
            by: None,
            frozen: Value::Null,
            started: at("2026-12-01T08:00:00Z"),
        };
        let remote = Remote {
            id: "=HYPERLINK(\"https://evil.example\")".into(),
            url: Some("https://mastodon.example/@me/115".into()),
            reference: JsonText::default(),
        };
        let outcome = Outcome::Delivered { remote, reconciled: false };
        let gain = json!({"key": "order-1", "at": "2026-12-01T10:00:00Z", "kind": "revenue", "post": "desk",
            "money": {"micros": -20_500_000, "currency": "EUR"}, "note": "=given back"});
        let gain: Gain = serde_json::from_value(gain).unwrap();
        vec![
            Record::new(at("2026-11-25T10:00:00Z"), Fact::Opened { program: "cadenced 0.1.0".into() }),
            Record::new(
                at("2026-11-25T10:00:01Z"),
                Fact::Planned { delivery: delivery.clone(), digest, held: None, detail: None },
            ),
            Record::new(at("2026-12-01T08:00:00Z"), Fact::Intent(Box::new(intent))),
            Record::new(at("2026-12-01T08:00:01Z"), Fact::Outcome { delivery, attempt: 1, outcome }),
            Record::new(at("2026-12-02T09:00:00Z"), Fact::Gained(Box::new(gain))),
        ]
    }

    fn exported(what: ExportWhat, format: ExportFormat) -> String {
        let mut out = Vec::new();
        let mut exporter = Exporter::new(what, format, &mut out).unwrap();
        for record in records() {
            exporter.record(&record).unwrap();
        }
        exporter.finish(Held { at: "2026-12-03T00:00:00Z".parse().unwrap(), daemon: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn deliveries_are_as_they_stand_now() {
        assert_snapshot!(exported(ExportWhat::Deliveries, ExportFormat::Jsonl), @r#"{"table":"deliveries","at":"2026-12-01T08:00:01Z","delivery":"desk@fedi","post":"desk","account":"fedi","platform":"mastodon","state":"delivered","reason":null,"slot":"2026-12-01T08:00:00Z","attempts":1,"remote_id":"=HYPERLINK(\"https://evil.example\")","url":"https://mastodon.example/@me/115","digest":"sha256:49be417ad74080a0031b636b44cfc26fdd0065492d6cd3b033960c4414955cf7"}"#);
        assert_snapshot!(exported(ExportWhat::Deliveries, ExportFormat::Csv).replace("\r\n", "\n"), @r#"
        table,at,delivery,post,account,platform,state,reason,slot,attempts,remote_id,url,digest,what,attempt,detail,record,kind,key,amount,currency,note,recorded
        deliveries,2026-12-01T08:00:01Z,desk@fedi,desk,fedi,mastodon,delivered,,2026-12-01T08:00:00Z,1,"'=HYPERLINK(""https://evil.example"")",https://mastodon.example/@me/115,sha256:49be417ad74080a0031b636b44cfc26fdd0065492d6cd3b033960c4414955cf7,,,,,,,,,,
        "#);
    }

    #[test]
    fn outcomes_are_rows_of_their_own() {
        assert_snapshot!(exported(ExportWhat::Outcomes, ExportFormat::Jsonl), @r#"{"table":"outcomes","at":"2026-12-01T10:00:00Z","post":"desk","account":null,"kind":"revenue","key":"order-1","amount":-20.5,"currency":"EUR","note":"=given back","recorded":"2026-12-02T09:00:00Z"}"#);
        let text = exported(ExportWhat::Outcomes, ExportFormat::Csv);
        assert_eq!(
            text.lines().last().unwrap(),
            "outcomes,2026-12-01T10:00:00Z,,desk,,,,,,,,,,,,,,revenue,order-1,-20.5,EUR,\"'=given back\",2026-12-02T09:00:00Z"
        );
        let all = exported(ExportWhat::All, ExportFormat::Jsonl);
        assert_eq!(all.lines().filter(|line| line.starts_with(r#"{"table":"outcomes""#)).count(), 1);
    }

    #[test]
    fn records_can_be_read_back_from_the_export() {
        let text = exported(ExportWhat::All, ExportFormat::Jsonl);
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let attempts = rows.iter().filter(|row| row["table"] == "attempts");
        let read: Vec<Record> = attempts.map(|row| serde_json::from_value(row["record"].clone()).unwrap()).collect();
        assert_eq!(read, records());
        assert_eq!(rows.iter().filter(|row| row["table"] == "deliveries").count(), 1);
    }

    #[test]
    fn every_row_of_a_csv_has_every_column() {
        let text = exported(ExportWhat::All, ExportFormat::Csv);
        let rows = parse_csv(&text);
        assert_eq!(rows.len(), 1 + 5 + 1 + 1);
        assert!(rows.iter().all(|row| row.len() == COLUMNS.len()), "{rows:?}");
        assert_eq!(rows[0], COLUMNS);
    }

    #[test]
    fn every_field_of_a_row_has_a_column() {
        let text = exported(ExportWhat::All, ExportFormat::Jsonl);
        for line in text.lines() {
            let row: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
            // The last one is of JSON only.
            assert!(row["table"] == "end" || row.keys().all(|key| COLUMNS.contains(&key.as_str())), "{line}");
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r=1", "\n@x", "＝1"] {
            let cell = cell(&json!(text));
            assert!(cell.trim_start_matches('"').starts_with('\''), "{text:?} became {cell:?}");
        }
        assert_eq!(cell(&json!(-1)), "-1", "a number of ours is a number");
        assert_eq!(cell(&json!("a \"b\", c")), "\"a \"\"b\"\", c\"");
        assert_eq!(cell(&json!("plain")), "plain");
    }

    /// A small reader of RFC 4180, to check the writer.
    fn parse_csv(text: &str) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new()]];
        let mut quoted = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let row = rows.last_mut().unwrap();
            match c {
                '"' if quoted && chars.peek() == Some(&'"') => row.last_mut().unwrap().push(chars.next().unwrap()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(String::new()),
                '\r' if !quoted => {}
                '\n' if !quoted => rows.push(vec![String::new()]),
                other => row.last_mut().unwrap().push(other),
            }
        }
        rows.pop();
        rows
    }
}

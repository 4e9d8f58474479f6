//! `cadenced outcome`: outcomes in, and what became of them in words. Who records them comes in as a [`Recorder`].
//!
//! A file is read row by row, and outcomes leave in batches that fit into a question to the daemon: a file of any size
//! takes the memory of one batch, and of 20 bytes for each row without a key.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use crate::control::protocol::Taken;
use crate::control::requests::BODY_BYTES;
use crate::domain::fault::Severity;
use crate::domain::{Fault, Gain, Place, Timestamp};
use crate::engage::outcomes::{Draft, Field, Names, Row, Rules, Table, Wrong};
use crate::telemetry::escape::escape;

use super::args::{DecimalMark, OutcomeAddArgs, OutcomeImportArgs};
use super::exit::{Exit, Failure, Kind};

/// How much of a question its outcomes may take.
const BATCH_BYTES: usize = BODY_BYTES - 1024;
/// Rows that are wrong are said at the latest when there are so many.
const SAID_AT_ONCE: usize = 1_000;

/// Keeps outcomes.
pub trait Recorder {
    /// Records what is new, and says what became of each, in their order.
    ///
    /// # Errors
    /// Nothing of the batch is recorded.
    fn record(&mut self, gains: Vec<Gain>) -> Result<Vec<Taken>, Failure>;
}

/// Says how far a long file is. It is told often, and shows what has changed.
pub trait Progress {
    fn at(&mut self, bytes: u64);
    /// Makes room for a line of the output.
    fn clear(&mut self);
}

/// Where the command cannot be given a time zone, a kind or a currency, these hold.
pub fn rules(args: &OutcomeImportArgs, zone: &jiff::tz::TimeZone, now: Timestamp) -> Rules {
    Rules {
        kind: args.kind.map(super::args::OutcomeKind::kind),
        currency: args.currency,
        zone: args.timezone.clone().unwrap_or_else(|| zone.clone()),
        decimal: args.decimal.map(|mark| match mark {
            DecimalMark::Point => crate::engage::outcomes::Decimal::Point,
            DecimalMark::Comma => crate::engage::outcomes::Decimal::Comma,
        }),
        foreign_pages: args.unknown_posts,
        now,
    }
}

/// The one outcome of `outcome add`. `made` is its key where none is given.
///
/// # Errors
/// Everything that is wrong with it.
pub fn one(args: &OutcomeAddArgs, made: String, zone: &jiff::tz::TimeZone, now: Timestamp) -> Result<Gain, Failure> {
    let rules = Rules {
        kind: Some(args.kind.kind()),
        currency: args.currency,
        zone: zone.clone(),
        decimal: None,
        foreign_pages: false,
        now,
    };
    let moment = now.to_string();
    let mut draft = Draft::default();
    draft.set(Field::Key, args.key.as_deref().unwrap_or(&made));
    draft.set(Field::At, args.at.as_deref().unwrap_or(&moment));
    draft.set(Field::Amount, args.amount.as_deref().unwrap_or_default());
    draft.set(Field::Note, args.note.as_deref().unwrap_or_default());
    let read = draft.read(&rules).and_then(|gain| {
        let Gain { key, .. } = &gain;
        if key.is_empty() { Err(vec![Wrong::new("its key is empty")]) } else { Ok(gain) }
    });
    let gain = read.map_err(|wrongs| {
        let all: Vec<String> = wrongs.iter().map(|wrong| wrong.reason.clone()).collect();
        let failure = Failure::new(Kind::NotDone, all.join("; "));
        match wrongs.into_iter().find_map(|wrong| wrong.hint) {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })?;
    Ok(Gain { post: args.post.clone(), account: args.account.clone(), ..gain })
}

/// Records one outcome and says so.
///
/// # Errors
/// It is not recorded.
pub fn add(gain: Gain, recorder: &mut dyn Recorder, out: &mut dyn Write) -> Result<io::Result<Exit>, Failure> {
    let taken = recorder.record(vec![gain.clone()])?;
    let told = match taken.first() {
        Some(Taken::New) => "is on record",
        Some(Taken::Known) => "was on record already",
        Some(other) => {
            let Wrong { reason, hint } = refused(&gain, other, "--unknown-post");
            let failure = Failure::new(Kind::NotDone, reason);
            return Err(match hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            });
        }
        None => return Err(Failure::new(Kind::Internal, "nothing was said of the outcome")),
    };
    let money = gain.money.map(|money| format!(", {money}")).unwrap_or_default();
    let post = gain.post.as_ref().map(|post| format!(", of {post}")).unwrap_or_default();
    Ok(writeln!(out, "{} {}{money}{post}: {told}", gain.kind.name(), escape(&gain.key)).map(|()| Exit::Done))
}

/// A file on its way in.
pub struct Import<'i> {
    /// As the person named it.
    pub name: &'i str,
    pub rules: Rules,
    pub recorder: &'i mut dyn Recorder,
    pub progress: &'i mut dyn Progress,
    pub out: &'i mut dyn Write,
}

/// What became of the rows of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    new: u64,
    known: u64,
    bad: u64,
}

/// What is read of a file and not recorded yet.
#[derive(Default)]
struct Batch {
    gains: Vec<Gain>,
    lines: Vec<u64>,
    bytes: usize,
    faults: Vec<Fault>,
}

impl Import<'_> {
    /// Reads all of it. What is wrong is written as it is found, and at the end how many outcomes are new.
    ///
    /// # Errors
    /// The file is no table, or what is in it could not be recorded; what was recorded before that stays.
    pub fn run(mut self, source: impl Read, said: &[(Field, String)]) -> Result<io::Result<Exit>, Failure> {
        let passed = Rc::new(Cell::new(0));
        let counted = Counted { inner: source, passed: passed.clone() };
        let mut table = Table::open(counted, said).map_err(|error| {
            let failure = Failure::new(Kind::NotDone, format!("{}: {}", self.place(error.line), error.wrong.reason));
            match error.wrong.hint {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })?;
        self.needs(&table)?;
        let (mut batch, mut tally, mut names) = (Batch::default(), Tally::default(), Names::default());
        let mut broken = false;
        while let Some(row) = table.next_row() {
            self.progress.at(passed.get());
            match row {
                Ok(row) => match self.read(&row, &mut names) {
                    Ok(gain) => {
                        let bytes = serde_json::to_vec(&gain).map_or(0, |text| text.len() + 1);
                        if batch.bytes + bytes > BATCH_BYTES
                            && let Err(error) = self.hand_in(&mut batch, &mut tally)?
                        {
                            return Ok(Err(error));
                        }
                        batch.bytes += bytes;
                        batch.gains.push(gain);
                        batch.lines.push(row.line);
                    }
                    Err(wrongs) => {
                        tally.bad += 1;
                        batch.faults.extend(wrongs.into_iter().map(|wrong| self.fault(row.line, wrong)));
                    }
                },
                Err(error) => {
                    batch.faults.push(self.fault(error.line, error.wrong));
                    broken = true;
                    break;
                }
            }
            if batch.faults.len() >= SAID_AT_ONCE
                && let Err(error) = self.hand_in(&mut batch, &mut tally)?
            {
                return Ok(Err(error));
            }
        }
        if let Err(error) = self.hand_in(&mut batch, &mut tally)? {
            return Ok(Err(error));
        }
        self.progress.clear();
        let Tally { new, known, bad } = tally;
        let rest = if broken { "; the rest of the file was not read" } else { "" };
        let written = writeln!(self.out, "{new} new, {known} known already, {bad} not recorded{rest}");
        Ok(written.map(|()| if bad > 0 || broken { Exit::Findings } else { Exit::Done }))
    }

    /// What no row could do without.
    fn needs<R: Read>(&self, table: &Table<R>) -> Result<(), Failure> {
        let lacks = |what: &str, hint: &str| {
            Err(Failure::new(Kind::NotDone, format!("{}: no column says {what}", self.name)).with_hint(hint))
        };
        if !table.columns().has(Field::At) {
            return lacks("when it was", "name it: --map at=COLUMN");
        }
        if !table.columns().has(Field::Kind) && self.rules.kind.is_none() {
            return lacks(
                "what kind of outcome it is",
                "say it: --kind lead, customer or revenue; or --map kind=COLUMN",
            );
        }
        Ok(())
    }

    fn read(&self, row: &Row<'_>, names: &mut Names) -> Result<Gain, Vec<Wrong>> {
        let draft = row.draft.as_ref().map_err(|wrong| vec![wrong.clone()])?;
        let mut gain = draft.read(&self.rules)?;
        if gain.key.is_empty() {
            names.name(&mut gain);
        }
        Ok(gain)
    }

    fn hand_in(&mut self, batch: &mut Batch, tally: &mut Tally) -> Result<io::Result<()>, Failure> {
        let Batch { gains, lines, bytes: _, mut faults } = std::mem::take(batch);
        if !gains.is_empty() {
            let taken = match self.recorder.record(gains.clone()) {
                Ok(taken) => taken,
                Err(failure) => {
                    // What was found wrong before is worth knowing all the same.
                    self.progress.clear();
                    let _ = faults.iter().try_for_each(|fault| writeln!(self.out, "{fault}"));
                    return Err(failure);
                }
            };
            if taken.len() != gains.len() {
                return Err(Failure::new(Kind::Internal, "it was not said of every outcome what became of it"));
            }
            for ((gain, taken), line) in gains.iter().zip(&taken).zip(lines) {
                match taken {
                    Taken::New => tally.new += 1,
                    Taken::Known => tally.known += 1,
                    other => {
                        tally.bad += 1;
                        faults.push(self.fault(line, refused(gain, other, "--unknown-posts")));
                    }
                }
            }
        }
        faults.sort();
        if !faults.is_empty() {
            self.progress.clear();
        }
        Ok(faults.iter().try_for_each(|fault| writeln!(self.out, "{fault}")))
    }

    fn fault(&self, line: u64, wrong: Wrong) -> Fault {
        Fault { place: self.place(line), severity: Severity::Error, reason: wrong.reason, hint: wrong.hint }
    }

    fn place(&self, line: u64) -> Place {
        Place { line: u32::try_from(line).unwrap_or(u32::MAX), ..Place::file(self.name) }
    }
}

fn refused(gain: &Gain, taken: &Taken, keep: &str) -> Wrong {
    match taken {
        Taken::UnknownPost { nearest } => {
            let name = gain.post.as_ref().map(ToString::to_string).unwrap_or_default();
            let wrong = Wrong::new(format!("the post {name} is neither in the queue nor on record"));
            wrong.with_hint(match nearest {
                Some(near) => format!("did you mean {near}? {keep} records it all the same"),
                None => format!("{keep} records it all the same"),
            })
        }
        Taken::UnknownAccount { nearest } => {
            let name = gain.account.as_ref().map(ToString::to_string).unwrap_or_default();
            let wrong = Wrong::new(format!("there is no account {name}"));
            match nearest {
                Some(near) => wrong.with_hint(format!("did you mean {near}?")),
                None => wrong,
            }
        }
        Taken::New | Taken::Known => Wrong::new("it is on record"),
    }
}

/// A source that says how much of it has been read.
struct Counted<R> {
    inner: R,
    passed: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed.set(self.passed.get() + count as u64);
        Ok(count)
    }
}

/// A line on a terminal that says how far it is.
pub struct Bar<W> {
    out: W,
    total: u64,
    shown: Option<u64>,
}

impl<W: Write> Bar<W> {
    pub fn new(out: W, total: u64) -> Self {
        Self { out, total: total.max(1), shown: None }
    }
}

impl<W: Write> Progress for Bar<W> {
    fn at(&mut self, bytes: u64) {
        let percent = bytes.min(self.total).saturating_mul(100) / self.total;
        if self.shown != Some(percent) {
            self.shown = Some(percent);
            let filled = "#".repeat(usize::try_from(percent / 4).unwrap_or(25));
            // Nothing is lost with it.
            let _ = write!(self.out, "\r[{filled:<25}] {percent:>3} %").and_then(|()| self.out.flush());
        }
    }

    fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(self.out, "\r\u{1b}[K").and_then(|()| self.out.flush());
        }
    }
}

/// Where nobody looks.
pub struct Unseen;

impl Progress for Unseen {
    fn at(&mut self, _: u64) {}
    fn clear(&mut self) {}
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;

    use super::*;
    use crate::control::protocol::Question;
    use crate::control::requests::ask;

    /// Remembers keys, and knows one post.
    #[derive(Default)]
    struct Book {
        keys: BTreeSet<String>,
        batches: Vec<usize>,
    }

    impl Recorder for Book {
        fn record(&mut self, gains: Vec<Gain>) -> Result<Vec<Taken>, Failure> {
            let question = Question::Gain { gains, unknown_posts: false };
            self.batches.push(ask(&question).unwrap().body.unwrap().len());
            let Question::Gain { gains, .. } = question else { unreachable!() };
            let judge = |gain: &Gain| match gain.post.as_ref().map(|post| post.as_str()) {
                Some("desk") | None if self.keys.insert(gain.key.clone()) => Taken::New,
                Some("desk") | None => Taken::Known,
                Some(_) => Taken::UnknownPost { nearest: "desk".parse().ok() },
            };
            Ok(gains.iter().map(judge).collect())
        }
    }

    fn now() -> Timestamp {
        "2026-12-01T08:00:00Z".parse().unwrap()
    }

    fn import(book: &mut Book, text: &str) -> (String, Option<Exit>) {
        let args = OutcomeImportArgs {
            file: "orders.csv".into(),
            map: Vec::new(),
            kind: None,
            currency: None,
            timezone: None,
            decimal: None,
            unknown_posts: false,
        };
        let mut out = Vec::new();
        let import = Import {
            name: "orders.csv",
            rules: rules(&args, &jiff::tz::TimeZone::UTC, now()),
            recorder: book,
            progress: &mut Unseen,
            out: &mut out,
        };
        let exit = match import.run(text.as_bytes(), &args.map) {
            Ok(exit) => Some(exit.unwrap()),
            Err(failure) => {
                let (what, hint) = failure.told();
                out.extend(format!("{what} ({hint})\n").into_bytes());
                None
            }
        };
        (String::from_utf8(out).unwrap(), exit)
    }

    #[test]
    fn a_file_is_recorded_but_for_what_is_wrong_in_it() {
        let mut book = Book::default();
        let text = "id;date;type;amount;currency;utm_content\n\
            1;2026-11-30;lead;;;desk\n\
            2;2026-11-30;revenue;1.234;EUR;desk\n\
            3;2026-11-30;revenue;99,90;EUR;\n\
            4;11/10/2026;customer;;;desk\n\
            5;2026-11-30;lead;;;dest\n\
            1;2026-11-30;lead;;;desk\n";
        let (said, exit) = import(&mut book, text);
        assert_snapshot!(said, @r#"
        orders.csv:3: "1.234" may be written with thousands or with decimals (write it with two decimals, like 1234.00, or say what separates decimals)
        orders.csv:5: "11/10/2026" may begin with the day or with the month (write the year first, like 2026-11-27)
        orders.csv:6: the post dest is neither in the queue nor on record (did you mean desk? --unknown-posts records it all the same)
        2 new, 1 known already, 3 not recorded
        "#);
        assert_eq!(exit, Some(Exit::Findings));
        let good = "id,at,kind\n1,2026-11-30,lead\n9,2026-11-30,customer\n";
        assert_eq!(import(&mut book, good), ("1 new, 1 known already, 0 not recorded\n".into(), Some(Exit::Done)));
        assert_eq!(import(&mut book, good), ("0 new, 2 known already, 0 not recorded\n".into(), Some(Exit::Done)));
    }

    #[test]
    fn rows_without_keys_are_known_again_too() {
        let mut book = Book::default();
        let text = "at,kind\n2026-11-30,lead\n2026-11-30,lead\n2026-11-29,lead\n";
        assert_eq!(import(&mut book, text).0, "3 new, 0 known already, 0 not recorded\n");
        assert_eq!(import(&mut book, text).0, "0 new, 3 known already, 0 not recorded\n");
    }

    #[test]
    fn what_every_row_needs_is_asked_for_at_once() {
        let mut book = Book::default();
        assert_snapshot!(import(&mut book, "id,kind\n1,lead\n").0, @"orders.csv: no column says when it was (name it: --map at=COLUMN)");
        assert_snapshot!(import(&mut book, "id,at\n1,2026-11-30\n").0, @"orders.csv: no column says what kind of outcome it is (say it: --kind lead, customer or revenue; or --map kind=COLUMN)");
        assert!(book.batches.is_empty());
    }

    #[test]
    fn every_batch_fits_into_a_question() {
        let mut book = Book::default();
        let note = "\u{1f4a1}\u{7f}".repeat(200);
        let mut text = String::from("id,at,kind,note\n");
        (0..2_000).for_each(|id| text.push_str(&format!("{id},2026-11-30,lead,{note}\n")));
        let (said, _) = import(&mut book, &text);
        assert_eq!(said, "2000 new, 0 known already, 0 not recorded\n");
        assert!(book.batches.iter().all(|bytes| *bytes <= BODY_BYTES), "{:?}", book.batches);
        assert!(book.batches.len() > 10, "{}", book.batches.len());
    }

    #[test]
    fn a_bar_is_drawn_when_it_changes_and_makes_room() {
        let mut drawn = Vec::new();
        let mut bar = Bar::new(&mut drawn, 1_000);
        for bytes in [0, 5, 500, 501, 1_000] {
            bar.at(bytes);
        }
        bar.clear();
        bar.clear();
        let drawn = String::from_utf8(drawn).unwrap();
        let shown: Vec<&str> = drawn.split('\r').filter(|line| !line.is_empty()).collect();
        let (none, half) = (format!("[{:<25}]   0 %", ""), format!("[{:<25}]  50 %", "#".repeat(12)));
        assert_eq!(shown, [none, half, format!("[{}] 100 %", "#".repeat(25)), "\u{1b}[K".into()]);
    }
}

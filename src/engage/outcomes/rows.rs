//! Rows of a file whose cells are separated by commas, semicolons or tabs.
//!
//! What separates them is seen in the first line. A quote that is not closed would make one row of the rest of the file, so
//! a row has a limit. What a column means is not known here.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use super::draft::Wrong;

/// Longest row, in bytes.
pub const ROW_BYTES: u64 = 1024 * 1024;
/// How much of a file is looked at for its separator; the names of its columns stand within.
const HEAD_BYTES: u64 = 64 * 1024;

/// Why a file cannot be read, or not further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// 0 when the whole file is meant.
    pub line: u64,
    pub wrong: Wrong,
}

/// A name of a column without what people write it differently with.
pub fn plain(name: &str) -> String {
    let words: Vec<String> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join("_")
}

/// A file that is read row by row.
pub struct Rows<R> {
    rows: csv::Reader<Limited<R>>,
    budget: Rc<Cell<u64>>,
    ended: Rc<Cell<bool>>,
    names: Vec<String>,
    row: csv::ByteRecord,
}

/// Everything, with an end to the last line, and an error in place of what goes beyond the budget.
struct Limited<R> {
    inner: io::Chain<Cursor<Vec<u8>>, R>,
    budget: Rc<Cell<u64>>,
    /// Nothing follows.
    ended: Rc<Cell<bool>>,
    last: u8,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 {
            return Err(io::Error::other(format!(
                "a row of more than {ROW_BYTES} bytes: a quotation mark that is not closed?"
            )));
        }
        let mut count = self.inner.read(buffer)?;
        self.ended.set(self.ended.get() || (count == 0 && !buffer.is_empty()));
        if count == 0 && self.last != b'\n' && !buffer.is_empty() {
            buffer[0] = b'\n';
            count = 1;
        }
        self.last = buffer[..count].last().copied().unwrap_or(self.last);
        self.budget.set(left.saturating_sub(count as u64));
        Ok(count)
    }
}

impl<R: Read> Rows<R> {
    /// Begins with the first row, which holds the names of the columns where it is one of names.
    ///
    /// # Errors
    /// It is no table.
    pub fn open(mut source: R) -> Result<Self, TableError> {
        let whole = |wrong| TableError { line: 0, wrong };
        let mut head = Vec::new();
        let read = source.by_ref().take(HEAD_BYTES).read_to_end(&mut head);
        read.map_err(|error| whole(Wrong::new(format!("failed to read it: {error}"))))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) || head.contains(&0) {
            let wrong = Wrong::new("it is no text in UTF-8").with_hint("save it as CSV in UTF-8");
            return Err(whole(wrong));
        }
        if head.starts_with(b"\xef\xbb\xbf") {
            head.drain(..3);
        }
        let separator = separator(&head);
        let (budget, ended) = (Rc::new(Cell::new(ROW_BYTES)), Rc::new(Cell::new(false)));
        let inner = Cursor::new(head).chain(source);
        let limited = Limited { inner, budget: budget.clone(), ended: ended.clone(), last: b'\n' };
        // A carriage return is blank like all else around a cell; with it as an end of lines of its own they are
        // counted one short.
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(separator)
            .terminator(csv::Terminator::Any(b'\n'))
            .flexible(true)
            .has_headers(true)
            .from_reader(limited);
        let names = rows.byte_headers().map_err(|error| failed(&error))?.clone();
        if names.iter().all(|name| name.trim_ascii().is_empty()) {
            return Err(whole(Wrong::new("it is empty").with_hint("the first row holds the names of the columns")));
        }
        if names.iter().any(|name| !name.contains(&b'\n') && name.trim_ascii().contains(&b'\r')) {
            let wrong = Wrong::new("its lines end in carriage returns").with_hint("save it with line feeds");
            return Err(TableError { line: 1, wrong });
        }
        let text = |name| std::str::from_utf8(name).map_err(|_| TableError { line: 1, wrong: not_utf8() });
        let names: Result<Vec<String>, TableError> =
            names.iter().map(text).map(|name| Ok(name?.trim().to_owned())).collect();
        Ok(Self { rows, budget, ended, names: names?, row: csv::ByteRecord::new() })
    }

    /// The cells of the first row.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Goes on to the next row that says anything, and says in which line it begins; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read further.
    pub fn next_row(&mut self) -> Option<Result<u64, TableError>> {
        loop {
            self.budget.set(ROW_BYTES);
            match self.rows.read_byte_record(&mut self.row) {
                Ok(false) => return None,
                Ok(true) if self.row.iter().all(|cell| cell.trim_ascii().is_empty()) => {}
                Ok(true) => break,
                Err(error) => {
                    let TableError { line, wrong } = failed(&error);
                    // Where reading has failed, the row was begun behind the last one.
                    let line = if line == 0 { self.rows.position().line() } else { line };
                    return Some(Err(TableError { line, wrong }));
                }
            }
        }
        // Where reading began there may have been blank lines.
        let within = self.row.iter().flatten().filter(|byte| **byte == b'\n').count() as u64;
        let line = self.rows.position().line().saturating_sub(within + 1);
        // The end of the file ends a cell, whether its quotation mark is closed or not.
        if self.ended.get() && self.row.iter().next_back().is_some_and(|cell| cell.ends_with(b"\n")) {
            let wrong = Wrong::new("its last cell goes on to the end of the file");
            let wrong = wrong.with_hint("a quotation mark that is not closed?");
            return Some(Err(TableError { line: line + 1, wrong }));
        }
        Some(Ok(line))
    }

    /// What stands in a cell of this row; nothing where it has none.
    ///
    /// # Errors
    /// It is no text.
    pub fn cell(&self, place: usize) -> Result<&str, Wrong> {
        std::str::from_utf8(self.row.get(place).unwrap_or_default()).map_err(|_| not_utf8())
    }

    /// How many cells this row has.
    pub fn count(&self) -> usize {
        self.row.len()
    }

    /// Whether this row has the columns of the first one.
    ///
    /// # Errors
    /// It has more or less.
    pub fn is_whole(&self) -> Result<(), Wrong> {
        let width = self.names.len();
        // What stands behind the last column says nothing if it is blank.
        let beyond = self.row.iter().skip(width).any(|cell| !cell.trim_ascii().is_empty());
        if beyond || self.row.len() < width {
            let wrong = Wrong::new(format!("it has {} columns and not {width}", self.row.len()));
            return Err(wrong.with_hint("put text with separators in it between quotation marks"));
        }
        Ok(())
    }
}

fn not_utf8() -> Wrong {
    Wrong::new("it is no text in UTF-8").with_hint("save the file as CSV in UTF-8")
}

fn failed(error: &csv::Error) -> TableError {
    let line = error.position().map_or(0, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    TableError { line, wrong: Wrong::new(why) }
}

/// The character that separates columns: the one that stands most often outside of quotation marks in the first line.
fn separator(head: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && counts.iter().any(|(_, count)| *count > 0) => break,
            byte if !quoted => counts.iter_mut().filter(|(mark, _)| mark == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    // Of equals the first.
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(mark, _)| *mark)
}

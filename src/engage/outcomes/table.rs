//! Rows of a file with columns.
//!
//! What separates the columns is seen in the first line. Nothing else is guessed: a column is known by its name, or the
//! person says which one is meant. A quote that is not closed would make one row of the rest of the file, so a row has a
//! limit.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use super::draft::{Draft, Field, Wrong};
use crate::domain::document::{nearest, quoted};

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

/// Which column says what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns(BTreeMap<Field, usize>);

impl Columns {
    /// Finds the column of each field among the names in the first row. `said` says which column a field has, or, where
    /// the name is empty, that it has none.
    ///
    /// # Errors
    /// A named column is not there, or a name stands twice.
    pub fn find(names: &[&str], said: &[(Field, String)]) -> Result<Self, Wrong> {
        let plain: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let one = |name: &str| {
            let mut places = plain.iter().enumerate().filter(|(_, other)| *other == name).map(|(place, _)| place);
            match (places.next(), places.next()) {
                (Some(_), Some(_)) => Err(Wrong::new(format!("there are two columns {}", quoted(name)))
                    .with_hint("give them different names")),
                (place, _) => Ok(place),
            }
        };
        let mut found = BTreeMap::new();
        for field in Field::ALL {
            let place = match said.iter().rev().find(|(other, _)| *other == field) {
                Some((_, name)) if name.is_empty() => None,
                Some((_, name)) => Some(one(&self::plain(name))?.ok_or_else(|| {
                    let wrong = Wrong::new(format!("there is no column {}", quoted(name)));
                    match nearest(&self::plain(name), plain.iter().map(String::as_str)) {
                        Some(near) => wrong.with_hint(format!("did you mean {}?", quoted(near))),
                        None => wrong.with_hint(format!(
                            "there are {}",
                            names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
                        )),
                    }
                })?),
                None => {
                    let mut place = None;
                    for name in field.columns() {
                        place = place.or(one(name)?);
                    }
                    place
                }
            };
            found.extend(place.map(|place| (field, place)));
        }
        Ok(Self(found))
    }

    /// Whether some column says this.
    pub fn has(&self, field: Field) -> bool {
        self.0.contains_key(&field)
    }
}

/// A name of a column without what people write it differently with.
fn plain(name: &str) -> String {
    let words: Vec<String> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    words.join("_")
}

/// A row, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'r> {
    pub line: u64,
    pub draft: Result<Draft<'r>, Wrong>,
}

/// A file that is read row by row.
pub struct Table<R> {
    rows: csv::Reader<Limited<R>>,
    budget: Rc<Cell<u64>>,
    ended: Rc<Cell<bool>>,
    columns: Columns,
    width: usize,
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

impl<R: Read> Table<R> {
    /// Begins with the names of the columns.
    ///
    /// # Errors
    /// It is no table, or a column that was named is not there.
    pub fn open(mut source: R, said: &[(Field, String)]) -> Result<Self, TableError> {
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
        if names.iter().any(|name| name.trim_ascii().contains(&b'\r')) {
            let wrong = Wrong::new("its lines end in carriage returns").with_hint("save it with line feeds");
            return Err(TableError { line: 1, wrong });
        }
        let text = |name| std::str::from_utf8(name).map_err(|_| not_utf8());
        let names: Result<Vec<&str>, Wrong> = names.iter().map(text).map(|name| Ok(name?.trim())).collect();
        let columns = names.and_then(|names| Ok((Columns::find(&names, said)?, names.len())));
        let (columns, width) = columns.map_err(|wrong| TableError { line: 1, wrong })?;
        Ok(Self { rows, budget, ended, columns, width, row: csv::ByteRecord::new() })
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The next row that says anything; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read further.
    pub fn next_row(&mut self) -> Option<Result<Row<'_>, TableError>> {
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
        Some(Ok(Row { line, draft: self.draft() }))
    }

    fn draft(&self) -> Result<Draft<'_>, Wrong> {
        // What stands behind the last column says nothing if it is blank.
        let beyond = self.row.iter().skip(self.width).any(|cell| !cell.trim_ascii().is_empty());
        if beyond || self.row.len() < self.width {
            let wrong = Wrong::new(format!("it has {} columns and not {}", self.row.len(), self.width));
            return Err(wrong.with_hint("put text with separators in it between quotation marks"));
        }
        let mut draft = Draft::default();
        for (field, place) in &self.columns.0 {
            let cell = self.row.get(*place).unwrap_or_default();
            draft.set(*field, std::str::from_utf8(cell).map_err(|_| not_utf8())?);
        }
        Ok(draft)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row: its line, and the key and the note in it, or what is wrong.
    fn rows(text: impl AsRef<[u8]>, said: &[(Field, String)]) -> Vec<(u64, String)> {
        let mut table = Table::open(text.as_ref(), said).unwrap_or_else(|error| panic!("{error:?}"));
        let mut rows = Vec::new();
        while let Some(row) = table.next_row() {
            let row = row.unwrap_or_else(|error| panic!("{error:?}"));
            let text = row.draft.map_or_else(|wrong| wrong.reason, |draft| format!("{}|{}", draft.key, draft.note));
            rows.push((row.line, text));
        }
        rows
    }

    fn row(line: u64, text: &str) -> (u64, String) {
        (line, text.to_owned())
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_swallows_nothing_silently() {
        let text = "key,note\na,one\nb,\"two\nc,three\nd,four\n";
        let mut table = Table::open(text.as_bytes(), &[]).unwrap_or_else(|error| panic!("{error:?}"));
        assert!(matches!(table.next_row(), Some(Ok(Row { line: 2, draft: Ok(_) }))));
        assert!(matches!(table.next_row(), Some(Err(TableError { line: 3, .. }))));
        // Nor do lines that end as they did on another system.
        assert!(matches!(Table::open("key,note\ra,one\r".as_bytes(), &[]), Err(TableError { line: 1, .. })));
    }

    #[test]
    fn files_of_all_kinds_are_the_same_table() {
        let expected = [row(2, "1|a, b"), row(3, "2|two\nlines"), row(5, "3|")];
        for text in [
            "Order ID,note\n1,\"a, b\"\n2,\"two\nlines\"\n3,\n",
            "\u{feff}Order ID;Note\n1;a, b\n2;\"two\nlines\"\n3;",
            "ORDER-ID\tNote\n1\ta, b\n2\t\"two\nlines\"\n3\t\n",
            "\"order,id\";\"Note\"\n1;a, b\n2;\"two\nlines\"\n3;\n;;\n",
        ] {
            let text =
                if text.starts_with("\"order,") { text.replace("order,id", "order_id") } else { text.to_owned() };
            assert_eq!(rows(&text, &[]), expected, "{text:?}");
            let crlf = text.replace('\n', "\r\n");
            let as_crlf = [row(2, "1|a, b"), row(3, "2|two\r\nlines"), row(5, "3|")];
            assert_eq!(rows(&crlf, &[]), as_crlf, "{crlf:?}");
        }
        assert_eq!(rows("\n\nkey\n\n1\n\n\n2", &[]), [row(5, "1|"), row(8, "2|")], "blank lines are passed over");
        assert_eq!(rows("key,note\n", &[]), []);
    }

    #[test]
    fn rows_that_do_not_fit_are_said_and_the_rest_is_read() {
        let text = b"key,note\n1\n2,x,y\n3,\xff\n4,x,\n5,z\n";
        let none = "it is no text in UTF-8";
        let (few, many) = ("it has 1 columns and not 2", "it has 3 columns and not 2");
        assert_eq!(rows(text, &[]), [row(2, few), row(3, many), row(4, none), row(5, "4|x"), row(6, "5|z")]);
    }

    #[test]
    fn a_column_has_its_own_name_or_one_that_is_said() {
        let said = |pairs: &[(Field, &str)]| -> Vec<(Field, String)> {
            pairs.iter().map(|(field, name)| (*field, (*name).to_owned())).collect()
        };
        assert_eq!(rows("id,order,x\n1,2,3\n", &[]), [row(2, "1|")], "the likeliest first");
        assert_eq!(rows("id,order,x\n1,2,3\n", &said(&[(Field::Key, "Order"), (Field::Note, "x")])), [row(2, "2|3")]);
        assert_eq!(rows("id,note\n1,a\n", &said(&[(Field::Note, "")])), [row(2, "1|")]);
        let refused = |text: &str, pairs| {
            let error = Table::open(text.as_bytes(), &said(pairs)).err().expect("it is refused");
            let hint = error.wrong.hint.unwrap_or_default();
            format!("{}: {} ({hint})", error.line, error.wrong.reason)
        };
        assert_eq!(
            refused("order,date\n", &[(Field::Key, "oder")]),
            "1: there is no column \"oder\" (did you mean \"order\"?)"
        );
        assert_eq!(refused("Id,ID\n1,2\n", &[]), "1: there are two columns \"id\" (give them different names)");
        assert_eq!(refused("", &[]), "0: it is empty (the first row holds the names of the columns)");
        assert!(refused("k\0e\0y\0", &[]).starts_with("0: it is no text in UTF-8"));
    }

    #[test]
    fn a_quote_that_is_not_closed_takes_no_more_than_a_row_may() {
        let read = Rc::new(Cell::new(0u64));
        struct Endless(Rc<Cell<u64>>);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                self.0.set(self.0.get() + buffer.len() as u64);
                Ok(buffer.len())
            }
        }
        let source = "key,note\n1,a\n2,\"never closed\n".as_bytes().chain(Endless(read.clone()));
        let mut table = Table::open(source, &[]).unwrap();
        assert!(table.next_row().unwrap().unwrap().draft.is_ok());
        let error = table.next_row().unwrap().unwrap_err();
        assert!(error.wrong.reason.contains("quotation mark"), "{error:?}");
        assert!(read.get() < 2 * ROW_BYTES, "{} bytes were read", read.get());
    }

    #[test]
    fn long_rows_beside_each_other_are_each_within_the_limit() {
        let long = "x".repeat(700 * 1024);
        let text = format!("key,note\n1,{long}\n2,{long}\n3,{long}\n");
        assert_eq!(rows(text, &[]).len(), 3);
    }
}

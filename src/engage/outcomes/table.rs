//! Rows of a file with columns.
//!
//! Nothing is guessed of what a column says: it is known by its name, or the person says which one is meant.

use std::collections::BTreeMap;
use std::io::Read;

use super::draft::{Draft, Field, Wrong};
use super::rows::{Rows, TableError, plain};
use crate::domain::document::{nearest, quoted};

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

/// A row, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Row<'r> {
    pub line: u64,
    pub draft: Result<Draft<'r>, Wrong>,
}

/// A file that is read row by row.
pub struct Table<R> {
    rows: Rows<R>,
    columns: Columns,
}

impl<R: Read> Table<R> {
    /// Begins with the names of the columns.
    ///
    /// # Errors
    /// It is no table, or a column that was named is not there.
    pub fn open(source: R, said: &[(Field, String)]) -> Result<Self, TableError> {
        let rows = Rows::open(source)?;
        let names: Vec<&str> = rows.names().iter().map(String::as_str).collect();
        let columns = Columns::find(&names, said).map_err(|wrong| TableError { line: 1, wrong })?;
        Ok(Self { rows, columns })
    }

    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The next row that says anything; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read further.
    pub fn next_row(&mut self) -> Option<Result<Row<'_>, TableError>> {
        match self.rows.next_row()? {
            Ok(line) => Some(Ok(Row { line, draft: self.draft() })),
            Err(error) => Some(Err(error)),
        }
    }

    fn draft(&self) -> Result<Draft<'_>, Wrong> {
        self.rows.is_whole()?;
        let mut draft = Draft::default();
        for (field, place) in &self.columns.0 {
            draft.set(*field, self.rows.cell(*place)?);
        }
        Ok(draft)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io;
    use std::rc::Rc;

    use super::super::rows::ROW_BYTES;
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

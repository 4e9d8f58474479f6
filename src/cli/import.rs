//! `cadenced import`: reads what `cadenced export` wrote, to be a ledger again.
//!
//! Only the rows of `attempts`, `engagement` and `people` are read: they carry the records, and all other tables were made
//! from them. The last row says how many there are and what their bytes add up to, so that half a file, or one that was
//! edited, is not taken for a ledger.

use std::io::{self, BufRead};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::{Checkpoint, Digest, Timestamp};
use crate::engage;
use crate::ledger::Fact;
use crate::ledger::Record;

/// Longest row, in bytes: no record is near it.
const ROW_BYTES: u64 = 16 * 1024 * 1024;
/// Of the way in which exports are written.
pub const VERSION: u32 = 1;

/// The last row of an export of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub version: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Whether a daemon held the store then, and may have gone on.
    pub daemon: bool,
    /// Records of the ledger.
    pub records: u64,
    /// Records about people.
    pub people: u64,
    /// SHA-256 over everything before this row.
    pub digest: Digest,
}

/// Adds up the bytes of an export.
#[derive(Debug, Default, Clone)]
pub struct Sum(Sha256);

impl Sum {
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn digest(&self) -> Digest {
        Digest(self.0.clone().finalize().into())
    }
}

/// Something that is to be recorded again.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    Ledger(Record),
    People(engage::Record),
}

/// Why a file is no export that can be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("failed to read it: {0}")]
    Io(#[from] io::Error),
    #[error("line {line}: {why}")]
    Row { line: u64, why: String },
    #[error("it has no last row: it was broken off, or is not what cadenced export --what all wrote")]
    NoEnd,
    #[error("it was written by a later version of cadenced")]
    Newer,
    #[error("it was changed after it was written: {0}")]
    Changed(&'static str),
}

/// Gives every row to `each`, in their order, and the last one back. What is wrong shows only at the end, so nothing that
/// `each` was given is to be believed before.
///
/// # Errors
/// The file is not what an export has written, or `each` cannot go on.
pub fn read(mut from: impl BufRead, each: &mut dyn FnMut(Row) -> io::Result<()>) -> Result<End, ArchiveError> {
    let mut sum = Sum::default();
    let (mut records, mut people, mut line) = (0, 0, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        line += 1;
        let wrong = |why: String| ArchiveError::Row { line, why };
        if io::Read::take(&mut from, ROW_BYTES).read_until(b'\n', &mut bytes)? == 0 {
            return Err(ArchiveError::NoEnd);
        }
        if !bytes.ends_with(b"\n") {
            return Err(if bytes.len() as u64 == ROW_BYTES {
                wrong("it is too long".into())
            } else {
                ArchiveError::NoEnd
            });
        }
        let mut row: Value =
            serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
        let table = row.get("table").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut record = || serde_json::to_vec(&row["record"].take()).unwrap_or_default();
        match table.as_str() {
            "attempts" => {
                records += 1;
                let record = Record::decode(&record()).map_err(|error| wrong(error.to_string()))?;
                each(Row::Ledger(without_secrets(record)))?;
            }
            "engagement" | "people" => {
                people += 1;
                let record = engage::Record::decode(&record()).map_err(|error| wrong(error.to_string()))?;
                each(Row::People(record))?;
            }
            "deliveries" | "outcomes" => {}
            "end" => {
                let version = row.get("version").and_then(Value::as_u64);
                if version.is_some_and(|version| version > VERSION.into()) {
                    return Err(ArchiveError::Newer);
                }
                let end: End = serde_json::from_value(row).map_err(|error| wrong(error.to_string()))?;
                if end.digest != sum.digest() {
                    return Err(ArchiveError::Changed("its bytes do not add up"));
                }
                if (end.records, end.people) != (records, people) {
                    return Err(ArchiveError::Changed("rows are missing"));
                }
                if !from.fill_buf()?.is_empty() {
                    return Err(ArchiveError::Changed("something follows its last row"));
                }
                return Ok(end);
            }
            other => return Err(wrong(format!("there is no table {other:?}"))),
        }
        sum.add(&bytes);
    }
}

/// Without the marks that stand where something secret was: what they stood for is asked for again.
fn without_secrets(mut record: Record) -> Record {
    if let Fact::Checkpoint { data, .. } = &mut record.fact
        && let Some(fields) = data.as_object_mut()
    {
        fields.retain(|_, value| value != Checkpoint::HIDDEN);
    }
    record
}

#[cfg(test)]
mod tests {
    use super::super::args::{ExportFormat, ExportWhat};
    use super::super::export::{Exporter, Held};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn records() -> Vec<Record> {
        let fact = |program: &str| Fact::Opened { program: program.into() };
        vec![Record::new(at("2026-12-01T08:00:00Z"), fact("one")), Record::new(at("2026-12-02T08:00:00Z"), fact("two"))]
    }

    fn exported() -> Vec<u8> {
        let mut out = Vec::new();
        let mut exporter = Exporter::new(ExportWhat::All, ExportFormat::Jsonl, &mut out).unwrap();
        records().iter().for_each(|record| exporter.record(record).unwrap());
        exporter.finish(Held { at: at("2026-12-03T08:00:00Z"), daemon: true }).unwrap();
        out
    }

    fn taken(bytes: &[u8]) -> Result<(Vec<Row>, End), ArchiveError> {
        let mut rows = Vec::new();
        let end = read(bytes, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok((rows, end))
    }

    #[test]
    fn what_was_exported_is_read_back() {
        let (rows, end) = taken(&exported()).unwrap();
        assert_eq!(rows, records().into_iter().map(Row::Ledger).collect::<Vec<_>>());
        assert_eq!((end.records, end.people, end.daemon), (2, 0, true));
    }

    #[test]
    fn half_a_file_or_another_one_is_refused() {
        let whole = exported();
        for cut in 0..whole.len() {
            assert!(taken(&whole[..cut]).is_err(), "{cut}");
        }
        let text = String::from_utf8(whole).unwrap();
        let lines: Vec<_> = text.lines().collect();
        let end = *lines.last().unwrap();
        let changed = text.replace("\"one\"", "\"ten\"");
        let missing = format!("{}\n{end}\n", lines[0]);
        let twice = format!("{text}{}\n", lines[0]);
        for (text, said) in [
            (changed, "do not add up"),
            (missing, "do not add up"),
            (twice, "something follows"),
            (text.replace("\"version\":1", "\"version\":2"), "later version"),
            ("delivery,post\r\n".into(), "line 1: it is no JSON"),
            ("{\"table\":\"cats\"}\n".into(), "line 1: there is no table \"cats\""),
            (String::new(), "no last row"),
        ] {
            let error = taken(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }
}

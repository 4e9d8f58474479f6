//! Where complaints go that no event carries: stderr, and what reads it.
//!
//! Where that is the journal, each line says that it is an error, as sd-daemon(3) writes it: `journalctl -p err` shows why a
//! service does not start. Without it the line would be information among others.

use std::io::{self, Write};

/// What a line begins with that journald shall take for an error.
const ERR: &[u8] = b"<3>";

/// Writes to stderr.
pub fn complaints() -> Complaints<io::Stderr> {
    // Both numbers name the file that the service was started with; whoever has redirected it since has another one.
    let named = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    let about = rustix::fs::fstat(io::stderr()).ok();
    let is_journal = about.is_some_and(|about| named == format!("{}:{}", about.st_dev, about.st_ino));
    Complaints { out: io::stderr(), is_journal }
}

/// See [`complaints`].
#[derive(Debug)]
pub struct Complaints<W> {
    out: W,
    is_journal: bool,
}

impl<W: Write> Write for Complaints<W> {
    /// Takes whole texts: each begins a line.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.is_journal {
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            let marked: Vec<u8> = lines.flat_map(|line| [ERR, line].concat()).collect();
            self.out.write_all(&marked)?;
        } else {
            self.out.write_all(text)?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_to_the_journal_that_it_is_an_error() {
        for (is_journal, said) in [(true, "<3>error: x\n<3>\n<3>hint: y\n"), (false, "error: x\n\nhint: y\n")] {
            let mut out = Complaints { out: Vec::new(), is_journal };
            out.write_all(b"error: x\n\n").unwrap();
            out.write_all(b"hint: y\n").unwrap();
            assert_eq!(String::from_utf8(out.out).unwrap(), said);
        }
    }
}

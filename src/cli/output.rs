//! Where text goes and how it is laid out: terminal width, colours, tables that fit.
//!
//! The width and the colours are found out once, here, and then handed to pure functions as a [`Page`]. Tables never
//! wrap: a cell that does not fit is cut with `…`, because a person reads rows; the whole texts are in `--format json`.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use jiff::tz::TimeZone;
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::domain::Timestamp;
use crate::telemetry::escape::escape;
pub use crate::telemetry::format::Colour;

/// Columns when the output is no terminal.
pub const PLAIN_WIDTH: usize = 120;
/// Narrower than this no table makes sense.
const LEAST_WIDTH: usize = 40;
/// Between two columns.
const GAP: usize = 2;

/// What text is laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// In terminal columns.
    pub width: usize,
    pub colour: Colour,
}

/// What colours mean.
#[derive(Debug, Clone, Copy)]
pub struct Styles {
    pub error: Style,
    pub warn: Style,
    pub good: Style,
    pub dim: Style,
    pub head: Style,
    pub hint: Style,
}

impl Page {
    /// For stdout as it is. `NO_COLOR`, `CLICOLOR` and dumb terminals are honoured.
    pub fn stdout() -> Self {
        let out = io::stdout();
        let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
        Self::of(width.filter(|_| out.is_terminal()), anstream::AutoStream::choice(&out))
    }

    /// For stderr as it is.
    pub fn stderr() -> Self {
        let out = io::stderr();
        let width = terminal_size::terminal_size_of(&out).map(|(width, _)| usize::from(width.0));
        Self::of(width.filter(|_| out.is_terminal()), anstream::AutoStream::choice(&out))
    }

    /// Without colours.
    pub fn plain(width: usize) -> Self {
        Self { width, colour: Colour::Never }
    }

    fn of(width: Option<usize>, choice: anstream::ColorChoice) -> Self {
        let colour = match choice {
            anstream::ColorChoice::Never => Colour::Never,
            _ => Colour::Always,
        };
        Self { width: width.unwrap_or(PLAIN_WIDTH).max(LEAST_WIDTH), colour }
    }

    pub fn styles(self) -> Styles {
        Styles {
            error: AnsiColor::Red.on_default().bold(),
            warn: AnsiColor::Yellow.on_default(),
            good: AnsiColor::Green.on_default(),
            dim: Style::new().dimmed(),
            head: Style::new().bold(),
            hint: AnsiColor::Cyan.on_default(),
        }
    }
}

/// The text in a style, where colours are wanted.
pub fn paint(colour: Colour, style: Style, text: &str) -> String {
    match colour {
        Colour::Always if !text.is_empty() => format!("{style}{text}{style:#}"),
        Colour::Always | Colour::Never => text.to_owned(),
    }
}

/// A moment for people, to the minute, in `zone`.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M").to_string()
}

/// A moment for people, to the second, in `zone`.
pub fn exact_moment(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// What a zone is called.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("local time")
}

/// Cuts a text to `width` terminal columns; the last one is `…` when something is missing.
pub fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut used = 0;
    for cluster in text.graphemes(true) {
        let columns = cluster.width();
        if used + columns > width.saturating_sub(1) {
            break;
        }
        used += columns;
        kept.push_str(cluster);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// One cell: what others wrote is escaped when the cell is made.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    style: Option<Style>,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: escape(text.as_ref()).into_owned(), style: None }
    }

    /// In colour, where colours are wanted.
    pub fn styled(text: impl AsRef<str>, style: Style) -> Self {
        Self { style: Some(style), ..Self::new(text) }
    }

    /// A cell for what may be absent.
    pub fn maybe(text: Option<impl AsRef<str>>) -> Self {
        text.map_or_else(|| Self::new(""), Self::new)
    }
}

/// Rows under a header, cut to the page.
#[derive(Debug)]
pub struct Table {
    header: Vec<&'static str>,
    /// Columns that give way when the page is too narrow, and the width below which they do not.
    yields: Vec<Option<usize>>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Columns by name. Those with a width give way down to it when the page is narrow, the widest first; the others
    /// are always whole.
    pub fn new(columns: &[(&'static str, Option<usize>)]) -> Self {
        Self {
            header: columns.iter().map(|column| column.0).collect(),
            yields: columns.iter().map(|column| column.1).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has a cell for each column.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.header.len());
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// # Errors
    /// When the output cannot be written.
    pub fn render(&self, page: Page, out: &mut dyn Write) -> io::Result<()> {
        let widths = self.widths(page.width);
        let header: Vec<_> = self.header.iter().map(|name| Cell::styled(name, page.styles().dim)).collect();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            let mut owed = 0;
            for (cell, &width) in row.iter().zip(&widths) {
                if width == 0 {
                    continue;
                }
                let shown = fit(&cell.text, width);
                // Blanks are written only when something follows them, so that no line ends with blanks.
                if !shown.is_empty() {
                    line.extend(std::iter::repeat_n(' ', owed));
                    owed = 0;
                }
                owed += width - shown.width() + GAP;
                line += &cell.style.map_or_else(|| shown.clone(), |style| paint(page.colour, style, &shown));
            }
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    /// How wide each column is; 0 for one that no row uses.
    fn widths(&self, page: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.header.len())
            .map(|column| self.rows.iter().map(|row| row[column].text.width()).max().unwrap_or(0))
            .collect();
        for (width, header) in widths.iter_mut().zip(&self.header) {
            if *width > 0 {
                *width = (*width).max(header.width());
            }
        }
        let used = |widths: &[usize]| -> usize {
            let shown = widths.iter().filter(|&&width| width > 0).count();
            widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
        };
        while used(&widths) > page {
            let widest = (0..widths.len())
                .filter(|&column| self.yields[column].is_some_and(|least| widths[column] > least))
                .max_by_key(|&column| widths[column]);
            let Some(widest) = widest else { break };
            // In one step down to the next widest where that is enough to matter; a megabyte in a cell is no reason
            // to count down from it.
            let over = used(&widths) - page;
            let least = self.yields[widest].unwrap_or(0);
            let second = (0..widths.len())
                .filter(|&column| column != widest && self.yields[column].is_some_and(|least| widths[column] > least))
                .map(|column| widths[column])
                .max()
                .unwrap_or(0);
            let target = second.max(least).min(widths[widest] - 1).max(widths[widest].saturating_sub(over));
            widths[widest] = target;
        }
        widths
    }
}

/// One cell of a CSV: harmless in a spreadsheet, quoted where it must be.
pub fn csv_cell(text: &str) -> String {
    let mut text = text.to_owned();
    // Spreadsheets take a cell for a formula by its first character, and some look behind blanks and line breaks.
    if text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
        || text.starts_with(['\t', '\r', '\n'])
    {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', '\r', '\n', ' ', '\t', ';']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// Writes a file aside and renames it, so that a reader sees the old one or the new one and never half of it.
///
/// # Errors
/// When the folder cannot be written, or `fill` fails; then the old file, if any, is untouched.
pub fn write_aside(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    replace(path, None, fill)
}

/// Writes to what a person has named. A file is replaced as [`write_aside`] does it, and stays whose it is and with the
/// mode that it has; a symlink stays, and what it names is replaced. A device or a pipe is written to as it is: a file in
/// the place of `/dev/null` would break the machine.
///
/// # Errors
/// It cannot be written, or `fill` fails; then the old file, if any, is untouched.
pub fn write_out(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(about) if about.is_file() => replace(&followed(path)?, Some(&about), fill),
        Ok(_) => {
            let mut out = io::BufWriter::new(File::options().write(true).open(path)?);
            fill(&mut out)?;
            out.flush()
        }
        // Also what a symlink names that leads nowhere as yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => replace(&followed(path)?, None, fill),
        Err(error) => Err(error),
    }
}

/// Most symlinks that lead to one file; the kernel follows as many.
const LINKS: usize = 40;

/// What a path names once the symlinks that it is are followed.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // It is none, or there is nothing.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symlinks lead to it"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts a file into the place of one that is like `before`.
fn replace(
    path: &Path,
    before: Option<&Metadata>,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = io::BufWriter::new(tempfile::NamedTempFile::new_in(folder_of(path))?);
    fill(&mut file)?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    if let Some(before) = before {
        keep(file.as_file(), before)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a file the owner, where one may, and the mode of another one.
fn keep(file: &File, before: &Metadata) -> io::Result<()> {
    let group =
        fchown(file, Some(before.uid()), Some(before.gid())).or_else(|_| fchown(file, None, Some(before.gid())));
    // Another group than the one that it was for has no use of it.
    let mode = before.mode() & if group.is_ok() { 0o777 } else { 0o707 };
    file.set_permissions(Permissions::from_mode(mode))
}

/// Writes a file that is not there yet, as [`write_aside`] does.
///
/// # Errors
/// When the folder cannot be written, or there is a file of that name; then that one is untouched.
pub fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Others than its writer may have to read it, as far as the user's mask lets them.
    let readable = Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn rendered(table: &Table, width: usize) -> String {
        let mut out = Vec::new();
        table.render(Page::plain(width), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn table() -> Table {
        let mut table = Table::new(&[("NAME", Some(6)), ("STATE", None), ("UNUSED", None), ("REASON", Some(10))]);
        table.row(vec![Cell::new("desk"), Cell::new("held"), Cell::new(""), Cell::new("media-missing: img/a.jpg")]);
        table.row(vec![Cell::new("家族の一日の話"), Cell::new("sent"), Cell::new(""), Cell::new("")]);
        table.row(vec![Cell::new("x\n\u{1b}[2J"), Cell::new("sent"), Cell::new(""), Cell::new("\u{202e}evil")]);
        table
    }

    #[test]
    fn a_table_is_cut_to_the_page() {
        assert_snapshot!(rendered(&table(), 80), @r#"
        NAME            STATE  REASON
        desk            held   media-missing: img/a.jpg
        家族の一日の話  sent
        x\n\u{1b}[2J    sent   \u{202e}evil
        "#);
        assert_snapshot!(rendered(&table(), 36), @r#"
        NAME            STATE  REASON
        desk            held   media-missin…
        家族の一日の話  sent
        x\n\u{1b}[2J    sent   \u{202e}evil
        "#);
        for width in 25..60 {
            for line in rendered(&table(), width).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_megabyte_in_a_cell_is_no_trouble() {
        let mut table = Table::new(&[("A", Some(4)), ("B", Some(4))]);
        table.row(vec![Cell::new("x".repeat(1_000_000)), Cell::new("y".repeat(500_000))]);
        let text = rendered(&table, 80);
        assert!(text.lines().all(|line| line.width() <= 80));
    }

    #[test]
    fn wide_and_joined_characters_are_cut_whole() {
        assert_eq!(fit("家族", 4), "家族");
        assert_eq!(fit("家族の", 5), "家族…");
        assert_eq!(fit("家族の", 4), "家…");
        assert_eq!(fit("👩\u{200d}👧👩\u{200d}👧", 3), "👩\u{200d}👧…");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn a_new_file_takes_nobodys_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.toml");
        write_new(&path, b"one").unwrap();
        assert_eq!(write_new(&path, b"two").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_named_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let write = |path: &Path, text: &str| write_out(path, |out| out.write_all(text.as_bytes()));
        // A file keeps its mode, and so does one that a symlink names; the symlink stays.
        std::fs::create_dir(at("below")).unwrap();
        std::fs::write(at("below/real"), "old").unwrap();
        std::fs::set_permissions(at("below/real"), Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink("below/real", at("link")).unwrap();
        std::os::unix::fs::symlink("link", at("further")).unwrap();
        write(&at("further"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(at("below/real")).unwrap(), "new");
        assert_eq!(std::fs::metadata(at("below/real")).unwrap().mode() & 0o777, 0o640);
        assert!(at("link").is_symlink() && at("further").is_symlink());
        // One that leads nowhere yet is led to a file, which is for its writer alone.
        std::os::unix::fs::symlink("below/made", at("ahead")).unwrap();
        write(&at("ahead"), "made").unwrap();
        assert!(at("ahead").is_symlink());
        assert_eq!(std::fs::metadata(at("below/made")).unwrap().mode() & 0o777, 0o600);
        // A pipe and a device are written to.
        let pipe = at("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
        // Opened for both, so that neither end waits for the other.
        let mut reader = File::options().read(true).write(true).open(&pipe).unwrap();
        write(&pipe, "through").unwrap();
        let mut came = [0; 7];
        io::Read::read_exact(&mut reader, &mut came).unwrap();
        assert_eq!(&came, b"through");
        std::os::unix::fs::symlink("/dev/null", at("null")).unwrap();
        write(&at("null"), "gone").unwrap();
        assert!(at("null").is_symlink() && !std::fs::metadata(&pipe).unwrap().is_file());
        // A circle leads to nothing, and a folder is no file.
        std::os::unix::fs::symlink("circle", at("circle")).unwrap();
        assert!(write(&at("circle"), "x").is_err());
        assert!(write(&at("below"), "x").is_err());
        assert_eq!(std::fs::read_dir(at("below")).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.csv");
        write_aside(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_aside(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}

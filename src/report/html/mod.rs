//! The report as one page of HTML.
//!
//! A page is a value: the same report gives the same bytes. It holds all that it needs and
//! runs nothing: no script, no font, no image and no address that a browser would ask for; its policy forbids them. All
//! that others wrote is escaped where it is written in, by `maud` for HTML and by [`words::theirs`] for eyes.
//!
//! What is not known is called unknown, and no chart draws it as nought. Charts are told apart by pattern and length
//! before colour, each with its title, its words and its numbers. The page reads on a phone and on paper, in light and
//! in dark. `tests/pages` opens it in a browser and measures that.

pub mod beat;
mod chart;
mod conversations;
mod outcomes;
pub mod page;
mod people;
mod reach;
pub mod table;
pub mod weeks;
pub mod words;
mod worth;

use jiff::tz::TimeZone;

pub use page::POLICY;

use super::Report;

/// How a page is made; when is the end of the time that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// In which times are told.
    pub zone: &'a TimeZone,
    pub version: &'a str,
}

/// The whole page.
pub fn html(report: &Report, made: &Made) -> String {
    page::page(report, made).into_string()
}

//! The status page: what goes out in two weeks, what needs a person, what was delivered last, how the beat was kept.
//!
//! A page is a value, made from an [`Overview`] and a report: it runs nothing, asks for nothing, and holds all that it
//! needs. It shares its looks with the report's page. What others wrote is escaped where it is written in.

mod calendar;
mod sections;
#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

use crate::control::overview::Overview;
use crate::report::Report;

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub struct Status<'s> {
    pub overview: &'s Overview,
    /// How the beat was kept; `None` where nobody could look back.
    pub report: Option<&'s Report>,
    /// In which times are told.
    pub zone: &'s TimeZone,
}

/// What a browser may do with the page: nothing but show it.
pub use crate::report::html::POLICY;

/// The whole page.
pub fn html(status: &Status) -> String {
    sections::page(status).into_string()
}

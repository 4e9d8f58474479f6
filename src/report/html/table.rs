//! Tables that read well aloud, on a phone and on paper: a caption, headers that say what they head, and a frame that
//! scrolls by itself, by keyboard too, so that the page never does.

use maud::{Markup, Render, html};

/// Most rows of one table. The page is for reading; the JSON has everything.
const ROWS: usize = 500;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Words that may wrap.
    Text,
    /// Words that may not.
    Short,
    /// Sentences, which are given room.
    Long,
    /// Figures, set to the right.
    Number,
}

impl Column {
    fn class(self) -> Option<&'static str> {
        match self {
            Self::Text => None,
            Self::Short => Some("short"),
            Self::Long => Some("long"),
            Self::Number => Some("number"),
        }
    }
}

/// A table; the first cell of a row names it.
#[derive(Debug, Clone)]
pub struct Table {
    caption: String,
    /// Where a heading says the same to those who see it.
    quiet: bool,
    /// Where it has many columns.
    wide: bool,
    head: Vec<(&'static str, Column)>,
    rows: Vec<Vec<Markup>>,
}

impl Table {
    pub fn new(caption: impl Into<String>, head: &[(&'static str, Column)]) -> Self {
        Self { caption: caption.into(), quiet: false, wide: false, head: head.to_vec(), rows: Vec::new() }
    }

    /// Its caption is for those who do not see the heading above it.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// With less room between its many columns.
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    pub fn row(&mut self, cells: Vec<Markup>) {
        self.rows.push(cells);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first rows in sight, and the whole behind a click where there are more.
    pub fn folded(self, in_sight: usize, all: &str) -> Markup {
        if self.len() <= in_sight {
            return html! { (self) };
        }
        let summary = format!("{all} ({})", super::words::count(self.len() as u64));
        let first = Self { rows: self.rows[..in_sight].to_vec(), ..self.clone() };
        let whole = Self { caption: format!("{}: all", self.caption), quiet: true, ..self };
        html! {
            (first)
            details { summary { (summary) } (whole) }
        }
    }
}

impl Render for Table {
    fn render(&self) -> Markup {
        let rows = &self.rows[..self.rows.len().min(ROWS)];
        html! {
            div class="scroll" role="group" aria-label=(self.caption) tabindex="0" {
                table class=[self.wide.then_some("wide")] {
                    caption class=[self.quiet.then_some("readers")] { (self.caption) }
                    thead {
                        tr {
                            @for (name, column) in &self.head {
                                th scope="col" class=[column.class()] { (name) }
                            }
                        }
                    }
                    tbody {
                        @for row in rows {
                            tr {
                                @for (cell, (_, column)) in row.iter().zip(&self.head).take(1) {
                                    th scope="row" class=[column.class()] { (cell) }
                                }
                                @for (cell, (_, column)) in row.iter().zip(&self.head).skip(1) {
                                    td class=[column.class()] { (cell) }
                                }
                            }
                        }
                    }
                }
            }
            @if self.len() > ROWS {
                p class="none" { "The first " (super::words::count(ROWS as u64)) " rows; the JSON has all." }
            }
        }
    }
}

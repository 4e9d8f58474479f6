//! Drawings: a small builder of SVG within the page.
//!
//! It is ours and no plotting library, because of what such a drawing owes its readers. Libraries that write SVG set
//! every colour as an attribute and every text at a fixed place of a fixed width: no dark scheme by custom properties,
//! no text alternative, and letters that shrink with the page on a phone. Here places across are percentages and places
//! down are pixels, so a drawing is as wide as there is room while its letters keep their size; fills are classes of
//! the style sheet; and a [`Figure`] cannot be made without its title, its description and its numbers as a table.

use maud::{Markup, Render, html};

use super::table::Table;
use super::words::{Across, count};
use crate::domain::escape::escape;

/// Where what is drawn ends; to the right of it stand the figures of the axis.
pub const PLOT: Across = Across::percent(92);
/// Room above the highest place of a drawing with an axis.
const TOP: u64 = 20;
/// Most steps of a scale that goes up.
const STEPS: u64 = 4;
/// Room for the words below the axis.
const FOOT: u64 = 24;

/// A drawing with all that belongs to it.
pub struct Figure {
    /// Part of the ids in the page: each figure has its own.
    pub id: String,
    pub title: String,
    /// What is drawn, in which unit.
    pub what: String,
    /// What it shows, for those who do not see it.
    pub shows: String,
    /// In pixels.
    pub height: u64,
    pub drawing: Markup,
    pub legend: Vec<(Fill, String)>,
    pub numbers: Table,
}

/// How areas are told apart: by pattern first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    Solid,
    Hatch,
    Dots,
    Slats,
    Plain,
    /// No area: a ring that marks a place.
    Ring,
    /// No area: a full mark.
    Mark,
    /// No area: a mark that stands back.
    Spot,
}

impl Fill {
    pub fn class(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Hatch => "hatch",
            Self::Dots => "dots",
            Self::Slats => "slats",
            Self::Plain => "track",
            Self::Ring => "ring",
            Self::Mark => "solid",
            Self::Spot => "spot",
        }
    }
}

impl Render for Figure {
    fn render(&self) -> Markup {
        html! {
            figure class="block" {
                figcaption {
                    h3 { (self.title) }
                    p class="what" { (self.what) }
                }
                (image(&self.id, &self.title, &self.shows, self.height, &self.drawing))
                @if !self.legend.is_empty() {
                    ul class="legend" {
                        @for (fill, name) in &self.legend {
                            li {
                                svg class="chart" aria-hidden="true" {
                                    @match fill {
                                        Fill::Ring | Fill::Mark | Fill::Spot => circle class=(fill.class()) cx="7" cy="7" r="4" {},
                                        _ => rect class=(fill.class()) x="1" y="1" width="12" height="12" rx="2" {},
                                    }
                                }
                                (name)
                            }
                        }
                    }
                }
                details {
                    summary { "The numbers" span class="readers" { ": " (self.title) } }
                    (self.numbers)
                }
            }
        }
    }
}

/// A drawing as one image with a name and a description.
pub fn image(id: &str, title: &str, shows: &str, height: u64, drawing: &Markup) -> Markup {
    let (name, about) = (format!("{id}-name"), format!("{id}-about"));
    html! {
        svg class="chart" role="img" height=(height) aria-labelledby=(name) aria-describedby=(about) {
            title id=(name) { (escape(title)) }
            desc id=(about) { (escape(shows)) }
            (drawing)
        }
    }
}

/// The patterns, once in a page.
pub fn patterns() -> Markup {
    html! {
        svg class="defs" aria-hidden="true" focusable="false" {
            defs {
                pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="bg" width="6" height="6" {}
                    path class="fg" d="M1 0V6" {}
                }
                pattern id="dots" width="6" height="6" patternUnits="userSpaceOnUse" {
                    rect class="bg" width="6" height="6" {}
                    circle class="fg-fill" cx="1.5" cy="1.5" r="1" {}
                    circle class="fg-fill" cx="4.5" cy="4.5" r="1" {}
                }
                pattern id="slats" width="4" height="4" patternUnits="userSpaceOnUse" {
                    rect class="bg" width="4" height="4" {}
                    path class="fg-grey" d="M0 1H4" {}
                }
            }
        }
    }
}

/// A scale from nought upwards, with a few round figures on it.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    step: u64,
    top: u64,
}

impl Scale {
    /// That reaches `most`, in at most four steps.
    pub fn to(most: u64) -> Self {
        let most = most.max(1);
        let mut ten: u64 = 1;
        loop {
            for round in [1, 2, 5] {
                let step = ten.saturating_mul(round);
                if most.div_ceil(step) <= STEPS {
                    return Self { step, top: most.div_ceil(step).saturating_mul(step) };
                }
            }
            ten = ten.saturating_mul(10);
        }
    }

    pub fn top(self) -> u64 {
        self.top
    }

    pub fn ticks(self) -> impl Iterator<Item = u64> {
        (0..=self.top / self.step).map(move |nth| nth * self.step)
    }
}

/// A scale across on which every step is ten times the one before: a post that everybody saw leaves room for the others.
#[derive(Debug, Clone, Copy)]
pub struct Decades {
    /// Powers of ten; the first is nought where something is below ten.
    first: u32,
    last: u32,
}

impl Decades {
    pub fn of(least: u64, most: u64) -> Self {
        let first = least.checked_ilog10().unwrap_or(0);
        let last = most.checked_ilog10().map_or(1, |last| if 10_u64.pow(last) == most { last } else { last + 1 });
        Self { first, last: last.max(first + 1) }
    }

    /// Where so much is.
    pub fn place(self, amount: u64) -> Across {
        let (first, last) = (f64::from(self.first), f64::from(self.last));
        // Counts are far below what a float holds exactly, and places are rounded to a hundredth of a percent.
        let at = if amount == 0 { first } else { (amount as f64).log10() };
        let share = ((at - first) / (last - first)).clamp(0.0, 1.0);
        Across::of((share * 10_000.0).round() as u64, 10_000, PLOT)
    }

    pub fn ticks(self) -> impl Iterator<Item = u64> {
        (self.first..=self.last).filter_map(|power| 10_u64.checked_pow(power))
    }
}

/// The room of a drawing with a scale that goes up and time that goes across.
#[derive(Debug, Clone, Copy)]
pub struct Plot {
    height: u64,
    scale: Scale,
    /// How much of what is measured is one on the scale.
    size: u64,
}

impl Plot {
    pub fn new(height: u64, most: u64) -> Self {
        Self::of_units(height, most, 1)
    }

    /// With `size` of what is measured to one on the scale, such as seconds to an hour.
    pub fn of_units(height: u64, most: u64, size: u64) -> Self {
        Self { height, scale: Scale::to(most.div_ceil(size)), size }
    }

    /// Where nought is.
    pub fn floor(self) -> u64 {
        self.height - FOOT
    }

    /// How high so much is, in pixels: what is there is seen.
    pub fn rise(self, amount: u64) -> u64 {
        let room = u128::from(self.floor() - TOP);
        let rise = (u128::from(amount) * room).div_ceil(u128::from(self.scale.top()) * u128::from(self.size));
        u64::try_from(rise).unwrap_or(self.height).min(self.floor())
    }

    /// Where so much is, from above.
    pub fn place(self, amount: u64) -> u64 {
        self.floor().saturating_sub(self.rise(amount))
    }

    /// Lines across; at their right end, above them, what they stand for in `unit`.
    pub fn axis(self, unit: &str) -> Markup {
        html! {
            @for tick in self.scale.ticks() {
                @let y = self.place(tick.saturating_mul(self.size));
                line class=(if tick == 0 { "axis" } else { "grid" }) x1="0" x2="100%" y1=(y) y2=(y) {}
                text x="100%" y=(y) dy="-4" text-anchor="end" {
                    (count(tick)) @if tick == self.scale.top() { " " (unit) }
                }
            }
        }
    }
}

/// One bar of a bar chart.
pub struct Bar {
    pub fill: Fill,
    /// In what the bars of the chart are measured.
    pub length: u64,
    /// The figure behind it.
    pub said: String,
}

/// Bars that belong together, below their name.
pub struct Bars {
    pub name: String,
    pub bars: Vec<Bar>,
}

/// Height of a bar and of the name above it.
const BAR: u64 = 14;
const NAME: u64 = 20;
const BETWEEN: u64 = 14;
/// Longest name that a phone has room for, in characters; the table has all of it.
const NAMED: usize = 42;
/// The longest bar leaves room for its figure.
const LONGEST: Across = Across::percent(72);

/// Bars across, each with its figure, from one line that is nought. Gives the height too.
pub fn bars(groups: &[Bars]) -> (u64, Markup) {
    let most = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.length).max().unwrap_or(0).max(1);
    let mut down = 0;
    let mut placed = Vec::new();
    for group in groups {
        placed.push((down, group));
        down += NAME + (BAR + 4) * group.bars.len() as u64 + BETWEEN;
    }
    let height = down.saturating_sub(BETWEEN).max(1);
    let drawing = html! {
        @for (top, group) in placed {
            text class="ink" x="0" y=(top + 13) { (cut(&group.name)) }
            @for (nth, bar) in (0u64..).zip(&group.bars) {
                @let y = top + NAME + (BAR + 4) * nth;
                @let width = Across::of(bar.length, most, LONGEST);
                @if bar.length > 0 {
                    rect class=(bar.fill.class()) x="0.5" y=(y) width=(width) height=(BAR) {}
                }
                text x=(width) y=(y + 11) dx="8" { (bar.said) }
            }
            line class="axis" x1="0.5" x2="0.5" y1=(top + NAME - 3) y2=(top + NAME + (BAR + 4) * group.bars.len() as u64) {}
        }
    };
    (height, drawing)
}

/// A text that cannot wrap.
fn cut(text: &str) -> String {
    let shown = escape(text);
    match shown.char_indices().nth(NAMED) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_has_few_and_round_figures_and_holds_the_highest() {
        for (most, ticks) in
            [(0, vec![0, 1]), (3, vec![0, 1, 2, 3]), (7, vec![0, 2, 4, 6, 8]), (101, vec![0, 50, 100, 150])]
        {
            assert_eq!(Scale::to(most).ticks().collect::<Vec<_>>(), ticks, "{most}");
        }
        assert!(Scale::to(u64::MAX).top() >= u64::MAX / 2);
    }

    #[test]
    fn decades_hold_the_least_and_the_most() {
        for (least, most, ticks) in
            [(0, 0, vec![1, 10]), (5, 100, vec![1, 10, 100]), (533, 36_047, vec![100, 1_000, 10_000, 100_000])]
        {
            let decades = Decades::of(least, most);
            assert_eq!(decades.ticks().collect::<Vec<_>>(), ticks);
            assert!(decades.place(least) < decades.place(most.max(1)) || most == 0);
        }
        assert_eq!(Decades::of(1, 100).place(10), PLOT.half());
        assert_eq!(Decades::of(1, u64::MAX).place(u64::MAX).max(PLOT), PLOT);
    }

    #[test]
    fn what_is_there_is_seen_and_nothing_leaves_the_drawing() {
        let plot = Plot::new(200, 100_000);
        assert_eq!((plot.rise(0), plot.rise(1)), (0, 1));
        assert_eq!(plot.place(plot.scale.top()), TOP);
        assert_eq!(Plot::new(200, 3).place(u64::MAX), 0);
    }
}

//! How far posts went: last, and small.

use maud::{Markup, html};

use super::page::Section;
use super::table::{Column, Table};
use super::words::{count, figure, theirs};
use crate::report::Report;

pub fn section(report: &Report) -> Section {
    let reach = &report.reach;
    let body = html! {
        dl class="figures" {
            @for (name, number) in [("views", reach.views), ("ways gone to the link", reach.clicks)] {
                div { dt { (name) } dd class=[number.is_none().then_some("unknown")] { (figure(number)) } }
            }
        }
        @if !reach.accounts.is_empty() { (accounts(report)) }
    };
    Section { id: "reach", title: "Reach", about: Section::about(reach.counts, &reach.measured), body }
}

fn accounts(report: &Report) -> Markup {
    let head = [
        ("Account", Column::Short),
        ("Views", Column::Number),
        ("Clicks", Column::Number),
        ("Known for", Column::Number),
        ("Of deliveries", Column::Number),
    ];
    let mut table = Table::new("Reach by account", &head);
    for (account, reach) in &report.reach.accounts {
        table.row(vec![
            theirs(account.as_str()),
            figure(reach.views),
            figure(reach.clicks),
            html! { (count(reach.measured.measured)) },
            html! { (count(reach.measured.deliveries)) },
        ]);
    }
    html! { (table) }
}

//! The weekly digest: the look back on the last seven days as one event of the log, and, where that is configured, as a file
//! or to an address of one's own. It is made when its time has come and not made up for later.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::cli::output::{PLAIN_WIDTH, Page, write_aside};
use crate::cli::report as page;
use crate::config::settings::DigestSettings;
use crate::domain::path::shown;
use crate::domain::{Secret, time};
use crate::edge::clock::SystemClock;
use crate::parts::{Caller, Clock as _};
use crate::platform::contract::{Body, Call, HeaderValue, Method, Reply, Request};
use crate::report::{Report, Window, html};
use crate::telemetry::events::{Event as LogEvent, quote};
use crate::telemetry::setup::Printer;

use super::desk::looked_back;
use super::load::{self, Loaded};

/// What is looked back on.
const WEEK: Duration = Duration::from_secs(7 * 86_400);
/// For the whole call to an address of one's own.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The chore. What it reads may take seconds, so it has a thread of its own.
pub fn chore(loaded: &Loaded, caller: Arc<dyn Caller>, printer: Arc<Printer>) -> Box<dyn Fn() + Send + Sync> {
    let file = loaded.settings.file.clone();
    Box::new(move || {
        let (file, caller, printer) = (file.clone(), caller.clone(), printer.clone());
        let run = move || match load::read(&file) {
            // As configured now: a reload changes what is looked back on.
            Ok(loaded) => digest(&loaded, &*caller, &printer),
            Err(_) => printer.emit(&failed(&shown(&file), "the configuration cannot be read")),
        };
        drop(std::thread::Builder::new().name("digest".into()).spawn(run));
    })
}

fn digest(loaded: &Loaded, caller: &dyn Caller, printer: &Arc<Printer>) {
    let now = SystemClock.now();
    let window = Window { since: time::before(now, WEEK), until: now };
    let report = match looked_back(loaded, window) {
        Ok(report) => report,
        Err(failure) => return printer.emit(&failed("the store", &failure.cause().to_string())),
    };
    printer.emit(&event(&report));
    let DigestSettings { file, url, .. } = &loaded.settings.digest;
    if let Some(path) = file {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let written = write_aside(path, |out| match ending {
            "json" => page::json(&report, out),
            "html" => {
                let made = html::Made { zone: &TimeZone::system(), version: env!("CARGO_PKG_VERSION") };
                out.write_all(html::html(&report, &made).as_bytes())
            }
            _ => page::table(&report, None, &TimeZone::system(), Page::plain(PLAIN_WIDTH), out),
        });
        if let Err(error) = written {
            printer.emit(&failed(&shown(path), &error.to_string()));
        }
    }
    if let Some(url) = url {
        let token = match load::digest_token(loaded) {
            Ok(token) => token,
            Err(why) => return printer.emit(&failed(url.as_str(), &why)),
        };
        let (printer, place) = (printer.clone(), url.host_str().unwrap_or_default().to_owned());
        let call = Call::Http(request(&report, url.clone(), token));
        caller.call(
            call,
            TIMEOUT,
            Box::new(move |result| match result {
                Ok(Reply::Http(reply)) if (200..300).contains(&reply.status) => {}
                Ok(Reply::Http(reply)) => printer.emit(&failed(&place, &format!("it answered {}", reply.status))),
                Ok(_) => {}
                Err(error) => printer.emit(&failed(&place, &error.to_string())),
            }),
        );
    }
}

fn request(report: &Report, url: url::Url, token: Option<Secret>) -> Request {
    let body = Body::json(&serde_json::to_value(report).unwrap_or_default());
    let bearer = |secret| ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret });
    Request { method: Method::Post, url, secret_path: None, headers: token.map(bearer).into_iter().collect(), body }
}

fn failed(place: &str, why: &str) -> LogEvent {
    LogEvent::DigestFailed { place: quote(place), why: quote(why) }
}

fn event(report: &Report) -> LogEvent {
    let beats = || report.accounts.iter().map(|account| &account.beat);
    let people = &report.people;
    let talk = &report.conversations;
    let money = |money: &crate::domain::Money| money.to_string();
    LogEvent::DigestReady {
        since: report.window.since,
        until: report.window.until,
        planned: beats().map(|beat| beat.planned).sum(),
        kept: beats().map(|beat| beat.kept).sum(),
        deliveries: people.measured.deliveries,
        unmeasured: people.measured.deliveries.saturating_sub(people.measured.measured),
        people: people.distinct,
        new: people.first_time,
        core: people.standing.core,
        opened: talk.opened,
        answered: talk.answered,
        waiting: talk.waiting.len(),
        waiting_s: talk.waiting.iter().map(|owed| owed.waited_s).max(),
        leads: report.outcomes.total.leads,
        customers: report.outcomes.total.customers,
        revenue: report.outcomes.total.revenue.iter().map(money).collect::<Vec<_>>().join(", "),
    }
}

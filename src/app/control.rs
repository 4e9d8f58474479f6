//! Answers whoever asks the daemon: commands over the Unix socket, monitors, browsers and shops over TCP.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio::runtime::Handle as Runtime;
use tokio::sync::oneshot;

use crate::cli::exit::{Failure, Kind};
use crate::config::Settings;
use crate::control::metrics::{self, StoreSize};
use crate::control::overview::Overview;
use crate::control::protocol::{Answer, ErrorKind, Problem, Question, Taken};
use crate::control::requests::{self, BODY_BYTES, Caller, Door, Refusal, Route, error_document, route, status_of};
use crate::daemon::{Handle, Input};
use crate::domain::{AccountId, Gain, Secret, time};
use crate::edge::clock::SystemClock;
use crate::edge::control::{From, Limits, Listener, Reply, Request, ServeError, Socket};
use crate::edge::people::PeopleStore;
use crate::edge::store::Store;
use crate::engage::outcomes::{Rules, hook};
use crate::engine::answers;
use crate::ledger::store::{Figures, Ledger as _};
use crate::page;
use crate::parts::Clock as _;
use crate::report::{Report, Reporter, Window};
use crate::telemetry::events::Event as LogEvent;
use crate::telemetry::setup::Printer;

use super::people;

/// Connections over each of socket and TCP. The unit lets the daemon have 1,024 files, and accounts need some.
const LIMITS: Limits = Limits { connections: 64, body_bytes: BODY_BYTES, patience: Duration::from_secs(30) };

/// For so long an overview is new enough for whoever comes next: many who look cost no more than one.
const FRESH: Duration = Duration::from_secs(2);
/// How far the page looks back on the beat, and how often it does.
const LOOK_BACK: Duration = Duration::from_secs(12 * 7 * 24 * 60 * 60);
const LOOK_BACK_EVERY: Duration = Duration::from_secs(10 * 60);

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
/// Answers are of this moment, and for nobody else's page.
const ALWAYS: [(&str, &str); 3] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// What may come in over TCP; a reload changes it.
#[derive(Debug)]
pub struct Doorkeeper {
    token: RwLock<Option<Secret>>,
    allow_remote: bool,
}

impl Doorkeeper {
    pub fn new(token: Option<Secret>, settings: &Settings) -> Self {
        Self { token: RwLock::new(token), allow_remote: settings.control.allow_remote }
    }

    pub fn set_token(&self, token: Option<Secret>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn admit(&self, route: &Route, request: &Request) -> Result<(), Refusal> {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let door = Door { token: token.as_ref().map(Secret::expose), allow_remote: self.allow_remote };
        let caller = Caller { authorization: request.header("authorization"), host: request.header("host") };
        door.admit(route.access(), &caller)
    }
}

/// Who knows the answers.
pub struct Answers {
    handle: Handle,
    store: Arc<Store>,
    people: Option<Arc<PeopleStore>>,
    doorkeeper: Arc<Doorkeeper>,
    /// Of the status page, and of moments in outcomes that name no offset.
    zone: TimeZone,
    /// Of the accounts, for their weeks.
    zones: BTreeMap<AccountId, TimeZone>,
    seen: Mutex<Option<(Duration, Arc<Overview>)>>,
    looked_back: Mutex<Option<(Duration, Arc<Report>)>>,
}

impl Answers {
    pub fn new(
        handle: Handle,
        (store, people): (Arc<Store>, Option<Arc<PeopleStore>>),
        doorkeeper: Arc<Doorkeeper>,
        settings: &Settings,
    ) -> Self {
        let zones = settings.accounts.iter().map(|(id, account)| (id.clone(), account.schedule.zone.clone()));
        Self {
            handle,
            store,
            people,
            doorkeeper,
            zone: settings.zone.clone(),
            zones: zones.collect(),
            seen: Mutex::default(),
            looked_back: Mutex::default(),
        }
    }
}

/// Listens until it is dropped.
pub struct Listening {
    _socket: Option<Socket>,
    _listener: Option<Listener>,
}

/// Listens where the configuration says. A folder that is not there yet is made; where listening fails the daemon goes on
/// without, and says so.
///
/// # Errors
/// Another daemon answers at the socket.
pub fn listen(
    settings: &Settings,
    runtime: &Runtime,
    answers: Answers,
    printer: &Arc<Printer>,
) -> Result<Listening, Failure> {
    let answers = Arc::new(answers);
    let threads = runtime.clone();
    let handler = Arc::new(move |request: Request, reply: Reply| {
        let answers = answers.clone();
        // An answer may wait for the engine and read the store, which is not for the runtime's own threads.
        threads.spawn_blocking(move || answers.answer(&request, reply));
    });
    let warn = |place: &str, reason: String| printer.emit(&LogEvent::ConfigWarning { place: place.into(), reason });
    let socket = match &settings.control.socket {
        None => {
            warn("control.socket", "there is no folder for the control socket; commands cannot ask the daemon".into());
            None
        }
        Some(path) => {
            if let Some(folder) = path.parent() {
                // Listening will say why, if this does not work.
                let _ = std::fs::create_dir_all(folder);
            }
            match Socket::start(runtime, path, handler.clone(), LIMITS) {
                Ok(socket) => Some(socket),
                Err(error @ ServeError::Taken(_)) => {
                    return Err(Failure::new(Kind::StoreRefused, error)
                        .with_hint("stop the other daemon, or give this one its own socket"));
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    warn(
                        "control.socket",
                        format!("{error}{}; commands cannot ask the daemon", cause.unwrap_or_default()),
                    );
                    None
                }
            }
        }
    };
    let listener =
        settings.control.listen.and_then(|address| match Listener::start(runtime, address, handler, LIMITS) {
            Ok(listener) => {
                let address = listener.address().to_string();
                printer.emit(&LogEvent::ControlListening { address });
                Some(listener)
            }
            Err(error) => {
                warn("control.listen", format!("failed to listen at {address}: {error}; {}", why_not(address, &error)));
                None
            }
        });
    Ok(Listening { _socket: socket, _listener: listener })
}

fn why_not(address: SocketAddr, error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "something else listens there",
        std::io::ErrorKind::PermissionDenied if address.port() < 1024 => "ports below 1024 are not for it",
        std::io::ErrorKind::PermissionDenied => "the unit forbids it: SocketBindAllow= in a drop-in opens the port",
        _ => "there is no status page",
    }
}

impl Answers {
    /// Answers one request, on a thread that may wait.
    fn answer(&self, request: &Request, reply: Reply) {
        let asked = requests::Request { method: &request.method, target: &request.target, body: &request.body };
        let found = route(&asked).and_then(|route| {
            if let From::Tcp(_) = request.from {
                self.doorkeeper.admit(&route, request)?;
            }
            Ok(route)
        });
        match found {
            Ok(Route::Ask(question)) => self.ask(question, reply),
            Ok(Route::Records) => self.records(reply),
            Ok(Route::Outcomes { body, unknown_posts }) => self.outcomes(request, &body, unknown_posts, reply),
            Ok(Route::Page) => self.page(reply),
            Ok(Route::Health) => self.health(reply),
            Ok(Route::Metrics) => self.metrics(reply),
            Err(refusal) => refuse(&refusal, reply),
        }
    }

    /// What the engine says.
    fn engine(&self, question: Question) -> Answer {
        let (ask, asked) = oneshot::channel();
        self.handle.send(Input::Ask { question, answer: ask });
        asked.blocking_recv().unwrap_or_else(|_| problem(ErrorKind::NotReady, "the daemon is stopping".into()))
    }

    /// Where everything stands, as of this moment or of one just passed.
    fn overview(&self) -> Result<Arc<Overview>, Problem> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemClock.boot();
        if let Some((_, overview)) = seen.as_ref().filter(|(at, _)| now.saturating_sub(*at) < FRESH) {
            return Ok(overview.clone());
        }
        match self.engine(Question::Overview) {
            Answer::Overview(overview) => Ok(seen.insert((SystemClock.boot(), overview.into())).1.clone()),
            Answer::Error(problem) => Err(problem),
            _ => Err(Problem {
                kind: ErrorKind::NotReady,
                message: "the daemon answered something else".into(),
                hint: None,
            }),
        }
    }

    /// How the beat was kept. The journal is read for it, which is not done for every visitor.
    fn looked_back(&self) -> Option<Arc<Report>> {
        let mut looked_back = self.looked_back.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemClock.boot();
        if let Some((_, report)) = looked_back.as_ref().filter(|(at, _)| now.saturating_sub(*at) < LOOK_BACK_EVERY) {
            return Some(report.clone());
        }
        let until = SystemClock.now();
        let window = Window { since: time::before(until, LOOK_BACK), until };
        let mut reporter = Reporter::new(window, self.zones.clone());
        let read = self.store.replay(&mut |record| {
            reporter.record(&record);
            true
        });
        read.ok()?;
        Some(looked_back.insert((now, Arc::new(reporter.finish()))).1.clone())
    }

    fn page(&self, reply: Reply) {
        let overview = match self.overview() {
            Ok(overview) => overview,
            Err(problem) => return tell(&Answer::Error(problem), reply),
        };
        let report = self.looked_back();
        let status = page::Status { overview: &overview, report: report.as_deref(), zone: &self.zone };
        let headers = [
            ("content-security-policy", page::POLICY),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ];
        let headers = [&with(("content-type", "text/html; charset=utf-8"))[..], &headers].concat();
        reply.send(200, &headers, page::html(&status));
    }

    fn health(&self, reply: Reply) {
        let (status, words) = match self.overview() {
            Ok(overview) if overview.ready => (200, "ok\n"),
            Ok(_) => (503, "the queue is being read\n"),
            Err(_) => (503, "the daemon is stopping\n"),
        };
        reply.send(status, &with(("content-type", "text/plain; charset=utf-8")), words);
    }

    fn metrics(&self, reply: Reply) {
        match self.overview() {
            Ok(overview) => {
                let Figures { records, journal_bytes, index_bytes, .. } = self.store.figures();
                let size = StoreSize { records, journal_bytes, index_bytes };
                reply.send(200, &with(("content-type", metrics::CONTENT_TYPE)), metrics::text(&overview, size));
            }
            Err(problem) => tell(&Answer::Error(problem), reply),
        }
    }

    fn ask(&self, question: Question, reply: Reply) {
        if question == Question::Overview {
            let told =
                self.overview().map_or_else(Answer::Error, |overview| Answer::Overview(Box::new((*overview).clone())));
            return tell(&told, reply);
        }

        let histories = matches!(&question, Question::Status { which: Some(_) });
        let forget = match &question {
            Question::Forget { person } => Some(person.clone()),
            _ => None,
        };
        let mut told = self.engine(question);
        match &mut told {
            Answer::Status(report) if histories => {
                for delivery in &mut report.deliveries {
                    let records = self.store.history(&delivery.delivery).ok();
                    delivery.history = records.map(|records| answers::history(&records));
                }
            }
            // Nothing more is recorded of them from here on, or nothing of anybody; now what was.
            _ => {
                if let (Some(person), Some(people)) = (&forget, &self.people) {
                    let done = match told {
                        Answer::Remembered => people::remove(people, person),
                        _ => people::forget_for_good(people, person),
                    };
                    told = done.map_or_else(|error| problem(ErrorKind::Store, error), |()| Answer::Remembered);
                }
            }
        }
        tell(&told, reply);
    }

    fn records(&self, reply: Reply) {
        let mut body = reply.begin(200, &with(LINES));
        let read = self.store.replay(&mut |record| {
            serde_json::to_writer(&mut body, &record.shown()).is_ok() && body.write_all(b"\n").is_ok()
        });
        // What was not read to its end is broken off: half of it must not look like all.
        if read.is_ok() {
            let _ = body.finish();
        }
    }

    fn outcomes(&self, request: &Request, body: &Value, unknown_posts: bool, reply: Reply) {
        let rules = Rules {
            kind: None,
            currency: None,
            zone: self.zone.clone(),
            decimal: None,
            foreign_pages: true,
            now: SystemClock.now(),
        };
        let gains = match hook::read(body, request.header("idempotency-key"), &rules) {
            Ok(gains) => gains,
            Err(wrong) => {
                let message = wrong.to_string();
                let problem = Problem { kind: ErrorKind::Garbled, message, hint: wrong.hint() };
                let mut document = error_document(&problem);
                document["wrong"] = json!(wrong.each());
                return reply.send(400, &with(JSON), document.to_string());
            }
        };
        let keys: Vec<String> = gains.iter().map(|gain: &Gain| gain.key.clone()).collect();
        match self.engine(Question::Gain { gains, unknown_posts }) {
            Answer::Gained(taken) => {
                let status = match () {
                    () if taken.contains(&Taken::New) => 201,
                    () if taken.is_empty() || taken.contains(&Taken::Known) => 200,
                    () => 422,
                };
                let rows: Vec<_> =
                    keys.iter().zip(&taken).map(|(key, taken)| json!({ "key": key, "taken": taken })).collect();
                reply.send(status, &with(JSON), json!({ "outcomes": rows }).to_string());
            }
            other => tell(&other, reply),
        }
    }
}

fn problem(kind: ErrorKind, message: String) -> Answer {
    Answer::Error(Problem { kind, message, hint: None })
}

fn with(kind: (&'static str, &'static str)) -> [(&'static str, &'static str); 4] {
    let [cache, sniff, origin] = ALWAYS;
    [kind, cache, sniff, origin]
}

fn tell(answer: &Answer, reply: Reply) {
    match answer {
        // These may be long.
        Answer::Status(_) | Answer::Overview(_) | Answer::Plan(_) => {
            let mut body = reply.begin(200, &with(JSON));
            if requests::write_answer(answer, &mut body).is_ok() {
                let _ = body.finish();
            }
        }
        short => {
            let status = if let Answer::Error(problem) = short { status_of(problem.kind) } else { 200 };
            let mut document = Vec::new();
            // Writing to memory does not fail.
            let _ = requests::write_answer(short, &mut document);
            reply.send(status, &with(JSON), document);
        }
    }
}

fn refuse(refusal: &Refusal, reply: Reply) {
    let mut headers = with(JSON).to_vec();
    headers.extend(refusal.allow.map(|allow| ("allow", allow)));
    if refusal.status == 401 {
        headers.push(("www-authenticate", "Bearer realm=\"cadenced\""));
    }
    reply.send(refusal.status, &headers, error_document(&refusal.problem).to_string());
}

//! Answers whoever asks the daemon: commands over the Unix socket, monitors, browsers and shops over TCP.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
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
use crate::control::requests::{
    self, BODY_BYTES, Caller, Door, Refusal, Route, access, error_document, route, status_of,
};
use crate::daemon::{self, Input};
use crate::domain::{AccountId, Gain, Secret, time};
use crate::edge::clock::SystemClock;
use crate::edge::control::{From, Handler, Limits, Listener, Refused, Reply, Request, ServeError, Socket};
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

/// For so long an overview is new enough for whoever comes next, or so many times as long as it took: many who look cost
/// no more than one, and that one a twentieth of the engine's time.
const FRESH: Duration = Duration::from_secs(2);
const FRESH_SHARE: u32 = 20;
/// How long the engine may take. A million deliveries take some seconds.
const ENGINE: Duration = Duration::from_secs(60);
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

/// What may come in over TCP, and what accounts there are; a reload changes it.
#[derive(Debug)]
pub struct Doorkeeper {
    token: RwLock<Option<Secret>>,
    allow_remote: bool,
    /// Of the accounts, for their weeks.
    zones: RwLock<BTreeMap<AccountId, TimeZone>>,
}

impl Doorkeeper {
    pub fn new(token: Option<Secret>, settings: &Settings) -> Self {
        let (token, zones) = (RwLock::new(token), RwLock::new(zones(settings)));
        Self { token, allow_remote: settings.control.allow_remote, zones }
    }

    pub fn reload(&self, token: Option<Secret>, settings: &Settings) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
        *self.zones.write().unwrap_or_else(PoisonError::into_inner) = zones(settings);
    }

    /// Whether a request may have what it asks for, as far as its head tells.
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        if let From::Socket(_) = request.from {
            return Ok(());
        }
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let door = Door { token: token.as_ref().map(Secret::expose), allow_remote: self.allow_remote };
        let (authorization, host) = (request.header("authorization"), request.header("host"));
        let caller = Caller { authorization, host, site: request.header("sec-fetch-site") };
        door.open_to(&caller)?;
        access(&request.target).map_or(Ok(()), |access| door.admit(access, &caller))
    }
}

fn zones(settings: &Settings) -> BTreeMap<AccountId, TimeZone> {
    settings.accounts.iter().map(|(id, account)| (id.clone(), account.schedule.zone.clone())).collect()
}

/// Who knows the answers.
pub struct Answers {
    runtime: Runtime,
    handle: daemon::Handle,
    store: Arc<Store>,
    people: Option<Arc<PeopleStore>>,
    doorkeeper: Arc<Doorkeeper>,
    /// Of the status page, and of moments in outcomes that name no offset.
    zone: TimeZone,
    seen: Mutex<Seen>,
    looked_back: Mutex<LookedBack>,
    /// Long answers are made one at a time, over each of socket and TCP: the engine has other things to do, and each is a
    /// whole document in memory.
    long: [Line; 2],
}

/// Whose turn it is, and how many wait for theirs.
#[derive(Default)]
struct Line {
    turn: Mutex<()>,
    waiting: Arc<AtomicUsize>,
}

/// The last overview.
#[derive(Default)]
struct Seen {
    overview: Option<Arc<Overview>>,
    /// Until then it is new enough, by the clock of passing time.
    until: Duration,
}

/// The last look back on the beat, or that there could be none.
#[derive(Default)]
struct LookedBack {
    report: Option<Arc<Report>>,
    until: Duration,
}

impl Answers {
    pub fn new(
        runtime: Runtime,
        handle: daemon::Handle,
        (store, people): (Arc<Store>, Option<Arc<PeopleStore>>),
        doorkeeper: Arc<Doorkeeper>,
        settings: &Settings,
    ) -> Self {
        let zone = settings.zone.clone();
        let (seen, looked_back, long) = Default::default();
        Self { runtime, handle, store, people, doorkeeper, zone, seen, looked_back, long }
    }
}

/// What the connections of this process ask.
struct Front(Arc<Answers>);

impl Handler for Front {
    fn refuses(&self, request: &Request) -> Option<Refused> {
        self.0.doorkeeper.admit(request).err().map(|refusal| refused(&refusal))
    }

    fn handle(&self, request: Request, reply: Reply) {
        let answers = self.0.clone();
        // An answer may wait for the engine and read the store, which is not for the runtime's own threads.
        self.0.runtime.spawn_blocking(move || answers.answer(&request, reply));
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
    let handler = Arc::new(Front(Arc::new(answers)));
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
        match route(&requests::Request { method: &request.method, target: &request.target, body: &request.body }) {
            Ok(Route::Ask(question)) => self.ask(question, request.from, reply),
            Ok(Route::Records) => self.records(request.from, reply),
            Ok(Route::Outcomes { body, unknown_posts }) => self.outcomes(request, &body, unknown_posts, reply),
            Ok(Route::Page) => self.page(reply),
            Ok(Route::Icon) => reply.send(204, &ALWAYS, ""),
            Ok(Route::Health) => self.health(reply),
            Ok(Route::Metrics) => self.metrics(reply),
            Err(refusal) => {
                let Refused { status, headers, body } = refused(&refusal);
                reply.send(status, &headers, body);
            }
        }
    }

    /// What the engine says.
    fn engine(&self, question: Question) -> Answer {
        let (ask, asked) = oneshot::channel();
        self.handle.send(Input::Ask { question, answer: ask });
        let waiting = async { tokio::time::timeout(ENGINE, asked).await };
        match self.runtime.block_on(waiting) {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => problem(ErrorKind::NotReady, "the daemon is stopping".into()),
            Err(_) => problem(ErrorKind::NotReady, "the daemon is busy, and did not answer in time".into()),
        }
    }

    /// A long answer's turn, and the answer that others may wait for then.
    fn turn(&self, from: From, reply: Reply) -> (MutexGuard<'_, ()>, Reply) {
        let line = &self.long[usize::from(matches!(from, From::Tcp(_)))];
        line.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = line.turn.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.fetch_sub(1, Ordering::Relaxed);
        (turn, reply.kept_by(line.waiting.clone()))
    }

    /// Where everything stands, as of this moment or of one just passed.
    fn overview(&self) -> Result<Arc<Overview>, Problem> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = SystemClock.boot();
        if let Some(overview) = seen.overview.as_ref().filter(|_| asked < seen.until) {
            return Ok(overview.clone());
        }
        match self.engine(Question::Overview) {
            Answer::Overview(overview) => {
                let answered = SystemClock.boot();
                seen.until = answered + FRESH.max(answered.saturating_sub(asked) * FRESH_SHARE);
                Ok(seen.overview.insert(overview.into()).clone())
            }
            Answer::Error(problem) => Err(problem),
            other => Err(Problem {
                kind: ErrorKind::NotReady,
                message: format!("the daemon answered something else: {other:.100?}"),
                hint: None,
            }),
        }
    }

    /// How the beat was kept. The journal is read for it, which is not done for every visitor.
    fn looked_back(&self) -> Option<Arc<Report>> {
        let mut looked_back = self.looked_back.lock().unwrap_or_else(PoisonError::into_inner);
        if SystemClock.boot() < looked_back.until {
            return looked_back.report.clone();
        }
        let until = SystemClock.now();
        let window = Window { since: time::before(until, LOOK_BACK), until };
        let zones = self.doorkeeper.zones.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut reporter = Reporter::new(window, zones);
        let read = self.store.replay(&mut |record| {
            reporter.record(&record);
            true
        });
        looked_back.report = read.is_ok().then(|| Arc::new(reporter.finish()));
        looked_back.until = SystemClock.boot() + LOOK_BACK_EVERY;
        looked_back.report.clone()
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
            Ok(overview) if overview.stopping => (503, "the daemon is stopping\n"),
            Ok(overview) if overview.silent => (503, "the disk of the store does not answer\n"),
            Ok(overview) if overview.ready => (200, "ok\n"),
            Ok(_) => (503, "the queue is being read\n"),
            Err(_) => (503, "the daemon does not answer\n"),
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

    fn ask(&self, question: Question, from: From, reply: Reply) {
        if question == Question::Overview {
            let overview = |overview: Arc<Overview>| Answer::Overview(Box::new((*overview).clone()));
            return tell(&self.overview().map_or_else(Answer::Error, overview), reply);
        }
        let (_turn, reply) = match question {
            Question::Status { .. } | Question::Plan { .. } => {
                let (turn, reply) = self.turn(from, reply);
                (Some(turn), reply)
            }
            _ => (None, reply),
        };
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

    fn records(&self, from: From, reply: Reply) {
        let (_turn, reply) = self.turn(from, reply);
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
                let on_record = taken.iter().filter(|taken| matches!(taken, Taken::New | Taken::Known)).count();
                let status = match taken.len() - on_record {
                    0 if taken.contains(&Taken::New) => 201,
                    0 => 200,
                    _ if on_record > 0 => 207,
                    _ => 422,
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

fn refused(refusal: &Refusal) -> Refused {
    let mut headers = with(JSON).to_vec();
    headers.extend(refusal.allow.map(|allow| ("allow", allow)));
    if refusal.status == 401 {
        headers.push(("www-authenticate", "Bearer realm=\"cadenced\""));
    }
    Refused { status: refusal.status, headers, body: error_document(&refusal.problem).to_string() }
}

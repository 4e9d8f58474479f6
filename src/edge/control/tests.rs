//! Both ends, over real sockets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{AskError, From, Handler, Limits, Listener, Patience, Refused, Reply, Request, ServeError, Socket, ask};

const LONG: Duration = Duration::from_secs(60);
/// Longer than a test waits for anything: what ends, ends for another reason.
const LIMITS: Limits = Limits { connections: 64, body_bytes: 1024, patience: Duration::from_secs(600) };
/// Long enough for a client that waits for its turn on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

struct Bench {
    runtime: tokio::runtime::Runtime,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    fn socket(&self, handler: impl Handler + 'static) -> Result<Socket, ServeError> {
        Socket::start(self.runtime.handle(), &self.path(), Arc::new(handler), LIMITS)
    }

    fn listener(&self, limits: Limits, handler: impl Handler + 'static) -> Listener {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Listener::start(self.runtime.handle(), any, Arc::new(handler), limits).unwrap()
    }

    fn ask(&self, target: &str) -> Result<(u16, String), AskError> {
        self.post(target, None)
    }

    fn post(&self, target: &str, body: Option<Vec<u8>>) -> Result<(u16, String), AskError> {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut answered = ask(&self.path(), method, target, body, patience(LONG, &mut || {}))?;
        let mut text = String::new();
        match answered.read_to_string(&mut text) {
            Ok(_) => Ok((answered.status, text)),
            Err(error) => Err(AskError::Io(error)),
        }
    }
}

fn patience(timeout: Duration, tell: &mut dyn FnMut()) -> Patience<'_> {
    Patience { timeout, silent: timeout, tell }
}

fn says(text: &'static str) -> impl Handler {
    move |_: Request, reply: Reply| reply.send(200, &[], text)
}

/// Keeps what is asked for at `/held`, to be answered later.
fn keeping() -> (Arc<Mutex<Vec<Reply>>>, impl Handler) {
    let held = Arc::new(Mutex::new(Vec::new()));
    let kept = held.clone();
    let handler = move |request: Request, reply: Reply| match request.target.as_str() {
        "/held" => kept.lock().unwrap().push(reply),
        _ => reply.send(200, &[], "fine"),
    };
    (held, handler)
}

/// Everything that comes back on a connection.
fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // It may be refused before it was read to its end.
    let _ = stream.write_all(request.as_bytes());
    rest(stream)
}

/// What else comes, until the other side ends it: it has to.
fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer);
    let open = |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    assert!(!ended.as_ref().is_err_and(open), "nobody has ended it: {ended:?}");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_request_comes_whole_and_is_answered_at_once_or_later() {
    let bench = Bench::new();
    let _socket = bench.socket(|request: Request, reply: Reply| {
        let From::Socket(peer) = request.from else { panic!("it came by {:?}", request.from) };
        assert_eq!(peer.uid, rustix::process::getuid().as_raw());
        assert_eq!(request.header("host"), Some("localhost"));
        let told = format!("{} {} {}", request.method, request.target, String::from_utf8_lossy(&request.body));
        // Later, and from elsewhere.
        std::thread::Builder::new().spawn(move || reply.send(201, &[("allow", "POST")], told)).unwrap();
    });
    assert_eq!(bench.post("/v1/x?a=b", Some(b"{}".to_vec())).unwrap(), (201, "POST /v1/x?a=b {}".into()));
    assert_eq!(bench.ask("/").unwrap(), (201, "GET / ".into()));
}

#[test]
fn who_waits_for_an_answer_is_told_so_once() {
    let bench = Bench::new();
    let (held, handler) = keeping();
    let _socket = bench.socket(handler).unwrap();
    let mut told = 0;
    // It is answered only when that was said.
    let mut tell = || {
        told += 1;
        let held = held.clone();
        let answer = move || loop {
            let Some(reply) = held.lock().unwrap().pop() else {
                std::thread::yield_now();
                continue;
            };
            return reply.send(200, &[], "late");
        };
        std::thread::Builder::new().spawn(answer).unwrap();
    };
    let patience = Patience { timeout: LONG, silent: Duration::ZERO, tell: &mut tell };
    assert_eq!(ask(&bench.path(), "GET", "/held", None, patience).unwrap().status, 200);
    assert_eq!(told, 1);
}

#[test]
fn only_the_owner_and_its_group_may_connect() {
    let bench = Bench::new();
    let socket = bench.socket(says("")).unwrap();
    assert_eq!(std::fs::metadata(bench.path()).unwrap().mode() & 0o777, 0o660);
    drop(socket);
    assert!(!bench.path().exists());
}

#[test]
fn a_socket_that_nobody_answers_at_is_replaced_and_one_in_use_is_not() {
    let bench = Bench::new();
    assert!(matches!(bench.ask("/"), Err(AskError::Absent(_))));
    drop(UnixListener::bind(bench.path()).unwrap());
    assert!(matches!(bench.ask("/"), Err(AskError::Absent(_))));
    let first = bench.socket(says("first")).unwrap();
    assert!(matches!(bench.socket(says("another")), Err(ServeError::Taken(_))));
    assert_eq!(bench.ask("/").unwrap().1, "first");
    // Another one's socket is not removed with ours.
    std::fs::remove_file(bench.path()).unwrap();
    let second = bench.socket(says("second")).unwrap();
    drop(first);
    assert_eq!(bench.ask("/").unwrap().1, "second");
    drop(second);
    std::fs::write(bench.path(), "precious").unwrap();
    assert!(matches!(bench.socket(says("")), Err(ServeError::NoSocket(_))));
    assert_eq!(std::fs::read_to_string(bench.path()).unwrap(), "precious");
}

#[test]
fn what_is_too_long_or_no_request_is_refused_and_harms_nobody() {
    let bench = Bench::new();
    let listener = bench.listener(LIMITS, says("fine"));
    let at = listener.address();
    for (request, status) in [
        ("status\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\nLong: {}\r\n\r\n", "x".repeat(20_000)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "A: b\r\n".repeat(100)), "431"),
        (format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n{}", "x".repeat(2000)), "413"),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n{}\r\n0\r\n\r\n",
                "x".repeat(2000)
            ),
            "413",
        ),
    ] {
        let answer = raw(at, &request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{status}: {answer:.100}");
    }
    // Gone before asking.
    drop(TcpStream::connect(at).unwrap());
    assert!(raw(at, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ends_with("fine"));
}

#[test]
fn who_is_not_heard_out_is_told_before_the_body() {
    struct Strict;
    impl Handler for Strict {
        fn refuses(&self, request: &Request) -> Option<Refused> {
            let refused = || Refused { status: 401, headers: vec![("allow", "x")], body: "no".into() };
            request.header("token").is_none().then(refused)
        }

        fn handle(&self, request: Request, reply: Reply) {
            reply.send(200, &[], request.body);
        }
    }
    let bench = Bench::new();
    // Nobody is cut for being slow: what is answered here is answered at once.
    let listener = bench.listener(LIMITS, Strict);
    let begun = |headers: &str, body: &str| {
        let mut stream = TcpStream::connect(listener.address()).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}").as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        (String::from_utf8(head.to_vec()).unwrap(), stream)
    };
    for (headers, body, status) in [
        ("Token: x\r\nContent-Length: 99999999\r\n", "", "HTTP/1.1 413"),
        ("Token: x\r\nContent-Length: 99999999\r\n", "some of it", "HTTP/1.1 413"),
        ("Token: x\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n", "", "HTTP/1.1 413"),
        ("Content-Length: 99999999\r\n", "", "HTTP/1.1 401"),
        ("Content-Length: 2\r\nExpect: 100-continue\r\n", "", "HTTP/1.1 401"),
        ("Transfer-Encoding: chunked\r\n", "", "HTTP/1.1 401"),
        ("Token: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n", "", "HTTP/1.1 100"),
        ("Token: x\r\nContent-Length: 2\r\n", "ab", "HTTP/1.1 200"),
    ] {
        let (came, _stream) = begun(headers, body);
        assert_eq!(came, status, "{headers}{body}");
    }
    // Who writes it all the same is read away, and sees the answer.
    let (came, mut stream) = begun("Content-Length: 500000\r\n", "");
    stream.write_all(&[b'x'; 500_000]).unwrap();
    assert_eq!(came, "HTTP/1.1 401");
    assert!(rest(stream).ends_with("\r\n\r\nno"));
}

#[test]
fn what_is_never_answered_ends() {
    let bench = Bench::new();
    let dropping = bench.socket(|_: Request, reply: Reply| drop(reply)).unwrap();
    assert_eq!(bench.ask("/").unwrap().0, 500);
    drop(dropping);
    let held = Arc::new(Mutex::new(Vec::new()));
    let holding = held.clone();
    let _socket = bench.socket(move |_: Request, reply: Reply| holding.lock().unwrap().push(reply));
    let late = ask(&bench.path(), "GET", "/", None, patience(Duration::from_millis(50), &mut || {}));
    assert!(matches!(late, Err(AskError::Late)), "{late:?}");
}

#[test]
fn a_long_answer_waits_for_its_reader_and_ends_with_it() {
    let bench = Bench::new();
    let (send, given) = std::sync::mpsc::channel();
    let _socket = bench.socket(move |_: Request, reply: Reply| {
        let send = send.clone();
        let give = move || {
            let mut body = reply.begin(200, &[]);
            let piece = [b'x'; 64 * 1024];
            let count = (0..10_000).take_while(|_| body.write_all(&piece).is_ok()).count();
            send.send(count).unwrap();
        };
        std::thread::Builder::new().spawn(give).unwrap();
    });
    let mut answered = ask(&bench.path(), "GET", "/", None, patience(LONG, &mut || {})).unwrap();
    answered.read_exact(&mut vec![0; 6 * 1024 * 1024]).unwrap();
    drop(answered);
    let count = given.recv_timeout(LONG).unwrap();
    assert!((96..10_000).contains(&count), "{count} pieces were given to nobody");
}

#[test]
fn an_answer_that_broke_off_is_not_taken_for_whole() {
    let bench = Bench::new();
    let _socket = bench.socket(|request: Request, reply: Reply| {
        let mut body = reply.begin(200, &[]);
        body.write_all(b"[1, 2").unwrap();
        if request.target == "/whole" {
            body.write_all(b"]").unwrap();
            body.finish().unwrap();
        } else {
            body.flush().unwrap();
        }
    });
    assert_eq!(bench.ask("/whole").unwrap(), (200, "[1, 2]".into()));
    let broken = bench.ask("/broken");
    let unexpected = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    let told = matches!(&broken, Err(AskError::Io(error)) if unexpected(error));
    assert!(told || matches!(broken, Err(AskError::BrokenOff)), "{broken:?}");
}

#[test]
fn whoever_does_not_read_is_cut() {
    let bench = Bench::new();
    let (send, given) = std::sync::mpsc::channel();
    let limits = Limits { patience: SHORT, ..LIMITS };
    let listener = bench.listener(limits, move |_: Request, reply: Reply| {
        let send = send.clone();
        let give = move || {
            let mut body = reply.begin(200, &[]);
            let piece = [b'x'; 64 * 1024];
            send.send((0..10_000).find_map(|_| body.write_all(&piece).err().map(|error| error.kind()))).unwrap();
        };
        std::thread::Builder::new().spawn(give).unwrap();
    });
    let mut stream = TcpStream::connect(listener.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(given.recv_timeout(LONG).unwrap().is_some());
    rest(stream);
}

#[test]
fn whoever_reads_slowly_is_cut_while_others_wait() {
    let bench = Bench::new();
    let (send, given) = std::sync::mpsc::channel();
    let limits = Limits { patience: 2 * SHORT, ..LIMITS };
    let listener = bench.listener(limits, move |_: Request, reply: Reply| {
        let send = send.clone();
        let reply = reply.kept_by(Arc::new(AtomicUsize::new(1)));
        let give = move || {
            let mut body = reply.begin(200, &[]);
            let piece = [b'x'; 64 * 1024];
            send.send((0..512).find_map(|_| body.write_all(&piece).err().map(|error| error.kind()))).unwrap();
        };
        std::thread::Builder::new().spawn(give).unwrap();
    });
    let mut stream = TcpStream::connect(listener.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // No piece is waited for too long, and all of it would be through in half of the time that a whole answer has.
    let mut piece = [0; 64 * 1024];
    let cut = loop {
        std::thread::park_timeout(Duration::from_millis(20));
        if let Ok(cut) = given.try_recv() {
            break cut;
        }
        let _ = stream.read(&mut piece);
    };
    assert_eq!(cut, Some(io::ErrorKind::TimedOut));
}

/// What is all written already waits in the connection, and in nobody's thread.
#[test]
fn whoever_does_not_read_what_is_all_there_is_cut_too() {
    let bench = Bench::new();
    let limits = Limits { patience: SHORT, ..LIMITS };
    let listener = bench.listener(limits, |_: Request, reply: Reply| reply.send(200, &[], vec![b'x'; 64 << 20]));
    let mut stream = TcpStream::connect(listener.address()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    std::thread::park_timeout(3 * SHORT);
    assert!(rest(stream).len() < 64 << 20);
}

#[test]
fn an_old_client_gets_no_body_whose_end_it_cannot_know() {
    let bench = Bench::new();
    let listener = bench.listener(LIMITS, |request: Request, reply: Reply| match request.target.as_str() {
        "/whole" => reply.send(200, &[], "fine"),
        _ => reply.begin(200, &[]).write_all(b"half").unwrap_or_default(),
    });
    let at = listener.address();
    assert!(raw(at, "GET /whole HTTP/1.0\r\nHost: x\r\n\r\n").ends_with("fine"));
    assert!(raw(at, "GET / HTTP/1.0\r\nHost: x\r\n\r\n").contains(" 505 "));
}

#[test]
fn who_waits_for_a_place_gets_it_as_soon_as_one_is_idle() {
    let bench = Bench::new();
    let (held, keeping) = keeping();
    let listener = bench.listener(Limits { connections: 1, ..LIMITS }, keeping);
    let at = listener.address();
    let mut first = TcpStream::connect(at).unwrap();
    first.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    while held.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let second = std::thread::Builder::new().spawn(move || raw(at, asked)).unwrap();
    // The first is answered, and stays.
    held.lock().unwrap().pop().unwrap().send(200, &[], "at last");
    assert!(second.join().unwrap().ends_with("fine"));
    drop(first);
}

#[test]
fn whoever_asks_and_goes_away_has_no_more_answers_made_than_who_stays() {
    let bench = Bench::new();
    let (held, keeping) = keeping();
    let listener = bench.listener(Limits { connections: 2, ..LIMITS }, keeping);
    let at = listener.address();
    for _ in 0..20 {
        TcpStream::connect(at).unwrap().write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    while held.lock().unwrap().len() < 2 {
        std::thread::yield_now();
    }
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let last = std::thread::Builder::new().spawn(move || raw(at, asked)).unwrap();
    std::thread::park_timeout(2 * SHORT);
    assert!(!last.is_finished());
    assert_eq!(held.lock().unwrap().len(), 2);
    while !last.is_finished() {
        held.lock().unwrap().clear();
        std::thread::yield_now();
    }
    assert!(last.join().unwrap().ends_with("fine"));
}

#[test]
fn whoever_is_slow_to_ask_is_cut() {
    let bench = Bench::new();
    let limits = Limits { patience: SHORT, ..LIMITS };
    let listener = bench.listener(limits, says("fine"));
    let at = listener.address();
    // Nothing, half a head, half a body; each is read until the other side ends it.
    assert!(!raw(at, "").contains("200"));
    assert!(!raw(at, "GET / HTTP/1.1\r\nHo").contains("200"));
    assert!(raw(at, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").starts_with("HTTP/1.1 408"));
    // One that was served and then stays silent.
    assert!(raw(at, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("fine"));
}

#[test]
fn a_thousand_who_only_sit_there_keep_nobody_out() {
    let bench = Bench::new();
    let listener = bench.listener(LIMITS, says("fine"));
    let at = listener.address();
    let mut sitting: Vec<_> = (0..500).map(|_| TcpStream::connect(at).unwrap()).collect();
    for nth in 0..500 {
        let mut stream = TcpStream::connect(at).unwrap();
        // Some have begun to ask.
        if nth % 2 == 0 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n");
        }
        sitting.push(stream);
    }
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!((0..20).all(|_| raw(at, asked).ends_with("fine")));
    drop(sitting);
}

#[test]
fn who_is_being_answered_is_not_turned_out() {
    let bench = Bench::new();
    let (held, keeping) = keeping();
    let listener = bench.listener(Limits { connections: 2, ..LIMITS }, keeping);
    let at = listener.address();
    let asked = "GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let waiting = std::thread::Builder::new().spawn(move || raw(at, asked)).unwrap();
    while held.lock().unwrap().is_empty() {
        std::thread::yield_now();
    }
    let asked = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let idle: Vec<_> = (0..10).map(|_| TcpStream::connect(at).unwrap()).collect();
    assert!((0..10).all(|_| raw(at, asked).ends_with("fine")));
    drop(idle);
    held.lock().unwrap().pop().unwrap().send(200, &[], "at last");
    assert!(waiting.join().unwrap().ends_with("at last"));
}

#[test]
fn connections_end_with_the_listener() {
    let bench = Bench::new();
    let socket = bench.socket(says("fine")).unwrap();
    let mut stream = UnixStream::connect(bench.path()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(socket);
    stream.read_to_end(&mut Vec::new()).unwrap();
}

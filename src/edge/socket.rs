//! The control socket: questions of commands, answers of the daemon.
//!
//! One question a connection: a line of JSON, answered by a line of JSON and, where the answer is long, by more of
//! them; then the connection ends. What questions there are is no business of this file.
//!
//! Who may ask is decided by the file: it is made with mode 0660, so the kernel lets in the daemon's user, root, and
//! its group. The answerer is told who asks, for the log.

use crate::domain::path::shown;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// Longest question, in bytes. The longest real ones carry a URL.
const QUESTION_BYTES: u64 = 64 * 1024;
/// How long a question may take to arrive, and a part of an answer to be read. People's programs need milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// Questions that are answered at the same time; more of them wait.
const AT_ONCE: usize = 32;
/// How much of an answer waits to be read before [`Answer::line_in_turn`] does.
const AHEAD_BYTES: usize = 1024 * 1024;
/// Anybody of the group may write, which is what connecting needs; nobody else.
const MODE: u32 = 0o660;

/// Who asks, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    pub pid: Option<i32>,
}

/// What answers questions. Called on a task of the runtime: it must not wait; it may keep the answer and give it
/// later, from anywhere.
pub trait Answerer: Send + Sync {
    fn answer(&self, question: Value, peer: Peer, answer: Answer);
}

impl<F: Fn(Value, Peer, Answer) + Send + Sync> Answerer for F {
    fn answer(&self, question: Value, peer: Peer, answer: Answer) {
        self(question, peer, answer);
    }
}

/// Why the daemon cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("another daemon answers at {}", shown(.0))]
    Taken(PathBuf),
    #[error("{} is there and is no socket", shown(.0))]
    NoSocket(PathBuf),
    #[error("failed to listen at {}", shown(.path))]
    Listen {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The daemon's side. Dropping it ends it and removes the socket.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    identity: (u64, u64),
    task: JoinHandle<()>,
}

impl Server {
    /// Listens at `path`. A socket there that nobody answers at is replaced.
    ///
    /// # Errors
    /// When somebody answers there already, something else is there, or the folder cannot be written.
    pub fn start(runtime: &Handle, path: &Path, answerer: Arc<dyn Answerer>) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Listen { path: path.into(), source };
        is_free(path)?;
        let (listener, identity) = bind(path).map_err(failed)?;
        let _inside = runtime.enter();
        let listener = tokio::net::UnixListener::from_std(listener).map_err(failed)?;
        let task = runtime.spawn(accept(listener, answerer));
        Ok(Self { path: path.into(), identity, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Only our own: another daemon may have put its socket there since.
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.identity);
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn is_free(path: &Path) -> Result<(), ServeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(ServeError::Listen { path: path.into(), source }),
        Ok(about) if !about.file_type().is_socket() => return Err(ServeError::NoSocket(path.into())),
        Ok(_) => {}
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(ServeError::Taken(path.into())),
        Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(ServeError::Listen { path: path.into(), source }),
    }
}

/// Made aside and renamed, so that whoever finds the socket finds it with its mode and somebody listening.
fn bind(path: &Path) -> io::Result<(std::os::unix::net::UnixListener, (u64, u64))> {
    let mut aside = path.as_os_str().to_owned();
    aside.push("~");
    let aside = PathBuf::from(aside);
    if std::fs::symlink_metadata(&aside).is_ok_and(|about| about.file_type().is_socket()) {
        std::fs::remove_file(&aside)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(&aside)?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(MODE))?;
    let about = std::fs::symlink_metadata(&aside)?;
    listener.set_nonblocking(true)?;
    std::fs::rename(&aside, path)?;
    Ok((listener, (about.dev(), about.ino())))
}

async fn accept(listener: tokio::net::UnixListener, answerer: Arc<dyn Answerer>) {
    let seats = Arc::new(Semaphore::new(AT_ONCE));
    // Ends with the tasks in it when this task is aborted.
    let mut conversations = tokio::task::JoinSet::new();
    loop {
        let Ok(seat) = seats.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let answerer = answerer.clone();
                conversations.spawn(async move {
                    // Whoever goes away in the middle of it has no use for an error.
                    let _ = converse(stream, &*answerer).await;
                    drop(seat);
                });
            }
            Err(_) => {
                #[expect(clippy::disallowed_methods, reason = "no descriptors are free; only time can help")]
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        while conversations.try_join_next().is_some() {}
    }
}

async fn converse(mut stream: tokio::net::UnixStream, answerer: &dyn Answerer) -> io::Result<()> {
    let cred = stream.peer_cred()?;
    let peer = Peer { uid: cred.uid(), gid: cred.gid(), pid: cred.pid() };
    let (read, mut write) = stream.split();
    let pipe = Arc::new(Pipe::default());
    let answer = Answer(pipe.clone());
    match tokio::time::timeout(PATIENCE, question(read)).await.map_err(io::Error::from)?? {
        Ok(question) => answerer.answer(question, peer, answer),
        Err(why) => {
            answer.line(&serde_json::json!({ "error": why }));
            drop(answer);
        }
    }
    // Whoever waits for room learns that nobody reads any more, however this ends.
    let _close = Close(&pipe);
    while let Some(line) = pipe.next().await {
        tokio::time::timeout(PATIENCE, write.write_all(&line)).await.map_err(io::Error::from)??;
    }
    write.shutdown().await
}

async fn question(read: impl tokio::io::AsyncRead + Unpin) -> io::Result<Result<Value, String>> {
    let mut read = tokio::io::BufReader::new(read.take(QUESTION_BYTES + 1));
    let mut line = Vec::new();
    read.read_until(b'\n', &mut line).await?;
    if line.len() as u64 > QUESTION_BYTES {
        // Read to its end all the same: closing before would tell the other side of a reset instead.
        while !line.is_empty() && !line.ends_with(b"\n") {
            line.clear();
            read.get_mut().set_limit(QUESTION_BYTES);
            read.read_until(b'\n', &mut line).await?;
        }
        return Ok(Err(format!("the question has more than {QUESTION_BYTES} bytes")));
    }
    Ok(serde_json::from_slice(&line).map_err(|error| format!("the question is no JSON: {error}")))
}

/// Where an answer's lines go. The connection ends when it is dropped.
#[derive(Debug)]
pub struct Answer(Arc<Pipe>);

impl Answer {
    /// Gives a line, without waiting; `false` when nobody reads any more.
    pub fn line(&self, value: &impl Serialize) -> bool {
        self.0.push(value, self.0.lock())
    }

    /// As [`Answer::line`], but waits while a lot has not been read yet. For long answers, from a thread that has
    /// nothing else to do.
    pub fn line_in_turn(&self, value: &impl Serialize) -> bool {
        let state = self.0.lock();
        let full = |state: &mut State| state.bytes > AHEAD_BYTES && !state.closed;
        let state = self.0.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        self.0.push(value, state)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.more.notify_one();
    }
}

/// Lines on their way from the answerer to the connection.
#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    room: Condvar,
    more: Notify,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// No line follows.
    ended: bool,
    /// Nobody reads any more.
    closed: bool,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, value: &impl Serialize, mut state: MutexGuard<'_, State>) -> bool {
        let Ok(mut line) = serde_json::to_vec(value) else { return false };
        if state.closed {
            return false;
        }
        line.push(b'\n');
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.more.notify_one();
        true
    }

    async fn next(&self) -> Option<Vec<u8>> {
        loop {
            {
                let mut state = self.lock();
                if let Some(line) = state.lines.pop_front() {
                    state.bytes -= line.len();
                    self.room.notify_all();
                    return Some(line);
                }
                if state.ended {
                    return None;
                }
            }
            self.more.notified().await;
        }
    }
}

struct Close<'a>(&'a Pipe);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.room.notify_all();
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No daemon runs there.
    #[error("no daemon answers at {}", shown(.0))]
    Absent(PathBuf),
    #[error("there is no permission to ask the daemon at {}", shown(.0))]
    Forbidden(PathBuf),
    #[error("the daemon did not answer in time")]
    Late,
    #[error("the daemon broke off its answer")]
    BrokenOff,
    #[error("the daemon's answer is no JSON")]
    NoJson(#[source] serde_json::Error),
    #[error("failed to ask the daemon")]
    Io(#[source] io::Error),
}

/// The lines of an answer, one after the other; ends after the first error.
#[derive(Debug)]
pub struct Answers {
    first: Option<Value>,
    rest: Option<BufReader<std::os::unix::net::UnixStream>>,
}

/// Asks the daemon, and waits for the first line of its answer. Blocking; `timeout` is for each line.
///
/// # Errors
/// When nobody answers there, or not in time.
pub fn ask(path: &Path, question: &Value, timeout: Duration) -> Result<Answers, AskError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::Absent(path.into()),
        io::ErrorKind::PermissionDenied => AskError::Forbidden(path.into()),
        _ => reading(error),
    };
    let mut stream = std::os::unix::net::UnixStream::connect(path).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    // The daemon may refuse before it has read all; what it says then is worth more than the broken pipe.
    let sent = stream.write_all(format!("{question}\n").as_bytes());
    let mut answers = Answers { first: None, rest: Some(BufReader::new(stream)) };
    match answers.next() {
        Some(first) => answers.first = Some(first?),
        None => return Err(sent.map_or_else(failed, |()| AskError::BrokenOff)),
    }
    Ok(answers)
}

impl Iterator for Answers {
    type Item = Result<Value, AskError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(Ok(first));
        }
        let mut line = Vec::new();
        let item = match self.rest.as_mut()?.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) if !line.ends_with(b"\n") => Some(Err(AskError::BrokenOff)),
            Ok(_) => Some(serde_json::from_slice(&line).map_err(AskError::NoJson)),
            Err(error) => Some(Err(reading(error))),
        };
        if !matches!(item, Some(Ok(_))) {
            self.rest = None;
        }
        item
    }
}

fn reading(error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Late,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => AskError::BrokenOff,
        _ => AskError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

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

        fn serve(&self, answer: impl Fn(Value, Peer, Answer) + Send + Sync + 'static) -> Result<Server, ServeError> {
            Server::start(self.runtime.handle(), &self.path(), Arc::new(answer))
        }

        fn ask(&self, question: &Value) -> Result<Vec<Value>, AskError> {
            ask(&self.path(), question, LONG)?.collect()
        }
    }

    #[test]
    fn a_question_is_answered_by_one_line_or_many() {
        let bench = Bench::new();
        let _server = bench.serve(|question, peer, answer| {
            assert_eq!(peer.uid, rustix::process::getuid().as_raw());
            answer.line(&json!({ "to": question, "text": "two\nlines" }));
            // Later, and from elsewhere.
            let more = move || (0..3).for_each(|number| assert!(answer.line(&json!(number))));
            std::thread::Builder::new().spawn(more).unwrap();
        });
        let lines = bench.ask(&json!({ "ask": "status" })).unwrap();
        let first = json!({ "to": { "ask": "status" }, "text": "two\nlines" });
        assert_eq!(lines, [first, json!(0), json!(1), json!(2)]);
    }

    #[test]
    fn only_the_owner_and_its_group_may_connect() {
        let bench = Bench::new();
        let server = bench.serve(|_, _, _| ()).unwrap();
        assert_eq!(std::fs::metadata(bench.path()).unwrap().mode() & 0o777, 0o660);
        drop(server);
        assert!(!bench.path().exists());
    }

    #[test]
    fn a_socket_that_nobody_answers_at_is_replaced_and_one_in_use_is_not() {
        let bench = Bench::new();
        drop(std::os::unix::net::UnixListener::bind(bench.path()).unwrap());
        assert!(matches!(bench.ask(&json!(1)), Err(AskError::Absent(_))));
        let first = bench.serve(|_, _, answer| assert!(answer.line(&json!("first")))).unwrap();
        assert!(matches!(bench.serve(|_, _, _| ()), Err(ServeError::Taken(_))));
        assert_eq!(bench.ask(&json!(1)).unwrap(), [json!("first")]);
        // Another one's socket is not removed with ours.
        std::fs::remove_file(bench.path()).unwrap();
        let second = bench.serve(|_, _, answer| assert!(answer.line(&json!("second")))).unwrap();
        drop(first);
        assert_eq!(bench.ask(&json!(1)).unwrap(), [json!("second")]);
        drop(second);
        std::fs::write(bench.path(), "precious").unwrap();
        assert!(matches!(bench.serve(|_, _, _| ()), Err(ServeError::NoSocket(_))));
        assert_eq!(std::fs::read_to_string(bench.path()).unwrap(), "precious");
    }

    #[test]
    fn what_is_no_question_is_told_so_and_harms_nobody() {
        let bench = Bench::new();
        let _server = bench.serve(|question, _, answer| assert!(answer.line(&question)));
        let long = json!("x".repeat(70_000));
        assert!(bench.ask(&long).unwrap()[0]["error"].as_str().unwrap().contains("65536"));
        let mut stream = std::os::unix::net::UnixStream::connect(bench.path()).unwrap();
        stream.write_all(b"status\n").unwrap();
        let mut answer = String::new();
        io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        assert!(answer.contains("the question is no JSON"), "{answer}");
        // Gone before asking.
        drop(std::os::unix::net::UnixStream::connect(bench.path()).unwrap());
        assert_eq!(bench.ask(&json!(7)).unwrap(), [json!(7)]);
    }

    #[test]
    fn a_question_that_is_never_answered_ends() {
        let bench = Bench::new();
        let dropping = bench.serve(|_, _, answer| drop(answer)).unwrap();
        assert!(matches!(bench.ask(&json!(1)), Err(AskError::BrokenOff)));
        drop(dropping);
        let held = Arc::new(Mutex::new(Vec::new()));
        let holding = held.clone();
        let _server = bench.serve(move |_, _, answer| holding.lock().unwrap().push(answer));
        let late = ask(&bench.path(), &json!(1), Duration::from_millis(50));
        assert!(matches!(late, Err(AskError::Late)), "{late:?}");
    }

    #[test]
    fn a_long_answer_waits_for_its_reader_and_ends_with_it() {
        let bench = Bench::new();
        let (send, given) = std::sync::mpsc::channel();
        let _server = bench.serve(move |_, _, answer| {
            let send = send.clone();
            let give = move || {
                let line = json!("x".repeat(64 * 1024));
                let count = (0..10_000).take_while(|_| answer.line_in_turn(&line)).count();
                send.send(count).unwrap();
            };
            std::thread::Builder::new().spawn(give).unwrap();
        });
        let mut answers = ask(&bench.path(), &json!(1), LONG).unwrap();
        assert_eq!(answers.by_ref().take(100).filter(Result::is_ok).count(), 100);
        drop(answers);
        let count = given.recv_timeout(LONG).unwrap();
        assert!((100..10_000).contains(&count), "{count} lines were given to nobody");
    }
}

//! Runs a program of the operator's own: one request on its standard input, one reply on its standard output.
//!
//! It gets nothing of ours beside that: an environment of two fixed variables, no open file, and a folder to stand in. It
//! is the head of a process group, and when it has come to its end, or its time is up, whatever is left of the group is
//! killed: the program is never reaped before that, so that no other group can have got the number meanwhile. What
//! leaves the group on purpose gets away.
//!
//! A failure is [`Failure::NeverLeft`] only where the program was not started. When it ends by itself there is a reply,
//! whatever its exit code: what that means is the adapter's to say.
//!
//! Invariants:
//! - No error text holds anything of the request.
//! - Memory for what it says is bounded; the rest is read and thrown away, so that it does not stand still.

use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use crate::domain::{limits, path};
use crate::platform::contract::{Exec, ExecReply, Failure};
use crate::telemetry::escape::escape;

/// All of its environment.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")];
/// How much of its standard error is kept to find the first line in.
const SAID_BYTES: usize = 8 * 1024;
/// How long its last words are waited for when it and its group are gone. Only somebody who left the group can still
/// hold the pipes open then.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the program to its end, and no longer than `timeout`.
///
/// # Errors
/// [`Failure::NeverLeft`] when it could not be started, [`Failure::MayHaveArrived`] when it did not come to its end by
/// itself.
pub async fn run(call: Exec, timeout: Duration) -> Result<ExecReply, Failure> {
    let deadline = Instant::now() + timeout;
    let (mut running, pipes) = start(&call).map_err(Failure::NeverLeft)?;
    let (mut output, mut said) = (Kept::new(limits::ANSWER_BYTES), Kept::new(SAID_BYTES));
    let (mut heard, in_time) = {
        let talk = async {
            tokio::join!(give(pipes.stdin, call.input), take(pipes.stdout, &mut output), take(pipes.stderr, &mut said));
        };
        let mut talk = pin!(talk);
        let mut ended = pin!(tokio::time::timeout_at(deadline, running.ended()));
        let (mut heard, in_time) = tokio::select! {
            () = &mut talk => (true, None),
            in_time = &mut ended => (false, Some(in_time)),
        };
        let in_time = match in_time {
            Some(in_time) => in_time,
            None => ended.await,
        };
        running.kill();
        heard = heard || tokio::time::timeout(LAST_WORDS, talk).await.is_ok();
        (heard, in_time)
    };
    let unsure = |why: String| Failure::MayHaveArrived(format!("the program {why}"));
    let status = running.reap().await.map_err(|cause| unsure(format!("cannot be watched: {cause}")))?;
    match in_time {
        Err(_) => return Err(unsure(format!("did not come to its end within {timeout:?}"))),
        Ok(Err(cause)) => return Err(unsure(format!("cannot be watched: {cause}"))),
        Ok(Ok(())) => {}
    }
    let Some(code) = status.code() else {
        return Err(unsure(format!("was ended from outside ({status})")));
    };
    heard &= !output.cut;
    Ok(ExecReply { code, output: output.bytes, cut: !heard, said: first_line(&said.bytes) })
}

struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

fn start(call: &Exec) -> Result<(Running, Pipes), String> {
    let failed = |cause: std::io::Error| format!("{} could not be started: {cause}", path::shown(&call.program));
    // Else a relative path would be taken from the folder that the program is to stand in, or be looked for in $PATH.
    let program = std::path::absolute(&call.program).map_err(failed)?;
    let folder = std::path::absolute(&call.folder).unwrap_or_else(|_| "/".into());
    let mut child = Command::new(program)
        .args(&call.args)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let pipes = Pipes { stdin: child.stdin.take(), stdout: child.stdout.take(), stderr: child.stderr.take() };
    Ok((Running { child }, pipes))
}

/// A program whose group is killed before it is reaped or forgotten.
struct Running {
    child: Child,
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()?).ok()?)
    }

    /// Returns when the program has ended; it stays a zombie, and its number stays taken.
    fn ended(&self) -> impl Future<Output = std::io::Result<()>> + use<> {
        let pid = self.pid();
        async move {
            let Some(pid) = pid else { return Ok(()) };
            let watched: OwnedFd = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
            #[expect(
                deprecated,
                reason = "an OwnedFd stays what it is; to promise that for any type takes unsafe code"
            )]
            let watched = AsyncFd::with_interest(watched, Interest::READABLE)?;
            watched.readable().await.map(drop)
        }
    }

    fn kill(&self) {
        if let Some(pid) = self.pid() {
            // Nobody left to kill is what we want.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }

    async fn reap(&mut self) -> std::io::Result<ExitStatus> {
        self.kill();
        self.child.wait().await
    }
}

impl Drop for Running {
    /// The call was broken off.
    fn drop(&mut self) {
        self.kill();
    }
}

/// What is kept of a stream.
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    cut: bool,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { bytes: Vec::new(), most, cut: false }
    }

    fn add(&mut self, piece: &[u8]) {
        let room = self.most - self.bytes.len();
        self.bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        self.cut |= piece.len() > room;
    }
}

/// A program may end or answer before it has read everything.
async fn give(pipe: Option<ChildStdin>, input: Arc<[u8]>) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(&input).await;
    }
}

async fn take(pipe: Option<impl AsyncRead + Unpin>, kept: &mut Kept) {
    let Some(mut pipe) = pipe else { return };
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = pipe.read(&mut piece).await {
        kept.add(&piece[..length]);
    }
}

fn first_line(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    escape(line.unwrap_or_default()).into_owned()
}

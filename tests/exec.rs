//! What becomes of a program that is run: what it gets, what of it is believed, that nothing of it is left, and that no
//! error tells what it was given.

#![cfg(test)]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cadenced::domain::limits;
use cadenced::edge::caller::Dispatcher;
use cadenced::edge::http::Http;
use cadenced::edge::relay::Relays;
use cadenced::parts::Caller as _;
use cadenced::platform::contract::{Call, Exec, ExecReply, Failure, FileCall, Reply};

/// Stands in every request, and in no error.
const CANARY: &str = "canary-77aa";
/// Long enough for whatever ends by itself.
const LONG: Duration = Duration::from_secs(60);
/// For what would never end; no test depends on how long it takes.
const SHORT: Duration = Duration::from_millis(300);

struct Edge {
    runtime: tokio::runtime::Runtime,
    caller: Dispatcher,
}

fn edge() -> Edge {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let files = Arc::new(|_: &FileCall| panic!("nobody asked for files"));
    let (http, relays) = (Http::new("cadenced/test", &[]).unwrap(), Relays::new("cadenced/test", &[]).unwrap());
    let caller = Dispatcher::new(runtime.handle().clone(), http, relays, files);
    Edge { runtime, caller }
}

impl Edge {
    fn begin(&self, call: Exec, timeout: Duration) -> mpsc::Receiver<Result<Reply, Failure>> {
        let (send, result) = mpsc::channel();
        self.caller.call(Call::Exec(call), timeout, Box::new(move |result| send.send(result).unwrap()));
        result
    }

    fn run(&self, call: Exec, timeout: Duration) -> Result<ExecReply, Failure> {
        let result = self.begin(call, timeout).recv_timeout(LONG * 2).expect("every call is answered");
        match result {
            Ok(Reply::Exec(reply)) => Ok(reply),
            Ok(other) => panic!("a program answers with {other:?}"),
            Err(failure) => {
                assert!(!format!("{failure} {failure:?}").contains(CANARY), "an error tells what was given: {failure}");
                Err(failure)
            }
        }
    }

    fn shell(&self, script: &str) -> Result<ExecReply, Failure> {
        self.run(shell(script), LONG)
    }
}

/// A shell, so that no test executes a file that it has just written: another thread that is about to start a program
/// may still hold it open.
fn shell(script: &str) -> Exec {
    let args = vec!["-c".into(), script.into()];
    Exec { program: "/bin/sh".into(), args, folder: "/".into(), input: CANARY.as_bytes().into() }
}

fn text(reply: &ExecReply) -> &str {
    std::str::from_utf8(&reply.output).unwrap()
}

/// A pipe with a name in a folder of its own: who reads from it hears when the last writer is gone.
fn pipe() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    (dir, path)
}

/// Answers once somebody has opened the pipe for writing, and once more when all who did are gone.
#[expect(clippy::disallowed_methods, reason = "opening and reading a pipe blocks")]
fn watch(pipe: &Path) -> mpsc::Receiver<&'static str> {
    let (send, told) = mpsc::channel();
    let pipe = pipe.to_owned();
    std::thread::spawn(move || {
        let mut file = std::fs::File::open(pipe).unwrap();
        send.send("opened").unwrap();
        file.read_to_end(&mut Vec::new()).unwrap();
        let _ = send.send("gone");
    });
    told
}

// What it gets.

#[test]
fn it_gets_the_request_and_gives_the_reply() {
    let edge = edge();
    let reply = edge.shell("cat; printf ' and %s' \"$0\"; exit 3").unwrap();
    assert_eq!((text(&reply), reply.code, reply.cut), ("canary-77aa and /bin/sh", 3, false));
    assert_eq!(reply.said, "");
}

#[test]
fn it_gets_nothing_of_ours_beside_that() {
    let edge = edge();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let env = Exec { program: "/usr/bin/env".into(), args: Vec::new(), ..shell("") };
    let reply = edge.run(env, LONG).unwrap();
    let mut lines: Vec<_> = text(&reply).lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["LANG=C.UTF-8", "PATH=/usr/bin:/bin"]);
    let reply = edge.run(Exec { folder: folder.clone(), ..shell("pwd") }, LONG).unwrap();
    assert_eq!(text(&reply), format!("{}\n", folder.display()));
}

#[test]
fn a_relative_path_is_not_looked_for_elsewhere() {
    let edge = edge();
    // `true` is in the folders of $PATH, and not in the one that we stand in.
    let call = Exec { program: "true".into(), args: Vec::new(), folder: "/bin".into(), ..shell("") };
    assert!(matches!(edge.run(call, LONG), Err(Failure::NeverLeft(_))));
}

#[test]
fn what_cannot_be_started_has_not_left() {
    let edge = edge();
    for program in ["/nowhere/to-be-found", "/etc/passwd", "/", "/bin/sh/below"] {
        let failure = edge.run(Exec { program: program.into(), ..shell("cat") }, LONG).unwrap_err();
        assert!(matches!(&failure, Failure::NeverLeft(why) if why.contains(program)), "{program}: {failure:?}");
    }
    let failure = edge.run(Exec { folder: "/nowhere".into(), ..shell("cat") }, LONG).unwrap_err();
    assert!(matches!(failure, Failure::NeverLeft(_)), "{failure:?}");
}

#[test]
fn it_need_not_read_what_it_gets() {
    let edge = edge();
    let input: Arc<[u8]> = vec![b'x'; 4 << 20].into();
    let reply = edge.run(Exec { input: input.clone(), ..shell("echo early") }, LONG).unwrap();
    assert_eq!((text(&reply), reply.code), ("early\n", 0));
    let reply = edge.run(Exec { input, ..shell("wc -c; echo late") }, LONG).unwrap();
    assert_eq!(text(&reply), "4194304\nlate\n");
}

// What is kept of what it says.

#[test]
fn what_it_says_is_bounded_and_does_not_hold_it_up() {
    let edge = edge();
    let reply = edge.shell("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 5").unwrap();
    assert_eq!((reply.output.len(), reply.cut, reply.code), (limits::ANSWER_BYTES, true, 5));
    assert!(reply.said.len() < 100_000, "{}", reply.said.len());
}

#[test]
fn the_first_line_of_its_complaint_is_kept_and_harmless() {
    let edge = edge();
    let reply = edge.shell(r"printf '\n  no \033[31mway\r\nsecond line' >&2; exit 1").unwrap();
    assert_eq!(reply.said, r"no \u{1b}[31mway");
}

// How it ends.

#[test]
fn who_is_ended_from_outside_may_have_done_it() {
    let edge = edge();
    for script in ["echo '{}'; kill -KILL $$", "kill -TERM $$", "kill -SEGV $$"] {
        let failure = edge.shell(script).unwrap_err();
        assert!(matches!(&failure, Failure::MayHaveArrived(why) if why.contains("signal")), "{script}: {failure:?}");
    }
}

#[test]
fn at_the_time_out_it_is_killed_with_all_its_group() {
    let edge = edge();
    let (_dir, path) = pipe();
    let told = watch(&path);
    // Closed streams are no end.
    let script = format!("exec >&- 2>&-; sleep 1000 > {0} & trap '' TERM; sleep 1000 > {0}", path.display());
    let failure = edge.run(shell(&script), SHORT).unwrap_err();
    assert!(matches!(&failure, Failure::MayHaveArrived(why) if why.contains("300ms")), "{failure:?}");
    // Where the machine was too busy for it to come so far, nobody is there to be killed.
    if told.recv_timeout(SHORT).is_ok() {
        assert_eq!(told.recv_timeout(LONG), Ok("gone"));
    }
}

#[test]
fn what_it_leaves_behind_is_killed_and_its_reply_counts() {
    let edge = edge();
    let (_dir, path) = pipe();
    let told = watch(&path);
    // The one that is left holds the streams open, and the pipe: it has it before the shell ends.
    let script = format!("exec 3> {}; sleep 1000 & echo whole", path.display());
    let reply = edge.shell(&script).unwrap();
    assert_eq!((text(&reply), reply.code, reply.cut), ("whole\n", 0, false));
    assert_eq!(told.recv_timeout(LONG), Ok("opened"));
    assert_eq!(told.recv_timeout(LONG), Ok("gone"));
}

#[test]
fn a_reply_that_somebody_outside_the_group_may_still_write_is_not_whole() {
    let edge = edge();
    let (_dir, path) = pipe();
    let told = watch(&path);
    let script = format!("exec 3> {}; setsid sh -c 'echo $$ >&2; exec 2>&-; sleep 1000' & echo half", path.display());
    // `wait` for its number: the shell must not end before the other has left the group.
    let reply = edge.shell(&format!("{script}; while [ \"$(ps -o sid= -p $! | tr -d ' ')\" != $! ]; do :; done"));
    let reply = reply.unwrap();
    assert_eq!((text(&reply), reply.code, reply.cut), ("half\n", 0, true));
    let escaped: i32 = reply.said.parse().unwrap();
    assert!(Command::new("kill").args(["-9", "--", &format!("-{escaped}")]).status().unwrap().success());
    assert_eq!(told.recv_timeout(LONG), Ok("opened"));
    assert_eq!(told.recv_timeout(LONG), Ok("gone"));
}

#[test]
fn a_call_that_the_end_of_the_runtime_breaks_off_is_answered_and_its_program_killed() {
    let Edge { runtime, caller } = edge();
    let (_dir, path) = pipe();
    let told = watch(&path);
    let edge = Edge { runtime, caller };
    let result = edge.begin(shell(&format!("exec 3> {}; sleep 1000 & sleep 1000", path.display())), LONG * 10);
    assert_eq!(told.recv_timeout(LONG), Ok("opened"));
    drop(edge.runtime);
    let result = result.recv_timeout(LONG).unwrap();
    assert!(matches!(result, Err(Failure::MayHaveArrived(_))), "{result:?}");
    assert_eq!(told.recv_timeout(LONG), Ok("gone"));
}

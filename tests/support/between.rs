//! A way to a server that loses things: it stands between a client and a server on this machine, hands requests on,
//! and lets a rule say what becomes of each.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is handed on, and so is the reply.
    Through,
    /// The same, after a while.
    Slowly(Duration),
    /// The server gets it; the client waits for a reply that never comes.
    ReplyLost,
    /// The server never gets it; the client waits.
    Lost,
}

type Rule = Box<dyn FnMut(&str) -> Way + Send>;

/// The way between.
pub struct Between {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    rule: Arc<Mutex<Rule>>,
    lost: Receiver<()>,
    stopped: Arc<AtomicBool>,
}

impl Between {
    /// The way to `server`, as `HOST:PORT`. Everything goes through at first.
    pub fn new(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of this machine");
        let address = listener.local_addr().expect("it has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(|_| Way::Through)));
        let stopped = Arc::new(AtomicBool::new(false));
        let (tell, lost) = channel();
        let (server, log, rules, stop) = (server.to_owned(), asked.clone(), rule.clone(), stopped.clone());
        thread(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                let (server, log, rules, tell) = (server.clone(), log.clone(), rules.clone(), tell.clone());
                thread(move || {
                    // What breaks a connection here breaks it for both sides; the client will say so.
                    let _ = carry(client, &server, &log, &rules, &tell);
                });
            }
        });
        Self { address, asked, rule, lost, stopped }
    }

    /// Where clients reach the server by this way.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on `rule` says what becomes of a request. It is asked with the last part of the path.
    pub fn set_rule(&self, rule: impl FnMut(&str) -> Way + Send + 'static) {
        *self.rule.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(rule);
    }

    /// Waits until a request, or the reply to one, has been lost; for a minute at most. Gives whether one was.
    pub fn waits_for_a_loss(&self) -> bool {
        self.lost.recv_timeout(Duration::from_secs(60)).is_ok()
    }

    /// How often something was asked since the last time.
    pub fn take_count(&self, what: &str) -> usize {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.len();
        asked.retain(|name| name != what);
        before - asked.len()
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection: one request, and no more after it.
fn carry(
    mut client: TcpStream,
    server: &str,
    log: &Mutex<Vec<String>>,
    rule: &Mutex<Rule>,
    tell: &Sender<()>,
) -> Option<()> {
    let (head, body) = request(&mut client)?;
    let path = head.split(' ').nth(1)?;
    let name = path.split('?').next()?.rsplit('/').next()?.to_owned();
    let way = (rule.lock().unwrap_or_else(PoisonError::into_inner))(&name);
    log.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    if let Way::Slowly(span) = way {
        pause(span);
    }
    if way != Way::Lost {
        let mut server = TcpStream::connect(server).ok()?;
        // The server ends the connection after its reply; the client is told so by the server's own header.
        let head = head.trim_end().to_owned() + "\r\nconnection: close\r\n\r\n";
        server.write_all(head.as_bytes()).ok()?;
        server.write_all(&body).ok()?;
        let mut reply = Vec::new();
        server.read_to_end(&mut reply).ok()?;
        if way != Way::ReplyLost {
            return client.write_all(&reply).ok();
        }
    }
    let _ = tell.send(());
    // Until the client gives up, or is gone.
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    Some(())
}

/// The head of a request without its `connection` header, and its body.
fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let named =
        |line: &str, name: &str| line.split_once(':').is_some_and(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    let length = head.lines().find(|line| named(line, "content-length"));
    let length: usize = length.and_then(|line| line.split_once(':')?.1.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    client.read_exact(&mut body).ok()?;
    let kept: Vec<&str> = head.trim_end().lines().filter(|line| !named(line, "connection")).collect();
    Some((kept.join("\r\n") + "\r\n\r\n", body))
}

fn thread(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).expect("a thread starts");
}

#[expect(clippy::disallowed_methods, reason = "a slow network is slow in real time")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

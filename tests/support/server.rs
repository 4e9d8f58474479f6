//! A loopback server that behaves as badly as it is told to: raw bytes over TCP or TLS, one thread a connection.
//!
//! It waits for nothing but the other side; a test ends it by dropping it.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// So that a test which goes wrong ends at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server on a port of its own.
pub struct Server {
    address: SocketAddr,
    tls: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Request line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// The server's side of one connection.
pub struct Wire {
    stream: Box<dyn Stream>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Counted from 0.
    pub connection: usize,
}

trait Stream: Read + Write + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Stream for StreamOwned<ServerConnection, TcpStream> {
    fn tcp(&self) -> &TcpStream {
        &self.sock
    }
}

impl Server {
    /// Calls `manner` with every connection; the connection ends when it returns.
    pub fn start(manner: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(manner))
    }

    /// As [`Server::start`], over TLS.
    pub fn start_tls(identity: &Identity, manner: impl Fn(&mut Wire) + Send + Sync + 'static) -> Self {
        Self::listen(Some(identity.config.clone()), Arc::new(manner))
    }

    /// Answers every request with the same bytes and keeps the connection.
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |wire| while wire.request().is_some() && wire.send(&answer) {})
    }

    pub fn url(&self, path: &str) -> String {
        let (scheme, host) = if self.tls { ("https", "localhost") } else { ("http", "127.0.0.1") };
        format!("{scheme}://{host}:{}{path}", self.address.port())
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The requests that were read so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn listen(tls: Option<Arc<ServerConfig>>, manner: Arc<dyn Fn(&mut Wire) + Send + Sync>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            tls: tls.is_some(),
            seen: Arc::default(),
            connections: Arc::default(),
            stopped: Arc::default(),
        };
        let (seen, connections, stopped) = (server.seen.clone(), server.connections.clone(), server.stopped.clone());
        thread("server", move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let connection = connections.fetch_add(1, Ordering::SeqCst);
                let (tls, manner, seen) = (tls.clone(), manner.clone(), seen.clone());
                thread("connection", move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    stream.set_write_timeout(Some(PATIENCE)).unwrap();
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
                    };
                    let mut wire = Wire { stream, seen, connection };
                    manner(&mut wire);
                    let _ = wire.stream.flush();
                });
            }
        });
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Wire {
    /// Reads one request, with the body that its length announces; `None` when the other side is gone.
    pub fn request(&mut self) -> Option<Seen> {
        let head = self.head()?;
        let mut seen = Seen { head, body: Vec::new() };
        let length = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
        seen.body = vec![0; length];
        self.stream.read_exact(&mut seen.body).ok()?;
        self.seen.lock().unwrap().push(seen.clone());
        Some(seen)
    }

    /// Reads request line and headers only.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match self.stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return None,
            }
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Whether the bytes could be sent.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Sends the same bytes until the other side has had enough.
    pub fn send_for_ever(&mut self, bytes: &[u8]) {
        while self.send(bytes) {}
    }

    /// Says nothing until the other side is gone.
    pub fn hang(&mut self) {
        let mut bytes = [0; 4096];
        while matches!(self.stream.read(&mut bytes), Ok(length) if length > 0) {}
    }

    /// Ends the connection so that the other side sees a reset.
    pub fn reset(&mut self) {
        let _ = rustix::net::sockopt::set_socket_linger(self.stream.tcp(), Some(Duration::ZERO));
    }

    /// Ends the connection without a word of TLS.
    pub fn cut(&mut self) {
        let _ = self.stream.tcp().shutdown(Shutdown::Both);
    }
}

/// A certificate with its key, and the authority that has signed it.
pub struct Identity {
    config: Arc<ServerConfig>,
    /// The authority, in PEM.
    pub authority: String,
}

/// What a certificate says.
pub struct Claim {
    pub host: &'static str,
    /// Its first and last year.
    pub years: (i32, i32),
}

impl Identity {
    /// A certificate for `claim`, signed by a new authority.
    pub fn new(claim: &Claim) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["cadenced test authority".into()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::new(params, key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![claim.host.into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(claim.years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(claim.years.1, 12, 31);
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        Self { config: Arc::new(config), authority: authority.pem() }
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.into()).spawn(work).unwrap();
}

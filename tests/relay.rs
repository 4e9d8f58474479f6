//! What becomes of a conversation with relays: what of it is believed, whether anything can have left, and that no error
//! tells what was to be said.

#![cfg(test)]

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use cadenced::domain::limits;
use cadenced::edge::caller::Dispatcher;
use cadenced::edge::http::Http;
use cadenced::edge::relay::Relays;
use cadenced::parts::Caller as _;
use cadenced::platform::contract::{Call, Failure, FileCall, Reply, Socket, SocketEnd, SocketReply};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};
use url::Url;

/// Stands in what is said, and in no error.
const CANARY: &str = "canary-77aa";
const LONG: Duration = Duration::from_secs(60);
/// For what would never end; no test depends on how long it takes.
const SHORT: Duration = Duration::from_millis(300);

struct Edge {
    runtime: tokio::runtime::Runtime,
    caller: Dispatcher,
}

fn edge(authorities: &[&[u8]]) -> Edge {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let files = Arc::new(|_: &FileCall| panic!("nobody asked for files"));
    let http = Http::new("cadenced/test", authorities).unwrap();
    let relays = Relays::new("cadenced/test", authorities).unwrap();
    let caller = Dispatcher::new(runtime.handle().clone(), http, relays, files);
    Edge { runtime, caller }
}

impl Edge {
    fn talk(&self, sockets: Vec<Socket>) -> Result<Vec<SocketReply>, Failure> {
        let (send, result) = mpsc::channel();
        self.caller.call(Call::Sockets(sockets), LONG, Box::new(move |result| send.send(result).unwrap()));
        let result = result.recv_timeout(LONG * 2).expect("every call is answered");
        let shown = match &result {
            Ok(Reply::Sockets(replies)) => format!("{:?}", replies.iter().map(|reply| &reply.end).collect::<Vec<_>>()),
            Ok(other) => panic!("relays answer with {other:?}"),
            Err(failure) => format!("{failure:?}"),
        };
        assert!(!shown.contains(CANARY) && !shown.contains("/path"), "an error tells too much: {shown}");
        result.map(|reply| if let Reply::Sockets(replies) = reply { replies } else { Vec::new() })
    }

    fn talk_to(&self, url: &str) -> Result<SocketReply, Failure> {
        self.talk(vec![socket(url, LONG)]).map(|mut replies| replies.remove(0))
    }

    /// A relay that treats each connection in the same manner, for as long as the runtime lives.
    fn relay<F, W>(&self, manner: F) -> String
    where
        F: Fn(WebSocketStream<TcpStream>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listener(&self.runtime);
        let handle = self.runtime.handle().clone();
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = accept_async(stream).await {
                    handle.spawn(manner(stream));
                }
            }
        });
        format!("ws://{address}/path")
    }

    /// A relay that sends these messages once it has heard one, and closes.
    fn saying(&self, messages: &'static [&'static str]) -> String {
        self.relay(move |mut stream| async move {
            stream.next().await;
            for message in messages {
                let _ = stream.send(Message::text(*message)).await;
            }
            let _ = stream.close(None).await;
        })
    }
}

fn listener(runtime: &tokio::runtime::Runtime) -> (tokio::net::TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let _inside = runtime.enter();
    (tokio::net::TcpListener::from_std(listener).unwrap(), address)
}

fn socket(url: &str, patience: Duration) -> Socket {
    Socket {
        url: Url::parse(url).unwrap(),
        send: vec![format!("[\"EVENT\",\"{CANARY}\"]")],
        until: vec![vec!["[\"OK\",\"1\"".into(), "[\"END\"".into()]],
        patience,
    }
}

#[track_caller]
fn broken(reply: &SocketReply) -> &str {
    match &reply.end {
        SocketEnd::BrokenOff(why) => why,
        other => panic!("not broken off: {other:?}"),
    }
}

#[track_caller]
fn never_left(result: Result<SocketReply, Failure>) -> String {
    match result {
        Err(Failure::NeverLeft(why)) => why,
        other => panic!("not known to have stayed here: {other:?}"),
    }
}

#[test]
fn a_conversation_lasts_until_its_answer_comes() {
    let edge = edge(&[]);
    let (heard, hears) = mpsc::channel();
    let url = edge.relay(move |mut stream| {
        let heard = heard.clone();
        async move {
            let _ = stream.send(Message::text("[\"AUTH\",\"challenge\"]")).await;
            let _ = stream.send(Message::Ping(b"there?".to_vec().into())).await;
            while let Some(Ok(message)) = stream.next().await {
                match message {
                    Message::Text(text) => {
                        heard.send(text.to_string()).unwrap();
                        for answer in ["[\"OK\",\"2\",true]", "[ \"OK\", \"1\", true]", "[\"NOTICE\",\"late\"]"] {
                            let _ = stream.send(Message::text(answer)).await;
                        }
                    }
                    Message::Pong(_) => heard.send("pong".into()).unwrap(),
                    _ => {}
                }
            }
        }
    });
    let reply = edge.talk_to(&url).unwrap();
    assert_eq!(reply.end, SocketEnd::Over);
    assert_eq!(reply.messages, ["[\"AUTH\",\"challenge\"]", "[\"OK\",\"2\",true]", "[ \"OK\", \"1\", true]"]);
    let mut all = [hears.recv_timeout(LONG).unwrap(), hears.recv_timeout(LONG).unwrap()];
    all.sort();
    assert_eq!(all, [format!("[\"EVENT\",\"{CANARY}\"]"), "pong".into()]);
}

#[test]
fn one_that_is_not_well_holds_up_no_other() {
    let edge = edge(&[]);
    let good = edge.saying(&["[\"OK\",\"1\",true]"]);
    let silent = edge.relay(|mut stream| async move { while stream.next().await.is_some() {} });
    let closing = edge.saying(&["[\"NOTICE\",\"no\"]"]);
    // Nobody listens on a port that was just given back.
    let gone = format!("ws://{}/path", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let urls = [(&gone, LONG), (&silent, SHORT), (&good, LONG), (&closing, LONG)];
    let replies = edge.talk(urls.map(|(url, patience)| socket(url, patience)).into()).unwrap();
    assert!(matches!(replies[0].end, SocketEnd::NeverLeft(_)), "{:?}", replies[0]);
    assert_eq!(broken(&replies[1]), "no answer in time");
    assert_eq!(replies[2].end, SocketEnd::Over);
    assert_eq!(broken(&replies[3]), "it closed the connection");
    assert_eq!(replies[3].messages, ["[\"NOTICE\",\"no\"]"]);
    assert!(never_left(edge.talk_to(&gone)).starts_with("no relay could be reached: "));
}

#[test]
fn what_must_not_leave_is_refused_here() {
    let edge = edge(&[]);
    for url in [
        "ws://relay.example/path",
        "ws://127.0.0.1.example/path",
        "http://127.0.0.1/path",
        "https://relay.example/path",
        "wss://user@relay.example/path",
        "wss://:canary-77aa@relay.example/path",
    ] {
        assert!(never_left(edge.talk_to(url)).contains("refused to speak"), "{url}");
    }
}

#[test]
fn who_speaks_no_websocket_has_heard_nothing() {
    let edge = edge(&[]);
    let (server, address) = listener(&edge.runtime);
    edge.runtime.spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let answers =
            ["HTTP/1.1 301 Moved\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nhello", "\0\0"];
        for answer in answers {
            let Ok((mut stream, _)) = server.accept().await else { return };
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let url = format!("ws://{address}/path");
    assert!(never_left(edge.talk_to(&url)).contains("HTTP 301"));
    assert!(never_left(edge.talk_to(&url)).contains("HTTP 200"));
    never_left(edge.talk_to(&url));
}

#[test]
fn what_is_said_is_bounded() {
    let edge = edge(&[]);
    let chatty =
        edge.relay(|mut stream| async move { while stream.send(Message::text("[\"NOTICE\"]")).await.is_ok() {} });
    let reply = edge.talk_to(&chatty).unwrap();
    assert_eq!((broken(&reply), reply.messages.len()), ("it said more than is listened to", 200));
    let long = edge.relay(|mut stream| async move {
        let piece = "x".repeat(limits::ANSWER_BYTES / 3);
        while stream.send(Message::text(piece.clone())).await.is_ok() {}
    });
    let reply = edge.talk_to(&long).unwrap();
    assert_eq!((broken(&reply), reply.messages.len()), ("it said more than is listened to", 3));
    let huge = edge.relay(|mut stream| async move {
        let _ = stream.send(Message::text("x".repeat(limits::ANSWER_BYTES + 1))).await;
        while stream.next().await.is_some() {}
    });
    let reply = edge.talk_to(&huge).unwrap();
    assert!(broken(&reply).contains("too long"), "{reply:?}");
    assert_eq!(reply.messages, [""; 0]);
}

#[test]
fn a_certificate_is_believed_only_where_its_authority_is() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let pem = made.cert.pem();
    let trusting = edge(&[pem.as_bytes()]);
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], made.signing_key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (server, address) = listener(&trusting.runtime);
    trusting.runtime.spawn(async move {
        while let Ok((stream, _)) = server.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let Ok(mut stream) = accept_async(stream).await else { continue };
            stream.next().await;
            let _ = stream.send(Message::text("[\"END\"]")).await;
            while stream.next().await.is_some() {}
        }
    });
    let named = format!("wss://localhost:{}/path", address.port());
    assert_eq!(trusting.talk_to(&named).unwrap().messages, ["[\"END\"]"]);
    // Another name than the certificate's, and an authority that nobody trusts.
    never_left(trusting.talk_to(&format!("wss://127.0.0.1:{}/path", address.port())));
    never_left(edge(&[]).talk_to(&named));
}

//! Conversations over WebSocket, with several servers at once, and what a failure of one means.
//!
//! Each server gets a connection of its own, hears what we have to say, and is listened to until the conversation is
//! over, time is up or too much was said. Nothing is retried, no redirect is followed, no proxy is used. A conversation
//! has [`SocketEnd::NeverLeft`] where the connection did not come about, so that none of what we had to say was said.
//! When that is so of all of them, the whole call never left.
//!
//! Invariants:
//! - By `wss`, or to a loopback address; the certificate authorities are those of [`super::http`].
//! - No error text holds a URL or anything of what was to be said.
//! - Memory for what one server says is bounded by [`limits::ANSWER_BYTES`] and [`MESSAGES`].

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::domain::limits;
use crate::platform::contract::{Failure, Socket, SocketEnd, SocketReply, is_loopback};
use crate::telemetry::events::quote;

/// For address, connection, TLS and the first greeting together.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a server is given to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// Most messages of one conversation that are listened to.
const MESSAGES: usize = 200;

/// Speaks to relays.
#[derive(Clone)]
pub struct Relays {
    /// `None`: no certificate would be trusted.
    tls: Option<TlsConnector>,
    agent: Arc<str>,
}

impl Relays {
    /// Trusts whom [`super::http::Http::new`] trusts.
    ///
    /// # Errors
    /// When `user_agent` cannot be sent, or one of `authorities` is none.
    pub fn new(user_agent: &str, authorities: &[&[u8]]) -> Result<Self, String> {
        HeaderValue::from_str(user_agent).map_err(|_| "the user agent cannot be sent")?;
        let mut roots = Vec::new();
        for pem in authorities {
            for root in CertificateDer::pem_slice_iter(pem) {
                roots.push(root.map_err(|error| error.to_string())?);
            }
        }
        Ok(Self { tls: trusting(roots).map(|config| TlsConnector::from(Arc::new(config))), agent: user_agent.into() })
    }

    /// Carries out all conversations side by side.
    ///
    /// # Errors
    /// [`Failure::NeverLeft`] when nobody was reached.
    pub async fn talk(&self, sockets: Vec<Socket>, timeout: Duration) -> Result<Vec<SocketReply>, Failure> {
        let now = Instant::now();
        let talks = sockets.into_iter().map(|socket| async move {
            let deadline = now + timeout.min(socket.patience);
            self.one(socket, deadline).await
        });
        let replies = join_all(talks).await;
        let reached = replies.iter().any(|reply| !matches!(reply.end, SocketEnd::NeverLeft(_)));
        match replies.iter().find_map(|reply| if let SocketEnd::NeverLeft(why) = &reply.end { Some(why) } else { None })
        {
            Some(why) if !reached => Err(Failure::NeverLeft(format!("no relay could be reached: {why}"))),
            _ => Ok(replies),
        }
    }

    async fn one(&self, socket: Socket, deadline: Instant) -> SocketReply {
        let mut messages = Vec::new();
        let end = match self.connect(&socket, deadline).await {
            Err(why) => SocketEnd::NeverLeft(why),
            Ok(Connection::Plain(stream)) => converse(*stream, socket, deadline, &mut messages).await,
            Ok(Connection::Tls(stream)) => converse(*stream, socket, deadline, &mut messages).await,
        };
        SocketReply { messages, end }
    }

    async fn connect(&self, socket: &Socket, deadline: Instant) -> Result<Connection, String> {
        let url = &socket.url;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("refused to speak to a URL with a user or password".into());
        }
        let tls = match url.scheme() {
            "wss" => Some(self.tls.as_ref().ok_or("no certificate would be trusted")?),
            "ws" if is_loopback(url) => None,
            "ws" => return Err("refused to speak by ws:// to an address that is not loopback".into()),
            _ => return Err("refused to speak by anything but wss://".into()),
        };
        let host = url.host().ok_or("the URL names no host")?.to_string();
        let port = url.port_or_known_default().ok_or("the URL names no port")?;
        let mut request = url.as_str().into_client_request().map_err(|error| shown(&error))?;
        let agent = HeaderValue::from_str(&self.agent).map_err(|_| "the user agent cannot be sent")?;
        request.headers_mut().insert("user-agent", agent);
        // The brackets of an IPv6 address belong to the URL.
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let config = WebSocketConfig::default()
            .max_message_size(Some(limits::ANSWER_BYTES))
            .max_frame_size(Some(limits::ANSWER_BYTES))
            .read_buffer_size(16 * 1024);
        let connecting = async {
            let failed = |error: std::io::Error| quote(&error.to_string());
            let stream = TcpStream::connect((bare.as_str(), port)).await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            let Some(tls) = tls else {
                let (stream, _) =
                    client_async_with_config(request, stream, Some(config)).await.map_err(|error| shown(&error))?;
                return Ok(Connection::Plain(Box::new(stream)));
            };
            let name = ServerName::try_from(bare.clone()).map_err(|_| "its host is no name for a certificate")?;
            let stream = tls.connect(name, stream).await.map_err(failed)?;
            let (stream, _) =
                client_async_with_config(request, stream, Some(config)).await.map_err(|error| shown(&error))?;
            Ok(Connection::Tls(Box::new(stream)))
        };
        let within = deadline.min(Instant::now() + CONNECT);
        timeout_at(within, connecting).await.unwrap_or_else(|_| Err("no connection in time".into()))
    }
}

enum Connection {
    Plain(Box<WebSocketStream<TcpStream>>),
    Tls(Box<WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>>),
}

/// Says everything and listens. What was heard is in `messages`, however it ends.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: WebSocketStream<S>,
    mut socket: Socket,
    deadline: Instant,
    messages: &mut Vec<String>,
) -> SocketEnd {
    let broken = |why: &str| SocketEnd::BrokenOff(why.to_owned());
    let talk = async {
        for message in std::mem::take(&mut socket.send) {
            if let Err(error) = stream.send(Message::text(message)).await {
                return broken(&shown(&error));
            }
        }
        let mut room = limits::ANSWER_BYTES;
        while !socket.is_over(messages) {
            let message = match stream.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return broken("it closed the connection"),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return broken(&shown(&error)),
            };
            if message.len() > room || messages.len() == MESSAGES {
                return broken("it said more than is listened to");
            }
            room -= message.len();
            messages.push(message.as_str().to_owned());
        }
        SocketEnd::Over
    };
    let end = timeout_at(deadline, talk).await.unwrap_or_else(|_| broken("no answer in time"));
    let _ = tokio::time::timeout(GOODBYE, stream.close(None)).await;
    end
}

/// An error in one line that holds nothing of ours.
fn shown(error: &Error) -> String {
    match error {
        Error::Http(response) => format!("it answered with HTTP {}", response.status().as_u16()),
        Error::Url(_) => "its URL cannot be used".into(),
        // It would quote what was to be sent.
        Error::WriteBufferFull(_) => "it does not take what is sent".into(),
        other => quote(&other.to_string()),
    }
}

fn trusting(roots: Vec<CertificateDer<'static>>) -> Option<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(roots, provider.clone()).ok()?;
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

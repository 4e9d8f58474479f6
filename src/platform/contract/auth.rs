//! How a person gives an account its tokens: what `cadenced auth` asks an adapter.
//!
//! Pure, like the adapter: what was answered so far comes in, the next request or the end of it goes out. A login with
//! OAuth 2.0's authorization code needs no browser on this machine: the person opens the address wherever they are, and
//! brings back what the platform shows them, or the whole address that it sends them to. `state` ties the address to this
//! one login, and PKCE (S256), where the platform knows it, the code.
//!
//! Several token endpoints want their secrets in a query: see [`Request::get_secretly`].

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use super::{Complaint, HttpReply, Request, Table, is_loopback, quoted};
use crate::domain::Secret;

/// Where a browser is sent that brings its code back to this machine. Nothing listens there.
pub const LOOPBACK: &str = "http://127.0.0.1:8917/";
/// Longest token that is taken.
const TOKEN_CHARS: usize = 4096;

/// How a person gets what [`super::Adapter::secrets`] names.
#[derive(Default)]
pub struct AuthFlow {
    /// Where the platform makes a token or a password that can be pasted, in a sentence; none where it has no such page.
    pub page: Option<String>,
    /// A login in a browser.
    pub code: Option<Box<dyn CodeFlow>>,
}

/// A login with an authorization code.
pub trait CodeFlow {
    /// The keys of the account table that it gives secrets for. None: what it gives is kept in the store.
    fn gives(&self) -> &'static [&'static str];

    /// Secrets of the account table that it cannot do without. The person is asked for those that cannot be had here.
    fn needs(&self) -> &'static [&'static str] {
        &[]
    }

    /// Where the platform sends the person when they have agreed.
    fn redirect(&self) -> Redirect;

    /// The application that asks: from the configuration's secrets, or registered by requests. `replies` are the answers
    /// to those so far.
    fn client(&self, secrets: &super::Secrets, replies: &[HttpReply]) -> Ask<Client>;

    /// The address that the person opens.
    fn authorize(&self, client: &Client, login: &Login) -> Url;

    /// Tokens for a code. `replies` are the answers to the requests so far.
    fn exchange(&self, client: &Client, login: &Login, code: &Secret, replies: &[HttpReply]) -> Ask<Granted>;
}

/// Where a login ends for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirect {
    /// The platform shows a code. This is the `redirect_uri` that says so.
    Shown(String),
    /// Their browser is sent to this address; nothing need listen there. They bring back the whole address.
    To(String),
}

impl Redirect {
    /// The address in the account table that stands among those that the application has registered, or `default` where
    /// none is given. `None` without one, or with one that could not be told from others in a browser.
    pub fn read(table: &mut Table, default: Option<&str>) -> Option<Self> {
        let text = table.text("redirect").or_else(|| default.map(str::to_owned))?;
        let safe = |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
        let whole = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if Url::parse(&text).is_ok_and(|url| safe(&url) && whole(&url) && url.password().is_none()) {
            // As it is written: platforms compare it letter by letter.
            return Some(Self::To(text));
        }
        let complaint = Complaint::new("redirect", format!("{text:?} is no address that a browser could be sent to"));
        let hint = "write the https address that the application has registered, without \"?\" and \"#\"";
        table.complain(complaint.with_hint(hint));
        None
    }

    /// The `redirect_uri`.
    pub fn uri(&self) -> &str {
        match self {
            Self::Shown(uri) | Self::To(uri) => uri,
        }
    }
}

/// A request to make, or what all of them have come to.
#[derive(Debug)]
pub enum Ask<T> {
    Call(Request),
    Done(T),
    /// The platform's answer, in words that hold no secret.
    Refused(String),
}

/// The application that asks.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: String,
    pub secret: Option<Secret>,
}

/// What a login has come to.
#[derive(Debug)]
pub enum Granted {
    /// Secrets of the account table, by key.
    Secrets(Vec<(&'static str, Secret)>),
    /// What [`super::Session::kept`] is to be.
    Kept(Kept),
}

/// Tokens for the store.
#[derive(Clone)]
pub struct Kept(pub Value);

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[tokens]")
    }
}

/// One login: what ties its parts together.
#[derive(Debug, Clone)]
pub struct Login {
    pub redirect: Redirect,
    /// Comes back with the code.
    pub state: String,
    /// PKCE's `code_verifier`.
    pub verifier: Secret,
}

/// Why what a person has brought is no code of this login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    #[error("nothing was given")]
    Empty,
    #[error("that is no code: it holds characters that no code has")]
    NoCode,
    #[error("give the whole address that the browser was sent to; it begins with {0}")]
    NoAddress(String),
    #[error("that address belongs to another login: begin again")]
    OtherLogin,
    #[error("the platform refused: {0}")]
    Refused(String),
}

impl Login {
    /// `chance` are bytes that nobody can foretell.
    pub fn new(redirect: Redirect, chance: [u8; 48]) -> Self {
        let (state, verifier) = chance.split_at(16);
        Self { redirect, state: BASE64.encode(state), verifier: Secret::new(BASE64.encode(verifier)) }
    }

    /// PKCE's `code_challenge`, by S256.
    pub fn challenge(&self) -> String {
        BASE64.encode(Sha256::digest(self.verifier.expose()))
    }

    /// Adds what every platform asks of the address that the person opens, and what PKCE does.
    pub fn add_to(&self, url: &mut Url, client: &Client, scope: &str) {
        self.add_without_challenge(url, client, scope);
        url.query_pairs_mut()
            .append_pair("code_challenge", &self.challenge())
            .append_pair("code_challenge_method", "S256");
    }

    /// The same for platforms that do not know PKCE for applications with a secret.
    pub fn add_without_challenge(&self, url: &mut Url, client: &Client, scope: &str) {
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &client.id)
            .append_pair("redirect_uri", self.redirect.uri())
            .append_pair("scope", scope)
            .append_pair("state", &self.state);
    }

    /// Whether this is the address that the platform sends people to, whatever was put behind it.
    fn leads_here(&self, address: &Url) -> bool {
        let mut bare = address.clone();
        bare.set_query(None);
        bare.set_fragment(None);
        Url::parse(self.redirect.uri()).is_ok_and(|uri| uri == bare)
    }

    /// The code in what the person has brought: the code itself where the platform shows it, else the address.
    ///
    /// # Errors
    /// It is neither, is of another login, or tells that the platform refused.
    pub fn code(&self, brought: &str) -> Result<Secret, CodeError> {
        let brought = brought.trim();
        if brought.is_empty() {
            return Err(CodeError::Empty);
        }
        // A code that is shown may look like an address without its slashes.
        let address = Url::parse(brought).ok().filter(|address| self.leads_here(address));
        let Some(query) = address.as_ref().and_then(Url::query) else {
            let plain = brought.bytes().all(|byte| byte.is_ascii_graphic()) && !brought.contains("://");
            return match &self.redirect {
                Redirect::To(uri) => Err(CodeError::NoAddress(uri.clone())),
                Redirect::Shown(_) if plain => Ok(Secret::new(brought)),
                Redirect::Shown(_) => Err(CodeError::NoCode),
            };
        };
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let all =
            |key: &str| pairs.iter().filter(|(name, _)| name == key).map(|(_, value)| &**value).collect::<Vec<_>>();
        if all("state") != [self.state.as_str()] {
            return Err(CodeError::OtherLogin);
        }
        match (all("code").as_slice(), all("error").as_slice()) {
            ([code], []) if !code.is_empty() => Ok(Secret::new(*code)),
            (_, [error, ..]) => {
                Err(CodeError::Refused(error.chars().take(crate::domain::limits::QUOTED_CHARS).collect()))
            }
            _ => Err(CodeError::NoCode),
        }
    }
}

/// The token that a reply holds under `key`. It becomes a header: nothing that could end the line may be in it.
pub fn token(value: &Value, key: &str) -> Option<Secret> {
    let clean =
        |text: &&str| (1..=TOKEN_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    value.get(key)?.as_str().filter(clean).map(Secret::new)
}

/// What a token endpoint gave in place of a token, for people: the errors of OAuth 2.0 (RFC 6749, 5.2), without the
/// `secrets` that it may have echoed.
pub fn refusal(reply: &HttpReply, secrets: &[&Secret]) -> String {
    let value = reply.value().unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    said(reply.status, &format!("{} {}", text("error"), text("error_description")), secrets)
}

/// A status, and what was said with it.
pub fn said(status: u16, words: &str, secrets: &[&Secret]) -> String {
    let mut hidden: Vec<&str> = secrets.iter().map(|secret| secret.expose()).collect();
    // The longer ones first: one may begin with the other.
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let words = quoted(words, &hidden);
    if words.is_empty() { format!("status {status}") } else { format!("status {status}: {words}") }
}

/// Whether all of `wanted` are among the scopes that were granted. Some platforms part them by commas; one that does not
/// tell them has granted what it was asked for.
pub fn grants(told: &Value, wanted: &[&str]) -> bool {
    let granted: Vec<&str> = match told {
        Value::String(text) => text.split([' ', ',']).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => return true,
    };
    wanted.iter().all(|scope| granted.contains(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(redirect: Redirect) -> Login {
        Login::new(redirect, [7; 48])
    }

    fn to() -> Redirect {
        Redirect::To("http://127.0.0.1:8917/".into())
    }

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        // RFC 7636, appendix B.
        let login = Login { verifier: Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), ..login(to()) };
        assert_eq!(login.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn an_address_is_taken_with_its_own_state_only() {
        let login = login(to());
        let state = &login.state;
        let code = |text: String| login.code(&text).map(|code| code.expose().to_owned());
        assert_eq!(code(format!(" http://127.0.0.1:8917/?code=a%2Fb&state={state}#_\n")), Ok("a/b".into()));
        assert_eq!(code("http://127.0.0.1:8917/?code=a&state=other".into()), Err(CodeError::OtherLogin));
        assert_eq!(code("http://127.0.0.1:8917/?code=a".into()), Err(CodeError::OtherLogin));
        let twice = format!("http://127.0.0.1:8917/?code=a&state={state}&state=x");
        assert_eq!(code(twice), Err(CodeError::OtherLogin));
        let denied = format!("http://127.0.0.1:8917/?error=access_denied&state={state}");
        assert_eq!(code(denied), Err(CodeError::Refused("access_denied".into())));
        assert_eq!(code(format!("http://127.0.0.1:8917/?state={state}")), Err(CodeError::NoCode));
        // A code alone does not tell which login it is of.
        for other in ["abc".to_owned(), format!("http://127.0.0.1:9/?code=a&state={state}")] {
            assert_eq!(code(other), Err(CodeError::NoAddress("http://127.0.0.1:8917/".into())));
        }
        assert_eq!(code("  ".into()), Err(CodeError::Empty));
    }

    #[test]
    fn an_address_is_known_however_a_browser_writes_it() {
        let login = login(Redirect::To("https://Example.org".into()));
        let code = |text: String| login.code(&text).map(|code| code.expose().to_owned());
        assert_eq!(code(format!("https://example.org/?code=a&state={}", login.state)), Ok("a".into()));
        for other in ["https://example.org.evil/", "https://example.org:8443/", "http://example.org/"] {
            let brought = format!("{other}?code=a&state={}", login.state);
            assert_eq!(code(brought), Err(CodeError::NoAddress("https://Example.org".into())), "{other}");
        }
    }

    #[test]
    fn what_is_granted_is_read_in_every_form() {
        for told in [serde_json::json!("a b"), serde_json::json!("b,a"), serde_json::json!(["a", "b"]), Value::Null] {
            assert!(grants(&told, &["a", "b"]), "{told}");
        }
        assert!(!grants(&serde_json::json!("a bb"), &["a", "b"]));
        assert!(!grants(&serde_json::json!([]), &["a"]));
    }

    #[test]
    fn a_refusal_tells_no_secret_and_a_token_no_line_break() {
        let echo = serde_json::json!({"error": "invalid_grant", "error_description": "bad\ncode canary-long, canary"});
        let (one, other) = (Secret::new("canary"), Secret::new("canary-long"));
        let said = refusal(&HttpReply::json(400, &echo), &[&one, &other]);
        assert_eq!(said, "status 400: invalid_grant bad code [secret], [secret]");
        assert_eq!(refusal(&HttpReply::json(500, &Value::Null), &[]), "status 500");
        for bad in ["", "a\r\nb", "a b", "\u{e4}"] {
            assert!(token(&serde_json::json!({"t": bad}), "t").is_none(), "{bad:?}");
        }
        assert!(token(&serde_json::json!({"t": "x".repeat(5000)}), "t").is_none());
    }

    #[test]
    fn a_code_that_is_shown_is_taken_as_it_is() {
        let login = login(Redirect::Shown("urn:ietf:wg:oauth:2.0:oob".into()));
        assert_eq!(login.code(" abc-DEF_1\n").unwrap().expose(), "abc-DEF_1");
        assert_eq!(login.code("a b").err(), Some(CodeError::NoCode));
        assert_eq!(login.code("https://x.example/?code=a").err(), Some(CodeError::NoCode));
    }

    #[test]
    fn a_login_tells_no_secret() {
        let login = login(to());
        let shown = format!("{login:?} {:?}", Granted::Kept(Kept(serde_json::json!({"refresh": "canary"}))));
        assert!(!shown.contains(login.verifier.expose()) && !shown.contains("canary"), "{shown}");
    }
}

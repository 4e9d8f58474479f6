//! Requests to a Graph API. Parameters that say something go into the body as a form, so that no text stands in a URL;
//! the token goes into a header; an id that Meta gave goes into a path as one segment, after [`id`] has found it harmless.

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::Dialect;
use crate::domain::Secret;
use crate::platform::contract::{Body, Complaint, HeaderValue, Method, Request, Table};

/// Builds the requests of one account.
#[derive(Debug, Clone)]
pub struct Wire<'a> {
    pub base: &'a Url,
    pub version: &'a str,
    pub token: Secret,
    /// `appsecret_proof`, where the app's secret is given.
    pub proof: Option<String>,
}

impl Wire<'_> {
    pub fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Request {
        let versioned: Vec<&str> = std::iter::once(self.version).chain(path.iter().copied()).collect();
        self.request(Method::Get, &versioned, query)
    }

    pub fn post(&self, path: &[&str], form: &[(&str, &str)]) -> Request {
        let versioned: Vec<&str> = std::iter::once(self.version).chain(path.iter().copied()).collect();
        self.request(Method::Post, &versioned, form)
    }

    /// The token endpoints have no version.
    pub fn refresh(&self, dialect: &Dialect) -> Request {
        let grant = ("grant_type", dialect.refresh);
        let request = self.request(Method::Get, &["refresh_access_token"], &[grant]);
        if !dialect.refresh_by_query {
            return request;
        }
        let proof = self.proof.as_deref().map(|proof| ("appsecret_proof", proof));
        let fields: Vec<_> = [grant, ("access_token", self.token.expose())].into_iter().chain(proof).collect();
        Request::get_secretly(request.url, &fields)
    }

    fn request(&self, method: Method, path: &[&str], parameters: &[(&str, &str)]) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let proof = self.proof.as_deref().map(|proof| ("appsecret_proof", proof));
        let all = parameters.iter().copied().chain(proof);
        let mut body = Body::default();
        if method == Method::Post {
            body = Body::urlencoded(&all.collect::<Vec<_>>());
        } else {
            url.query_pairs_mut().extend_pairs(all);
        }
        let headers = vec![
            ("Authorization", HeaderValue::Secret { prefix: "Bearer ", secret: self.token.clone() }),
            ("Accept", HeaderValue::Plain("application/json".into())),
        ];
        Request { method, url, headers, body, secret_path: None }
    }
}

/// Whose secret the app's is: HMAC-SHA-256 (RFC 2104) of the token, keyed with it. Meta then refuses the token without it.
pub fn proof(app_secret: &Secret, token: &Secret) -> String {
    const BLOCK: usize = 64;
    let mut key = [0; BLOCK];
    let given = app_secret.expose().as_bytes();
    match given.len() <= BLOCK {
        true => key[..given.len()].copy_from_slice(given),
        false => key[..32].copy_from_slice(&Sha256::digest(given)),
    }
    let keyed = |pad: u8, text: &[u8]| {
        let mut hash = Sha256::new();
        hash.update(key.map(|byte| byte ^ pad));
        hash.update(text);
        hash.finalize()
    };
    let outer = keyed(0x5c, &keyed(0x36, token.expose().as_bytes()));
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Longest id that is taken; real ones have up to 20 digits.
const ID_CHARS: usize = 64;

/// An id as Meta gives it: digits, as a text or a number; with `_` and a word in some corners.
pub fn id(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_u64()?.to_string(),
        _ => return None,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (!text.is_empty() && text.len() <= ID_CHARS && text.chars().all(is_plain)).then_some(text)
}

/// An `https` or `http` address as a URL parser writes it.
pub fn web_address(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= 2048)?;
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

/// The version of the API that an account asks for.
pub fn version(table: &mut Table, default: &str) -> Option<String> {
    let version = table.text("version").unwrap_or_else(|| default.into());
    let parts = version.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.len() < 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if parts.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Some(version);
    }
    let hint = format!("write it as {default:?}");
    table.complain(Complaint::new("version", format!("{version:?} is no version of the API")).with_hint(hint));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_proof_is_the_hmac_of_the_token() {
        // RFC 4231, test cases 2 and 6.
        let told = proof(&Secret::new("Jefe"), &Secret::new("what do ya want for nothing?"));
        assert_eq!(told, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let long = "k".repeat(131);
        assert_ne!(
            proof(&Secret::new(long.clone()), &Secret::new("a")),
            proof(&Secret::new(&long[..130]), &Secret::new("a"))
        );
    }

    #[test]
    fn a_request_keeps_token_and_text_out_of_its_address() {
        let base: Url = "https://graph.example/api/".parse().unwrap();
        let wire = Wire { base: &base, version: "v1.0", token: Secret::new("s3cret"), proof: Some("00ff".into()) };
        let read = wire.get(&["17", "media"], &[("fields", "id,caption")]);
        assert_eq!(
            read.url.as_str(),
            "https://graph.example/api/v1.0/17/media?fields=id%2Ccaption&appsecret_proof=00ff"
        );
        let write = wire.post(&["me", "threads"], &[("text", "a & b\n")]);
        assert_eq!(write.url.as_str(), "https://graph.example/api/v1.0/me/threads");
        assert_eq!(write.body.concat(), b"text=a+%26+b%0A&appsecret_proof=00ff");
        assert!(!format!("{read:?}{write:?}").contains("s3cret"));
        let refresh = wire.refresh(&crate::platform::instagram::DIALECT);
        assert_eq!(refresh.url.as_str(), "https://graph.example/api/refresh_access_token?[secret]");
        let exposed = "https://graph.example/api/refresh_access_token?grant_type=ig_refresh_token&access_token=s3cret&appsecret_proof=00ff";
        assert_eq!(refresh.exposed_url().unwrap().as_str(), exposed);
        assert!(!format!("{refresh:?}").contains("s3cret"));
    }

    #[test]
    fn an_id_is_one_plain_segment() {
        for good in [json!("17889615691921648"), json!(17), json!("122_7")] {
            assert!(id(&good).is_some(), "{good}");
        }
        for bad in [json!(""), json!("a/b"), json!(".."), json!("a?b"), json!(1.5), json!(null), json!("1".repeat(65))]
        {
            assert_eq!(id(&bad), None, "{bad}");
        }
    }
}

//! Signatures of OAuth 1.0a (RFC 5849), as X wants them: HMAC-SHA1 over method, address, query and its own parameters.
//! Bodies are JSON or multipart here, and those are not signed.
//!
//! A nonce must not come twice with one timestamp. It is made of what is asked for and when, so that the same question
//! at the same moment is the same request, and any other is another one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::domain::{Digest, Secret, Timestamp};
use crate::platform::contract::{HeaderValue, Request};

/// The four secrets of an application and a user.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    pub consumer_key: &'a Secret,
    pub consumer_secret: &'a Secret,
    pub access_token: &'a Secret,
    pub access_token_secret: &'a Secret,
}

impl Keys<'_> {
    /// Signs `request`; `what` names it among all that are sent at the moment `now`.
    pub fn sign(&self, request: &mut Request, what: &str, now: Timestamp) {
        let nonce = Digest::of(format!("cadenced-x-v1\n{what}\n{}", now.as_nanosecond()).as_bytes()).hex();
        let timestamp = now.as_second().to_string();
        let mut own = vec![
            ("oauth_consumer_key", self.consumer_key.expose()),
            ("oauth_nonce", &nonce[..32]),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", &timestamp),
            ("oauth_token", self.access_token.expose()),
            ("oauth_version", "1.0"),
        ];
        let signature = self.signature(request, &own);
        own.push(("oauth_signature", &signature));
        let fields: Vec<_> = own.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        let secret = Secret::new(fields.join(", "));
        request.headers.push(("Authorization", HeaderValue::Secret { prefix: "OAuth ", secret }));
    }

    /// The signature of a request under these parameters of the protocol.
    pub fn signature(&self, request: &Request, own: &[(&str, &str)]) -> String {
        let query = request.url.query_pairs().into_owned();
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut pairs: Vec<_> = query.chain(own).map(|(name, value)| (encoded(&name), encoded(&value))).collect();
        pairs.sort();
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut address = request.url.clone();
        address.set_query(None);
        address.set_fragment(None);
        let base = [request.method.name(), address.as_str(), &pairs.join("&")].map(encoded).join("&");
        let key = [self.consumer_secret, self.access_token_secret].map(|secret| encoded(secret.expose())).join("&");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        STANDARD.encode(hmac::sign(&key, base.as_bytes()))
    }
}

/// Percent-encoding of RFC 5849, section 3.6: all but letters, digits and four signs.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::contract::{Body, Method};

    fn request(method: Method, url: &str) -> Request {
        Request { method, url: url.parse().unwrap(), headers: Vec::new(), body: Body::default(), secret_path: None }
    }

    fn signature(secrets: [&str; 2], request: &Request, own: &[(&str, &str)]) -> String {
        let secrets = secrets.map(Secret::new);
        let none = Secret::new("");
        let [consumer_secret, access_token_secret] = &secrets;
        Keys { consumer_key: &none, consumer_secret, access_token: &none, access_token_secret }.signature(request, own)
    }

    /// The example of RFC 5849, section 1.2.
    #[test]
    fn the_example_of_the_standard_is_signed_as_it_says() {
        let own = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ];
        let request = request(Method::Get, "http://photos.example.net/photos?file=vacation.jpg&size=original");
        let signed = signature(["kd94hf93k423kf44", "pfkkdhi9sl3r4s00"], &request, &own);
        assert_eq!(signed, "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    /// The example that X publishes. It sends a form, whose field counts like one of the query.
    #[test]
    fn the_example_of_x_is_signed_as_it_says() {
        let own = [
            ("oauth_consumer_key", "xvz1evFS4wEEPTGEFPHBog"),
            ("oauth_nonce", "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "1318622958"),
            ("oauth_token", "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb"),
            ("oauth_version", "1.0"),
            ("status", "Hello Ladies + Gentlemen, a signed OAuth request!"),
        ];
        let url = "https://api.twitter.com/1.1/statuses/update.json?include_entities=true";
        let secrets = ["kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw", "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"];
        assert_eq!(signature(secrets, &request(Method::Post, url), &own), "hCtSmYh+iHYCEqBWrE7C7hYmtUk=");
    }

    #[test]
    fn each_request_has_a_nonce_of_its_own_and_a_header_without_its_secrets() {
        let [key, secret, token, token_secret] =
            ["the-key", "the-secret", "the-token", "token-secret"].map(Secret::new);
        let keys = Keys {
            consumer_key: &key,
            consumer_secret: &secret,
            access_token: &token,
            access_token_secret: &token_secret,
        };
        let header = |what: &str, nanos: i32| {
            let mut request = request(Method::Get, "https://api.x.com/2/users/me");
            keys.sign(&mut request, what, Timestamp::constant(1_790_000_000, nanos));
            request.headers[0].1.expose()
        };
        assert!(header("a", 0).starts_with("OAuth oauth_consumer_key=\"the-key\", oauth_nonce=\""));
        assert_eq!(header("a", 0), header("a", 0));
        assert_ne!(header("a", 0), header("b", 0));
        assert_ne!(header("a", 0), header("a", 1));
        assert!(!header("a", 0).contains("secret"));
    }
}

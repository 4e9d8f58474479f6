//! Files that Meta fetches itself.
//!
//! A file is expected at `MEDIA_BASE_URL/SHA256.EXT`, as a site of ours serves its media. Before Meta is told the address
//! we read it through ourselves: what is there must be, byte for byte, what was approved. A file that is not there yet
//! (a site that is synchronised later, a deployment that is under way) is waited for as long as the delivery's tries last.

use url::Url;

use crate::platform::contract::{Complaint, Effect, Fetch, Media, Next, Reading, Reply, Step, Table};

/// Key of the account table.
pub const BASE: &str = "media_base_url";

/// The folder on the web, where the account names one.
pub fn base(table: &mut Table) -> Option<Url> {
    table.text(BASE).and_then(|_| table.base_url(BASE))
}

/// What is wrong with media on an account that names no folder.
pub fn homeless(name: &str) -> Complaint {
    let reason = format!("{name} fetches media from the web, and this account has no {BASE:?}");
    let hint = format!(
        "set {BASE:?} to an https address that serves each file as SHA256.EXT, such as the media folder of a site account"
    );
    Complaint::new("media", reason).with_hint(hint)
}

/// Where a file is to be found.
pub fn address(base: &Url, media: &Media) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(&media.public_name());
    }
    url
}

/// Reads the file through before Meta does.
pub fn look(name: String, base: &Url, media: &Media) -> Next {
    let call = Fetch { url: address(base, media), most: media.bytes.len() as u64 };
    Next::Call(Step { name, effect: Effect::Harmless, call: crate::platform::contract::Call::Fetch(call) })
}

/// What is wrong with what was found there.
pub fn objection(base: &Url, media: &Media, reply: &Reply) -> Option<Reading> {
    let url = address(base, media);
    let remedy = format!("copy {} there under that name, or mend {BASE:?}", media.item.file);
    let retry = |what: String| Some(Reading::Retry { after: None, why: format!("{url} {what}: {remedy}") });
    match reply {
        Reply::Fetched { status: 200, bytes, digest } => {
            let same = *digest == media.item.sha256 && *bytes == media.bytes.len() as u64;
            if same { None } else { retry("serves another file than the approved one".into()) }
        }
        Reply::Fetched { status, .. } => retry(format!("answers with status {status}")),
        _ => retry("was answered by something else".into()),
    }
}

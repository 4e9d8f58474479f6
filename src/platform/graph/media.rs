//! Files that Meta fetches itself.
//!
//! A file is expected at `MEDIA_BASE_URL/SHA256.EXT`, as a site of ours serves its media. Whether it is there, byte for
//! byte as it was approved, is looked at before an attempt begins: see [`deliver::public`](crate::deliver::public).

use url::Url;

use crate::domain::MediaItem;
use crate::platform::contract::{Complaint, Table, public_name};

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

/// Where a file of this type is to be found.
pub fn address(base: &Url, item: &MediaItem, mime: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(&public_name(item, mime));
    }
    url
}

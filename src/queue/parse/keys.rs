//! The keys that a queue file may hold, and the words that some of them take. The reader knows unknown keys by these lists,
//! and the published schema is held against them.

use crate::domain::{Goal, Visibility};
use crate::queue::Kind;

/// The tables that a queue file has.
pub const FILE_KEYS: &[&str] = &["defaults", "post", "reply"];
/// The lists of a queue file, in the order in which their entries count.
pub(super) const LISTS: [(&str, Kind); 2] = [("post", Kind::Post), ("reply", Kind::Reply)];
/// Keys of `[defaults]`.
pub const DEFAULT_KEYS: &[&str] = &["to", "audience", "goal", "lang", "tags", "visibility"];
/// Keys of `[[post]]`.
pub const POST_KEYS: &[&str] = &[
    "id",
    "to",
    "audience",
    "goal",
    "text",
    "link",
    "lang",
    "tags",
    "media",
    "at",
    "not_before",
    "expires",
    "series",
    "priority",
    "thread",
    "reply_to",
    "visibility",
    "warning",
    "track",
    "variant",
    "approval",
];
/// Keys of `[[reply]]`.
pub const REPLY_KEYS: &[&str] = &[
    "id",
    "to",
    "conversation",
    "text",
    "audience",
    "goal",
    "link",
    "lang",
    "tags",
    "media",
    "not_before",
    "expires",
    "thread",
    "visibility",
    "warning",
    "track",
    "approval",
];
/// Keys of `[post.variant.ACCOUNT]`.
pub const VARIANT_KEYS: &[&str] = &["text", "link", "tags", "media", "thread"];
/// Keys of one entry of `media`.
pub const MEDIA_KEYS: &[&str] = &["file", "alt", "sha256"];
/// Keys of `[post.approval]`.
pub const APPROVAL_KEYS: &[&str] = &["by", "at", "digest"];

/// What `goal` may be.
pub const GOALS: &[(&str, Goal)] =
    &[("connection", Goal::Connection), ("change", Goal::Change), ("promotion", Goal::Promotion)];
/// What `visibility` may be.
pub const VISIBILITIES: &[(&str, Visibility)] =
    &[("public", Visibility::Public), ("unlisted", Visibility::Unlisted), ("followers", Visibility::Followers)];

//! To be written.
use crate::domain::{AccountId, Content};
pub fn content(_body: &str, _account: &AccountId) -> Content {
    Content::default()
}

//! What Meta's Graph APIs have in common: no platform of its own, and in no registry.
//!
//! [`errors`] reads the one error envelope of all of them, [`wire`] builds requests, [`token`] chooses the token and
//! has it refreshed, [`login`] gets the first one. Threads and Instagram publish alike, too: a container is made, asked after until it is finished,
//! and published by a call of its own. That is [`publishing`] and [`reading`], with [`look`] for what an ambiguous call may
//! have left, [`media`] for the files that Meta fetches itself, and [`twin`] as the imitation of both. Where the two differ only
//! in words, the words stand in a [`Dialect`]; what they can show and take is theirs alone.

pub mod errors;
pub mod examine;
pub mod login;
pub mod look;
pub mod media;
pub mod progress;
pub mod publishing;
pub mod reading;
pub mod sweep;
#[cfg(test)]
pub mod tests;
pub mod text;
pub mod token;
pub mod twin;
pub mod wire;

/// What one service calls what both have.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// For messages.
    pub name: &'static str,
    /// Edges below the account.
    pub containers: &'static str,
    pub publish: &'static str,
    pub quota: &'static str,
    /// Lists of what we published: posts, and answers of ours where they stand apart.
    pub posts: &'static str,
    pub answers: Option<&'static str>,
    /// Fields of a container.
    pub status: &'static str,
    pub problem: &'static str,
    /// What a post says, as a parameter and as a field.
    pub text: &'static str,
    /// `grant_type` of a refresh.
    pub refresh: &'static str,
    /// Whether its endpoint is described with the token in the query only; else it takes a header like all others.
    pub refresh_by_query: bool,
    /// The field that names the account behind `/me`.
    pub account: &'static str,
    /// Everything below the account is asked as `/me`, not by its id.
    pub by_me: bool,
}

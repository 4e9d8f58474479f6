//! What an entry as a whole has to satisfy, after each of its keys was read alone.

use std::ops::Range;

use toml::Spanned;

use crate::domain::document::{DeTable, Faults};
use crate::queue::digest::{Body, MediaBody, Words};

/// There must be something to say, on each account.
pub(super) fn words<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>, whole: &Range<usize>, body: &Body<'_>) {
    let empty = |text: Option<&Words<'_>>, media: Option<&Vec<MediaBody<'_>>>| {
        text.is_none_or(|text| text.trim().is_empty()) && media.is_none_or(Vec::is_empty)
    };
    let hint = "write a text, or add media".to_owned();
    // What was refused is there, but not in the body.
    let written = |table: &DeTable<'t>| ["text", "media"].map(|key| table.get(key).map(Spanned::span));
    match written(table) {
        _ if !empty(body.text.as_ref(), body.media.as_ref()) => {}
        [None, None] => faults.missing(whole.clone(), "text", hint),
        [Some(span), _] if body.text.is_some() => faults.error(span, "the text is empty", hint),
        [None, Some(span)]
            if table
                .get("media")
                .is_some_and(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty())) =>
        {
            faults.error(span, "there is no text, and no media", hint);
        }
        _ => {}
    }
    for (account, variant) in &body.variant {
        let media = variant.media.as_ref().or(body.media.as_ref());
        let own = table.get("variant").and_then(|value| value.get_ref().get(&**account)).and_then(|value| {
            let text = value.get_ref().get("text").filter(|_| variant.text.is_some())?;
            Some(text.span())
        });
        if let Some(span) = own.filter(|_| empty(variant.text.as_ref(), media)) {
            faults.error(span, "the text is empty", "write a text, or add media".to_owned());
        }
    }
}

/// There must be a time at which it may go.
pub(super) fn times<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>, body: &Body<'_>) {
    let span = |key: &str| table.get(key).map(Spanned::span).unwrap_or_default();
    if let (Some(from), Some(until)) = (body.not_before, body.expires)
        && from >= until
    {
        let reason = "it expires before \"not_before\"";
        faults.error(span("expires"), reason, "let \"expires\" be later".to_owned());
    } else if let Some(at) = body.at {
        if body.not_before.is_some_and(|from| at < from) {
            faults.error(span("at"), "\"at\" is before \"not_before\"", None);
        }
        if body.expires.is_some_and(|until| at >= until) {
            faults.error(span("at"), "\"at\" is after \"expires\"", None);
        }
    }
}

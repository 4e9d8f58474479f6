//! What is written for all accounts and may be written again for one: the policy, how a delivery is carried out, the tags
//! of links. Each is read over the one that holds without it.

use crate::config::{keys, values};
use crate::domain::Links;
use crate::domain::document::{DeTable, Value, quoted};
use crate::domain::policy::{DeliveryRules, Missed, Policy, Quiet, Spray};
use crate::domain::tagging::TAG_CHARS;

use super::reader::Reader;

impl<'t> Reader<'_, 't> {
    pub(super) fn policy(&mut self, table: &DeTable<'t>, base: &Policy) -> Policy {
        let mut policy = base.clone();
        if let Some(count) = self.count(table, "max_per_day", 1) {
            policy.max_per_day = count;
        }
        if let Some(span) = self.span(table, "min_gap") {
            policy.min_gap = span;
        }
        if let Some(value) = table.get("missed") {
            let names = [("next-slot", Missed::NextSlot), ("skip", Missed::Skip), ("now", Missed::Now)];
            policy.missed = self.faults.one_of("missed", value, &names).unwrap_or(base.missed);
        }
        if let Some(span) = self.span(table, "late_grace") {
            policy.late_grace = span;
        }
        if let Some(inner) = self.section(table, "promotion", keys::PROMOTION) {
            if let Some(share) = inner.get("share").and_then(|value| self.share(value)) {
                policy.promotion.share = share;
            }
            if let Some(window) = self.count(inner, "window", 1) {
                policy.promotion.window = window;
            }
        }
        if let Some(inner) = self.section(table, "unanswered", keys::UNANSWERED) {
            if let Some(max) = self.count(inner, "max", 0) {
                policy.unanswered.max = max;
            }
            if let Some(span) = self.span(inner, "older_than") {
                policy.unanswered.older_than = span;
            }
        }
        if let Some(value) = table.get("quiet") {
            policy.quiet = self.quiet(value).unwrap_or_default();
        }
        if let Some(value) = table.get("spray") {
            let names = [("off", Spray::Off), ("warn", Spray::Warn), ("hold", Spray::Hold)];
            policy.spray = self.faults.one_of("spray", value, &names).unwrap_or(base.spray);
        }
        if let Some(span) = self.span(table, "runway_warn") {
            policy.runway_warn = span;
        }
        policy
    }

    pub(super) fn rules(&mut self, table: &DeTable<'t>, base: &DeliveryRules) -> DeliveryRules {
        let mut rules = *base;
        if let Some(span) = self.positive(table, "timeout") {
            rules.timeout = span;
        }
        if let Some(span) = self.positive(table, "settle") {
            rules.settle = Some(span);
        }
        if let Some(inner) = self.section(table, "retry", keys::RETRY) {
            if let Some(first) = self.positive(inner, "first") {
                rules.retry.first = first;
            }
            if let Some(max) = self.positive(inner, "max") {
                rules.retry.max = max;
            }
            if let Some(tries) = self.count(inner, "tries", 1) {
                rules.retry.tries = tries;
            }
            if rules.retry.max < rules.retry.first
                && let Some(value) = inner.get("max").or_else(|| inner.get("first"))
            {
                let reason = "the highest wait, \"max\", is shorter than the \"first\"";
                self.faults.error(value.span(), reason, "let \"max\" be at least \"first\"".to_owned());
            }
        }
        rules
    }

    pub(super) fn links(&mut self, table: &DeTable<'t>, base: &Links) -> Links {
        let mut links = base.clone();
        let Some(inner) = self.section(table, "links", keys::LINKS) else { return links };
        if let Some(tag) = inner.get("tag").and_then(|value| self.faults.flag("tag", value)) {
            links.tag = tag;
        }
        links.source = self.tag_value(inner, "source").or(links.source);
        links.medium = self.tag_value(inner, "medium").unwrap_or(links.medium);
        links.campaign = self.tag_value(inner, "campaign").or(links.campaign);
        links
    }

    fn quiet(&mut self, value: &Value<'t>) -> Option<Vec<Quiet>> {
        let list = self.faults.list("quiet", value, "texts")?;
        let mut all = Vec::new();
        for item in list.iter() {
            let Some(text) = self.faults.text("quiet", item) else { continue };
            all.extend(self.take(item, values::quiet(text)));
        }
        Some(all)
    }

    fn share(&mut self, value: &Value<'t>) -> Option<f64> {
        match self.number(value) {
            Some(share) if (0.0..=1.0).contains(&share) => Some(share),
            _ => {
                let hint = "write 0.2 for one post of five".to_owned();
                self.faults.error(value.span(), "\"share\" must be a number from 0 to 1", hint);
                None
            }
        }
    }

    /// What a tag is to say.
    fn tag_value(&mut self, table: &DeTable<'t>, key: &str) -> Option<String> {
        let value = table.get(key)?;
        let text = self.faults.text(key, value)?;
        if text.trim().is_empty() || text.chars().count() > TAG_CHARS || text.chars().any(char::is_control) {
            let hint =
                format!("write a word or a few, at most {TAG_CHARS} characters; without the key the default holds");
            self.faults.error(value.span(), format!("{key:?} cannot be {}", quoted(text)), hint);
            return None;
        }
        Some(text.to_string())
    }
}

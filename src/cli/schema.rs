//! `cadenced schema`: JSON Schemas of the configuration and of queue files, for editors.
//!
//! The configuration's is made of the lists of keys that its reader and the platforms use; the queue's is written out
//! here, and a test holds its keys against the reader's. A schema says less than `check`: only what an editor needs.

use serde_json::{Map, Value, json};

use crate::config::keys::{self, Holds, Key};
use crate::domain::limits;
use crate::platform::contract::{Entry, KeyKind};
use crate::queue::parse;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
const ID: &str = "^[a-z0-9][a-z0-9._-]{0,79}$";
const SPAN: &str = "^([0-9]+(ms|s|m|h|d|w))+$";
const QUIET: &str = "^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$";

/// The schema as `cadenced schema` prints it and `config/schema` keeps it.
pub fn print(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// The schema of the configuration, with the keys of these platforms.
pub fn config(registry: &[&'static Entry]) -> Value {
    let mut schema = object(keys::ROOT, registry);
    schema.insert("$schema".into(), DRAFT.into());
    schema.insert("title".into(), "cadenced.toml".into());
    schema.insert("definitions".into(), json!({ "secret": secret() }));
    Value::Object(schema)
}

/// The schema of a queue file.
pub fn queue() -> Value {
    let moment = |doc: &str| json!({ "type": "string", "format": "date-time", "description": doc });
    let text = |doc: &str| json!({ "type": "string", "maxLength": limits::TEXT_BYTES, "description": doc });
    let line = |doc: &str| json!({ "type": "string", "minLength": 1, "description": doc });
    let lines =
        |doc: &str| json!({ "type": "array", "items": { "type": "string", "minLength": 1 }, "description": doc });
    let names = |list: Vec<&str>, doc: &str| json!({ "type": "string", "enum": list, "description": doc });
    let one = |doc: &str| json!({ "type": "string", "pattern": ID, "description": doc });
    let accounts = json!({
        "type": "array", "minItems": 1, "items": { "type": "string", "pattern": ID },
        "description": "The accounts that publish it.",
    });
    let goal = names(
        parse::GOALS.iter().map(|(name, _)| *name).collect(),
        "What it is for. Promotion is limited by policy.promotion.",
    );
    let visibility = names(
        parse::VISIBILITIES.iter().map(|(name, _)| *name).collect(),
        "Who may see it, where the platform knows the difference.",
    );
    let media = json!({
        "type": "array",
        "description": "Files that go with it, by their path from the queue file's folder.",
        "items": closed(&["file"], json!({
            "file": line("Path relative to the queue file."),
            "alt": text("Description for people who do not see it."),
            "sha256": { "type": "string", "pattern": "^(sha256:)?[0-9a-fA-F]{64}$", "description": "As sha256sum prints it; the post is held when the file is another." },
        })),
    });
    let approval = closed(
        &["digest"],
        json!({
            "by": line("Who approves."),
            "at": moment("When."),
            "digest": { "type": "string", "pattern": "^sha256:[0-9a-fA-F]{64}$", "description": "Digest of exactly this content." },
        }),
    );
    let words = json!({
        "text": text("What it says."),
        "link": { "type": "string", "format": "uri", "description": "A URL that goes with the text." },
        "tags": lines("Tags, without '#'."),
        "media": media,
        "thread": lines("The parts after the first."),
    });
    let common = json!({
        "id": one("Its name, unique over the queue."),
        "audience": line("Who it is for."),
        "goal": goal,
        "lang": line("Language tag, such as en or pt-BR."),
        "not_before": moment("It does not go out before."),
        "expires": moment("It does not go out from then on."),
        "visibility": visibility,
        "warning": text("Content warning, where the platform knows it."),
        "track": { "type": "boolean", "description": "Whether its links may be tagged, where the configuration tags links. Default: true." },
        "approval": approval,
    });
    let post = json!({
        "to": accounts,
        "at": moment("This moment and no other; when left out, the account's next free slot."),
        "series": line("Posts of one series keep their order on each account."),
        "priority": { "type": "integer", "description": "Higher goes first. Default: 0." },
        "reply_to": line("The id of a post of ours, or the URL or URI of somebody's post."),
        "variant": {
            "type": "object",
            "description": "What differs for one account.",
            "propertyNames": { "pattern": ID },
            "additionalProperties": closed(&[], words.clone()),
        },
    });
    let reply = json!({
        "to": one("The account that answers."),
        "conversation": line("The URL or URI of the post to answer."),
    });
    let defaults = json!({
        "to": accounts, "audience": line("Who they are for."), "goal": goal, "lang": line("Language tag."),
        "tags": lines("Tags, without '#'."), "visibility": visibility,
    });
    let mut schema = closed(
        &[],
        json!({
            "defaults": closed(&[], with_examples(defaults)),
            "post": {
                "type": "array", "maxItems": limits::POSTS_PER_FILE,
                "items": closed(&["id"], with_examples(merge(&[&common, &words, &post]))),
            },
            "reply": {
                "type": "array", "maxItems": limits::POSTS_PER_FILE,
                "items": closed(&["id", "to", "conversation"], with_examples(merge(&[&common, &words, &reply]))),
            },
        }),
    );
    schema["$schema"] = DRAFT.into();
    schema["title"] = "cadenced queue file".into();
    schema
}

/// Adds to keys of posts what they may look like, where their kinds do not say it already.
fn with_examples(mut properties: Value) -> Value {
    for (key, property) in properties.as_object_mut().into_iter().flatten() {
        let is_list = property["type"] == "array";
        let example = match &**key {
            "id" => json!("2026-11-desk-story"),
            "to" if is_list => json!(["fedi", "bsky"]),
            "to" => json!("fedi"),
            "audience" => json!("indie-founders"),
            "text" => json!("The desk I built the first version on."),
            "link" => json!("https://example.org/story"),
            "lang" => json!("en"),
            "tags" => json!(["buildinpublic"]),
            "media" => json!([{ "file": "img/desk.jpg", "alt": "A small desk with two screens" }]),
            "thread" => json!(["second part", "third part"]),
            "at" | "not_before" => json!("2026-12-01T09:00:00+01:00"),
            "expires" => json!("2027-01-31T00:00:00Z"),
            "series" => json!("desk"),
            "priority" => json!(10),
            "reply_to" => json!("2026-11-first-story"),
            "warning" => json!("long"),
            "conversation" => json!("https://mastodon.example/@ann/113500000000000001"),
            _ => continue,
        };
        property["examples"] = json!([example]);
    }
    properties
}

fn closed(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

fn merge(parts: &[&Value]) -> Value {
    let all = parts.iter().filter_map(|part| part.as_object()).flatten();
    Value::Object(all.map(|(key, value)| (key.clone(), value.clone())).collect())
}

fn object(keys: &[Key], registry: &[&'static Entry]) -> Map<String, Value> {
    let properties: Map<_, _> = keys.iter().map(|key| (key.name.to_owned(), property(key, registry))).collect();
    let mut object = Map::new();
    object.insert("type".into(), "object".into());
    object.insert("additionalProperties".into(), false.into());
    object.insert("properties".into(), properties.into());
    object
}

fn property(key: &Key, registry: &[&'static Entry]) -> Value {
    let mut value = match key.holds {
        Holds::Text | Holds::Path | Holds::Cron | Holds::Moment => json!({ "type": "string", "minLength": 1 }),
        Holds::Span => json!({ "type": "string", "pattern": SPAN }),
        Holds::Flag => json!({ "type": "boolean" }),
        Holds::Count(least) => json!({ "type": "integer", "minimum": least }),
        Holds::Amount => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Holds::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Holds::OneOf(names) => json!({ "type": "string", "enum": names }),
        Holds::Secret => json!({ "allOf": [{ "$ref": "#/definitions/secret" }] }),
        Holds::Crons => json!({ "type": "array", "items": { "type": "string" } }),
        Holds::Quiet => json!({ "type": "array", "items": { "type": "string", "pattern": QUIET } }),
        Holds::Table(keys) => Value::Object(object(keys, registry)),
        Holds::Accounts => json!({
            "type": "object",
            "propertyNames": { "pattern": ID },
            "additionalProperties": { "oneOf": registry.iter().map(|entry| account(entry)).collect::<Vec<_>>() },
        }),
    };
    value["description"] = key.doc.into();
    let example = match key.holds {
        Holds::Span => json!("2h"),
        Holds::Cron => json!("0 0 6 * * *"),
        Holds::Crons => json!(["30 9 * * MON-FRI", "0 11 * * SAT"]),
        Holds::Quiet => json!(["22:00-07:00"]),
        Holds::Moment => json!("2027-01-31"),
        Holds::Amount => json!(5.0),
        Holds::Share => json!(0.2),
        Holds::Secret => json!({ "credential": "fedi-token" }),
        Holds::Text if key.name == "timezone" => json!("Europe/Berlin"),
        _ => return value,
    };
    value["examples"] = json!([example]);
    value
}

/// The table of an account of one platform.
fn account(entry: &Entry) -> Value {
    let common = [keys::ACCOUNT, keys::POLICY].concat();
    let mut account = Value::Object(object(&common, &[]));
    let mut required = vec!["platform"];
    account["title"] = entry.name.into();
    account["properties"]["platform"] = json!({ "const": entry.name });
    for key in entry.keys {
        let mut value = match key.kind {
            KeyKind::Text | KeyKind::Path => json!({ "type": "string" }),
            KeyKind::Url => json!({ "type": "string", "format": "uri" }),
            KeyKind::Secret => json!({ "allOf": [{ "$ref": "#/definitions/secret" }] }),
            KeyKind::Integer => json!({ "type": "integer" }),
            KeyKind::Bool => json!({ "type": "boolean" }),
            KeyKind::Amounts(names) => {
                let amount = || json!({ "type": "number", "minimum": 0, "description": "In US dollars." });
                let amounts: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), amount())).collect();
                closed(&[], Value::Object(amounts))
            }
            KeyKind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        };
        value["description"] = key.doc.into();
        account["properties"][key.name] = value;
        if key.required {
            required.push(key.name);
        }
    }
    account["required"] = json!(required);
    account
}

/// The three ways to give a secret.
fn secret() -> Value {
    let way = |name: &str, doc: &str| {
        closed(&[name], json!({ name: { "type": "string", "minLength": 1, "description": doc } }))
    };
    json!({
        "oneOf": [
            way("credential", "A file of $CREDENTIALS_DIRECTORY."),
            way("file", "A file that neither group nor world may read."),
            way("env", "An environment variable."),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(schema: &Value) -> Vec<&str> {
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    fn sorted<'k>(keys: &[&'k str]) -> Vec<&'k str> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys
    }

    /// Every key below `schema` that says nothing of itself.
    fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}/{key}");
            let is_table = property["items"]["properties"].is_object() || property["properties"].is_object();
            if property["description"].as_str().is_none_or(str::is_empty)
                && property.get("const").is_none()
                && !is_table
            {
                found.push(path.clone());
            }
            silent(property, &path, found);
            silent(&property["items"], &path, found);
            silent(&property["additionalProperties"], &path, found);
            for one in property["additionalProperties"]["oneOf"].as_array().into_iter().flatten() {
                silent(one, &path, found);
            }
        }
    }

    #[test]
    fn editors_can_show_what_a_key_means_and_complete_what_it_holds() {
        let (config, queue) = (config(crate::platform::REGISTRY), queue());
        let mut found = Vec::new();
        silent(&config, "config", &mut found);
        silent(&queue, "queue", &mut found);
        assert_eq!(found, [""; 0], "keys without a description");
        let post = &queue["properties"]["post"]["items"]["properties"];
        for (key, property) in post.as_object().unwrap() {
            let told = ["examples", "enum", "properties", "additionalProperties"]
                .iter()
                .any(|word| property.get(word).is_some());
            assert!(told || property["type"] == "boolean", "{key} shows nothing of what it holds");
        }
        assert_eq!(post["goal"]["enum"], json!(["connection", "change", "promotion"]));
        assert_eq!(
            config["properties"]["queue"]["properties"]["approval"]["enum"],
            json!(["digest", "signed", "none"])
        );
        assert!(config["properties"]["policy"]["properties"]["min_gap"]["examples"][0].is_string());
    }

    #[test]
    fn the_queue_schema_has_the_keys_of_the_reader() {
        let schema = queue();
        let post = &schema["properties"]["post"]["items"];
        assert_eq!(names(&schema), sorted(parse::FILE_KEYS));
        assert_eq!(names(&schema["properties"]["defaults"]), sorted(parse::DEFAULT_KEYS));
        assert_eq!(names(post), sorted(parse::POST_KEYS));
        assert_eq!(names(&schema["properties"]["reply"]["items"]), sorted(parse::REPLY_KEYS));
        assert_eq!(names(&post["properties"]["variant"]["additionalProperties"]), sorted(parse::VARIANT_KEYS));
        assert_eq!(names(&post["properties"]["media"]["items"]), sorted(parse::MEDIA_KEYS));
        assert_eq!(names(&post["properties"]["approval"]), sorted(parse::APPROVAL_KEYS));
    }
}

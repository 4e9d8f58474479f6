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
            "defaults": closed(&[], defaults),
            "post": {
                "type": "array", "maxItems": limits::POSTS_PER_FILE,
                "items": closed(&["id"], merge(&[&common, &words, &post])),
            },
            "reply": {
                "type": "array", "maxItems": limits::POSTS_PER_FILE,
                "items": closed(&["id", "to", "conversation"], merge(&[&common, &words, &reply])),
            },
        }),
    );
    schema["$schema"] = DRAFT.into();
    schema["title"] = "cadenced queue file".into();
    schema
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
                let amount = || json!({ "type": "number", "minimum": 0 });
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

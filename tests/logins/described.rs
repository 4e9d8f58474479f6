//! What logins ask, against what the platforms have published: reference data that are not part of this repository. They are
//! looked for in `../shared/specs`, or below `$CADENCED_SHARED/specs`; where they are not, this says so and passes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cadenced::platform::contract::HeaderValue;
use serde_json::{Value, json};

use super::cases::cases;
use super::world::{Way, World, fields};

/// What the published descriptions say of scopes and of the requests of a login.
#[test]
fn what_is_asked_is_what_the_platforms_describe() {
    let asked = |platform: &str| {
        let case = cases().into_iter().find(|case| case.platform == platform).unwrap();
        let (world, result) = World::log_in(&case, Way::default());
        result.unwrap();
        world.requests.into_inner()
    };
    let scopes = |platform: &str| cases().into_iter().find(|case| case.platform == platform).unwrap().scopes;
    if let Some(api) = shared("x/openapi-2.167.json") {
        let flow = &api["components"]["securitySchemes"]["OAuth2UserToken"]["flows"]["authorizationCode"];
        assert!(scopes("x").split(' ').all(|scope| flow["scopes"][scope].is_string()), "{flow}");
        let token = asked("x").remove(0);
        assert!(flow["tokenUrl"].as_str().unwrap().ends_with(token.url.path()), "{}", token.url);
    }
    if let Some(api) = shared("youtube/youtube-v3.discovery.json") {
        let all = [
            ("videos", "insert"),
            ("videos", "update"),
            ("videos", "list"),
            ("thumbnails", "set"),
            ("channels", "list"),
            ("playlistItems", "insert"),
            ("playlistItems", "list"),
            ("commentThreads", "list"),
        ];
        for (resource, method) in all {
            let takes = api["resources"][resource]["methods"][method]["scopes"].as_array().unwrap();
            assert!(takes.contains(&json!(scopes("youtube"))), "{resource}.{method}: {takes:?}");
        }
    }
    if let Some(api) = shared("threads/threads-api.postman_collection.json") {
        let mut described = BTreeMap::new();
        describe(&api["item"], &mut described);
        let requests = asked("threads");
        for (request, beside) in requests[..2].iter().zip([None, Some("access_token")]) {
            let known = &described[&format!("{} {}", request.method.name(), request.url.path())];
            let names: BTreeSet<String> =
                fields(request).into_keys().filter(|name| Some(name.as_str()) != beside).collect();
            assert_eq!(names, *known, "{}", request.url);
        }
        assert_eq!(fields(&requests[1])["grant_type"], "th_exchange_token");
    }
    if let Some(api) = shared("instagram/IGAccessTokenForIGOnlyAPI.json") {
        let request = asked("instagram").remove(1);
        let known =
            api["apis"][0]["params"].as_array().unwrap().iter().map(|name| name["name"].as_str().unwrap().to_owned());
        assert_eq!(fields(&request).into_keys().collect::<BTreeSet<_>>(), known.collect());
        assert_eq!(request.method.name(), api["apis"][0]["method"]);
    }
    if let Some(page) = shared("facebook/Page.json") {
        let request = asked("facebook").remove(2);
        let known: BTreeSet<&str> =
            page["fields"].as_array().unwrap().iter().filter_map(|field| field["name"].as_str()).collect();
        assert!(fields(&request)["fields"].split(',').all(|field| known.contains(field)));
        assert!(matches!(&request.headers[0].1, HeaderValue::Secret { prefix: "Bearer ", .. }));
    }
}

/// The names of the parameters of each request in a collection.
fn describe(items: &Value, described: &mut BTreeMap<String, BTreeSet<String>>) {
    for item in items.as_array().into_iter().flatten() {
        describe(&item["item"], described);
        let (Some(method), Some(raw)) = (item["request"]["method"].as_str(), item["request"]["url"]["raw"].as_str())
        else {
            continue;
        };
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
        described
            .insert(format!("{method} {}", path.trim_start_matches("{{api_host}}")), names.map(Into::into).collect());
    }
}

/// Reference data that are not part of this repository.
fn shared(path: &str) -> Option<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CADENCED_SHARED").map_or(beside, PathBuf::from).join("specs");
    let text = std::fs::read_to_string(folder.join(path)).ok();
    if text.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: {path} is not there");
    }
    serde_json::from_str(&text?).ok()
}

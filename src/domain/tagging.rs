//! Tags in a link that tell its server which post somebody came from.
//!
//! The address stays as it was written, byte for byte: tags are added behind its query and before its fragment. One that
//! has a tag already is left alone, whoever has put it there; so what was tagged once is not tagged again.

use url::form_urlencoded::{byte_serialize, parse};

/// What every name of a tag begins with.
const UTM: &str = "utm_";
/// Longest value of a tag, in characters: links are counted by some platforms, and audiences may be long.
pub const TAG_CHARS: usize = 80;

/// What is put into the links of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    pub tag: bool,
    /// `None`: the platform's name.
    pub source: Option<String>,
    pub medium: String,
    /// `None`: the post's series, else its audience.
    pub campaign: Option<String>,
}

impl Default for Links {
    fn default() -> Self {
        Self { tag: false, source: None, medium: "social".into(), campaign: None }
    }
}

/// Where somebody came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'o> {
    pub source: &'o str,
    pub medium: &'o str,
    pub campaign: Option<&'o str>,
    pub post: &'o str,
}

/// The address with tags; `None` where it is to stay as it is: it is none of the web, or has a tag.
pub fn tagged(url: &str, origin: &Origin<'_>) -> Option<String> {
    let (front, fragment) = url.find('#').map_or((url, ""), |at| url.split_at(at));
    let (scheme, rest) = front.split_once("://")?;
    if !(scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) || rest.is_empty() {
        return None;
    }
    let query = front.split_once('?').map(|(_, query)| query);
    let has_tag = |query: &str| {
        let mut pairs = parse(query.as_bytes());
        pairs.any(|(name, _)| name.get(..UTM.len()).is_some_and(|start| start.eq_ignore_ascii_case(UTM)))
    };
    if query.is_some_and(has_tag) {
        return None;
    }
    let joint = match query {
        // Where nothing follows the server's name, some programs take what comes for a part of it.
        None if !rest.contains(['/', '\\']) => "/?",
        None => "?",
        Some(query) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let Origin { source, medium, campaign, post } = *origin;
    let tags = [("source", Some(source)), ("medium", Some(medium)), ("campaign", campaign), ("content", Some(post))];
    let written: Vec<String> = tags
        .into_iter()
        .filter_map(|(name, value)| {
            let cut: String = value?.chars().take(TAG_CHARS).collect();
            let value: String = byte_serialize(cut.as_bytes()).collect();
            Some(format!("{UTM}{name}={value}"))
        })
        .collect();
    Some(format!("{front}{joint}{}{fragment}", written.join("&")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    const ORIGIN: Origin<'_> =
        Origin { source: "mastodon", medium: "social", campaign: Some("indie founders"), post: "desk-story" };
    const TAGS: &str = "utm_source=mastodon&utm_medium=social&utm_campaign=indie+founders&utm_content=desk-story";

    #[test]
    fn tags_stand_behind_the_query_and_before_the_fragment() {
        for (url, before, after) in [
            ("https://a.example/story", "https://a.example/story?", ""),
            ("HTTP://a.example/story?", "HTTP://a.example/story?", ""),
            ("https://a.example", "https://a.example/?", ""),
            ("https://a.example#top", "https://a.example/?", "#top"),
            ("https://a.example/?b=%7e&B=ü#x?y", "https://a.example/?b=%7e&B=ü&", "#x?y"),
            ("https://a.example/?b&", "https://a.example/?b&", ""),
            ("https://a.example/#/page?utm_source=x", "https://a.example/?", "#/page?utm_source=x"),
            ("https://a.example/?q=utm_source", "https://a.example/?q=utm_source&", ""),
        ] {
            assert_eq!(tagged(url, &ORIGIN), Some(format!("{before}{TAGS}{after}")), "{url}");
        }
    }

    #[test]
    fn what_has_a_tag_or_is_no_page_stays_as_it_is() {
        for url in [
            "https://a.example/?utm_source=news",
            "https://a.example/?a=b&UTM_Term=x#y",
            "https://a.example/?%75tm_id=1",
            "mailto:ann@a.example",
            "at://did:plc:a/app.bsky.feed.post/1",
            "ftp://a.example/file",
            "https://",
            "a.example/story",
            "",
        ] {
            assert_eq!(tagged(url, &ORIGIN), None, "{url}");
        }
    }

    #[test]
    fn tags_are_cut_and_may_lack_a_campaign() {
        let long = "ü".repeat(TAG_CHARS + 1);
        let url = tagged("https://a.example/", &Origin { campaign: Some(&long), ..ORIGIN }).unwrap();
        assert_eq!(url.matches("%C3%BC").count(), TAG_CHARS);
        let url = tagged("https://a.example/", &Origin { campaign: None, ..ORIGIN }).unwrap();
        assert!(!url.contains("utm_campaign"), "{url}");
    }

    fn address() -> impl Strategy<Value = String> {
        let piece = "[a-zA-Z0-9._~%=&+ü-]{0,20}";
        let query = proptest::option::of(piece.prop_map(|text: String| text.replace('%', "%20")));
        let fragment = proptest::option::of("[a-z?=&#/_]{0,12}");
        ("(http|https|HTTPS)", "(/[a-z0-9._-]{0,8}){0,3}", query, fragment).prop_map(
            |(scheme, path, query, fragment)| {
                let query = query.map(|query| format!("?{query}")).unwrap_or_default();
                let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
                format!("{scheme}://a.example{path}{query}{fragment}")
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_there_is_there_still(address in address(), campaign in "\\PC{0,30}", post in "[a-z0-9][a-z0-9._-]{0,20}") {
            let origin = Origin { campaign: Some(&campaign), post: &post, ..ORIGIN };
            let Some(tagged_once) = tagged(&address, &origin) else { return Ok(()) };
            prop_assert_eq!(tagged(&tagged_once, &origin), None, "what is tagged is not tagged again");
            let (before, after) = (Url::parse(&address).unwrap(), Url::parse(&tagged_once).unwrap());
            prop_assert_eq!(before.fragment(), after.fragment());
            prop_assert_eq!((before.host_str(), before.path()), (after.host_str(), after.path()));
            let pairs = |url: &Url| url.query_pairs().into_owned().collect::<Vec<_>>();
            let (old, new) = (pairs(&before), pairs(&after));
            prop_assert_eq!(&new[..old.len()], &old[..]);
            let cut: String = campaign.chars().take(TAG_CHARS).collect();
            let added = [("utm_source", "mastodon"), ("utm_medium", "social"), ("utm_campaign", &*cut), ("utm_content", &*post)];
            let added: Vec<_> = added.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            prop_assert_eq!(&new[old.len()..], &added[..]);
            let kept = address.split('#').next().unwrap();
            prop_assert!(tagged_once.starts_with(kept), "{} became {}", kept, tagged_once);
        }
    }
}

//! A strict reader of the pages that are made here, stricter than any browser.

/// One opening tag.
pub struct Tag<'a> {
    pub name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// All tags of a page. Reading it fails where one is not closed, is closed in another's place, or is not written out.
pub struct Tags<'a> {
    pub opened: Vec<Tag<'a>>,
}

impl<'a> Tags<'a> {
    pub fn read(page: &'a str) -> Self {
        let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a page says what it is");
        let mut opened: Vec<Tag> = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        while let Some(begin) = rest.find('<') {
            assert!(!rest[..begin].contains('>'), "a stray sign in {:?}", &rest[..begin]);
            rest = &rest[begin + 1..];
            if let Some(closing) = rest.strip_prefix('/') {
                let (name, behind) = closing.split_once('>').expect("a closing tag ends");
                assert_eq!(open.pop(), Some(name), "within {open:?}");
                rest = behind;
                continue;
            }
            let end = rest.find(['>', ' ']).expect("a tag ends");
            let name = &rest[..end];
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name:?} is no name");
            let mut tag = Tag { name, attributes: Vec::new() };
            rest = &rest[end..];
            while let Some(attribute) = rest.strip_prefix(' ') {
                let (attribute_name, behind) = attribute.split_once("=\"").expect("every attribute has a value here");
                assert!(attribute_name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{attribute_name:?}");
                let (value, behind) = behind.split_once('"').expect("a value ends");
                assert!(!value.contains('<') && tag.attribute(attribute_name).is_none(), "{attribute_name}: {value}");
                tag.attributes.push((attribute_name, value));
                rest = behind;
            }
            rest = rest.strip_prefix('>').expect("a tag ends");
            if !matches!(name, "meta" | "br") {
                open.push(name);
            }
            opened.push(tag);
            if name == "style" {
                rest = &rest[rest.find("</style>").expect("the style ends")..];
            }
        }
        assert_eq!((open, rest), (Vec::new(), ""));
        Self { opened }
    }

    pub fn count(&self, name: &str) -> usize {
        self.opened.iter().filter(|tag| tag.name == name).count()
    }
}

/// What is read, with one blank between two pieces.
pub fn text(page: &str) -> String {
    let body = page.split_once("<main").expect("a main part").1;
    let pieces = body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text);
    pieces.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

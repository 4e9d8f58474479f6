//! What a status or an article says, without the HTML it is told in.
//!
//! Servers clean the HTML that they pass on, so this need not understand all of it; but whatever comes, what is left
//! has no tags, and what was written as text stays as it was.

/// Longest name of a character, with its `#`.
const NAME_CHARS: usize = 10;
/// Names of characters that stand in a row, from the first of them on (HTML 4).
const ROWS: &[(u32, &str)] = &[
    (
        0xa1,
        "iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para \
         middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave \
         Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute \
         Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml igrave \
         iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml",
    ),
    (0x391, "Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa Lambda Mu Nu Xi Omicron Pi Rho"),
    (0x3a3, "Sigma Tau Upsilon Phi Chi Psi Omega"),
    (
        0x3b1,
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon \
         phi chi psi omega",
    ),
];
/// Names of other characters, each before its character.
const OTHERS: &str = "OElig Œ oelig œ Scaron Š scaron š Yuml Ÿ fnof ƒ circ ˆ tilde ˜ thetasym ϑ upsih ϒ piv ϖ ndash – mdash — \
    lsquo ‘ rsquo ’ sbquo ‚ ldquo “ rdquo ” bdquo „ dagger † Dagger ‡ bull • hellip … permil ‰ prime ′ Prime ″ lsaquo ‹ \
    rsaquo › oline ‾ frasl ⁄ euro € image ℑ weierp ℘ real ℜ trade ™ alefsym ℵ larr ← uarr ↑ rarr → darr ↓ harr ↔ crarr ↵ \
    lArr ⇐ uArr ⇑ rArr ⇒ dArr ⇓ hArr ⇔ forall ∀ part ∂ exist ∃ empty ∅ nabla ∇ isin ∈ notin ∉ ni ∋ prod ∏ sum ∑ minus − \
    lowast ∗ radic √ prop ∝ infin ∞ ang ∠ and ∧ or ∨ cap ∩ cup ∪ int ∫ there4 ∴ sim ∼ cong ≅ asymp ≈ ne ≠ equiv ≡ le ≤ \
    ge ≥ sub ⊂ sup ⊃ nsub ⊄ sube ⊆ supe ⊇ oplus ⊕ otimes ⊗ perp ⊥ sdot ⋅ lceil ⌈ rceil ⌉ lfloor ⌊ rfloor ⌋ lang ⟨ \
    rang ⟩ loz ◊ spades ♠ clubs ♣ hearts ♥ diams ♦";
/// Elements whose content is nothing that was said.
const SILENT: &[&str] = &["script", "style", "template"];

/// A tag, such as `<a href="…">` or `</a>`.
pub struct Tag<'h> {
    /// In small letters; that of an end begins with a slash.
    pub name: String,
    source: &'h str,
}

impl Tag<'_> {
    /// What an attribute says, with its characters as they are meant.
    pub fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.source.trim_start_matches(|c: char| !c.is_whitespace());
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '>'));
            let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len());
            let (name, behind) = rest.split_at(end);
            let value = behind.trim_start().strip_prefix('=').map(str::trim_start);
            let (value, behind) = match value {
                Some(value) => match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                    _ => value.split_at(value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len())),
                },
                None => ("", behind),
            };
            if name.eq_ignore_ascii_case(wanted) {
                return Some(characters(value));
            }
            // Something is taken each time, or there is no more.
            if name.is_empty() && behind.len() == rest.len() || behind.is_empty() {
                return None;
            }
            rest = behind;
        }
    }
}

/// The text of some HTML: paragraphs with an empty line between them, line ends as line ends.
pub fn text(html: &str) -> String {
    text_with(html, &mut |_, _| {})
}

/// As [`text`], with every tag shown to `see` first, which may change what has been said up to there.
pub fn text_with(html: &str, see: &mut dyn FnMut(&Tag<'_>, &mut String)) -> String {
    let (mut out, mut rest) = (String::with_capacity(html.len()), html);
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let (said, length) = character(rest);
            out.push(said);
            rest = &rest[length..];
            continue;
        }
        let Some(source) = tag(rest) else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        rest = &rest[source.len()..];
        let name: String = source[1..].chars().take_while(|&c| c == '/' || c.is_ascii_alphanumeric()).collect();
        let name = name.to_ascii_lowercase().trim_end_matches('/').to_owned();
        let tag = Tag { name, source };
        see(&tag, &mut out);
        match tag.name.as_str() {
            "br" => out.push('\n'),
            "/p" | "/blockquote" | "/ul" | "/ol" | "/pre" | "/h1" | "/h2" | "/h3" | "/h4" | "/h5" | "/h6" => {
                out.push_str("\n\n");
            }
            "/li" | "/div" => out.push('\n'),
            name if SILENT.contains(&name) => rest = behind(rest, name),
            _ => {}
        }
    }
    out.push_str(rest);
    tidy(&out)
}

/// Text in which characters may be written as `&…;`.
pub fn characters(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (said, length) = character(&rest[at..]);
        out.push(said);
        rest = &rest[at + length..];
    }
    out + rest
}

/// The tag that `html` begins with, to its end, or all of it where it has none. A `<` that begins none is text.
fn tag(html: &str) -> Option<&str> {
    if let Some(comment) = html.strip_prefix("<!--") {
        return Some(comment.find("-->").map_or(html, |end| &html[..end + 7]));
    }
    html[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')).then_some(())?;
    let mut quote = None;
    for (at, c) in html.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => return Some(&html[..=at]),
            (None, _) => {}
        }
    }
    Some(html)
}

/// What comes behind the end of a silent element.
fn behind<'a>(html: &'a str, name: &str) -> &'a str {
    let mut ends = html.match_indices("</").map(|(at, _)| &html[at..]);
    let is_end = |rest: &&str| rest.get(2..2 + name.len()).is_some_and(|held| held.eq_ignore_ascii_case(name));
    ends.find(is_end).unwrap_or_default()
}

/// What `&#128;` to `&#159;` stand for: code page 1252, as the HTML standard has it.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The character that `html` begins with, written as `&…;`, and how long that is. What names none is a plain `&`.
fn character(html: &str) -> (char, usize) {
    let plain = ('&', 1);
    let Some(end) = html.char_indices().take(NAME_CHARS + 2).find(|(_, c)| *c == ';').map(|(at, _)| at) else {
        return plain;
    };
    let name = &html[1..end];
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    });
    let said = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        // All blanks are one.
        "nbsp" | "ensp" | "emsp" | "thinsp" => Some(' '),
        "zwnj" => Some('\u{200c}'),
        "zwj" => Some('\u{200d}'),
        "lrm" => Some('\u{200e}'),
        "rlm" => Some('\u{200f}'),
        _ => match number {
            // Numbers that browsers read as those of Windows, for who wrote them meant that.
            Some(number @ 0x80..=0x9f) => Some(WINDOWS[number as usize - 0x80]),
            number => number.and_then(char::from_u32).or_else(|| named(name)),
        },
    };
    said.map_or(plain, |said| (said, end + 1))
}

fn named(name: &str) -> Option<char> {
    let in_row = |(first, names): &(u32, &str)| {
        let place = names.split(' ').position(|known| known == name)?;
        char::from_u32(first + u32::try_from(place).ok()?)
    };
    let other = || {
        let mut words = OTHERS.split(' ');
        while let (Some(known), Some(said)) = (words.next(), words.next()) {
            if known == name {
                return said.chars().next();
            }
        }
        None
    };
    ROWS.iter().find_map(in_row).or_else(other)
}

/// No more than one empty line in a row, and none at the ends.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut ends = 0;
    for c in text.trim().chars() {
        ends = if c == '\n' { ends + 1 } else { 0 };
        if ends <= 2 {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_left() {
        let table = [
            ("<p>One<br />two</p><p>three</p>", "One\ntwo\n\nthree"),
            ("<p>a &lt;b&gt; &amp;lt; &#39;c&#x27; &quot;&nbsp;&nosuch; & &;</p>", "a <b> &lt; 'c' \" &nosuch; & &;"),
            ("M&uuml;ller &yuml;&iexcl;&Rho;&Sigma;&sigmaf;&omega;&OElig;&diams;&euro;&copy;", "Müller ÿ¡ΡΣςωŒ♦€©"),
            ("&Uuml;&UUML;&–;&;", "Ü&UUML;&–;&;"),
            (
                "<p><a href=\"https://e.example/a>b\"><span class=\"invisible\">https://</span><span>e.example/a</span></a></p>",
                "https://e.example/a",
            ),
            ("<p><span class=\"h-card\"><a href=\"x\">@<span>ann</span></a></span> yes</p>", "@ann yes"),
            ("<ul><li>a</li><li>b</li></ul><p>c</p>", "a\nb\n\nc"),
            ("1 < 2 <3 a<b>c</b>", "1 < 2 <3 ac"),
            ("x<script>alert('<p>')</script>y<STYLE>z", "xy"),
            ("a<!-- <p>b</p> -->c<p", "ac"),
            ("don&#146;t &#x96; &#128;", "don’t – €"),
            ("&#0;&#xd800;&#99999999;&#x1F600;", "\0&#xd800;&#99999999;\u{1F600}"),
            ("<", "<"),
            ("", ""),
        ];
        for (html, expected) in table {
            assert_eq!(text(html), expected, "{html}");
        }
    }

    #[test]
    fn attributes_are_found_however_they_are_written() {
        for (html, name, value) in [
            ("<a href=\"https://e.example/?a&amp;b\" class='u-url mention'>", "href", Some("https://e.example/?a&b")),
            ("<a href=\"x\" class='u-url mention'>", "CLASS", Some("u-url mention")),
            ("<img hidden src = a/b.png alt=''/>", "src", Some("a/b.png")),
            ("<img hidden src = a/b.png alt=''/>", "alt", Some("")),
            ("<img hidden src='a'>", "hidden", Some("")),
            ("<a title='href=no'>", "href", None),
            ("<a href=\"never closed", "href", Some("never closed")),
            ("<a = = / x", "href", None),
            ("<a", "href", None),
        ] {
            let mut found = None;
            text_with(html, &mut |tag, _| found = tag.attribute(name));
            assert_eq!(found.as_deref(), value, "{html}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_read(html in "(<|>|&|;|#|\"|/|=| href|p|br|script|!--|-->|\\PC|\\s){0,60}") {
            let _ = text_with(&html, &mut |tag, _| drop(tag.attribute("href")));
            let escaped = html.replace('&', "&amp;").replace('<', "&lt;");
            proptest::prop_assert_eq!(text(&escaped), tidy(&html));
        }
    }
}

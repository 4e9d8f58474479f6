//! The files that people read: a page a post, the index, the archive.
//!
//! Plain HTML without scripts, and nothing is loaded from elsewhere. Links inside the site are relative and name their
//! file, so that the folder can be read from a disk as well as from a web server.

use super::text::{clean, escape, link_target, paragraphs, shown_address};
use super::wire::{About, Body, Entry, File, INDEX, List, moment};
use crate::domain::Timestamp;

/// What every file of ours names as its maker.
pub const MADE_BY: &str = "cadenced";
/// The shared style sheet. People may make it their own by removing its first line.
pub const STYLE: &str = include_str!("style.css");

/// The words of the pages themselves.
struct Words {
    lang: &'static str,
    skip: &'static str,
    site: &'static str,
    home: &'static str,
    all: &'static str,
    warning: &'static str,
    reply: &'static str,
    part: &'static str,
    of: &'static str,
    by: &'static str,
    none: &'static str,
    file: &'static str,
}

static WORDS: &[Words] = &[
    Words {
        lang: "en",
        skip: "Skip to content",
        site: "This site",
        home: "Latest",
        all: "All posts",
        warning: "Content warning",
        reply: "In reply to",
        part: "Part",
        of: "of",
        by: "by",
        none: "Nothing has been published yet.",
        file: "File",
    },
    Words {
        lang: "de",
        skip: "Zum Inhalt",
        site: "Diese Seite",
        home: "Neues",
        all: "Alle Beiträge",
        warning: "Inhaltswarnung",
        reply: "Antwort auf",
        part: "Teil",
        of: "von",
        by: "von",
        none: "Noch ist nichts erschienen.",
        file: "Datei",
    },
    Words {
        lang: "fr",
        skip: "Aller au contenu",
        site: "Ce site",
        home: "Récents",
        all: "Tous les billets",
        warning: "Avertissement",
        reply: "En réponse à",
        part: "Partie",
        of: "sur",
        by: "par",
        none: "Rien n’a encore été publié.",
        file: "Fichier",
    },
    Words {
        lang: "es",
        skip: "Ir al contenido",
        site: "Este sitio",
        home: "Lo último",
        all: "Todas las entradas",
        warning: "Advertencia de contenido",
        reply: "En respuesta a",
        part: "Parte",
        of: "de",
        by: "por",
        none: "Todavía no se ha publicado nada.",
        file: "Archivo",
    },
];

impl Words {
    /// Those of the site's language; else English ones, and the attribute that says so.
    fn of(about: &About) -> (&'static Self, &'static str) {
        let primary = about.lang.split('-').next().unwrap_or_default();
        match WORDS.iter().find(|words| words.lang.eq_ignore_ascii_case(primary)) {
            Some(words) => (words, ""),
            None => (&WORDS[0], " lang=\"en\""),
        }
    }
}

/// The page of one post. `listed` is whether the index names it; search engines are asked to keep to that.
pub fn post(about: &About, entry: &Entry, body: &Body, listed: bool) -> String {
    let (words, ui) = Words::of(about);
    let url = escape(&about.post_url(&entry.id));
    let title = escape(&entry.title);
    let kept_back = body.warning.is_some();
    let image = body.media.iter().find(|file| file.mime.starts_with("image/")).filter(|_| !kept_back);
    let mut head = format!(
        "<link rel=\"canonical\" href=\"{url}\">\n<meta property=\"og:type\" content=\"article\">\n\
         <meta property=\"og:title\" content=\"{title}\">\n<meta property=\"og:url\" content=\"{url}\">\n\
         <meta property=\"og:site_name\" content=\"{}\">\n",
        escape(&about.title)
    );
    if let Some(excerpt) = &entry.excerpt {
        let excerpt = escape(excerpt);
        head += &format!(
            "<meta name=\"description\" content=\"{excerpt}\">\n\
             <meta property=\"og:description\" content=\"{excerpt}\">\n"
        );
    }
    if let Some(file) = image {
        head += &format!(
            "<meta property=\"og:image\" content=\"{}/{}\">\n<meta property=\"og:image:alt\" content=\"{}\">\n",
            escape(&about.base),
            escape(&file.path()),
            escape(&file.alt)
        );
    }
    if !listed {
        head += "<meta name=\"robots\" content=\"noindex\">\n";
    }
    let author = about
        .author
        .as_deref()
        .map(|name| format!(" <span{ui}>{}</span> <span class=\"p-author h-card\">{}</span>", words.by, escape(name)));
    let tags = match body.tags.is_empty() {
        true => String::new(),
        false => format!(
            "<ul class=\"tags\"{}>\n{}</ul>\n",
            lang_of(about, entry),
            body.tags
                .iter()
                .map(|tag| format!("<li>#<span class=\"p-category\">{}</span></li>\n", escape(tag)))
                .collect::<String>()
        ),
    };
    let main = format!(
        "<article class=\"h-entry\">\n<h1 class=\"unseen p-name\"{lang} dir=\"auto\">{title}</h1>\n{content}\
         <footer>\n<p class=\"meta\"><a class=\"u-url\" href=\"{url}\">{time}</a>{author}</p>\n{tags}</footer>\n\
         </article>\n",
        lang = lang_of(about, entry),
        content = content(about, entry, body, "../../"),
        time = time(entry.at, "dt-published"),
        author = author.unwrap_or_default(),
    );
    frame(about, &format!("{title} · {}", escape(&about.title)), &head, "../../", Name::Link, &main)
}

/// What a post says, for its page and for feeds. `root` leads to the folder of the site, with a slash at the end.
pub fn content(about: &About, entry: &Entry, body: &Body, root: &str) -> String {
    let (words, ui) = Words::of(about);
    let lang = lang_of(about, entry);
    let count = body.parts.len();
    let mut inner = String::new();
    for (place, part) in body.parts.iter().enumerate() {
        let number = place + 1;
        if count > 1 {
            inner += &format!(
                "<section id=\"part-{number}\">\n<p class=\"number\"{ui}>{} {number} {} {count}</p>\n",
                words.part, words.of
            );
        }
        if !part.trim().is_empty() {
            inner += &format!("<div class=\"text\"{lang} dir=\"auto\">\n{}\n</div>\n", paragraphs(part));
        }
        if place == 0 {
            inner += &body.link.as_deref().map(link).unwrap_or_default();
            inner.extend(body.media.iter().map(|file| figure(words, ui, &lang, file, root)));
        }
        if count > 1 {
            inner += "</section>\n";
        }
    }
    let reply = body.answers.as_deref().map(|target| {
        let shown = escape(&shown_address(target));
        let target = match link_target(target) {
            Some(url) => format!("<a class=\"u-in-reply-to\" href=\"{}\">{shown}</a>", escape(url)),
            None => format!("<span class=\"u-in-reply-to\">{}</span>", escape(target)),
        };
        format!("<p class=\"reply\"><span{ui}>{}</span> {target}</p>\n", words.reply)
    });
    let inner = format!("<div class=\"e-content\">\n{inner}</div>\n");
    let inner = match &body.warning {
        None => inner,
        Some(warning) => format!(
            "<details>\n<summary><span{ui}>{}:</span> <span{lang}>{}</span></summary>\n{inner}</details>\n",
            words.warning,
            escape(warning)
        ),
    };
    reply.unwrap_or_default() + &inner
}

fn link(address: &str) -> String {
    let shown = escape(&shown_address(address));
    match link_target(address) {
        Some(url) => format!("<p class=\"link\"><a href=\"{}\">{shown}</a></p>\n", escape(url)),
        None => format!("<p class=\"link\">{}</p>\n", escape(address)),
    }
}

fn figure(words: &Words, ui: &str, lang: &str, file: &File, root: &str) -> String {
    let (src, alt) = (escape(&format!("{root}{}", file.path())), escape(&file.alt));
    let size = file.size.map(|(width, height)| format!(" width=\"{width}\" height=\"{height}\"")).unwrap_or_default();
    let inner = match file.mime.split('/').next() {
        Some("image") => format!("<img class=\"u-photo\" src=\"{src}\" alt=\"{alt}\"{size} loading=\"lazy\">"),
        Some("video") => {
            format!(
                "<video class=\"u-video\" src=\"{src}\" aria-label=\"{alt}\" controls preload=\"metadata\"></video>"
            )
        }
        Some("audio") => {
            format!(
                "<audio class=\"u-audio\" src=\"{src}\" aria-label=\"{alt}\" controls preload=\"metadata\"></audio>"
            )
        }
        _ if file.alt.trim().is_empty() => format!("<a href=\"{src}\" download><span{ui}>{}</span></a>", words.file),
        _ => format!("<a href=\"{src}\" download>{alt}</a>"),
    };
    format!("<figure{lang}>{inner}</figure>\n")
}

/// The index: the latest posts, with the beginning of each.
pub fn index(about: &About, list: &List) -> String {
    let (words, ui) = Words::of(about);
    let url = escape(&about.base);
    let head = format!("<link rel=\"canonical\" href=\"{url}/\">\n{}", described(about));
    let item = |entry: &Entry| {
        let lang = lang_of(about, entry);
        let excerpt = entry.excerpt.as_ref();
        let excerpt = excerpt.map(|text| format!("<p class=\"p-summary\"{lang} dir=\"auto\">{}</p>\n", escape(text)));
        format!(
            "<article class=\"h-entry\">\n\
             <h2 class=\"p-name\"{lang} dir=\"auto\"><a class=\"u-url\" href=\"posts/{}/index.html\">{}</a></h2>\n\
             {}<p class=\"meta\">{}</p>\n</article>\n",
            entry.id,
            escape(&entry.title),
            excerpt.unwrap_or_default(),
            time(entry.at, "dt-published"),
        )
    };
    let items: String = list.posts.iter().take(INDEX).map(item).collect();
    let items = if items.is_empty() { format!("<p{ui}>{}</p>\n", words.none) } else { items };
    let main = format!("<div class=\"list h-feed\">\n{items}</div>\n");
    frame(about, &escape(&about.title), &head, "", Name::Heading, &main)
}

/// The archive: every listed post, a line each, by year.
pub fn archive(about: &About, list: &List) -> String {
    let (words, ui) = Words::of(about);
    let mut main = format!("<div class=\"archive\">\n<h1{ui}>{}</h1>\n", words.all);
    let mut year = None;
    for entry in &list.posts {
        let day = entry.at.strftime("%Y-%m-%d").to_string();
        let this = day[..day.len() - "-mm-dd".len()].to_string();
        if year.as_ref() != Some(&this) {
            main += if year.is_some() { "</ul>\n" } else { "" };
            main += &format!("<h2>{this}</h2>\n<ul>\n");
            year = Some(this);
        }
        main += &format!(
            "<li><time datetime=\"{day}\">{day}</time> <a href=\"posts/{}/index.html\"{} dir=\"auto\">{}</a></li>\n",
            entry.id,
            lang_of(about, entry),
            escape(&entry.title)
        );
    }
    main += if year.is_some() { "</ul>\n</div>\n" } else { "</div>\n" };
    let head = format!("<link rel=\"canonical\" href=\"{}/archive.html\">\n", escape(&about.base));
    let (name, site) = (words.all, escape(&about.title));
    frame(about, &format!("{name} · {site}"), &head, "", Name::Link, &main)
}

/// How the name of the site stands at the top: as the page's heading, or as a link to the index.
#[derive(PartialEq)]
enum Name {
    Heading,
    Link,
}

/// What all pages share. `title` and `head` are markup already.
fn frame(about: &About, title: &str, head: &str, root: &str, name: Name, main: &str) -> String {
    let (words, ui) = Words::of(about);
    let site = escape(&about.title);
    let link = format!("<a href=\"{root}index.html\" rel=\"home\">{site}</a>");
    let name = match name {
        Name::Heading => format!("<h1 class=\"name\">{site}</h1>"),
        Name::Link => format!("<p class=\"name\">{link}</p>"),
    };
    let description = about.description.as_ref();
    let description = description.map(|text| format!("<p class=\"about\">{}</p>\n", escape(text))).unwrap_or_default();
    let author = about.author.as_ref().map(|name| format!("<meta name=\"author\" content=\"{}\">\n", escape(name)));
    format!(
        "<!DOCTYPE html>\n<html lang=\"{lang}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"generator\" content=\"{MADE_BY}\">\n<title>{title}</title>\n{author}{head}\
         <link rel=\"alternate\" type=\"application/feed+json\" title=\"{site}\" href=\"{root}feed.json\">\n\
         <link rel=\"alternate\" type=\"application/atom+xml\" title=\"{site}\" href=\"{root}atom.xml\">\n\
         <link rel=\"stylesheet\" href=\"{root}style.css\">\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\"{ui}>{skip}</a>\n\
         <header class=\"site\">\n{name}\n{description}</header>\n\
         <main id=\"main\" tabindex=\"-1\">\n{main}</main>\n\
         <footer class=\"end\">\n<nav aria-label=\"{nav}\"{ui}>\n<ul>\n\
         <li><a href=\"{root}index.html\">{home}</a></li>\n<li><a href=\"{root}archive.html\">{all}</a></li>\n\
         <li><a href=\"{root}feed.json\" type=\"application/feed+json\">JSON Feed</a></li>\n\
         <li><a href=\"{root}atom.xml\" type=\"application/atom+xml\">Atom</a></li>\n\
         </ul>\n</nav>\n</footer>\n</body>\n</html>\n",
        lang = escape(&about.lang),
        author = author.unwrap_or_default(),
        skip = words.skip,
        nav = words.site,
        home = words.home,
        all = words.all,
    )
}

fn described(about: &About) -> String {
    let description = about.description.as_ref();
    description.map(|text| format!("<meta name=\"description\" content=\"{}\">\n", escape(text))).unwrap_or_default()
}

/// The attribute for text in the post's language, where that is not the page's.
fn lang_of(about: &About, entry: &Entry) -> String {
    let own = entry.lang.as_deref().filter(|lang| !lang.eq_ignore_ascii_case(&about.lang));
    own.map(|lang| format!(" lang=\"{}\"", escape(&clean(lang)))).unwrap_or_default()
}

/// In UTC and in the order year, month, day, which is read alike in every language.
fn time(at: Timestamp, class: &str) -> String {
    let shown = at.strftime("%Y-%m-%d %H:%M UTC");
    format!("<time class=\"{class}\" datetime=\"{}\">{shown}</time>", moment(at))
}

//! Forms with files, as `multipart/form-data`: made for requests, and read again by imitations.

use std::sync::Arc;

use super::{Body, Media};

impl Body {
    /// A form with text fields and one file.
    pub fn multipart(boundary: &str, fields: &[(&str, &str)], file: (&str, &Media)) -> Self {
        Self::form(boundary, fields, &[(file.0.to_owned(), file.1)])
    }

    /// A form with text fields and files, each by its own name. `boundary` must not occur in the parts; a delivery key
    /// does not.
    pub fn form(boundary: &str, fields: &[(&str, &str)], files: &[(String, &Media)]) -> Self {
        let mut text = String::new();
        for (name, value) in fields {
            text += &format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        let mut chunks: Vec<Arc<[u8]>> = Vec::new();
        for (name, media) in files {
            text += &format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{}\"\r\n\
                 Content-Type: {}\r\n\r\n",
                media.sent_name(),
                media.mime
            );
            chunks.push(std::mem::take(&mut text).into_bytes().into());
            chunks.push(media.bytes.clone());
            text += "\r\n";
        }
        text += &format!("--{boundary}--\r\n");
        chunks.push(text.into_bytes().into());
        Self { mime: Some(format!("multipart/form-data; boundary={boundary}")), chunks }
    }

    /// The parts of a form, for imitations; `None` where it is none.
    pub fn parts(&self) -> Option<Vec<Part>> {
        let boundary = self.mime.as_ref()?.strip_prefix("multipart/form-data; boundary=")?;
        let whole = self.concat();
        // One byte, one character: places in the text are places in the bytes.
        let text: String = whole.iter().copied().map(char::from).collect();
        let utf8 = |latin: &str| String::from_utf8_lossy(&bytes_of(latin)).into_owned();
        let mut parts = Vec::new();
        for piece in text.split(&format!("--{boundary}")) {
            let Some((head, value)) = piece.split_once("\r\n\r\n") else { continue };
            let named = |name: &str| Some(head.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0);
            parts.push(Part {
                name: utf8(named("name")?),
                file: named("filename").map(utf8),
                mime: head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).map(utf8),
                bytes: bytes_of(value.strip_suffix("\r\n").unwrap_or(value)),
            });
        }
        Some(parts)
    }
}

/// One part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// The file's name, where it is a file.
    pub file: Option<String>,
    pub mime: Option<String>,
    pub bytes: Vec<u8>,
}

impl Part {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl Media {
    /// What the file is called where it is sent. The name that a person gave it is not told: it may say what nobody
    /// approved. Its ending tells what it is, which some platforms go by.
    pub fn sent_name(&self) -> String {
        let kind = self.mime.split_once('/').map_or("bin", |(_, kind)| kind.split(['+', ';']).next().unwrap_or("bin"));
        let ending = match (self.mime.as_str(), kind.strip_prefix("x-").unwrap_or(kind)) {
            ("audio/mpeg", _) => "mp3",
            ("audio/mp4", _) => "m4a",
            (_, "quicktime") => "mov",
            (_, "matroska") => "mkv",
            (_, short) if short.len() <= 5 && short.bytes().all(|byte| byte.is_ascii_alphanumeric()) => short,
            _ => "bin",
        };
        format!("media.{ending}")
    }
}

fn bytes_of(latin: &str) -> Vec<u8> {
    latin.chars().map(|c| c as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, MediaItem};

    fn media(mime: &str, bytes: &[u8]) -> Media {
        let item =
            MediaItem { file: "secret plan.png".into(), alt: String::new(), sha256: Digest::of(bytes), facts: None };
        Media { item, mime: mime.into(), size: None, bytes: bytes.into() }
    }

    #[test]
    fn what_a_form_holds_is_read_again() {
        let (one, two) = (media("image/png", b"\x00\xff\r\n\r\n--b"), media("video/mp4", b"film"));
        let files = [("files[0]".to_owned(), &one), ("files[1]".to_owned(), &two)];
        let form = Body::form("cadenced-77", &[("text", "Zwei W\u{f6}rter\r\nund \"mehr\"")], &files);
        let parts = form.parts().unwrap();
        assert_eq!(parts.len(), 3);
        assert_eq!((parts[0].name.as_str(), parts[0].text().as_str()), ("text", "Zwei W\u{f6}rter\r\nund \"mehr\""));
        assert_eq!(parts[0].file, None);
        assert_eq!(parts[1].bytes, one.bytes.to_vec());
        assert_eq!((parts[2].name.as_str(), parts[2].file.as_deref()), ("files[1]", Some("media.mp4")));
        assert_eq!(parts[2].mime.as_deref(), Some("video/mp4"));
        assert_eq!(Body::json(&serde_json::json!({})).parts(), None);
    }

    #[test]
    fn a_file_is_sent_under_a_name_that_tells_only_its_kind() {
        for (mime, name) in [
            ("image/png", "media.png"),
            ("image/jpeg", "media.jpeg"),
            ("image/svg+xml", "media.svg"),
            ("video/quicktime", "media.mov"),
            ("audio/mpeg", "media.mp3"),
            ("audio/x-wav", "media.wav"),
            ("application/pdf", "media.pdf"),
            ("application/octet-stream", "media.bin"),
            ("application/vnd.ms-excel", "media.bin"),
            ("odd", "media.bin"),
        ] {
            assert_eq!(media(mime, b"x").sent_name(), name, "{mime}");
        }
    }
}

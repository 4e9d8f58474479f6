//! How large and how long a film is, as the boxes of MP4 and QuickTime say (ISO/IEC 14496-12).
//!
//! Written here, because the bytes are hostile: a reader of the whole format follows tables and descriptors as deep and
//! as long as a file says. This one reads the headers of boxes, goes into three kinds of them, and takes a hundred bytes
//! of three others; all else is passed over unread, and there is an end to how many boxes it looks at.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

/// More boxes than any film has on the way to its tracks.
const BOXES: usize = 4_096;
/// As many bytes of a box hold all that is wanted of it.
const HEAD: usize = 104;

/// What is known of a film; nothing where it does not say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Film {
    /// Width and height in pixels, of the first track that has pictures.
    pub size: Option<(u32, u32)>,
    /// Of its longest track. A film in fragments tells none ahead.
    pub duration: Option<Duration>,
}

/// Reads the boxes; `None` where they are none.
pub fn look(file: &mut (impl Read + Seek)) -> Option<Film> {
    let end = file.seek(SeekFrom::End(0)).ok()?;
    let (mut film, mut left) = (Film::default(), BOXES);
    walk(file, 0, end, Place::File, &mut left, &mut film)?;
    Some(film)
}

/// Where a box stands: as deep as this goes, and no deeper.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    File,
    Movie,
    Track,
    Media,
}

/// Looks at the boxes from `at` to `end`.
fn walk(
    file: &mut (impl Read + Seek),
    mut at: u64,
    end: u64,
    place: Place,
    left: &mut usize,
    film: &mut Film,
) -> Option<()> {
    while at + 8 <= end {
        *left = left.checked_sub(1)?;
        let (kind, header, length) = header(file, at)?;
        // To the end of what it stands in, where it says nothing else.
        let length = if length == 0 { end - at } else { length };
        let next = at.checked_add(length).filter(|next| *next <= end && length >= header)?;
        let body = at + header;
        match (place, &kind) {
            (Place::File, b"moov") => walk(file, body, next, Place::Movie, left, film)?,
            (Place::Movie, b"trak") => walk(file, body, next, Place::Track, left, film)?,
            (Place::Track, b"mdia") => walk(file, body, next, Place::Media, left, film)?,
            (Place::Track, b"tkhd") => {
                let size = size(&head(file, body, next)?);
                film.size = film.size.or(size);
            }
            (Place::Media, b"mdhd") => {
                let lasts = lasts(&head(file, body, next)?);
                film.duration = film.duration.max(lasts);
            }
            _ => {}
        }
        at = next;
    }
    Some(())
}

/// Kind, length of the header, and length of the whole, of the box at `at`.
fn header(file: &mut (impl Read + Seek), at: u64) -> Option<([u8; 4], u64, u64)> {
    let mut bytes = [0; 16];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut bytes[..8]).ok()?;
    let kind = bytes[4..8].try_into().ok()?;
    let short = u32::from_be_bytes(bytes[..4].try_into().ok()?);
    if short != 1 {
        return Some((kind, 8, short.into()));
    }
    file.read_exact(&mut bytes[8..]).ok()?;
    Some((kind, 16, u64::from_be_bytes(bytes[8..].try_into().ok()?)))
}

fn head(file: &mut (impl Read + Seek), from: u64, end: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from)).ok()?;
    file.by_ref().take((end - from).min(HEAD as u64)).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Of a track's header: the last two words, in which the pixels stand above the point.
fn size(head: &[u8]) -> Option<(u32, u32)> {
    let at = if *head.first()? == 1 { 88 } else { 76 };
    let side = |at: usize| Some(u32::from(u16::from_be_bytes(head.get(at..at + 2)?.try_into().ok()?)));
    Some((side(at)?, side(at + 4)?)).filter(|(width, height)| *width > 0 && *height > 0)
}

/// Of a track's media header: units, and units a second. None at all stand for "not known".
fn lasts(head: &[u8]) -> Option<Duration> {
    let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let (scale, units) = match *head.first()? {
        1 => (word(20)?, u64::from(word(24)?) << 32 | u64::from(word(28)?)),
        _ => (word(12)?, u64::from(word(16)?)),
    };
    let told = scale > 0 && units > 0 && units < u64::from(u32::MAX);
    told.then(|| Duration::from_millis(units.saturating_mul(1000) / u64::from(scale)))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::media::mp4;
    use super::*;

    #[test]
    fn a_film_says_its_size_and_how_long_it_plays() {
        let known = Film { size: Some((640, 480)), duration: Some(Duration::from_millis(2_500)) };
        let bytes = mp4::film(640, 480, 2_500, &[0; 9_000]);
        assert_eq!(look(&mut Cursor::new(&bytes)), Some(known));
        let fragments = look(&mut Cursor::new(mp4::film(640, 480, 0, &[])));
        assert_eq!(fragments, Some(Film { size: Some((640, 480)), duration: None }));
    }

    #[test]
    fn hostile_boxes_come_to_an_end() {
        let boxed = |kind: &[u8; 4], body: &[u8]| {
            [&u32::try_from(body.len() + 8).unwrap().to_be_bytes(), kind.as_slice(), body].concat()
        };
        let empty = boxed(b"free", b"").repeat(100_000);
        assert_eq!(look(&mut Cursor::new(empty)), None, "so many boxes no film has");
        // As deep as a file of this size can go.
        let mut deep = boxed(b"mdia", b"");
        for _ in 0..3_000 {
            deep = boxed(b"mdia", &deep);
        }
        assert!(look(&mut Cursor::new(boxed(b"moov", &boxed(b"trak", &deep)))).is_some());
        for bytes in
            [b"\0\0\0\x04moov".as_slice(), b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff", b"\xff\xff\xff\xffmoov"]
        {
            assert_eq!(look(&mut Cursor::new(bytes)), None, "{bytes:?}");
        }
        assert_eq!(look(&mut Cursor::new(b"")), Some(Film::default()));
    }
}

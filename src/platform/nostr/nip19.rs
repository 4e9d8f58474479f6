//! Names for people, as NIP-19 has them: bech32 around keys, ids and places.

use bech32::{Bech32, Hrp};

use super::event;

/// Kinds of entries in the names that hold several.
const SPECIAL: u8 = 0;
const RELAY: u8 = 1;
const AUTHOR: u8 = 2;
const KIND: u8 = 3;

/// The name of an event, with one relay where it is to be found: `nevent1…`.
pub fn nevent(id: &str, pubkey: &str, relay: &str) -> Option<String> {
    let mut data = Vec::new();
    let mut put = |kind: u8, value: &[u8]| {
        // An entry tells its length in one byte.
        if let Ok(length) = u8::try_from(value.len()) {
            data.extend([kind, length]);
            data.extend(value);
        }
    };
    put(SPECIAL, &event::bytes(id)?);
    put(RELAY, relay.as_bytes());
    put(AUTHOR, &event::bytes(pubkey)?);
    put(KIND, &event::NOTE.to_be_bytes());
    encode("nevent", &data)
}

/// The id of the event that `text` names in whatever way: `note1…` or `nevent1…`, also within an address, or 64
/// hexadecimal digits.
pub fn event_id(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.rev().find_map(|word| {
        let id = match (decode("note", word), decode("nevent", word)) {
            (Some(id), _) => Some(id),
            (None, Some(entries)) => special(&entries),
            (None, None) => event::bytes(word),
        };
        id.filter(|id| id.len() == 32).map(|id| event::hex(&id))
    })
}

fn special(mut entries: &[u8]) -> Option<Vec<u8>> {
    while let [kind, length, rest @ ..] = entries {
        let value = rest.get(..usize::from(*length))?;
        if *kind == SPECIAL {
            return Some(value.into());
        }
        entries = &rest[value.len()..];
    }
    None
}

pub fn encode(kind: &str, data: &[u8]) -> Option<String> {
    bech32::encode::<Bech32>(Hrp::parse(kind).ok()?, data).ok()
}

pub fn decode(kind: &str, text: &str) -> Option<Vec<u8>> {
    let (hrp, data) = bech32::decode(text).ok()?;
    (hrp.as_str() == kind).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of NIP-19.
    #[test]
    fn names_are_those_of_the_nip() {
        let pairs = [
            (
                "npub",
                "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e",
                "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg",
            ),
            (
                "nsec",
                "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa",
                "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
            ),
        ];
        for (kind, hex, name) in pairs {
            let data = event::bytes(hex).unwrap();
            assert_eq!(encode(kind, &data).as_deref(), Some(name));
            assert_eq!(decode(kind, name), Some(data));
            assert_eq!(decode("note", name), None);
        }
        let nprofile = "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p";
        let entries = decode("nprofile", nprofile).unwrap();
        let key = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d";
        assert_eq!(special(&entries), event::bytes(key));
    }

    #[test]
    fn an_event_is_found_in_whatever_names_it() {
        let (id, author) = ("ab".repeat(32), "cd".repeat(32));
        let name = nevent(&id, &author, "wss://relay.example").unwrap();
        let note = encode("note", &[0xab; 32]).unwrap();
        for text in
            [id.clone(), name.clone(), note.clone(), format!("nostr:{note}"), format!("https://njump.me/{name}?x=1")]
        {
            assert_eq!(event_id(&text).as_ref(), Some(&id), "{text}");
        }
        let npub = encode("npub", &[0xab; 32]).unwrap();
        for text in ["", "https://example.org/abab", &npub, &id[..62], &name[..name.len() - 1]] {
            assert_eq!(event_id(text), None, "{text}");
        }
        // A relay whose address is too long is left out.
        assert!(nevent(&id, &author, &"x".repeat(300)).unwrap().len() < name.len());
    }
}

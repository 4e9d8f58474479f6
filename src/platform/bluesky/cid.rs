//! Content addresses: DAG-CBOR, SHA-256, CIDv1. Only the imitation needs them; a real server computes its own,
//! and the adapter uses those as they come.

use serde_json::Value;

use crate::domain::Digest;

/// Codecs as they stand in a CID: plain bytes (a blob), or DAG-CBOR (a record).
const RAW: u8 = 0x55;
const DAG_CBOR: u8 = 0x71;

/// The address of a blob.
pub fn of_bytes(bytes: &[u8]) -> String {
    cid(RAW, bytes)
}

/// The address of a record, or `None` when it holds what a record cannot (a fraction, a broken link).
pub fn of_record(record: &Value) -> Option<String> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes)?;
    Some(cid(DAG_CBOR, &bytes))
}

fn cid(codec: u8, content: &[u8]) -> String {
    // Version 1, codec, SHA2-256 of 32 bytes; `b` says that base 32 follows.
    let mut bytes = vec![0x01, codec, 0x12, 0x20];
    bytes.extend(Digest::of(content).0);
    format!("b{}", base32(&bytes))
}

/// RFC 4648 in lower case, without padding.
pub fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::new();
    let (mut held, mut bits) = (0u32, 0u32);
    for &byte in bytes {
        held = (held << 8) | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(DIGITS[((held >> bits) & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(DIGITS[((held << (5 - bits)) & 31) as usize]));
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0u32, 0u32);
    for digit in text.bytes() {
        let value = match digit {
            b'a'..=b'z' => digit - b'a',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

fn encode(value: &Value, to: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => to.push(0xf6),
        Value::Bool(flag) => to.push(if *flag { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(0, number, to),
            (None, Some(number)) => head(1, u64::try_from(-1 - number).ok()?, to),
            _ => return None,
        },
        Value::String(text) => {
            head(3, text.len() as u64, to);
            to.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, to);
            items.iter().try_for_each(|item| encode(item, to))?;
        }
        Value::Object(map) => match map.iter().next() {
            Some((key, Value::String(link))) if map.len() == 1 && key == "$link" => {
                // Tag 42 around the binary CID with the multibase prefix 0.
                let bytes = from_base32(link.strip_prefix('b')?)?;
                to.extend([0xd8, 42]);
                head(2, bytes.len() as u64 + 1, to);
                to.push(0);
                to.extend(bytes);
            }
            Some((key, Value::String(text))) if map.len() == 1 && key == "$bytes" => {
                let bytes = super::wire::from_base64(text)?;
                head(2, bytes.len() as u64, to);
                to.extend(bytes);
            }
            _ => {
                head(5, map.len() as u64, to);
                let mut entries: Vec<_> = map.iter().collect();
                // Shorter keys first, then by bytes.
                entries.sort_by_key(|(key, _)| (key.len(), key.as_bytes()));
                for (key, item) in entries {
                    head(3, key.len() as u64, to);
                    to.extend(key.as_bytes());
                    encode(item, to)?;
                }
            }
        },
    }
    Some(())
}

fn head(major: u8, number: u64, to: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = number.to_be_bytes();
    match number {
        0..24 => to.push(major | bytes[7]),
        24..0x100 => to.extend([major | 24, bytes[7]]),
        0x100..0x1_0000 => to.extend([&[major | 25], &bytes[6..]].concat()),
        0x1_0000..0x1_0000_0000 => to.extend([&[major | 26], &bytes[4..]].concat()),
        _ => to.extend([&[major | 27], &bytes[..]].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_those_that_other_tools_compute() {
        // The empty map and the empty file are well-known addresses.
        assert_eq!(of_record(&json!({})).unwrap(), "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua");
        assert_eq!(of_bytes(b""), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
        assert_eq!(of_record(&json!({"a": 1.5})), None);
        assert_eq!(of_record(&json!({"a": {"$link": "b!"}})), None);
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let one = serde_json::from_str(r#"{"bb": [1, -2, 70000], "a": null}"#).unwrap();
        let two = serde_json::from_str(r#"{"a": null, "bb": [1, -2, 70000]}"#).unwrap();
        assert_eq!(of_record(&one), of_record(&two));
    }
}

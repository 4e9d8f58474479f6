//! One record in a segment: a checksummed frame.
//!
//! ```text
//! u32  length of the payload; the top bit says that it is the last of its batch
//! u32  CRC-32 over all the other fields and the payload
//! u64  sequence number, from 1, one more for each record
//! u32  how many records before it were written with the same sync
//!      payload
//! ```
//! Numbers are little-endian. Nothing is aligned. A length of zero ends the segment.
//!
//! The last field tells a write that a crash cut short from one that was damaged later: what shares a sync with a
//! bad frame proves nothing about it, for the parts of one write reach the disk in any order; a frame of a later
//! sync proves that the bad frame was good once.

/// Bytes before the payload.
pub const HEAD: usize = 20;

/// Largest payload, in bytes. Records are a few hundred bytes; a text has at most 64 KiB. The limit keeps a damaged
/// length from asking for absurd memory.
pub const PAYLOAD: usize = 1024 * 1024;

const LAST: u32 = 1 << 31;

/// A frame that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub seq: u64,
    /// Sequence number of the first record that was synced together with it.
    pub group: u64,
    /// Whether it ends its batch.
    pub last: bool,
    pub crc: u32,
    /// Length of the payload in bytes.
    pub length: usize,
}

impl Frame {
    /// Bytes of the whole frame.
    pub fn size(&self) -> u64 {
        (HEAD + self.length) as u64
    }
}

/// Appends a frame; returns its checksum. `payload` has at most [`PAYLOAD`] bytes and at least one.
pub fn put(to: &mut Vec<u8>, seq: u64, group: u64, last: bool, payload: &[u8]) -> u32 {
    let length = u32::try_from(payload.len()).unwrap_or(0) | if last { LAST } else { 0 };
    let back = u32::try_from(seq - group).unwrap_or(u32::MAX);
    let crc = checksum(length, seq, back, payload);
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(&crc.to_le_bytes());
    to.extend_from_slice(&seq.to_le_bytes());
    to.extend_from_slice(&back.to_le_bytes());
    to.extend_from_slice(payload);
    crc
}

/// The length of the payload that a head announces; `None` when no frame begins so.
pub fn announced(head: &[u8]) -> Option<usize> {
    let length = (u32_at(head, 0)? & !LAST) as usize;
    (head.len() >= HEAD && (1..=PAYLOAD).contains(&length)).then_some(length)
}

/// The sequence number that a head claims.
pub fn claimed(head: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(head.get(8..16)?.try_into().ok()?))
}

/// Reads the frame at the beginning of `bytes`; `None` when it is not a good one.
pub fn read(bytes: &[u8]) -> Option<Frame> {
    let length = announced(bytes)?;
    let payload = bytes.get(HEAD..HEAD + length)?;
    let (marked, crc, seq, back) = (u32_at(bytes, 0)?, u32_at(bytes, 4)?, claimed(bytes)?, u32_at(bytes, 16)?);
    if checksum(marked, seq, back, payload) != crc {
        return None;
    }
    Some(Frame { seq, group: seq.checked_sub(u64::from(back))?, last: marked & LAST != 0, crc, length })
}

fn checksum(length: u32, seq: u64, back: u32, payload: &[u8]) -> u32 {
    let mut head = [0u8; 16];
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..12].copy_from_slice(&seq.to_le_bytes());
    head[12..].copy_from_slice(&back.to_le_bytes());
    let mut hash = crc32fast::Hasher::new();
    hash.update(&head);
    hash.update(payload);
    hash.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_back_and_every_changed_bit_is_noticed() {
        let mut bytes = Vec::new();
        let crc = put(&mut bytes, 7, 5, true, b"payload");
        let frame = Frame { seq: 7, group: 5, last: true, crc, length: 7 };
        assert_eq!(read(&bytes), Some(frame));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&bent), None, "bit {bit}");
        }
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read(&[0; HEAD]), None);
    }
}

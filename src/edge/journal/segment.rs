//! One file of the journal: its header, and the search for its end.
//!
//! ```text
//!  0  "cadenced"                       8 bytes
//!  8  version of the format            u32
//! 12  store id                        16 bytes
//! 28  number of the segment, from 1    u64
//! 36  sequence number of its first record   u64
//! 44  CRC of the last record before it      u32   (0 in the first segment)
//! 48  zero                            12 bytes
//! 60  CRC-32 of the 60 bytes before         u32
//! 64  frames, then zeros to the end of the file
//! ```
//! Each header names the end of the segment before it, so that none can be lost, cut or exchanged unnoticed.

use std::io;

use super::StoreId;
use super::frame::{self, Frame, HEAD};
use crate::edge::disk::{DiskFile, read_full};

/// Bytes of the header: where the frames begin.
pub const HEADER: u64 = 64;

/// Version of the format that this build writes.
pub const FORMAT: u32 = 1;

/// How much of a segment is read at once, in bytes. What glibc gives back at once is what no larger block was freed
/// before: so no buffer is large.
pub const WINDOW: usize = 64 * 1024;
const MAGIC: &[u8; 8] = b"cadenced";

/// What stands in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub store: StoreId,
    pub number: u64,
    pub first: u64,
    pub before: u32,
}

/// Why a header cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    /// Zeros, garbage, or the file is too short.
    Garbled,
    /// A later format.
    Newer(u32),
}

impl Header {
    pub fn encode(&self) -> [u8; HEADER as usize] {
        let mut bytes = [0u8; HEADER as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..28].copy_from_slice(&self.store.0);
        bytes[28..36].copy_from_slice(&self.number.to_le_bytes());
        bytes[36..44].copy_from_slice(&self.first.to_le_bytes());
        bytes[44..48].copy_from_slice(&self.before.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// # Errors
    /// It is not one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        let bytes: &[u8; HEADER as usize] = bytes.try_into().map_err(|_| BadHeader::Garbled)?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if &bytes[..8] != MAGIC || u32_at(60) != crc32fast::hash(&bytes[..60]) {
            return Err(BadHeader::Garbled);
        }
        if u32_at(8) > FORMAT {
            return Err(BadHeader::Newer(u32_at(8)));
        }
        let mut store = [0u8; 16];
        store.copy_from_slice(&bytes[12..28]);
        Ok(Self { store: StoreId(store), number: u64_at(28), first: u64_at(36), before: u32_at(44) })
    }

    /// Reads the header of a file.
    ///
    /// # Errors
    /// The file cannot be read; inside, the header is not one.
    pub fn read(file: &dyn DiskFile) -> io::Result<Result<Self, BadHeader>> {
        let mut bytes = [0u8; HEADER as usize];
        let have = read_full(file, &mut bytes, 0)?;
        Ok(Self::decode(&bytes[..have]))
    }
}

/// The last good record of a segment, and where the next one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    pub end: u64,
    /// Sequence number of the last record, in this segment or before it.
    pub seq: u64,
    /// Its checksum.
    pub crc: u32,
}

/// What follows the last good batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Zeros.
    Clean,
    /// A write that never became durable; it ends before `until`.
    Torn { until: u64 },
    /// At `at` is a damaged record: later records prove that it was good once.
    Damaged { at: u64 },
}

/// Reads a segment through, checking every frame.
///
/// # Errors
/// The file cannot be read.
pub fn scan(file: &dyn DiskFile, header: &Header) -> io::Result<(Tail, Rest)> {
    let length = file.length()?;
    let mut window = Window::new(file, length, WINDOW);
    let mut good = Tail { end: HEADER, seq: header.first.saturating_sub(1), crc: header.before };
    let (mut at, mut expected) = (HEADER, header.first);
    while let Some(frame) = window.frame(at)?
        && frame.seq == expected
        && frame.group <= frame.seq
    {
        at += frame.size();
        expected += 1;
        if frame.last {
            good = Tail { end: at, seq: frame.seq, crc: frame.crc };
        }
    }
    let Some(until) = window.last_nonzero(good.end)? else { return Ok((good, Rest::Clean)) };
    let mut probe = at;
    // The last record may end in zeros, and its head holds something else in any case.
    while probe < until {
        if let Some(frame) = window.frame_if(probe, |seq| seq > expected && seq - expected < u64::from(u32::MAX))?
            && frame.group > expected
        {
            return Ok((good, Rest::Damaged { at }));
        }
        probe += 1;
    }
    Ok((good, Rest::Torn { until }))
}

/// A file, read through a buffer.
pub struct Window<'f> {
    file: &'f dyn DiskFile,
    /// Nothing is read from there on.
    end: u64,
    start: u64,
    bytes: Vec<u8>,
    ahead: usize,
}

impl<'f> Window<'f> {
    /// `ahead`: how much is read at once, in bytes.
    pub fn new(file: &'f dyn DiskFile, end: u64, ahead: usize) -> Self {
        Self { file, end, start: 0, bytes: Vec::new(), ahead }
    }

    /// The bytes from `at`, as many as `length` or as there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn slice(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let length = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX).min(length);
        let inside = at >= self.start && at + length as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            let room = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
            self.bytes.resize(length.max(self.ahead).min(room), 0);
            self.start = at;
            let have = read_full(self.file, &mut self.bytes, at)?;
            self.bytes.truncate(have);
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        let until = (from + length).min(self.bytes.len());
        Ok(&self.bytes[from..until])
    }

    /// The good frame at `at`, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn frame(&mut self, at: u64) -> io::Result<Option<Frame>> {
        self.frame_if(at, |_| true)
    }

    fn frame_if(&mut self, at: u64, plausible: impl Fn(u64) -> bool) -> io::Result<Option<Frame>> {
        let head = self.slice(at, HEAD)?;
        match (frame::announced(head), frame::claimed(head)) {
            (Some(length), Some(seq)) if plausible(seq) => Ok(frame::read(self.slice(at, HEAD + length)?)),
            _ => Ok(None),
        }
    }

    /// The payload of the frame at `at`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn payload(&mut self, at: u64, frame: &Frame) -> io::Result<&[u8]> {
        self.slice(at + HEAD as u64, frame.length)
    }

    /// One past the last byte from `from` on that is not zero.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last_nonzero(&mut self, from: u64) -> io::Result<Option<u64>> {
        let (mut at, mut last) = (from, None);
        while at < self.end {
            let part = self.slice(at, self.ahead)?;
            if part.is_empty() {
                break;
            }
            if let Some(place) = part.iter().rposition(|&byte| byte != 0) {
                last = Some(at + place as u64 + 1);
            }
            at += part.len() as u64;
        }
        Ok(last)
    }
}

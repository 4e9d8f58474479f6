//! A segment of the journal, in memory.
//!
//! An even first byte: the rest is what stands behind a good header, whatever it is. An odd one: the rest says which
//! records are written, and which byte of what was written is bent afterwards. Then it is known what must be found.

use std::io;

use cadenced::edge::disk::DiskFile;
use cadenced::edge::journal::StoreId;
use cadenced::edge::journal::frame::{self, HEAD};
use cadenced::edge::journal::segment::{self, HEADER, Header, Rest, Tail, Window};

pub fn run(bytes: &[u8]) -> &'static str {
    match bytes.split_first() {
        None => "nothing",
        Some((mode, rest)) if mode % 2 == 0 => strange(rest),
        Some((_, rest)) => damaged(rest),
    }
}

fn header() -> Header {
    Header { store: StoreId([7; 16]), number: 1, first: 1, before: 0 }
}

/// Looks at what stands behind a header, and checks that the answer fits the bytes.
fn scan(file: &Memory) -> (Tail, Rest) {
    assert_eq!(Header::read(file).expect("memory can be read"), Ok(header()));
    let (tail, rest) = segment::scan(file, &header()).expect("memory can be read");
    let end = file.0.len() as u64;
    assert!((HEADER..=end).contains(&tail.end));
    let mut window = Window::new(file, tail.end, 4096);
    let (mut at, mut seq) = (HEADER, 0);
    while at < tail.end {
        let frame = window.frame(at).expect("memory can be read").expect("what was found good is good");
        seq += 1;
        assert_eq!(frame.seq, seq, "sequence numbers have no gaps");
        assert_eq!(window.payload(at, &frame).expect("memory can be read").len(), frame.length);
        at += frame.size();
    }
    assert_eq!((at, seq), (tail.end, tail.seq));
    let place = |at: u64| usize::try_from(at).expect("a small file");
    let behind = &file.0[place(tail.end)..];
    match rest {
        Rest::Clean => assert!(behind.iter().all(|&byte| byte == 0), "what is clean is zero"),
        Rest::Torn { until } => {
            assert!(until > tail.end && file.0[place(until) - 1] != 0);
            assert!(file.0[place(until)..].iter().all(|&byte| byte == 0), "all that is torn is cut");
        }
        Rest::Damaged { at } => assert!(at >= tail.end),
    }
    (tail, rest)
}

fn strange(bytes: &[u8]) -> &'static str {
    let _ = Header::decode(bytes);
    let file = Memory([&header().encode(), bytes].concat());
    match scan(&file) {
        (_, Rest::Clean) => "clean",
        (_, Rest::Torn { .. }) => "torn",
        (_, Rest::Damaged { .. }) => "damaged",
    }
}

/// What was written of one record.
struct Written {
    at: usize,
    end: usize,
    seq: u64,
    group: u64,
    last: bool,
    crc: u32,
}

fn damaged(bytes: &[u8]) -> &'static str {
    let [high, low, bits, records @ ..] = bytes else { return "nothing" };
    let mut file = header().encode().to_vec();
    let mut all: Vec<Written> = Vec::new();
    let mut group = 1;
    for (seq, pair) in (1..).zip(records.chunks_exact(2).take(64)) {
        let (length, marks) = (1 + usize::from(pair[0]), pair[1]);
        // Only what ends a batch ends what shares a sync.
        if marks & 2 != 0 && all.last().is_none_or(|before| before.last) {
            group = seq;
        }
        let (at, last) = (file.len(), marks & 1 != 0);
        let payload: Vec<u8> = (0..length).map(|place| pair[0] ^ pair[1].rotate_left(place as u32 % 8)).collect();
        let crc = frame::put(&mut file, seq, group, last, &payload);
        all.push(Written { at, end: file.len(), seq, group, last, crc });
    }
    file.resize(file.len() + 256, 0);
    let body = usize::try_from(HEADER).expect("a small number");
    let place = body + usize::from(u16::from_be_bytes([*high, *low])) % (file.len() - body);
    file[place] ^= bits;
    let hit = all.iter().position(|record| *bits != 0 && (record.at..record.end).contains(&place));
    let good = &all[..hit.unwrap_or(all.len())];
    let (tail, rest) = scan(&Memory(file));

    let last = good.iter().rev().find(|record| record.last);
    let end = last.map_or(HEADER, |record| record.end as u64);
    let (seq, crc) = last.map_or((0, 0), |record| (record.seq, record.crc));
    assert_eq!(tail, Tail { end, seq, crc }, "all whole batches before the damage are found");
    let later = hit.is_some_and(|hit| all[hit..].iter().skip(1).any(|record| record.group > all[hit].seq));
    match rest {
        Rest::Damaged { at } => {
            assert!(later, "nothing of a later sync proves that it was good once");
            assert_eq!(Some(at), hit.map(|hit| all[hit].at as u64), "it is named by its place");
            "damaged"
        }
        Rest::Torn { .. } => {
            assert!(!later, "a later sync proves that it was good once");
            "torn"
        }
        Rest::Clean => {
            assert!(hit.is_none() && good.last().is_none_or(|record| record.last));
            "clean"
        }
    }
}

/// A file that gives a little at a time.
struct Memory(Vec<u8>);

/// Bytes of one reading.
const SHORT: usize = HEAD + 1000;

impl DiskFile for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let length = to.len().min(SHORT).min(self.0.len() - from);
        to[..length].copy_from_slice(&self.0[from..from + length]);
        Ok(length)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn allocate(&self, _length: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

//! Limits of the file contract. They bound memory and time whatever a queue folder holds.

/// Largest queue or configuration file that is read, in bytes.
pub const FILE_BYTES: u64 = 1024 * 1024;
/// Most posts and replies in one queue file.
pub const POSTS_PER_FILE: usize = 2_000;
/// Most queue files below one queue folder.
pub const FILES: usize = 10_000;
/// Longest text of one post or thread part, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 64 * 1024;
/// Largest media file, in bytes. Media are held in memory while they are sent, so that the bytes that were
/// hashed are the bytes that leave; this bounds that memory. Mastodon's default for video is 99 MiB.
pub const MEDIA_BYTES: u64 = 100 * 1024 * 1024;
/// Longest answer body that is read from a platform, in bytes after decoding.
pub const ANSWER_BYTES: usize = 1024 * 1024;
/// Largest tokens of one account that are kept, in bytes. Sealed they must fit into one value of the index.
pub const TOKENS_BYTES: usize = 4 * 1024;
/// Deepest nesting of tables and arrays that a file may have. The parser recurses; real files need five.
pub const NESTING: usize = 40;
/// Longest text from outside that a log field or a recorded reason keeps, in characters.
pub const QUOTED_CHARS: usize = 300;

//! A maker of small MP4 files, so that tests need no films of others.

/// A film of two seconds, 640 by 480, that holds nothing to see; another one for every `shade`.
pub fn tiny(shade: u8) -> Vec<u8> {
    film(640, 480, 2_000, &[shade; 16])
}

/// `millis` long; `data` stands where the pictures would.
pub fn film(width: u16, height: u16, millis: u32, data: &[u8]) -> Vec<u8> {
    let kind = [b"isom".as_slice(), &512u32.to_be_bytes(), b"isom", b"mp42"].concat();
    let matrix: Vec<u8> = [0x1_0000u32, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000].map(u32::to_be_bytes).concat();
    let header = [
        &words(&[0, 0, 0, 1_000, millis, 0x1_0000, 0x100_0000, 0, 0]),
        &matrix,
        &words(&[0, 0, 0, 0, 0, 0, 2]), // nothing is defined here, and the next track is the second
    ]
    .map(Vec::as_slice)
    .concat();
    let size = [u32::from(width) << 16, u32::from(height) << 16];
    let track = [&words(&[3, 0, 0, 1, 0, millis, 0, 0, 0, 0]), &matrix, &words(&size)].map(Vec::as_slice).concat();
    let media_header = words(&[0, 0, 0, 1_000, millis, 0x55c4_0000]);
    let handler = [&words(&[0, 0]), b"vide".as_slice(), &words(&[0, 0, 0]), b"\0"].concat();
    let media = [boxed(b"mdhd", &media_header), boxed(b"hdlr", &handler)].concat();
    let track = [boxed(b"tkhd", &track), boxed(b"mdia", &media)].concat();
    let movie = [boxed(b"mvhd", &header), boxed(b"trak", &track)].concat();
    [boxed(b"ftyp", &kind), boxed(b"moov", &movie), boxed(b"mdat", data)].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("a small film");
    [&size.to_be_bytes(), kind.as_slice(), body].concat()
}

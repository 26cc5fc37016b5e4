//! Layers to measure with: generated, the same every time, of any size, and never in memory as a whole.

use std::io::Read;
use std::sync::LazyLock;

/// Numbers that look like chance and are the same everywhere (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Text that can be compressed to about a third.
pub(crate) fn content(size: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(size + 16);
    while bytes.len() < size {
        let n = random.next();
        match n % 8 {
            0 => bytes.extend_from_slice(&n.to_le_bytes()),
            _ => bytes.extend_from_slice(format!("word{:x} ", (n >> 8) % 997).as_bytes()),
        }
    }
    bytes.truncate(size);
    bytes
}

/// What all files are cut out of.
static TEXT: LazyLock<Vec<u8>> = LazyLock::new(|| content(8 << 20, 1));

/// A tar stream of at least `size` bytes with files of all sizes, as a reader.
#[derive(Debug)]
pub(crate) struct Layer {
    size: u64,
    made: u64,
    random: Random,
    /// What is given out next: a header, then a part of the text, then zeros.
    header: std::io::Cursor<Vec<u8>>,
    content: &'static [u8],
    zeros: u64,
    is_ended: bool,
}

impl Layer {
    pub(crate) fn new(size: u64) -> Self {
        let (random, header) = (Random(2), std::io::Cursor::default());
        Self { size, made: 0, random, header, content: &[], zeros: 0, is_ended: false }
    }

    fn more(&mut self) {
        if self.made >= self.size {
            self.zeros = if self.is_ended { 0 } else { 1024 };
            self.is_ended = true;
            return;
        }
        let n = self.random.next();
        let most = [1, 1000, 10_000, 30_000, 3_000_000][n as usize % 5];
        let size = (n >> 8) as usize % most;
        let start = (n >> 32) as usize % (TEXT.len() - size);
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("usr/share/{:03}/file-{}", n % 1000, self.made)).unwrap();
        header.set_size(size as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000 + n % 100_000_000);
        header.set_cksum();
        self.header = std::io::Cursor::new(header.as_bytes().to_vec());
        self.content = &TEXT[start..start + size];
        let padded = size.next_multiple_of(512);
        self.zeros = (padded - size) as u64;
        self.made += 512 + padded as u64;
    }
}

impl Read for Layer {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let mut n = self.header.read(out)?;
            if n == 0 {
                n = self.content.read(out)?;
            }
            if n == 0 {
                n = std::io::repeat(0).take(self.zeros).read(out)?;
                self.zeros -= n as u64;
            }
            if n > 0 || self.is_ended {
                return Ok(n);
            }
            self.more();
        }
    }
}

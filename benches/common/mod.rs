//! Layers to measure with: generated, the same every time, of any size, and never in memory as a whole.

use std::io::Read;

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

/// A tar stream of at least `size` bytes with files of all sizes, as a reader.
#[derive(Debug)]
pub(crate) struct Layer {
    size: u64,
    made: u64,
    random: Random,
    text: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
    is_ended: bool,
}

impl Layer {
    pub(crate) fn new(size: u64) -> Self {
        let text = content(8 << 20, 1);
        Self { size, made: 0, random: Random(2), text, ready: vec![], given: 0, is_ended: false }
    }

    fn more(&mut self) {
        self.ready.clear();
        self.given = 0;
        if self.made >= self.size {
            self.ready.resize(1024, 0);
            self.is_ended = true;
            return;
        }
        let n = self.random.next();
        let most = [1, 1000, 10_000, 30_000, 3_000_000][n as usize % 5];
        let size = (n >> 8) as usize % most;
        let start = (n >> 32) as usize % (self.text.len() - size);
        let mut header = tar::Header::new_ustar();
        header.set_path(format!("usr/share/{:03}/file-{}", n % 1000, self.made)).unwrap();
        header.set_size(size as u64);
        header.set_mode(0o644);
        header.set_mtime(1_600_000_000 + n % 100_000_000);
        header.set_cksum();
        self.ready.extend_from_slice(header.as_bytes());
        self.ready.extend_from_slice(&self.text[start..start + size]);
        self.ready.resize(self.ready.len().next_multiple_of(512), 0);
        self.made += self.ready.len() as u64;
    }
}

impl Read for Layer {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.ready.len() {
            if self.is_ended {
                return Ok(0);
            }
            self.more();
        }
        let n = out.len().min(self.ready.len() - self.given);
        out[..n].copy_from_slice(&self.ready[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

//! Tar streams of every dialect, written block by block.

use super::Build;

pub const BLOCK: usize = 512;

/// Who would have written such a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// No magic.
    V7,
    /// POSIX.1-1988, with PAX extension headers where a field can't hold a value.
    Ustar,
    /// GNU, with `L` and `K` headers.
    Gnu,
}

/// One entry and the extension headers before it.
#[derive(Debug, Clone)]
pub struct Entry {
    pub dialect: Dialect,
    pub kind: u8,
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: i64,
    pub data: Vec<u8>,
    /// What the size field says, where that is not the length of `data`.
    pub size: Option<u64>,
    pub device: Option<(u32, u32)>,
    /// GNU only: atime and ctime, in what is the prefix field of ustar.
    pub access: Option<(i64, i64)>,
    pub pax: Vec<(Vec<u8>, Vec<u8>)>,
    /// The process id in the name of the PAX header, and that header's own mtime.
    pub pax_header: (u32, i64),
    /// Old GNU sparse map: offset and length of each piece of `data`, and the real size.
    pub sparse: Option<(Vec<(u64, u64)>, u64)>,
}

impl Entry {
    pub fn new(kind: u8, name: impl AsRef<[u8]>, mtime: i64) -> Self {
        Self {
            dialect: Dialect::Ustar,
            kind,
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            mode: if kind == b'5' { 0o755 } else { 0o644 },
            uid: 0,
            gid: 0,
            mtime,
            data: Vec::new(),
            size: None,
            device: None,
            access: None,
            pax: Vec::new(),
            pax_header: (0, 0),
            sparse: None,
        }
    }

    pub fn file(name: impl AsRef<[u8]>, data: impl AsRef<[u8]>, mtime: i64) -> Self {
        Self { data: data.as_ref().to_vec(), ..Self::new(b'0', name, mtime) }
    }

    pub fn dir(name: impl AsRef<[u8]>, mtime: i64) -> Self {
        Self::new(b'5', name, mtime)
    }

    pub fn link(kind: u8, name: impl AsRef<[u8]>, link: impl AsRef<[u8]>, mtime: i64) -> Self {
        Self { link: link.as_ref().to_vec(), mode: 0o777, ..Self::new(kind, name, mtime) }
    }

    pub fn gnu(mut self) -> Self {
        self.dialect = Dialect::Gnu;
        self
    }

    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Adds a PAX record.
    pub fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax.push((key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds the `mtime` record that GNU tar and Go write where there is a fraction of a second.
    pub fn fraction(mut self, build: &Build, after: i64) -> Self {
        self.mtime = build.seconds + after;
        self.pax_header = (build.pid, build.seconds + after);
        match build.pax(after) {
            Some(time) => self.pax("mtime", time),
            None => self,
        }
    }

    /// Appends the entry's blocks.
    pub fn append(&self, out: &mut Vec<u8>) {
        let mut pax = self.pax.clone();
        let (mut name, mut link, mut prefix) = (self.name.clone(), self.link.clone(), Vec::new());
        if self.dialect == Dialect::Gnu {
            for (kind, long) in [(b'K', &link), (b'L', &name)] {
                if long.len() > 100 {
                    let text = [long.as_slice(), b"\0"].concat();
                    out.extend(header(Dialect::Gnu, kind, b"././@LongLink", text.len() as u64, 0));
                    append_padded(out, &text);
                }
            }
        } else {
            if link.len() > 100 {
                pax.push((b"linkpath".to_vec(), link.clone()));
            }
            if name.len() > 100 {
                match split(&name) {
                    Some(at) => {
                        prefix = name[..at].to_vec();
                        name.drain(..=at);
                    }
                    None => pax.push((b"path".to_vec(), name.clone())),
                }
            }
        }
        name.truncate(100);
        link.truncate(100);
        if !pax.is_empty() {
            let (pid, mtime) = self.pax_header;
            append_pax(out, b'x', &pax_name(&self.name, pid), mtime, &pax);
        }
        let size = self.size.unwrap_or(self.data.len() as u64);
        let mut block = header(self.dialect, self.kind, &name, size, self.mtime);
        put(&mut block, 157, &link);
        number(&mut block[100..108], i64::from(self.mode));
        number(&mut block[108..116], self.uid as i64);
        number(&mut block[116..124], self.gid as i64);
        if let Some((major, minor)) = self.device {
            number(&mut block[329..337], i64::from(major));
            number(&mut block[337..345], i64::from(minor));
        }
        put(&mut block, 345, &prefix);
        if let Some((atime, ctime)) = self.access {
            number(&mut block[345..357], atime);
            number(&mut block[357..369], ctime);
        }
        let mut extended = Vec::new();
        if let Some((map, real)) = &self.sparse {
            number(&mut block[483..495], *real as i64);
            sparse_pieces(&mut block[386..482], map);
            block[482] = u8::from(map.len() > 4);
            for piece in map.get(4..).unwrap_or_default().chunks(21) {
                let mut next = [0; BLOCK];
                sparse_pieces(&mut next[..504], piece);
                extended.push(next);
            }
            let count = extended.len();
            for next in extended.iter_mut().take(count.saturating_sub(1)) {
                next[504] = 1;
            }
        }
        checksum(&mut block);
        out.extend(block);
        out.extend(extended.concat());
        append_padded(out, &self.data);
    }
}

/// A tar stream of these entries, with its end marker.
pub fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut out = open(entries);
    out.extend([0; 2 * BLOCK]);
    out
}

/// A tar stream without its end marker.
pub fn open(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        entry.append(&mut out);
    }
    out
}

/// A PAX header with any records: `x` for the next entry, `g` for all that follow.
pub fn append_pax(out: &mut Vec<u8>, kind: u8, name: &[u8], mtime: i64, records: &[(Vec<u8>, Vec<u8>)]) {
    let payload: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
    out.extend(header(Dialect::Ustar, kind, &name[..name.len().min(100)], payload.len() as u64, mtime));
    append_padded(out, &payload);
}

/// `length key=value\n`, where the length counts itself (POSIX.1-2017, pax, "pax Extended Header").
pub fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// A header with the fields that every kind has, its checksum set.
pub fn header(dialect: Dialect, kind: u8, name: &[u8], size: u64, mtime: i64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    put(&mut block, 0, name);
    number(&mut block[100..108], 0o644);
    number(&mut block[108..116], 0);
    number(&mut block[116..124], 0);
    number(&mut block[124..136], size as i64);
    number(&mut block[136..148], mtime);
    block[156] = kind;
    match dialect {
        Dialect::V7 => {}
        Dialect::Ustar => put(&mut block, 257, b"ustar\x0000"),
        Dialect::Gnu => put(&mut block, 257, b"ustar  \0"),
    }
    checksum(&mut block);
    block
}

/// Writes the checksum: six octal digits, NUL, space.
pub fn checksum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Octal digits and a NUL where they fit, base-256 where they don't.
pub fn number(field: &mut [u8], value: i64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    if value >= 0 && text.len() <= digits {
        field[..digits].copy_from_slice(text.as_bytes());
        field[digits] = 0;
        return;
    }
    let wide = i128::from(value).to_be_bytes();
    let length = field.len();
    field.copy_from_slice(&wide[wide.len() - length..]);
    field[0] = if value < 0 { 0xff } else { 0x80 | field[0] };
}

fn sparse_pieces(field: &mut [u8], pieces: &[(u64, u64)]) {
    for (slot, &(offset, length)) in field.chunks_exact_mut(24).zip(pieces) {
        number(&mut slot[..12], offset as i64);
        number(&mut slot[12..], length as i64);
    }
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    block[at..at + bytes.len()].copy_from_slice(bytes);
}

fn append_padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Where a long name can be cut into prefix and name.
fn split(name: &[u8]) -> Option<usize> {
    (0..name.len().saturating_sub(1)).find(|&at| name[at] == b'/' && at <= 155 && name.len() - at - 1 <= 100)
}

/// `<dir>/PaxHeaders.<pid>/<file>`, as GNU tar names them.
pub fn pax_name(name: &[u8], pid: u32) -> Vec<u8> {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    let at = name.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let dir: &[u8] = if at == 0 { b"./" } else { &name[..at] };
    [dir, format!("PaxHeaders.{pid}/").as_bytes(), &name[at..]].concat()
}

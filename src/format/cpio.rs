//! cpio in the forms that the kernel unpacks (newc and crc), as an initramfs has it: several archives one after the other,
//! zeros between them, and what is compressed after them.

/// The length of a header without the name.
const HEADER: usize = 110;
/// The name of the member that ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";
/// The bits of a mode that say what kind of file it is, and those of a regular one.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// A member.
#[derive(Debug)]
pub struct Member<'a> {
    /// The name, without the zero at its end.
    pub name: &'a [u8],
    /// The number of the archive that it is in.
    pub archive: usize,
    /// Permissions and the kind of file.
    pub mode: u32,
    /// User and group.
    pub owner: [u32; 2],
    /// How many names the file has.
    pub links: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// The inode's number and the device that it was on: files with both the same are one.
    pub inode: [u32; 3],
    /// Which device a device file stands for.
    pub device: [u32; 2],
    /// What it holds, or the target of a symbolic link.
    pub content: &'a [u8],
    /// Bytes with no meaning: after the end of the name, and padding that is not zeros.
    pub beside: Vec<u8>,
}

impl Member<'_> {
    /// Is it a regular file?
    pub fn is_file(&self) -> bool {
        self.mode & KIND == REGULAR
    }
}

/// The members of all archives in these bytes.
#[derive(Debug)]
pub struct Members<'a> {
    bytes: &'a [u8],
    at: usize,
    archive: usize,
    is_done: bool,
}

impl<'a> Members<'a> {
    /// Begins with the first.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, archive: 0, is_done: false }
    }

    /// How many archives have come to their end.
    pub fn archives(&self) -> usize {
        self.archive
    }

    /// After the last member: what follows the archives, without the zeros before it.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn read(&mut self) -> Option<Member<'a>> {
        let header = self.bytes.get(self.at..self.at.checked_add(HEADER)?)?;
        is_cpio(header).then_some(())?;
        let mut fields = [0u32; 13];
        for (field, digits) in fields.iter_mut().zip(header.get(6..)?.chunks_exact(8)) {
            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
            *field = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let [inode, mode, uid, gid, links, mtime, size, major, minor, device_major, device_minor, name_size, _] =
            fields;
        let name_start = self.at + HEADER;
        let name_end = name_start.checked_add(usize::try_from(name_size).ok()?)?;
        let start = name_end.checked_next_multiple_of(4)?;
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        let next = end.checked_next_multiple_of(4)?;
        let content = self.bytes.get(start..end)?;
        let name = self.bytes.get(name_start..name_end)?;
        let (name, tail) = name.split_at_checked(name.iter().position(|byte| *byte == 0)?)?;
        // The padding of the last member may be cut off.
        let padding = [name_end..start, end..next.min(self.bytes.len())].map(|range| self.bytes.get(range));
        let mut beside = tail.get(1..)?.to_vec();
        for padding in padding.into_iter().flatten().filter(|padding| padding.iter().any(|byte| *byte != 0)) {
            beside.extend_from_slice(padding);
        }
        self.at = next;
        Some(Member {
            name,
            archive: self.archive,
            mode,
            owner: [uid, gid],
            links,
            mtime,
            inode: [inode, major, minor],
            device: [device_major, device_minor],
            content,
            beside,
        })
    }
}

impl<'a> Iterator for Members<'a> {
    /// `None` in place of a member that can't be read, which ends the list.
    type Item = Option<Member<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            let member = self.read();
            self.is_done = member.is_none();
            let Some(member) = member else { return Some(None) };
            if member.name != TRAILER {
                return Some(Some(member));
            }
            self.archive += 1;
            let rest = self.rest();
            self.at += rest.iter().take_while(|byte| **byte == 0).count();
            self.is_done = !is_cpio(self.rest());
            // A trailer that holds something is no end that is known.
            if !member.content.is_empty() || !member.beside.is_empty() {
                self.is_done = true;
                return Some(None);
            }
        }
        None
    }
}

/// Is it the beginning of such an archive?
pub fn is_cpio(bytes: &[u8]) -> bool {
    bytes.starts_with(b"070701") || bytes.starts_with(b"070702")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(name: &[u8], content: &[u8]) -> Vec<u8> {
        let fields = [1, 0o100_644, 0, 0, 1, 7, content.len() as u32, 0, 0, 0, 0, name.len() as u32 + 1, 0];
        let mut out = b"070701".to_vec();
        out.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        out.extend([name, &[0]].concat());
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(content);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out: Vec<u8> = members.iter().flat_map(|(name, content)| member(name.as_bytes(), content)).collect();
        out.extend(member(TRAILER, b""));
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }

    #[test]
    fn archives_follow_each_other() {
        let bytes =
            [archive(&[("a", b"x"), ("d/b", b"")]), archive(&[("c", b"12345")]), b"\x1f\x8bmore".to_vec()].concat();
        let mut members = Members::of(&bytes);
        let found: Vec<_> =
            members.by_ref().map(|member| member.unwrap()).map(|m| (m.archive, m.name, m.content)).collect();
        assert_eq!(found, [(0, &b"a"[..], &b"x"[..]), (0, b"d/b", b""), (1, b"c", b"12345")]);
        assert_eq!((members.archives(), members.rest()), (2, &b"\x1f\x8bmore"[..]));
    }

    #[test]
    fn what_is_cut_short_or_lies_about_its_length_is_unreadable() {
        let good = archive(&[("a", b"content")]);
        let read = |bytes: &[u8]| Members::of(bytes).all(|member| member.is_some());
        assert!(read(&good));
        assert!(!read(&good[..100]) && !read(&good[..118]));
        for field in [6, 11] {
            let mut lying = good.clone();
            lying[6 + field * 8..14 + field * 8].copy_from_slice(b"ffffffff");
            assert!(!read(&lying), "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(at in 0usize..300, garbage in proptest::collection::vec(any::<u8>(), 0..30), cut in 0usize..700) {
            let mut bytes = archive(&[("a", b"x"), ("b", b"yyyyy")]);
            for (byte, new) in bytes.iter_mut().skip(at).zip(garbage) {
                *byte = new;
            }
            bytes.truncate(cut);
            prop_assert!(Members::of(&bytes).count() <= bytes.len() / HEADER + 1);
        }
    }
}

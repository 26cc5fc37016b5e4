//! cpio: an initramfs, with what is compressed after its first archives.

use std::collections::HashMap;

use crate::causes::Class;
use crate::diff::content::archive::{Member, Members};
use crate::diff::content::{ContentDiff, Level, NotOpened};
use crate::diff::model::Value;
use crate::format::cpio;
use crate::stamp::Instant;

/// The bits of a mode that make a file a program.
const EXECUTABLE: u32 = 0o111;

/// All archives in one file.
struct Archives<'a> {
    members: Members<'a>,
    /// How many there are.
    count: usize,
    /// Which inodes and devices the files were on when they were packed.
    inodes: [u8; 32],
    /// What is after them.
    rest: &'a [u8],
}

impl ContentDiff {
    pub(super) fn cpio(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let (x, y) = (self.read_cpio(a)?, self.read_cpio(b)?);
        // What comes first and what is laid over it is another matter than what is in one archive.
        if x.count != y.count {
            let values = [x.count, y.count].map(|count| Some(Value::text(count.to_string())));
            self.push(path, Class::Content, "number of archives", values);
        }
        self.members_of(path, &x.members, &y.members, level, hexadecimal_time);
        if x.inodes != y.inodes {
            self.push(path, Class::Format, "numbers of inodes and devices", [None, None]);
        }
        self.compare(path, x.rest, y.rest, level.deeper());
        Ok(())
    }

    fn read_cpio<'a>(&mut self, bytes: &'a [u8]) -> Result<Archives<'a>, NotOpened> {
        let mut archives = cpio::Members::of(bytes);
        let mut members = Members::new();
        let mut inodes = blake3::Hasher::new();
        // Of files with several names, which one is the first with this inode.
        let mut first: HashMap<(usize, [u32; 3]), Vec<u8>> = HashMap::new();
        for member in archives.by_ref() {
            let member = member.ok_or(NotOpened::Unreadable)?;
            self.spend(member.content.len() as u64)?;
            inodes.update(&member.inode.map(u32::to_le_bytes).concat());
            let numbers = [member.mode, member.owner[0], member.owner[1], member.device[0], member.device[1]];
            let mut fields = numbers.map(u32::to_le_bytes).concat();
            fields.extend(member.archive.to_le_bytes());
            if member.is_file() && member.links > 1 {
                let key = (member.archive, member.inode);
                fields.extend_from_slice(first.entry(key).or_insert_with(|| member.name.to_vec()));
            }
            let runs = member.is_file() && member.mode & EXECUTABLE != 0;
            let entry = Member {
                time: member.mtime.to_be_bytes().to_vec().into(),
                fields,
                content: member.content.into(),
                tail: member.beside.into(),
                runs,
                ..Member::default()
            };
            self.add(&mut members, member.name, entry)?;
        }
        let (count, rest) = (archives.archives(), archives.rest());
        Ok(Archives { members, count, inodes: *inodes.finalize().as_bytes(), rest })
    }
}

fn hexadecimal_time(field: &[u8]) -> Value {
    let seconds = field.first_chunk().map(|field| u32::from_be_bytes(*field));
    Value::Time(Instant::from_seconds(seconds.map_or(0, i64::from)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::diff::content::compare_content;

    fn member(name: &str, fields: [u32; 4], content: &[u8]) -> Vec<u8> {
        let [inode, mode, links, mtime] = fields;
        let (size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        let fields = [inode, mode, 0, 0, links, mtime, size, 0, 0, 0, 0, name_size, 0];
        let mut out = b"070701".to_vec();
        out.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        for bytes in [&[name.as_bytes(), &[0]].concat(), content] {
            out.extend(bytes);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }

    fn archive(members: &[Vec<u8>]) -> Vec<u8> {
        let mut out = [&members.concat()[..], &member("TRAILER!!!", [0, 0, 1, 0], b"")].concat();
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn found(a: &[u8], b: &[u8]) -> Vec<(Class, String, String)> {
        let all = compare_content(b"initrd", a, b, false, &mut { usize::MAX });
        let text = |path: Vec<u8>| String::from_utf8_lossy(&path).replace('\0', "!");
        all.into_iter().map(|inner| (inner.class, text(inner.path), inner.field.into_owned())).collect()
    }

    fn expected(list: &[(Class, &str, &str)]) -> Vec<(Class, String, String)> {
        list.iter().map(|(class, path, field)| (*class, (*path).to_owned(), (*field).to_owned())).collect()
    }

    const FILE: u32 = 0o100_644;

    #[test]
    fn an_initramfs_is_an_early_archive_and_a_compressed_one() {
        let initrd = |time: u32, inode: u32, text: &[u8]| {
            let early = archive(&[member("kernel/x86/microcode", [1, FILE, 1, 7], b"code")]);
            let main = archive(&[
                member("init", [inode, 0o100_755, 1, time], b"#!/bin/sh\n"),
                member("etc/x", [9, FILE, 1, time], text),
            ]);
            [early, gzip(&main)].concat()
        };
        let time = "time of the member";
        assert_eq!(
            found(&initrd(1, 5, b"same"), &initrd(2, 5, b"same")),
            expected(&[(Class::EmbeddedTime, "initrd!etc/x", time), (Class::EmbeddedTime, "initrd!init", time)])
        );
        assert_eq!(
            found(&initrd(1, 5, b"good"), &initrd(1, 6, b"evil")),
            expected(&[
                (Class::Content, "initrd!etc/x", "content"),
                (Class::Format, "initrd", "numbers of inodes and devices")
            ])
        );
    }

    #[test]
    fn what_is_linked_to_what_is_content() {
        let links = |second: u32| {
            archive(&[
                member("a", [1, FILE, 2, 0], b""),
                member("b", [second, FILE, 2, 0], b""),
                member("c", [1, FILE, 2, 0], b"x"),
            ])
        };
        let found = found(&links(1), &links(2));
        assert!(
            found.contains(&(Class::Content, "initrd!b".to_owned(), "attributes of the member".to_owned())),
            "{found:?}"
        );
    }

    #[test]
    fn bytes_after_a_name_and_modes_are_content() {
        let of = |name: &str, mode: u32, time: u32| archive(&[member(name, [1, mode, 1, time], b"x")]);
        let all = found(&of("a\0good", FILE, 1), &of("a\0evil", FILE, 2));
        assert!(all.iter().any(|(class, _, _)| *class == Class::Content), "{all:?}");
        let all = found(&of("a", FILE, 1), &of("a", 0o104_755, 1));
        assert_eq!(all, expected(&[(Class::Content, "initrd!a", "attributes of the member")]));
    }
}

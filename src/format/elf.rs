//! ELF: where a file holds what a linker makes up about it, the build id of GNU and that of Go; and the signature that
//! the kernel's build appends to a module.
//!
//! `object` reads the headers. The notes are searched for both by the program headers and by the sections: stripped
//! programs have only the former, modules of the kernel only the latter.

use std::ops::Range;

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64, PT_NOTE, SHT_NOTE};
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _};

/// What an ELF file begins with.
pub const MAGIC: &[u8] = b"\x7fELF";
/// So many areas with notes, and notes in each, are looked at.
const NOTES_MAX: usize = 64;
/// So many headers are looked at.
const HEADERS_MAX: usize = 1 << 16;
/// A longer build id is none.
const ID_MAX: usize = 512;
/// A longer hash of GNU's linkers is none.
const HASH_MAX: usize = 64;
/// What the section has that names the file of debug information, and its checksum.
const DEBUG_LINK: &[u8] = b".gnu_debuglink\0";
/// How Go marks a copy of its build id.
const GO_MARK: [&[u8]; 2] = [b"\xff Go build ID: \"", b"\"\n \xff"];

/// What the linker made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Made {
    /// `.note.gnu.build-id`
    GnuId,
    /// `.note.go.buildid`
    GoId,
    /// `.gnu_debuglink`: the name and checksum of the file with the debug information, which has the same build id.
    DebugLink,
}

impl Made {
    /// The section that it is in.
    pub fn section(self) -> &'static str {
        match self {
            Self::GnuId => ".note.gnu.build-id",
            Self::GoId => ".note.go.buildid",
            Self::DebugLink => ".gnu_debuglink",
        }
    }
}

/// What the linker made up in an ELF file, by place; nothing where it is none, or damaged.
pub fn made_up(bytes: &[u8]) -> Vec<(Range<usize>, Made)> {
    let mut found = in_class::<FileHeader64<Endianness>>(bytes)
        .or_else(|| in_class::<FileHeader32<Endianness>>(bytes))
        .unwrap_or_default();
    if found.iter().any(|(_, made)| *made == Made::GoId) {
        found.extend(go_copy(bytes).map(|range| (range, Made::GoId)));
    }
    found.sort_by_key(|(range, made)| (range.start, range.end, *made));
    found.dedup();
    found
}

fn in_class<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Vec<(Range<usize>, Made)>> {
    let header = Elf::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, bytes).unwrap_or_default();
    let sections = header.section_headers(endian, bytes).unwrap_or_default();
    let sections = sections.get(..HEADERS_MAX).unwrap_or(sections);
    let areas = segments.iter().take(HEADERS_MAX).filter(|segment| segment.p_type(endian) == PT_NOTE);
    let areas = areas.map(|segment| segment.file_range(endian));
    let own = sections.iter().filter(|section| section.sh_type(endian) == SHT_NOTE);
    let areas = areas.chain(own.filter_map(|section| section.file_range(endian)));
    let mut found = Vec::new();
    for (start, size) in areas.take(NOTES_MAX) {
        let Some(range) = range(bytes, start, size) else { continue };
        notes(bytes, range, endian, &mut found);
    }
    let strings = header.shstrndx(endian, bytes).ok().and_then(|at| sections.get(usize::try_from(at).ok()?));
    let strings = strings.and_then(|section| section.file_range(endian)).and_then(|(at, size)| range(bytes, at, size));
    let names = strings.and_then(|range| bytes.get(range)).unwrap_or_default();
    let is_link = |name: u32| names.get(name as usize..).is_some_and(|name| name.starts_with(DEBUG_LINK));
    let links = sections.iter().filter(|section| is_link(section.sh_name(endian)));
    let links = links.filter_map(|section| section.file_range(endian)).take(1);
    let links = links.filter_map(|(at, size)| range(bytes, at, size)).filter(|range| range.len() <= ID_MAX);
    found.extend(links.map(|range| (range, Made::DebugLink)));
    Some(found)
}

fn range(bytes: &[u8], start: u64, size: u64) -> Option<Range<usize>> {
    let range = usize::try_from(start).ok()?..usize::try_from(start.checked_add(size)?).ok()?;
    bytes.get(range.clone()).map(|_| range)
}

/// The build ids among the notes of an area.
fn notes(bytes: &[u8], area: Range<usize>, endian: Endianness, found: &mut Vec<(Range<usize>, Made)>) {
    let number = |at: usize| {
        let field = bytes.get(at..at.checked_add(4)?).filter(|_| at + 4 <= area.end)?;
        let field = field.try_into().ok()?;
        Some(if endian == Endianness::Little { u32::from_le_bytes(field) } else { u32::from_be_bytes(field) })
    };
    let mut at = area.start;
    for _ in 0..NOTES_MAX {
        let (Some(name_size), Some(size), Some(kind)) = (number(at), number(at + 4), number(at + 8)) else { return };
        let name_start = at + 12;
        let Some(start) =
            (name_size as usize).checked_next_multiple_of(4).and_then(|size| name_start.checked_add(size))
        else {
            return;
        };
        let Some(end) = start.checked_add(size as usize).filter(|end| *end <= area.end) else { return };
        let (Some(name), Some(id)) = (bytes.get(name_start..name_start + name_size as usize), bytes.get(start..end))
        else {
            return;
        };
        match (name, kind) {
            (b"GNU\0", 3) if id.len() <= HASH_MAX => found.push((start..end, Made::GnuId)),
            (b"Go\0\0", 4) if id.len() <= ID_MAX && is_go_id(id) => found.push((start..end, Made::GoId)),
            _ => {}
        }
        at = end.next_multiple_of(4);
    }
}

/// Go's build ids are hashes in letters, with slashes between them.
fn is_go_id(id: &[u8]) -> bool {
    id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_/\0.".contains(byte))
}

/// The copy of its build id that Go puts at the start of the code where notes are not to be had.
fn go_copy(bytes: &[u8]) -> Option<Range<usize>> {
    let [before, after] = GO_MARK;
    let candidates = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0xff).map(|(at, _)| at);
    let mut marked = candidates.filter(|at| bytes.get(*at..).is_some_and(|rest| rest.starts_with(before)));
    let start = marked.next()? + before.len();
    let rest = bytes.get(start..)?;
    let length = rest.iter().take(ID_MAX).position(|byte| *byte == b'"')?;
    let (id, rest) = rest.split_at_checked(length)?;
    (rest.starts_with(after) && is_go_id(id)).then_some(start..start + length)
}

/// The end of a module of the kernel that has a signature.
const SIGNED: &[u8] = b"~Module signature appended~\n";
/// `struct module_signature` in include/linux/module_signature.h.
const SIGNATURE: usize = 12;

/// A module of the kernel and the signature that is appended to it; `None` where there is none.
pub fn signed_module(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let module = bytes.len().checked_sub(signature_length(bytes)?)?;
    bytes.split_at_checked(module).filter(|(module, _)| module.starts_with(MAGIC))
}

/// How much of the end of a file is a signature of a module; the start of the file need not be there.
pub fn signature_length(bytes: &[u8]) -> Option<usize> {
    let before = bytes.strip_suffix(SIGNED)?;
    let fields = before.get(before.len().checked_sub(SIGNATURE)?..)?;
    let length = usize::try_from(u32::from_be_bytes(fields.last_chunk().copied()?)).ok()?;
    let others = usize::from(*fields.get(3)?) + usize::from(*fields.get(4)?);
    length.checked_add(others + SIGNATURE + SIGNED.len()).filter(|length| *length <= bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn note(name: &[u8], kind: u32, id: &[u8]) -> Vec<u8> {
        let sizes = [name.len() as u32, id.len() as u32, kind].map(u32::to_le_bytes).concat();
        let padding = |bytes: &[u8]| vec![0; bytes.len().next_multiple_of(4) - bytes.len()];
        [&sizes, name, &padding(name), id, &padding(id)].concat()
    }

    /// A program without sections, whose only segment has these notes.
    fn program(notes: &[u8], code: &[u8]) -> Vec<u8> {
        let mut header = [&b"\x7fELF\x02\x01\x01"[..], &[0; 9]].concat();
        header.extend([2u16, 62].map(u16::to_le_bytes).concat());
        header.extend(1u32.to_le_bytes());
        header.extend([0u64, 64, 0].map(u64::to_le_bytes).concat());
        header.extend(0u32.to_le_bytes());
        header.extend([64u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
        header.extend([4u32, 4].map(u32::to_le_bytes).concat());
        let size = notes.len() as u64;
        header.extend([120, 0, 0, size, size, 4].map(u64::to_le_bytes).concat());
        [&header, notes, code].concat()
    }

    #[test]
    fn build_ids_are_found_by_program_headers() {
        let notes = [note(b"GNU\0", 3, b"01234567890123456789"), note(b"Go\0\0", 4, b"abc/def")].concat();
        let file = program(&notes, b"\xff Go build ID: \"abc/def\"\n \xffcode");
        let found: Vec<_> = made_up(&file).into_iter().map(|(range, made)| (file[range].to_vec(), made)).collect();
        let go = || (b"abc/def".to_vec(), Made::GoId);
        assert_eq!(found, [(b"01234567890123456789".to_vec(), Made::GnuId), go(), go()]);
        assert!(made_up(&program(&note(b"GNU\0", 1, b"abi"), b"")).is_empty());
        // What is not like Go's letters may be code.
        assert!(made_up(&program(&note(b"Go\0\0", 4, b"\x90\x90\xc3"), b"")).is_empty());
    }

    #[test]
    fn a_signature_is_split_off() {
        let signed = |module: &[u8], signature: &[u8]| {
            let fields = [&[0, 0, 2, 0, 0, 0, 0, 0][..], &(signature.len() as u32).to_be_bytes()].concat();
            [module, signature, &fields, SIGNED].concat()
        };
        let file = signed(b"\x7fELF module", b"signature");
        assert_eq!(signed_module(&file).unwrap().0, b"\x7fELF module");
        assert!(signed_module(&signed(b"no module", b"signature")).is_none());
        assert!(signed_module(b"\x7fELF~Module signature appended~\n").is_none());
        let mut lying = file;
        let at = lying.len() - SIGNED.len() - 4;
        lying[at..at + 4].fill(0xff);
        assert!(signed_module(&lying).is_none());
    }

    proptest! {
        #[test]
        fn damaged_headers_lead_nowhere(
            at in 0usize..200,
            garbage in proptest::collection::vec(any::<u8>(), 1..40),
            cut in 0usize..400,
        ) {
            let notes = [note(b"GNU\0", 3, b"01234567890123456789"), note(b"Go\0\0", 4, b"abc/def")].concat();
            let mut file = program(&notes, b"\xff Go build ID: \"abc\"\n \xff~Module signature appended~\n");
            for (byte, new) in file.iter_mut().skip(at).zip(garbage) {
                *byte = new;
            }
            file.truncate(cut);
            for (range, _) in made_up(&file) {
                prop_assert!(range.end <= file.len());
            }
            signed_module(&file);
        }
    }
}

//! ar(5): the members of an archive, the tables of symbols and of long names included.
//!
//! `object` reads the members and resolves long names of GNU and BSD; the tables before them, which it reads for itself,
//! are members like any other here, as they have times and bytes too.

use std::iter::Peekable;

use object::archive::Header;
use object::read::ReadRef as _;
use object::read::archive::{ArchiveFile, ArchiveMember, ArchiveMemberIterator};

/// What an archive begins with.
pub const MAGIC: &[u8] = &object::archive::MAGIC;

/// The length of a header.
const HEADER: usize = size_of::<Header>();

/// A member, or one of the tables.
#[derive(Debug)]
pub struct Member<'a> {
    /// The name, a long one in full; a short one and that of a table as the header has it.
    pub name: &'a [u8],
    /// The time as it is written: decimal digits; empty where something else is in its place.
    pub time: &'a [u8],
    /// The rest: how the name is written, the owner, the mode, what is in place of a time, padding that is no newline.
    pub fields: Vec<u8>,
    /// The content.
    pub content: &'a [u8],
}

/// The members in their order; `None` in place of one that can't be read, which ends the list.
pub fn members(bytes: &[u8]) -> impl Iterator<Item = Option<Member<'_>>> {
    let file = ArchiveFile::parse(bytes).ok();
    let mut resolved = file.map(|file| file.members().peekable());
    let mut at = MAGIC.len();
    let mut is_done = false;
    std::iter::from_fn(move || {
        if is_done || at >= bytes.len() && resolved.is_some() {
            return None;
        }
        let member = resolved.as_mut().and_then(|resolved| member(bytes, &mut at, resolved));
        is_done = member.is_none();
        Some(member)
    })
}

type Resolved<'a> = Peekable<ArchiveMemberIterator<'a>>;

/// The member whose header is here; its name and content from the next that `object` has, if that is the same.
fn member<'a>(bytes: &'a [u8], at: &mut usize, resolved: &mut Resolved<'a>) -> Option<Member<'a>> {
    let mut offset = *at as u64;
    let header = bytes.read::<Header>(&mut offset).ok()?;
    let start = at.checked_add(HEADER)?;
    let size: usize = std::str::from_utf8(header.size.trim_ascii()).ok()?.parse().ok()?;
    let end = start.checked_add(size)?;
    let all = bytes.get(start..end)?;
    let is_same = |member: &ArchiveMember<'_>| member.header().is_some_and(|own| std::ptr::eq(own, header));
    // A short name as the header has it, where GNU ends it with a slash.
    let written = header.name.trim_ascii();
    let (name, content) = match resolved.next_if(|next| next.as_ref().map_or(true, is_same)) {
        Some(next) => {
            let next = next.ok()?;
            (if written.starts_with(next.name()) { written } else { next.name() }, next.data(bytes).ok()?)
        }
        None => (written, all),
    };
    // A long name of BSD is before the content.
    let long_name = all.get(..all.len().checked_sub(content.len())?)?;
    let padding = bytes.get(end..bytes.len().min(end + size % 2)).filter(|byte| *byte != b"\n").unwrap_or_default();
    let date = header.date.trim_ascii();
    let (time, other) = if date.iter().all(u8::is_ascii_digit) { (date, &b""[..]) } else { (&b""[..], date) };
    let fields = [&header.name[..], &header.uid, &header.gid, &header.mode, &header.terminator];
    *at = end + size % 2;
    Some(Member { name, time, fields: [&fields.concat(), long_name, padding, other].concat(), content })
}

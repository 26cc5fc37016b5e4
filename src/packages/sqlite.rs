//! Reads the rows of one table of an SQLite database (sqlite.org, "Database File Format").
//!
//! A reader of our own, not SQLite: the file comes from an image that may be hostile, and is read as root. Of its format a
//! tree of pages with records is all that is needed; no SQL is run, no view, trigger or index is looked at, and there is no
//! C in between. It costs two hundred lines where the library costs a megabyte in every binary.
//!
//! Each page is read at most once, so that no loop of pages is followed, and a row has a limit.

use crate::error::{Error, Result, printable};

/// Where its bytes are.
pub trait Pages {
    /// How many there are.
    fn len(&self) -> u64;

    /// Some of them.
    ///
    /// # Errors
    ///
    /// They can't be read.
    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>>;

    /// Are there none?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Pages for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        let part = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..len));
        part.map(<[u8]>::to_vec).ok_or_else(|| Error::missing("page"))
    }
}

const MAGIC: &[u8] = b"SQLite format 3\0";
/// The file header, which the first page begins with.
const HEADER: usize = 100;
/// How deep a tree may be: with four children a page that is more pages than a file can have.
const MAX_DEPTH: usize = 32;
/// The longest row.
pub const MAX_ROW: usize = 17 << 20;
/// Where pages of a tree of rows begin with these, they have rows, or other pages.
const LEAF: u8 = 13;
const INTERIOR: u8 = 5;

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column<'r> {
    /// NULL, which stands for the number of the row as well.
    Null,
    /// A whole number.
    Integer(i64),
    /// Anything that is of no interest here.
    Other,
    /// A text.
    Text(&'r [u8]),
    /// Bytes.
    Blob(&'r [u8]),
}

/// Shows the columns of every row of a table.
///
/// # Errors
///
/// It is no database, it has no such table, it is broken, or `visit` fails.
pub fn rows(pages: &dyn Pages, table: &str, visit: &mut dyn FnMut(&[Column<'_>]) -> Result<()>) -> Result<()> {
    let mut reader = Reader::open(pages)?;
    let mut root = None;
    // The schema is a table of its own, on the first page: type, name, tbl_name, rootpage, sql.
    reader.tree(1, &mut |columns| {
        if let [Column::Text(b"table"), Column::Text(name), _, Column::Integer(page), ..] = columns
            && *name == table.as_bytes()
        {
            root = u32::try_from(*page).ok();
        }
        Ok(())
    })?;
    let root = root.ok_or_else(|| Error::missing(format!("table {table}")))?;
    reader.tree(root, visit)
}

struct Reader<'p> {
    pages: &'p dyn Pages,
    page_size: usize,
    /// Without the bytes that are reserved at its end.
    usable: usize,
    /// Which pages were read.
    seen: Vec<bool>,
    /// Bytes that rows may have yet. All of them together are not longer than the file, unless cells overlap: then a small
    /// file would have rows without end.
    left: u64,
}

fn broken(what: &'static str, found: impl std::fmt::Display) -> Error {
    Error::malformed("SQLite database", what, found)
}

impl<'p> Reader<'p> {
    fn open(pages: &'p dyn Pages) -> Result<Self> {
        if pages.len() < HEADER as u64 {
            return Err(broken("a header of 100 bytes", format!("{} bytes", pages.len())));
        }
        let header = pages.read(0, HEADER)?;
        if !header.starts_with(MAGIC) {
            return Err(broken("\"SQLite format 3\"", printable(header.get(..16).unwrap_or_default())));
        }
        let page_size = match number(&header, 16, 2)? {
            1 => 65536,
            size @ 512..=32768 if size.is_power_of_two() => size as usize,
            other => return Err(broken("a power of two as size of pages", other)),
        };
        let usable = page_size - number(&header, 20, 1)? as usize;
        if usable < 480 {
            return Err(broken("at least 480 usable bytes of a page", usable));
        }
        if number(&header, 56, 4)? != 1 {
            return Err(broken("text in UTF-8", "another encoding"));
        }
        let count = usize::try_from(pages.len() / page_size as u64).unwrap_or(usize::MAX);
        Ok(Self { pages, page_size, usable, seen: vec![false; count], left: pages.len() })
    }

    /// The usable bytes of a page, from 1, that was not read before.
    fn page(&mut self, number: u32) -> Result<Vec<u8>> {
        let at = (number as usize).checked_sub(1);
        match at.and_then(|at| self.seen.get_mut(at)) {
            // The first page holds the schema, and nothing else leads there.
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(broken("a tree of pages", format!("page {number} in it twice"))),
            None => return Err(broken("a page of the file", format!("page {number}"))),
        }
        let mut page = self.pages.read((u64::from(number) - 1) * self.page_size as u64, self.page_size)?;
        page.truncate(self.usable);
        Ok(page)
    }

    /// Walks a tree of rows, in their order.
    fn tree(&mut self, root: u32, visit: &mut dyn FnMut(&[Column<'_>]) -> Result<()>) -> Result<()> {
        let mut pending = vec![(root, 0)];
        while let Some((number_of, depth)) = pending.pop() {
            if depth > MAX_DEPTH {
                return Err(Error::limit("depth of a tree of an SQLite database", MAX_DEPTH as u64, depth));
            }
            let page = self.page(number_of)?;
            let start = if number_of == 1 { HEADER } else { 0 };
            let kind = number(&page, start, 1)? as u8;
            let cells = number(&page, start + 3, 2)? as usize;
            let array = start + if kind == INTERIOR { 12 } else { 8 };
            match kind {
                LEAF => {
                    for cell in 0..cells {
                        let at = number(&page, array + 2 * cell, 2)? as usize;
                        self.row(&page, at, visit)?;
                    }
                }
                INTERIOR => {
                    // The last child first, as what was put on top is taken first.
                    pending.push((number(&page, start + 8, 4)? as u32, depth + 1));
                    for cell in (0..cells).rev() {
                        let at = number(&page, array + 2 * cell, 2)? as usize;
                        pending.push((number(&page, at, 4)? as u32, depth + 1));
                    }
                    // Each of them is read once at most, and there are no more.
                    if pending.len() > self.seen.len() + 1 {
                        return Err(broken("a tree of pages", "more children than pages"));
                    }
                }
                other => return Err(broken("a page of a tree of rows", format!("type {other}"))),
            }
        }
        Ok(())
    }

    /// A cell of a leaf: the length of the row, its number, and as much of it as fits; then the page that it goes on in.
    fn row(&mut self, page: &[u8], at: usize, visit: &mut dyn FnMut(&[Column<'_>]) -> Result<()>) -> Result<()> {
        let mut rest = page.get(at..).ok_or_else(|| broken("a cell in its page", at))?;
        let length = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
        varint(&mut rest)?;
        if length > MAX_ROW {
            return Err(Error::limit("size of a row of an SQLite database", MAX_ROW as u64, length));
        }
        self.left = self.left.checked_sub(length as u64 + 2).ok_or_else(|| broken("rows", "rows that overlap"))?;
        // "B-tree Pages": what is kept on the page of a payload that does not fit.
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        let here = if length <= most {
            length
        } else {
            let fits = least + (length - least) % (self.usable - 4);
            if fits <= most { fits } else { least }
        };
        let mut payload = rest.get(..here).ok_or_else(|| broken("a row in its page", "its end"))?.to_vec();
        if here < length {
            let mut next = number(rest, here, 4)? as u32;
            while payload.len() < length {
                let overflow = self.page(next)?;
                next = number(&overflow, 0, 4)? as u32;
                let part = overflow.get(4..).unwrap_or_default();
                payload.extend(part.get(..part.len().min(length - payload.len())).unwrap_or_default());
            }
        }
        visit(&columns(&payload)?)
    }
}

/// "Record Format": the length of a header, a type for each column, then the values.
fn columns(payload: &[u8]) -> Result<Vec<Column<'_>>> {
    let mut rest = payload;
    let header = usize::try_from(varint(&mut rest)?).unwrap_or(usize::MAX);
    let (types, mut values) =
        payload.split_at_checked(header).ok_or_else(|| broken("the header of a row in it", header))?;
    let mut types = types.get(payload.len() - rest.len()..).ok_or_else(|| broken("the header of a row", header))?;
    let mut list = Vec::new();
    while !types.is_empty() {
        let kind = varint(&mut types)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(broken("a type of a value", kind)),
            _ => usize::try_from((kind - 12) / 2).unwrap_or(usize::MAX),
        };
        let (value, after) = values.split_at_checked(length).ok_or_else(|| broken("a value in its row", length))?;
        values = after;
        list.push(match kind {
            0 => Column::Null,
            1..=6 => Column::Integer(integer(value)),
            8 | 9 => Column::Integer(i64::from(kind == 9)),
            7 => Column::Other,
            _ if kind % 2 == 0 => Column::Blob(value),
            _ => Column::Text(value),
        });
    }
    Ok(list)
}

/// A signed big-endian number of up to 8 bytes.
fn integer(bytes: &[u8]) -> i64 {
    let start = if bytes.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
    bytes.iter().fold(start, |value: i64, byte| value << 8 | i64::from(*byte))
}

/// An unsigned big-endian number.
fn number(bytes: &[u8], at: usize, length: usize) -> Result<u64> {
    let part = bytes.get(at..).and_then(|rest| rest.get(..length)).ok_or_else(|| broken("a number", "its end"))?;
    Ok(part.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// Seven bits a byte, the highest of which says that more follow; the ninth has eight.
fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0_u64;
    for count in 1..=9 {
        let (byte, after) = rest.split_first().ok_or_else(|| broken("a number", "its end"))?;
        *rest = after;
        if count == 9 {
            return Ok(value << 8 | u64::from(*byte));
        }
        value = value << 7 | u64::from(*byte & 0x7f);
        if *byte < 0x80 {
            break;
        }
    }
    Ok(value)
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
pub(crate) mod tests;

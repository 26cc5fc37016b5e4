//! Compressed files: what is in them, and what they hold beside it.

use std::io::{Cursor, Read};

use super::{ContentDiff, InnerDifference, Level, NotOpened};
use crate::causes::Class;
use crate::diff::model::{Role, Value};
use crate::stamp::Instant;

/// A skippable frame of zstd has one of sixteen magic numbers (RFC 8878, 3.1.2).
const SKIPPABLE: u32 = 0x184d_2a50;

/// xz with a larger window than 16 MiB is not unpacked, in KiB; the decoder takes some more.
const XZ_WINDOW_MAX: u32 = (16 << 10) + 512;

/// A gzip file (RFC 1952), which may have several members.
#[derive(Debug, Default)]
struct Gzip {
    content: Vec<u8>,
    /// The names of the files that were compressed.
    names: Vec<Vec<u8>>,
    /// Extra fields and comments.
    others: Vec<u8>,
}

impl ContentDiff {
    pub(super) fn gzip(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let (x, y) = (self.gunzip(a)?, self.gunzip(b)?);
        let mtime = |bytes: &[u8]| bytes.get(4..8).and_then(|field| Some(u32::from_le_bytes(field.try_into().ok()?)));
        let times = [mtime(a), mtime(b)];
        if times[0] != times[1] {
            let values = times.map(|time| time.map(|time| Value::Time(Instant::from_seconds(i64::from(time)))));
            let inner = InnerDifference::new(path, Class::EmbeddedTime, "gzip MTIME", values);
            self.report(inner.role(Role::GzipMtime));
        }
        if x.others != y.others {
            let values = [&x.others, &y.others].map(|bytes| Some(Value::bytes(bytes)));
            self.push(path, Class::Content, "extra field or comment in the gzip header", values);
        }
        if x.names != y.names {
            let values = [&x.names, &y.names].map(|names| names.first().map(|name| Value::bytes(name)));
            self.report(InnerDifference {
                note: Some("the name of the file that was compressed; gzip -n leaves it out".to_owned()),
                ..InnerDifference::new(path, Class::Format, "name in the gzip header", values)
            });
        }
        let is_explained =
            x.names != y.names || x.others != y.others || times[0] != times[1] && a.get(8..) == b.get(8..);
        if x.content == y.content && is_explained {
            return Ok(());
        }
        self.compressed(path, &x.content, &y.content, level, "gzip");
        Ok(())
    }

    pub(super) fn zstd(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let unpack = |bytes| {
            let mut decoder = zstd::stream::Decoder::new(Cursor::new(bytes)).ok()?;
            decoder.window_log_max(24).ok()?;
            Some(decoder)
        };
        let (x, y) = (self.unpack(unpack(a))?, self.unpack(unpack(b))?);
        let skipped = [skippable(a), skippable(b)];
        if skipped[0] != skipped[1] {
            let values = skipped.each_ref().map(|frames| Some(Value::bytes(&frames.as_deref()?.concat())));
            self.push(path, Class::Content, "skippable frames of zstd", values);
            if x == y {
                return Ok(());
            }
        }
        self.compressed(path, &x, &y, level, "zstd");
        Ok(())
    }

    pub(super) fn xz(&mut self, path: &[u8], a: &[u8], b: &[u8], level: Level) -> Result<(), NotOpened> {
        let unpack = |bytes| Some(lzma_rust2::XzReader::new_mem_limit(Cursor::new(bytes), true, XZ_WINDOW_MAX));
        let (x, y) = (self.unpack(unpack(a))?, self.unpack(unpack(b))?);
        self.compressed(path, &x, &y, level, "xz");
        Ok(())
    }

    /// What was in a compressed file.
    fn compressed(&mut self, path: &[u8], x: &[u8], y: &[u8], level: Level, name: &str) {
        if x == y {
            self.report(InnerDifference {
                note: Some(format!("the same content, compressed by {name} in another way")),
                ..InnerDifference::new(path, Class::Compression, "compression", [None, None])
            });
        } else {
            self.compare(path, x, y, level.deeper());
        }
    }

    fn gunzip(&mut self, mut bytes: &[u8]) -> Result<Gzip, NotOpened> {
        let mut file = Gzip::default();
        while !bytes.is_empty() {
            let mut member = flate2::bufread::GzDecoder::new(bytes);
            let mut content = self.unpack(Some(&mut member))?;
            // As a rule there is one member, which is not held twice then.
            if file.content.is_empty() {
                file.content = content;
            } else {
                file.content.append(&mut content);
            }
            if let Some(header) = member.header() {
                file.names.extend(header.filename().map(<[u8]>::to_vec));
                for field in [header.extra(), header.comment()] {
                    // Behind each its length, so that the end of one is not the start of another.
                    file.others.extend_from_slice(field.unwrap_or_default());
                    file.others.extend_from_slice(&field.map_or(0, |field| field.len() as u64 + 1).to_le_bytes());
                }
            }
            bytes = member.into_inner();
        }
        Ok(file)
    }

    /// All of a stream, within what may still be unpacked.
    fn unpack(&mut self, reader: Option<impl Read>) -> Result<Vec<u8>, NotOpened> {
        let mut bytes = Vec::new();
        let reader = reader.ok_or(NotOpened::Unreadable)?;
        reader.take(self.expanded + 1).read_to_end(&mut bytes).map_err(|_| NotOpened::Unreadable)?;
        self.spend(bytes.len() as u64)?;
        Ok(bytes)
    }
}

/// What the skippable frames of a zstd file hold; `None` if it is no sequence of frames.
fn skippable(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let magic = u32::from_le_bytes(bytes.first_chunk().copied()?);
        let length = if magic & !0xf == SKIPPABLE {
            let size = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
            let end = usize::try_from(size).ok()?.checked_add(8)?;
            frames.push(bytes.get(8..end)?);
            end
        } else {
            zstd::zstd_safe::find_frame_compressed_size(bytes).ok()?
        };
        bytes = bytes.get(length..).filter(|_| length > 0)?;
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::diff::content::compare_content;

    fn found(a: &[u8], b: &[u8]) -> Vec<(Class, String)> {
        let all = compare_content(b"f", a, b, false, &mut { usize::MAX });
        all.into_iter().map(|InnerDifference { class, field, .. }| (class, field.into_owned())).collect()
    }

    fn gzip(mtime: u32, extra: &[u8], name: &str, comment: &str) -> Vec<u8> {
        let mut builder = flate2::GzBuilder::new().mtime(mtime);
        if !extra.is_empty() {
            builder = builder.extra(extra);
        }
        if !name.is_empty() {
            builder = builder.filename(name);
        }
        if !comment.is_empty() {
            builder = builder.comment(comment);
        }
        let mut encoder = builder.write(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"content").unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_a_gzip_header_hides_beside_its_time_is_content() {
        let time = || (Class::EmbeddedTime, "gzip MTIME".to_owned());
        let other = || (Class::Content, "extra field or comment in the gzip header".to_owned());
        let name = || (Class::Format, "name in the gzip header".to_owned());
        assert_eq!(found(&gzip(1, b"", "", ""), &gzip(2, b"", "", "")), [time()]);
        assert_eq!(found(&gzip(1, b"good", "", ""), &gzip(2, b"evil", "", "")), [time(), other()]);
        assert_eq!(found(&gzip(1, b"", "", "good"), &gzip(1, b"", "", "evil")), [other()]);
        assert_eq!(found(&gzip(1, b"", "", "evil"), &gzip(1, b"evil", "", "")), [other()]);
        assert_eq!(found(&gzip(1, b"", "a", ""), &gzip(1, b"", "b", "")), [name()]);
        // In a later member.
        let two = |comment: &str| [gzip(1, b"", "", ""), gzip(1, b"", "", comment)].concat();
        assert_eq!(found(&two("good"), &two("evil")), [other()]);
    }

    #[test]
    fn what_a_skippable_frame_of_zstd_holds_is_content() {
        let file = |text: &[u8], level| {
            let frame = zstd::bulk::compress(&[b'x'; 5000], level).unwrap();
            let skippable = [&0x184d_2a53_u32.to_le_bytes()[..], &(text.len() as u32).to_le_bytes(), text].concat();
            [&frame[..], &skippable, &frame].concat()
        };
        let frames = || (Class::Content, "skippable frames of zstd".to_owned());
        assert_eq!(found(&file(b"good", 1), &file(b"evil", 1)), [frames()]);
        assert!(found(&file(b"good", 1), &file(b"good", 1)).is_empty());
        assert_eq!(skippable(&file(b"good", 1)).unwrap(), [b"good"]);
        assert_eq!(skippable(b"\x53\x2a\x4d\x18\xff\xff\xff\xff"), None);
    }
}

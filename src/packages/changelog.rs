//! The date of the newest entry of a Debian changelog: the first line ` -- Name <mail>  Date` (deb-changelog(5)).

use std::io::Read;

use flate2::bufread::GzDecoder;

/// How many bytes of the compressed file are looked at.
pub const MAX_COMPRESSED: usize = 64 << 10;
/// How many it may inflate to until the line comes.
const MAX_INFLATED: u64 = 256 << 10;

/// The date, in seconds, of the newest entry of a gzip file, of which the beginning is enough. Nothing if there is none:
/// upstream's changelogs have other forms.
pub fn newest_of_gzip(start: &[u8]) -> Option<i64> {
    let mut text = Vec::new();
    // What comes before the cut is inflated all the same.
    let _ = GzDecoder::new(start).take(MAX_INFLATED).read_to_end(&mut text);
    newest(&text)
}

/// The same of a text.
pub fn newest(text: &[u8]) -> Option<i64> {
    let line = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(b" -- "))?;
    let line = std::str::from_utf8(line).ok()?;
    let (_, date) = line.rsplit_once(">  ")?;
    chrono::DateTime::parse_from_rfc2822(date.trim()).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_date_counts() {
        let text = b"bash (5.2.15-2) unstable; urgency=medium\n\n  * x -- y\n\n -- A B <a@b>  Sun, 08 Jan 2023 18:00:00 +0100\n\n\
            bash (5.2.15-1) unstable; urgency=medium\n\n -- A B <a@b>  Mon, 09 Jan 2023 18:00:00 +0000\n";
        assert_eq!(newest(text), Some(1_673_197_200));
        assert_eq!(newest(b" -- A <a@b>  yesterday\n"), None);
        assert_eq!(newest(b"Changes:\n"), None);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut gzip, text).unwrap();
        let gzip = gzip.finish().unwrap();
        assert_eq!(newest_of_gzip(&gzip), Some(1_673_197_200));
        assert_eq!(newest_of_gzip(b"x"), None);
    }
}

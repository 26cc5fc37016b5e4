//! Paths of an image, as keys.

/// The path of an entry in the image: without a slash at either end, and without empty parts and dots. `..` goes up, but
/// never above the root.
pub fn normal(path: &[u8]) -> Vec<u8> {
    let mut normal = Vec::with_capacity(path.len());
    normal_into(path, &mut normal);
    normal
}

/// The same, over what is in `normal`: who does it for every entry needs no memory for each.
pub fn normal_into(path: &[u8], normal: &mut Vec<u8>) {
    normal.clear();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => up(normal),
            part => {
                if !normal.is_empty() {
                    normal.push(b'/');
                }
                normal.extend_from_slice(part);
            }
        }
    }
}

/// The first 64 bits of a hash, as a number.
pub fn short_hash(hasher: &blake3::Hasher) -> u64 {
    hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Takes the last part off.
pub fn up(path: &mut Vec<u8>) {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.truncate(end);
}

/// A path, as a key of fixed size: 128 bits of a hash that no two paths in an image share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathKey([u8; 16]);

impl PathKey {
    /// The key of a normal path.
    pub fn of(path: &[u8]) -> Self {
        let hash = blake3::hash(path);
        Self(*hash.as_bytes().first_chunk().unwrap_or(&[0; 16]))
    }

    /// Which of `count` parts it is in.
    pub fn part(&self, count: u64) -> u64 {
        let number = self.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        number.checked_rem(count).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (path, expected) in [
            ("./usr//lib/", "usr/lib"),
            ("/usr/./lib", "usr/lib"),
            ("usr/../lib", "lib"),
            ("../../lib/..", ""),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8(normal(path.as_bytes())).unwrap(), expected, "{path}");
        }
    }
}

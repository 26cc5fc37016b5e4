//! PAX records of an entry, as far as they are compared.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::digest::Digest;
use crate::tar::Entry;

/// Values of PAX records longer than this are kept as their digest.
const VALUE_MAX: usize = 256;

/// PAX records that stand for a field of the header, which is compared as such.
pub(super) fn repeats_header(key: &[u8]) -> bool {
    matches!(key, b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"uname" | b"gname")
}

pub(super) fn short(value: &[u8]) -> Box<[u8]> {
    if value.len() <= VALUE_MAX {
        return value.into();
    }
    format!("{} bytes, {}", value.len(), Digest::sha256(value)).into_bytes().into()
}

/// libarchive's own name for an extended attribute, with its value in base64. Where it stands beside Schily's, readers
/// differ about which one counts.
pub(super) fn one_name_for_xattrs(entry: &Entry, pax: &mut [(Box<[u8]>, Box<[u8]>)]) {
    for record in entry.pax_records() {
        let Some(name) = record.key.strip_prefix(b"LIBARCHIVE.xattr.") else { continue };
        let key = [b"SCHILY.xattr.", name].concat();
        let text = record.value.trim_ascii_end();
        let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
        let is_alone = !name.contains(&b'%') && !pax.iter().any(|(other, _)| **other == *key);
        if let (true, Ok(value)) = (is_alone, STANDARD_NO_PAD.decode(text))
            && let Some(own) = pax.iter_mut().find(|(other, _)| **other == *record.key)
        {
            *own = (key.into(), short(&value));
        }
    }
}

/// The map of a sparse file as far as its headers hold it, the size of the whole file included: the block of old GNU
/// tar, or the records of PAX. In PAX 1.0 the rest of the map begins the content.
pub(super) fn sparse_map(entry: &Entry) -> Option<Vec<u8>> {
    let mut map = Vec::new();
    for record in entry.pax_records() {
        // The name is the entry's.
        if record.key.starts_with(b"GNU.sparse.") && record.key != b"GNU.sparse.name" {
            map.extend_from_slice(record.raw);
        }
    }
    if let Some(header) = entry.header().filter(|header| header.kind() == b'S') {
        map.extend_from_slice(header.block().get(386..495).unwrap_or_default());
    }
    (!map.is_empty()).then_some(map)
}

//! What is said of layers that are not read.

use super::Layers;
use crate::digest::Digest;
use crate::error::printable;
use crate::media_type::what_passes;
use crate::notice::{Notice, NoticeKind};

impl Layers {
    /// Says which times in layers are not set, and why, once for each media type.
    pub fn unread_notices(&self) -> Vec<Notice> {
        let notices = self.unread.iter().map(|(media_type, digests)| {
            let (kind, why) = match media_type {
                None => (NoticeKind::ForeignLayer, "a foreign layer, which only its vendor may change".to_owned()),
                Some(media_type) => {
                    let advice = what_passes(media_type).map(|text| format!(": {text}")).unwrap_or_default();
                    let why = format!("{} is not a layer tar{advice}", printable(media_type.as_bytes()));
                    (NoticeKind::OpaqueLayer, why)
                }
            };
            let more = digests.len().saturating_sub(1);
            let layers = if more == 1 { "layer" } else { "layers" };
            let more = if more > 0 { format!(" and {more} more {layers}") } else { String::new() };
            let (first, it) = (digests.first().map(Digest::to_string).unwrap_or_default(), more.is_empty());
            let it = if it { "it" } else { "them" };
            Notice::new(kind, format!("{first}{more}: times in {it} are left as they are: {why}"))
        });
        let mut notices: Vec<Notice> = notices.collect();
        if !self.unread_base.is_empty() {
            let count = self.unread_base.len();
            let (layers, them) = if count == 1 { ("layer", "it") } else { ("layers", "them") };
            let text = format!(
                "{count} {layers} of the base stayed unread: the diff_id was not compared, and stale copies of mtimes in {them} \
                 not looked for"
            );
            notices.push(Notice::new(NoticeKind::UnreadBase, text));
        }
        notices
    }
}

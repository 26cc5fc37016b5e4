//! A [`Report`](crate::diff::Report) as text for people (`text.rs`), as JSON for programs (`json.rs`) and as a page
//! (`html/`).
//!
//! `fold.rs` groups what is alike, for both the text and the page, and `window.rs` cuts long values so that what differs
//! stays visible. Everything that comes from an image is printable when it gets here, or is made so; HTML is escaped on
//! top.

mod fold;
mod html;
mod json;
mod text;
pub(crate) mod window;

use crate::diff::model::Remedy;
use crate::error::{printable_whole, thousands};
use crate::stamp::Instant;

#[cfg(feature = "attest")]
pub(crate) use html::PALETTE;
pub use html::{PageStyle, html};
pub use json::{SCHEMA, SavedNames, json};
pub use text::{Style, text};

/// So many causes of what is left are named.
const CAUSES_LEFT: usize = 6;

/// What rewriting both would leave, in a line. `has_accepted` says that some differences do not count, `total` how many do.
fn remedy_line(remedy: &Remedy, has_accepted: bool, total: usize) -> String {
    let until = remedy.epoch_until.map(Instant::from_seconds);
    let until = until.map(|until| format!(" with an epoch up to {until}")).unwrap_or_default();
    let command = printable_whole(remedy.command().as_bytes()) + &until;
    if remedy.left == 0 {
        let but = if has_accepted { " but for what is accepted," } else { "" };
        return format!("same{but} after: {command}");
    }
    let mut causes: Vec<String> =
        remedy.causes.iter().take(CAUSES_LEFT).map(|(cause, count)| format!("{} {cause}", thousands(*count))).collect();
    let more: usize = remedy.causes.iter().skip(CAUSES_LEFT).map(|(_, count)| count).sum();
    causes.extend((more > 0).then(|| format!("{} others", thousands(more))));
    let (left, total) = (thousands(remedy.left), thousands(total));
    format!("left after {command}: {left} of {total} ({})", causes.join(", "))
}

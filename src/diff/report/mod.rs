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

pub use html::{PageStyle, html};
pub use json::{SCHEMA, SavedNames, json};
pub use text::{Style, text};

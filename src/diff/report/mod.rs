//! A [`Report`](crate::diff::Report) for people and for programs. Everything that comes from an image is printable when it
//! gets here or is made so; HTML is escaped on top.

mod fold;
mod html;
mod json;
mod text;
pub(crate) mod window;

pub use fold::explanations;
pub use html::html;
pub use json::{Kept, SCHEMA, json};
pub use text::{Style, text};

//! Errors of streams that end in the middle.

use super::{Error, Origin};

impl Error {
    /// The same error, of a stream that ends in the middle.
    pub(crate) fn cut_short(self) -> Self {
        self.with_origin(Origin::CutShort)
    }

    /// Does a stream end in the middle: a copy that was broken off, or a program that failed while it wrote?
    pub fn is_cut_short(&self) -> bool {
        self.inner.origin == Origin::CutShort
    }
}

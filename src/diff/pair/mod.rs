//! What of two sources goes together: images, layers, elements of lists.

pub(crate) mod align;
pub(crate) mod images;
pub(crate) mod layers;

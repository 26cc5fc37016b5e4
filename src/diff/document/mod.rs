//! Documents, compared value by value.

pub(crate) mod attached;
pub(crate) mod fields;
pub(crate) mod history;
pub(crate) mod index;
pub(crate) mod listing;
pub(crate) mod times;
pub(crate) mod value;

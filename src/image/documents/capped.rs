//! Lists that hostile input can't make long.

use crate::digest::Digest;
use crate::notice::{Notice, NoticeKind};

/// A list that stops growing when it is full, and counts the rest.
#[derive(Debug)]
pub struct Capped<T> {
    /// The first ones.
    pub list: Vec<T>,
    /// How many more there were.
    pub more: usize,
    max: usize,
}

impl<T> Capped<T> {
    /// An empty list of at most `max` items.
    pub fn new(max: usize) -> Self {
        Self { list: Vec::new(), more: 0, max }
    }

    /// Makes an item and keeps it, or counts it.
    pub fn push_with(&mut self, item: impl FnOnce() -> T) {
        if self.list.len() < self.max {
            self.list.push(item());
        } else {
            self.more += 1;
        }
    }
}

/// A remark about a document that is not wrong.
#[derive(Debug)]
pub struct Note {
    /// The document that it is about, so that it goes when that is left out.
    pub about: Digest,
    /// The remark.
    pub notice: Notice,
}

impl Capped<Note> {
    /// Those that are about what stays.
    pub fn notices(&self, keeps: impl Fn(&Digest) -> bool) -> Vec<Notice> {
        let mut notices: Vec<Notice> =
            self.list.iter().filter(|note| keeps(&note.about)).map(|note| note.notice.clone()).collect();
        if self.more > 0 {
            notices.push(Notice::new(NoticeKind::More, format!("{} more notes like these", self.more)));
        }
        notices
    }
}

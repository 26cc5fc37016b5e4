//! Lists that hostile input can't make long.

use crate::digest::Digest;
use crate::limits::Limits;

/// At most this many problems or notes are held; more are only counted.
const HELD: usize = Limits::DEFAULT.problems;

/// A list that stops growing when it is full, and counts the rest.
#[derive(Debug)]
pub struct Capped<T> {
    /// The first ones.
    pub list: Vec<T>,
    /// How many more there were.
    pub more: usize,
}

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Self { list: Vec::new(), more: 0 }
    }
}

impl<T> Capped<T> {
    /// Makes an item and keeps it, or counts it.
    pub fn push_with(&mut self, item: impl FnOnce() -> T) {
        if self.list.len() < HELD {
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
    pub text: String,
}

impl Capped<Note> {
    /// The texts of those that are about what stays.
    pub fn texts(&self, keeps: impl Fn(&Digest) -> bool) -> Vec<String> {
        let mut texts: Vec<String> =
            self.list.iter().filter(|note| keeps(&note.about)).map(|note| note.text.clone()).collect();
        if self.more > 0 {
            texts.push(format!("{} more notes like these", self.more));
        }
        texts
    }
}

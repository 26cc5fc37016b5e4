//! Paths in JSON documents: the keys and indexes that lead to a value.
//!
//! What a path means is decided by its steps, never by its text: a key may hold any character.

use std::fmt;
use std::rc::Rc;

use crate::document::json::{element_path, member_path};

/// One step on the way to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'p> {
    /// A member of an object; a field's usual spelling.
    Key(&'p str),
    /// An element of an array.
    Index(usize),
}

/// The path of a value, from the root; a longer one shares all but its last step.
#[derive(Debug, Clone, Default)]
pub(crate) struct JsonPath(Option<Rc<Node>>);

#[derive(Debug)]
struct Node {
    before: JsonPath,
    last: OwnedStep,
}

#[derive(Debug)]
enum OwnedStep {
    Key(Box<str>),
    Index(usize),
}

impl JsonPath {
    /// The path of the root.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// The path of a member of what is here.
    pub(crate) fn key(&self, key: &str) -> Self {
        self.with(OwnedStep::Key(key.into()))
    }

    /// The path of an element of what is here.
    pub(crate) fn index(&self, number: usize) -> Self {
        self.with(OwnedStep::Index(number))
    }

    fn with(&self, last: OwnedStep) -> Self {
        Self(Some(Rc::new(Node { before: self.clone(), last })))
    }

    /// The same path below another one.
    pub(crate) fn below(&self, outer: &Self) -> Self {
        self.steps().into_iter().fold(outer.clone(), |path, step| match step {
            Step::Key(key) => path.key(key),
            Step::Index(number) => path.index(number),
        })
    }

    /// Its steps, the outermost first.
    pub(crate) fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        let mut at = self;
        while let Some(node) = &at.0 {
            steps.push(match &node.last {
                OwnedStep::Key(key) => Step::Key(key),
                OwnedStep::Index(number) => Step::Index(*number),
            });
            at = &node.before;
        }
        steps.reverse();
        steps
    }

    /// Does it consist of these keys alone?
    pub(crate) fn is(&self, keys: &[&str]) -> bool {
        let steps = self.steps();
        steps.len() == keys.len() && steps.iter().zip(keys).all(|(step, key)| *step == Step::Key(key))
    }
}

/// For people: `config.Env[2]`.
impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.steps().into_iter().fold(String::new(), |text, step| match step {
            Step::Key(key) => member_path(&text, key),
            Step::Index(number) => element_path(&text, number),
        });
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_looks_like_a_path_is_one_step() {
        let path = JsonPath::root().key("config").key("Labels").key("a\"].b[\"c");
        assert_eq!(path.steps(), [Step::Key("config"), Step::Key("Labels"), Step::Key("a\"].b[\"c")]);
        assert!(!path.is(&["config", "Labels"]) && JsonPath::root().key("a").key("b").is(&["a", "b"]));
        assert_eq!(JsonPath::root().key("history").index(3).key("created").to_string(), "history[3].created");
        let inner = JsonPath::root().key("platform");
        assert_eq!(inner.below(&JsonPath::root().key("manifests").index(1)).to_string(), "manifests[1].platform");
        assert_eq!(JsonPath::root().to_string(), "");
    }
}

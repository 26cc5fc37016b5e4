//! Errors for an image that is not there: they list what is there instead.

use std::collections::BTreeSet;

use crate::error::{Error, printable, quoted};
use crate::name::{familiar, tag_of};
use crate::platform::Platform;

/// At most this many images are named.
const MAX_LISTED: usize = 20;

/// No image has this name; the images have these.
pub(crate) fn no_name<'n>(reference: &str, images: impl Iterator<Item = Vec<&'n str>>) -> Error {
    let mut seen = BTreeSet::new();
    let names: Vec<&str> = images.flat_map(|names| short(&names)).filter(|name| seen.insert(*name)).collect();
    let there = match names.as_slice() {
        [] => "none has a name".to_owned(),
        names => format!("its images are: {}", list(names, |name| quoted(name))),
    };
    Error::refused(format!("no image is called {}; {there}", quoted(reference)))
}

/// No image, of those of a name, is for this platform; these are there.
pub(crate) fn no_platform<'n>(
    reference: Option<&str>,
    platform: &Platform,
    images: impl Iterator<Item = (Platform, Vec<&'n str>)>,
) -> Error {
    let called = reference.map(|name| format!(" called {}", quoted(name))).unwrap_or_default();
    let one = |(platform, names): (Platform, Vec<&str>)| match short(&names) {
        names if names.is_empty() => platform.to_string(),
        names => format!("{platform} ({})", names.join(", ")),
    };
    let mut there: Vec<String> = images.map(one).collect();
    there.sort();
    there.dedup();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let there = match there.as_slice() {
        [] => "there is no image at all".to_owned(),
        there => format!("there are: {}", list(there, |platform| printable(platform.as_bytes()))),
    };
    Error::refused(format!("no image{called} for {platform}; {there}"))
}

/// The names of one image as people know them, each once: a layout has a full name and its tag beside it.
fn short<'n>(names: &[&'n str]) -> Vec<&'n str> {
    let tags: BTreeSet<&str> = names.iter().filter_map(|name| tag_of(name)).collect();
    let mut seen = BTreeSet::new();
    let shown = names.iter().map(|name| familiar(name)).filter(|name| !tags.contains(name));
    shown.filter(|name| seen.insert(*name)).collect()
}

fn list(names: &[&str], shown: impl Fn(&str) -> String) -> String {
    let mut text = names.iter().take(MAX_LISTED).map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED {
        text.push_str(&format!(" and {} more", names.len() - MAX_LISTED));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_platforms_are_not_mixed_up() {
        let both = || [vec!["docker.io/library/hello:1", "1"], vec!["docker.io/library/hello:latest", "latest"]];
        let error = no_name("nosuch", both().into_iter()).to_string();
        assert_eq!(error, r#"no image is called "nosuch"; its images are: "hello:1", "hello:latest""#);
        assert!(no_name("x", [vec![]].into_iter()).to_string().ends_with("none has a name"));
        let [arm, amd]: [Platform; 2] = ["linux/arm64", "linux/amd64/v1"].map(|text| text.parse().unwrap());
        let [names, _] = both();
        let error = no_platform(None, &arm, [(amd.clone(), names)].into_iter()).to_string();
        assert_eq!(error, "no image for linux/arm64; there are: linux/amd64/v1 (hello:1)");
        let error = no_platform(Some("a:1"), &arm, (0..30).map(|_| (amd.clone(), vec![]))).to_string();
        assert_eq!(error, r#"no image called "a:1" for linux/arm64; there are: linux/amd64/v1"#);
    }
}

//! Images of two sources, paired: by what they are, by platform and by name.

use std::collections::{HashMap, VecDeque};

use crate::diff::view::Image;
use crate::digest::Digest;
use crate::platform::Platform;

/// What two images have in common that go together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key<'i> {
    Manifest(Digest),
    /// The config of an image, where one of the two has no manifest: is it that of the other?
    Config(Digest, bool),
    Platform(&'i Platform),
    Name(&'i str),
    Unnamed,
    Both(Box<[Key<'i>; 2]>),
}

/// The keys of an image of A, or of one of B.
type Keys = for<'i> fn(&'i Image, bool) -> Vec<Key<'i>>;

/// Pairs images: the same platform and a common name first, then the same platform, then what is left over. Of several
/// that fit, those that are the same go together.
pub(crate) fn pair_images<'i>(a: &'i [Image], b: &'i [Image]) -> Vec<[Option<&'i Image>; 2]> {
    let rounds: [Keys; 5] = [
        |image, is_left| both(&same(image, is_left), &named(image)),
        |image, _| both(&[Key::Platform(&image.platform)], &named(image)),
        same,
        |image, _| vec![Key::Platform(&image.platform)],
        |image, _| if image.names.is_empty() { vec![Key::Unnamed] } else { named(image) },
    ];
    let mut counterparts: Vec<Option<usize>> = vec![None; a.len()];
    let mut taken = vec![false; b.len()];
    if let ([_], [_]) = (a, b) {
        // One image on each side: there is nothing else that they could be compared with.
        (counterparts, taken) = (vec![Some(0)], vec![true]);
    }
    for keys in rounds {
        round(keys, [a, b], &mut counterparts, &mut taken);
    }
    let left =
        a.iter().zip(&counterparts).map(|(x, counterpart)| [Some(x), counterpart.and_then(|number| b.get(number))]);
    let right = b.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(y, _)| [None, Some(y)]);
    left.chain(right).collect()
}

/// Each image of A without a counterpart is given the first of B that is not taken and has a key of it.
fn round(keys: Keys, images: [&[Image]; 2], counterparts: &mut [Option<usize>], taken: &mut [bool]) {
    let mut by_key: HashMap<Key<'_>, VecDeque<usize>> = HashMap::new();
    for (number, image) in images[1].iter().enumerate().filter(|(number, _)| taken.get(*number) == Some(&false)) {
        for key in keys(image, false) {
            by_key.entry(key).or_default().push_back(number);
        }
    }
    for (image, counterpart) in images[0].iter().zip(counterparts).filter(|(_, counterpart)| counterpart.is_none()) {
        let mut first = None;
        for key in keys(image, true) {
            let Some(list) = by_key.get_mut(&key) else { continue };
            while list.front().is_some_and(|number| taken.get(*number) != Some(&false)) {
                list.pop_front();
            }
            first = first.into_iter().chain(list.front().copied()).min();
        }
        *counterpart = first;
        if let Some(taken) = first.and_then(|number| taken.get_mut(number)) {
            *taken = true;
        }
    }
}

/// The same manifest; the same config where one of them has no manifest.
fn same(image: &Image, is_left: bool) -> Vec<Key<'_>> {
    let config = |with_manifest: bool| Key::Config(image.config_digest, with_manifest);
    match (image.manifest, is_left) {
        (Some(manifest), true) => vec![Key::Manifest(manifest), config(false)],
        (Some(manifest), false) => vec![Key::Manifest(manifest), config(true)],
        (None, true) => vec![config(true), config(false)],
        (None, false) => vec![config(false)],
    }
}

fn named(image: &Image) -> Vec<Key<'_>> {
    image.names.iter().map(|name| Key::Name(name)).collect()
}

fn both<'i>(a: &[Key<'i>], b: &[Key<'i>]) -> Vec<Key<'i>> {
    a.iter().flat_map(|x| b.iter().map(|y| Key::Both(Box::new([x.clone(), y.clone()])))).collect()
}

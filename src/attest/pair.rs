//! Which image of one source is compared with which of the other.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::platform::Platform;
use crate::stabilizer::StabilizedImage;

/// The images of both sources, by platform.
///
/// # Errors
///
/// If a side has several images of a platform or none, or a platform that the other one lacks.
pub fn pairs(sides: [Vec<StabilizedImage>; 2], names: [&str; 2]) -> Result<Vec<(Platform, [StabilizedImage; 2])>> {
    let [target, candidate] = sides;
    let (target, candidate) = (by_platform(target, names[0])?, by_platform(candidate, names[1])?);
    let platforms = |side: &BTreeMap<Platform, StabilizedImage>| side.keys().cloned().collect::<BTreeSet<Platform>>();
    let of_both = [platforms(&target), platforms(&candidate)];
    let [a, b] = &of_both;
    let lone = a.difference(b).map(|one| (one, names[1])).chain(b.difference(a).map(|one| (one, names[0])));
    let lone: Vec<String> = lone.map(|(platform, side)| format!("{platform} is not in {side}")).collect();
    if !lone.is_empty() {
        let text = format!("{}; --platform names one that is compared alone", lone.join(", "));
        return Err(Error::refused(text));
    }
    let mut others = candidate;
    let both = target.into_iter().filter_map(|(platform, image)| {
        let other = others.remove(&platform)?;
        Some((platform, [image, other]))
    });
    Ok(both.collect())
}

fn by_platform(images: Vec<StabilizedImage>, name: &str) -> Result<BTreeMap<Platform, StabilizedImage>> {
    let mut all: BTreeMap<Platform, StabilizedImage> = BTreeMap::new();
    for image in images {
        if let Some(other) = all.get(&image.platform) {
            let names = [other, &image].map(|image| image.names.first().map_or("one without a name", String::as_str));
            let text = format!(
                "there are several images for {} ({}): name one of them, as in oci:DIR:NAME",
                image.platform,
                names.join(", ")
            );
            return Err(Error::refused(text).in_file(name));
        }
        all.insert(image.platform.clone(), image);
    }
    if all.is_empty() {
        return Err(Error::missing("image to compare").in_file(name));
    }
    Ok(all)
}

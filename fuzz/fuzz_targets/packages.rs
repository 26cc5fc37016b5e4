//! Databases of package managers, lists of archives and statements of provenance, of which the first byte says what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use restamp::internals::packages::{Package, apk, apt, changelog, dpkg, os_release, pacman, rpm, sources, sqlite};
use restamp::internals::{ImageName, PackageUrl, Provenance};

/// What goes into lists and commands is one word each, whatever it was read from.
fn check(packages: &[Package]) {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    for package in packages {
        assert!(is_word(&package.name) && is_word(&package.version) && is_word(&package.architecture));
        assert!(package.hash.as_deref().is_none_or(is_word));
        assert!(package.source.as_deref().is_none_or(|source| source.split(' ').all(is_word)));
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, data)) = data.split_first() else { return };
    match kind % 8 {
        0 => {
            check(&dpkg::status(data).unwrap_or_default());
            let mut list = data;
            let _ = apt::packages(&mut list, &mut |package| assert!(!package.name.is_empty()));
        }
        1 => check(&apk::installed(data).unwrap_or_default()),
        2 => check(&pacman::desc(data).into_iter().collect::<Vec<_>>()),
        3 => check(&rpm::header(data).into_iter().flatten().collect::<Vec<_>>()),
        4 => {
            let mut rows = 0;
            let read = sqlite::rows(&data, "Packages", &mut |columns| {
                rows += 1;
                if let [_, sqlite::Column::Blob(header)] = columns {
                    check(&rpm::header(header).into_iter().flatten().collect::<Vec<_>>());
                }
                Ok(())
            });
            // A cell has two bytes in its page at least, however often it is named.
            assert!(rows <= data.len(), "{read:?}");
        }
        5 => {
            let release = os_release::read(data);
            assert!(release.pretty_name.is_none_or(|name| !name.contains(char::is_control)));
        }
        6 => {
            sources::snapshots(data);
            sources::components(data);
            changelog::newest(data);
            changelog::newest_of_gzip(data);
        }
        _ => {
            let Ok(Some(found)) = Provenance::parse(data) else { return };
            for dependency in &found.dependencies {
                let Some(image) = PackageUrl::parse(&dependency.uri).and_then(|url| url.image()) else { continue };
                let name = image.to_string();
                assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte)), "{name}");
                assert_eq!(ImageName::parse(&name), Some(image));
            }
        }
    }
});

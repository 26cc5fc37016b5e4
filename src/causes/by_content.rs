//! Causes that are known by the content of a file, wherever it is.

use super::table::{mended, row};
use super::{Cause, Class};

const fn cause(id: &'static str, class: Class, what: &'static str, advice: &'static str) -> Cause {
    row(id, class, &[], what, advice)
}

/// A text in which only dates differ.
pub static TEXT_DATES: Cause = cause(
    "text-dates",
    Class::EmbeddedTime,
    "the time of the build, written into the file as text",
    "set SOURCE_DATE_EPOCH for the step that writes the file, or write a fixed date \
     (Maven: -Dproject.build.outputTimestamp, Gradle: leave buildInfo's time out)",
);

/// A list of lines, which have no order, in another order.
pub static LINE_ORDER: Cause = cause(
    "line-order",
    Class::Order,
    "the program that writes the file lists a directory, a set or finished jobs without sorting them",
    "sort it in the RUN that writes it: LC_ALL=C sort -o FILE FILE",
);

/// The same paragraphs or certificates of several lines each in another order. Sorting the lines would take them apart.
pub static BLOCK_ORDER: Cause = cause(
    "block-order",
    Class::Order,
    "the program that writes the file puts the paragraphs or certificates in the order of a directory, a set or finished jobs",
    "install in one fixed order, or give the program that writes the file its input sorted by name; \
     don't sort the lines of the file, each paragraph or certificate is several of them",
);

/// The same members of JSON objects in another order.
pub static MEMBER_ORDER: Cause = cause(
    "member-order",
    Class::Order,
    "the program that writes the JSON goes through a map or set without sorting its keys",
    "have the program that writes it sort the keys (Python: json.dump(..., sort_keys=True)), \
     or sort them in the RUN that writes it: jq -S . FILE > FILE.new && mv FILE.new FILE",
);

/// An ELF file in which only the build id differs that the linker computed.
pub static ELF_BUILD_ID: Cause = cause(
    "elf-build-id",
    Class::Content,
    "the linker's build id: a hash of what was linked, including debug information and the paths in it",
    "build in one fixed folder or with -ffile-prefix-map=\"$PWD\"=., or link with -Wl,--build-id=none",
);

/// An ELF file in which only the build id differs that Go wrote.
pub static GO_BUILD_ID: Cause = cause(
    "go-build-id",
    Class::Content,
    "Go's build id: a hash of the inputs of the build, including its folder and the commit",
    "go build -trimpath -buildvcs=false -ldflags=-buildid=",
);

/// A kernel module in which only the signature differs.
pub static MODULE_SIGNATURE: Cause = cause(
    "module-signature",
    Class::Content,
    "the signature of a kernel module, made with a key that each kernel build generates",
    "take both kernels from one build, or sign with a fixed key (CONFIG_MODULE_SIG_KEY)",
);

/// Bytecode in which only the mtime of its source differs.
pub static PYC_MTIME: Cause = mended(
    "rewrite",
    cause(
        "pyc-mtime",
        Class::EmbeddedTime,
        "the mtime of the source, in the header of Python bytecode",
        "PYTHONDONTWRITEBYTECODE=1, or python -m compileall --invalidation-mode unchecked-hash",
    ),
);

/// A cache of fontconfig in which only the mtime of its directory differs.
pub static FONTCONFIG_MTIME: Cause = mended(
    "rewrite",
    cause(
        "fontconfig-mtime",
        Class::EmbeddedTime,
        "the mtime of the directory of fonts, in the header of fontconfig's cache",
        "touch the directories of fonts to one time and run fc-cache in the same RUN",
    ),
);

/// An entry of bootsnap's compile cache in which only the mtime of its source differs.
pub static BOOTSNAP_MTIME: Cause = mended(
    "rewrite",
    cause(
        "bootsnap-mtime",
        Class::EmbeddedTime,
        "the mtime of the source, in the key of bootsnap's compiled code",
        "touch the sources to one time before bootsnap precompile",
    ),
);

/// An entry of bootsnap's compile cache in which only the padding of the key differs, and perhaps the mtime of its source.
pub static BOOTSNAP_PADDING: Cause = mended(
    "rewrite --repair bootsnap",
    cause(
        "bootsnap-padding",
        Class::Format,
        "the padding in the key of bootsnap's compiled code, which holds what was in memory",
        "leave tmp/cache/bootsnap out of the image, or run bootsnap precompile in an image that is not published",
    ),
);

/// A file of PHP's opcache in which only the mtime of its script differs.
pub static OPCACHE_MTIME: Cause = mended(
    "rewrite --repair opcache",
    cause(
        "opcache-mtime",
        Class::EmbeddedTime,
        "the mtime of the script, in the header of its compiled file in PHP's opcache",
        "touch the scripts to one time before they are compiled",
    ),
);

/// A zip archive in which times of members differ.
pub static ZIP_FILE: Cause = mended(
    "rewrite --repair zip",
    cause(
        "zip-file",
        Class::EmbeddedTime,
        "a jar, wheel or other zip archive with the times of its members",
        "give the members one time: jar --date, SOURCE_DATE_EPOCH for wheels, project.build.outputTimestamp for Maven, \
         touch before zip -X",
    ),
);

/// An ar archive in which times of members differ.
pub static AR_FILE: Cause = mended(
    "rewrite --repair ar",
    cause(
        "ar-file",
        Class::EmbeddedTime,
        "a static library or another ar archive with the times of its members",
        "ar with D among its letters (ar rcsD), or binutils built with --enable-deterministic-archives",
    ),
);

/// A tar archive in which times of entries differ.
pub static TAR_FILE: Cause = mended(
    "rewrite --repair tar",
    cause(
        "tar-file",
        Class::EmbeddedTime,
        "a tar archive with the times of its entries",
        "tar --mtime=@$SOURCE_DATE_EPOCH --sort=name",
    ),
);

/// All of them.
pub static BY_CONTENT: [&Cause; 15] = [
    &TEXT_DATES,
    &LINE_ORDER,
    &BLOCK_ORDER,
    &MEMBER_ORDER,
    &ELF_BUILD_ID,
    &GO_BUILD_ID,
    &MODULE_SIGNATURE,
    &PYC_MTIME,
    &FONTCONFIG_MTIME,
    &BOOTSNAP_MTIME,
    &BOOTSNAP_PADDING,
    &OPCACHE_MTIME,
    &ZIP_FILE,
    &AR_FILE,
    &TAR_FILE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::{CAUSES, GZIP_FILE};

    #[test]
    fn every_cause_has_an_id_of_its_own_and_advice() {
        let mut ids: Vec<&str> = CAUSES.iter().chain(BY_CONTENT).chain([&GZIP_FILE]).map(|cause| cause.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        for cause in BY_CONTENT {
            assert!(cause.paths.is_empty() && !cause.what.is_empty(), "{}", cause.id);
            assert!(!cause.advice.is_empty() && !cause.advice.ends_with('.'), "{}", cause.id);
        }
    }
}

//! The map in lib.rs is the truth: every room is on it, and dependencies point down.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The floor of every room, as the table in lib.rs has it.
fn floors(lib: &str) -> BTreeMap<String, u32> {
    let mut floors = BTreeMap::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let mut cells = row.split(" | ");
        let (Some(Ok(floor)), Some(rooms)) = (cells.next().map(str::parse), cells.next()) else { continue };
        for name in rooms.split('`').skip(1).step_by(2) {
            floors.insert(name.trim_start_matches("mod@").to_owned(), floor);
        }
    }
    floors
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a text names by `root::room`.
fn rooms_in<'t>(text: &'t str, root: &str) -> BTreeSet<&'t str> {
    let parts = text.match_indices(root).map(|(at, root)| &text[at + root.len()..]);
    parts.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap()).collect()
}

#[test]
fn dependencies_point_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = std::fs::read_to_string(src.join("lib.rs")).unwrap();
    let floors = floors(&lib);
    let rooms: BTreeSet<&str> = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let on_the_map: BTreeSet<&str> = floors.keys().map(String::as_str).filter(|room| *room != "cli").collect();
    assert_eq!(rooms, on_the_map);
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&src).unwrap();
        let room = inside.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        let Some(own) = floors.get(room) else { continue };
        let text = std::fs::read_to_string(&file).unwrap();
        for other in rooms_in(&text, "crate::").into_iter().filter(|other| *other != room) {
            if floors.get(other).is_some_and(|floor| floor >= own) {
                wrong.push(format!("{} takes something from {other}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Rooms in which files must not import each other in a loop; `""` is all of src.
const WITHOUT_LOOPS: [&str; 1] = [""];

/// The text without the tests at its end, and without comments.
fn production(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// All paths that a tree of imports names: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn imports(tree: &str, prefix: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let mut branches = Vec::new();
    for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(tree[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    for branch in branches.into_iter().filter(|branch| !branch.is_empty()) {
        match branch.split_once('{') {
            Some((head, rest)) => imports(rest.strip_suffix('}').unwrap(), &format!("{prefix}{}", head.trim()), found),
            None => found.push(format!("{prefix}{}", branch.split(" as ").next().unwrap())),
        }
    }
}

/// The file that an import of this one names, if it is another file with code of its own: a `mod.rs` is the face of its
/// room, and does not count.
fn imported(src: &Path, file: &Path, import: &str) -> Option<PathBuf> {
    let mut parts: Vec<&str> = import.split("::").collect();
    let mut dir = match parts.remove(0) {
        "crate" => src.to_owned(),
        // A file of a room has that room's `mod.rs` above it.
        "super" => file.parent().unwrap().to_owned(),
        _ => return None,
    };
    for part in parts {
        if part == "super" {
            dir.pop();
            continue;
        }
        let is_file = dir.join(format!("{part}.rs"));
        if is_file.is_file() {
            return Some(is_file);
        }
        dir.push(part);
    }
    None
}

/// Which files each file of a room imports, by `use` or by a path in its code.
fn imports_of_room(src: &Path, room: &str) -> BTreeMap<PathBuf, BTreeSet<PathBuf>> {
    let mut files = Vec::new();
    sources(&src.join(room), &mut files);
    let mut all = BTreeMap::new();
    let is_test = |file: &Path| file.components().any(|part| part.as_os_str() == "tests");
    for file in files.into_iter().filter(|file| !file.ends_with("mod.rs") && !is_test(file)) {
        let text = production(&std::fs::read_to_string(&file).unwrap());
        let mut names = Vec::new();
        for root in ["crate::", "super::"] {
            for (at, _) in text.match_indices(root) {
                let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let is_import = text[..at].trim_end().ends_with("use");
                let tree = text[at..].split(if is_import { ';' } else { '\0' }).next().unwrap();
                let end = tree.find(|c| !is_name(c)).unwrap_or(tree.len());
                imports(if is_import { tree } else { &tree[..end] }, "", &mut names);
            }
        }
        let others = names.iter().filter_map(|name| imported(src, &file, name)).filter(|other| *other != file);
        all.insert(file.clone(), others.collect());
    }
    all
}

#[test]
fn no_files_import_each_other_in_a_loop() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for room in WITHOUT_LOOPS {
        let mut left = imports_of_room(&src, room);
        assert!(left.values().any(|others| !others.is_empty()), "no imports were found in {room}");
        // What imports nothing that is left, or is imported by nothing that is left, is in no loop.
        loop {
            let before = left.len();
            let names: BTreeSet<PathBuf> = left.keys().cloned().collect();
            left.retain(|_, others| others.iter().any(|other| names.contains(other)));
            let imported: BTreeSet<PathBuf> = left.values().flatten().cloned().collect();
            left.retain(|file, _| imported.contains(file));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "these files import each other in a loop, or are between two loops: {left:#?}");
    }
}

#[test]
fn imports_are_found_in_nested_lists() {
    let mut found = Vec::new();
    imports("crate::a::{self, b, c::{d as x, e}}", "", &mut found);
    assert_eq!(found, ["crate::a::self", "crate::a::b", "crate::a::c::d", "crate::a::c::e"]);
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let lines = |file: &PathBuf| std::fs::read_to_string(file).unwrap().lines().count();
    let long: Vec<String> = files
        .iter()
        .map(|file| (file.strip_prefix(&src).unwrap().display(), lines(file)))
        .filter(|(_, lines)| *lines > 400)
        .map(|(file, lines)| format!("{file} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

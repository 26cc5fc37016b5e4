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

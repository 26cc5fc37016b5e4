//! A preview of two long lines was cut from their starts, so that both looked the same.

use crate::diff::{Pair, file};
use crate::support::text;

/// A line of a bundle with a word in the middle.
fn bundle(word: &str, before: usize, after: usize) -> String {
    let text = |count: usize| (0..count).map(|n| format!("f{n}(a){{return a+{n}}};")).collect::<String>();
    format!("{}var d=\"{word}\";{}\n", text(before), text(after))
}

/// The lines that begin with `-` and `+` in every form of output.
#[track_caller]
fn expect_shown(a: &str, b: &str, words: [&str; 2]) {
    let pair = Pair::layers(&[file("app/index.js", a)], &[file("app/index.js", b)]);
    let page = pair.dir.path().join("page.html");
    let shown = pair.run(&["--html", text(&page)]).expect(1).text();
    let page = std::fs::read_to_string(page).unwrap();
    let preview = pair.json(&[])["differences"][0]["preview"].as_str().unwrap().to_owned();
    let verbose = pair.run(&["--verbose"]).expect(1).text();
    for (form, output) in [("text", &shown), ("verbose", &verbose), ("JSON", &preview), ("HTML", &page)] {
        for (sign, word) in ['-', '+'].iter().zip(words) {
            let lines: Vec<&str> = output.lines().flat_map(|line| line.split("<span class=")).collect();
            let is_shown = lines.iter().any(|line| {
                let inner = line.split_once('>').filter(|_| form == "HTML").map(|(_, inner)| inner);
                let line = inner.unwrap_or(line);
                line.trim_start().starts_with(*sign) && line.contains(word)
            });
            assert!(is_shown, "{form}: no {sign} with {word} in\n{output}");
        }
    }
    assert!(preview.lines().all(|line| line.chars().count() < 400), "{preview}");
}

#[test]
fn what_differs_in_a_long_line_is_in_sight() {
    for (before, after) in [(200, 200), (0, 200), (200, 0), (7, 7)] {
        let [a, b] = ["/tmp/ncc-1f0e/", "/tmp/ncc-9b7d/"].map(|word| bundle(word, before, after));
        expect_shown(&a, &b, ["1f0e", "9b7d"]);
    }
}

#[test]
fn a_long_line_is_shown_beside_the_one_that_is_like_it() {
    let [a, b] = ["first", "other"].map(|word| bundle(word, 200, 20));
    expect_shown(&a, &format!("/* a banner */\n{b}"), ["first", "other"]);
    expect_shown(&format!("{a}x\n"), &format!("y\nz\n{b}"), ["first", "other"]);
    // Characters of more than one byte, and such as are escaped.
    let [a, b] =
        ["ä1\u{202e}", "ä2\u{202e}"].map(|word| format!("{}{word}{}\n", "é\u{1b}".repeat(900), "ü".repeat(900)));
    expect_shown(&a, &b, ["ä1", "ä2"]);
}

#[test]
fn what_differs_in_a_large_text_is_in_sight() {
    // Too large, or of too many lines, to be compared line by line.
    let [a, b] = ["1f0e", "9b7d"].map(|word| bundle(word, 5000, 5000));
    expect_shown(&a, &b, ["1f0e", "9b7d"]);
    let [a, b] = ["1f0e", "9b7d"].map(|word| format!("{}x {word}\n{}", "line\n".repeat(5000), "line\n".repeat(5000)));
    expect_shown(&a, &b, ["1f0e", "9b7d"]);
}

//! Every command of docs/lock.md is run here, and prints what is shown.

use super::images::{self, BUILD};
use crate::support::{finish, restamp, scratch, sha256_hex, write};
use serde_json::json;

const PAGE: &str = include_str!("../../../docs/lock.md");

#[test]
fn every_command_of_the_page_is_run() {
    let dir = scratch();
    let material =
        json!({"uri": "pkg:docker/debian@12?platform=linux%2Famd64", "digest": {"sha256": sha256_hex(b"base")}});
    let predicate = json!({"buildDefinition": {
        "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
        "resolvedDependencies": [material],
    }});
    let app = images::attested("https://slsa.dev/provenance/v1", &predicate);
    write(dir.path(), "app.tar", &app.tar(&BUILD));
    write(dir.path(), "base.tar", &images::base().tar(&BUILD));
    let blocks = PAGE.split("\n```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("console\n"));
    let mut count = 0;
    for part in blocks.flat_map(|block| block.split("\n$ ").collect::<Vec<_>>()) {
        let part = part.strip_prefix("$ ").unwrap_or(part);
        let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
        let printed = match command.strip_prefix("restamp ") {
            Some(arguments) => {
                let mut program = restamp();
                program.args(arguments.split(' ')).current_dir(dir.path());
                finish(&mut program, None).expect(0).text()
            }
            None => {
                let path = command.strip_prefix("cat ").unwrap_or_else(|| panic!("not run: {command}"));
                std::fs::read_to_string(dir.path().join(path)).unwrap()
            }
        };
        assert_eq!(printed.trim_end(), shown.trim_end(), "{command}");
        count += 1;
    }
    assert!(count >= 4, "{count}");
    // Commands in other blocks would not be run.
    assert!(!PAGE.contains("\n```sh") && !PAGE.contains("\n```\nrestamp"));
}

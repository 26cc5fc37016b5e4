//! Which texts in a command are times.

use super::*;
use crate::document::json::Json;

const T: &str = "2024-01-02T03:04:05Z";

/// The command with `<…>` around what is found, of a config with these labels.
fn marked(labels: &[(&str, &str)], command: &str) -> String {
    let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
    let config = serde_json::json!({"config": {"Labels": labels}}).to_string();
    let json = Json::parse(config.as_bytes()).unwrap();
    let commands = Commands::of(json.root(), &TimeKeys::default(), &OldTimes::default());
    let mut text = command.to_owned();
    for found in commands.find(command).into_iter().rev() {
        text.insert(found.range.end, '>');
        text.insert(found.range.start, '<');
    }
    text
}

#[test]
fn an_old_value_is_found_verbatim_where_it_is_whole() {
    for (value, expected) in [
        (
            T,
            "RUN |1 BUILD_DATE=<2024-01-02T03:04:05Z> /bin/sh -c echo \"<2024-01-02T03:04:05Z>\" > /d-<2024-01-02T03:04:05Z>.txt",
        ),
        (
            "2024-01-02T03:04:05",
            "X=<2024-01-02T03:04:05> 2024-01-02T03:04:05Z 2024-01-02T03:04:05.5 2024-01-02T03:04:05+01:00 <2024-01-02T03:04:05>.",
        ),
        ("2024-01-02", "A=<2024-01-02> 2024-01-02T00:00:00Z app-2024-01-02 1.2024-01-02 /2024-01-02/ '<2024-01-02>'"),
        ("20240102", "v20240102 120240102 <20240102> 1.0-20240102 20240102.1 <20240102>"),
        ("1704164645", "X=<1704164645> 17041646451"),
        ("Tue Jan  2 03:04:05 UTC 2024", "RUN |1 D=<Tue Jan  2 03:04:05 UTC 2024> /bin/sh -c true"),
        ("2024", "2024 D=2024 build 2024"),
        ("stable-1", "D=stable-1 stable-1"),
        ("1", "1 11 RUN 1"),
        ("2024-01-02T03:04:05Z ", "2024-01-02T03:04:05Z x"),
    ] {
        let command = expected.replace(['<', '>'], "");
        // `>` of the shell is no mark.
        let expected = expected.replace(" > ", "  ");
        assert_eq!(marked(&[("build-date", value)], &command.replace(" > ", "  ")), expected, "{value}");
    }
}

#[test]
fn a_time_behind_the_key_of_a_label_is_found_whatever_the_label_is_now() {
    for expected in [
        "LABEL build-date=<2024-01-02T03:04:05Z>",
        "LABEL build-date=<2024-01-02T03:04:05Z> maintainer=x org.label-schema.build-date=<20240102> y=1",
        "/bin/sh -c #(nop)  LABEL org.opencontainers.image.created=<2024-01-02 03:04:05 +0000 UTC>",
        "LABEL \"build-date\"=\"<2024-01-02>\" x",
        "LABEL build-date <2024-01-02>",
        "LABEL build-date=<Tue Jan  2 03:04:05 UTC 2024>",
        "LABEL build-date=<Tue Jan  2 03:04:05 AM CET 2024> x=1",
        "LABEL build-date=<Tue, 02 Jan 2024 03:04:05 +0000>",
        "LABEL buildkit/rewritten-timestamp=<5>",
        "RUN echo build-date=\\\"<2024-01-02>\\\"; true",
        "LABEL my-build-date=2024-01-02 x.build-date=2024-01-02 build-date-2=2024-01-02",
        "LABEL build-date=2024 build-date=soon build-date= build-date",
        "LABEL build-date=2024-01-02-rc1",
        "COPY build-date /x",
    ] {
        assert_eq!(marked(&[("build-date", "2023-11-14T22:13:20Z")], &expected.replace(['<', '>'], "")), expected);
    }
}

#[test]
fn behind_its_key_any_value_of_the_label_is_known() {
    for (value, expected) in [
        ("7 days ago", "LABEL build-date=<7 days ago> x=7 days ago"),
        ("2024", "LABEL build-date=<2024> 2024"),
        ("v1", "LABEL build-date=<v1> v1"),
        ("none", "LABEL build-date=none"),
    ] {
        assert_eq!(marked(&[("build-date", value)], &expected.replace(['<', '>'], "")), expected);
    }
}

#[test]
fn a_long_command_of_many_times_takes_no_longer_than_it_is() {
    let mut old = OldTimes::default();
    for day in 0..20_000 {
        old.add(&TimeKeys::default(), "build-date", &format!("2024-01-02T03:04:05.{day:05}Z"));
    }
    let commands = Commands { lengths: [26].into(), old, labels: Vec::new(), named: BTreeSet::new() };
    let text = "build-date=1 2024-01-02T03:04:05.00007Z ".repeat(50_000);
    let start = std::time::Instant::now();
    assert_eq!(commands.find(&text).len(), 50_000);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_value_that_holds_a_key_and_a_value_is_one_time() {
    let value = "2024 build-date=2024-01-02";
    let expected = "LABEL build-date=<2024 build-date=2024-01-02>";
    assert_eq!(marked(&[("build-date", value)], &format!("LABEL build-date={value}")), expected);
}

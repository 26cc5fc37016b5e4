//! `LABEL build-date="$(date)"`: the label is stamped, and the command in the history that set it holds the old text.

use crate::support::layer::Packing;
use crate::support::layout::{Layout, OCI_CONFIG, OCI_MANIFEST, read};
use crate::support::{Build, EPOCH_DATE, Outcome, docker, hello, pipe, run, scratch, text, write};
use serde_json::{Value, json};

const BUILD: Build = Build::FIRST;
const EPOCH: [&str; 2] = ["--epoch", "1700000000"];

/// What an image is made of here: labels, annotations of the manifest and of its descriptor, commands (as JSON has them).
#[derive(Default, Clone)]
struct Made {
    labels: Value,
    annotations: Value,
    listed: Value,
    commands: Vec<String>,
    /// `container_config`
    legacy: Option<Value>,
}

impl Made {
    fn layout(&self) -> Layout {
        let image = hello(&BUILD, Packing::Gzip);
        let mut config: Value = serde_json::from_slice(&image.config).unwrap();
        config["created"] = json!(EPOCH_DATE);
        config["config"]["Labels"] = self.labels.clone();
        if let Some(legacy) = &self.legacy {
            config["container_config"] = legacy.clone();
        }
        let step = |(number, command): (usize, &String)| {
            let empty = if number < 2 { "" } else { ",\"empty_layer\":true" };
            format!("{{\"created\":\"{EPOCH_DATE}\",\"created_by\":\"{command}\"{empty}}}")
        };
        let steps: Vec<String> = self.commands.iter().enumerate().map(step).collect();
        config["history"] = json!("<history>");
        let config = config.to_string().replace("\"<history>\"", &format!("[{}]", steps.join(",")));
        let mut layout = Layout::default();
        let layers: Vec<Value> = image.layers.iter().map(|layer| layout.put(&layer.media_type, &layer.blob)).collect();
        let config = layout.put(OCI_CONFIG, config.as_bytes());
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers,
            "annotations": self.annotations});
        let mut descriptor = layout.put(OCI_MANIFEST, manifest.to_string().as_bytes());
        if self.listed.is_object() {
            descriptor["annotations"] = self.listed.clone();
        }
        layout.manifests.push(descriptor);
        layout
    }

    fn tar(&self) -> Vec<u8> {
        self.layout().tar(&BUILD)
    }

    /// With two commands for the layers, and these.
    fn of(labels: Value, commands: &[&str]) -> Self {
        let first = ["COPY a /".to_owned(), "COPY b /".to_owned()];
        let commands = first.into_iter().chain(commands.iter().map(|&command| command.to_owned())).collect();
        Self { labels, commands, ..Self::default() }
    }
}

/// The text of the config in an archive.
fn config(bytes: &[u8]) -> String {
    let dir = scratch();
    let files = read(&write(dir.path(), "x.tar", bytes));
    let texts = files.values().filter_map(|bytes| String::from_utf8(bytes.clone()).ok());
    texts.into_iter().find(|text| text.contains("\"rootfs\"")).unwrap()
}

fn rewrite(bytes: &[u8], more: &[&str]) -> Outcome {
    pipe(["rewrite"].iter().chain(&EPOCH).chain(more), bytes)
}

fn check(bytes: &[u8], more: &[&str]) -> Outcome {
    pipe(["check", "--digests-only", "--verbose"].iter().chain(&EPOCH).chain(more), bytes)
}

/// Rewriting makes the command this one; `check` and `inspect` name the old time before, and rewriting again does nothing.
#[track_caller]
fn stamped(made: &Made, old: &str, command: &str) {
    let source = made.tar();
    let found = check(&source, &[]).expect(1).text();
    let path = if made.legacy.is_some() { "container_config.Cmd[" } else { "].created_by" };
    assert!(found.lines().any(|line| line.contains(path) && line.contains(old)), "{found}");
    let seen = pipe(["inspect"], &source).expect(0).text();
    assert!(seen.lines().any(|line| line.contains(path) && line.contains(old)), "{seen}");
    let outcome = rewrite(&source, &[]).expect(0);
    let config = config(&outcome.stdout);
    assert!(config.contains(command), "{config}");
    let sum = outcome.stderr.lines().last().unwrap();
    assert!(sum.contains(" in commands stamped;") && sum.matches(" and ").count() == 1, "{sum}");
    let again = rewrite(&outcome.stdout, &[]).expect(0);
    assert!(again.stdout == outcome.stdout, "rewritten once more it is another one");
    let after = check(&outcome.stdout, &[]).expect(0).text();
    assert!(after.contains("every timestamp that restamp sets is"), "{after}");
    let kept = rewrite(&source, &["--keep-commands"]).expect(0).stdout;
    assert!(self::config(&kept).contains(old) && !self::config(&kept).contains(command), "{}", self::config(&kept));
    // Behind its key it is known for a time still; elsewhere nothing tells it from any other text.
    check(&kept, &[]).expect(i32::from(command.contains("build-date=") && old.len() >= 8));
}

#[test]
fn the_old_value_of_a_label_is_stamped_in_the_command_that_set_it() {
    const T: &str = "2024-05-06T07:08:09Z";
    for (label, command, expected) in [
        (T, "LABEL build-date=<> maintainer=x", "LABEL build-date=<E> maintainer=x"),
        (
            T,
            "RUN |1 BUILD_DATE=<> /bin/sh -c make \\u0026\\u0026 true # buildkit",
            "BUILD_DATE=<E> /bin/sh -c make \\u0026\\u0026 true",
        ),
        (T, "J\\u00f6rg\\ud83d\\ude00 \\\"<>\\\"\\n\\tx\\/y", "J\\u00f6rg\\ud83d\\ude00 \\\"<E>\\\"\\n\\tx\\/y"),
        ("2024-05-06 07:08:09+02:00", "X=2024-05-06 07:08:09\\u002b02:00 \\u0026", "X=<E> \\u0026"),
        ("Mon May  6 07:08:09 UTC 2024", "RUN |1 D=<> /bin/sh -c true", "D=<E> /bin"),
        ("20240506", "RUN |1 D=<> /bin/sh -c fetch app-20240506.tar", "D=<E> /bin/sh -c fetch app-20240506.tar"),
        ("1714979289", "RUN D=<> make", "D=<E> make"),
        ("7", "LABEL build-date=<> x=7", "LABEL build-date=<E> x=7"),
    ] {
        let made = Made::of(json!({"build-date": label}), &[&command.replace("<>", label)]);
        let old = if label.contains('+') { "07:08:09+02:00" } else { label };
        let source = command.replace("<>", label);
        assert!(config(&made.tar()).contains(&source));
        // Where the source has escapes, `kept` can't contain the old text as it reads.
        if label.contains('+') {
            let after = rewrite(&made.tar(), &[]).expect(0).stdout;
            assert!(config(&after).contains(&expected.replace("<E>", EPOCH_DATE)), "{}", config(&after));
            assert!(check(&made.tar(), &[]).expect(1).text().contains(old));
            check(&after, &[]).expect(0);
        } else {
            stamped(&made, old, &expected.replace("<E>", EPOCH_DATE));
        }
    }
}

#[test]
fn an_old_value_that_could_be_anything_is_left_in_commands() {
    for (label, command) in [
        ("7", "RUN sleep 7"),
        ("2024", "RUN echo 2024 > /x"),
        ("20240506", "RUN fetch app-20240506.tar v20240506 120240506"),
        ("2024-05-06", "RUN echo 2024-05-06T01:02:03Z"),
        ("stable-2024", "RUN echo stable-2024"),
        ("2024-05-06T07:08:09Z", "RUN echo 2024-05-06T07:08:09Zulu 2025-05-06T07:08:09Z"),
    ] {
        let source = Made::of(json!({"build-date": label, "other": "x"}), &[command]).tar();
        let after = rewrite(&source, &[]).expect(0);
        assert!(config(&after.stdout).contains(command), "{}", config(&after.stdout));
        assert!(!after.stderr.contains("commands"), "{}", after.stderr);
        check(&after.stdout, &[]).expect(0);
    }
    // What `config` runs is no history.
    let mut made = Made::of(json!({"build-date": "2024-05-06T07:08:09Z"}), &[]);
    made.legacy = Some(json!({"Env": ["D=2024-05-06T07:08:09Z"], "Cmd": null}));
    assert!(config(&rewrite(&made.tar(), &[]).expect(0).stdout).contains("D=2024-05-06T07:08:09Z"));
}

#[test]
fn the_old_value_of_an_annotation_is_stamped_in_commands() {
    const T: &str = "2024-05-06T07:08:09Z";
    let annotation = json!({"org.opencontainers.image.created": T});
    let plain = Made::of(json!({}), &[&format!("RUN |1 D={T} make")]);
    for made in
        [Made { annotations: annotation.clone(), ..plain.clone() }, Made { listed: annotation, ..plain.clone() }]
    {
        stamped(&made, T, &format!("RUN |1 D={EPOCH_DATE} make"));
    }
    // Without one nothing says that it is the time of the build.
    assert!(config(&rewrite(&plain.tar(), &[]).expect(0).stdout).contains(T));
}

#[test]
fn what_an_earlier_version_stamped_the_label_alone_of_is_found_and_healed() {
    for (command, expected) in [
        ("LABEL build-date=2024-05-06T07:08:09Z x=y", "LABEL build-date=<E> x=y"),
        ("/bin/sh -c #(nop)  LABEL org.label-schema.build-date=20240506", "org.label-schema.build-date=<E>"),
        ("LABEL \\\"build-date\\\"=\\\"Mon May  6 07:08:09 CEST 2024\\\"", "\\\"build-date\\\"=\\\"<E>\\\""),
    ] {
        let made = Made::of(json!({"build-date": EPOCH_DATE}), &[command]);
        let found = check(&made.tar(), &[]).expect(1).text();
        assert!(found.contains("history[2].created_by"), "{found}");
        let after = rewrite(&made.tar(), &[]).expect(0).stdout;
        assert!(config(&after).contains(&expected.replace("<E>", EPOCH_DATE)), "{}", config(&after));
        check(&after, &[]).expect(0);
    }
}

#[test]
fn the_command_of_dockers_older_builder_is_stamped_where_it_is_repeated() {
    const T: &str = "2024-05-06T07:08:09Z";
    let mut made = Made::of(json!({"build-date": T}), &[]);
    made.legacy = Some(
        json!({"Cmd": ["/bin/sh", "-c", "#(nop) ", format!("LABEL build-date={T}")], "Labels": {"build-date": T}}),
    );
    stamped(&made, T, &format!("LABEL build-date={EPOCH_DATE}"));
    let mut image = hello(&BUILD, Packing::Plain);
    image.config = config(&made.tar()).into_bytes();
    let archive = docker::legacy(&[docker::plain(image)], &BUILD);
    assert!(!config(&rewrite(&archive, &[]).expect(0).stdout).contains(T));
}

#[test]
fn clamping_lowers_in_commands_what_it_lowers_in_labels() {
    for (date, is_late) in [("2024-05-06T07:08:09Z", true), ("2020-05-06T07:08:09Z", false)] {
        let command = format!("LABEL build-date={date} # {date}");
        let source = Made::of(json!({"build-date": date}), &[&command]).tar();
        let after = config(&rewrite(&source, &["--clamp"]).expect(0).stdout);
        assert_eq!(after.contains(date), !is_late, "{after}");
        let found = check(&source, &["--clamp"]);
        assert_eq!(found.text().contains("created_by"), is_late, "{}", found.text());
    }
    // A text that can't be read may be an early one, in the label as in the command.
    let source = Made::of(json!({"build-date": "7 days ago"}), &["LABEL build-date=7 days ago"]).tar();
    assert!(config(&rewrite(&source, &["--clamp"]).expect(0).stdout).contains("LABEL build-date=7 days ago"));
}

#[test]
fn the_commands_of_the_base_stay() {
    const T: &str = "2024-05-06T07:08:09Z";
    let mut made = Made::of(json!({"build-date": T}), &[]);
    made.commands = vec![format!("LABEL build-date={T} base"), format!("COPY {T}"), format!("RUN {T}")];
    let after = config(&rewrite(&made.tar(), &["--base-layers", "1"]).expect(0).stdout);
    let (stays, goes) = (format!("LABEL build-date={T} base"), format!("COPY {EPOCH_DATE}"));
    assert!(after.contains(&stays) && after.contains(&goes), "{after}");
}

#[test]
fn a_report_counts_the_times_in_commands() {
    let dir = scratch();
    let source = Made::of(json!({"build-date": "2024-05-06"}), &["LABEL build-date=2024-05-06 # 2024-05-06"]).tar();
    let report = dir.path().join("report.json");
    rewrite(&source, &["--report", text(&report)]).expect(0);
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!((&report["command_times"], &report["document_times"]), (&json!(2), &json!(1)));
}

#[test]
fn two_builds_that_differ_in_such_a_time_alone_are_the_same_after_restamping() {
    let dir = scratch();
    let build = |name: &str, date: &str, more: &str| {
        let label = format!("LABEL build-date={date}");
        let run = format!("RUN |1 D={date} make{more}");
        let mut made = Made::of(json!({"build-date": date}), &[&label, &run]);
        made.legacy = Some(json!({"Cmd": [label]}));
        write(dir.path(), name, &made.tar())
    };
    let (a, b) = (build("a.tar", "2024-05-06T07:08:09Z", ""), build("b.tar", "2025-01-01", ""));
    let diff = |a, b| -> Value {
        serde_json::from_slice(&run(["diff", "--json", text(a), text(b)]).expect(1).stdout).unwrap()
    };
    let report = diff(&a, &b);
    assert_eq!(report["verdict"], "same-after-restamping", "{report:#}");
    assert_eq!(report["counts"], json!({"time": 1, "embedded-time": 3}), "{report:#}");
    let stamped = [&a, &b].map(|path| config(&rewrite(&std::fs::read(path).unwrap(), &[]).expect(0).stdout));
    assert_eq!(stamped[0], stamped[1]);
    // With anything else in the command it is another command.
    let c = build("c.tar", "2025-01-01", " -j4");
    assert_eq!(diff(&a, &c)["verdict"], "explainable");
}

#[test]
fn no_report_in_json_has_a_character_that_steers_a_terminal_or_hides_text() {
    let evil = "a\u{202e}b\u{2028}c\u{9b}d\u{7f}e";
    let source =
        Made::of(json!({"build-date": format!("2024 {evil}")}), &[&format!("RUN echo {}", evil.replace('\u{7f}', ""))]);
    let mut layout = source.layout();
    layout.manifests[0]["annotations"] = json!({"org.opencontainers.image.ref.name": evil});
    let bytes = layout.tar(&BUILD);
    let dir = scratch();
    let (a, report) = (write(dir.path(), "a.tar", &bytes), dir.path().join("report.json"));
    rewrite(&bytes, &["--report", text(&report)]).expect(0);
    let printed = [
        run(["check", "--json", "--epoch", "1700000000", text(&a)]).expect(1).text(),
        run(["inspect", "--json", text(&a)]).expect(0).text(),
        run(["diff", "--json", text(&a), "testdata/hello.tar"]).expect(1).text(),
        std::fs::read_to_string(&report).unwrap(),
    ];
    for (number, printed) in printed.iter().enumerate() {
        let steers = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}');
        assert!(!printed.contains(steers), "{number}: {printed:?}");
        serde_json::from_str::<Value>(printed).unwrap();
    }
    assert!(printed[1].contains("\\u202e") && printed[1].contains("\\u009b"), "{}", printed[1]);
}

//! The image config: what changes in it, and all that doesn't.

use super::{CLAMP, SET, assert_bytes, digest, fill, stamp, texts};
use crate::document::config::{BaseHistory, Config};

/// Odd spacing, escapes, CRLF, unknown and null fields, bytes that are not UTF-8 aside.
const CONFIG: &str = concat!(
    "{ \"architecture\" :\"arm64\", \"variant\":\"v8\",\r\n",
    "  \"config\": {\"Healthcheck\":{\"Test\":[\"CMD\",\"x\"],\"Interval\":30000000000},\"OnBuild\":[\"RUN \\u0061\"],\r\n",
    "    \"Shell\":[\"/bin/bash\",\"-c\"], \"Env\":null, \"Cmd\" :null, \"ArgsEscaped\":true,\r\n",
    "    \"Labels\":{\"a\":\"2030-01-01T00:00:00Z\",\"org\\u002eopencontainers.image.created\" : \"2024-01-02\"} },\r\n",
    "  \"container_config\":{\"Labels\":{\"build-date\":\"20240102\",\"org.label-schema.build-date\":null}},\r\n",
    "  \"created\"  :  \"2024-01-02T03:04:05.678\\u0039Z\" ,\r\n",
    "  \"history\":[ {\"created\":\"2020-01-01T00:00:00Z\",\"created_by\":\"/bin/sh \\u003e x\"},\r\n",
    "    {\"created\":\"2024-01-01T00:00:00+01:00\",\"empty_layer\":true},{\"Created\":\"2024-01-02T00:00:00Z\"},\r\n",
    "    {\"created\":null, \"when\":\"2024-01-02T00:00:00Z\"} ],\r\n",
    "  \"moby.buildkit.cache.v0\":\"eyJ9\", \"n\":1e400, \"é\":\"\\ud83d\", \"os\":\"linux\",\"os.version\":\"10.0\",\r\n",
    "  \"rootfs\":{\"type\":\"layers\",\"base_layer\":\"x\",\"diff_ids\":[\"<1>\" , \"<2>\",\"<3>\"]}}\n\n",
);

fn patched(text: &str, rule: crate::Rule, entries: usize) -> crate::document::Patched {
    let config = Config::parse(text.as_bytes()).unwrap();
    config.patch(stamp(rule), BaseHistory { entries }, &[digest('1'), digest('a'), digest('3')]).unwrap()
}

#[test]
fn setting_changes_times_and_diff_ids_and_nothing_else() {
    let epoch = "2023-11-14T22:13:20Z";
    let expected = CONFIG
        .replace("\"2024-01-02\"", &format!("\"{epoch}\""))
        .replace("\"20240102\"", &format!("\"{epoch}\""))
        .replace("2024-01-02T03:04:05.678\\u0039Z", epoch)
        .replace("{\"created\":\"2020-01-01T00:00:00Z\"", &format!("{{\"created\":\"{epoch}\""))
        .replace("2024-01-01T00:00:00+01:00", epoch)
        .replace("\"Created\":\"2024-01-02T00:00:00Z\"", &format!("\"Created\":\"{epoch}\""))
        .replace("<2>", "<a>");
    let patch = patched(&fill(CONFIG), SET, 0);
    assert_bytes(&patch, &fill(&expected));
    assert_eq!((patch.times, texts(&patch)), (6, vec![]));
    let again = patched(&fill(&expected), SET, 0);
    assert!(!again.changed);
}

#[test]
fn clamping_leaves_what_is_early_enough() {
    let text = fill(&CONFIG.replace("2024-01-01T00:00:00+01:00", "2023-11-14T23:13:20+01:00"));
    let patch = patched(&text, CLAMP, 0);
    let out = String::from_utf8(patch.bytes.clone()).unwrap();
    assert!(out.contains("{\"created\":\"2020-01-01T00:00:00Z\"") && out.contains("2023-11-14T23:13:20+01:00"));
    assert_eq!(patch.times, 4);
    assert!(!patched(&out, CLAMP, 0).changed);
}

#[test]
fn the_history_of_the_base_stays_whatever_it_holds() {
    let text = fill(&CONFIG.replace("2024-01-01T00:00:00+01:00", "yesterday"));
    let config = Config::parse(text.as_bytes()).unwrap();
    let ids = config.diff_ids().to_vec();
    let error = config.patch(stamp(SET), BaseHistory::default(), &ids).unwrap_err().to_string();
    assert!(error.starts_with("history[1].created: offset "), "{error}");
    assert!(error.contains("expected an RFC 3339 time such as 2023-11-14T22:13:20Z, found \"yesterday\""), "{error}");
    let kept = patched(&text, SET, 2);
    let out = String::from_utf8(kept.bytes.clone()).unwrap();
    assert!(out.contains("2020-01-01T00:00:00Z") && out.contains("yesterday"));
    assert_eq!(kept.times, 4);
    let sites = config.times(BaseHistory { entries: 2 });
    let paths: Vec<_> = sites.iter().map(|site| site.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "created",
            "config.Labels[\"org.opencontainers.image.created\"]",
            "container_config.Labels[\"build-date\"]",
            "history[2].created",
        ]
    );
    assert_eq!(sites[0].text, "2024-01-02T03:04:05.6789Z");
}

#[test]
fn history_is_matched_to_layers() {
    let entries = |flags: &str| -> Vec<String> {
        flags.chars().map(|flag| format!(r#"{{"empty_layer":{}}}"#, flag == 'e')).collect()
    };
    for (flags, layers, expected) in
        [("lele", 0, 0), ("lele", 1, 2), ("lele", 2, 4), ("lele", 7, 4), ("ell", 1, 2), ("", 1, 0), ("el", 0, 0)]
    {
        let text = format!(r#"{{"history":[{}]}}"#, entries(flags).join(","));
        assert_eq!(Config::parse(text.as_bytes()).unwrap().entries_of_layers(layers), expected, "{flags} {layers}");
    }
}

#[test]
fn what_the_config_says_is_read() {
    let text = fill(CONFIG);
    let config = Config::parse(text.as_bytes()).unwrap();
    assert!(config.is_image());
    assert_eq!(config.diff_ids(), [digest('1'), digest('2'), digest('3')]);
    assert_eq!(config.platform().to_string(), "linux/arm64/v8");
    assert_eq!(config.platform().os_version.as_deref(), Some("10.0"));
    assert_eq!(config.created().as_deref(), Some("2024-01-02T03:04:05.6789Z"));
    assert_eq!(config.history()[0].created_by.as_deref(), Some("/bin/sh > x"));
    let third = config.history().get(2).and_then(|entry| text.get(entry.span.clone()));
    assert_eq!(third, Some("{\"Created\":\"2024-01-02T00:00:00Z\"}"));
    assert_eq!(config.labels()[1], ("org.opencontainers.image.created".into(), "2024-01-02".into()));
}

#[test]
fn null_and_absent_fields_are_none() {
    let text = r#"{"created":null,"history":null,"config":null,"rootfs":{"diff_ids":null}}"#;
    let config = Config::parse(text.as_bytes()).unwrap();
    assert!(config.is_image() && config.diff_ids().is_empty() && config.history().is_empty());
    assert!(!config.patch(stamp(SET), BaseHistory::default(), &[]).unwrap().changed);
    let config = Config::parse(b"{}").unwrap();
    assert!(!config.is_image() && config.times(BaseHistory::default()).is_empty());
    let history = Config::parse(br#"{"history":[null,{}]}"#).unwrap();
    assert_eq!(history.history().len(), 2);
}

#[test]
fn what_is_wrong_is_named() {
    for (text, message) in [
        ("[]", "image config: expected a JSON object, found an array"),
        (r#"{"rootfs":[]}"#, "rootfs: offset 10: rootfs: expected an object, found an array"),
        (r#"{"rootfs":{"diff_ids":{}}}"#, "rootfs.diff_ids: offset 22: diff_ids: expected an array, found an object"),
        (r#"{"history":[1]}"#, "history[0]: offset 12: history entry: expected an object, found 1"),
        (
            r#"{"history":[{"empty_layer":"x"}]}"#,
            "history[0].empty_layer: offset 27: empty_layer: expected true or false, found \"x\"",
        ),
        (
            r#"{"rootfs":{"diff_ids":["sha256:../../x"]}}"#,
            "rootfs.diff_ids[0]: offset 23: digest: expected sha256: or sha512: and that many lower-case hexadecimal \
             digits, found \"sha256:../../x\"",
        ),
    ] {
        assert_eq!(Config::parse(text.as_bytes()).unwrap_err().to_string(), message);
    }
    for text in [r#"{"created":5}"#, r#"{"created":""}"#, r#"{"CREATED":"2024-01-02"}"#, r#"{"created":{}}"#] {
        let config = Config::parse(text.as_bytes()).unwrap();
        assert!(!config.times(BaseHistory::default())[0].accepted_by(stamp(CLAMP)));
        for rule in [SET, CLAMP] {
            assert!(config.patch(stamp(rule), BaseHistory::default(), &[]).is_err(), "{text}");
        }
    }
    let error = Config::parse(b"{}").unwrap().patch(stamp(SET), BaseHistory::default(), &[digest('1')]);
    assert_eq!(error.unwrap_err().to_string(), "number of layers does not match: expected 0, found 1");
}

#[test]
fn a_label_that_is_no_text_is_left_and_reported() {
    let text = r#"{"config":{"Labels":{"build-date":20240102}}}"#;
    let config = Config::parse(text.as_bytes()).unwrap();
    let patch = config.patch(stamp(SET), BaseHistory::default(), &[]).unwrap();
    assert!(!patch.changed);
    assert_eq!(texts(&patch), ["config.Labels[\"build-date\"]: 20240102 is not a text; left as it is"]);
}

//! What a registry says when it refuses something.

use ureq::http::StatusCode;

use super::http::Response;
use crate::error::{Error, escaped, printable};

/// So much of the body of an error is read.
const MOST: u64 = 64 << 10;
/// So many errors of one answer are shown.
const SHOWN: usize = 3;

/// The error for an answer that is none of those that were expected: with the registry's own words, and what may help.
pub fn refusal(response: Response, advice: Option<&str>) -> Error {
    let status = response.status;
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
    let what = format!("{} {}", response.method, response.url.shown());
    let media_type = response.media_type().to_ascii_lowercase();
    let body = response.bytes(MOST).unwrap_or_default();
    let words = words(&media_type, &body);
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    let advice = advice.map(|advice| format!(" ({advice})")).unwrap_or_default();
    Error::refused(format!("{what}: the registry answers {status} {reason}{words}{advice}"))
}

/// The words of an error: those of the specification's format (OCI distribution-spec, "Error codes"), of token servers, or a
/// line of text.
pub(super) fn words(media_type: &str, body: &[u8]) -> String {
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        let text = |value: &serde_json::Value, key: &str| {
            value
                .get(key)
                .and_then(serde_json::Value::as_str)
                .map(|text| printable(text.as_bytes()))
                .filter(|text| !text.is_empty())
        };
        let errors = value.get("errors").and_then(serde_json::Value::as_array);
        let of_list = errors.into_iter().flatten().take(SHOWN).filter_map(|error| {
            let parts: Vec<String> = ["code", "message"].into_iter().filter_map(|key| text(error, key)).collect();
            Some(parts.join(": ")).filter(|text| !text.is_empty())
        });
        let list: Vec<String> = of_list.collect();
        if !list.is_empty() {
            return list.join("; ");
        }
        let keys = ["details", "detail", "message", "error_description", "error"];
        return keys.into_iter().find_map(|key| text(&value, key)).unwrap_or_default();
    }
    if media_type.contains("html") {
        return String::new();
    }
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    escaped(&printable(line.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registrys_own_words_are_shown_and_steer_no_terminal() {
        let json = "application/json";
        for (media_type, body, expected) in [
            (
                json,
                r#"{"errors":[{"code":"DENIED","message":"requested access is denied","detail":[]}]}"#,
                "DENIED: requested access is denied",
            ),
            (json, r#"{"errors":[{"code":"A"},{"message":"b"},{},{"code":"x"}]}"#, "A; b"),
            (json, r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (json, r#"{"error":"invalid_grant","error_description":"expired"}"#, "expired"),
            (json, r#"{"errors":"no"}"#, ""),
            (json, "[1,2]", ""),
            ("text/plain", "404 page not found\nmore", "404 page not found"),
            ("text/html; charset=utf-8", "<html><body>no</body></html>", ""),
            ("", "", ""),
            ("text/plain", "a\u{1b}[31mb\u{202e}", "a\\u{1b}[31mb\\u{202e}"),
        ] {
            assert_eq!(words(media_type, body.as_bytes()), expected, "{body}");
        }
        assert!(words("text/plain", &[b'x'; 5000]).chars().count() <= 201);
    }
}

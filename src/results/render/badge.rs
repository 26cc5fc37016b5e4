//! Badges: a line for shields' endpoint (<https://shields.io/badges/endpoint-badge>), and a picture without it.

use serde::Serialize;

use super::site::Standing;
use crate::error::{Error, Result, markup};
use crate::results::entry::Verdict;

/// What is on the left.
const LABEL: &str = "reproduced";
/// How wide a character is taken to be; `textLength` makes it so in whatever font there is.
const CHARACTER: usize = 7;
/// Left and right of a text.
const MARGIN: usize = 8;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint<'m> {
    schema_version: u32,
    label: &'static str,
    message: &'m str,
    color: &'static str,
    /// Whoever shows it can't give it another colour.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_error: bool,
}

/// White text on each of these has a contrast of 4.5 and more.
fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Identical => "1a7f37",
        Verdict::AfterRestamping => "0b5cad",
        Verdict::Warned => "8a5a00",
        Verdict::Failed => "b42318",
    }
}

/// The line.
pub(super) fn json(standing: &Standing) -> Result<Vec<u8>> {
    let message = standing.text();
    let endpoint = Endpoint {
        schema_version: 1,
        label: LABEL,
        message: &message,
        color: color(standing.verdict),
        is_error: !standing.verdict.is_reproduced(),
    };
    let mut bytes = serde_json::to_vec(&endpoint).map_err(|e| Error::io("cannot write a badge", e.into()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The picture.
pub(super) fn svg(name: &str, standing: &Standing) -> String {
    let message = standing.text();
    let width = |text: &str| text.chars().count() * CHARACTER;
    let (left, right) = (width(LABEL) + 2 * MARGIN, width(&message) + 2 * MARGIN);
    let all = left + right;
    let title = markup(&format!("{name}: {LABEL}: {message}"));
    let text = |at: usize, text: &str| {
        let (middle, length) = (at + MARGIN + width(text) / 2, width(text));
        format!(
            "<text x=\"{middle}\" y=\"14\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\">{}</text>\n",
            markup(text)
        )
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"20\" viewBox=\"0 0 {all} 20\" role=\"img\" \
         aria-label=\"{title}\">\n<title>{title}</title>\n\
         <clipPath id=\"r\"><rect width=\"{all}\" height=\"20\" rx=\"3\"/></clipPath>\n\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#444c56\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"#{}\"/></g>\n\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\n{}{}</g>\n</svg>\n",
        color(standing.verdict),
        text(0, LABEL),
        text(left, &message)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let standing = Standing { verdict: Verdict::Failed, operators: 2, against: 1, before: 0 };
        let svg = svg("</title><script>\"'&\u{202e}\x1b", &standing);
        assert!(!svg.contains("<script") && !svg.contains('\u{202e}') && !svg.contains('\x1b'), "{svg}");
        assert!(svg.contains("&lt;/title&gt;&lt;script&gt;&quot;&#39;&amp;"), "{svg}");
    }

    #[test]
    fn a_failure_is_as_loud_as_a_success() {
        let mut standing = Standing { verdict: Verdict::Failed, operators: 2, against: 1, before: 0 };
        let json = String::from_utf8(json(&standing).unwrap()).unwrap();
        let expected = r#"{"schemaVersion":1,"label":"reproduced","message":"failed for 1 of 2 operators","color":"b42318","isError":true}"#;
        assert_eq!(json.trim_end(), expected);
        standing = Standing { verdict: Verdict::Identical, operators: 1, against: 0, before: 0 };
        assert_eq!(standing.text(), "identical, 1 operator");
    }
}

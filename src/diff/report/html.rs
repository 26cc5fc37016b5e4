//! One page with everything in it: no script, nothing fetched.

use crate::diff::model::Report;

/// The report as a page.
pub fn html(report: &Report) -> String {
    let _ = report;
    String::new()
}

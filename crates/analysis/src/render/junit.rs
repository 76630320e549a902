//! JUnit's XML: a case for each finding; Info passes, the others fail.

use crate::finding::{Finding, Level};

pub(super) fn render(findings: &[Finding]) -> String {
    let failures = findings
        .iter()
        .filter(|finding| finding.level != Level::Info)
        .count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"ferromesh analyze\" tests=\"{}\" \
         failures=\"{failures}\">\n",
        findings.len().max(1)
    );
    if findings.is_empty() {
        text.push_str("<testcase classname=\"ferromesh.analyze\" name=\"no findings\"/>\n");
    }
    for finding in findings {
        let origin = finding.origin.as_ref();
        let name = origin.map_or_else(String::new, |origin| origin.to_string());
        text.push_str(&format!(
            "<testcase classname=\"{}\" name=\"{}\">",
            finding.code,
            escape(&name)
        ));
        let body = escape(&format!("{}\n{}", finding.message, finding.cause));
        if finding.level == Level::Info {
            text.push_str(&format!("<system-out>{body}</system-out>"));
        } else {
            let place = origin
                .and_then(|origin| origin.reference())
                .unwrap_or_default();
            text.push_str(&format!(
                "<failure type=\"{}\" message=\"{}\">{body}\n{}</failure>",
                finding.level,
                escape(&finding.message),
                escape(&place)
            ));
        }
        text.push_str("</testcase>\n");
    }
    text.push_str("</testsuite>\n</testsuites>");
    text
}

/// Text that XML 1.0 can carry.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(c),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

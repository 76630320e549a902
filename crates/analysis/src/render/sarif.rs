//! SARIF 2.1.0 for code review.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::documentation;
use super::log::change;
use crate::finding::{Finding, Level};
use crate::rules;

pub(super) fn render(findings: &[Finding]) -> String {
    let used: BTreeSet<&str> = findings.iter().map(|finding| finding.code).collect();
    let rules: Vec<Value> = rules::codes()
        .into_iter()
        .filter(|code| used.contains(code.id))
        .map(|code| {
            json!({
                "id": code.id,
                "name": code.name,
                "shortDescription": {"text": code.name},
                "fullDescription": {"text": code.meaning},
                "help": {"text": code.remedy},
                "helpUri": documentation(code.id),
                "defaultConfiguration": {"level": level(code.level)},
            })
        })
        .collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ferromesh analyze",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "results": results,
        }],
    });
    format!("{log:#}")
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

fn result(finding: &Finding) -> Value {
    let mut text = finding.message.clone();
    if let Some(fix) = &finding.fix {
        text.push_str(&format!(" Fix: {}", change(&fix.change)));
    }
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.level),
        "message": {"text": text},
        "locations": [],
    });
    let place = finding
        .evidence
        .iter()
        .find(|seen| seen.line > 0)
        .map(|seen| (seen.file.as_str(), seen.line, seen.column.max(1)))
        .or_else(|| {
            let origin = finding.origin.as_ref()?;
            (!origin.file.is_empty()).then(|| (origin.file.as_str(), origin.line.max(1), 1))
        });
    let mut location = json!({});
    if let Some((file, line, column)) = place {
        location["physicalLocation"] = json!({
            "artifactLocation": {"uri": file},
            "region": {"startLine": line, "startColumn": column},
        });
    }
    if let Some(origin) = &finding.origin {
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": origin.to_string(), "kind": "resource"}]);
        result["locations"] = json!([location]);
    }
    result
}

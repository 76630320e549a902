//! Items as text, JSON and SARIF.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use serde_json::{Value, json};

use super::items::Item;
use super::verdict::{Lang, Verdict};

/// The list of items as JSON.
///
/// # Errors
/// Never, for items that [`super::lint`] made.
pub fn json(items: &[Item]) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(items)
}

/// What is wrong, for people: place, text, verdict, reason, right form; then the counts.
#[must_use]
pub fn text(items: &[Item], lang: Lang) -> String {
    let mut out = String::new();
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for item in items {
        *counts.entry(item.verdict).or_default() += 1;
        if item.verdict == Verdict::Works {
            continue;
        }
        let verdict = lang.pick(item.verdict.as_str(), item.verdict.in_chinese());
        let first = item.text.lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "{}:{}:{}: {verdict}: {first}",
            item.file, item.line, item.column
        );
        let _ = writeln!(out, "    {}", item.reason);
        if !item.fix.is_empty() {
            let label = lang.pick("write", "改为");
            let _ = writeln!(out, "    {label}: {}", item.fix);
        }
        if !item.source.is_empty() {
            let label = lang.pick("source", "依据");
            let _ = writeln!(out, "    {label}: {}", item.source);
        }
    }
    let names: Vec<String> = counts
        .iter()
        .rev()
        .map(|(verdict, count)| {
            format!(
                "{count} {}",
                lang.pick(verdict.as_str(), verdict.in_chinese())
            )
        })
        .collect();
    let total = lang.pick(
        format!("{} items", items.len()),
        format!("共 {} 项", items.len()),
    );
    let _ = writeln!(out, "{total}: {}", names.join(", "));
    out
}

/// SARIF 2.1.0: one result for each item that is wrong.
#[must_use]
pub fn sarif(items: &[Item], version: &str) -> Value {
    let rules: Vec<Value> = Verdict::ALL
        .into_iter()
        .filter(|verdict| *verdict != Verdict::Works)
        .map(|verdict| {
            json!({
                "id": rule_id(verdict),
                "name": verdict.as_str(),
                "shortDescription": {"text": format!("The advice is {}", verdict.as_str())},
                "defaultConfiguration": {"level": level(verdict)},
            })
        })
        .collect();
    let results: Vec<Value> = items
        .iter()
        .filter(|item| item.verdict != Verdict::Works)
        .map(result)
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ferromesh lint-advice",
                "version": version,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(item: &Item) -> Value {
    let first = item.text.lines().next().unwrap_or_default();
    let mut message = format!("{}: {first}: {}", item.verdict, item.reason);
    if !item.fix.is_empty() {
        let _ = write!(message, " Write: {}", item.fix);
    }
    json!({
        "ruleId": rule_id(item.verdict),
        "level": level(item.verdict),
        "message": {"text": message},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": item.file.replace('\\', "/")},
            "region": {"startLine": item.line, "startColumn": item.column},
        }}],
    })
}

fn rule_id(verdict: Verdict) -> String {
    format!("advice-{}", verdict.as_str().replace(' ', "-"))
}

fn level(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Works => "none",
        Verdict::Deprecated => "note",
        Verdict::Ignored | Verdict::Unknown | Verdict::Misplaced | Verdict::CannotMatch => {
            "warning"
        }
        Verdict::Refused | Verdict::OppositeEffect | Verdict::Destructive => "error",
    }
}

/// What stands before a secret, the secret, what stands behind it.
const SECRET_PATTERNS: &[&str] = &[
    r"(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END|\z)",
    r"(?i)((?:authorization|x-api-key|cookie)\s*[:=]\s*(?:bearer|basic)?\s*)([^\s'\x22,}]{6,})",
    r"(?i)(\b(?:[a-z_-]*password|passwd|(?:[a-z0-9]+[-_])*token|access[-_]?key|api[-_]?key|client[-_]?secret|secret[-_]?access[-_]?key)\s*[:=]\s*['\x22]?)([^\s'\x22,}$<&]{3,})",
    r"(--from-literal[= ][^=\s]+=)([^\s$<][^\s]*)",
    r"(?i)(--[a-z-]*(?:password|token|secret-key|api-key|client-secret)[= ])([^\s$<-][^\s]*)",
    r"(://[^/\s:@]+:)([^@/\s$<{]+)(@)",
    r"()(\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*)",
    r"()(\bAKIA[0-9A-Z]{16}\b)",
    r"(\s-u\s+[^\s:]+:)(\S+)",
];

/// Takes secrets out of a text: tokens, passwords, keys.
#[must_use]
pub fn redact(text: &str) -> String {
    static SECRETS: LazyLock<Option<(RegexSet, Vec<Regex>)>> = LazyLock::new(|| {
        let each: Result<Vec<Regex>, _> = SECRET_PATTERNS.iter().map(|p| Regex::new(p)).collect();
        Some((RegexSet::new(SECRET_PATTERNS).ok()?, each.ok()?))
    });
    let Some((any, each)) = &*SECRETS else {
        // A pattern that does not compile would show secrets: nothing is shown instead.
        return "[redacted]".to_owned();
    };
    let mut text = text.to_owned();
    for index in &any.matches(&text) {
        text = each[index]
            .replace_all(&text, "${1}[redacted]${3}")
            .into_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_appear() {
        for text in [
            "curl -H 'Authorization: Bearer abcdef123456'",
            "--set global.password=hunter22222",
            "password: hunter22222",
            "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "AKIAIOSFODNN7EXAMPLE",
            "kubectl create secret generic a --from-literal=x=hunter2",
            "kubectl create secret docker-registry a --docker-password hunter2",
            "https://admin:hunter2@grafana:3000/",
            "/a?id_token=hunter2&b=c",
        ] {
            let shown = redact(text);
            assert!(shown.contains("[redacted]"), "{shown}");
            for secret in ["abcdef123456", "hunter", "eyJhbGci", "AKIAIOS"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        for text in [
            "kubectl get secret istio-ca-secret",
            "secretName: shop-cert",
            "automountServiceAccountToken: false",
            "kubectl --token $TOKEN get pods",
            "password: <PASSWORD>",
            "https://localhost:15000/stats",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}

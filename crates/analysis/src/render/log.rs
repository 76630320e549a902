//! istioctl's lines; below each, in the long form, why and what to type.

use crate::finding::{Change, EditAction, Finding, Level};

/// How much is written of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// One line each, nothing else: what istioctl writes.
    Line,
    /// Our own findings with cause, fix and check; those that istioctl has too in one line.
    Own,
    /// All with cause, fix, check and evidence.
    Full,
}

/// Whether levels are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    On,
    Off,
}

pub(super) fn render(findings: &[Finding], detail: Detail, color: Color) -> String {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| {
            let mut text = line(finding, color);
            let long = match detail {
                Detail::Line => false,
                Detail::Own => !finding.code.starts_with("IST"),
                Detail::Full => true,
            };
            if long {
                text.push_str(&more(finding, detail));
            }
            text
        })
        .collect();
    lines.join("\n")
}

fn line(finding: &Finding, color: Color) -> String {
    let (on, off) = match (color, finding.level) {
        (Color::On, Level::Error) => ("\x1b[1;31m", "\x1b[0m"),
        (Color::On, Level::Warning) => ("\x1b[33m", "\x1b[0m"),
        (Color::On, Level::Info) => ("", "\x1b[0m"),
        (Color::Off, _) => ("", ""),
    };
    let origin = finding
        .origin
        .as_ref()
        .map_or(String::new(), |origin| match origin.reference() {
            Some(reference) => format!(" ({origin} {reference})"),
            None => format!(" ({origin})"),
        });
    format!(
        "{on}{}{off} [{}]{origin} {}",
        finding.level, finding.code, finding.message
    )
}

fn more(finding: &Finding, detail: Detail) -> String {
    let mut text = String::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("\n    {name:<7} {value}"));
        }
    };
    if detail == Detail::Full || finding.evidence.len() > 1 {
        for seen in &finding.evidence {
            let place = match seen.line {
                0 => String::new(),
                line => format!(" ({}:{line}:{})", seen.file, seen.column),
            };
            let value = match seen.text.as_str() {
                "" => String::new(),
                value => format!(": {value}"),
            };
            add(
                "seen",
                &format!("{} {}{value}{place}", seen.object, seen.path),
            );
        }
    }
    add("why", &finding.cause);
    if let Some(fix) = &finding.fix {
        add("fix", &change(&fix.change));
        add("risk", &fix.risk);
    }
    add("check", &finding.verify);
    text
}

/// A change in one line.
pub(super) fn change(change: &Change) -> String {
    match change {
        Change::Command(command) => command.clone(),
        Change::Advice(advice) => advice.clone(),
        Change::Patch(edits) => {
            let edits: Vec<String> = edits
                .iter()
                .map(|edit| match &edit.action {
                    EditAction::Set(value) => {
                        format!("{}: set {} to {value}", edit.object, edit.path)
                    }
                    EditAction::Rename(name) => {
                        format!("{}: rename {} to {name}", edit.object, edit.path)
                    }
                    EditAction::Remove => format!("{}: remove {}", edit.object, edit.path),
                })
                .collect();
            format!("{} (ferromesh analyze --fix)", edits.join("; "))
        }
    }
}

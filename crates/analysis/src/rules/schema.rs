//! What Istio's admission refuses or warns of, and fields that no version reads.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::{Facts, Resource};
use crate::knowledge::{Shape, meant_fields, shapes};
use crate::finding::{Change, Edit, EditAction, Fix, Level};

/// The webhook refuses it.
pub(super) const INVALID: Code = Code {
    id: "IST0106",
    level: Level::Error,
    name: "SchemaValidationError",
    meaning: "The resource is not valid: the webhook refuses it, or the control plane ignores it whole.",
    remedy: "Correct the field.",
    verify: "kubectl apply --dry-run=server -f FILE",
};

/// The webhook warns of it.
pub(super) const WARNED: Code = Code {
    id: "IST0133",
    level: Level::Warning,
    name: "SchemaWarning",
    meaning: "The resource is accepted, but a part of it does probably not do what was meant.",
    remedy: "Do what the message says.",
    verify: "kubectl apply --dry-run=server -f FILE",
};

pub(super) const RULE: Rule = Rule {
    name: "schema",
    analyzer: "schema.ValidationAnalyzer",
    summary: "Reads Istio's resources strictly and applies the rules of its admission",
    codes: &[
        Code {
            id: "FM0001",
            level: Level::Warning,
            name: "UnknownField",
            meaning: "The field does not exist: the API server drops it, and the setting has no effect.",
            remedy: "Correct the field's name or its place.",
            verify: "kubectl apply --dry-run=server --validate=strict -f FILE",
        },
        INVALID,
        WARNED,
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let istio = |resource: &&Resource| {
        reportable(resource)
            && resource
                .api_version
                .split_once('/')
                .is_some_and(|(group, _)| group.ends_with(".istio.io"))
    };
    for resource in facts.resources().filter(istio) {
        for found in &resource.diagnostics {
            // What cannot match has a rule of its own, with istioctl's codes.
            if found.message.contains("is never reached") {
                continue;
            }
            let at = match found.path.as_str() {
                "" => String::new(),
                path => format!("{path}: "),
            };
            let unknown = found.message.starts_with("unknown field");
            let of_words = || unknown.then(|| meant(resource, &found.path)).flatten();
            let hint = found.suggestion.clone().or_else(of_words);
            let tail = hint.as_ref().map_or(String::new(), |hint| format!("; {hint}"));
            let text = format!("{at}{}{tail}", found.message);
            let (code, message) = match (unknown, found.is_error()) {
                (true, _) => ("FM0001", text),
                (_, true) => ("IST0106", format!("Schema validation error: {text}")),
                (_, false) => ("IST0133", format!("Schema validation warning: {text}")),
            };
            let finding = report.find(code, resource, if unknown { &found.path } else { "" }, message);
            finding.evidence[0] = resource.evidence(&found.path, "");
            finding.cause.clone_from(&text_of(code, &found.message));
            if let Some(hint) = hint {
                finding.advise(hint.clone());
                if let Some(name) = hint
                    .strip_prefix("did you mean \"")
                    .and_then(|rest| rest.strip_suffix("\"?"))
                    && unknown
                {
                    rename(finding, resource, &found.path, name);
                }
            }
        }
    }
}

/// The neighbour that a name of the same words means.
fn meant(resource: &Resource, path: &str) -> Option<String> {
    let (group, _) = resource.api_version.rsplit_once('/')?;
    let shape = shapes().kind(&resource.kind_name, group)?;
    let (parent, name) = path.rsplit_once('.')?;
    let plain: String = parent.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect();
    let mut at = &**shape;
    for step in plain.split('.') {
        at = at.field(step)?;
        while let Shape::List(item) = at {
            at = item;
        }
    }
    let Shape::Object(fields) = at else {
        return None;
    };
    match meant_fields(name, fields.keys().map(String::as_str)).as_slice() {
        [] => None,
        [field] => Some(format!("did you mean \"{field}\"?")),
        several => Some(format!("did you mean one of {}?", several.join(", "))),
    }
}

fn text_of(code: &str, message: &str) -> String {
    match code {
        "FM0001" => format!("{message}: the API server drops it, and the setting has no effect."),
        _ => String::new(),
    }
}

fn rename(finding: &mut crate::Finding, resource: &Resource, path: &str, name: &str) {
    finding.fix = Some(Fix {
        change: Change::Patch(vec![Edit {
            object: resource.friendly_name(),
            file: resource.file.to_string(),
            at: (resource.node.line, resource.node.column),
            path: path.to_owned(),
            action: EditAction::Rename(name.to_owned()),
        }]),
        risk: "the setting begins to have an effect".into(),
    });
}

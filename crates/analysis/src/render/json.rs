//! istioctl's objects, with evidence, cause, fix and check beside what istioctl has.

use serde_json::{Map, Value, json};

use super::documentation;
use crate::finding::{Change, Edit, EditAction, Finding};

pub(super) fn render(findings: &[Finding]) -> String {
    let list = Value::Array(findings.iter().map(value).collect());
    // istioctl indents by tabs.
    let mut buffer = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    let mut serializer = serde_json::Serializer::with_formatter(&mut buffer, formatter);
    serde::Serialize::serialize(&list, &mut serializer).expect("values are written to memory");
    String::from_utf8(buffer).expect("JSON is UTF-8")
}

/// One finding as an object.
#[must_use]
pub fn value(finding: &Finding) -> Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    set("code", finding.code.into());
    set("level", finding.level.as_str().into());
    if let Some(origin) = &finding.origin {
        set("origin", origin.to_string().into());
        if let Some(reference) = origin.reference() {
            set("reference", reference.into());
        }
    }
    set("message", finding.message.as_str().into());
    set("documentationUrl", documentation(finding.code).into());
    let evidence = finding.evidence.iter().map(|seen| {
        let mut object = json!({"object": seen.object, "path": seen.path, "text": seen.text});
        if seen.line > 0 {
            object["file"] = seen.file.as_str().into();
            object["line"] = seen.line.into();
            object["column"] = seen.column.into();
        }
        object
    });
    set("evidence", evidence.collect());
    set("cause", finding.cause.as_str().into());
    if let Some(fix) = &finding.fix {
        let mut object = match &fix.change {
            Change::Patch(edits) => json!({"patch": edits.iter().map(edit).collect::<Vec<_>>()}),
            Change::Command(command) => json!({"command": command}),
            Change::Advice(advice) => json!({"advice": advice}),
        };
        object["risk"] = fix.risk.as_str().into();
        set("fix", object);
    }
    set("verify", finding.verify.as_str().into());
    Value::Object(object)
}

fn edit(edit: &Edit) -> Value {
    let Edit {
        object,
        file,
        at: _,
        path,
        action,
    } = edit;
    let (op, value) = match action {
        EditAction::Set(value) => ("set", value.as_str()),
        EditAction::Rename(name) => ("rename", name.as_str()),
        EditAction::Remove => ("remove", ""),
    };
    json!({"object": object, "file": file, "path": path, "op": op, "value": value})
}

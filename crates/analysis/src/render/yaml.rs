//! The JSON objects as YAML: a list of mappings with quoted strings.

use serde_json::Value;

use super::json;
use crate::finding::Finding;

pub(super) fn render(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "[]".to_owned();
    }
    let mut text = String::new();
    for finding in findings {
        write(&mut text, &Value::Array(vec![json::value(finding)]), 0);
    }
    text
}

/// Writes a block; scalars are JSON's, which YAML reads alike.
fn write(text: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) => {
            for item in items {
                let mut block = String::new();
                write(&mut block, item, indent + 2);
                let block = block.trim_start();
                text.push_str(&format!("{pad}- {block}"));
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let empty = match value {
                    Value::Array(items) => items.is_empty(),
                    Value::Object(map) => map.is_empty(),
                    _ => true,
                };
                if empty {
                    text.push_str(&format!("{pad}{key}: {value}\n"));
                } else {
                    text.push_str(&format!("{pad}{key}:\n"));
                    write(text, value, indent + 2);
                }
            }
        }
        scalar => text.push_str(&format!("{pad}{scalar}\n")),
    }
}

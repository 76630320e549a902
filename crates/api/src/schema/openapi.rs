//! Trees as OpenAPI v3 schemas.

use serde_json::{Map, Value, json};

use super::Tree;

/// The schema of a shape, structural in the sense of custom resources.
#[must_use]
pub fn openapi(tree: &Tree) -> Value {
    match tree {
        Tree::Any => json!({"x-kubernetes-preserve-unknown-fields": true}),
        Tree::Bool => json!({"type": "boolean"}),
        Tree::Int {
            format: Some(format),
            ..
        } => json!({"type": "integer", "format": format}),
        Tree::Int {
            min,
            max,
            format: None,
        } => {
            let mut schema = json!({"type": "integer"});
            // What JSON's numbers hold exactly.
            for (name, bound) in [("minimum", *min), ("maximum", *max)] {
                if bound.unsigned_abs() <= 1 << 53 {
                    schema[name] = json!(i64::try_from(bound).unwrap_or_default());
                }
            }
            schema
        }
        Tree::Number => json!({"type": "number", "format": "double"}),
        Tree::String | Tree::Duration => json!({"type": "string"}),
        Tree::Time => json!({"type": "string", "format": "date-time"}),
        Tree::Quantity | Tree::IntOrString => {
            json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true})
        }
        Tree::Choice(values) => json!({"type": "string", "enum": values}),
        Tree::List(item) => json!({"type": "array", "items": openapi(item)}),
        Tree::Map(value) => json!({"type": "object", "additionalProperties": openapi(value)}),
        Tree::Message { fields, .. } => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, tree)| ((*name).to_owned(), openapi(tree)))
                .collect();
            json!({"type": "object", "properties": properties})
        }
    }
}

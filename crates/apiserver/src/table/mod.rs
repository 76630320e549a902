//! Tables as `kubectl get` prints them, computed by the server.

mod age;
mod builtin;
mod cells;
pub(crate) mod jsonpath;
mod pod;

use serde_json::{Value, json};

use crate::error::{ApiError, ApiResult};
use crate::http::present::metadata_only;
use crate::objects::call::Call;

/// How much of each object a row carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    pub(crate) fn read(text: Option<&str>) -> ApiResult<Self> {
        Ok(match text {
            None | Some("Metadata") => Self::Metadata,
            Some("None") => Self::Nothing,
            Some("Object") => Self::Object,
            Some(other) => {
                return Err(ApiError::bad_request(format!(
                    "unrecognized includeObject value {other:?}"
                )));
            }
        })
    }
}

/// One column: title, OpenAPI type, format, and priority (above 0: shown with `-o wide` only).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Column {
    name: &'static str,
    kind: &'static str,
    format: &'static str,
    priority: u8,
}

const fn text(name: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority: 0,
    }
}

const fn wide(name: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority: 1,
    }
}

const fn number(name: &'static str) -> Column {
    Column {
        name,
        kind: "integer",
        format: "",
        priority: 0,
    }
}

const NAME: Column = Column {
    name: "Name",
    kind: "string",
    format: "name",
    priority: 0,
};

impl Column {
    fn definition(self) -> Value {
        let Self {
            name,
            kind,
            format,
            priority,
        } = self;
        json!({"name": name, "type": kind, "format": format, "description": name, "priority": priority})
    }
}

fn row(cells: &[Value], item: &Value, include: Include) -> Value {
    let mut row = json!({"cells": cells});
    match include {
        Include::Nothing => {}
        Include::Metadata => row["object"] = metadata_only(item),
        Include::Object => row["object"] = item.clone(),
    }
    row
}

/// The table of `items`.
pub(crate) fn table(call: &Call, items: &[Value], include: Include, metadata: &Value) -> Value {
    let scale = call.subresource == "scale";
    let (columns, cells): (Vec<Value>, Vec<Vec<Value>>) = match call.resource.custom() {
        Some(version) if !scale => (
            custom_columns(&version.columns),
            items
                .iter()
                .map(|i| custom_cells(&version.columns, i))
                .collect(),
        ),
        _ => {
            let (columns, render) = match scale {
                true => builtin::layout("autoscaling", "scales"),
                false => builtin::layout(call.resource.group(), call.resource.plural()),
            };
            (
                columns.iter().map(|c| c.definition()).collect(),
                items.iter().map(render).collect(),
            )
        }
    };
    let rows: Vec<Value> = cells
        .into_iter()
        .zip(items)
        .map(|(cells, item)| row(&cells, item, include))
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows})
}

/// A bookmark in table form: a row without cells that carries the revision.
pub(crate) fn bookmark(call: &Call, object: &Value) -> Value {
    let mut table = table(
        call,
        &[],
        Include::Nothing,
        &json!({"resourceVersion": object["metadata"]["resourceVersion"]}),
    );
    table["rows"] = json!([row(&[], object, Include::Metadata)]);
    table
}

/// `additionalPrinterColumns`; the age alone when there are none.
fn custom_columns(columns: &[Value]) -> Vec<Value> {
    let mut all = vec![NAME.definition()];
    for column in columns {
        all.push(json!({
            "name": column["name"], "type": column["type"], "format": column["format"].as_str().unwrap_or_default(),
            "description": column["description"].as_str().unwrap_or_default(), "priority": column["priority"].as_i64().unwrap_or(0),
        }));
    }
    if columns.is_empty() {
        all.push(
            Column {
                name: "Age",
                kind: "date",
                format: "",
                priority: 0,
            }
            .definition(),
        );
    }
    all
}

fn custom_cells(columns: &[Value], item: &Value) -> Vec<Value> {
    let mut cells = vec![item["metadata"]["name"].clone()];
    for column in columns {
        let found = jsonpath::first(item, column["jsonPath"].as_str().unwrap_or_default());
        cells.push(match (column["type"].as_str(), found) {
            (_, None) => Value::Null,
            (Some("date"), Some(Value::String(at))) => age::since(at).into(),
            (Some("string"), Some(Value::String(text))) => text.clone().into(),
            (Some("string"), Some(other)) => other.to_string().into(),
            (_, Some(other)) => other.clone(),
        });
    }
    if columns.is_empty() {
        cells.push(age::of(item).into());
    }
    cells
}

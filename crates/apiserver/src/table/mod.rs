//! Tables as `kubectl get` prints them, computed by the server.

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
            Some(other) => return Err(ApiError::bad_request(format!("unrecognized includeObject value {other:?}"))),
        })
    }
}

/// The table of `items`.
pub(crate) fn table(_call: &Call, items: &[Value], include: Include, metadata: Value) -> Value {
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let object = match include {
                Include::Nothing => Value::Null,
                Include::Metadata => metadata_only(item),
                Include::Object => item.clone(),
            };
            json!({"cells": [item["metadata"]["name"], item["metadata"]["creationTimestamp"]], "object": object})
        })
        .collect();
    let columns = json!([
        {"name": "Name", "type": "string", "format": "name", "description": "Name", "priority": 0},
        {"name": "Created At", "type": "date", "format": "", "description": "Created", "priority": 0},
    ]);
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows})
}

/// A bookmark in table form: no rows but one that carries the revision.
pub(crate) fn bookmark(call: &Call, object: &Value) -> Value {
    table(call, std::slice::from_ref(object), Include::Metadata, json!({"resourceVersion": object["metadata"]["resourceVersion"]}))
}

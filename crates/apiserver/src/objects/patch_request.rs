//! PATCH requests: which kind of patch, applied to which object.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::call::Call;
use crate::error::{ApiError, ApiResult, Cause};
use crate::http::body;
use crate::patch::json::{JsonPatch, JsonPatchError};
use crate::patch::strategic;

/// A patch that was read and can be applied any number of times.
#[derive(Debug)]
pub(crate) enum Patch {
    Json(JsonPatch),
    Merge(Value),
    Strategic(Value),
}

const TYPES: &str = "application/json-patch+json, application/merge-patch+json";
/// Built-in types alone: a custom resource's lists have no merge keys.
const STRATEGIC: &str = "application/strategic-merge-patch+json";

impl Patch {
    pub(crate) fn read(call: &Call, headers: &HeaderMap, bytes: &Bytes) -> ApiResult<Self> {
        match body::media_type(headers).as_str() {
            "application/json-patch+json" => JsonPatch::read(bytes)
                .map(Self::Json)
                .map_err(|error| refusal(call, &error)),
            "application/merge-patch+json" => object(bytes).map(Self::Merge),
            STRATEGIC if call.resource.custom().is_none() => object(bytes).map(Self::Strategic),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => {
                Err(ApiError::unsupported_media_type(
                    "server-side apply is not served here: field ownership is not tracked; use client-side apply (kubectl apply without --server-side)",
                ))
            }
            _ => {
                let more = match call.resource.custom() {
                    None => format!(", {STRATEGIC}"),
                    Some(_) => String::new(),
                };
                Err(ApiError::unsupported_media_type(format!(
                    "the body of the request was in an unknown format - accepted media types include: {TYPES}{more}"
                )))
            }
        }
    }

    pub(crate) fn apply(&self, call: &Call, current: &Value) -> ApiResult<Value> {
        match self {
            Self::Json(patch) => patch.apply(current).map_err(|error| refusal(call, &error)),
            Self::Merge(patch) => {
                let mut next = current.clone();
                json_patch::merge(&mut next, patch);
                Ok(next)
            }
            Self::Strategic(patch) => strategic::apply(&call.resource.kind, current, patch)
                .map_err(|error| ApiError::bad_request(error.to_string())),
        }
    }
}

fn object(bytes: &Bytes) -> ApiResult<Value> {
    let value = body::parse_json(bytes)?;
    if value.is_object() {
        Ok(value)
    } else {
        Err(ApiError::bad_request(
            "error decoding patch: the patch must be a JSON object",
        ))
    }
}

fn refusal(call: &Call, error: &JsonPatchError) -> ApiError {
    match error {
        JsonPatchError::Malformed(_) => ApiError::bad_request(error.to_string()),
        JsonPatchError::TooManyOperations(_) | JsonPatchError::TooMuch(_) => {
            ApiError::new(413, "RequestEntityTooLarge", error.to_string())
        }
        JsonPatchError::TooDeep(_) | JsonPatchError::Operation(_) => {
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: error.to_string(),
                field: "patch".into(),
            };
            let resource = &call.resource;
            ApiError::invalid(resource.group(), &resource.kind, &call.name, &[cause])
        }
    }
}

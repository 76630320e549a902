//! PATCH requests: which kind of patch, applied to which object.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::call::Call;
use crate::error::{ApiError, ApiResult, Cause};
use crate::http::body;
use crate::patch;

/// A patch that was read and can be applied any number of times.
#[derive(Debug)]
pub(crate) enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
}

/// Operations of one JSON patch; kube-apiserver's bound.
const MAX_OPERATIONS: usize = 10_000;

const TYPES: &str = "application/json-patch+json, application/merge-patch+json";
/// Built-in types alone: a custom resource's lists have no merge keys.
const STRATEGIC: &str = "application/strategic-merge-patch+json";

impl Patch {
    pub(crate) fn read(call: &Call, headers: &HeaderMap, bytes: &Bytes) -> ApiResult<Self> {
        match body::media_type(headers).as_str() {
            "application/json-patch+json" => {
                let patch: json_patch::Patch = serde_json::from_slice(bytes)
                    .map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
                if patch.0.len() > MAX_OPERATIONS {
                    let message = format!(
                        "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                        patch.0.len()
                    );
                    return Err(ApiError::new(413, "RequestEntityTooLarge", message));
                }
                Ok(Self::Json(patch))
            }
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
            Self::Json(patch) => {
                let mut next = current.clone();
                json_patch::patch(&mut next, patch).map_err(|error| json_refusal(call, &error))?;
                Ok(next)
            }
            Self::Merge(patch) => {
                let mut next = current.clone();
                json_patch::merge(&mut next, patch);
                Ok(next)
            }
            Self::Strategic(patch) => patch::strategic::apply(&call.resource.kind, current, patch)
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

fn json_refusal(call: &Call, error: &json_patch::PatchError) -> ApiError {
    let cause = Cause {
        reason: "FieldValueInvalid",
        message: error.to_string(),
        field: "patch".into(),
    };
    ApiError::invalid(
        call.resource.group(),
        &call.resource.kind,
        &call.name,
        &[cause],
    )
}

//! Subresources other than status.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use super::call::Call;
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::body::Answer;

impl Api {
    pub(crate) async fn subresource(&self, call: &Call, _headers: &HeaderMap, _bytes: &Bytes) -> ApiResult<Answer> {
        Err(ApiError::method_not_allowed(call.verb))
    }

    pub(crate) fn answer_review(&self, _call: &Call, _object: Value) -> ApiResult<Value> {
        Err(ApiError::no_route())
    }
}

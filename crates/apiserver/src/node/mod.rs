//! Requests that a node's kubelet API answers.

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;

use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::body::Answer;
use crate::objects::call::Call;

pub(crate) fn streams(call: &Call) -> bool {
    matches!(call.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
}

pub(crate) async fn relay(_api: &Arc<Api>, _call: &Call, _rest: &str, _request: Request<Incoming>) -> ApiResult<Answer> {
    Err(ApiError::unavailable("no node"))
}

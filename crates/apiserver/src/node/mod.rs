//! Requests that something else answers: the kubelet API of a node (logs, exec, attach, port-forward), or
//! a pod or Service (proxy). Bytes are relayed as they are, upgraded connections included, so every
//! streaming protocol that kubectl speaks passes: WebSocket and SPDY.

mod relay;
mod target;

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;

use crate::api::Api;
use crate::error::ApiResult;
use crate::http::body::Answer;
use crate::objects::call::Call;

pub(crate) use relay::KubeletClient;

/// Whether the call is one of these.
pub(crate) fn streams(call: &Call) -> bool {
    matches!(
        call.subresource.as_str(),
        "log" | "exec" | "attach" | "portforward" | "proxy"
    )
}

pub(crate) async fn relay(
    api: &Arc<Api>,
    call: &Call,
    rest: &str,
    request: Request<Incoming>,
) -> ApiResult<Answer> {
    let target = target::find(api, call, rest, request.uri())?;
    relay::run(api, target, request).await
}

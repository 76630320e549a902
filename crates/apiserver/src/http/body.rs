//! Reads request bodies within bounds and builds answers.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use crate::bounds::{self, Measure};
use crate::error::{ApiError, ApiResult};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;
pub(crate) type Answer = Response<Body>;

pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// How long a body may take to arrive.
const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(60);
/// Kubernetes' own bound on a request body.
const MAX_BODY: usize = bounds::MAX_BYTES;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(crate) fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync()
}

fn answer(status: u16, content_type: &'static str, body: Body) -> Answer {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

pub(crate) fn json(status: u16, value: &Value) -> Answer {
    raw_json(status, value.to_string())
}

pub(crate) fn raw_json(status: u16, bytes: impl Into<Bytes>) -> Answer {
    answer(status, "application/json", full(bytes))
}

pub(crate) fn typed(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Answer {
    answer(status, content_type, full(bytes))
}

pub(crate) fn streaming(content_type: &'static str, body: Body) -> Answer {
    answer(200, content_type, body)
}

pub(crate) fn text(status: u16, body: impl Into<Bytes>) -> Answer {
    answer(status, "text/plain; charset=utf-8", full(body))
}

pub(crate) fn refusal(error: &ApiError) -> Answer {
    let mut response = json(error.code(), &error.status());
    if let Some(seconds) = error.retry_after() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    if error.code() == 401 {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// The whole body, or 413 beyond the bound.
pub(crate) async fn read<B>(body: B) -> ApiResult<Bytes>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let whole = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect());
    let Ok(whole) = whole.await else {
        return Err(ApiError::bad_request(
            "the request body did not arrive in time",
        ));
    };
    match whole {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(ApiError::too_large()),
        Err(error) => Err(ApiError::bad_request(format!(
            "unable to read the request body: {error}"
        ))),
    }
}

/// The media type without parameters, lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// Decodes an object sent to us. Protobuf is refused by name; clients then fall back to JSON.
pub(crate) fn decode(headers: &HeaderMap, body: &Bytes) -> ApiResult<Value> {
    match media_type(headers).as_str() {
        "" | "application/json" => parse_json(body),
        other => Err(unsupported(other)),
    }
}

pub(crate) fn unsupported(media_type: &str) -> ApiError {
    let mut message = "the body of the request was in an unknown format - accepted media types include: application/json".to_owned();
    if media_type == PROTOBUF {
        message.push_str("; of protobuf bodies only those of kubectl's create commands are read: use JSON, as kubectl apply does");
    }
    ApiError::unsupported_media_type(message)
}

pub(crate) fn parse_json(body: &[u8]) -> ApiResult<Value> {
    let value = serde_json::from_slice(body)
        .map_err(|e| ApiError::bad_request(format!("the object provided is unrecognized: {e}")))?;
    bounds::check_depth(Measure::of(&value).depth)?;
    Ok(value)
}

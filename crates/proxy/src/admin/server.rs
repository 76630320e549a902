//! HTTP around the pages.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{Sources, pages};

/// Connections at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 64;
/// Bytes from which on a page's memory is given back once it is sent.
const LARGE_PAGE: usize = 128 << 10;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves the admin interface on `listener`, in a thread that ends with the process.
pub fn serve(listener: TcpListener, sources: Arc<Sources>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    std::thread::Builder::new()
        .name("admin".into())
        .stack_size(1 << 20)
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            match runtime {
                Ok(runtime) => runtime.block_on(accept(listener, sources)),
                Err(error) => tracing::error!(%error, "admin interface"),
            }
        })?;
    Ok(())
}

async fn accept(listener: TcpListener, sources: Arc<Sources>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "admin interface"),
    };
    let slots = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin interface: accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            continue;
        };
        let sources = sources.clone();
        tokio::spawn(async move {
            let large = AtomicBool::new(false);
            let service = service_fn(|request: Request<Incoming>| {
                let response = answer(&sources, &request);
                large.fetch_or(response.body().len() > LARGE_PAGE, Ordering::Relaxed);
                async move { Ok::<_, Infallible>(response.map(Full::new)) }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(slot);
            if large.into_inner() {
                net::memory::give_back();
            }
        });
    }
}

/// A page's answer.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Page {
    pub(super) fn text(body: impl Into<String>) -> Self {
        Self {
            status: StatusCode::OK,
            kind: "text/plain; charset=UTF-8",
            body: body.into(),
        }
    }

    pub(super) fn json(value: &serde_json::Value) -> Self {
        let body = serde_json::to_string_pretty(value).unwrap_or_default();
        Self {
            status: StatusCode::OK,
            kind: "application/json",
            body: body + "\n",
        }
    }

    pub(super) fn error(status: StatusCode, body: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::text(body)
        }
    }
}

/// The query's parameters, decoded; a parameter without a value is empty.
pub(super) type Query = BTreeMap<String, String>;

fn query(text: &str) -> Query {
    let decode = |part: &str| percent_decode(&part.replace('+', " "));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%')
            .then(|| {
                text.get(at + 1..at + 3)
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            })
            .flatten();
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn answer(sources: &Sources, request: &Request<Incoming>) -> Response<Bytes> {
    let post = request.method() == Method::POST;
    let page = pages::page(
        sources,
        request.uri().path(),
        &query(request.uri().query().unwrap_or_default()),
        post,
    );
    let mut response = Response::new(Bytes::from(page.body));
    *response.status_mut() = page.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(page.kind));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, max-age=0"),
    );
    headers.insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::SERVER, HeaderValue::from_static("ferromesh"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded() {
        let q = query("filter=a%5Eb+c&usedonly&bad=%zz");
        assert_eq!(q["filter"], "a^b c");
        assert_eq!(q["usedonly"], "");
        assert_eq!(q["bad"], "%zz");
    }
}

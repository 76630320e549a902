//! One HTTP/2 stream, either side, over the `h2` crate.

use std::future::Future;
use std::sync::LazyLock;
use std::task::{Context, Poll, ready};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::{Buf, Bytes, BytesMut};
use h2::{RecvStream, SendStream};

use super::stream::{Fill, StreamError};
use super::{HeaderId, HeaderList, RequestHead, ResponseHead, Scheme, Version};
use crate::codec::h1::BodyLength;

/// The first bytes of a body go out without asking the peer's window first: the crate holds them until they may.
const EAGER: usize = 16 * 1024;

/// The sending half before and after its head went out.
#[derive(Debug)]
enum Sending {
    /// A server that has not answered yet.
    Respond(h2::server::SendResponse<Bytes>),
    Open(SendStream<Bytes>),
    Done(Option<SendStream<Bytes>>),
}

/// A stream.
#[derive(Debug)]
pub(crate) struct H2Stream {
    receiving: Option<RecvStream>,
    current: Bytes,
    trailers: Option<Box<HeaderList>>,
    sending: Sending,
    response: Option<h2::client::ResponseFuture>,
    out: BytesMut,
    /// The end was queued, with these trailers.
    end: Option<Option<HeaderMap>>,
    sent: usize,
    /// The peer reset the stream.
    pub(crate) peer_reset: bool,
}

impl H2Stream {
    /// A request that a server accepted.
    #[must_use]
    pub(crate) fn server(body: RecvStream, respond: h2::server::SendResponse<Bytes>) -> Self {
        let receiving = (!body.is_end_stream()).then_some(body);
        Self::new(receiving, Sending::Respond(respond), None)
    }

    /// A request that a client has sent.
    #[must_use]
    pub(crate) fn client(
        response: h2::client::ResponseFuture,
        send: SendStream<Bytes>,
        ended: bool,
    ) -> Self {
        let sending = if ended {
            Sending::Done(Some(send))
        } else {
            Sending::Open(send)
        };
        Self::new(None, sending, Some(response))
    }

    fn new(
        receiving: Option<RecvStream>,
        sending: Sending,
        response: Option<h2::client::ResponseFuture>,
    ) -> Self {
        Self {
            receiving,
            current: Bytes::new(),
            trailers: None,
            sending,
            response,
            out: BytesMut::new(),
            end: None,
            sent: 0,
            peer_reset: false,
        }
    }

    /// The response head; informational ones are passed over.
    pub(crate) fn poll_response(
        &mut self,
        head: &mut ResponseHead,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), StreamError>> {
        let Some(response) = self.response.as_mut() else {
            return Poll::Ready(Err(StreamError::Closed));
        };
        let result = ready!(std::pin::Pin::new(response).poll(cx));
        self.response = None;
        let (parts, body) = result
            .map_err(|error| StreamError::h2(&error))?
            .into_parts();
        head.clear();
        head.status = parts.status.as_u16();
        head.version = Version::Http2;
        head.body = if body.is_end_stream() {
            BodyLength::None
        } else {
            BodyLength::UntilClose
        };
        copy_fields(&parts.headers, &mut head.headers);
        if !body.is_end_stream() {
            self.receiving = Some(body);
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the response head.
    pub(crate) fn send_response(
        &mut self,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), StreamError> {
        let mut response = ::http::Response::new(());
        *response.status_mut() = ::http::StatusCode::from_u16(head.status).unwrap_or_default();
        *response.headers_mut() = to_map(&head.headers);
        let Sending::Respond(respond) = &mut self.sending else {
            return Err(StreamError::Closed);
        };
        let stream = respond
            .send_response(response, end)
            .map_err(|error| StreamError::h2(&error))?;
        self.sending = if end {
            Sending::Done(Some(stream))
        } else {
            Sending::Open(stream)
        };
        Ok(())
    }

    /// Sends a head before the response's own.
    pub(crate) fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        let mut response = ::http::Response::new(());
        *response.status_mut() = ::http::StatusCode::from_u16(head.status).unwrap_or_default();
        *response.headers_mut() = to_map(&head.headers);
        let Sending::Respond(respond) = &mut self.sending else {
            return Err(StreamError::Closed);
        };
        respond
            .send_informational(response)
            .map_err(|error| StreamError::h2(&error))
    }

    /// Ends the stream with an error code.
    pub(crate) fn reset(&mut self, reason: h2::Reason) {
        match &mut self.sending {
            Sending::Respond(respond) => respond.send_reset(reason),
            Sending::Open(stream) | Sending::Done(Some(stream)) => stream.send_reset(reason),
            Sending::Done(None) => {}
        }
        self.sending = Sending::Done(None);
    }

    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Fill, StreamError>> {
        loop {
            if !self.current.is_empty() {
                return Poll::Ready(Ok(Fill::Data));
            }
            let Some(stream) = self.receiving.as_mut() else {
                return Poll::Ready(Ok(Fill::End));
            };
            match ready!(stream.poll_data(cx)) {
                Some(Ok(data)) => self.current = data,
                Some(Err(error)) => {
                    self.peer_reset = true;
                    return Poll::Ready(Err(StreamError::h2(&error)));
                }
                None => {
                    match ready!(stream.poll_trailers(cx)) {
                        Ok(Some(map)) => {
                            let mut trailers = Box::<HeaderList>::default();
                            copy_fields(&map, &mut trailers);
                            self.trailers = Some(trailers);
                        }
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Err(StreamError::h2(&error))),
                    }
                    self.receiving = None;
                }
            }
        }
    }

    #[must_use]
    pub(crate) fn data(&self) -> &[u8] {
        &self.current
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.current.advance(n);
        if let Some(stream) = self.receiving.as_mut() {
            // The window was opened for bytes that have been passed on; an error means the stream is gone already.
            let _ = stream.flow_control().release_capacity(n);
        }
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Box<HeaderList>> {
        self.trailers.take()
    }

    #[must_use]
    pub(crate) fn body_done(&self) -> bool {
        self.receiving.is_none() && self.current.is_empty() && self.response.is_none()
    }

    #[must_use]
    pub(crate) fn queued(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn push(&mut self, data: &[u8]) {
        self.out.extend_from_slice(data);
    }

    pub(crate) fn finish(&mut self, trailers: Option<&HeaderList>) {
        self.end = Some(trailers.filter(|t| !t.is_empty()).map(to_map));
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let Sending::Open(stream) = &mut self.sending else {
            self.out.clear();
            return Poll::Ready(Ok(()));
        };
        while !self.out.is_empty() {
            let n = if self.sent + self.out.len() <= EAGER {
                self.out.len()
            } else {
                stream.reserve_capacity(self.out.len());
                match ready!(stream.poll_capacity(cx)) {
                    Some(Ok(n)) => n.min(self.out.len()),
                    Some(Err(error)) => return Poll::Ready(Err(StreamError::h2(&error))),
                    None => return Poll::Ready(Err(StreamError::Closed)),
                }
            };
            if n == 0 {
                continue;
            }
            self.sent += n;
            let chunk = self.out.split_to(n).freeze();
            let last = self.out.is_empty() && matches!(self.end, Some(None));
            stream
                .send_data(chunk, last)
                .map_err(|error| StreamError::h2(&error))?;
            if last {
                return Poll::Ready(self.close());
            }
        }
        match self.end.take() {
            None => Poll::Ready(Ok(())),
            Some(None) => {
                stream
                    .send_data(Bytes::new(), true)
                    .map_err(|error| StreamError::h2(&error))?;
                Poll::Ready(self.close())
            }
            Some(Some(trailers)) => {
                stream
                    .send_trailers(trailers)
                    .map_err(|error| StreamError::h2(&error))?;
                Poll::Ready(self.close())
            }
        }
    }

    fn close(&mut self) -> Result<(), StreamError> {
        if let Sending::Open(stream) = std::mem::replace(&mut self.sending, Sending::Done(None)) {
            self.sending = Sending::Done(Some(stream));
        }
        Ok(())
    }

    /// Ready when the peer has reset the stream.
    pub(crate) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        let result = match &mut self.sending {
            Sending::Respond(respond) => ready!(respond.poll_reset(cx)),
            Sending::Open(stream) | Sending::Done(Some(stream)) => ready!(stream.poll_reset(cx)),
            Sending::Done(None) => return Poll::Pending,
        };
        self.peer_reset = true;
        Poll::Ready(match result {
            Ok(reason) => StreamError::StreamReset(reason),
            Err(error) => StreamError::h2(&error),
        })
    }
}

fn copy_fields(from: &HeaderMap, to: &mut HeaderList) {
    for (name, value) in from {
        to.append(name.as_str(), value.as_bytes());
    }
}

/// The known names as `http` has them: a clone neither checks nor allocates.
static NAMES: LazyLock<Vec<HeaderName>> = LazyLock::new(|| {
    HeaderId::all()
        .map(|id| HeaderName::from_static(id.name()))
        .collect()
});

/// Fields that HTTP/2 forbids (RFC 9113 §8.2.2) are left out. Values are copied one by one: those that the encoder
/// keeps in its table must not keep the whole message.
fn to_map(from: &HeaderList) -> HeaderMap {
    let names = &*NAMES;
    let mut map = HeaderMap::with_capacity(from.len());
    for (id, name, value) in from.iter() {
        let hop = matches!(
            id,
            HeaderId::Connection
                | HeaderId::KeepAlive
                | HeaderId::ProxyConnection
                | HeaderId::TransferEncoding
                | HeaderId::Upgrade
                | HeaderId::Host
                | HeaderId::Http2Settings
        );
        if hop {
            continue;
        }
        let known = names.get(id as usize).cloned();
        let Some(name) = known.or_else(|| HeaderName::from_bytes(name).ok()) else {
            continue;
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(name, value);
        }
    }
    map
}

/// Reads a request that `h2` accepted.
pub(crate) fn read_request(parts: &::http::request::Parts, ended: bool, head: &mut RequestHead) {
    head.clear();
    head.version = Version::Http2;
    head.set_method(parts.method.as_str().as_bytes());
    if let Some(path) = parts.uri.path_and_query() {
        head.set_path(path.as_str().as_bytes());
    }
    if let Some(authority) = parts.uri.authority() {
        head.set_authority(authority.as_str().as_bytes());
        head.host_present = true;
    }
    if let Some(protocol) = parts.extensions.get::<h2::ext::Protocol>() {
        head.set_protocol(protocol.as_str().as_bytes());
    }
    head.scheme = if parts.uri.scheme_str() == Some("https") {
        Scheme::Https
    } else {
        Scheme::Http
    };
    copy_fields(&parts.headers, &mut head.headers);
    if !head.host_present && head.headers.has_id(HeaderId::Host) {
        head.authority_from_host();
        head.host_present = true;
    }
    head.headers.remove_id(HeaderId::Host);
    join_cookies(&mut head.headers);
    head.body = if ended {
        BodyLength::None
    } else {
        BodyLength::UntilClose
    };
}

/// RFC 9113 §8.2.3: cookie crumbs become one field on their way to HTTP/1.
fn join_cookies(headers: &mut HeaderList) {
    if headers.all_id(HeaderId::Cookie).count() > 1 {
        let crumbs: Vec<&[u8]> = headers.all_id(HeaderId::Cookie).collect();
        let joined = crumbs.join(&b"; "[..]);
        headers.set_id(HeaderId::Cookie, &joined);
    }
}

/// Builds the request that `h2` sends.
pub(crate) fn to_request(head: &RequestHead) -> Result<::http::Request<()>, StreamError> {
    let bad = |_| StreamError::Http2("the request cannot be expressed in HTTP/2".into());
    let mut request = ::http::Request::new(());
    *request.method_mut() = ::http::Method::from_bytes(head.method()).map_err(|_| bad(()))?;
    *request.version_mut() = ::http::Version::HTTP_2;
    let mut uri = ::http::Uri::builder();
    let plain_connect = head.is_connect() && head.protocol().is_empty();
    if !head.authority().is_empty() {
        uri = uri.authority(head.authority());
    }
    if !plain_connect {
        uri = uri.scheme(head.scheme.as_str()).path_and_query(head.path());
    }
    *request.uri_mut() = uri.build().map_err(|_| bad(()))?;
    if !head.protocol().is_empty() {
        let protocol = String::from_utf8_lossy(head.protocol());
        request
            .extensions_mut()
            .insert(h2::ext::Protocol::from(&*protocol));
    }
    *request.headers_mut() = to_map(&head.headers);
    Ok(request)
}

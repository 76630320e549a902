//! One request from its head to its log line: route, filters, attempts upstream, response. HTTP/1 and HTTP/2 alike.

pub(crate) mod answer;
mod attempt;
mod clocks;
mod direct;
mod failure;
mod filter;
mod finalize;
mod forward;
mod interim;
mod limits;
mod mirror;
mod relay;
mod respond;
mod retry;
mod target;
mod upstream;

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use crate::codec::h1::BodyLength;
use crate::config::hcm::RouteSource;
use crate::config::route::{Action, ClusterChoice, RequireTls, Route, WeightedCluster};
use crate::config::{Config, Hcm, RouteTable};
use crate::downstream::h1::Last;
use crate::filters::path::PATH_NORMALIZATION_FAILED;
use crate::http::hcm::{self, Refusal, Reply};
use crate::http::stream::{Stream, StreamError};
use crate::http::timer::Deadline;
use crate::http::{HeaderId, HeaderList, RequestHead, ResponseHead, Version, has_token};
use crate::observe::counted;
use crate::observe::hooks;
use crate::observe::log::ExchangeContext;
use crate::observe::record::{ConnectionFacts, Cut, Exchange, RequestRecord, ResponseFlags};
use crate::worker::Worker;

use answer::Manner;
pub(crate) use failure::ResetReason;
use forward::Routing;

/// What becomes of an HTTP/1 connection after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    KeepAlive,
    Close,
}

/// Why serving a request stopped before its response was complete.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The proxy answers.
    Reply(Box<Reply>),
    /// The client is gone or broke its message.
    Downstream(StreamError),
    /// The response had begun and cannot be completed; flags and details are recorded.
    Broken,
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Self {
        Self::Reply(Box::new(reply))
    }
}

/// Where the settings of the chosen route stand, beside the record's own virtual host and route.
pub(crate) struct Chosen {
    table: Arc<RouteTable>,
    /// Index of the weighted cluster.
    weighted: Option<usize>,
}

/// One request in the course of being served.
pub(crate) struct Turn<'c> {
    pub(crate) worker: &'c Rc<Worker>,
    pub(crate) connection: &'c Arc<ConnectionFacts>,
    pub(crate) hcm: &'c Arc<Hcm>,
    pub(crate) down: &'c mut Stream,
    pub(crate) timer: &'c mut Deadline,
    pub(crate) request: &'c mut RequestHead,
    pub(crate) response: &'c mut ResponseHead,
    pub(crate) record: RequestRecord,
    pub(crate) config: Arc<Config>,
    /// The connection is draining or has served its last request.
    pub(crate) last: Last<'c>,
    pub(crate) manner: Manner,
    pub(crate) head_sent: bool,
    pub(crate) on: &'c counted::HttpConnection,
    pub(crate) _counted: counted::Request<'c>,
    /// Once filters have seen the request: what local replies take from the route.
    pub(crate) chosen: Option<Chosen>,
    pub(crate) trailers: Option<Box<HeaderList>>,
}

impl<'c> Turn<'c> {
    /// Serves the request whose head was just read.
    pub(crate) async fn run(&mut self) -> After {
        self.prepare();
        let result = match self.serve().await {
            Err(Stop::Reply(reply)) => self.reply(&reply).await,
            other => other,
        };
        let after = match result {
            Ok(()) => self.complete(),
            Err(stop) => {
                self.break_off(&stop);
                After::Close
            }
        };
        self.finish();
        after
    }

    /// Answers a head that could not be read, and logs it. The connection ends.
    pub(crate) async fn refuse_head(&mut self, reply: Reply) {
        // Envoy's codec takes a client for one of HTTP/1.1 until it has read a head.
        self.record.protocol = Some(Version::Http11);
        self.record.cut = Some(Cut::Client);
        self.request.clear();
        self.request.body = BodyLength::UntilClose;
        if let Stream::H1(conn) = &mut *self.down {
            conn.expect_body(BodyLength::None);
        }
        if let Err(stop) = self.reply(&reply.closing()).await {
            self.break_off(&stop);
        }
        self.finish();
    }

    fn prepare(&mut self) {
        let head = &*self.request;
        self.record.protocol = Some(head.version);
        let closes = match head.version {
            Version::Http10 => !has_token(&head.headers, HeaderId::Connection, b"keep-alive"),
            Version::Http11 => {
                head.headers.has_id(HeaderId::Connection)
                    && has_token(&head.headers, HeaderId::Connection, b"close")
            }
            Version::Http2 => false,
        };
        self.manner = Manner {
            version: head.version,
            to_head_request: head.is_head(),
            close: closes,
            keep_alive_asked: head.version == Version::Http10 && !closes,
            tunnel: false,
        };
        if let Stream::H1(conn) = &mut *self.down {
            conn.expect_body(head.body);
            // Until the head of the response says otherwise.
            conn.frame_body(BodyLength::None);
        }
        if head.body == BodyLength::None {
            self.record.moments.request_end = Some(self.record.start);
        }
    }

    async fn serve(&mut self) -> Result<(), Stop> {
        let worker = self.worker;
        let (hcm, connection) = (self.hcm, self.connection);
        hcm::process_request(hcm, connection, self.request, &mut self.record, || {
            worker.random()
        })
        .map_err(|refusal| self.refuse(refusal))?;
        self.normalize_path()?;
        self.continue_expected().await?;
        let table: Arc<RouteTable> = match &hcm.routes {
            RouteSource::Inline(table) => Arc::clone(table),
            RouteSource::Rds { id, .. } => match self.config.route_table(*id) {
                Some(table) => Arc::clone(table),
                None => return Err(self.no_route()),
            },
        };
        let Some(vhost) = table.virtual_host(self.request.authority()).map(Arc::clone) else {
            return Err(self.no_route());
        };
        self.record.virtual_host = Some(Arc::clone(&vhost));
        self.require_tls(vhost.require_tls)?;
        let random = worker.random();
        let Some(route) = table.route(&vhost, &self.view(), random).map(Arc::clone) else {
            return Err(self.no_route());
        };
        self.record.route = Some(Arc::clone(&route));
        self.remove_internal_headers(&table);
        let chosen = match &route.action {
            Action::Forward(forward) => Some((forward, self.choose_cluster(forward))),
            _ => None,
        };
        let weighted = chosen.as_ref().and_then(|(_, (_, weighted))| *weighted);
        let filters = weighted.map_or(&route.filters, |weighted| &weighted.filters);
        let cluster = chosen.as_ref().and_then(|(_, (id, _))| *id);
        self.chosen = Some(Chosen {
            table: Arc::clone(&table),
            weighted: weighted.and_then(|weighted| index_of(&route, weighted)),
        });
        if let Err(stop) = self.filter(filters, cluster).await {
            // Envoy names the cluster of a route whoever answers.
            let cluster = cluster.and_then(|id| self.config.cluster(id));
            self.record.cluster = cluster.map(|cluster| Arc::clone(&cluster.info));
            return Err(stop);
        }
        self.record.routed = true;
        match &route.action {
            Action::Forward(forward) => {
                let routing = Routing {
                    table: &table,
                    vhost: &vhost,
                    route: &route,
                    forward,
                    weighted,
                    filters,
                };
                self.forward(routing, cluster).await
            }
            Action::Redirect(redirect) => Err(self.redirect(&table, &vhost, &route, redirect)),
            Action::Direct(direct) => Err(self.direct(&table, &vhost, &route, direct)),
        }
    }

    /// `internal_only_headers` of external clients.
    fn remove_internal_headers(&mut self, table: &RouteTable) {
        if !self.record.internal {
            for name in &table.options.internal_only_headers {
                self.request.headers.remove(name.as_str());
            }
        }
    }

    /// The request as matchers and format strings see it.
    pub(crate) fn view(&self) -> Exchange<'_> {
        Exchange {
            record: &self.record,
            connection: self.connection,
            request: Some(self.request),
            response: Some(self.response),
            trailers: self.trailers.as_deref(),
        }
    }

    /// The request as format strings see it.
    pub(crate) fn context(&self) -> ExchangeContext<'_> {
        ExchangeContext {
            exchange: self.view(),
            hostname: &self.worker.shared.observe.hostname,
        }
    }

    fn refuse(&mut self, refusal: Refusal) -> Stop {
        if refusal.details == PATH_NORMALIZATION_FAILED {
            hooks::in_http(self.worker, self.hcm, |group| {
                group.downstream_rq_failed_path_normalization.inc();
            });
        } else if refusal.details.starts_with("http1.") {
            self.record.cut = Some(Cut::Client);
        }
        let reply = Reply::new(refusal.status, refusal.body, refusal.details).flag(refusal.flags);
        if refusal.close {
            reply.closing().into()
        } else {
            reply.into()
        }
    }

    fn no_route(&mut self) -> Stop {
        self.record.routed = true;
        Reply::new(404, "", "route_not_found")
            .flag(ResponseFlags::NO_ROUTE_FOUND)
            .into()
    }

    fn require_tls(&mut self, rule: RequireTls) -> Result<(), Stop> {
        let needed = match rule {
            RequireTls::None => false,
            RequireTls::ExternalOnly => !self.record.internal,
            RequireTls::All => true,
        };
        if !needed || self.request.headers.get_id(HeaderId::XForwardedProto) == Some(b"https") {
            return Ok(());
        }
        self.record.routed = true;
        let mut location = b"https://".to_vec();
        location.extend_from_slice(self.request.authority());
        location.extend_from_slice(self.request.path());
        Err(Reply::new(301, "", "direct_response")
            .header(HeaderId::Location, location)
            .into())
    }

    /// RFC 9110 §10.1.1. Envoy answers `100 Continue` itself unless it is told to pass it on.
    async fn continue_expected(&mut self) -> Result<(), Stop> {
        if !self.request.headers.has_id(HeaderId::Expect) || self.hcm.proxy_100_continue {
            return Ok(());
        }
        let asked = self
            .request
            .headers
            .get_id(HeaderId::Expect)
            .is_some_and(|v| v.eq_ignore_ascii_case(b"100-continue"));
        if !asked {
            return Ok(());
        }
        self.request.headers.remove_id(HeaderId::Expect);
        if let Stream::H1(conn) = &mut *self.down
            && self.request.version == Version::Http11
            && conn.unread() == 0
        {
            conn.send
                .bytes()
                .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            std::future::poll_fn(|cx| conn.poll_flush(cx))
                .await
                .map_err(Stop::Downstream)?;
            self.record.status = 100;
        }
        Ok(())
    }

    /// Whether the connection goes on. A body that the client has not finished sending cannot be skipped safely.
    fn complete(&mut self) -> After {
        if !self.down.body_done() {
            self.record.cut = self.record.cut.or(Some(Cut::Client));
        }
        if self.manner.close || !self.down.body_done() {
            After::Close
        } else {
            After::KeepAlive
        }
    }

    fn break_off(&mut self, stop: &Stop) {
        let h1 = matches!(self.down, Stream::H1(_));
        self.record.cut = Some(match stop {
            Stop::Downstream(_) => Cut::Client,
            _ => Cut::Proxy,
        });
        match self.record.cut {
            Some(Cut::Client) if h1 => self.on.interrupted(),
            Some(Cut::Proxy) if h1 => self.on.closed_by_us(),
            _ => {}
        }
        if let Stop::Downstream(error) = stop {
            let (flag, details) = match error {
                StreamError::Malformed(at) => {
                    self.record.cause = Some(crate::http::cause_of(at));
                    (ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR, at.fault.details())
                }
                StreamError::StreamReset(_) => (
                    ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
                    "http2.remote_reset",
                ),
                _ => (
                    ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION,
                    "downstream_remote_disconnect",
                ),
            };
            self.record.flags.insert(flag);
            self.record.details = details.into();
        }
        if let Stream::H2(stream) = &mut *self.down {
            stream.reset(h2::Reason::INTERNAL_ERROR);
        }
    }

    fn finish(&mut self) {
        let now = Instant::now();
        self.record.moments.end = Some(now);
        if let Stream::H1(conn) = &mut *self.down {
            (self.record.received.wire, self.record.sent.wire) = conn.lap();
        }
        let exchange = self.view();
        hooks::on_request_complete(self.worker, self.hcm, &exchange);
    }

    /// Sends an answer of our own.
    async fn reply(&mut self, reply: &Reply) -> Result<(), Stop> {
        self.record.flags.insert(reply.flags);
        self.record.details = reply.details.clone();
        self.record.reply_status = reply.status;
        if self.head_sent {
            return Err(Stop::Broken);
        }
        if let Stream::H1(conn) = &mut *self.down {
            // What is left of a small request body is dropped, so that the connection can go on.
            std::future::poll_fn(|cx| {
                while let Poll::Ready(Ok(crate::http::stream::Fill::Data)) = conn.poll_fill(cx) {
                    let n = conn.data().len();
                    conn.consume(n);
                }
                Poll::Ready(())
            })
            .await;
        }
        let staged = self.with_route_headers(reply);
        let body = self.local_reply(staged.as_ref().unwrap_or(reply));
        // As Envoy: a 400 speaks of messages that may have gone out of step, whoever found it.
        self.manner.close |= reply.close
            || (reply.status == 400 && !self.down_is_h2())
            || self.request.is_connect()
            || !self.down.body_done()
            || self.last.is_last();
        let length = if body.is_empty() {
            BodyLength::None
        } else {
            BodyLength::Length(body.len() as u64)
        };
        self.head_sent = true;
        answer::send_response(self.down, self.response, length, self.manner)
            .map_err(Stop::Downstream)?;
        self.record.status = self.response.status;
        self.note_grpc_status();
        self.record.moments.downstream_tx_begin = Some(Instant::now());
        if !self.manner.to_head_request && !body.is_empty() {
            self.down.push(&body);
            self.record.sent.body = body.len() as u64;
        }
        self.down.finish(None);
        self.record.local_reply = Some(body);
        self.flush().await?;
        self.record.moments.downstream_tx_end = Some(Instant::now());
        Ok(())
    }

    /// Sends what is queued, for as long as the peer keeps taking it.
    async fn flush(&mut self) -> Result<(), Stop> {
        let limit = self
            .hcm
            .timeouts
            .stream_flush
            .or(self.hcm.timeouts.stream_idle);
        let deadline = limit.map(|limit| Instant::now() + limit);
        let (down, timer) = (&mut *self.down, &mut *self.timer);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = down.poll_flush(cx) {
                return Poll::Ready(result.map_err(Stop::Downstream));
            }
            timer.poll(deadline, cx).map(|()| Err(Stop::Broken))
        })
        .await
    }
}

/// The place of a weighted cluster among those of its route.
fn index_of(route: &Route, weighted: &WeightedCluster) -> Option<usize> {
    let Action::Forward(forward) = &route.action else {
        return None;
    };
    match &forward.cluster {
        ClusterChoice::Weighted(all) => {
            let mut clusters = all.clusters.iter();
            clusters.position(|cluster| std::ptr::eq(cluster, weighted))
        }
        _ => None,
    }
}

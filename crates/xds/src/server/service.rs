//! Connects [`Stream`] to tonic: one task a stream, at most a few responses in its channel, always the newest view.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base::SpiffeId;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::stream::Stream;
use super::wire::{Event, Form, Limits, Push, WireRequest};
use crate::View;
use crate::envoy::config::core::v3::Node;
use crate::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use crate::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};

/// Responses that may wait for the transport; a client that does not read is not read from either.
const QUEUE: usize = 2;

/// How long a new stream may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(15);

/// Requests grow with the number of names and with what a reconnecting client holds; gRPC's default of 4 MiB is
/// too little for large meshes (istio/istio#52815).
const MAX_REQUEST: usize = 64 << 20;

/// Who is at the other end of a connection. The composition root puts it into the extensions of each request,
/// after the TLS handshake.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerIdentity {
    /// From the client's verified certificate, if it presented one.
    pub spiffe: Option<SpiffeId>,
    pub addr: Option<SocketAddr>,
}

/// Names one stream for the life of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// A stream that has introduced itself.
#[derive(Debug, Clone)]
pub struct ConnInfo {
    pub id: ConnId,
    pub peer: PeerIdentity,
    pub node: Node,
    pub form: Form,
    /// The token of an `authorization: Bearer` header, which proves the identity of a client without certificate.
    pub bearer: Option<BearerToken>,
}

/// A credential: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(pub String);

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

/// Decides what each node should have, and hears what became of it.
#[async_trait]
pub trait Planner: Send + Sync + 'static {
    /// Admits a stream. The receiver's value is what the node should have; it is read at once and after each
    /// change. When its sender is gone the stream ends. An error refuses the stream.
    async fn connect(&self, conn: ConnInfo) -> Result<watch::Receiver<Arc<View>>, Status>;

    /// Something happened on an admitted stream. Called from the stream's task, in order; must not block.
    fn event(&self, conn: ConnId, event: Event);

    /// An admitted stream has ended. Called exactly once.
    fn closed(&self, conn: ConnId);
}

/// How the service behaves.
#[derive(Debug, Clone, Default)]
pub struct AdsOptions {
    pub limits: Limits,
    /// Stands in each response and identifies the control plane; may be empty.
    pub identifier: Arc<str>,
    /// When it becomes true, streams end and clients connect again, elsewhere.
    pub drain: Option<watch::Receiver<bool>>,
}

/// The aggregated discovery service, both forms, for `tonic::transport::Server::add_service`.
#[must_use]
pub fn ads_service(
    planner: Arc<dyn Planner>,
    options: AdsOptions,
) -> AggregatedDiscoveryServiceServer<Ads> {
    AggregatedDiscoveryServiceServer::new(Ads { planner, options })
        .max_decoding_message_size(MAX_REQUEST)
        .max_encoding_message_size(usize::MAX)
}

/// Serves aggregated discovery; see [`ads_service`].
#[derive(Clone)]
pub struct Ads {
    planner: Arc<dyn Planner>,
    options: AdsOptions,
}

#[async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = ReceiverStream<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: tonic::Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(self.start(request))
    }

    async fn delta_aggregated_resources(
        &self,
        request: tonic::Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(self.start(request))
    }
}

impl Ads {
    fn start<R: WireRequest>(
        &self,
        request: tonic::Request<Streaming<R>>,
    ) -> Response<ReceiverStream<Result<R::Response, Status>>> {
        let mut peer = request
            .extensions()
            .get::<PeerIdentity>()
            .cloned()
            .unwrap_or_default();
        peer.addr = peer.addr.or_else(|| request.remote_addr());
        let authorization = request.metadata().get("authorization");
        let bearer = authorization
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .map(|token| BearerToken(token.trim().into()));
        let (responses, queue) = mpsc::channel(QUEUE);
        let session = Session::<R> {
            ads: self.clone(),
            inbound: request.into_inner(),
            responses: responses.clone(),
        };
        // The task ends with the connection: its inbound half fails and its queue closes.
        tokio::spawn(async move {
            if let Err(status) = session.run(peer, bearer).await {
                let _ = responses.send(Err(status)).await;
            }
        });
        Response::new(ReceiverStream::new(queue))
    }
}

/// Tells the planner that a stream has ended, however it ends.
struct Admitted {
    id: ConnId,
    planner: Arc<dyn Planner>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.planner.closed(self.id);
    }
}

struct Session<R: WireRequest> {
    ads: Ads,
    inbound: Streaming<R>,
    responses: mpsc::Sender<Result<R::Response, Status>>,
}

impl<R: WireRequest> Session<R> {
    /// Serves the stream until it ends.
    async fn run(mut self, peer: PeerIdentity, bearer: Option<BearerToken>) -> Result<(), Status> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let first = tokio::time::timeout(INTRODUCTION, self.inbound.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no discovery request came"))??;
        let Some(first) = first else {
            return Ok(());
        };
        let (node, request) = first.split();
        let node =
            node.ok_or_else(|| Status::invalid_argument("the first request carries no node"))?;
        let id = ConnId(NEXT.fetch_add(1, Ordering::Relaxed));
        let conn = ConnInfo {
            id,
            peer,
            node,
            form: R::FORM,
            bearer,
        };
        let views = self.ads.planner.connect(conn).await?;
        let admitted = Admitted {
            id,
            planner: Arc::clone(&self.ads.planner),
        };
        let mut stream = Stream::new(R::FORM, self.ads.options.limits);
        let pushes = stream
            .on_request(Instant::now(), request)
            .map_err(violation)?;
        self.deliver(&mut stream, id, pushes).await?;
        let ended = self.serve(&mut stream, id, views).await;
        drop(admitted);
        ended
    }

    async fn serve(
        &mut self,
        stream: &mut Stream,
        id: ConnId,
        mut views: watch::Receiver<Arc<View>>,
    ) -> Result<(), Status> {
        let mut drain = self.ads.options.drain.clone();
        let view = Arc::clone(&views.borrow_and_update());
        let pushes = stream.on_view(Instant::now(), view);
        self.deliver(stream, id, pushes).await?;
        loop {
            let pushes = tokio::select! {
                message = self.inbound.message() => match message? {
                    Some(message) => {
                        let (_, request) = message.split();
                        stream.on_request(Instant::now(), request).map_err(violation)?
                    }
                    None => return Ok(()),
                },
                changed = views.changed() => {
                    if changed.is_err() {
                        return Err(Status::unavailable("the control plane has stopped"));
                    }
                    let view = Arc::clone(&views.borrow_and_update());
                    stream.on_view(Instant::now(), view)
                }
                () = sleep_until(stream.poll_timeout()) => stream.on_timeout(Instant::now()),
                () = draining(drain.as_mut()) => return Err(Status::unavailable("the control plane is draining")),
                () = self.responses.closed() => return Ok(()),
            };
            self.deliver(stream, id, pushes).await?;
        }
    }

    /// Waits until the transport has taken the responses: what changes meanwhile is merged into the newest view.
    async fn deliver(
        &mut self,
        stream: &mut Stream,
        id: ConnId,
        pushes: Vec<Push>,
    ) -> Result<(), Status> {
        for event in stream.take_events() {
            self.ads.planner.event(id, event);
        }
        for push in pushes {
            let response = R::response(push, &self.ads.options.identifier);
            if self.responses.send(Ok(response)).await.is_err() {
                return Err(Status::cancelled("the client has gone"));
            }
        }
        Ok(())
    }
}

fn violation(violation: super::wire::Violation) -> Status {
    Status::invalid_argument(violation.to_string())
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

async fn draining(drain: Option<&mut watch::Receiver<bool>>) {
    let announced = match drain {
        Some(drain) => drain.wait_for(|draining| *draining).await.is_ok(),
        None => false,
    };
    if !announced {
        // Without its owner nobody will ever announce a drain.
        std::future::pending::<()>().await;
    }
}

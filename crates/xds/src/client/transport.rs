//! Connects [`Stream`] to tonic: keeps one stream open, applies updates in order, connects again when it ends.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint, Uri};

use super::backoff::Backoff;
use super::stream::{Nack, Stream, Subscriptions, Update, Violation};
use crate::envoy::config::core::v3::Node;
use crate::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use crate::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};

/// Requests between the state machine and the transport.
const QUEUE: usize = 16;

/// Time for a connection to be made and the stream to be opened.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest response that is accepted.
const MAX_RESPONSE: usize = 256 << 20;

/// Makes a connection. It is called for each attempt, so that certificates which have rotated are used.
pub type Connect = Arc<
    dyn Fn() -> BoxFuture<'static, Result<Channel, Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Sync,
>;

/// How to reach the control plane, and as whom.
#[derive(Clone)]
pub struct ClientOptions {
    pub connect: Connect,
    pub node: Node,
    /// A bearer token for each attempt, for clients without certificate.
    pub token: Option<Arc<dyn Fn() -> Option<String> + Send + Sync>>,
    pub backoff: Backoff,
    /// What is in use already, such as the last good configuration on disk: type, name, version.
    pub adopted: Vec<(Arc<str>, Arc<str>, String)>,
}

impl ClientOptions {
    #[must_use]
    pub fn new(connect: Connect, node: Node) -> Self {
        Self {
            connect,
            node,
            token: None,
            backoff: Backoff::default(),
            adopted: Vec::new(),
        }
    }
}

/// Applies what arrives.
pub trait Handler: Send {
    /// Applies one update; what it makes necessary to subscribe to goes into `subscriptions`. Called in the order
    /// of arrival, also for empty updates, which say that there is nothing.
    ///
    /// # Errors
    /// Resources that are not accepted. All others of the update must be in use then.
    fn apply(&mut self, update: Update, subscriptions: &mut Subscriptions) -> Result<(), Nack>;

    /// The stream to the control plane is open.
    fn connected(&mut self) {}

    /// The stream ended, or could not be opened; `retry_in` is the time until the next attempt.
    fn disconnected(&mut self, error: &SessionError, retry_in: Duration) {
        let _ = (error, retry_in);
    }
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("cannot connect to the control plane: {0}")]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    #[error("the control plane did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the control plane ended the stream: {0}")]
    Status(tonic::Status),
    #[error("the control plane closed the stream")]
    Closed,
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl From<tonic::Status> for SessionError {
    fn from(status: tonic::Status) -> Self {
        Self::Status(status)
    }
}

/// Changes subscriptions of a running client from elsewhere.
#[derive(Debug, Clone)]
pub struct Subscriber(mpsc::UnboundedSender<Subscriptions>);

impl Subscriber {
    /// Has no effect once the client has ended.
    pub fn update(&self, subscriptions: Subscriptions) {
        let _ = self.0.send(subscriptions);
    }
}

/// A [`Subscriber`] and what [`run`] needs of it.
#[must_use]
pub fn subscriber() -> (Subscriber, mpsc::UnboundedReceiver<Subscriptions>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Subscriber(sender), receiver)
}

/// An endpoint with the keep-alive of a client that must notice within half a minute that its server has gone.
#[must_use]
pub fn endpoint(uri: Uri) -> Endpoint {
    Endpoint::from(uri)
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .http2_keep_alive_interval(Duration::from_secs(15))
        .keep_alive_timeout(Duration::from_secs(15))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
}

/// Keeps the client's configuration up to date until the future is dropped.
pub async fn run<H: Handler>(
    options: ClientOptions,
    mut handler: H,
    subscriptions: Subscriptions,
    changes: mpsc::UnboundedReceiver<Subscriptions>,
) {
    let ClientOptions {
        connect,
        node,
        token,
        mut backoff,
        adopted,
    } = options;
    let mut stream = Stream::new(node);
    stream.update_subscriptions(subscriptions);
    for (type_url, name, version) in adopted {
        stream.adopt(&type_url, [(name, version)]);
    }
    let mut session = Session {
        stream,
        changes,
        changes_open: true,
    };
    loop {
        let ended = session
            .attempt(&connect, token.as_deref(), &mut handler, &mut backoff)
            .await;
        let delay = backoff.next_delay(fastrand::f64());
        handler.disconnected(&ended, delay);
        tokio::time::sleep(delay).await;
    }
}

struct Session {
    stream: Stream,
    changes: mpsc::UnboundedReceiver<Subscriptions>,
    changes_open: bool,
}

impl Session {
    /// One connection, from its beginning to its end.
    async fn attempt<H: Handler>(
        &mut self,
        connect: &Connect,
        token: Option<&(dyn Fn() -> Option<String> + Send + Sync)>,
        handler: &mut H,
        backoff: &mut Backoff,
    ) -> SessionError {
        let token = token.and_then(|token| token());
        let (requests, queue) = mpsc::channel(QUEUE);
        self.stream.on_connect();
        while let Ok(subscriptions) = self.changes.try_recv() {
            self.stream.update_subscriptions(subscriptions);
        }
        // Servers answer the call only when they have seen a request.
        self.fill(&requests);
        let opened = tokio::time::timeout(CONNECT_TIMEOUT, open(connect, token, queue)).await;
        let inbound = match opened {
            Ok(Ok(inbound)) => inbound,
            Ok(Err(error)) => return error,
            Err(_) => return SessionError::Timeout(CONNECT_TIMEOUT),
        };
        handler.connected();
        match self.converse(inbound, &requests, handler, backoff).await {
            Ok(()) => SessionError::Closed,
            Err(error) => error,
        }
    }

    fn fill(&mut self, requests: &mpsc::Sender<DeltaDiscoveryRequest>) {
        while let Ok(permit) = requests.try_reserve()
            && let Some(request) = self.stream.poll_request()
        {
            permit.send(request);
        }
    }

    async fn converse<H: Handler>(
        &mut self,
        mut inbound: Streaming<DeltaDiscoveryResponse>,
        requests: &mpsc::Sender<DeltaDiscoveryRequest>,
        handler: &mut H,
        backoff: &mut Backoff,
    ) -> Result<(), SessionError> {
        loop {
            self.fill(requests);
            tokio::select! {
                // Reading goes on while the transport takes no requests: the server may wait for that.
                response = inbound.message() => {
                    let Some(response) = response? else { return Ok(()) };
                    backoff.reset();
                    self.apply(response, handler)?;
                }
                permit = requests.reserve(), if self.stream.has_request() => {
                    let Ok(permit) = permit else { return Ok(()) };
                    if let Some(request) = self.stream.poll_request() {
                        permit.send(request);
                    }
                }
                change = self.changes.recv(), if self.changes_open => match change {
                    Some(subscriptions) => self.stream.update_subscriptions(subscriptions),
                    None => self.changes_open = false,
                },
            }
        }
    }

    fn apply<H: Handler>(
        &mut self,
        response: DeltaDiscoveryResponse,
        handler: &mut H,
    ) -> Result<(), SessionError> {
        let (update, id) = self.stream.on_response(response)?;
        let removed = update.removed.clone();
        let mut subscriptions = Subscriptions::new();
        let outcome = handler.apply(update, &mut subscriptions);
        self.stream.settle(id, &removed, outcome);
        self.stream.update_subscriptions(subscriptions);
        Ok(())
    }
}

async fn open(
    connect: &Connect,
    token: Option<String>,
    queue: mpsc::Receiver<DeltaDiscoveryRequest>,
) -> Result<Streaming<DeltaDiscoveryResponse>, SessionError> {
    let channel = connect().await.map_err(SessionError::Connect)?;
    let mut client =
        AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE);
    let mut request = tonic::Request::new(ReceiverStream::new(queue));
    if let Some(token) = token {
        let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
            .parse()
            .map_err(|_| SessionError::Connect("the bearer token is no header value".into()))?;
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    Ok(client
        .delta_aggregated_resources(request)
        .await?
        .into_inner())
}

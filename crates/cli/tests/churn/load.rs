//! An open-loop client: requests come at their times, whatever became of the ones before, over HTTP/1.1
//! connections that are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use net::tls::{IdentitySlot, PeerFacts, Roots, SanRule};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// Connections of each of the two listeners.
const CONNECTIONS: usize = 24;
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a gateway listens, and whom its certificate must come from.
#[derive(Clone)]
pub struct Target {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub roots: Roots,
}

#[derive(Default)]
pub struct Outcome {
    pub requests: usize,
    pub failed: usize,
    /// The first of each kind, with its count.
    pub failures: BTreeMap<String, usize>,
    /// Connections that the gateway closed between two requests; the next request took another.
    pub closed_idle: usize,
    pub versions: BTreeMap<String, usize>,
    /// What the routes wrote into `x-step`.
    pub steps: BTreeSet<String>,
    /// Serial numbers of the gateway's certificates.
    pub certificates: BTreeSet<String>,
    pub elapsed: Duration,
}

#[derive(Default)]
struct Shared {
    outcome: Mutex<Outcome>,
    left: AtomicUsize,
}

/// Sends `rate` requests a second until `requests` were sent, and waits for all answers.
pub async fn run(target: &Target, rate: u32, requests: usize) -> Outcome {
    let begin = Instant::now();
    let shared = Arc::new(Shared {
        left: AtomicUsize::new(requests),
        ..Shared::default()
    });
    let tickets = Arc::new(Semaphore::new(0));
    let mut workers = tokio::task::JoinSet::new();
    for index in 0..2 * CONNECTIONS {
        let (target, shared, tickets) = (target.clone(), shared.clone(), tickets.clone());
        workers.spawn(work(target, index % 2 == 1, shared, tickets));
    }
    let mut sent = 0;
    let mut clock = tokio::time::interval(Duration::from_millis(5));
    while sent < requests {
        clock.tick().await;
        let due = (begin.elapsed().as_secs_f64() * f64::from(rate)) as usize;
        let due = due.min(requests);
        tickets.add_permits(due - sent);
        sent = due;
    }
    // Each worker finds out that nothing is left.
    tickets.add_permits(2 * CONNECTIONS);
    while let Some(ended) = workers.join_next().await {
        ended.unwrap();
    }
    let mut outcome = std::mem::take(&mut *shared.outcome.lock().unwrap());
    outcome.elapsed = begin.elapsed();
    outcome
}

async fn work(target: Target, secure: bool, shared: Arc<Shared>, tickets: Arc<Semaphore>) {
    let mut connection = None;
    let mut turn = 0;
    loop {
        tickets.acquire().await.unwrap().forget();
        let took = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if shared.left.fetch_update(order, order, took).is_err() {
            return;
        }
        turn += 1;
        // Some connections are new, so that new handshakes meet new certificates.
        if turn % 100 == 0 {
            connection = None;
        }
        let asked = tokio::time::timeout(
            PATIENCE,
            ask(&target, secure, turn, &mut connection, &shared),
        );
        let failure = match asked.await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some("no answer within 20 s".to_owned()),
        };
        let mut outcome = shared.outcome.lock().unwrap();
        outcome.requests += 1;
        if let Some(why) = failure {
            connection = None;
            outcome.failed += 1;
            *outcome.failures.entry(why).or_default() += 1;
        }
    }
}

type Sender = SendRequest<Empty<Bytes>>;

async fn ask(
    target: &Target,
    secure: bool,
    turn: usize,
    connection: &mut Option<Sender>,
    shared: &Shared,
) -> Result<(), String> {
    let mut sender = match connection.take() {
        None => connect(target, secure, shared).await?,
        // The gateway may close what it no longer wants, between two requests.
        Some(mut kept) => match kept.ready().await {
            Ok(()) => kept,
            Err(_) => {
                shared.outcome.lock().unwrap().closed_idle += 1;
                connect(target, secure, shared).await?
            }
        },
    };
    let host = if secure { "secure.test" } else { "plain.test" };
    let mut request = http::Request::builder().uri("/x").header("host", host);
    if turn.is_multiple_of(3) {
        request = request.header("x-more", "yes");
    }
    let request = request.body(Empty::new()).unwrap();
    let response = match sender.send_request(request).await {
        Ok(response) => response,
        Err(error) => {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            return Err(format!(
                "secure={secure}: {error} {}",
                reason.unwrap_or_default()
            ));
        }
    };
    let status = response.status();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let (step, flags) = (header("x-step"), header("x-envoy-response-flags"));
    let body = response.into_body().collect().await;
    let body = body.map_err(|error| format!("secure={secure}: body: {error}"))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if status != 200 || !body.starts_with('v') {
        let flags = flags.unwrap_or_default();
        let step = step.unwrap_or_default();
        return Err(format!(
            "secure={secure} more={}: {status} {flags} {body:?} at step {step}",
            turn.is_multiple_of(3)
        ));
    }
    let mut outcome = shared.outcome.lock().unwrap();
    *outcome.versions.entry(body).or_default() += 1;
    outcome.steps.extend(step);
    *connection = Some(sender);
    Ok(())
}

async fn connect(target: &Target, secure: bool, shared: &Shared) -> Result<Sender, String> {
    let failed = |error: &dyn std::fmt::Display| format!("secure={secure}: connect: {error}");
    let address = if secure { target.secure } else { target.plain };
    let stream = TcpStream::connect(address).await.map_err(|e| failed(&e))?;
    let _ = stream.set_nodelay(true);
    if !secure {
        return handshake(stream).await;
    }
    let roots = target.roots.clone();
    let nobody: Option<Arc<IdentitySlot>> = None;
    let config =
        net::tls::client_config(roots, SanRule::ServerName, nobody, &[b"http/1.1"]).unwrap();
    let name = "secure.test".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| failed(&error))?;
    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let serial = PeerFacts::of(&leaf).unwrap().serial;
    shared.outcome.lock().unwrap().certificates.insert(serial);
    handshake(stream).await
}

async fn handshake<S>(stream: S) -> Result<Sender, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("handshake: {error}"))?;
    tokio::spawn(connection);
    sender
        .ready()
        .await
        .map_err(|error| format!("ready: {error}"))?;
    Ok(sender)
}

impl Outcome {
    pub fn print(&self, engine: &str) {
        let Self {
            requests,
            failed,
            failures,
            closed_idle,
            versions,
            steps,
            certificates,
            elapsed,
        } = self;
        println!(
            "{engine}: {failed} failed of {requests} requests in {:.1} s ({:.0}/s); {} routes and {} certificates seen; \
             connections closed between requests: {closed_idle}; versions {versions:?}",
            elapsed.as_secs_f64(),
            *requests as f64 / elapsed.as_secs_f64(),
            steps.len(),
            certificates.len(),
        );
        for (why, count) in failures {
            println!("  {count} x {why}");
        }
    }
}

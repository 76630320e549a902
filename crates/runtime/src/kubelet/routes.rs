//! The paths of the kubelet API.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Path, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures::StreamExt;
use http::{HeaderMap, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::query::Query;
use super::streams::{Carrier, Wanted, pair, status};
use super::{exec, logs, over_channels, over_spdy, spdy, websocket};
use crate::pod::container::log_path;
use crate::pod::prober::Target;
use crate::pod::sandbox::Sandbox;
use crate::pod::{Entry, Shared};
use crate::time;

type App = Arc<Shared>;

pub(super) fn router(shared: App) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/pods", get(pods))
        .route(
            "/containerLogs/{namespace}/{pod}/{container}",
            get(container_logs),
        )
        .route("/exec/{namespace}/{pod}/{container}", any(run))
        .route("/exec/{namespace}/{pod}/{uid}/{container}", any(run))
        .route("/attach/{namespace}/{pod}/{container}", any(run))
        .route("/attach/{namespace}/{pod}/{uid}/{container}", any(run))
        .route("/portForward/{namespace}/{pod}", any(port_forward))
        .route("/portForward/{namespace}/{pod}/{uid}", any(port_forward))
        .with_state(shared)
}

/// An answer that is an error.
struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

async fn pods(State(shared): State<App>) -> Response {
    let items: Vec<Value> = shared
        .registry
        .objects()
        .iter()
        .map(|object| (**object).clone())
        .collect();
    axum::Json(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
        .into_response()
}

fn find(shared: &Shared, namespace: &str, pod: &str) -> Result<(PathBuf, Entry), Failure> {
    let found = shared.registry.find(namespace, pod);
    let (uid, entry) = found.ok_or_else(|| {
        Failure(
            StatusCode::NOT_FOUND,
            format!("pod {namespace}/{pod} not found"),
        )
    })?;
    Ok((shared.sandboxes.directory(&uid), entry))
}

/// A container's status, or that the pod has no such container.
fn container_status(entry: &Entry, container: &str) -> Result<Value, Failure> {
    let status = &entry.object["status"];
    let lists = ["containerStatuses", "initContainerStatuses"].into_iter();
    let mut all = lists.flat_map(|list| status[list].as_array().into_iter().flatten());
    all.find(|status| status["name"] == container)
        .cloned()
        .ok_or_else(|| {
            Failure(
                StatusCode::NOT_FOUND,
                format!("container {container:?} is not known to the node"),
            )
        })
}

async fn container_logs(
    State(shared): State<App>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = Query::parse(query.as_deref().unwrap_or_default());
    let options = log_options(&query)?;
    let (directory, entry) = find(&shared, &namespace, &pod)?;
    let status = container_status(&entry, &container)?;
    let bad = |message: String| Failure(StatusCode::BAD_REQUEST, message);
    let Some(attempt) = logs::attempt(&directory, &container, options.previous) else {
        if options.previous {
            return Err(bad(format!(
                "previous terminated container {container:?} in pod {pod:?} not found"
            )));
        }
        let reason = status["state"]["waiting"]["reason"]
            .as_str()
            .unwrap_or("ContainerCreating");
        let message =
            format!("container {container:?} in pod {pod:?} is waiting to start: {reason}");
        return Err(bad(message));
    };
    let running = is_running(&shared, &namespace, &pod, &container, attempt);
    let follow = logs::read(
        &log_path(&directory, &container, attempt),
        options,
        false,
        running,
    );
    let follow = follow.map_err(|error| {
        Failure(
            StatusCode::NOT_FOUND,
            format!("log of {container:?}: {error}"),
        )
    })?;
    let stream = futures::stream::unfold(follow, |mut follow| async move {
        let (_, bytes) = follow.next().await?;
        Some((Ok::<_, std::io::Error>(bytes), follow))
    });
    Ok((
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        Body::from_stream(stream.boxed()),
    )
        .into_response())
}

fn log_options(query: &Query) -> Result<logs::Options, Failure> {
    let number = |name: &str| -> Result<Option<u64>, Failure> {
        let parsed = query.get(name).map(str::parse).transpose();
        parsed.map_err(|_| {
            Failure(
                StatusCode::BAD_REQUEST,
                format!("{name} must be a number that is not negative"),
            )
        })
    };
    let seconds = number("sinceSeconds")?
        .map(|seconds| time::now() - i64::try_from(seconds).unwrap_or(0) * 1000);
    Ok(logs::Options {
        follow: query.flag(&["follow"]),
        previous: query.flag(&["previous"]),
        timestamps: query.flag(&["timestamps"]),
        tail: number("tailLines")?.and_then(|count| usize::try_from(count).ok()),
        since: seconds.or(query.get("sinceTime").and_then(time::parse)),
        limit: number("limitBytes")?.filter(|limit| *limit > 0),
    })
}

/// Whether a run may still write.
fn is_running(
    shared: &App,
    namespace: &str,
    pod: &str,
    container: &str,
    attempt: u32,
) -> impl Fn() -> bool + use<> {
    let (shared, namespace, pod, container) = (
        shared.clone(),
        namespace.to_owned(),
        pod.to_owned(),
        container.to_owned(),
    );
    move || {
        let Ok((directory, entry)) = find(&shared, &namespace, &pod) else {
            return false;
        };
        let newest = logs::attempt(&directory, &container, false) == Some(attempt);
        let Ok(status) = container_status(&entry, &container) else {
            return false;
        };
        let over = status["state"]["terminated"].is_object()
            && status["restartCount"].as_u64() == Some(attempt.into());
        let backing_off = status["lastState"]["terminated"].is_object()
            && status["state"]["waiting"].is_object()
            && status["restartCount"].as_u64() == Some(attempt.into());
        newest && !over && !backing_off && entry.sandbox.is_some()
    }
}

fn wanted(query: &Query) -> Wanted {
    Wanted {
        command: query.all("command").map(str::to_owned).collect(),
        stdin: query.flag(&["input", "stdin"]),
        stdout: query.flag(&["output", "stdout"]),
        stderr: query.flag(&["error", "stderr"]),
        tty: query.flag(&["tty"]),
    }
}

fn sandbox(entry: &Entry, pod: &str) -> Result<Sandbox, Failure> {
    entry
        .sandbox
        .clone()
        .ok_or_else(|| Failure(StatusCode::NOT_FOUND, format!("pod {pod:?} is not running")))
}

/// Exec and attach: the path's first part says which.
async fn run(
    State(shared): State<App>,
    Path(path): Path<Vec<(String, String)>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Failure> {
    let part = |name: &str| {
        path.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let (namespace, pod, container) = (part("namespace"), part("pod"), part("container"));
    let wanted = wanted(&Query::parse(query.as_deref().unwrap_or_default()));
    let (directory, entry) = find(&shared, &namespace, &pod)?;
    let state = container_status(&entry, &container)?;
    if state["state"]["running"].is_null() {
        return Err(Failure(
            StatusCode::BAD_REQUEST,
            format!("container {container:?} is not running"),
        ));
    }
    let sandbox = sandbox(&entry, &pod)?;
    let (ends, carrier) = pair();
    if request.uri().path().starts_with("/attach/") {
        let log = output_from_now(&shared, &directory, (&namespace, &pod, &container))?;
        let job = wanted.clone();
        let mut containers = entry.object["spec"]["containers"]
            .as_array()
            .into_iter()
            .flatten();
        let own = containers.find(|c| c["name"] == container.as_str());
        let once = own.is_some_and(|own| own["stdinOnce"] == true);
        let work = async move {
            status(exec::attach(log, &sandbox.directory, &container, job, once, ends).await)
        };
        return stream(request, wanted, carrier, work).await;
    }
    if wanted.command.is_empty() {
        return Err(Failure(
            StatusCode::BAD_REQUEST,
            "you must specify at least 1 command for the container".into(),
        ));
    }
    let job = wanted.clone();
    let work = async move { status(exec::exec(&sandbox.directory, &container, job, ends).await) };
    stream(request, wanted, carrier, work).await
}

/// What a container writes from now on.
fn output_from_now(
    shared: &App,
    directory: &std::path::Path,
    (namespace, pod, container): (&str, &str, &str),
) -> Result<logs::Follow, Failure> {
    let attempt = logs::attempt(directory, container, false);
    let attempt = attempt.ok_or_else(|| {
        Failure(
            StatusCode::NOT_FOUND,
            format!("container {container:?} has no log"),
        )
    })?;
    let running = is_running(shared, namespace, pod, container, attempt);
    let options = logs::Options {
        follow: true,
        ..logs::Options::default()
    };
    let log = logs::read(
        &log_path(directory, container, attempt),
        options,
        true,
        running,
    );
    log.map_err(|error| Failure(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Carries streams over whatever the client speaks.
async fn stream(
    request: Request,
    wanted: Wanted,
    carrier: Carrier,
    work: impl Future<Output = Value> + Send + 'static,
) -> Result<Response, Failure> {
    if is_spdy(request.headers()) {
        let protocol = spdy_protocol(request.headers(), &["v4.channel.k8s.io"])?;
        return Ok(upgrade(request, &protocol, |connection| async move {
            over_spdy::carry(spdy::serve(connection), &wanted, carrier, work).await;
        }));
    }
    let socket = web_socket(request)
        .await?
        .protocols([websocket::V5, websocket::V4]);
    if socket.selected_protocol().is_none() {
        return Err(Failure(
            StatusCode::BAD_REQUEST,
            "unable to negotiate a protocol: v5.channel.k8s.io or v4.channel.k8s.io".into(),
        ));
    }
    Ok(socket.on_upgrade(|socket| websocket::carry(socket, carrier, work)))
}

async fn port_forward(
    State(shared): State<App>,
    Path(path): Path<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, Failure> {
    let part = |name: &str| {
        path.iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .unwrap_or_default()
    };
    let (_, entry) = find(&shared, &part("namespace"), &part("pod"))?;
    let sandbox = sandbox(&entry, &part("pod"))?;
    let pod_ip = sandbox.record.ip.into();
    let target = Target {
        network: sandbox.network.clone(),
        pod_ip,
        directory: sandbox.directory,
    };
    if is_spdy(request.headers()) {
        let protocol = spdy_protocol(request.headers(), &["portforward.k8s.io"])?;
        return Ok(upgrade(request, &protocol, |connection| async move {
            over_spdy::port_forward(spdy::serve(connection), target).await;
        }));
    }
    let ports = Query::parse(request.uri().query().unwrap_or_default());
    let ports: Vec<u16> = ports
        .all("ports")
        .flat_map(|p| p.split(','))
        .filter_map(|p| p.parse().ok())
        .collect();
    let socket = web_socket(request)
        .await?
        .protocols([websocket::TUNNEL, websocket::V4]);
    match socket
        .selected_protocol()
        .and_then(|protocol| protocol.to_str().ok())
    {
        Some(websocket::TUNNEL) => {}
        Some(_) if !ports.is_empty() => {
            return Ok(
                socket.on_upgrade(|socket| over_channels::port_forward(socket, ports, target))
            );
        }
        _ => {
            return Err(Failure(
                StatusCode::BAD_REQUEST,
                "unable to negotiate a protocol: SPDY/3.1+portforward.k8s.io, or v4.channel.k8s.io with ?ports=".into(),
            ));
        }
    }
    Ok(socket.on_upgrade(|socket| async move {
        over_spdy::port_forward(spdy::serve(websocket::Tunnel::new(socket)), target).await;
    }))
}

async fn web_socket(request: Request) -> Result<WebSocketUpgrade, Failure> {
    let (mut parts, _) = request.into_parts();
    let socket = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    socket.map_err(|error| {
        Failure(
            StatusCode::BAD_REQUEST,
            format!("Upgrade request required: {error}"),
        )
    })
}

fn is_spdy(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"SPDY/3.1"))
}

const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

fn spdy_protocol(headers: &HeaderMap, known: &[&'static str]) -> Result<String, Failure> {
    let asked = headers
        .get_all(STREAM_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut asked = asked
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .peekable();
    if asked.peek().is_none() {
        return Ok(known[0].to_owned());
    }
    let chosen = asked.find(|name| known.contains(name)).map(str::to_owned);
    chosen.ok_or_else(|| {
        Failure(
            StatusCode::FORBIDDEN,
            format!("unable to upgrade: only {} is spoken", known.join(", ")),
        )
    })
}

/// Answers 101 and hands the connection over.
fn upgrade<F>(
    mut request: Request,
    protocol: &str,
    then: impl FnOnce(Connection) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = ()> + Send,
{
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(connection) = upgrade.await {
            then(TokioIo::new(connection)).await;
        }
    });
    let headers = [
        (header::CONNECTION.as_str(), "Upgrade"),
        (header::UPGRADE.as_str(), "SPDY/3.1"),
        (STREAM_PROTOCOL, protocol),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

type Connection = TokioIo<hyper::upgrade::Upgraded>;

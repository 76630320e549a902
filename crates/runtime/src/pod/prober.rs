//! Probes and lifecycle hooks: one attempt each, from inside the pod's network namespace.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{
    Container, GRPCAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use net::netns::Namespace;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{client, grpc};
use crate::shim::protocol::{ExecSpec, Reply, Request};

/// What a probe needs of its pod.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) network: Namespace,
    pub(crate) pod_ip: IpAddr,
    pub(crate) directory: std::path::PathBuf,
}

/// Runs one probe; the error is what failed.
pub(crate) async fn probe(
    probe: &Probe,
    container: &Container,
    target: &Target,
) -> Result<(), String> {
    let limit = Duration::from_secs(
        u64::try_from(probe.timeout_seconds.unwrap_or(1))
            .unwrap_or(1)
            .max(1),
    );
    let attempt = async {
        if let Some(exec) = &probe.exec {
            let argv = exec.command.clone().unwrap_or_default();
            let (code, output) = exec_in(&target.directory, &container.name, argv)
                .await
                .map_err(say)?;
            return if code == 0 {
                Ok(())
            } else {
                Err(format!("command exited with {code}: {}", output.trim()))
            };
        }
        if let Some(get) = &probe.http_get {
            return http_get(get, container, target, "kube-probe/1.32").await;
        }
        if let Some(tcp) = &probe.tcp_socket {
            return tcp_socket(tcp, container, target).await;
        }
        if let Some(GRPCAction { port, service, .. }) = &probe.grpc {
            let port = u16::try_from(*port).map_err(|_| "port out of range".to_owned())?;
            let stream = connect(SocketAddr::new(target.pod_ip, port), target)
                .await
                .map_err(say)?;
            return grpc::check(stream, service.as_deref().unwrap_or_default()).await;
        }
        Err("the probe has no action".into())
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {}s", limit.as_secs())),
    }
}

/// Runs a postStart or preStop hook.
pub(crate) async fn hook(
    hook: &LifecycleHandler,
    container: &Container,
    target: &Target,
) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        let argv = exec.command.clone().unwrap_or_default();
        let (code, output) = exec_in(&target.directory, &container.name, argv)
            .await
            .map_err(say)?;
        return if code == 0 {
            Ok(())
        } else {
            Err(format!("command exited with {code}: {}", output.trim()))
        };
    }
    if let Some(get) = &hook.http_get {
        return http_get(get, container, target, "kube-lifecycle/1.32").await;
    }
    if let Some(sleep) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(
            u64::try_from(sleep.seconds).unwrap_or(0),
        ))
        .await;
        return Ok(());
    }
    match &hook.tcp_socket {
        Some(tcp) => tcp_socket(tcp, container, target).await,
        None => Ok(()),
    }
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn say(error: io::Error) -> String {
    error.to_string()
}

/// Runs a command to its end; returns its exit code and the first of its output.
pub(crate) async fn exec_in(
    directory: &Path,
    container: &str,
    argv: Vec<String>,
) -> io::Result<(i32, String)> {
    let (reader, writer) = io::pipe()?;
    let null = OwnedFd::from(std::fs::File::open("/dev/null")?);
    let fds = vec![
        null,
        OwnedFd::from(writer.try_clone()?),
        OwnedFd::from(writer),
    ];
    let output = tokio::spawn(first_of(reader));
    let request = Request::Exec(ExecSpec {
        container: container.into(),
        argv,
        tty: false,
    });
    match client::call(directory, &request, fds).await? {
        Reply::Done(code) => {
            // A child that went to the background may hold the pipe open.
            let text = tokio::time::timeout(Duration::from_millis(200), output).await;
            Ok((code, text.ok().and_then(Result::ok).unwrap_or_default()))
        }
        Reply::Failed(message) => Err(io::Error::other(message)),
        _ => Err(io::Error::other("unexpected answer of the shim")),
    }
}

const OUTPUT: u64 = 1024;

async fn first_of(reader: io::PipeReader) -> String {
    let Ok(reader) = tokio::net::unix::pipe::Receiver::from_owned_fd(OwnedFd::from(reader)) else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let mut limited = reader.take(OUTPUT);
    let _ = limited.read_to_end(&mut bytes).await;
    // The rest is drained, so that the command is not stopped by a full pipe.
    let mut rest = limited.into_inner();
    tokio::spawn(async move { tokio::io::copy(&mut rest, &mut tokio::io::sink()).await });
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Connects from inside the pod's namespace.
pub(crate) async fn connect(address: SocketAddr, target: &Target) -> io::Result<TcpStream> {
    let socket = target.network.run(|| match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    })?;
    socket.connect(address).await
}

fn port_of(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let named = container
                .ports
                .iter()
                .flatten()
                .find(|port| port.name.as_ref() == Some(name));
            named
                .map(|port| port.container_port)
                .or_else(|| name.parse().ok())
        }
    };
    number
        .and_then(|n| u16::try_from(n).ok())
        .ok_or_else(|| format!("the container has no port {port:?}"))
}

fn host_of(host: Option<&str>, target: &Target) -> Result<IpAddr, String> {
    match host.filter(|host| !host.is_empty()) {
        None => Ok(target.pod_ip),
        Some("localhost") => Ok(IpAddr::from([127, 0, 0, 1])),
        Some(host) => host
            .parse()
            .map_err(|_| format!("host {host:?} must be an address")),
    }
}

async fn tcp_socket(
    tcp: &TCPSocketAction,
    container: &Container,
    target: &Target,
) -> Result<(), String> {
    let address = SocketAddr::new(
        host_of(tcp.host.as_deref(), target)?,
        port_of(&tcp.port, container)?,
    );
    connect(address, target)
        .await
        .map(|_| ())
        .map_err(|error| format!("dial tcp {address}: {error}"))
}

async fn http_get(
    get: &HTTPGetAction,
    container: &Container,
    target: &Target,
    agent: &str,
) -> Result<(), String> {
    let host = host_of(get.host.as_deref(), target)?;
    let address = SocketAddr::new(host, port_of(&get.port, container)?);
    let path = get
        .path
        .as_deref()
        .filter(|path| !path.is_empty())
        .unwrap_or("/");
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    let url = format!(
        "{}://{address}{path}",
        get.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase()
    );
    let failed = |error: String| format!("Get \"{url}\": {error}");
    let stream = connect(address, target)
        .await
        .map_err(|error| failed(say(error)))?;
    let mut request = http::Request::get(&path)
        .header("user-agent", agent)
        .header("accept", "*/*");
    let mut has_host = false;
    for header in get.http_headers.iter().flatten() {
        has_host |= header.name.eq_ignore_ascii_case("host");
        request = request.header(&header.name, &header.value);
    }
    if !has_host {
        request = request.header("host", address.to_string());
    }
    let request = request
        .header("connection", "close")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| failed(error.to_string()))?;
    let status = if get.scheme.as_deref() == Some("HTTPS") {
        let stream = over_tls(stream, host)
            .await
            .map_err(|error| failed(say(error)))?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    };
    let status = status.map_err(failed)?;
    // As the kubelet: redirects count as success.
    if (200..400).contains(&status) {
        Ok(())
    } else {
        Err(format!("HTTP probe failed with statuscode: {status}"))
    }
}

/// The kubelet does not verify certificates of probes: it asks whether the pod answers, not who it is.
async fn over_tls(stream: TcpStream, host: IpAddr) -> io::Result<TlsStream<TcpStream>> {
    let config = net::tls::anyone_config().map_err(io::Error::other)?;
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::IpAddress(host.into()), stream)
        .await
}

async fn exchange<S>(stream: S, request: http::Request<Empty<Bytes>>) -> Result<u16, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| error.to_string())?;
    let driver = tokio::spawn(connection);
    let response = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string());
    let status = match response {
        Ok(response) => {
            let status = response.status().as_u16();
            let mut body = http_body_util::Limited::new(response.into_body(), 10 << 10);
            while let Some(Ok(_)) = body.frame().await {}
            Ok(status)
        }
        Err(error) => Err(error),
    };
    driver.abort();
    status
}

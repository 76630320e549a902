//! Where a streamed request goes: address and path.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use serde_json::Value;

use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::objects::call::Call;
use crate::storage::ResourceId;

const KUBELET_PORT: u16 = 10250;

/// How the other side is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    /// TLS with the server's client certificate, towards a certificate of its own authority.
    Kubelet,
    Plain,
    /// TLS towards anybody: `https:` targets of proxy, as on Kubernetes.
    Unverified,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    pub(super) address: SocketAddr,
    /// Path with query.
    pub(super) path: String,
    /// Named in errors.
    pub(super) what: String,
    pub(super) refusals: Refusals,
}

/// What becomes of an answer that is no success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusals {
    /// It is passed on: an upgrade's client, or a page's reader, knows it.
    PassedOn,
    /// It becomes a `Status`.
    AsStatus,
}

pub(super) fn find(api: &Api, call: &Call, rest: &str, uri: &Uri) -> ApiResult<Target> {
    match (call.resource.plural(), call.subresource.as_str()) {
        ("pods", "log") => container(api, call, "containerLogs", &log_query(call)?),
        ("pods", kind @ ("exec" | "attach")) => container(api, call, kind, &stream_query(call)),
        ("pods", "portforward") => {
            let pod = api.get(call)?;
            let address = node_of(api, call, &pod.value)?;
            let query = raw_query(uri);
            let path = format!("/portForward/{}/{}{query}", call.namespace, call.name);
            Ok(Target {
                scheme: Scheme::Kubelet,
                address,
                path,
                what: "error forwarding ports".into(),
                refusals: Refusals::PassedOn,
            })
        }
        ("pods", "proxy") => {
            let (scheme, name, port) = split(&call.name);
            let pod = api.get(&call.about(&call.namespace, name))?;
            let ip = ip(&pod.value["status"]["podIP"]).ok_or_else(|| {
                ApiError::unavailable(format!("address not allowed: pod {name} has no IP"))
            })?;
            let port = match port {
                "" => first_port(&pod.value).unwrap_or(80),
                text => port_number(text, &pod.value)?,
            };
            proxied(scheme, SocketAddr::new(ip, port), rest, uri, &call.name)
        }
        ("services", "proxy") => service(api, call, rest, uri),
        ("nodes", "proxy") => {
            let (_, name, _) = split(&call.name);
            let address = kubelet(api, name)?;
            Ok(Target {
                scheme: Scheme::Kubelet,
                address,
                path: path_with(rest, uri),
                what: format!("node {name}"),
                refusals: Refusals::PassedOn,
            })
        }
        _ => Err(ApiError::no_route()),
    }
}

/// `[scheme:]name[:port]`.
fn split(name: &str) -> (&str, &str, &str) {
    let parts: Vec<&str> = name.split(':').collect();
    match parts.as_slice() {
        [scheme @ ("http" | "https"), name, port] => (scheme, name, port),
        [scheme @ ("http" | "https"), name] => (scheme, name, ""),
        [name, port] => ("", name, port),
        _ => ("", name, ""),
    }
}

fn ip(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn raw_query(uri: &Uri) -> String {
    uri.query().map(|q| format!("?{q}")).unwrap_or_default()
}

fn path_with(rest: &str, uri: &Uri) -> String {
    // Taken from the raw path, so that escapes survive.
    let raw = uri
        .path()
        .split_once("/proxy")
        .map_or(rest, |(_, tail)| tail);
    format!(
        "{}{}",
        if raw.is_empty() { "/" } else { raw },
        raw_query(uri)
    )
}

fn proxied(
    scheme: &str,
    address: SocketAddr,
    rest: &str,
    uri: &Uri,
    name: &str,
) -> ApiResult<Target> {
    let scheme = if scheme == "https" {
        Scheme::Unverified
    } else {
        Scheme::Plain
    };
    Ok(Target {
        scheme,
        address,
        path: path_with(rest, uri),
        what: format!("error trying to reach {name}"),
        refusals: Refusals::PassedOn,
    })
}

fn first_port(pod: &Value) -> Option<u16> {
    u16::try_from(pod["spec"]["containers"][0]["ports"][0]["containerPort"].as_u64()?).ok()
}

fn port_number(text: &str, pod: &Value) -> ApiResult<u16> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut ports = containers.flat_map(|c| c["ports"].as_array().into_iter().flatten());
    let named = ports
        .find(|p| p["name"] == text)
        .and_then(|p| u16::try_from(p["containerPort"].as_u64()?).ok());
    named.ok_or_else(|| ApiError::bad_request(format!("pod has no port {text:?}")))
}

fn service(api: &Api, call: &Call, rest: &str, uri: &Uri) -> ApiResult<Target> {
    let (scheme, name, port) = split(&call.name);
    let service = api.get(&call.about(&call.namespace, name))?;
    let ports = service.value["spec"]["ports"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let fits = |p: &&Value| {
        port.is_empty() || p["name"] == *port || p["port"].as_u64() == port.parse().ok()
    };
    let found = ports.iter().find(fits);
    let found = found.ok_or_else(|| {
        ApiError::unavailable(format!(
            "no service port {port:?} found for service {name:?}"
        ))
    })?;
    let port_name = found["name"].as_str().unwrap_or_default();
    let slices = api
        .storage
        .snapshot(&ResourceId::new("discovery.k8s.io", "endpointslices"));
    for (_, slice) in slices.range(Some(&call.namespace), None) {
        if slice.value["metadata"]["labels"]["kubernetes.io/service-name"] != *name {
            continue;
        }
        let numbers = slice.value["ports"].as_array().into_iter().flatten();
        let mut numbers = numbers.filter(|p| p["name"].as_str().unwrap_or_default() == port_name);
        let number = numbers
            .next()
            .and_then(|p| u16::try_from(p["port"].as_u64()?).ok());
        let mut ready = slice.value["endpoints"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|e| e["conditions"]["ready"] != false);
        if let (Some(number), Some(ip)) = (number, ready.find_map(|e| ip(&e["addresses"][0]))) {
            return proxied(scheme, SocketAddr::new(ip, number), rest, uri, &call.name);
        }
    }
    Err(ApiError::unavailable(format!(
        "no endpoints available for service {name:?}"
    )))
}

/// The kubelet of the pod's node.
fn node_of(api: &Api, call: &Call, pod: &Value) -> ApiResult<SocketAddr> {
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(ApiError::bad_request(format!(
            "pod {} does not have a host assigned",
            call.name
        )));
    }
    kubelet(api, node)
}

fn kubelet(api: &Api, node: &str) -> ApiResult<SocketAddr> {
    let object = api
        .storage
        .get(&ResourceId::new("", "nodes"), "", node)
        .ok_or_else(|| ApiError::not_found("", "nodes", node))?;
    let status = &object.value["status"];
    let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        .as_u64()
        .and_then(|p| u16::try_from(p).ok());
    let addresses = || status["addresses"].as_array().into_iter().flatten();
    let of_kind = |kind: &str| {
        addresses()
            .filter(|a| a["type"] == kind)
            .find_map(|a| ip(&a["address"]))
    };
    let ip = of_kind("InternalIP").or_else(|| of_kind("ExternalIP"));
    let ip = ip.ok_or_else(|| {
        ApiError::unavailable(format!(
            "no preferred addresses found for node {node:?}; known addresses: []"
        ))
    })?;
    Ok(SocketAddr::new(ip, port.unwrap_or(KUBELET_PORT)))
}

/// The container that the call means, and the kubelet path to it.
fn container(api: &Api, call: &Call, kind: &str, query: &str) -> ApiResult<Target> {
    let pod = api.get(call)?;
    let name = choose_container(call, &pod.value)?;
    let address = match node_of(api, call, &pod.value) {
        Err(_)
            if kind == "containerLogs"
                && pod.value["spec"]["nodeName"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty() =>
        {
            return Err(ApiError::bad_request(format!(
                "container {name:?} in pod {:?} is waiting to start: the pod has no node yet",
                call.name
            )));
        }
        other => other?,
    };
    let path = format!("/{kind}/{}/{}/{name}{query}", call.namespace, call.name);
    Ok(Target {
        scheme: Scheme::Kubelet,
        address,
        path,
        what: format!("error dialing backend for pod {}", call.name),
        refusals: match kind {
            "containerLogs" => Refusals::AsStatus,
            _ => Refusals::PassedOn,
        },
    })
}

fn choose_container(call: &Call, pod: &Value) -> ApiResult<String> {
    let names = |field: &str| -> Vec<String> {
        let list = pod["spec"][field].as_array().into_iter().flatten();
        list.filter_map(|c| c["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (containers, init) = (names("containers"), names("initContainers"));
    match call.query.get("container") {
        Some(name) if containers.iter().chain(&init).any(|n| n == name) => Ok(name.into()),
        Some(name) => Err(ApiError::bad_request(format!(
            "container {name} is not valid for pod {}",
            call.name
        ))),
        None => match containers.as_slice() {
            [only] => Ok(only.clone()),
            _ => {
                let annotation =
                    pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"]
                        .as_str();
                if let Some(name) = annotation.filter(|name| containers.iter().any(|c| c == name)) {
                    return Ok(name.into());
                }
                let mut message = format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    call.name,
                    containers.join(" ")
                );
                if !init.is_empty() {
                    message = format!(
                        "{message} or one of the init containers: [{}]",
                        init.join(" ")
                    );
                }
                Err(ApiError::bad_request(message))
            }
        },
    }
}

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn join(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(k, v)| format!("{k}={}", encode(v)))
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

fn log_query(call: &Call) -> ApiResult<String> {
    let mut pairs = Vec::new();
    for key in ["follow", "previous", "timestamps"] {
        if call.query.flag(key) {
            pairs.push((key.to_owned(), "true".to_owned()));
        }
    }
    for key in ["tailLines", "sinceSeconds", "limitBytes"] {
        if let Some(number) = call.query.number(key)? {
            pairs.push((key.to_owned(), number.to_string()));
        }
    }
    if let Some(since) = call.query.get("sinceTime") {
        pairs.push(("sinceTime".into(), since.into()));
    }
    Ok(join(&pairs))
}

/// The kubelet calls the streams by other names than the API does.
fn stream_query(call: &Call) -> String {
    let mut pairs = Vec::new();
    for (ours, theirs) in [
        ("stdin", "input"),
        ("stdout", "output"),
        ("stderr", "error"),
        ("tty", "tty"),
    ] {
        if call.query.flag(ours) {
            pairs.push((theirs.to_owned(), "1".to_owned()));
        }
    }
    pairs.extend(
        call.query
            .all("command")
            .map(|word| ("command".to_owned(), word.to_owned())),
    );
    join(&pairs)
}

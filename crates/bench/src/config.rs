//! The one configuration that both engines are started with, and the scenarios that drive it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use net::tls::{Identity, IdentitySlot, Roots, SanRule};
use rustls::ClientConfig;
use serde_json::{Value, json};
use testkit::pki::{Authority, Pair, Validity};

/// Between the client and the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    Plaintext,
    Mtls,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) protocol: Protocol,
    pub(crate) security: Security,
}

/// Listeners by the index that [`Scenario::listener`] gives.
pub(crate) const LISTENERS: [&str; 2] = ["plaintext", "mtls"];

impl Scenario {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Security::Plaintext, Security::Mtls]
            .into_iter()
            .flat_map(|security| {
                [Protocol::Http1, Protocol::Http2].map(|protocol| Self { protocol, security })
            })
    }

    pub(crate) fn name(self) -> &'static str {
        match (self.protocol, self.security) {
            (Protocol::Http1, Security::Plaintext) => "HTTP/1.1",
            (Protocol::Http2, Security::Plaintext) => "HTTP/2",
            (Protocol::Http1, Security::Mtls) => "HTTP/1.1 mTLS",
            (Protocol::Http2, Security::Mtls) => "HTTP/2 mTLS",
        }
    }

    pub(crate) fn listener(self) -> usize {
        usize::from(self.security == Security::Mtls)
    }
}

const SERVER: &str = "spiffe://cluster.local/ns/bench/sa/server";
const CLIENT: &str = "spiffe://cluster.local/ns/bench/sa/client";

/// Certificates of both sides, ECDSA P-256 as in the mesh.
pub(crate) struct Credentials {
    root: String,
    client: Pair,
}

impl Credentials {
    /// Makes them; what the proxies need is written to the directory.
    pub(crate) fn make(directory: &Path) -> anyhow::Result<Self> {
        let root = Authority::root("bench");
        let server = root.workload(SERVER, Validity::default());
        std::fs::write(directory.join("chain.pem"), &server.chain)?;
        std::fs::write(directory.join("key.pem"), &server.key)?;
        std::fs::write(directory.join("root.pem"), &root.pem)?;
        Ok(Self {
            root: root.pem.clone(),
            client: root.workload(CLIENT, Validity::default()),
        })
    }

    pub(crate) fn client(&self, scenario: Scenario) -> Option<Arc<ClientConfig>> {
        let alpn: &[&[u8]] = match (scenario.security, scenario.protocol) {
            (Security::Plaintext, _) => return None,
            (Security::Mtls, Protocol::Http1) => &[b"http/1.1"],
            (Security::Mtls, Protocol::Http2) => &[b"h2"],
        };
        let Pair { chain, key } = &self.client;
        let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).ok()?;
        let roots = Roots::from_pem(self.root.as_bytes()).ok()?;
        let rule = SanRule::OneOf([SERVER.to_owned()].into());
        let slot = Some(IdentitySlot::new(identity));
        net::tls::client_config(roots, rule, slot, alpn)
            .ok()
            .map(Arc::new)
    }
}

/// Virtual hosts beside the one that is used, and routes of each before the one that matches.
const VIRTUAL_HOSTS: usize = 200;
const ROUTES: usize = 12;

/// The bootstrap: like a sidecar's inbound side, with Istio's log format in JSON.
pub(crate) fn bootstrap(
    directory: &Path,
    name: &str,
    backend: SocketAddr,
    ports: [u16; 2],
    admin: u16,
) -> Value {
    let log = directory.join(format!("{name}.log"));
    let listeners: Vec<Value> = std::iter::zip(LISTENERS, ports)
        .map(|(listener, port)| {
            let mut chain = json!({"filters": [connection_manager(&log)]});
            if listener == "mtls" {
                chain["transport_socket"] = transport_socket(directory);
            }
            json!({"name": listener, "address": address(([127, 0, 0, 1], port).into()), "filter_chains": [chain]})
        })
        .collect();
    json!({
        "node": {"id": "bench", "cluster": "bench"},
        "admin": {"address": address(([127, 0, 0, 1], admin).into())},
        "static_resources": {"listeners": listeners, "clusters": [cluster(backend)]},
    })
}

fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn cluster(backend: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": address(backend)}});
    json!({
        "name": "inbound|8080||", "type": "STATIC", "connect_timeout": "10s", "lb_policy": "LEAST_REQUEST",
        "circuit_breakers": {"thresholds": [{"max_connections": 4_294_967_295_u32, "max_pending_requests": 4_294_967_295_u32,
            "max_requests": 4_294_967_295_u32, "max_retries": 4_294_967_295_u32, "track_remaining": true}]},
        "outlier_detection": {"consecutive_5xx": 5, "interval": "10s"},
        "load_assignment": {"cluster_name": "inbound|8080||", "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

fn connection_manager(log: &Path) -> Value {
    let filter = |name: &str, kind: &str| {
        json!({"name": format!("envoy.filters.http.{name}"), "typed_config": {
            "@type": format!("type.googleapis.com/envoy.extensions.filters.http.{name}.v3.{kind}")}})
    };
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "server_name": "istio-envoy",
        "use_remote_address": false,
        "normalize_path": true,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "forward_client_cert_details": "APPEND_FORWARD",
        "set_current_client_cert_details": {"subject": true, "dns": true, "uri": true},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"name": "routes", "validate_clusters": false, "virtual_hosts": virtual_hosts()},
        "access_log": [access_log(log)],
        "http_filters": [filter("fault", "HTTPFault"), filter("cors", "Cors"), filter("router", "Router")],
    }})
}

fn virtual_hosts() -> Vec<Value> {
    let action = json!({"cluster": "inbound|8080||", "timeout": "15s",
        "retry_policy": {"retry_on": "connect-failure,refused-stream,unavailable,cancelled", "num_retries": 2}});
    let host = |name: String, domain: String| {
        let mut routes: Vec<Value> = (1..ROUTES)
            .map(|n| json!({"name": format!("route-{n}"), "match": {"prefix": format!("/api/v{}/", n + 1)}, "route": action}))
            .collect();
        routes.push(json!({"name": "default", "match": {"prefix": "/"}, "route": action}));
        json!({"name": name, "domains": [domain], "routes": routes})
    };
    let mut hosts: Vec<Value> = (0..VIRTUAL_HOSTS)
        .map(|n| {
            host(
                format!("service-{n}"),
                format!("service-{n}.bench.svc.cluster.local"),
            )
        })
        .collect();
    hosts.push(host("bench".into(), "bench.example".into()));
    hosts
}

fn transport_socket(directory: &Path) -> Value {
    let file = |name: &str| json!({"filename": directory.join(name)});
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": true,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": file("chain.pem"), "private_key": file("key.pem")}],
            "validation_context": {
                "trusted_ca": file("root.pem"),
                "match_typed_subject_alt_names": [
                    {"san_type": "URI", "matcher": {"prefix": "spiffe://cluster.local/"}}],
            },
        },
    }})
}

/// The 24 fields of Istio's JSON access log.
fn access_log(path: &Path) -> Value {
    json!({"name": "envoy.access_loggers.file", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": path,
        "log_format": {"json_format": {
            "authority": "%REQ(:AUTHORITY)%",
            "bytes_received": "%BYTES_RECEIVED%",
            "bytes_sent": "%BYTES_SENT%",
            "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
            "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
            "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
            "duration": "%DURATION%",
            "method": "%REQ(:METHOD)%",
            "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
            "protocol": "%PROTOCOL%",
            "request_id": "%REQ(X-REQUEST-ID)%",
            "requested_server_name": "%REQUESTED_SERVER_NAME%",
            "response_code": "%RESPONSE_CODE%",
            "response_code_details": "%RESPONSE_CODE_DETAILS%",
            "response_flags": "%RESPONSE_FLAGS%",
            "route_name": "%ROUTE_NAME%",
            "start_time": "%START_TIME%",
            "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
            "upstream_host": "%UPSTREAM_HOST%",
            "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
            "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
            "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
            "user_agent": "%REQ(USER-AGENT)%",
            "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
        }},
    }})
}

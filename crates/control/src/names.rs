//! Names of resources, exactly as Istio writes them: existing tools and dashboards read them.
//!
//! Sources: `pilot/pkg/model/push_context.go` (`BuildSubsetKey`), `pilot/pkg/networking/core/listener.go`
//! (listener names), `pilot/pkg/model/gateway.go` (`gatewayRDSRouteName`).

pub(crate) const PASSTHROUGH_CLUSTER: &str = "PassthroughCluster";
pub(crate) const BLACK_HOLE_CLUSTER: &str = "BlackHoleCluster";
pub(crate) const INBOUND_PASSTHROUGH_CLUSTER: &str = "InboundPassthroughCluster";
pub(crate) const VIRTUAL_OUTBOUND: &str = "virtualOutbound";
pub(crate) const VIRTUAL_INBOUND: &str = "virtualInbound";

pub(crate) const OUTBOUND_CAPTURE_PORT: u32 = 15001;
pub(crate) const INBOUND_CAPTURE_PORT: u32 = 15006;

/// `outbound|8080|v1|reviews.default.svc.cluster.local`
pub(crate) fn outbound_cluster(port: u32, subset: &str, host: &str) -> String {
    format!("outbound|{port}|{subset}|{host}")
}

/// `outbound_.8080_.v1_.reviews.default.svc.cluster.local`: the server name that a client sends for a cluster.
pub(crate) fn outbound_sni(port: u32, subset: &str, host: &str) -> String {
    format!("outbound_.{port}_.{subset}_.{host}")
}

/// `inbound|8080||`, by the port that the workload listens on.
pub(crate) fn inbound_cluster(target_port: u32) -> String {
    format!("inbound|{target_port}||")
}

/// `0.0.0.0_8080`
pub(crate) fn listener(bind: &str, port: u32) -> String {
    format!("{bind}_{port}")
}

/// The route configuration of a shared outbound HTTP port: `8080`.
pub(crate) fn shared_route(port: u32) -> String {
    port.to_string()
}

/// The route configuration of a sniffed service port and the name of its virtual host: `host:8080`.
pub(crate) fn host_port(host: &str, port: u32) -> String {
    format!("{host}:{port}")
}

/// Route configuration of a gateway's plain-text port, `http.80` or `http.80.10.0.0.1`.
pub(crate) fn gateway_http_route(port: u32, bind: &str) -> String {
    with_bind(format!("http.{port}"), bind)
}

/// Route configuration of one TLS-terminating gateway server, `https.443.portName.gateway.namespace`.
pub(crate) fn gateway_https_route(
    port: u32,
    port_name: &str,
    gateway: &str,
    namespace: &str,
    bind: &str,
) -> String {
    with_bind(
        format!("https.{port}.{port_name}.{gateway}.{namespace}"),
        bind,
    )
}

fn with_bind(name: String, bind: &str) -> String {
    if bind.is_empty() {
        name
    } else {
        format!("{name}.{bind}")
    }
}

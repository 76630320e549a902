//! The proxies that are compared: processes with the same bootstrap.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use xds::server::Form;

use super::log::Log;
use super::net::ADMIN;

/// Who carries the traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Envoy(Form),
    Ferromesh,
}

impl Engine {
    /// The first is what the others are compared with.
    pub(crate) const ALL: [Self; 3] = [
        Self::Envoy(Form::Delta),
        Self::Envoy(Form::StateOfTheWorld),
        Self::Ferromesh,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Envoy(Form::Delta) => "envoy-delta",
            Self::Envoy(Form::StateOfTheWorld) => "envoy-sotw",
            Self::Ferromesh => "ferromesh",
        }
    }

    pub(crate) fn node(self, ip: Ipv4Addr) -> String {
        let name = self.name();
        format!("router~{ip}~{name}.istio-system~istio-system.svc.cluster.local")
    }
}

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) engine: Engine,
    pub(crate) ip: Ipv4Addr,
    pub(crate) log: Log,
    child: Child,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Proxy {
    /// Starts it; `directory` takes its files.
    pub(crate) fn start(
        engine: Engine,
        ip: Ipv4Addr,
        control_plane: SocketAddr,
        directory: &Path,
        envoy: &Path,
    ) -> Self {
        let name = engine.name();
        let config = directory.join(format!("{name}.json"));
        let bootstrap = bootstrap(engine, ip, control_plane).to_string();
        std::fs::write(&config, bootstrap).expect("written");
        let access = directory.join(format!("{name}.access"));
        let errors = directory.join(format!("{name}.log"));
        let mut command = match engine {
            Engine::Envoy(_) => {
                let mut envoy = Command::new(envoy);
                envoy.args(["--disable-hot-restart", "--file-flush-interval-msec", "10"]);
                envoy
            }
            Engine::Ferromesh => Command::new(env!("CARGO_BIN_EXE_ferromesh-proxy")),
        };
        let child = command
            .arg("-c")
            .arg(&config)
            .args(["--concurrency", "1", "--log-level", "warn"])
            .stdin(Stdio::null())
            .stdout(File::create(&access).expect("a file"))
            .stderr(File::create(&errors).expect("a file"))
            .spawn()
            .expect("the proxy starts");
        Self {
            engine,
            ip,
            log: Log::new(access),
            child,
        }
    }
}

fn bootstrap(engine: Engine, ip: Ipv4Addr, control_plane: SocketAddr) -> Value {
    let api_type = match engine {
        Engine::Envoy(Form::StateOfTheWorld) => "GRPC",
        Engine::Envoy(Form::Delta) | Engine::Ferromesh => "DELTA_GRPC",
    };
    let address = |ip: std::net::IpAddr, port: u16| json!({"socket_address": {"address": ip.to_string(), "port_value": port}});
    let ads = json!({"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"});
    let endpoint =
        json!({"endpoint": {"address": address(control_plane.ip(), control_plane.port())}});
    json!({
        "node": {"id": engine.node(ip), "cluster": "istio-ingressgateway"},
        "admin": {"address": address(ip.into(), ADMIN)},
        "dynamic_resources": {
            "lds_config": ads, "cds_config": ads,
            "ads_config": {
                "api_type": api_type, "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
            },
        },
        "static_resources": {"clusters": [{
            "name": "xds-grpc", "type": "STATIC", "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": xds::type_url::HTTP_PROTOCOL_OPTIONS,
                    "explicit_http_config": {"http2_protocol_options": {}},
            }},
            "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }]},
    })
}

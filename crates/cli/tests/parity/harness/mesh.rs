//! The deployment of a class: Istio's and Kubernetes' objects, generated into xDS by the control plane, and resources that
//! no object asks for.

use std::sync::Arc;

use api::snapshot::Snapshot;
use control::{MeshView, NodeInfo};
use prost::Message;
use serde_json::{Value, json};
use xds::envoy::config::core::v3::{Node, address, socket_address};
use xds::envoy::config::listener::v3::Listener;
use xds::type_url::{CLUSTER, LISTENER};
use xds::{Resource, View};

use super::log;
use super::net::{FIRST_WORKLOAD, GATEWAY, MARK, Net, WORKLOAD};

/// A workload behind a service.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) host: u8,
    pub(crate) up: bool,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

/// What is deployed.
pub(crate) struct Mesh {
    documents: Vec<String>,
    resources: Vec<(&'static str, Value)>,
    pub(crate) workloads: Vec<Workload>,
}

impl Mesh {
    /// An ingress gateway that logs [`log::FIELDS`] and takes HTTP for every host.
    pub(crate) fn new() -> Self {
        let mesh = json!({
            "accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON",
            "accessLogFormat": log::format().to_string(),
            "enableAutoMtls": false,
        });
        let config = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
            "data": {"mesh": mesh.to_string()},
        });
        let ingress = format!(
            "
apiVersion: v1
kind: Service
metadata: {{name: istio-ingressgateway, namespace: istio-system}}
spec:
  clusterIP: 10.96.0.80
  selector: {{istio: ingressgateway}}
  ports: [{{name: http2, port: {GATEWAY}, targetPort: {GATEWAY}}}]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: ingress}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: {GATEWAY}, name: http, protocol: HTTP}}
    hosts: ['*']
"
        );
        let mut mesh = Self {
            documents: vec![config.to_string(), ingress],
            resources: Vec::new(),
            workloads: Vec::new(),
        };
        let routes = json!([{"match": {"prefix": "/"}, "direct_response": {"status": 204}}]);
        mesh.put(
            LISTENER,
            listener("mark", MARK, json!([hcm("mark", routes, json!({}))])),
        );
        mesh
    }

    /// Objects as people write them. `NET.` stands for the network of the run.
    pub(crate) fn yaml(mut self, text: &str) -> Self {
        self.documents.push(text.to_owned());
        self
    }

    /// A service on port 9080 with one running workload a version, named `<service>-<version>`.
    pub(crate) fn deploy(self, service: &str, versions: &[&str]) -> Self {
        let versions: Vec<_> = versions.iter().map(|version| (*version, true)).collect();
        self.service(service, "http", &versions)
    }

    /// A service whose one workload, `<service>-v1`, takes nothing but TLS.
    pub(crate) fn encrypted(self, service: &str, tls: &Arc<rustls::ServerConfig>) -> Self {
        let mut mesh = self.deploy(service, &["v1"]);
        if let Some(workload) = mesh.workloads.last_mut() {
            workload.tls = Some(Arc::clone(tls));
        }
        mesh
    }

    /// A service whose workloads do not answer to connections: nobody listens.
    pub(crate) fn deploy_dead(self, service: &str, versions: &[&str]) -> Self {
        let versions: Vec<_> = versions.iter().map(|version| (*version, false)).collect();
        self.service(service, "http", &versions)
    }

    /// A service on port 9080, whose port has this name; a version is up or nobody listens.
    pub(crate) fn service(mut self, service: &str, port: &str, versions: &[(&str, bool)]) -> Self {
        let meta = |name: &str| json!({"name": name, "namespace": "default"});
        let mut endpoints = Vec::new();
        for (version, up) in versions {
            let host = FIRST_WORKLOAD + u8::try_from(self.workloads.len()).expect("few workloads");
            let name = format!("{service}-{version}");
            let ip = format!("NET.{host}");
            let mut pod = meta(&name);
            pod["labels"] = json!({"app": service, "version": version});
            let pod = json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": pod,
                "spec": {"containers": [{"name": "app", "image": "app"}]},
                "status": {"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running",
                           "conditions": [{"type": "Ready", "status": "True"}]},
            });
            self.documents.push(pod.to_string());
            endpoints.push(json!({
                "addresses": [ip], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "name": name, "namespace": "default"},
            }));
            self.workloads.push(Workload {
                name,
                host,
                up: *up,
                tls: None,
            });
        }
        let ip = format!("10.96.1.{}", self.documents.len());
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": meta(service),
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "selector": {"app": service},
                     "ports": [{"name": port, "port": 9080, "targetPort": WORKLOAD}]},
        });
        let mut slice = meta(&format!("{service}-1"));
        slice["labels"] = json!({"kubernetes.io/service-name": service});
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": slice, "endpoints": endpoints,
            "ports": [{"name": port, "port": WORKLOAD, "protocol": "TCP"}],
        });
        self.documents
            .extend([object.to_string(), slice.to_string()]);
        self
    }

    /// A listener in Envoy's own terms, see [`listener`].
    pub(crate) fn listener(mut self, json: Value) -> Self {
        self.put(LISTENER, json);
        self
    }

    /// A cluster in Envoy's own terms.
    pub(crate) fn cluster(mut self, json: Value) -> Self {
        self.put(CLUSTER, json);
        self
    }

    fn put(&mut self, type_url: &'static str, json: Value) {
        self.resources.push((type_url, json));
    }

    /// What the control plane makes of it for an ingress gateway.
    pub(crate) fn generate(&self, net: &Net) -> View {
        let text = net.fill(&self.documents.join("\n---\n"));
        let snapshot = Snapshot::from_yaml(&text).unwrap_or_else(|found| panic!("{found:#?}"));
        assert!(
            snapshot.quarantined.is_empty(),
            "{:?}",
            snapshot.quarantined
        );
        let node = NodeInfo::parse(&gateway(net)).expect("a gateway");
        let view = MeshView::new(&Arc::new(snapshot), None);
        let generated = control::generate(&view, &node, true);
        assert!(generated.warnings.is_empty(), "{:?}", generated.warnings);
        let mut view = View::clone(&generated.view);
        let pool = xds::json::Pool::pruned();
        for (type_url, json) in &self.resources {
            let json: Value =
                serde_json::from_str(&net.fill(&json.to_string())).expect("still JSON");
            let name = json["name"].as_str().expect("a name").to_owned();
            let body = pool
                .from_json(type_url, json)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            view.insert(Resource::from_encoded(name, type_url, body.into(), []));
        }
        view
    }
}

/// The node for which the control plane generates.
fn gateway(net: &Net) -> Node {
    let pool = xds::json::Pool::pruned();
    let json = json!({
        "id": format!("router~{}~ingress.istio-system~istio-system.svc.cluster.local", net.ip(2)),
        "cluster": "istio-ingressgateway",
        "metadata": {"NAMESPACE": "istio-system", "LABELS": {"istio": "ingressgateway"}},
    });
    pool.parse(json).expect("a node")
}

/// The same resources for a proxy that listens on this address instead of on all.
pub(crate) fn bound_to(view: &View, ip: std::net::Ipv4Addr) -> View {
    let mut bound = view.clone();
    for resource in view.iter(LISTENER) {
        let mut listener = Listener::decode(&resource.body[..]).expect("a listener");
        if let Some(address::Address::SocketAddress(socket)) =
            listener.address.as_mut().and_then(|a| a.address.as_mut())
            && socket.address == "0.0.0.0"
            && matches!(
                socket.port_specifier,
                Some(socket_address::PortSpecifier::PortValue(_))
            )
        {
            socket.address = ip.to_string();
        }
        let provenance = Arc::clone(&resource.provenance);
        let name = Arc::clone(&resource.name);
        bound.insert(Resource::new(name, LISTENER, &listener, provenance));
    }
    bound
}

/// A listener with one filter chain on this port of the proxy's address.
pub(crate) fn listener(name: &str, port: u16, filters: Value) -> Value {
    json!({
        "name": name,
        "address": {"socket_address": {"address": "0.0.0.0", "port_value": port}},
        "filter_chains": [{"filters": filters}],
    })
}

/// A connection manager with one virtual host; `extra` fields replace its own.
pub(crate) fn hcm(name: &str, routes: Value, extra: Value) -> Value {
    let mut hcm = json!({
        "@type": xds::type_url::HTTP_CONNECTION_MANAGER,
        "stat_prefix": name,
        "route_config": {
            "name": name, "validate_clusters": false,
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        },
        "http_filters": [{"name": "envoy.filters.http.router",
                          "typed_config": {"@type": xds::type_url::ROUTER}}],
        "access_log": access_log(),
    });
    if let (Value::Object(hcm), Value::Object(extra)) = (&mut hcm, extra) {
        hcm.extend(extra);
    }
    json!({"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm})
}

/// The access log of a filter.
pub(crate) fn access_log() -> Value {
    json!([{"name": "envoy.access_loggers.file", "typed_config": {
        "@type": xds::type_url::FILE_ACCESS_LOG, "path": "/dev/stdout",
        "log_format": {"json_format": log::format()},
    }}])
}

/// A static cluster of workloads, `NET.11` and so on.
pub(crate) fn cluster(name: &str, hosts: &[&str]) -> Value {
    let endpoints: Vec<Value> = hosts
        .iter()
        .map(|host| {
            json!({"endpoint": {"address": {"socket_address": {"address": host, "port_value": WORKLOAD}}}})
        })
        .collect();
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    })
}

/// The same listener, which logs its connections, too.
pub(crate) fn logging(mut listener: Value) -> Value {
    listener["access_log"] = access_log();
    listener
}

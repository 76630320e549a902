//! A mesh that reads like a deployment.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::sync::Arc;

use api::kinds;
use api::snapshot::Snapshot;
use api::store::ResourceType;
use control::{Generated, MeshView, NodeInfo};
use serde_json::{Value, json};
use xds::envoy::config::core::v3::Node;
use xds::google::protobuf::{Struct, Value as ProtoValue, value::Kind};

/// Objects of a mesh, with endpoints derived from what services select.
#[derive(Clone, Default)]
pub struct Mesh {
    objects: BTreeMap<(String, String, String), Value>,
    clock: i64,
}

fn labels(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

impl Mesh {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an object; later objects are younger.
    pub fn object(mut self, mut object: Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&object["kind"]);
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!("default");
        }
        let key = (
            kind,
            text(&object["metadata"]["namespace"]),
            text(&object["metadata"]["name"]),
        );
        self.clock += 1;
        let known = self.objects.get(&key);
        let field = |name: &str| known.map(|known| known["metadata"][name].clone());
        object["metadata"]["creationTimestamp"] = field("creationTimestamp").unwrap_or_else(|| {
            json!(format!(
                "2026-01-01T{:02}:{:02}:{:02}Z",
                self.clock / 3600,
                self.clock / 60 % 60,
                self.clock % 60
            ))
        });
        object["metadata"]["uid"] =
            field("uid").unwrap_or_else(|| json!(format!("uid-{}", self.clock)));
        object["metadata"]["generation"] = json!(self.clock);
        self.objects.insert(key, object);
        self
    }

    /// Adds the documents of a YAML stream.
    pub fn yaml(mut self, text: &str) -> Self {
        for document in api::parse::parse_str(text) {
            assert!(!document.is_bad(), "{:?}", document.diagnostics);
            self = self.object(document.value);
        }
        self
    }

    /// Sets the mesh's configuration.
    pub fn mesh_config(self, spec: &Value) -> Self {
        self.object(json!({"kind": "MeshConfig", "metadata": {"name": "mesh"}, "spec": spec}))
    }

    pub fn without(mut self, kind: &str, namespace: &str, name: &str) -> Self {
        self.objects
            .remove(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
            .expect("the object is there");
        self
    }

    /// A service that selects `app: <name>`; ports are name, number and target.
    pub fn service(
        self,
        name: &str,
        namespace: &str,
        ip: &str,
        ports: &[(&str, u16, u16)],
    ) -> Self {
        let ports: Vec<Value> = ports
            .iter()
            .map(|(name, port, target)| json!({"name": name, "port": port, "targetPort": target}))
            .collect();
        self.object(json!({
            "kind": "Service", "metadata": {"name": name, "namespace": namespace},
            "spec": {"clusterIP": ip, "clusterIPs": [ip], "selector": {"app": name}, "ports": ports},
        }))
    }

    /// An injected pod with label `app` and others.
    pub fn pod(self, name: &str, namespace: &str, ip: &str, more: &[(&str, &str)]) -> Self {
        let mut all = labels(more);
        all["security.istio.io/tlsMode"] = json!("istio");
        self.bare_pod(name, namespace, ip, all)
    }

    /// A pod without a sidecar.
    pub fn plain_pod(self, name: &str, namespace: &str, ip: &str, more: &[(&str, &str)]) -> Self {
        self.bare_pod(name, namespace, ip, labels(more))
    }

    fn bare_pod(self, name: &str, namespace: &str, ip: &str, labels: Value) -> Self {
        let account = labels["app"].as_str().unwrap_or("default").to_owned();
        self.object(json!({
            "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]},
            "status": {"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running",
                       "conditions": [{"type": "Ready", "status": "True"}]},
        }))
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        let mut snapshot = Snapshot::default();
        for ((kind, ..), object) in &self.objects {
            if kind == "MeshConfig" {
                let config =
                    serde_json::from_value(object["spec"].clone()).expect("a mesh configuration");
                snapshot.mesh = Arc::new(config);
                continue;
            }
            let ty = of_kind(kind);
            let applied = snapshot.apply(&ty, object);
            assert!(
                matches!(applied, api::Applied::Changed),
                "{kind}: {applied:?} {:?}",
                snapshot.quarantined
            );
        }
        for slice in self.slices() {
            snapshot.apply(&kinds::ENDPOINT_SLICE, &slice);
        }
        Arc::new(snapshot)
    }

    fn slices(&self) -> Vec<Value> {
        let of = |wanted: &'static str| {
            self.objects
                .iter()
                .filter(move |((kind, ..), _)| kind == wanted)
        };
        let mut slices = Vec::new();
        for ((_, namespace, service), object) in of("Service") {
            let Some(selector) = object["spec"]["selector"].as_object() else {
                continue;
            };
            let selected = of("Pod").filter(|((_, pod_namespace, _), pod)| {
                pod_namespace == namespace
                    && selector
                        .iter()
                        .all(|(key, value)| pod["metadata"]["labels"][key] == *value)
            });
            let endpoints: Vec<Value> = selected
                .map(|((_, _, name), pod)| {
                    let ready = pod["status"]["conditions"][0]["status"] == "True";
                    json!({"addresses": [pod["status"]["podIP"]], "conditions": {"ready": ready},
                           "targetRef": {"kind": "Pod", "name": name, "namespace": namespace}})
                })
                .collect();
            let ports: Vec<Value> = object["spec"]["ports"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|port| json!({"name": port["name"], "port": port["targetPort"], "protocol": "TCP"}))
                .collect();
            slices.push(json!({
                "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {"name": format!("{service}-1"), "namespace": namespace,
                             "labels": {"kubernetes.io/service-name": service}},
                "endpoints": endpoints, "ports": ports,
            }));
        }
        slices
    }

    pub fn view(&self) -> MeshView {
        MeshView::new(&self.snapshot(), None)
    }

    pub fn generate(&self, node: &Node) -> Generated {
        control::generate(&self.view(), &NodeInfo::parse(node).expect("a node"), true)
    }
}

pub fn of_kind(kind: &str) -> ResourceType {
    *api::snapshot::KINDS
        .iter()
        .find(|ty| ty.kind == kind)
        .expect("a kind of the snapshot")
}

fn node(kind: &str, name: &str, namespace: &str, ip: &str, more: &[(&str, &str)]) -> Node {
    let text = |text: &str| ProtoValue {
        kind: Some(Kind::StringValue(text.to_owned())),
    };
    let mut fields: std::collections::HashMap<String, ProtoValue> = more
        .iter()
        .map(|(key, value)| ((*key).to_owned(), text(value)))
        .collect();
    fields.insert("NAMESPACE".into(), text(namespace));
    fields.insert("INSTANCE_IPS".into(), text(ip));
    fields.insert("ISTIO_VERSION".into(), text("1.30.0"));
    // Every agent announces it.
    let settings = Kind::StructValue(Struct::default());
    fields.insert(
        "PROXY_CONFIG".into(),
        ProtoValue {
            kind: Some(settings),
        },
    );
    Node {
        id: format!("{kind}~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"),
        cluster: name.to_owned(),
        metadata: Some(Struct { fields }),
        ..Default::default()
    }
}

/// The sidecar of a pod, run by stock Envoy.
pub fn sidecar(pod: &str, namespace: &str, ip: &str) -> Node {
    node("sidecar", pod, namespace, ip, &[])
}

/// The sidecar of a pod, run by our own proxy.
pub fn own_sidecar(pod: &str, namespace: &str, ip: &str) -> Node {
    node("sidecar", pod, namespace, ip, &[("FERROMESH", "1")])
}

/// A gateway.
pub fn router(pod: &str, namespace: &str, ip: &str) -> Node {
    node("router", pod, namespace, ip, &[])
}

/// Names of one type, in order.
pub fn names(generated: &Generated, type_url: &str) -> Vec<String> {
    generated.view.names(type_url).map(str::to_owned).collect()
}

/// A resource as JSON.
pub fn json(generated: &Generated, type_url: &str, name: &str) -> Value {
    use std::sync::LazyLock;
    static POOL: LazyLock<xds::json::Pool> = LazyLock::new(xds::json::Pool::pruned);
    let resource = generated
        .view
        .get(type_url, name)
        .unwrap_or_else(|| panic!("no {name}; there are {:?}", names(generated, type_url)));
    POOL.to_json(type_url, &resource.body, xds::json::Print::default())
        .expect("a known message")
}

/// Bookinfo in small: two namespaces, HTTP, TCP and sniffed ports, a headless service and a gateway.
pub fn bookinfo() -> Mesh {
    Mesh::new()
        .service(
            "productpage",
            "default",
            "10.96.1.1",
            &[("http", 9080, 9080)],
        )
        .service("reviews", "default", "10.96.1.2", &[("http", 9080, 9080)])
        .service("db", "default", "10.96.1.3", &[("tcp-db", 9000, 9000)])
        .service("auto", "other", "10.96.2.1", &[("web", 7000, 7000)])
        .object(json!({
            "kind": "Service", "metadata": {"name": "peers", "namespace": "other"},
            "spec": {"clusterIP": "None", "selector": {"app": "peers"},
                     "ports": [{"name": "tcp", "port": 5000, "targetPort": 5000}]},
        }))
        .service(
            "istio-ingressgateway",
            "istio-system",
            "10.96.0.80",
            &[("http2", 80, 8080), ("https", 443, 8443)],
        )
        .pod(
            "productpage-1",
            "default",
            "10.244.0.11",
            &[("app", "productpage")],
        )
        .pod(
            "reviews-v1",
            "default",
            "10.244.0.12",
            &[("app", "reviews"), ("version", "v1")],
        )
        .pod(
            "reviews-v2",
            "default",
            "10.244.0.13",
            &[("app", "reviews"), ("version", "v2")],
        )
        .pod("db-1", "default", "10.244.0.14", &[("app", "db")])
        .pod("auto-1", "other", "10.244.0.15", &[("app", "auto")])
        .pod("peers-0", "other", "10.244.0.16", &[("app", "peers")])
        .pod(
            "ingress-1",
            "istio-system",
            "10.244.0.10",
            &[("app", "istio-ingressgateway"), ("istio", "ingressgateway")],
        )
}

/// The sidecar of Bookinfo's product page.
pub fn productpage() -> Node {
    sidecar("productpage-1", "default", "10.244.0.11")
}

/// A sidecar in another namespace.
pub fn auto() -> Node {
    sidecar("auto-1", "other", "10.244.0.15")
}

/// Bookinfo's gateway.
pub fn ingress() -> Node {
    router("ingress-1", "istio-system", "10.244.0.10")
}

/// The usual Istio objects of Bookinfo.
pub const CANARY: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bookinfo-gateway}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: bookinfo}
spec:
  hosts: ['*']
  gateways: [bookinfo-gateway]
  http:
  - match: [{uri: {exact: /productpage}}, {uri: {prefix: /static}}]
    route: [{destination: {host: productpage, port: {number: 9080}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
";

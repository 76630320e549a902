//! What changes, every 100 ms: routes before their subsets and after, subsets and rules that go while they
//! are used, endpoints that come and go, certificates that are renewed.

use std::collections::VecDeque;
use std::net::Ipv4Addr;

use agent::identity::Material;
use serde_json::{Value, json};
use testkit::pki::{Authority, Validity};
use tokio::sync::watch;

use crate::backends::{Backend, Backends};
use crate::gateways::Gateway;
use crate::mesh::Mesh;

const VERSIONS: [&str; 3] = ["v1", "v2", "v3"];
/// Steps of one round.
const ROUND: usize = 24;

pub struct Script {
    mesh: Mesh,
    backends: Backends,
    running: VecDeque<Backend>,
    addresses: u32,
    pub step: usize,
    edge: Authority,
    material: watch::Sender<Option<Material>>,
    finishing: tokio::task::JoinSet<()>,
}

/// Ports of the gateways, as their service maps them.
pub struct Ports {
    pub name: &'static str,
    pub plain: u16,
    pub secure: u16,
}

impl Script {
    /// The mesh at its beginning: three workloads, two gateways, one route.
    pub async fn begin(
        mut mesh: Mesh,
        backends: Backends,
        gateways: &[Ports],
        material: watch::Sender<Option<Material>>,
    ) -> Self {
        mesh.put(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "app", "namespace": "default"},
            "spec": {"clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "selector": {"app": "app"},
                     "ports": [{"name": "http", "port": 8000, "targetPort": backends.port}]},
        }));
        for (
            index,
            Ports {
                name,
                plain,
                secure,
            },
        ) in gateways.iter().enumerate()
        {
            let ip = format!("127.0.2.{}", index + 1);
            mesh.put(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "istio-system"},
                "spec": {"clusterIP": format!("10.96.0.{}", 80 + index), "selector": {"istio": name},
                         "ports": [{"name": "http2", "port": 80, "targetPort": plain},
                                   {"name": "https", "port": 443, "targetPort": secure}]},
            }));
            mesh.put(pod(
                name,
                "istio-system",
                &ip,
                "gateway",
                &json!({"istio": name}),
            ));
            mesh.put(slice(
                name,
                "istio-system",
                &[(ip, (*name).to_owned(), true)],
                *plain,
            ));
            mesh.put(json!({
                "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
                "metadata": {"name": name, "namespace": "istio-system"},
                "spec": {"selector": {"istio": name}, "servers": [
                    {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "bind": "127.0.0.1", "hosts": ["*"]},
                    {"port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "bind": "127.0.0.1",
                     "hosts": ["secure.test"], "tls": {"mode": "SIMPLE", "credentialName": "edge"}},
                ]},
            }));
        }
        let mut script = Self {
            mesh,
            backends,
            running: VecDeque::new(),
            addresses: 0,
            step: 0,
            edge: Authority::root("edge"),
            material,
            finishing: tokio::task::JoinSet::new(),
        };
        for version in VERSIONS {
            script.come(version).await;
        }
        script.renew_workload();
        script.renew_edge();
        script.route(&json!([{"destination": destination("")}]));
        script.endpoints();
        script.mesh.commit();
        script
    }

    /// Roots of the certificates that the gateways show.
    pub fn edge_roots(&self) -> net::tls::Roots {
        net::tls::Roots::from_pem(self.edge.pem.as_bytes()).unwrap()
    }

    /// Serial numbers of the workload certificates that were seen.
    pub fn client_certificates(&self) -> usize {
        self.backends.clients.lock().unwrap().len()
    }

    /// Requests that reached a workload.
    pub fn served(&self) -> usize {
        self.backends
            .served
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The next change. `gateways` say when nobody uses an endpoint any more.
    pub async fn next(&mut self, gateways: &[std::sync::Arc<Gateway>]) {
        let (round, step) = (self.step / ROUND, self.step % ROUND);
        self.step += 1;
        let name = |letter: &str| format!("{letter}{round}");
        let (a, b, c, d, e, f) = (
            name("a"),
            name("b"),
            name("c"),
            name("d"),
            name("e"),
            name("f"),
        );
        let one = |subset: &str| json!([{"destination": destination(subset)}]);
        match step {
            0 => self.come(VERSIONS[round % 3]).await,
            // The route before the subset …
            1 => self.route(&one(&a)),
            2 => self.subsets(&[&a]),
            3 => self.renew_edge(),
            4 => self.route(&json!([
                {"destination": destination(&a), "weight": 50}, {"destination": destination(&b), "weight": 50},
            ])),
            5 => self.subsets(&[&a, &b]),
            6 => self.go(gateways),
            7 => self.renew_workload(),
            // … the subset before the route …
            8 => self.subsets(&[&a, &b, &c]),
            9 => self.route(&one(&c)),
            10 => self.subsets(&[&c]),
            // … a rule that goes while a route needs it …
            11 => self.without("DestinationRule", "app"),
            12 => self.route(&one("")),
            13 => self.subsets(&[&d]),
            // … a second set of routes that comes and goes, after its subset and before; its first revision
            // must resolve, as there is nothing that could be kept in use instead …
            14 => self.more(&d),
            15 => self.more(&e),
            16 => self.subsets(&[&d, &e]),
            17 => self.without("VirtualService", "more"),
            18 => self.without("DestinationRule", "app"),
            // … and everything in the other order.
            19 => self.route(&one(&f)),
            20 => self.subsets(&[&f]),
            21 => self.more(&f),
            22 => self.subsets(&[]),
            _ => {
                self.without("VirtualService", "more");
                self.route(&one(""));
            }
        }
        self.endpoints();
        self.mesh.commit();
    }

    /// Waits for the workloads that are still finishing.
    pub async fn end(mut self) {
        while self.finishing.join_next().await.is_some() {}
        for backend in self.running.drain(..) {
            backend.finish().await;
        }
    }

    fn route(&mut self, destinations: &Value) {
        let step = self.step;
        self.mesh.put(virtual_service(
            "app",
            json!([{
                "route": destinations, "timeout": format!("{}s", 15 + step % 3),
                "headers": {"response": {"set": {"x-step": format!("{step}")}}},
            }]),
        ));
    }

    fn more(&mut self, subset: &str) {
        self.mesh.put(virtual_service(
            "more",
            json!([{
                "match": [{"headers": {"x-more": {"exact": "yes"}}}],
                "route": [{"destination": destination(subset)}],
                "headers": {"response": {"set": {"x-step": format!("more-{}", self.step)}}},
            }]),
        ));
    }

    fn subsets(&mut self, names: &[&String]) {
        let policy = ["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"][self.step % 3];
        let subsets: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(index, name)| json!({"name": name, "labels": {"version": VERSIONS[(self.step + index) % 3]}}))
            .collect();
        self.mesh.put(json!({
            "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"host": "app", "trafficPolicy": {"loadBalancer": {"simple": policy}}, "subsets": subsets},
        }));
    }

    fn without(&mut self, kind: &str, name: &str) {
        self.mesh.delete(kind, "default", name);
    }

    fn renew_edge(&mut self) {
        let pair = self.edge.server(&["secure.test"], Validity::default());
        let encode =
            |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
        self.mesh.put(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": "edge", "namespace": "istio-system"},
            "data": {"tls.crt": encode(&pair.chain), "tls.key": encode(&pair.key)},
        }));
    }

    fn renew_workload(&mut self) {
        let authority = &self.backends.authority;
        let uri = "spiffe://cluster.local/ns/istio-system/sa/gateway";
        let pair = authority.workload(uri, Validity::default());
        let reply = [pair.chain, authority.pem.clone()];
        let material = Material::new(&reply, pair.key, &authority.pem).unwrap();
        self.material.send_replace(Some(material));
    }

    /// A workload comes: it listens first and is an endpoint then.
    async fn come(&mut self, version: &str) {
        self.addresses += 1;
        let [_, _, high, low] = (self.addresses + 256).to_be_bytes();
        let backend = self
            .backends
            .start(Ipv4Addr::new(127, 0, high, low), version)
            .await;
        self.mesh.put(pod(
            &format!("app-{}", self.addresses),
            "default",
            &backend.address.to_string(),
            "app",
            &json!({"app": "app", "version": version}),
        ));
        self.running.push_back(backend);
    }

    /// The oldest workload goes: it is no endpoint any more first, ends when no gateway knows it, and
    /// finishes what it has begun. One of its version stays.
    fn go(&mut self, gateways: &[std::sync::Arc<Gateway>]) {
        let backend = self.running.pop_front().unwrap();
        assert!(
            self.running
                .iter()
                .any(|other| other.version == backend.version)
        );
        let gateways = gateways.to_vec();
        self.finishing.spawn(async move {
            let mark = format!("{}:", backend.address);
            for gateway in gateways {
                while gateway.admin("/clusters").await.contains(&mark) {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
            backend.finish().await;
        });
    }

    fn endpoints(&mut self) {
        let port = self.backends.port;
        let endpoints: Vec<(String, String, bool)> = self
            .running
            .iter()
            .map(|backend| {
                let [_, _, high, low] = backend.address.octets();
                let number = u32::from_be_bytes([0, 0, high, low]) - 256;
                (backend.address.to_string(), format!("app-{number}"), true)
            })
            .collect();
        self.mesh.put(slice("app", "default", &endpoints, port));
    }
}

fn destination(subset: &str) -> Value {
    let mut destination =
        json!({"host": "app.default.svc.cluster.local", "port": {"number": 8000}});
    if !subset.is_empty() {
        destination["subset"] = json!(subset);
    }
    destination
}

fn virtual_service(name: &str, http: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": ["plain.test", "secure.test"], "gateways": ["istio-system/ours", "istio-system/envoy"], "http": http},
    })
}

fn pod(name: &str, namespace: &str, ip: &str, account: &str, labels: &Value) -> Value {
    let mut labels = labels.clone();
    labels["security.istio.io/tlsMode"] = json!("istio");
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"serviceAccountName": account, "containers": [{"name": "app", "image": "app"}]},
        "status": {"podIP": ip, "podIPs": [{"ip": ip}], "phase": "Running",
                   "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn slice(service: &str, namespace: &str, endpoints: &[(String, String, bool)], port: u16) -> Value {
    let name = if service == "app" { "http" } else { "http2" };
    let endpoints: Vec<Value> = endpoints
        .iter()
        .map(|(ip, pod, ready)| {
            json!({"addresses": [ip], "conditions": {"ready": ready},
                   "targetRef": {"kind": "Pod", "name": pod, "namespace": namespace}})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{service}-1"), "namespace": namespace,
                     "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints, "ports": [{"name": name, "port": port, "protocol": "TCP"}],
    })
}

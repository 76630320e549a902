//! For each kind of change, exactly what each of three proxies is sent.

use control::{Generated, Generator, MeshView, NodeInfo};
use serde_json::json;
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};

use crate::gateway::{HTTPS, secret};
use crate::support::{CANARY, Mesh, auto, bookinfo, ingress, productpage};

/// Three proxies that live through changes.
struct World {
    mesh: Mesh,
    generator: Generator,
    view: MeshView,
    nodes: [NodeInfo; 3],
    state: [Generated; 3],
}

impl World {
    fn new() -> Self {
        let mesh = bookinfo()
            .object(secret("cert-a", "istio-system"))
            .object(secret("cert-b", "istio-system"))
            .yaml(CANARY)
            .yaml(HTTPS);
        let nodes = [productpage(), auto(), ingress()].map(|node| NodeInfo::parse(&node).unwrap());
        let mut generator = Generator::default();
        let view = mesh.view();
        let state = [0, 1, 2].map(|index| generator.generate(&view, &nodes[index], true));
        Self {
            mesh,
            generator,
            view,
            nodes,
            state,
        }
    }

    /// What each proxy is sent after a change: changed names, and removed ones after a minus.
    fn after(&mut self, change: impl FnOnce(Mesh) -> Mesh) -> [Vec<String>; 3] {
        self.mesh = change(std::mem::take(&mut self.mesh));
        self.view = MeshView::new(&self.mesh.snapshot(), Some(&self.view));
        self.generator.next_generation();
        [0, 1, 2].map(|index| {
            let new = self
                .generator
                .generate(&self.view, &self.nodes[index], true);
            let sent = sent(&new, &self.state[index]);
            let fresh = control::generate(&self.view, &self.nodes[index], true);
            assert_eq!(
                fresh.view, new.view,
                "what is remembered is what would be made anew"
            );
            self.state[index] = new;
            sent
        })
    }
}

fn sent(new: &Generated, old: &Generated) -> Vec<String> {
    let mut all = Vec::new();
    for (label, type_url) in [
        ("C", CLUSTER),
        ("E", ENDPOINT),
        ("L", LISTENER),
        ("R", ROUTE),
        ("S", SECRET),
    ] {
        let diff = new.view.diff(&old.view, type_url);
        all.extend(
            diff.changed
                .iter()
                .map(|resource| format!("{label} {}", resource.name)),
        );
        all.extend(diff.removed.iter().map(|name| format!("-{label} {name}")));
    }
    all
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

const NONE: &[&str] = &[];

#[test]
fn nothing_is_sent_for_what_changes_nothing() {
    let mut world = World::new();
    assert_eq!(world.after(|mesh| mesh), [NONE; 3].map(list));
    let touched = world.after(|mesh| {
        mesh.pod(
            "reviews-v1",
            "default",
            "10.244.0.12",
            &[("app", "reviews"), ("version", "v1")],
        )
    });
    assert_eq!(touched, [NONE; 3].map(list));
}

#[test]
fn a_new_service() {
    let mut world = World::new();
    let sent = world
        .after(|mesh| mesh.service("ratings", "default", "10.96.1.9", &[("http", 9080, 9080)]));
    let clusters = [
        "C outbound|9080||ratings.default.svc.cluster.local",
        "E outbound|9080||ratings.default.svc.cluster.local",
    ];
    let with_route = [&clusters[..], &["R 9080"]].concat();
    assert_eq!(
        sent,
        [list(&with_route), list(&with_route), list(&clusters)]
    );
}

#[test]
fn an_endpoint_of_one_subset() {
    let mut world = World::new();
    let sent = world.after(|mesh| {
        mesh.pod(
            "reviews-v1b",
            "default",
            "10.244.0.21",
            &[("app", "reviews"), ("version", "v1")],
        )
    });
    let endpoints = [
        "E outbound|9080|v1|reviews.default.svc.cluster.local",
        "E outbound|9080||reviews.default.svc.cluster.local",
    ];
    assert_eq!(sent, [endpoints; 3].map(|items| sorted(&items)));
}

fn sorted(items: &[&str]) -> Vec<String> {
    let mut items = list(items);
    items.sort();
    items
}

#[test]
fn a_weight_of_a_virtual_service() {
    let mut world = World::new();
    let changed = CANARY
        .split("---")
        .nth(2)
        .unwrap()
        .replace("weight: 90", "weight: 50")
        .replace("weight: 10", "weight: 50");
    let sent = world.after(|mesh| mesh.yaml(&changed));
    // Istio routes a VirtualService's hosts on port 80 too, whatever ports their services have.
    let routes = list(&["R 80", "R 9080"]);
    assert_eq!(sent, [routes.clone(), routes, list(NONE)]);
}

#[test]
fn a_subset_of_a_destination_rule() {
    let mut world = World::new();
    let changed = CANARY.split("---").nth(3).unwrap().replace(
        "{name: v2, labels: {version: v2}}",
        "{name: v3, labels: {version: v2}}",
    );
    let sent = world.after(|mesh| mesh.yaml(&changed));
    let expected = list(&[
        "C outbound|9080|v3|reviews.default.svc.cluster.local",
        "-C outbound|9080|v2|reviews.default.svc.cluster.local",
        "E outbound|9080|v3|reviews.default.svc.cluster.local",
        "-E outbound|9080|v2|reviews.default.svc.cluster.local",
    ]);
    assert_eq!(sent, [expected.clone(), expected.clone(), expected]);
}

#[test]
fn a_server_of_a_gateway() {
    let mut world = World::new();
    let changed = CANARY.split("---").next().unwrap().replace(
        "hosts: ['*']",
        "hosts: ['*']\n  - port: {number: 81, name: more, protocol: HTTP}\n    hosts: ['*']",
    );
    let sent = world.after(|mesh| mesh.yaml(&changed));
    assert_eq!(
        sent,
        [list(NONE), list(NONE), list(&["L 0.0.0.0_81", "R http.81"])]
    );
}

#[test]
fn a_peer_authentication_of_one_namespace() {
    let mut world = World::new();
    let policy = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
";
    let sent = world.after(|mesh| mesh.yaml(policy));
    assert_eq!(sent, [list(&["L virtualInbound"]), list(NONE), list(NONE)]);
    let off = world.after(|mesh| mesh.yaml(&policy.replace("STRICT", "DISABLE")));
    let endpoints = [
        "E outbound|9000||db.default.svc.cluster.local",
        "E outbound|9080|v1|reviews.default.svc.cluster.local",
        "E outbound|9080|v2|reviews.default.svc.cluster.local",
        "E outbound|9080||productpage.default.svc.cluster.local",
        "E outbound|9080||reviews.default.svc.cluster.local",
    ];
    let with_listener = [&endpoints[..], &["L virtualInbound"]].concat();
    assert_eq!(
        off,
        [list(&with_listener), list(&endpoints), list(&endpoints)]
    );
}

#[test]
fn a_credential() {
    let mut world = World::new();
    let sent = world.after(|mesh| {
        let mut changed = secret("cert-a", "istio-system");
        let authority = testkit::pki::Authority::root("another");
        let pair = authority.server(&["a.example"], testkit::pki::Validity::default());
        changed["data"] = json!(null);
        changed["stringData"] = json!({"tls.crt": pair.chain, "tls.key": pair.key});
        mesh.object(changed)
    });
    assert_eq!(
        sent,
        [list(NONE), list(NONE), list(&["S kubernetes://cert-a"])]
    );
}

#[test]
fn the_configuration_of_the_mesh() {
    let mut world = World::new();
    let sent = world.after(|mesh| {
        mesh.mesh_config(&json!({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}))
    });
    let catch_alls = |route: &[&str]| {
        let listeners = ["L 0.0.0.0_80", "L 0.0.0.0_9080", "L virtualOutbound"];
        list(&[&listeners[..], route].concat())
    };
    assert_eq!(
        sent,
        [
            catch_alls(&["R 80", "R 9080"]),
            catch_alls(&["R 80", "R 9080"]),
            list(NONE)
        ]
    );
}

#[test]
fn a_label_of_a_pod() {
    let mut world = World::new();
    let sent = world.after(|mesh| {
        mesh.pod(
            "reviews-v2",
            "default",
            "10.244.0.13",
            &[("app", "reviews"), ("version", "v1")],
        )
    });
    let endpoints = [
        "E outbound|9080|v1|reviews.default.svc.cluster.local",
        "E outbound|9080|v2|reviews.default.svc.cluster.local",
        "E outbound|9080||reviews.default.svc.cluster.local",
    ];
    assert_eq!(sent, [endpoints; 3].map(|items| list(&items)));
}

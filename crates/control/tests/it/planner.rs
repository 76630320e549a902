//! Planning: who is woken, what is live, and what stays in use while references dangle.

use std::sync::Arc;

use api::snapshot::Snapshot;
use base::{ObjectRef, SpiffeId};
use control::{InMemory, Live, Planner, PlannerOptions, StatusUpdate, SyncState};
use tokio::sync::{mpsc, watch};
use xds::View;
use xds::envoy::config::core::v3::Node;
use xds::server::{ConnId, ConnInfo, Event, Form, PeerIdentity, Planner as _};
use xds::type_url::{CLUSTER, LISTENER, ROUTE};

use crate::support::{CANARY, Mesh, auto, bookinfo, ingress, productpage};

fn planner() -> (
    Arc<Planner>,
    mpsc::UnboundedReceiver<StatusUpdate>,
    watch::Sender<Option<Arc<Snapshot>>>,
) {
    let (sender, snapshots) = watch::channel(None);
    let options = PlannerOptions {
        istiod: "istiod-1".into(),
        last_resolved: Arc::new(InMemory::default()),
        authenticator: None,
    };
    let (planner, reports) = Planner::start(snapshots, options);
    (planner, reports, sender)
}

fn conn(id: u64, node: Node) -> ConnInfo {
    ConnInfo {
        id: ConnId(id),
        peer: PeerIdentity::default(),
        node,
        form: Form::Delta,
        bearer: None,
    }
}

/// Acknowledges everything of some types, as a proxy would.
fn acknowledge(planner: &Planner, id: u64, view: &View, types: &[&'static str]) {
    for type_url in types {
        let resources: Vec<_> = view.iter(type_url).cloned().collect();
        let type_url: Arc<str> = (*type_url).into();
        let nonce = view.len(&type_url).to_string();
        planner.event(
            ConnId(id),
            Event::Sent {
                type_url: Arc::clone(&type_url),
                nonce: nonce.clone(),
                resources: resources.clone().into(),
                removed: [].into(),
            },
        );
        planner.event(
            ConnId(id),
            Event::Ack {
                type_url,
                nonce,
                resources: resources.into(),
                removed: [].into(),
            },
        );
    }
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef::new(kind, "default", name)
}

#[tokio::test]
async fn streams_are_refused_until_the_mesh_is_known() {
    let (planner, _reports, _snapshots) = planner();
    let refused = planner.connect(conn(1, productpage())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn an_identity_of_another_namespace_is_refused() {
    let (planner, _reports, _snapshots) = planner();
    planner.plan(&bookinfo().snapshot());
    let mut stranger = conn(1, productpage());
    stranger.peer.spiffe = Some(SpiffeId::new("cluster.local", "other", "auto"));
    let refused = planner.connect(stranger).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
}

#[tokio::test]
async fn only_proxies_whose_view_changed_are_woken() {
    let (planner, _reports, _snapshots) = planner();
    let mesh = bookinfo().yaml(CANARY);
    planner.plan(&mesh.snapshot());
    let mut receivers = Vec::new();
    for (id, node) in [(1, productpage()), (2, auto()), (3, ingress())] {
        receivers.push(planner.connect(conn(id, node)).await.unwrap());
    }
    assert_eq!(planner.plan(&mesh.snapshot()), 0);
    let strict = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: other}
spec: {mtls: {mode: STRICT}}
";
    assert_eq!(planner.plan(&mesh.clone().yaml(strict).snapshot()), 1);
    let changed: Vec<bool> = receivers
        .iter()
        .map(|receiver| receiver.has_changed().unwrap())
        .collect();
    assert_eq!(changed, [false, true, false]);
}

#[tokio::test]
async fn live_counts_the_proxies_that_acknowledged_the_present_generation() {
    let (planner, _reports, _snapshots) = planner();
    let mesh = bookinfo().yaml(CANARY);
    planner.plan(&mesh.snapshot());
    let mut first = planner.connect(conn(1, productpage())).await.unwrap();
    let _second = planner.connect(conn(2, auto())).await.unwrap();
    let reviews = object("VirtualService", "reviews");
    let live = |acknowledged, wanted| Live {
        acknowledged,
        wanted,
    };
    assert_eq!(planner.live(&reviews), live(0, 2));
    let view = first.borrow_and_update().clone();
    acknowledge(&planner, 1, &view, &[CLUSTER, LISTENER, ROUTE]);
    assert_eq!(planner.live(&reviews), live(1, 2));
    let heavier = CANARY
        .split("---")
        .nth(2)
        .unwrap()
        .replace("weight: 90", "weight: 80")
        .replace("weight: 10", "weight: 20");
    planner.plan(&mesh.yaml(&heavier).snapshot());
    assert_eq!(
        planner.live(&reviews),
        live(0, 2),
        "a new generation begins anew"
    );
    let view = first.borrow_and_update().clone();
    acknowledge(&planner, 1, &view, &[ROUTE]);
    assert_eq!(planner.live(&reviews), live(1, 2));
    planner.closed(ConnId(1));
    assert_eq!(planner.live(&reviews), live(0, 1));
}

#[tokio::test]
async fn rows_say_how_far_each_proxy_is() {
    let (planner, _reports, _snapshots) = planner();
    planner.plan(&bookinfo().snapshot());
    let views = planner.connect(conn(1, productpage())).await.unwrap();
    let view = views.borrow().clone();
    acknowledge(&planner, 1, &view, &[CLUSTER]);
    planner.event(
        ConnId(1),
        Event::Sent {
            type_url: LISTENER.into(),
            nonce: "l".into(),
            resources: [].into(),
            removed: [].into(),
        },
    );
    let row = planner.proxy_status().remove(0);
    assert_eq!(
        (row.name.as_str(), row.istiod.as_str(), row.version.as_str()),
        ("productpage-1.default", "istiod-1", "1.30.0")
    );
    assert_eq!(
        (row.clusters, row.listeners, row.routes),
        (SyncState::Synced, SyncState::Stale, SyncState::NotSent)
    );
    planner.event(
        ConnId(1),
        Event::Nack {
            type_url: LISTENER.into(),
            nonce: "l".into(),
            resources: [].into(),
            message: "no".into(),
        },
    );
    assert_eq!(
        planner.proxy_status()[0].listeners,
        SyncState::Rejected("no".into())
    );
}

fn condition(planner: &Planner, object: &ObjectRef, kind: &str) -> (bool, String) {
    let statuses = planner.statuses();
    let status = statuses
        .iter()
        .find(|status| status.object == *object)
        .expect("a status");
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.kind == kind)
        .expect("a condition");
    (condition.status, condition.message.clone())
}

fn clusters_of(planner: &Planner, node: &Node) -> Vec<String> {
    let node = control::NodeInfo::parse(node).unwrap();
    let generated = control::generate(&planner.mesh_view().unwrap(), &node, true);
    let route = generated.view.get(ROUTE, "9080").unwrap();
    let text = String::from_utf8_lossy(&route.body).into_owned();
    ["v1", "v2", "v3"]
        .into_iter()
        .filter(|subset| text.contains(&format!("outbound|9080|{subset}|reviews")))
        .map(ToOwned::to_owned)
        .collect()
}

#[tokio::test]
async fn a_virtual_service_that_comes_before_its_subset_leaves_the_old_one_in_use() {
    let (planner, _reports, _snapshots) = planner();
    let mesh = bookinfo().yaml(CANARY);
    planner.plan(&mesh.snapshot());
    let rules = CANARY
        .split("---")
        .nth(2)
        .unwrap()
        .replace("subset: v2", "subset: v3");
    let mesh = mesh.yaml(&rules);
    planner.plan(&mesh.snapshot());
    let reviews = object("VirtualService", "reviews");
    assert_eq!(
        clusters_of(&planner, &productpage()),
        ["v1", "v2"],
        "as before"
    );
    let (resolved, message) = condition(&planner, &reviews, "Resolved");
    assert!(!resolved && message.contains("subset v3"), "{message}");
    let subset = CANARY
        .split("---")
        .nth(3)
        .unwrap()
        .replace("name: v2", "name: v3");
    planner.plan(&mesh.yaml(&subset).snapshot());
    assert_eq!(
        clusters_of(&planner, &productpage()),
        ["v1", "v3"],
        "once it resolves"
    );
    assert!(condition(&planner, &reviews, "Resolved").0);
}

#[tokio::test]
async fn a_subset_stays_for_as_long_as_a_virtual_service_uses_it() {
    let (planner, _reports, _snapshots) = planner();
    let mesh = bookinfo().yaml(CANARY);
    planner.plan(&mesh.snapshot());
    let node = control::NodeInfo::parse(&productpage()).unwrap();
    let has_v2 = |planner: &Planner| {
        let generated = control::generate(&planner.mesh_view().unwrap(), &node, true);
        generated
            .view
            .get(
                CLUSTER,
                "outbound|9080|v2|reviews.default.svc.cluster.local",
            )
            .is_some()
    };
    let shrunk = CANARY
        .split("---")
        .nth(3)
        .unwrap()
        .replace("  - {name: v2, labels: {version: v2}}\n", "");
    planner.plan(&mesh.clone().yaml(&shrunk).snapshot());
    assert!(has_v2(&planner), "the subset was removed first");
    assert!(!condition(&planner, &object("DestinationRule", "reviews"), "Resolved").0);
    let gone = mesh.without("DestinationRule", "default", "reviews");
    planner.plan(&gone.snapshot());
    assert!(has_v2(&planner), "the whole rule was removed first");
    let gone = gone.without("VirtualService", "default", "reviews");
    planner.plan(&gone.snapshot());
    assert!(!has_v2(&planner), "nothing uses it any more");
}

#[tokio::test]
async fn a_first_revision_that_dangles_is_used_and_said_to_fail() {
    let (planner, _reports, _snapshots) = planner();
    let rules = CANARY.split("---").nth(2).unwrap();
    planner.plan(&bookinfo().yaml(rules).snapshot());
    assert_eq!(clusters_of(&planner, &productpage()), ["v1", "v2"]);
    let (_, message) = condition(&planner, &object("VirtualService", "reviews"), "Resolved");
    assert!(message.contains("503 NC"), "{message}");
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_quarantined_alone() {
    let (planner, _reports, _snapshots) = planner();
    let mut snapshot: Snapshot = (*bookinfo().yaml(CANARY).snapshot()).clone();
    let broken = serde_json::json!({"metadata": {"name": "broken", "namespace": "default"}, "spec": {"hosts": 1}});
    snapshot.apply(&api::kinds::VIRTUAL_SERVICE, &broken);
    planner.plan(&Arc::new(snapshot));
    assert!(condition(&planner, &object("VirtualService", "broken"), "Quarantined").0);
    assert!(condition(&planner, &object("VirtualService", "reviews"), "Accepted").0);
}

#[tokio::test]
async fn telemetry_is_live_where_its_logs_are_and_names_providers_that_exist() {
    let (planner, _reports, _snapshots) = planner();
    let telemetry = "
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: logs}
spec:
  accessLogging: [{providers: [{name: nobody}]}]
";
    planner.plan(&bookinfo().yaml(telemetry).snapshot());
    let _views = planner.connect(conn(1, productpage())).await.unwrap();
    let _other = planner.connect(conn(2, auto())).await.unwrap();
    let logs = object("Telemetry", "logs");
    assert_eq!(
        planner.live(&logs).wanted,
        1,
        "the proxies of its namespace"
    );
    let (warned, message) = condition(&planner, &logs, "Warning");
    assert!(warned && message.contains("nobody"), "{message}");
}

#[tokio::test]
async fn snapshots_are_followed_and_statuses_reported() {
    let (planner, mut reports, snapshots) = planner();
    snapshots
        .send(Some(Mesh::snapshot(&bookinfo().yaml(CANARY))))
        .unwrap();
    let first = reports.recv().await.expect("a report");
    assert!(
        first
            .conditions
            .iter()
            .any(|condition| condition.kind == "Live")
    );
    assert!(planner.mesh_view().is_some());
}

//! The controllers of Kubernetes that `ferromesh up` needs: Deployments, ReplicaSets, EndpointSlices,
//! namespaces' defaults, load balancer addresses, the scheduler, and removal of stray pods. Each is a
//! pure plan over what was observed; one hub does what they decided.

mod action;
mod cache;
mod deployment;
mod endpoints;
#[cfg(test)]
mod harness;
mod hub;
mod load_balancer;
mod namespaces;
mod object;
mod pods;
mod queue;
mod replica_set;
mod scheduler;
mod selector;

use std::net::IpAddr;
use std::sync::Arc;

use api::store::Store;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use hub::Controller;

/// What the controllers cannot find out by themselves.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// PEM of the mesh's trust bundle as it changes, for ConfigMap `istio-ca-root-cert`.
    pub mesh_roots: Option<watch::Receiver<Option<Arc<str>>>>,
    /// Where Services of type LoadBalancer are reached; `None` leaves them pending.
    pub load_balancer: Option<IpAddr>,
}

/// Runs all controllers until `shutdown`; writes under way are finished first.
pub async fn run(store: Arc<dyn Store>, options: Options, shutdown: CancellationToken) {
    let Options {
        mesh_roots,
        load_balancer,
    } = options;
    let mut controllers: Vec<Arc<dyn Controller>> = vec![
        Arc::new(namespaces::Namespaces { mesh_roots }),
        Arc::new(deployment::Deployments),
        Arc::new(replica_set::ReplicaSets),
        Arc::new(scheduler::Scheduler),
        Arc::new(endpoints::EndpointsOfServices),
        Arc::new(pods::StrayPods::default()),
    ];
    if let Some(address) = load_balancer {
        controllers.push(Arc::new(load_balancer::LoadBalancers { address }));
    }
    hub::run(store, controllers, shutdown).await;
}

/// Keeps the mesh's trust bundle in ConfigMap `istio-ca-root-cert` of every namespace, beside the controllers
/// that a real cluster has already.
pub async fn publish_roots(
    store: Arc<dyn Store>,
    roots: watch::Receiver<Option<Arc<str>>>,
    shutdown: CancellationToken,
) {
    let namespaces = namespaces::Namespaces {
        mesh_roots: Some(roots),
    };
    hub::run(store, vec![Arc::new(namespaces)], shutdown).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::kinds::{DEPLOYMENT, NAMESPACE, NODE, POD, SERVICE_ACCOUNT};
    use serde_json::{Value, json};
    use std::time::Duration;
    use testkit::MemoryStore;

    async fn until(what: impl Fn() -> bool) {
        for _ in 0..1000 {
            if what() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never happened");
    }

    fn deployment() -> Value {
        json!({
            "metadata": { "namespace": "ns", "name": "web" },
            "spec": {
                "replicas": 2,
                "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [] } },
            },
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_deployment_ends_in_pods_on_a_node_also_across_outages() {
        let store = MemoryStore::default();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(store.shared(), Options::default(), shutdown.clone()));
        store.put(&NAMESPACE, json!({ "metadata": { "name": "ns" } }));
        store.put(
            &NODE,
            json!({
                "metadata": { "name": "n" },
                "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
            }),
        );
        for plural in ["pods", "replicasets", "serviceaccounts"] {
            let down = api::store::StoreError::Unavailable("down".into());
            store.fail_next(testkit::Verb::Create, plural, down);
        }
        store.create_now(&DEPLOYMENT, deployment());
        until(|| {
            let pods = store.all(&POD);
            pods.len() == 2 && pods.iter().all(|pod| pod["spec"]["nodeName"] == "n")
        })
        .await;
        until(|| store.peek(&SERVICE_ACCOUNT, "ns", "default").is_some()).await;
        store.relist();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(store.all(&POD).len(), 2);
        shutdown.cancel();
        task.await.unwrap();
    }

    trait CreateNow {
        fn create_now(&self, ty: &api::store::ResourceType, object: Value);
    }

    impl CreateNow for MemoryStore {
        fn create_now(&self, ty: &api::store::ResourceType, object: Value) {
            futures::executor::block_on(self.create(ty, object)).unwrap();
        }
    }
}

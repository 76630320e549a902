//! Clusters and endpoints.

use serde_json::json;
use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE};

use crate::support::{CANARY, auto, bookinfo, ingress, json, names, productpage};

const REVIEWS: &str = "outbound|9080||reviews.default.svc.cluster.local";
const REVIEWS_V1: &str = "outbound|9080|v1|reviews.default.svc.cluster.local";

fn rule(name: &str, namespace: &str, host: &str, policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec:\n  host: {host}\n  trafficPolicy: {policy}\n"
    )
}

#[test]
fn a_service_has_automatic_mutual_tls_and_istios_defaults() {
    let generated = bookinfo().generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, CLUSTER, REVIEWS));
    insta::assert_json_snapshot!(json(&generated, CLUSTER, "inbound|9080||"));
    insta::assert_json_snapshot!(json(&generated, CLUSTER, "PassthroughCluster"));
}

#[test]
fn endpoints_carry_workload_and_tls_mode() {
    let mesh = bookinfo().yaml(CANARY).plain_pod(
        "reviews-v3",
        "default",
        "10.244.0.19",
        &[("app", "reviews")],
    );
    let generated = mesh.generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, ENDPOINT, REVIEWS));
    let subset = json(&generated, ENDPOINT, REVIEWS_V1);
    assert_eq!(
        subset["endpoints"][0]["lb_endpoints"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_workload_that_disables_mutual_tls_is_told_nothing_of_it() {
    let policy = "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: disabled}
spec:
  selector: {matchLabels: {app: reviews}}
  mtls: {mode: DISABLE}
";
    let generated = bookinfo().yaml(policy).generate(&productpage());
    let endpoint = json(&generated, ENDPOINT, REVIEWS);
    let metadata = &endpoint["endpoints"][0]["lb_endpoints"][0]["metadata"]["filter_metadata"];
    assert!(metadata.get("envoy.transport_socket_match").is_none());
}

#[test]
fn unready_pods_get_nothing() {
    let mesh = bookinfo().object(json!({
        "kind": "Pod", "metadata": {"name": "reviews-v1", "labels": {"app": "reviews", "version": "v1"}},
        "spec": {"containers": []},
        "status": {"podIP": "10.244.0.12", "conditions": [{"type": "Ready", "status": "False"}]},
    }));
    let generated = mesh.generate(&productpage());
    let endpoints = json(&generated, ENDPOINT, REVIEWS);
    assert_eq!(
        endpoints["endpoints"][0]["lb_endpoints"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_rule_of_the_clients_namespace_comes_first_and_the_roots_last() {
    let policy = |lb: &str| format!("{{loadBalancer: {{simple: {lb}}}}}");
    let of = |mesh: &crate::support::Mesh, node: &xds::envoy::config::core::v3::Node| -> String {
        let generated = mesh.generate(node);
        json(&generated, CLUSTER, REVIEWS)["lb_policy"]
            .as_str()
            .unwrap_or("ROUND_ROBIN")
            .to_owned()
    };
    let host = "reviews.default.svc.cluster.local";
    let mesh = bookinfo();
    assert_eq!(of(&mesh, &auto()), "LEAST_REQUEST");
    let mesh = mesh.yaml(&rule(
        "root",
        "istio-system",
        "'*.local'",
        &policy("RANDOM"),
    ));
    assert_eq!(of(&mesh, &auto()), "RANDOM");
    let mesh = mesh.yaml(&rule("service", "default", host, &policy("ROUND_ROBIN")));
    assert_eq!(of(&mesh, &auto()), "ROUND_ROBIN");
    let mesh = mesh.yaml(&rule("client", "other", host, &policy("RANDOM")));
    assert_eq!(of(&mesh, &auto()), "RANDOM");
    assert_eq!(of(&mesh, &productpage()), "ROUND_ROBIN", "another client");
}

#[test]
fn traffic_policies_become_limits_and_ejections() {
    let policy = "
    connectionPool:
      tcp: {maxConnections: 1, connectTimeout: 2s, tcpKeepalive: {time: 60s, interval: 10s, probes: 3}}
      http: {http1MaxPendingRequests: 2, http2MaxRequests: 3, maxRequestsPerConnection: 4, maxRetries: 5, idleTimeout: 30s}
    outlierDetection:
      consecutive5xxErrors: 3
      consecutiveGatewayErrors: 0
      splitExternalLocalOriginErrors: true
      consecutiveLocalOriginFailures: 7
      interval: 1s
      baseEjectionTime: 15s
      maxEjectionPercent: 100
      minHealthPercent: 20
    loadBalancer: {simple: ROUND_ROBIN}
    tls: {mode: SIMPLE, sni: reviews.example, caCertificates: /etc/ca.pem, subjectAltNames: [reviews.example]}
";
    let generated = bookinfo()
        .yaml(&rule("r", "default", "reviews", policy))
        .generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, CLUSTER, REVIEWS));
}

#[test]
fn port_settings_replace_and_subsets_override() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: RANDOM}
    connectionPool: {tcp: {maxConnections: 5}}
    portLevelSettings:
    - {port: {number: 9080}, connectionPool: {tcp: {maxConnections: 6}}}
  subsets:
  - name: v1
    labels: {version: v1}
    trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
";
    let generated = bookinfo().yaml(yaml).generate(&productpage());
    let whole = json(&generated, CLUSTER, REVIEWS);
    assert_eq!(
        whole["lb_policy"], "LEAST_REQUEST",
        "the port does not inherit"
    );
    assert_eq!(
        whole["circuit_breakers"]["thresholds"][0]["max_connections"],
        6
    );
    let subset = json(&generated, CLUSTER, REVIEWS_V1);
    assert!(
        subset
            .get("lb_policy")
            .is_none_or(|policy| policy == "ROUND_ROBIN")
    );
    assert_eq!(
        subset["circuit_breakers"]["thresholds"][0]["max_connections"],
        6
    );
}

#[test]
fn mutual_tls_by_rule_names_the_subset_and_the_identities() {
    let generated = bookinfo()
        .yaml(CANARY)
        .yaml(
            &rule(
                "reviews",
                "default",
                "reviews",
                "{tls: {mode: ISTIO_MUTUAL}}",
            )
            .replace(
                "spec:",
                "spec:\n  subsets: [{name: v1, labels: {version: v1}}]",
            ),
        )
        .generate(&productpage());
    let cluster = json(&generated, CLUSTER, REVIEWS_V1);
    let tls = &cluster["transport_socket"]["typed_config"];
    assert_eq!(
        tls["sni"],
        "outbound_.9080_.v1_.reviews.default.svc.cluster.local"
    );
    let names =
        &tls["common_tls_context"]["combined_validation_context"]["default_validation_context"];
    assert_eq!(
        names["match_typed_subject_alt_names"][0]["matcher"]["exact"],
        "spiffe://cluster.local/ns/default/sa/reviews"
    );
}

#[test]
fn headless_services_keep_the_original_destination_except_at_gateways() {
    let name = "outbound|5000||peers.other.svc.cluster.local";
    let mesh = bookinfo();
    let at_sidecar = mesh.generate(&productpage());
    let cluster = json(&at_sidecar, CLUSTER, name);
    assert_eq!(cluster["type"], "ORIGINAL_DST");
    assert_eq!(cluster["lb_policy"], "CLUSTER_PROVIDED");
    assert!(
        cluster.get("transport_socket").is_some(),
        "all its pods take mutual TLS"
    );
    let at_gateway = mesh.generate(&ingress());
    assert_eq!(json(&at_gateway, CLUSTER, name)["type"], "EDS");
    assert!(names(&at_gateway, ENDPOINT).contains(&name.to_owned()));
}

const ENTRIES: &str = "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: static}
spec:
  hosts: [static.example.com]
  addresses: [240.0.0.1]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 9001, name: tcp, protocol: TCP}]
  endpoints:
  - {address: 192.0.2.1, weight: 3, labels: {version: v1}}
  - {address: 192.0.2.2, ports: {http: 8081}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: none}
spec:
  hosts: ['*.example.org']
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{number: 443, name: tls, protocol: TLS}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: selected}
spec:
  hosts: [selected.internal]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 7070, name: http, protocol: HTTP}]
  workloadSelector: {labels: {app: reviews, version: v1}}
";

#[test]
fn service_entries_are_services() {
    let generated = bookinfo().yaml(ENTRIES).generate(&productpage());
    let cluster = json(&generated, CLUSTER, "outbound|80||static.example.com");
    assert_eq!(cluster["type"], "EDS");
    assert!(
        cluster.get("transport_socket_matches").is_none(),
        "outside the mesh there is no mutual TLS"
    );
    insta::assert_json_snapshot!(json(
        &generated,
        ENDPOINT,
        "outbound|80||static.example.com"
    ));
    assert_eq!(
        json(&generated, CLUSTER, "outbound|443||*.example.org")["type"],
        "ORIGINAL_DST"
    );
    let listener = json(&generated, LISTENER, "0.0.0.0_443");
    assert_eq!(
        listener["filter_chains"][0]["filter_chain_match"]["server_names"],
        json!(["*.example.org"])
    );
    assert_eq!(
        listener["default_filter_chain"]["name"],
        "PassthroughFilterChain"
    );
    let selected = json(&generated, ENDPOINT, "outbound|7070||selected.internal");
    let address =
        &selected["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"];
    assert_eq!(
        (&address["address"], &address["port_value"]),
        (&json!("10.244.0.12"), &json!(7070))
    );
    assert!(names(&generated, LISTENER).contains(&"240.0.0.1_9001".to_owned()));
    let routes = json(&generated, ROUTE, "80");
    let domains: Vec<_> = routes["virtual_hosts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|host| host["domains"].clone())
        .collect();
    assert!(domains.contains(&json!(["static.example.com", "240.0.0.1"])));
}

#[test]
fn nearer_localities_come_first_once_endpoints_can_be_ejected() {
    let node = |name: &str, zone: &str| {
        json!({"kind": "Node", "metadata": {"name": name, "namespace": "", "labels": {
            "topology.kubernetes.io/region": "r", "topology.kubernetes.io/zone": zone}}})
    };
    let pod = |name: &str, node: &str, ip: &str| {
        json!({"kind": "Pod", "metadata": {"name": name, "labels": {"app": "reviews"}},
               "spec": {"nodeName": node, "containers": []},
               "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let mesh = bookinfo()
        .object(node("n1", "a"))
        .object(node("n2", "b"))
        .object(pod("reviews-v1", "n1", "10.244.0.12"))
        .object(pod("reviews-v2", "n2", "10.244.0.13"));
    let mut client = productpage();
    client.locality = Some(xds::envoy::config::core::v3::Locality {
        region: "r".into(),
        zone: "b".into(),
        ..Default::default()
    });
    let priorities = |mesh: &crate::support::Mesh| -> Vec<(String, u64)> {
        let generated = mesh.generate(&client);
        let assignment = json(&generated, ENDPOINT, REVIEWS);
        let localities = assignment["endpoints"].as_array().unwrap();
        localities
            .iter()
            .map(|l| {
                (
                    l["locality"]["zone"].as_str().unwrap().to_owned(),
                    l["priority"].as_u64().unwrap_or(0),
                )
            })
            .collect()
    };
    assert_eq!(priorities(&mesh), [("a".into(), 0), ("b".into(), 0)]);
    let mesh = mesh.yaml(&rule(
        "r",
        "default",
        "reviews",
        "{outlierDetection: {consecutive5xxErrors: 1}}",
    ));
    assert_eq!(priorities(&mesh), [("a".into(), 1), ("b".into(), 0)]);
}

//! Listeners of sidecars.

use xds::type_url::{CLUSTER, ENDPOINT, LISTENER, ROUTE};

use crate::support::{Mesh, auto, bookinfo, json, names, productpage, sidecar};

#[test]
fn a_sidecar_has_istios_names() {
    let generated = bookinfo().generate(&productpage());
    assert_eq!(
        names(&generated, LISTENER),
        [
            "0.0.0.0_80",
            "0.0.0.0_9080",
            "10.244.0.16_5000",
            "10.96.0.80_443",
            "10.96.1.3_9000",
            "10.96.2.1_7000",
            "virtualInbound",
            "virtualOutbound"
        ]
    );
    assert_eq!(
        names(&generated, ROUTE),
        ["80", "9080", "auto.other.svc.cluster.local:7000"]
    );
    assert_eq!(
        names(&generated, CLUSTER),
        [
            "BlackHoleCluster",
            "InboundPassthroughCluster",
            "PassthroughCluster",
            "inbound|9080||",
            "outbound|443||istio-ingressgateway.istio-system.svc.cluster.local",
            "outbound|5000||peers.other.svc.cluster.local",
            "outbound|7000||auto.other.svc.cluster.local",
            "outbound|80||istio-ingressgateway.istio-system.svc.cluster.local",
            "outbound|9000||db.default.svc.cluster.local",
            "outbound|9080||productpage.default.svc.cluster.local",
            "outbound|9080||reviews.default.svc.cluster.local"
        ]
    );
    assert_eq!(
        generated.view.len(ENDPOINT),
        6,
        "all but the headless service"
    );
}

#[test]
fn outbound_http_listeners_sniff_and_pass_the_rest_on() {
    let generated = bookinfo().generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, LISTENER, "0.0.0.0_9080"));
}

#[test]
fn a_sniffed_service_has_its_own_listener_and_routes() {
    let generated = bookinfo().generate(&productpage());
    let listener = json(&generated, LISTENER, "10.96.2.1_7000");
    let chains = listener["filter_chains"].as_array().unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(
        chains[0]["filters"][0]["typed_config"]["rds"]["route_config_name"],
        "auto.other.svc.cluster.local:7000"
    );
    assert!(chains[1].get("filter_chain_match").is_none());
    let routes = json(&generated, ROUTE, "auto.other.svc.cluster.local:7000");
    assert_eq!(
        routes["virtual_hosts"][0]["domains"],
        serde_json::json!(["*"])
    );
}

#[test]
fn a_pod_of_a_headless_service_has_no_listener_for_itself() {
    let generated = bookinfo().generate(&sidecar("peers-0", "other", "10.244.0.16"));
    assert!(!names(&generated, LISTENER).contains(&"10.244.0.16_5000".to_owned()));
}

#[test]
fn the_capture_listener_follows_the_outbound_policy() {
    let open = bookinfo().generate(&productpage());
    insta::assert_json_snapshot!(json(&open, LISTENER, "virtualOutbound"));
    let closed = bookinfo()
        .mesh_config(&serde_json::json!({"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}))
        .generate(&productpage());
    let listener = json(&closed, LISTENER, "virtualOutbound");
    assert_eq!(
        listener["filter_chains"][1]["filters"][0]["typed_config"]["cluster"],
        "BlackHoleCluster"
    );
    let routes = json(&closed, ROUTE, "9080");
    let last = routes["virtual_hosts"].as_array().unwrap().last().unwrap();
    assert_eq!(last["name"], "block_all");
    assert_eq!(last["routes"][0]["direct_response"]["status"], 502);
}

#[test]
fn the_inbound_listener_has_istios_chains() {
    let generated = bookinfo().generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, LISTENER, "virtualInbound"));
}

fn chains(mesh: &Mesh, node: &xds::envoy::config::core::v3::Node) -> Vec<String> {
    let generated = mesh.generate(node);
    let listener = json(&generated, LISTENER, "virtualInbound");
    listener["filter_chains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chain| {
            let matcher = &chain["filter_chain_match"];
            let http =
                chain["filters"][0]["name"] == "envoy.filters.network.http_connection_manager";
            format!(
                "{} {} {} {} {}",
                matcher["destination_port"],
                matcher["transport_protocol"].as_str().unwrap_or("-"),
                matcher["application_protocols"][0].as_str().unwrap_or("-"),
                if http { "http" } else { "tcp" },
                if chain.get("transport_socket").is_some() {
                    "mtls"
                } else {
                    "plain"
                }
            )
        })
        .collect()
}

#[test]
fn peer_authentication_decides_at_all_four_levels() {
    let mode = |namespace: &str, name: &str, spec: &str| {
        format!(
            "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
        )
    };
    let of_port = |mesh: &Mesh| -> Vec<String> {
        chains(mesh, &productpage())
            .into_iter()
            .filter(|chain| chain.starts_with("9080 "))
            .collect()
    };
    let permissive = ["9080 tls istio http mtls", "9080 raw_buffer - http plain"];
    let strict = ["9080 tls - http mtls"];
    let disabled = ["9080 raw_buffer - http plain"];
    let mesh = bookinfo();
    assert_eq!(of_port(&mesh), permissive, "the default");
    let mesh = mesh.yaml(&mode("istio-system", "mesh", "{mtls: {mode: STRICT}}"));
    assert_eq!(of_port(&mesh), strict, "the mesh");
    let mesh = mesh.yaml(&mode("default", "namespace", "{mtls: {mode: PERMISSIVE}}"));
    assert_eq!(of_port(&mesh), permissive, "the namespace");
    let workload = "{selector: {matchLabels: {app: productpage}}, mtls: {mode: STRICT}}";
    let mesh = mesh.yaml(&mode("default", "workload", workload));
    assert_eq!(of_port(&mesh), strict, "the workload");
    let port = "{selector: {matchLabels: {app: productpage}}, mtls: {mode: STRICT}, portLevelMtls: {9080: {mode: DISABLE}}}";
    let mesh = mesh.yaml(&mode("default", "workload", port));
    assert_eq!(of_port(&mesh), disabled, "the port");
}

#[test]
fn without_an_agent_nothing_waits_for_a_certificate_and_a_strict_port_is_closed() {
    let mut node = productpage();
    let metadata = node.metadata.as_mut().unwrap();
    metadata.fields.remove("PROXY_CONFIG").unwrap();
    let policy = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: strict}\n\
                  spec: {selector: {matchLabels: {app: productpage}}, portLevelMtls: {9080: {mode: STRICT}}}\n";
    let generated = bookinfo().yaml(policy).generate(&node);
    for kind in [LISTENER, CLUSTER] {
        for name in names(&generated, kind) {
            let text = json(&generated, kind, &name).to_string();
            assert!(!text.contains("sds-grpc"), "{name}: {text}");
        }
    }
    let listener = json(&generated, LISTENER, "virtualInbound");
    let of_port: Vec<&serde_json::Value> = listener["filter_chains"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|chain| chain["filter_chain_match"]["destination_port"] == 9080)
        .collect();
    assert_eq!(of_port.len(), 1, "no plain text: {of_port:#?}");
    assert_eq!(
        of_port[0]["filters"][0]["typed_config"]["cluster"],
        "BlackHoleCluster"
    );
}

#[test]
fn a_sniffed_port_has_five_permissive_chains() {
    let of_port: Vec<String> = chains(&bookinfo(), &auto())
        .into_iter()
        .filter(|chain| chain.starts_with("7000 "))
        .collect();
    assert_eq!(
        of_port,
        [
            "7000 tls istio-http/1.0 http mtls",
            "7000 raw_buffer http/1.1 http plain",
            "7000 tls istio-peer-exchange tcp mtls",
            "7000 raw_buffer - tcp plain",
            "7000 tls - tcp plain"
        ]
    );
}

#[test]
fn istios_own_filters_go_only_to_proxies_that_announce_them() {
    let filters = |node: &xds::envoy::config::core::v3::Node| -> Vec<String> {
        let generated = bookinfo().generate(node);
        let listener = json(&generated, LISTENER, "0.0.0.0_9080");
        let filters = &listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"];
        filters
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let stock = [
        "envoy.filters.http.fault",
        "envoy.filters.http.cors",
        "envoy.filters.http.router",
    ];
    assert_eq!(filters(&productpage()), stock);
    let mut istio = productpage();
    istio
        .extensions
        .push(xds::envoy::config::core::v3::Extension {
            name: "istio.alpn".into(),
            ..Default::default()
        });
    assert_eq!(filters(&istio)[0], "istio.alpn");
}

#[test]
fn access_logs_follow_mesh_config_and_telemetry() {
    let logs =
        |mesh: &Mesh, node: &xds::envoy::config::core::v3::Node, name: &str| -> serde_json::Value {
            let generated = mesh.generate(node);
            let listener = json(&generated, LISTENER, name);
            listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"].clone()
        };
    let mesh = bookinfo();
    assert!(
        logs(&mesh, &productpage(), "0.0.0.0_9080").is_null(),
        "off by default"
    );
    let mesh = mesh.mesh_config(&serde_json::json!({"accessLogFile": "/dev/stdout"}));
    insta::assert_json_snapshot!(logs(&mesh, &productpage(), "0.0.0.0_9080"));
    let telemetry = "
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: quiet, namespace: other}
spec:
  accessLogging: [{disabled: true}]
";
    let mesh = mesh.yaml(telemetry);
    assert!(!logs(&mesh, &productpage(), "0.0.0.0_9080").is_null());
    assert!(
        logs(&mesh, &auto(), "0.0.0.0_9080").is_null(),
        "disabled for one namespace"
    );
}

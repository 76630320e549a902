//! What istioctl prints of the same dump.

use serde_json::{Value, json};

use super::dump::Dump;
use super::form::Form;
use super::{All, Names, Output, all, cluster, endpoint, listener, route, secret};

fn config() -> Value {
    let admin = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
    let hcm = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let tcp = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
    let service = |name: &str| {
        json!({"cluster": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": name, "type": "EDS",
            "connect_timeout": "10s",
            "metadata": {"filter_metadata": {"istio": {"config":
                "/apis/networking.istio.io/v1alpha3/namespaces/default/destination-rule/reviews"}}}}})
    };
    let listener = |name: &str, address: &str, port: u16, chains: Value| {
        json!({"name": name, "active_state": {"listener": {
            "@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": name,
            "address": {"socket_address": {"address": address, "port_value": port}}, "filter_chains": chains}}})
    };
    let http = |config: Value| json!([{"name": "envoy.filters.network.http_connection_manager", "typed_config": config}]);
    json!({"configs": [
        {"@type": admin("BootstrapConfigDump"), "bootstrap": {"node": {"id": "sidecar~1~a~b",
            "metadata": {"ISTIO_VERSION": "1.31.0"},
            "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}}}}},
        {"@type": admin("ClustersConfigDump"),
            "static_clusters": [{"cluster": {"name": "agent"}}],
            "dynamic_active_clusters": [service("outbound|9080|v2|reviews.default.svc.cluster.local"),
                service("outbound|9080||reviews.default.svc.cluster.local")]},
        {"@type": admin("EndpointsConfigDump"), "dynamic_endpoint_configs": [{"endpoint_config": {
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            "cluster_name": "outbound|9080||reviews.default.svc.cluster.local",
            "endpoints": [{"locality": {"region": "eu", "zone": "a"}, "lb_endpoints": [
                {"health_status": "HEALTHY", "endpoint": {"address": {"socket_address": {"address": "10.0.0.7", "port_value": 9080}}}}]}]}}]},
        {"@type": admin("ListenersConfigDump"), "dynamic_listeners": [
            listener("virtualOutbound", "0.0.0.0", 15001, json!([
                {"filter_chain_match": {"destination_port": 15001}, "filters":
                    [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"@type": tcp, "cluster": "BlackHoleCluster"}}]},
                {"filters":
                    [{"name": "envoy.filters.network.tcp_proxy", "typed_config": {"@type": tcp, "cluster": "PassthroughCluster"}}]}])),
            listener("0.0.0.0_9080", "0.0.0.0", 9080, json!([
                {"filter_chain_match": {"transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"]},
                    "filters": http(json!({"@type": hcm, "rds": {"route_config_name": "9080"}}))},
                {"filter_chain_match": {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}], "destination_port": 90},
                    "filters": http(json!({"@type": hcm, "route_config": {"virtual_hosts": [
                        {"domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "inbound|9080||"}}]}]}}))}]))]},
        {"@type": admin("RoutesConfigDump"), "dynamic_route_configs": [{"route_config": {"name": "9080", "virtual_hosts": [
            {"name": "reviews.default.svc.cluster.local:9080",
                "domains": ["reviews.default.svc.cluster.local", "reviews", "reviews.default.svc", "reviews.default", "10.96.0.7", "reviews:9080"],
                "routes": [
                    {"match": {"prefix": "/"}, "route": {"cluster": "x"}, "metadata": {"filter_metadata": {"istio": {"config":
                        "/apis/networking.istio.io/v1alpha3/namespaces/default/virtual-service/reviews"}}}},
                    {"match": {"safe_regex": {"regex": "/a.*"}}, "direct_response": {"status": 404}}]},
            {"name": "allow_any", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "PassthroughCluster"}}]},
            {"name": "none", "domains": ["none"]}]}}]},
        {"@type": admin("SecretsConfigDump"), "dynamic_warming_secrets": [{"name": "kubernetes://absent", "secret": {"name": "kubernetes://absent"}}]},
    ]})
}

/// Lines, each cut at runs of blanks.
fn cells(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| {
            line.split("  ")
                .map(str::trim)
                .filter(|c| !c.is_empty())
                .collect()
        })
        .collect()
}

fn short() -> Form {
    Form::new(Output::Short)
}

#[test]
fn clusters_have_the_columns_and_filters_of_istioctl() {
    let dump = Dump(config());
    let show =
        |filter: &cluster::Filter| cluster::show(&dump, filter, Names::Bare, short()).unwrap();
    let text = show(&cluster::Filter::default());
    assert_eq!(
        text,
        "\
SERVICE FQDN                          PORT     SUBSET     DIRECTION     TYPE       DESTINATION RULE
agent                                 -        -          -             STATIC     
reviews.default.svc.cluster.local     9080     -          outbound      EDS        reviews.default
reviews.default.svc.cluster.local     9080     v2         outbound      EDS        reviews.default
"
    );
    let some = |filter: cluster::Filter| show(&filter).lines().count() - 1;
    let fqdn = |part: &str| Some(part.to_owned());
    assert_eq!(
        some(cluster::Filter {
            fqdn: fqdn("reviews.default"),
            ..Default::default()
        }),
        2
    );
    assert_eq!(
        some(cluster::Filter {
            subset: fqdn("v2"),
            ..Default::default()
        }),
        1
    );
    assert_eq!(
        some(cluster::Filter {
            port: Some(90),
            ..Default::default()
        }),
        0
    );
    assert_eq!(
        some(cluster::Filter {
            direction: fqdn("inbound"),
            ..Default::default()
        }),
        0
    );
}

#[test]
fn resources_are_printed_in_the_json_mapping_of_protobuf() {
    let dump = Dump(config());
    let filter = cluster::Filter {
        subset: Some("v2".into()),
        ..Default::default()
    };
    let text = cluster::show(&dump, &filter, Names::Bare, Form::new(Output::Json)).unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found[0]["connectTimeout"], "10s");
    assert_eq!(
        found[0]["metadata"]["filterMetadata"]["istio"]["config"],
        "/apis/networking.istio.io/v1alpha3/namespaces/default/destination-rule/reviews"
    );
    let text = cluster::show(&dump, &filter, Names::Bare, Form::new(Output::Yaml)).unwrap();
    assert!(text.contains("connectTimeout: 10s"), "{text}");
}

#[test]
fn listeners_say_what_a_chain_matches_and_where_it_leads() {
    let dump = Dump(config());
    let filter = listener::Filter {
        address: None,
        port: None,
        kind: None,
        verbose: true,
    };
    let text = listener::show(&dump, &filter, Names::Bare, short()).unwrap();
    assert_eq!(
        text,
        "\
ADDRESSES PORT  MATCH                                DESTINATION
0.0.0.0   9080  Trans: raw_buffer; App: http/1.1,h2c Route: 9080
0.0.0.0   9080  Addr: 10.0.0.0/8:90                  Cluster: inbound|9080||
0.0.0.0   15001 ALL                                  PassthroughCluster
0.0.0.0   15001 Addr: *:15001                        Non-HTTP/Non-TCP
"
    );
    let brief = listener::Filter {
        verbose: false,
        kind: Some("tcp".into()),
        ..filter
    };
    let text = listener::show(&dump, &brief, Names::Bare, short()).unwrap();
    assert_eq!(text, "ADDRESSES PORT  TYPE\n0.0.0.0   15001 TCP\n");
}

#[test]
fn routes_leave_out_passthrough_and_say_where_nothing_is_routed() {
    let dump = Dump(config());
    let filter = route::Filter {
        name: None,
        verbose: true,
    };
    let text = route::show(&dump, &filter, Names::Bare, short()).unwrap();
    let host = "reviews.default.svc.cluster.local:9080";
    assert_eq!(
        cells(&text),
        [
            vec!["NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE"],
            vec![
                "9080",
                host,
                "reviews, reviews.default + 1 more...",
                "/*",
                "reviews.default"
            ],
            vec![
                "9080",
                host,
                "reviews, reviews.default + 1 more...",
                "regex /a.*"
            ],
            vec!["9080", "none", "none", "/*", "404"],
        ]
    );
    let brief = route::Filter {
        verbose: false,
        ..filter
    };
    let text = route::show(&dump, &brief, Names::Bare, short()).unwrap();
    assert_eq!(
        cells(&text),
        [vec!["NAME", "VIRTUAL HOSTS"], vec!["9080", "3"]]
    );
}

#[test]
fn endpoints_come_from_the_proxy_and_from_the_control_plane() {
    let clusters = json!({"cluster_statuses": [{"name": "b", "host_statuses": [
        {"address": {"socket_address": {"address": "10.0.0.9", "port_value": 80}},
            "health_status": {"eds_health_status": "HEALTHY", "failed_outlier_check": true}},
        {"address": {"pipe": {"path": "./sds"}}, "health_status": {}}]},
        {"name": "a", "host_statuses": [{"address": {"socket_address": {"address": "10.0.0.9", "port_value": 80}},
            "health_status": {"eds_health_status": "UNHEALTHY"}}]}]});
    let show =
        |filter: &endpoint::Filter| endpoint::live(&clusters.to_string(), filter, short()).unwrap();
    assert_eq!(
        cells(&show(&endpoint::Filter::default())),
        [
            vec!["ENDPOINT", "STATUS", "OUTLIER CHECK", "CLUSTER"],
            vec!["10.0.0.9:80", "UNHEALTHY", "OK", "a"],
            vec!["10.0.0.9:80", "HEALTHY", "FAILED", "b"],
            vec!["unix://./sds", "UNKNOWN", "OK", "b"],
        ]
    );
    let healthy = endpoint::Filter {
        status: Some("healthy".into()),
        ..Default::default()
    };
    assert_eq!(show(&healthy).lines().count(), 2);
    let dump = Dump(config());
    let sent = endpoint::sent(&dump, &endpoint::Filter::default(), Names::Bare, short()).unwrap();
    let name = "outbound|9080||reviews.default.svc.cluster.local";
    assert_eq!(cells(&sent)[1], ["10.0.0.7:9080", "HEALTHY", "eu/a", name]);
    let wrong = endpoint::live(&config().to_string(), &healthy, short()).unwrap_err();
    assert!(
        wrong.to_string().contains("/clusters?format=json"),
        "{wrong}"
    );
}

#[test]
fn secrets_that_are_waited_for_are_shown() {
    let text = secret::show(&Dump(config()), Names::Bare, short()).unwrap();
    assert_eq!(cells(&text)[1], ["kubernetes://absent", "WARMING", "false"]);
    let none =
        json!({"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"}]});
    let text = secret::show(&Dump(none), Names::Bare, short()).unwrap();
    assert_eq!(text, "No active or warming secrets found.\n");
}

#[test]
fn all_prints_every_part_with_kinds_before_names() {
    let filter = All {
        with_headers: true,
        verbose: true,
        fqdn: None,
        direction: None,
        subset: None,
        port: None,
        address: None,
        kind: None,
        name: None,
    };
    let text = all(&config().to_string(), &filter, Output::Short).unwrap();
    for part in [
        "------ BOOTSTRAP INFO ------\n\nIstio Version: 1.31.0\nEnvoy Version: 1.40.0\n",
        "cluster/agent ",
        "listener/0.0.0.0_9080 ",
        "route/9080 ",
        "secret/kubernetes://absent ",
        "endpoint/10.0.0.7:9080 ",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let json = all(&config().to_string(), &filter, Output::Json).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), config());
}

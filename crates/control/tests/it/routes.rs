//! Routes of sidecars.

use serde_json::{Value, json};
use xds::type_url::{LISTENER, ROUTE};

use crate::support::{CANARY, Mesh, auto, bookinfo, json, own_sidecar, productpage};

fn rules(name: &str, body: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\nspec:\n{body}\n"
    )
}

fn host<'a>(routes: &'a Value, name: &str) -> &'a Value {
    let hosts = routes["virtual_hosts"].as_array().unwrap();
    hosts
        .iter()
        .find(|host| host["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {routes:#}"))
}

fn reviews(mesh: &Mesh, node: &xds::envoy::config::core::v3::Node) -> Value {
    let generated = mesh.generate(node);
    host(
        &json(&generated, ROUTE, "9080"),
        "reviews.default.svc.cluster.local:9080",
    )["routes"]
        .clone()
}

#[test]
fn a_port_has_a_virtual_host_for_each_service() {
    let generated = bookinfo().yaml(CANARY).generate(&productpage());
    insta::assert_json_snapshot!(json(&generated, ROUTE, "9080"));
}

#[test]
fn every_condition_has_its_match() {
    let yaml = rules(
        "all",
        "  hosts: [reviews]
  http:
  - name: rich
    match:
    - name: first
      uri: {prefix: /a}
      ignoreUriCase: true
      scheme: {exact: http}
      method: {regex: 'GET|HEAD'}
      authority: {prefix: reviews}
      headers: {x-user: {exact: jason}, x-any: {}}
      withoutHeaders: {x-bot: {}, x-kind: {exact: robot}}
      queryParams: {v: {exact: '1'}, flag: {regex: '.*'}}
      port: 9080
      statPrefix: rich
    - uri: {regex: '/b/[0-9]+'}
      sourceLabels: {app: other}
    - uri: {exact: /c}
      sourceNamespace: default
    - uri: {exact: /d}
      port: 1
    route: [{destination: {host: reviews}}]",
    );
    insta::assert_json_snapshot!(reviews(&bookinfo().yaml(&yaml), &productpage()));
}

#[test]
fn every_action_has_its_form() {
    let yaml = rules(
        "all",
        "  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /redirect}}]
    redirect: {uri: /new, authority: new.example, scheme: https, redirectCode: 308, derivePort: FROM_REQUEST_PORT}
  - match: [{uri: {prefix: /direct}}]
    directResponse: {status: 418, body: {string: tea}}
  - match: [{uri: {prefix: /rewrite}}]
    rewrite: {uri: /, authority: other.example}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /regex}}]
    rewrite: {uriRegexRewrite: {match: '^/regex/(.*)', rewrite: '/\\1'}}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /weights}}]
    route:
    - {destination: {host: reviews, subset: v1}, weight: 75, headers: {request: {set: {x-v: '1'}}}}
    - {destination: {host: productpage, port: {number: 9080}}, weight: 25}
    - {destination: {host: db}, weight: 0}
  - match: [{uri: {prefix: /mirror}}]
    route: [{destination: {host: reviews}}]
    mirror: {host: productpage}
    mirrorPercentage: {value: 12.5}
  - match: [{uri: {prefix: /mirrors}}]
    route: [{destination: {host: reviews}}]
    mirrors: [{destination: {host: auto.other.svc.cluster.local}}]
  - match: [{uri: {prefix: /resilience}}]
    timeout: 2s
    retries: {attempts: 3, perTryTimeout: 500ms, retryOn: '5xx,409', backoff: 10ms, retryRemoteLocalities: true}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /no-retries}}]
    retries: {attempts: 0}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /cors}}]
    corsPolicy:
      allowOrigins: [{exact: 'https://a'}, {regex: 'https://.*[.]b'}]
      allowMethods: [GET, POST]
      allowHeaders: [x-a]
      exposeHeaders: [x-b]
      maxAge: 24h
      allowCredentials: true
    route: [{destination: {host: reviews}}]
  - headers:
      request: {set: {x-set: a, host: rewritten.example}, add: {x-add: b}, remove: [x-gone]}
      response: {add: {x-back: c}}
    route: [{destination: {host: reviews}, headers: {response: {remove: [x-inner]}}}]",
    );
    insta::assert_json_snapshot!(reviews(&bookinfo().yaml(&yaml), &productpage()));
}

const FAULT: &str = "  hosts: [reviews]
  http:
  - fault:
      delay: {percentage: {value: 10}, fixedDelay: 5s}
      abort: {percentage: {value: 50}, httpStatus: 503}
    retries: {attempts: 2, retryOn: 5xx}
    route: [{destination: {host: reviews}}]";

#[test]
fn faults_belong_inside_retries_for_our_own_proxy_and_are_warned_of_for_envoy() {
    let mesh = bookinfo().yaml(&rules("fault", FAULT));
    let own = mesh.generate(&own_sidecar("productpage-1", "default", "10.244.0.11"));
    let route = host(
        &json(&own, ROUTE, "9080"),
        "reviews.default.svc.cluster.local:9080",
    )["routes"][0]
        .clone();
    assert_eq!(
        route["metadata"]["filter_metadata"]["ferromesh"]["fault_in_retry"],
        true
    );
    assert!(own.warnings.is_empty());
    let stock = mesh.generate(&productpage());
    let route = host(
        &json(&stock, ROUTE, "9080"),
        "reviews.default.svc.cluster.local:9080",
    )["routes"][0]
        .clone();
    assert!(
        route["metadata"]["filter_metadata"]
            .get("ferromesh")
            .is_none()
    );
    insta::assert_json_snapshot!(route["typed_per_filter_config"]);
    assert_eq!(stock.warnings[0].reason, "FaultOutsideRetry");
    assert_eq!(
        stock.warnings[0].object.to_string(),
        "VirtualService default/fault"
    );
}

#[test]
fn what_our_own_proxy_cannot_do_on_retries_is_said() {
    let yaml = rules(
        "remote",
        "  hosts: [reviews]
  http: [{retries: {attempts: 1, retryRemoteLocalities: true}, route: [{destination: {host: reviews}}]}]",
    );
    let generated =
        bookinfo()
            .yaml(&yaml)
            .generate(&own_sidecar("productpage-1", "default", "10.244.0.11"));
    let routes = json(&generated, ROUTE, "9080");
    let route = &host(&routes, "reviews.default.svc.cluster.local:9080")["routes"][0];
    assert!(
        route["route"]["retry_policy"]
            .get("retry_priority")
            .is_none()
    );
    assert_eq!(generated.warnings[0].reason, "RetryRemoteLocalities");
}

#[test]
fn the_oldest_virtual_service_of_a_host_wins_and_the_more_specific_host() {
    let to = |host: &str| {
        format!("  hosts: [{host}]\n  http: [{{directResponse: {{status: 200}}, name: '{host}'}}]")
    };
    let name = |mesh: &Mesh| {
        reviews(mesh, &productpage())[0]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mesh = bookinfo().yaml(&rules(
        "wild",
        &to("'*.svc.cluster.local'").replace("''", "'"),
    ));
    assert!(name(&mesh).contains("*.svc"));
    let mesh = mesh.yaml(&rules("narrow", &to("reviews")));
    assert_eq!(name(&mesh), "reviews");
    let late = to("reviews").replace("name: 'reviews'", "name: late");
    let mesh = mesh.yaml(&rules("late", &late));
    assert_eq!(name(&mesh), "reviews");
}

#[test]
fn a_virtual_service_that_is_not_exported_stays_in_its_namespace() {
    let yaml = rules(
        "own",
        "  hosts: [reviews]\n  exportTo: ['.']\n  http: [{name: own, route: [{destination: {host: reviews}}]}]",
    );
    let mesh = bookinfo().yaml(&yaml);
    assert_eq!(reviews(&mesh, &productpage())[0]["name"], "own");
    assert_eq!(reviews(&mesh, &auto())[0]["name"], "default");
}

#[test]
fn tcp_rules_choose_by_source_and_weight() {
    let yaml = rules(
        "db",
        "  hosts: [db]
  tcp:
  - match: [{sourceLabels: {app: nobody}}]
    route: [{destination: {host: reviews}}]
  - match: [{destinationSubnets: [10.96.1.0/24], port: 9000}]
    route: [{destination: {host: db, subset: v1}, weight: 60}, {destination: {host: db, subset: v2}, weight: 40}]",
    );
    let generated = bookinfo().yaml(&yaml).generate(&productpage());
    let listener = json(&generated, LISTENER, "10.96.1.3_9000");
    let chains = listener["filter_chains"].as_array().unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(
        chains[0]["filter_chain_match"]["prefix_ranges"][0]["address_prefix"],
        "10.96.1.0"
    );
    let clusters = &chains[0]["filters"][0]["typed_config"]["weighted_clusters"]["clusters"];
    assert_eq!(
        clusters[0],
        json!({"name": "outbound|9000|v1|db.default.svc.cluster.local", "weight": 60})
    );
    assert_eq!(
        chains[1]["filters"][0]["typed_config"]["cluster"],
        "outbound|9000||db.default.svc.cluster.local"
    );
}

#[test]
fn a_host_outside_the_registry_is_routed_on_port_80() {
    let yaml = rules(
        "out",
        "  hosts: [www.example.com]\n  http: [{route: [{destination: {host: reviews, port: {number: 9080}}}]}]",
    );
    let generated = bookinfo().yaml(&yaml).generate(&productpage());
    let routes = json(&generated, ROUTE, "80");
    assert_eq!(
        host(&routes, "www.example.com:80")["routes"][0]["route"]["cluster"],
        "outbound|9080||reviews.default.svc.cluster.local"
    );
}

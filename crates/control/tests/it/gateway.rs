//! Gateways.

use std::sync::LazyLock;

use serde_json::json;
use xds::type_url::{LISTENER, ROUTE, SECRET};

use crate::support::{CANARY, Mesh, bookinfo, ingress, json, names};

/// Certificates are made once; goldens do not show them.
static PKI: LazyLock<(testkit::pki::Authority, testkit::pki::Pair)> = LazyLock::new(|| {
    let authority = testkit::pki::Authority::root("test");
    let pair = authority.server(&["a.example"], testkit::pki::Validity::default());
    (authority, pair)
});

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

pub fn secret(name: &str, namespace: &str) -> serde_json::Value {
    let (authority, pair) = &*PKI;
    json!({
        "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name, "namespace": namespace},
        "data": {"tls.crt": base64(&pair.chain), "tls.key": base64(&pair.key), "ca.crt": base64(&authority.pem)},
    })
}

pub const HTTPS: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [a.example]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https-a, protocol: HTTPS}
    hosts: [a.example]
    tls: {mode: SIMPLE, credentialName: cert-a, minProtocolVersion: TLSV1_3}
  - port: {number: 443, name: https-b, protocol: HTTPS}
    hosts: [default/b.example]
    tls: {mode: MUTUAL, credentialName: cert-b, subjectAltNames: [client]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: secure}
spec:
  hosts: [a.example, b.example]
  gateways: [secure]
  http: [{route: [{destination: {host: productpage}}]}]
";

fn secure() -> Mesh {
    bookinfo()
        .object(secret("cert-a", "istio-system"))
        .object(secret("cert-b", "istio-system"))
        .yaml(HTTPS)
}

#[test]
fn a_gateway_listens_on_the_target_ports_of_its_service() {
    let generated = bookinfo().yaml(CANARY).generate(&ingress());
    assert_eq!(names(&generated, LISTENER), ["0.0.0.0_8080"]);
    assert_eq!(names(&generated, ROUTE), ["http.8080"]);
    insta::assert_json_snapshot!(json(&generated, LISTENER, "0.0.0.0_8080"));
    insta::assert_json_snapshot!(json(&generated, ROUTE, "http.8080"));
}

#[test]
fn a_port_that_no_service_has_is_taken_as_it_stands() {
    let mesh = bookinfo()
        .without("Service", "istio-system", "istio-ingressgateway")
        .yaml(CANARY);
    assert_eq!(names(&mesh.generate(&ingress()), LISTENER), ["0.0.0.0_80"]);
}

#[test]
fn https_servers_terminate_with_their_credentials() {
    let generated = secure().generate(&ingress());
    assert_eq!(
        names(&generated, LISTENER),
        ["0.0.0.0_8080", "0.0.0.0_8443"]
    );
    assert_eq!(
        names(&generated, ROUTE),
        [
            "http.8080",
            "https.443.https-a.secure.default",
            "https.443.https-b.secure.default"
        ]
    );
    assert_eq!(
        names(&generated, SECRET),
        [
            "kubernetes://cert-a",
            "kubernetes://cert-b",
            "kubernetes://cert-b-cacert"
        ]
    );
    insta::assert_json_snapshot!(json(&generated, LISTENER, "0.0.0.0_8443"));
    let redirect = json(&generated, ROUTE, "http.8080");
    assert_eq!(redirect["virtual_hosts"][0]["require_tls"], "ALL");
    let routes = json(&generated, ROUTE, "https.443.https-b.secure.default");
    assert_eq!(routes["virtual_hosts"][0]["domains"], json!(["b.example"]));
}

#[test]
fn keys_appear_in_nothing_but_the_secret() {
    let (_, pair) = &*PKI;
    let generated = secure().generate(&ingress());
    let line = pair.key.lines().nth(1).unwrap();
    assert!(!format!("{generated:?}").contains(line));
    for resource in generated
        .view
        .resources()
        .filter(|resource| resource.type_url != SECRET)
    {
        assert!(
            !String::from_utf8_lossy(&resource.body).contains(line),
            "{}",
            resource.name
        );
    }
}

#[test]
fn without_a_proved_identity_there_are_no_credentials() {
    let mesh = secure();
    let node = control::NodeInfo::parse(&ingress()).unwrap();
    let generated = control::generate(&mesh.view(), &node, false);
    assert!(names(&generated, SECRET).is_empty());
    assert_eq!(
        names(&generated, LISTENER),
        ["0.0.0.0_8080"],
        "plain text goes on"
    );
    assert_eq!(generated.warnings[0].reason, "CredentialUnavailable");
}

#[test]
fn a_missing_credential_takes_down_only_its_server() {
    let mesh = secure().without("Secret", "istio-system", "cert-a");
    let generated = mesh.generate(&ingress());
    let listener = json(&generated, LISTENER, "0.0.0.0_8443");
    assert_eq!(listener["filter_chains"].as_array().unwrap().len(), 1);
    let warning = &generated.warnings[0];
    assert_eq!(warning.object.to_string(), "Gateway default/secure");
    assert!(
        warning
            .message
            .contains("istio-system/cert-a does not exist"),
        "{}",
        warning.message
    );
    let broken = mesh.object(json!({
        "kind": "Secret", "metadata": {"name": "cert-a", "namespace": "istio-system"},
        "data": {"tls.crt": base64("nonsense"), "tls.key": base64("nonsense")},
    }));
    assert!(
        broken.generate(&ingress()).warnings[0]
            .message
            .contains("tls.crt is not a PEM certificate")
    );
}

const CLIENTS: &str = "
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {tls: {mode: MUTUAL, credentialName: own, sni: reviews.test}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: productpage}
spec:
  host: productpage
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: trust, sni: productpage.test}}
";

#[test]
fn clusters_of_a_gateway_get_the_credentials_that_destination_rules_name() {
    let mesh = bookinfo()
        .yaml(CANARY)
        .yaml(CLIENTS)
        .object(secret("own", "istio-system"))
        .object(secret("trust", "istio-system"));
    let generated = mesh.generate(&ingress());
    assert_eq!(
        names(&generated, SECRET),
        [
            "kubernetes://own",
            "kubernetes://own-cacert",
            "kubernetes://trust-cacert"
        ]
    );
    assert!(generated.warnings.is_empty(), "{:?}", generated.warnings);

    let without = mesh.without("Secret", "istio-system", "trust");
    let generated = without.generate(&ingress());
    let warning = &generated.warnings[0];
    assert_eq!(
        (warning.object.to_string().as_str(), warning.reason),
        (
            "DestinationRule default/productpage",
            "CredentialUnavailable"
        )
    );
    assert!(
        warning.message.contains("istio-system/trust"),
        "{}",
        warning.message
    );

    let node = control::NodeInfo::parse(&ingress()).unwrap();
    let unproved = control::generate(&without.view(), &node, false);
    assert!(names(&unproved, SECRET).is_empty());
}

#[test]
fn of_two_servers_with_the_same_tls_host_the_older_keeps_it() {
    let younger = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: younger}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [a.example, c.example]
    tls: {mode: SIMPLE, credentialName: cert-b}
";
    let generated = secure().yaml(younger).generate(&ingress());
    let listener = json(&generated, LISTENER, "0.0.0.0_8443");
    let names: Vec<_> = listener["filter_chains"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chain| chain["filter_chain_match"]["server_names"].clone())
        .collect();
    assert_eq!(
        names,
        [
            json!(["a.example"]),
            json!(["b.example"]),
            json!(["c.example"])
        ]
    );
    let warning = &generated.warnings[0];
    assert_eq!(
        (warning.object.to_string().as_str(), warning.reason),
        ("Gateway default/younger", "DuplicateHost")
    );
    assert!(
        warning.message.contains("Gateway default/secure"),
        "{}",
        warning.message
    );
}

#[test]
fn virtual_services_for_one_host_follow_each_other_and_the_catch_all_goes_last() {
    let yaml = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*.example']}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: all}
spec:
  hosts: [a.example]
  gateways: [gw]
  http: [{name: all, route: [{destination: {host: productpage}}]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: some, namespace: other}
spec:
  hosts: [a.example]
  gateways: [default/gw]
  http: [{name: some, match: [{uri: {prefix: /some}}], route: [{destination: {host: auto}}]}]
";
    let generated = bookinfo().yaml(yaml).generate(&ingress());
    let routes = json(&generated, ROUTE, "http.8080");
    assert_eq!(routes["virtual_hosts"].as_array().unwrap().len(), 1);
    let names: Vec<_> = routes["virtual_hosts"][0]["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["some", "all"]);
}

#[test]
fn a_gateway_without_virtual_services_answers_404() {
    let yaml = CANARY.split("---").next().unwrap();
    let generated = bookinfo().yaml(yaml).generate(&ingress());
    let routes = json(&generated, ROUTE, "http.8080");
    assert_eq!(routes["virtual_hosts"][0]["name"], "blackhole:80");
    assert!(routes["virtual_hosts"][0].get("routes").is_none());
}

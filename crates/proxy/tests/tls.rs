//! TLS and mutual TLS through a running proxy.

#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

mod support;

use std::io::{Read, Write};
use std::sync::Arc;

use net::tls::{Identity, IdentitySlot, Roots, SanRule};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};
use support::{Backend, Client, Mesh, cluster, get, hcm, listener, status, to_up};

/// A certificate authority of a test.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    root: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: rcgen::Issuer::new(params, key),
            root,
        }
    }

    /// Chain and key for these names.
    fn issue(&self, dns: &[&str], uri: Option<&str>) -> (String, String) {
        let mut params =
            rcgen::CertificateParams::new(dns.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())
                .unwrap();
        params
            .subject_alt_names
            .extend(uri.map(|uri| rcgen::SanType::URI(uri.try_into().unwrap())));
        let key = rcgen::KeyPair::generate().unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }
}

fn certificate(name: &str, (chain, key): &(String, String)) -> Value {
    json!({"name": name, "tls_certificate": {
        "certificate_chain": {"inline_string": chain}, "private_key": {"inline_string": key}}})
}

fn validation(name: &str, root: &str) -> Value {
    json!({"name": name, "validation_context": {"trusted_ca": {"inline_string": root}}})
}

fn sds(name: &str) -> Value {
    json!({"name": name, "sds_config": {"ads": {}, "resource_api_version": "V3"}})
}

fn serve_tls(listener: &mut Value, required: bool) {
    listener["filter_chains"][0]["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "require_client_certificate": required,
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_certificate_sds_secret_configs": [sds("own")],
            "validation_context_sds_secret_config": sds("roots"),
        },
    }});
}

fn use_tls(cluster: &mut Value, san: &str) {
    cluster["transport_socket"] = json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "backend.example",
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [sds("own")],
            "combined_validation_context": {
                "default_validation_context": {"match_typed_subject_alt_names": [
                    {"san_type": "URI", "matcher": {"exact": san}}]},
                "validation_context_sds_secret_config": sds("roots"),
            },
        },
    }});
}

type Secure = StreamOwned<ClientConnection, std::net::TcpStream>;

fn client(address: std::net::SocketAddr, config: Arc<ClientConfig>) -> Secure {
    let tcp = std::net::TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(std::time::Duration::from_secs(20)))
        .unwrap();
    let connection = ClientConnection::new(config, "proxy.example".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, tcp)
}

fn config(authority: &Authority, identity: Option<&(String, String)>) -> Arc<ClientConfig> {
    let roots = Roots::from_pem(authority.root.as_bytes()).unwrap();
    let slot = identity.map(|(chain, key)| {
        IdentitySlot::new(Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap())
    });
    Arc::new(net::tls::client_config(roots, SanRule::ServerName, slot, &[b"http/1.1"]).unwrap())
}

fn ask(mut stream: Secure) -> std::io::Result<String> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn mutual_tls_requires_a_certificate_and_tells_the_backend_who_came() {
    let authority = Authority::new();
    let own = authority.issue(
        &["proxy.example"],
        Some("spiffe://cluster.local/ns/a/sa/server"),
    );
    let peer = authority.issue(&[], Some("spiffe://cluster.local/ns/a/sa/client"));
    let backend = Backend::named("secret");
    let extra = json!({
        "forward_client_cert_details": "SANITIZE_SET",
        "set_current_client_cert_details": {"subject": true, "uri": true},
    });
    let mut listener = listener(hcm(to_up(), extra));
    serve_tls(&mut listener, true);
    let mesh = Mesh::start()
        .secret(certificate("own", &own))
        .secret(validation("roots", &authority.root))
        .cluster(cluster("up", &[backend.address]))
        .listener(listener)
        .live();
    let answer = ask(client(mesh.address(), config(&authority, Some(&peer)))).unwrap();
    assert!(
        status(&answer) == 200 && answer.ends_with("secret"),
        "{answer}"
    );
    let request = backend.last_request();
    assert!(
        request.contains("x-forwarded-proto: https\r\n"),
        "{request}"
    );
    let xfcc = "x-forwarded-client-cert: By=spiffe://cluster.local/ns/a/sa/server;Hash=";
    assert!(
        request.contains(xfcc) && request.contains("URI=spiffe://cluster.local/ns/a/sa/client"),
        "{request}"
    );
    assert!(ask(client(mesh.address(), config(&authority, None))).is_err());
}

#[test]
fn a_rotated_certificate_is_used_at_once_and_breaks_no_connection() {
    let authority = Authority::new();
    let backend = Backend::named("x");
    let mut listener = listener(hcm(to_up(), json!({})));
    serve_tls(&mut listener, false);
    let mut mesh = Mesh::start()
        .secret(certificate(
            "own",
            &authority.issue(&["proxy.example"], None),
        ))
        .secret(validation("roots", &authority.root))
        .cluster(cluster("up", &[backend.address]))
        .listener(listener)
        .live();
    let mut open = client(mesh.address(), config(&authority, None));
    let other = Authority::new();
    open.write_all(get("/").as_bytes()).unwrap();
    let mut first = [0; 12];
    open.read_exact(&mut first).unwrap();
    mesh.set_secret(certificate("own", &other.issue(&["proxy.example"], None)));
    mesh.publish();
    // The next handshake shows the new certificate.
    assert_eq!(
        status(&ask(client(mesh.address(), config(&other, None))).unwrap()),
        200
    );
    assert!(ask(client(mesh.address(), config(&authority, None))).is_err());
    // The open connection goes on.
    open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut rest = String::new();
    let _ = open.read_to_string(&mut rest);
    assert!(rest.contains("HTTP/1.1 200 OK"), "{rest}");
}

#[test]
fn plain_http_to_a_tls_port_is_told_so() {
    let authority = Authority::new();
    let mut listener = listener(hcm(to_up(), json!({})));
    serve_tls(&mut listener, false);
    listener["listener_filters"] = json!([{"name": "envoy.filters.listener.tls_inspector", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]);
    let mesh = Mesh::start()
        .secret(certificate(
            "own",
            &authority.issue(&["proxy.example"], None),
        ))
        .secret(validation("roots", &authority.root))
        .cluster(cluster("up", &[]))
        .listener(listener)
        .live();
    let mut client = Client::connect(mesh.address());
    client.send(&get("/"));
    let answer = client.rest();
    assert!(status(&answer) == 400 && answer.contains("TLS"), "{answer}");
}

/// Two proxies: the first speaks mutual TLS to the second.
fn chain(authority: &Authority, backend: &Backend, san: &str) -> (Mesh, Mesh) {
    let server = authority.issue(
        &["backend.example"],
        Some("spiffe://cluster.local/ns/a/sa/server"),
    );
    let peer = authority.issue(&[], Some("spiffe://cluster.local/ns/a/sa/client"));
    let mut inbound = listener(hcm(to_up(), json!({})));
    serve_tls(&mut inbound, true);
    let second = Mesh::start()
        .secret(certificate("own", &server))
        .secret(validation("roots", &authority.root))
        .cluster(cluster("up", &[backend.address]))
        .listener(inbound)
        .live();
    let mut up = cluster("up", &[second.address()]);
    use_tls(&mut up, san);
    let first = Mesh::start()
        .secret(certificate("own", &peer))
        .secret(validation("roots", &authority.root))
        .cluster(up)
        .listener(listener(hcm(to_up(), json!({}))))
        .live();
    (first, second)
}

#[test]
fn a_proxy_speaks_mutual_tls_upstream_and_checks_the_identity() {
    let authority = Authority::new();
    let backend = Backend::named("x");
    let (first, _second) = chain(
        &authority,
        &backend,
        "spiffe://cluster.local/ns/a/sa/server",
    );
    let answer = first.ask(&get("/"));
    assert!(status(&answer) == 200 && answer.ends_with("x"), "{answer}");
    let (first, _second) = chain(&authority, &backend, "spiffe://cluster.local/ns/a/sa/other");
    let answer = first.ask(&get("/"));
    assert_eq!(status(&answer), 503, "{answer}");
    assert!(
        answer.contains("reset reason: remote connection failure"),
        "{answer}"
    );
}

//! `/server_info`, `/listeners`, `/certs`, `/memory`.

use base64::Engine as _;
use net::tls::{PeerFacts, Roots};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Sources;
use super::server::{Page, Query};
use crate::config::ListenAddress;
use crate::config::tls::SecretKind;

pub(super) fn server(sources: &Sources) -> Page {
    let seconds = sources.observe.started.elapsed().as_secs();
    let version = env!("CARGO_PKG_VERSION");
    Page::json(&json!({
        // istioctl reads the version between slashes as Envoy's.
        "version": format!("ferromesh/{version}/Clean/RELEASE/aws-lc"),
        "state": sources.state(),
        "hot_restart_version": "disabled",
        "uptime_current_epoch": format!("{seconds}s"),
        "uptime_all_epochs": format!("{seconds}s"),
        "node": sources.node,
        "command_line_options": {"concurrency": sources.concurrency},
    }))
}

pub(super) fn listeners(sources: &Sources, query: &Query) -> Page {
    let config = (sources.config)();
    if query.get("format").is_some_and(|f| f == "json") {
        let statuses: Vec<Value> = config
            .listeners
            .values()
            .map(|listener| {
                let local = listener.addresses.first().map(|address| match address {
                    ListenAddress::Tcp(a) => {
                        json!({"socket_address": {"address": a.ip().to_string(), "port_value": a.port()}})
                    }
                    ListenAddress::Pipe { path, .. } => json!({"pipe": {"path": path.display().to_string()}}),
                });
                json!({"name": &*listener.name, "local_address": local})
            })
            .collect();
        return Page::json(&json!({"listener_statuses": statuses}));
    }
    let mut out = String::new();
    for listener in config.listeners.values() {
        for address in &listener.addresses {
            match address {
                ListenAddress::Tcp(a) => out.push_str(&format!("{}::{a}\n", listener.name)),
                ListenAddress::Pipe { path, .. } => {
                    out.push_str(&format!("{}::{}\n", listener.name, path.display()));
                }
            }
        }
    }
    Page::text(out)
}

pub(super) fn certs(sources: &Sources) -> Page {
    let config = (sources.config)();
    let mut certificates = Vec::new();
    for secret in config.secrets.values() {
        let entry = match &secret.kind {
            SecretKind::Certificate(pair) => {
                json!({"ca_cert": [], "cert_chain": details(&pair.chain_pem)})
            }
            SecretKind::Validation(context) => {
                let roots = Roots::from_pem(&context.trusted_ca_pem);
                let list: Vec<Value> = roots
                    .iter()
                    .flat_map(|roots| roots.certificates())
                    .filter_map(certificate)
                    .collect();
                json!({"ca_cert": list, "cert_chain": []})
            }
        };
        certificates.push(entry);
    }
    Page::json(&json!({"certificates": certificates}))
}

fn details(pem: &[u8]) -> Vec<Value> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .take(1)
        .filter_map(|c| certificate(&c))
        .collect()
}

fn certificate(der: &CertificateDer<'_>) -> Option<Value> {
    let facts = PeerFacts::of(der)?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let date = |seconds: i64| {
        OffsetDateTime::from_unix_timestamp(seconds)
            .ok()
            .and_then(|t| t.format(&Rfc3339).ok())
    };
    let names =
        |key: &str, list: &[String]| list.iter().map(|n| json!({key: n})).collect::<Vec<_>>();
    let mut sans = names("uri", &facts.uri_sans);
    sans.extend(names("dns", &facts.dns_sans));
    Some(json!({
        "path": "<inline>", "serial_number": facts.serial, "subject_alt_names": sans,
        "days_until_expiration": ((facts.not_after - now) / 86_400).max(0).to_string(),
        "valid_from": date(facts.not_before), "expiration_time": date(facts.not_after),
    }))
}

/// From `/proc/self/statm`: the allocator keeps no statistics of its own.
pub(super) fn memory() -> Page {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: Vec<u64> = statm
        .split_whitespace()
        .filter_map(|n| n.parse().ok())
        .collect();
    let bytes = |index: usize| pages.get(index).map_or(0, |n| n * 4096).to_string();
    Page::json(&json!({
        "allocated": bytes(1), "heap_size": bytes(0), "pageheap_unmapped": "0", "pageheap_free": "0",
        "total_thread_cache": "0", "total_physical_bytes": bytes(1),
    }))
}

/// PEM for `/config_dump`'s secrets, base64 as protobuf's JSON mapping writes bytes.
pub(super) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

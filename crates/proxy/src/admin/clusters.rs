//! `/clusters`, as text and as `envoy.admin.v3.Clusters`.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::Sources;
use super::server::{Page, Query};
use crate::balance::Host;
use crate::config::Cluster;
use crate::config::cluster::{EdsHealth, EndpointAddress};
use crate::config::route::Priority;
use crate::resilience::breaker::Resource;

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    let config = (sources.config)();
    if query.get("format").is_some_and(|f| f == "json") {
        let statuses: Vec<Value> = config.clusters().map(|c| status(c)).collect();
        return Page::json(&json!({"cluster_statuses": statuses}));
    }
    let mut out = String::new();
    for cluster in config.clusters() {
        text(cluster, &mut out);
    }
    Page::text(out)
}

const PRIORITIES: [(Priority, &str, &str); 2] = [
    (Priority::Default, "default_priority", "DEFAULT"),
    (Priority::High, "high_priority", "HIGH"),
];

const LIMITS: [(Resource, &str); 4] = [
    (Resource::Connections, "max_connections"),
    (Resource::Pending, "max_pending_requests"),
    (Resource::Requests, "max_requests"),
    (Resource::Retries, "max_retries"),
];

fn address(host: &Host) -> String {
    match &host.address {
        EndpointAddress::Socket(socket) => socket.to_string(),
        EndpointAddress::Name { host, port } => format!("{host}:{port}"),
        EndpointAddress::Pipe(path) => path.display().to_string(),
    }
}

/// Envoy's `/failed_…` flags, or `healthy`.
fn health_flags(host: &Host) -> String {
    let mut flags = String::new();
    if host.shared.monitor.is_ejected() {
        flags.push_str("/failed_outlier_check");
    }
    match host.health {
        EdsHealth::Healthy => {}
        EdsHealth::Degraded => flags.push_str("/degraded_eds_health"),
        _ => flags.push_str("/failed_eds_health"),
    }
    if flags.is_empty() {
        "healthy".into()
    } else {
        flags
    }
}

fn text(cluster: &Cluster, out: &mut String) {
    let name = &cluster.info.name;
    let _ = writeln!(
        out,
        "{name}::observability_name::{}",
        cluster.info.stat_name
    );
    for (priority, label, _) in PRIORITIES {
        let breaker = cluster.breaker(priority);
        for (resource, limit) in LIMITS {
            let _ = writeln!(out, "{name}::{label}::{limit}::{}", breaker.limit(resource));
        }
    }
    let _ = writeln!(out, "{name}::added_via_api::true");
    let hosts = cluster.hosts.load();
    for host in hosts.all_hosts() {
        let totals = &host.shared.totals;
        let address = address(host);
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        for (stat, value) in [
            ("cx_active", u64::from(host.shared.active_connections())),
            ("cx_connect_fail", load(&totals.cx_connect_fail)),
            ("cx_total", load(&totals.cx_total)),
            ("rq_active", u64::from(host.shared.active_requests())),
            ("rq_error", load(&totals.rq_error)),
            ("rq_success", load(&totals.rq_success)),
            ("rq_timeout", load(&totals.rq_timeout)),
            ("rq_total", load(&totals.rq_total)),
        ] {
            let _ = writeln!(out, "{name}::{address}::{stat}::{value}");
        }
        for (stat, value) in [
            ("hostname", host.hostname.to_string()),
            ("health_flags", health_flags(host)),
            ("weight", host.weight.to_string()),
            ("region", host.locality.region.to_string()),
            ("zone", host.locality.zone.to_string()),
            ("sub_zone", host.locality.sub_zone.to_string()),
            ("canary", "false".into()),
            ("priority", host.priority.to_string()),
        ] {
            let _ = writeln!(out, "{name}::{address}::{stat}::{value}");
        }
    }
}

fn status(cluster: &Cluster) -> Value {
    let thresholds: Vec<Value> = PRIORITIES
        .iter()
        .map(|(priority, _, label)| {
            let breaker = cluster.breaker(*priority);
            let mut limits: serde_json::Map<String, Value> = LIMITS
                .iter()
                .map(|(r, name)| ((*name).to_owned(), json!(breaker.limit(*r))))
                .collect();
            limits.insert("priority".into(), json!(label));
            Value::Object(limits)
        })
        .collect();
    let hosts = cluster.hosts.load();
    let hosts: Vec<Value> = hosts.all_hosts().map(|h| host_status(h)).collect();
    json!({
        "name": &*cluster.info.name, "observability_name": &*cluster.info.stat_name,
        "added_via_api": true, "circuit_breakers": {"thresholds": thresholds}, "host_statuses": hosts,
    })
}

fn host_status(host: &Host) -> Value {
    let totals = &host.shared.totals;
    let mut stats: Vec<Value> = Vec::new();
    for (name, counter) in [
        ("cx_connect_fail", &totals.cx_connect_fail),
        ("cx_total", &totals.cx_total),
        ("rq_error", &totals.rq_error),
        ("rq_success", &totals.rq_success),
        ("rq_timeout", &totals.rq_timeout),
        ("rq_total", &totals.rq_total),
    ] {
        // Protobuf's JSON mapping writes 64-bit numbers as strings and leaves zeros out.
        let value = counter.load(Ordering::Relaxed);
        stats.push(if value > 0 {
            json!({"name": name, "value": value.to_string()})
        } else {
            json!({"name": name})
        });
    }
    for (name, value) in [
        ("cx_active", host.shared.active_connections()),
        ("rq_active", host.shared.active_requests()),
    ] {
        let mut stat = json!({"type": "GAUGE", "name": name});
        if value > 0 {
            stat["value"] = json!(value.to_string());
        }
        stats.push(stat);
    }
    let address = match &host.address {
        EndpointAddress::Socket(socket) => {
            json!({"socket_address": {"address": socket.ip().to_string(), "port_value": socket.port()}})
        }
        EndpointAddress::Name { host, port } => {
            json!({"socket_address": {"address": &**host, "port_value": port}})
        }
        EndpointAddress::Pipe(path) => json!({"pipe": {"path": path.display().to_string()}}),
    };
    let mut health = json!({"eds_health_status": match host.health {
        EdsHealth::Healthy => "HEALTHY",
        EdsHealth::Degraded => "DEGRADED",
        _ => "UNHEALTHY",
    }});
    if host.shared.monitor.is_ejected() {
        health["failed_outlier_check"] = json!(true);
    }
    json!({
        "address": address, "stats": stats, "health_status": health, "weight": host.weight,
        "hostname": &*host.hostname, "priority": host.priority,
        "locality": {"region": &*host.locality.region, "zone": &*host.locality.zone, "sub_zone": &*host.locality.sub_zone},
    })
}

//! `/stats` in its three formats.

use http::StatusCode;
use regex::Regex;
use serde_json::json;

use super::Sources;
use super::server::{Page, Query};
use crate::config::Cluster;
use crate::config::route::Priority;
use crate::observe::stats::{Sample, Value, prometheus as exposition, text};
use crate::resilience::breaker::Resource;

/// The stats, with those that are read off the configuration instead of counted.
fn samples(sources: &Sources) -> Vec<Sample> {
    let stats = &sources.observe.stats;
    let config = (sources.config)();
    let mut clusters = 0;
    for cluster in config.clusters() {
        clusters += 1;
        // Every cluster has its stats, also before its first request.
        let _ = stats.cluster(&cluster.info.stat_name);
    }
    stats.set("cluster_manager.active_clusters", clusters);
    stats.set(
        "listener_manager.total_listeners_active",
        config.listeners.len() as u64,
    );
    let started = u64::from((sources.initialized)());
    stats.set("listener_manager.workers_started", started);
    stats.set("server.live", u64::from(sources.state() == "LIVE"));
    stats.set(
        "server.state",
        if sources.state() == "LIVE" { 0 } else { 2 },
    );
    stats.set("server.concurrency", sources.concurrency as u64);
    stats.set("server.uptime", sources.observe.started.elapsed().as_secs());
    stats.set(
        "ferromesh.access_log_lines_dropped",
        sources.observe.sinks.dropped(),
    );
    let mut samples = stats.samples();
    for cluster in config.clusters() {
        let hosts = cluster.hosts.load();
        let healthy = hosts.all_hosts().filter(|h| h.is_healthy()).count() as u64;
        let active: u64 = hosts
            .all_hosts()
            .map(|h| u64::from(h.shared.active_requests()))
            .sum();
        let own = [
            ("membership_total".to_owned(), hosts.len() as u64),
            ("membership_healthy".to_owned(), healthy),
            ("upstream_rq_active".to_owned(), active),
        ];
        for (stat, value) in own.into_iter().chain(breakers(cluster)) {
            samples.push(Sample {
                domain: "cluster",
                tag: "envoy_cluster_name",
                instance: cluster.info.stat_name.clone(),
                stat,
                value: Value::Gauge(value),
            });
        }
    }
    let connections: u64 = samples
        .iter()
        .filter(|s| s.domain == "listener" && s.stat == "downstream_cx_active")
        .map(|s| if let Value::Gauge(n) = s.value { n } else { 0 })
        .sum();
    samples.push(Sample {
        domain: "",
        tag: "",
        instance: "".into(),
        stat: "server.total_connections".into(),
        value: Value::Gauge(connections),
    });
    samples
}

/// Whether each circuit breaker is open, as Envoy's `circuit_breakers.<priority>.*_open`.
fn breakers(cluster: &Cluster) -> impl Iterator<Item = (String, u64)> {
    let priorities = [("default", Priority::Default), ("high", Priority::High)];
    priorities.into_iter().flat_map(|(name, priority)| {
        [
            ("cx_open", Resource::Connections),
            ("rq_pending_open", Resource::Pending),
            ("rq_open", Resource::Requests),
            ("rq_retry_open", Resource::Retries),
        ]
        .map(|(stat, resource)| {
            let open = cluster.breaker(priority).is_open(resource);
            (format!("circuit_breakers.{name}.{stat}"), u64::from(open))
        })
    })
}

fn used(value: &Value) -> bool {
    match value {
        Value::Counter(n) | Value::Gauge(n) => *n > 0,
        Value::Histogram(summary) => summary.count > 0,
    }
}

type Keep = Box<dyn Fn(&str, &Value) -> bool>;

fn keep(query: &Query) -> Result<Keep, Page> {
    let filter = match query
        .get("filter")
        .filter(|f| !f.is_empty())
        .map(|f| Regex::new(f))
    {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(error)) => {
            return Err(Page::error(
                StatusCode::BAD_REQUEST,
                format!("Invalid regex: {error}\n"),
            ));
        }
    };
    let used_only = query.contains_key("usedonly");
    Ok(Box::new(move |name, value| {
        filter.as_ref().is_none_or(|f| f.is_match(name)) && (!used_only || used(value))
    }))
}

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    match query.get("format").map(String::as_str) {
        Some("prometheus") => return prometheus(sources, query),
        Some("json") => return as_json(sources, query),
        Some("text" | "") | None => {}
        Some(other) => {
            return Page::error(
                StatusCode::BAD_REQUEST,
                format!("usage: /stats?format=json|prometheus|text, not {other}\n"),
            );
        }
    }
    match keep(query) {
        Ok(keep) => Page::text(text(&samples(sources), &*keep)),
        Err(page) => page,
    }
}

pub(super) fn prometheus(sources: &Sources, query: &Query) -> Page {
    match keep(query) {
        Ok(keep) => Page::text(exposition(&samples(sources), &*keep)),
        Err(page) => page,
    }
}

fn as_json(sources: &Sources, query: &Query) -> Page {
    let keep = match keep(query) {
        Ok(keep) => keep,
        Err(page) => return page,
    };
    let stats: Vec<_> = samples(sources)
        .iter()
        .filter(|sample| keep(&sample.name(), &sample.value))
        .filter_map(|sample| match sample.value {
            Value::Counter(n) | Value::Gauge(n) => Some(json!({"name": sample.name(), "value": n})),
            Value::Histogram(_) => None,
        })
        .collect();
    Page::json(&json!({"stats": stats}))
}

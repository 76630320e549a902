//! Path → page.

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::json;

use super::server::{Page, Query};
use super::{Sources, clusters, dump, info, stats};

/// Path, whether it changes something (and so needs POST), and what it does.
pub const ENDPOINTS: &[(&str, bool, &str)] = &[
    ("/certs", false, "print certificates"),
    ("/clusters", false, "upstream cluster status; ?format=json"),
    (
        "/config_dump",
        false,
        "dump current configuration; ?resource=, ?name_regex=, ?include_eds",
    ),
    (
        "/drain_listeners",
        true,
        "drain listeners; ?graceful, ?inboundonly, ?skip_exit",
    ),
    (
        "/ferromesh/failures",
        false,
        "the last failures and their causes; ?id=REQUEST_ID, ?limit=N",
    ),
    (
        "/healthcheck/fail",
        true,
        "cause the server to fail health checks",
    ),
    (
        "/healthcheck/ok",
        true,
        "cause the server to pass health checks",
    ),
    ("/help", false, "print this list"),
    ("/listeners", false, "print listener info; ?format=json"),
    ("/logging", true, "query or change the log filter; ?level="),
    ("/memory", false, "print current allocation/heap usage"),
    ("/quitquitquit", true, "exit the server"),
    ("/ready", false, "print server state, 200 when live"),
    ("/reopen_logs", true, "open access logs again"),
    ("/server_info", false, "print server version and status"),
    (
        "/stats",
        false,
        "print server stats; ?filter=REGEX, ?usedonly, ?format=json|prometheus",
    ),
    (
        "/stats/prometheus",
        false,
        "print server stats in Prometheus format",
    ),
];

pub(super) fn page(sources: &Sources, path: &str, query: &Query, post: bool) -> Page {
    let Some((_, changes, _)) = ENDPOINTS.iter().find(|(known, ..)| *known == path) else {
        return match path {
            "/" => help(StatusCode::OK),
            _ => help(StatusCode::NOT_FOUND),
        };
    };
    if *changes && !post {
        let message =
            format!("Method GET not allowed, POST required.\n  try: curl -X POST {path}\n");
        return Page::error(StatusCode::METHOD_NOT_ALLOWED, message);
    }
    match path {
        "/certs" => info::certs(sources),
        "/clusters" => clusters::page(sources, query),
        "/config_dump" => dump::page(sources, query),
        "/drain_listeners" => drain(sources, query),
        "/ferromesh/failures" => failures(sources, query),
        "/healthcheck/fail" => health(sources, true),
        "/healthcheck/ok" => health(sources, false),
        "/listeners" => info::listeners(sources, query),
        "/logging" => logging(sources, query),
        "/memory" => info::memory(),
        "/quitquitquit" => {
            sources.control.quit();
            Page::text("OK\n")
        }
        "/ready" => ready(sources),
        "/reopen_logs" => {
            sources.observe.sinks.reopen();
            Page::text("OK\n")
        }
        "/server_info" => info::server(sources),
        "/stats" => stats::page(sources, query),
        "/stats/prometheus" => stats::prometheus(sources, query),
        _ => help(StatusCode::OK),
    }
}

fn help(status: StatusCode) -> Page {
    let mut body = String::from("admin commands are:\n");
    for (path, changes, what) in ENDPOINTS {
        let method = if *changes { " (POST)" } else { "" };
        body.push_str(&format!("  {path}{method}: {what}\n"));
    }
    Page::error(status, body)
}

fn ready(sources: &Sources) -> Page {
    let state = sources.state();
    let status = if state == "LIVE" {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Page::error(status, format!("{state}\n"))
}

fn drain(sources: &Sources, query: &Query) -> Page {
    // Envoy drains at once without `graceful`.
    sources
        .control
        .drain_listeners(query.contains_key("graceful"));
    if !query.contains_key("inboundonly") {
        sources.draining.store(true, Ordering::Relaxed);
    }
    Page::text("OK\n")
}

fn health(sources: &Sources, fail: bool) -> Page {
    sources.unhealthy.store(fail, Ordering::Relaxed);
    Page::text("OK\n")
}

fn logging(sources: &Sources, query: &Query) -> Page {
    // `?level=debug`, or Envoy's `?<logger>=<level>`.
    let wanted = query.get("level").cloned().or_else(|| {
        query
            .iter()
            .next()
            .map(|(logger, level)| format!("{logger}={level}"))
    });
    match sources.control.logging(wanted.as_deref()) {
        Ok(filter) => Page::text(format!("active loggers:\n  {filter}\n")),
        Err(error) => Page::error(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

fn failures(sources: &Sources, query: &Query) -> Page {
    let limit = query
        .get("limit")
        .and_then(|n| n.parse().ok())
        .unwrap_or(100);
    let found = sources
        .observe
        .recorder
        .find(query.get("id").map(String::as_str), limit);
    let failures: Vec<_> = found
        .iter()
        .map(crate::observe::recorder::Failure::to_json)
        .collect();
    Page::json(&json!({"failures": failures}))
}

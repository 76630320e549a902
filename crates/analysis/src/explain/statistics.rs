//! Metrics and Envoy's statistics, under the names that people meet them by: Prometheus' (`envoy_cluster_…`), those
//! of `/stats` (`cluster.NAME.upstream_cx_overflow`), the last part alone, and patterns with `*`.

use super::Explanation;
use super::names::fact;
use crate::advice::{Lang, Options};
use crate::knowledge::{METRIC_MEANINGS, Metric, settings};

/// Longest name that is looked up, in bytes.
const MAX_NAME: usize = 512;
/// Most statistics that are explained one by one.
const MAX_FOUND: usize = 6;

/// What a metric or statistic counts. Empty if it is none.
pub(super) fn all(query: &str, options: &Options) -> Vec<Explanation> {
    let Some(name) = name_of(query) else {
        return Vec::new();
    };
    if let Some(metric) = prometheus(name) {
        return vec![explanation(metric, options)];
    }
    let found = if name.contains('*') {
        matching(name)
    } else {
        statistic(name)
    };
    match found.len() {
        0..=MAX_FOUND => found.into_iter().map(|m| explanation(m, options)).collect(),
        _ => vec![summary(name, &found, options.lang)],
    }
}

/// The name in a line of `/stats`, of Prometheus, or alone.
fn name_of(query: &str) -> Option<&str> {
    let name = query.split('{').next().unwrap_or(query).trim();
    let (name, value) = name
        .split_once(": ")
        .or(name.split_once(' '))
        .unwrap_or((name, ""));
    let counted = value.trim().is_empty() || value.trim().starts_with(|c: char| c.is_ascii_digit());
    let plain = name.is_ascii() && !name.contains(char::is_whitespace);
    (counted && plain && name.len() <= MAX_NAME).then_some(name)
}

/// A metric by the name that Prometheus has, with or without the ends of a histogram's series.
fn prometheus(name: &str) -> Option<&'static Metric> {
    let all = settings();
    all.metric(name).or_else(|| {
        ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| all.metric(name.strip_suffix(suffix)?))
    })
}

/// Statistics by their name in `/stats`, or by its end. Names of clusters and listeners may have dots of their own:
/// the longest tail that is a statistic counts.
fn statistic(name: &str) -> Vec<&'static Metric> {
    let steps: Vec<&str> = name.split('.').collect();
    for start in 0..steps.len() {
        let tail = folded(&steps[start..].join("_"));
        let scope = if start == 0 { "" } else { steps[0] };
        let exact = format!("envoy_{tail}");
        let scoped = format!("envoy_{scope}_{tail}");
        let ending = format!("_{tail}");
        let mut found: Vec<&Metric> = envoy()
            .filter(|metric| match scope {
                "" => {
                    metric.name == exact || metric.name.strip_suffix(&ending).is_some_and(is_scope)
                }
                _ => metric.name == scoped,
            })
            .collect();
        if !found.is_empty() {
            found.sort_by_key(|metric| metric.name);
            return found;
        }
    }
    Vec::new()
}

/// Statistics whose name in Prometheus, or the end of it, fits a pattern.
fn matching(pattern: &str) -> Vec<&'static Metric> {
    // A `*` between dots stands for the name of a cluster or listener, which is a label in Prometheus.
    let steps: Vec<&str> = pattern.split('.').filter(|step| *step != "*").collect();
    let pattern = folded(&steps.join("_"));
    if !pattern.chars().any(|c| c.is_ascii_alphanumeric()) {
        return Vec::new();
    }
    let starred = pattern.trim_start_matches(['*', '_']);
    let anywhere = format!("*_{starred}");
    let mut found: Vec<&Metric> = settings()
        .metrics()
        .filter(|metric| {
            crate::run::glob(&pattern, metric.name)
                || metric.name.starts_with("envoy_") && crate::run::glob(&anywhere, metric.name)
        })
        .collect();
    found.sort_by_key(|metric| metric.name);
    found
}

fn envoy() -> impl Iterator<Item = &'static Metric> {
    settings()
        .metrics()
        .filter(|metric| metric.name.starts_with("envoy_"))
}

/// What Envoy counts for: the parts of a name that stand before the statistic itself.
fn is_scope(prefix: &str) -> bool {
    const SCOPES: &[&str] = &[
        "cluster",
        "http",
        "listener",
        "tcp",
        "server",
        "cluster_manager",
        "listener_manager",
        "cluster_manager_cds",
        "listener_manager_lds",
        "http_rds",
        "cluster_outlier_detection",
        "cluster_ssl",
        "listener_ssl",
        "cluster_circuit_breakers_default",
        "cluster_circuit_breakers_high",
        "cluster_health_check",
        "http1",
        "http2",
        "control_plane",
        "listener_http",
        "http_fault",
        "http_rbac",
        "http_ext_authz",
        "cluster_ratelimit",
        "http_local_rate_limit",
        "runtime",
        "sds",
        "listener_worker",
        "http_inspector",
        "tls_inspector",
        "cluster_http1",
        "http_tracing",
        "overload",
        "filesystem",
        "dns_cares",
        "http_local_rate_limiter_http_local_rate_limit",
    ];
    prefix
        .strip_prefix("envoy_")
        .is_some_and(|scope| SCOPES.contains(&scope))
}

/// Codes in a name are labels in Prometheus: `upstream_rq_5xx` is `upstream_rq_xx`, `upstream_rq_503` is `upstream_rq`.
fn folded(name: &str) -> String {
    let Some((head, tail)) = name.rsplit_once('_') else {
        return name.to_owned();
    };
    let digit = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match tail.strip_suffix("xx") {
        Some(class) if digit(class) => format!("{head}_xx"),
        None if tail.len() == 3 && digit(tail) => head.to_owned(),
        _ => name.to_owned(),
    }
}

/// Where `/stats` has it: the place of the names of clusters, listeners and prefixes.
fn in_stats(metric: &Metric) -> Option<String> {
    let rest = metric.name.strip_prefix("envoy_")?;
    for scope in [
        "cluster_manager",
        "listener_manager",
        "server",
        "control_plane",
    ] {
        if let Some(tail) = rest
            .strip_prefix(scope)
            .and_then(|tail| tail.strip_prefix('_'))
        {
            return Some(format!("{scope}.{}", parted(tail)));
        }
    }
    let (scope, tail) = rest.split_once('_')?;
    let name = match scope {
        "cluster" => "CLUSTER",
        "listener" => "ADDRESS",
        "http" | "tcp" => "PREFIX",
        _ => return None,
    };
    Some(format!("{scope}.{name}.{}", parted(tail)))
}

/// The families that `/stats` parts with a dot.
fn parted(tail: &str) -> String {
    const FAMILIES: &[&str] = &[
        "circuit_breakers_default_",
        "circuit_breakers_high_",
        "outlier_detection_",
        "ssl_",
        "health_check_",
        "http1_",
        "rbac_",
        "fault_",
        "rds_",
        "cds_",
        "lds_",
        "ext_authz_",
    ];
    for family in FAMILIES {
        if let Some(rest) = tail.strip_prefix(family) {
            let family = family
                .trim_end_matches('_')
                .replace("breakers_", "breakers.");
            return format!("{family}.{rest}");
        }
    }
    tail.to_owned()
}

fn explanation(row: &Metric, options: &Options) -> Explanation {
    let lang = options.lang;
    let meaning = METRIC_MEANINGS.find("name", row.name);
    let mut facts = vec![fact("type", row.ty)];
    if let Some(name) = in_stats(row) {
        facts.push(fact("/stats", name));
    }
    if !row.labels.is_empty() && row.labels != "*" {
        facts.push(fact("labels", row.labels.replace(' ', ", ")));
    }
    for (name, value) in [
        ("since", row.since),
        ("until", row.until),
        ("instead", row.instead),
    ] {
        if !value.is_empty() {
            facts.push(fact(name, value));
        }
    }
    let mut checks: Vec<String> = meaning
        .map(|row| row.get("check").to_owned())
        .into_iter()
        .filter(|check| !check.is_empty())
        .collect();
    if !is_admitted(row.name) {
        checks.push(lang.pick(
            "a sidecar of Istio has it only where proxyStatsMatcher admits it: absent is not zero",
            "Istio 的 sidecar 只在 proxyStatsMatcher 放行时有此统计：没有不等于零",
        ));
    }
    let meaning = match (row.exists(options.istio, options.knative), meaning) {
        (false, _) => lang.pick("it does not exist in this version", "此版本中不存在"),
        (true, Some(row)) => lang.pick(row.get("meaning"), row.get("meaning_zh")),
        (true, None) => String::new(),
    };
    Explanation {
        title: lang.pick(format!("metric {}", row.name), format!("指标 {}", row.name)),
        meaning,
        facts,
        checks,
        source: row.source.to_owned(),
    }
}

/// What the bootstrap of a sidecar of Istio admits without being asked (istio/istio pkg/bootstrap/config.go).
fn is_admitted(name: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "envoy_cluster_manager_",
        "envoy_listener_manager_",
        "envoy_server_",
        "envoy_wasm_",
    ];
    const SUFFIXES: &[&str] = &["rbac_allowed", "rbac_denied", "downstream_cx_active"];
    !name.starts_with("envoy_")
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Many at once: their names, each with what it counts.
fn summary(pattern: &str, found: &[&Metric], lang: Lang) -> Explanation {
    const SHOWN: usize = 60;
    let facts = found
        .iter()
        .take(SHOWN)
        .map(|metric| {
            let meaning = METRIC_MEANINGS
                .find("name", metric.name)
                .map(|row| lang.pick(row.get("meaning"), row.get("meaning_zh")));
            fact(metric.name, meaning.unwrap_or_else(|| metric.ty.to_owned()))
        })
        .collect();
    let (shown, all) = (found.len().min(SHOWN), found.len());
    Explanation {
        title: lang.pick(
            format!("{all} metrics fit {pattern}"),
            format!("{all} 个指标匹配 {pattern}"),
        ),
        meaning: if shown < all {
            lang.pick(format!("the first {shown}:"), format!("前 {shown} 个："))
        } else {
            String::new()
        },
        facts,
        checks: Vec::new(),
        source: "Envoy statistics, istio/istio, knative/serving".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(query: &str) -> Vec<String> {
        all(query, &Options::default())
            .into_iter()
            .map(|found| found.title)
            .collect()
    }

    #[test]
    fn a_statistic_is_found_by_any_of_its_names() {
        for query in [
            "upstream_cx_overflow",
            "cluster.web.upstream_cx_overflow",
            "cluster.outbound|80||web.shop.svc.cluster.local.upstream_cx_overflow",
            "cluster.outbound|80||web.shop.svc.cluster.local.upstream_cx_overflow: 3",
            "envoy_cluster_upstream_cx_overflow{cluster_name=\"web\"}",
            "envoy_cluster_upstream_cx_overflow 7",
            "cluster.*.upstream_cx_overflow",
            "*upstream_cx_overflow",
        ] {
            assert_eq!(
                titles(query),
                ["metric envoy_cluster_upstream_cx_overflow"],
                "{query}"
            );
        }
        assert_eq!(
            titles("http.ingress_http.downstream_rq_5xx"),
            ["metric envoy_http_downstream_rq_xx"]
        );
        assert_eq!(
            titles("cluster.a.upstream_rq_503"),
            ["metric envoy_cluster_upstream_rq"]
        );
        assert_eq!(
            titles("listener_manager.lds.update_rejected"),
            ["metric envoy_listener_manager_lds_update_rejected"]
        );
        assert_eq!(
            titles("listener.0.0.0.0_8080.no_filter_chain_match"),
            ["metric envoy_listener_no_filter_chain_match"]
        );
        assert_eq!(
            titles("ejections_active"),
            ["metric envoy_cluster_outlier_detection_ejections_active"]
        );
    }

    #[test]
    fn a_pattern_that_many_fit_lists_them() {
        let found = all("cluster.*.upstream_cx_*", &Options::default());
        assert!(found[0].title.contains("metrics fit"), "{found:?}");
        assert!(
            found[0]
                .facts
                .iter()
                .all(|(name, _)| name.starts_with("envoy_cluster_upstream_cx"))
        );
    }

    #[test]
    fn what_is_no_statistic_is_not_found() {
        for query in [
            "",
            "*",
            "upstream_cx_zz",
            "cluster.a.nothing_at_all",
            "hello world",
            "a.b.c.d",
        ] {
            assert!(titles(query).is_empty(), "{query}");
        }
    }

    #[test]
    fn every_meaning_is_of_a_metric_that_exists() {
        for row in METRIC_MEANINGS.rows() {
            assert!(
                settings().metric(row.get("name")).is_some(),
                "{}",
                row.get("name")
            );
        }
    }
}

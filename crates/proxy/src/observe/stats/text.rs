//! Stats as text: Envoy's `/stats` and Prometheus' exposition format with Envoy's names and tags.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use super::Summary;

/// A number, added up over workers.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Counter(u64),
    Gauge(u64),
    Histogram(Summary),
}

/// One stat of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `cluster`, `http`, `listener`, `tcp`, or empty for the process.
    pub domain: &'static str,
    pub tag: &'static str,
    pub instance: Arc<str>,
    pub stat: String,
    pub value: Value,
}

impl Sample {
    /// `cluster.outbound|80||a.upstream_rq_total`; Envoy replaces colons in stat names.
    #[must_use]
    pub fn name(&self) -> String {
        if self.domain.is_empty() {
            return self.stat.clone();
        }
        format!(
            "{}.{}.{}",
            self.domain,
            self.instance.replace(':', "_"),
            self.stat
        )
    }
}

/// Envoy's text form: counters and gauges by name, then histograms.
#[must_use]
pub fn text(samples: &[Sample], keep: &dyn Fn(&str, &Value) -> bool) -> String {
    let mut numbers = BTreeMap::new();
    let mut histograms = BTreeMap::new();
    for sample in samples {
        let name = sample.name();
        if !keep(&name, &sample.value) {
            continue;
        }
        match &sample.value {
            Value::Counter(n) | Value::Gauge(n) => _ = numbers.insert(name, *n),
            Value::Histogram(summary) => _ = histograms.insert(name, summary),
        }
    }
    let mut out = String::new();
    for (name, value) in numbers {
        let _ = writeln!(out, "{name}: {value}");
    }
    for (name, summary) in histograms {
        let _ = writeln!(out, "{name}: {}", quantiles(summary));
    }
    out
}

fn quantiles(summary: &Summary) -> String {
    if summary.count == 0 {
        return "No recorded values".into();
    }
    [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0]
        .iter()
        .map(|share| {
            let value = summary.quantile(*share).unwrap_or_default();
            format!("P{}(nan,{value})", share * 100.0)
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prometheus' text format 0.0.4.
#[must_use]
pub fn prometheus(samples: &[Sample], keep: &dyn Fn(&str, &Value) -> bool) -> String {
    let mut families: BTreeMap<String, (&'static str, String)> = BTreeMap::new();
    for sample in samples
        .iter()
        .filter(|sample| keep(&sample.name(), &sample.value))
    {
        let (metric, mut labels) = metric(sample);
        if !sample.domain.is_empty() {
            labels.push((sample.tag, sample.instance.to_string()));
        }
        let kind = match sample.value {
            Value::Counter(_) => "counter",
            Value::Gauge(_) => "gauge",
            Value::Histogram(_) => "histogram",
        };
        let (_, lines) = families
            .entry(metric.clone())
            .or_insert_with(|| (kind, String::new()));
        match &sample.value {
            Value::Counter(n) | Value::Gauge(n) => {
                let _ = writeln!(lines, "{metric}{{{}}} {n}", render(&labels));
            }
            Value::Histogram(summary) => histogram(lines, &metric, &render(&labels), summary),
        }
    }
    families
        .into_iter()
        .fold(String::new(), |mut out, (metric, (kind, lines))| {
            let _ = write!(out, "# TYPE {metric} {kind}\n{lines}");
            out
        })
}

/// The metric's name, with status codes and classes as labels (Envoy's well-known tags).
fn metric(sample: &Sample) -> (String, Vec<(&'static str, String)>) {
    let prefix = if sample.domain.is_empty() {
        "envoy".into()
    } else {
        format!("envoy_{}", sample.domain)
    };
    let stat = sample
        .stat
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    if let Some(tail) = stat.strip_suffix("xx")
        && let Some(class) = tail.chars().last().filter(char::is_ascii_digit)
    {
        let stem = &tail[..tail.len() - 1];
        return (
            format!("{prefix}_{stem}xx"),
            vec![("envoy_response_code_class", class.to_string())],
        );
    }
    if let Some((stem, code)) = stat.rsplit_once('_')
        && code.len() == 3
        && code.bytes().all(|b| b.is_ascii_digit())
    {
        return (
            format!("{prefix}_{stem}"),
            vec![("envoy_response_code", code.to_owned())],
        );
    }
    (format!("{prefix}_{stat}"), Vec::new())
}

fn render(labels: &[(&str, String)]) -> String {
    labels
        .iter()
        .map(|(name, value)| {
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            format!("{name}=\"{value}\"")
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn histogram(lines: &mut String, metric: &str, labels: &str, summary: &Summary) {
    let comma = if labels.is_empty() { "" } else { "," };
    for (bound, count) in summary.cumulative() {
        let _ = writeln!(
            lines,
            "{metric}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}"
        );
    }
    let _ = writeln!(
        lines,
        "{metric}_bucket{{{labels}{comma}le=\"+Inf\"}} {}",
        summary.count
    );
    let _ = writeln!(lines, "{metric}_sum{{{labels}}} {}", summary.sum);
    let _ = writeln!(lines, "{metric}_count{{{labels}}} {}", summary.count);
}

#[cfg(test)]
mod tests {
    use super::super::Registry;
    use super::*;

    #[test]
    fn names_and_tags_are_envoys() {
        let registry = Registry::new(1);
        let scope = registry.cluster("outbound|80||a");
        scope.slot(0).group.upstream_rq_2xx.inc();
        scope.slot(0).codes.count(200);
        registry.add("listener_manager.lds.update_success", 3);
        let samples = registry.samples();
        let plain = text(&samples, &|_, _| true);
        assert!(plain.contains("cluster.outbound|80||a.upstream_rq_200: 1\n"));
        assert!(plain.contains("listener_manager.lds.update_success: 3\n"));
        assert!(plain.contains("upstream_rq_time: No recorded values"));
        let metrics = prometheus(&samples, &|_, _| true);
        let cluster = "envoy_cluster_name=\"outbound|80||a\"";
        assert!(metrics.contains(&format!(
            "envoy_cluster_upstream_rq_xx{{envoy_response_code_class=\"2\",{cluster}}} 1"
        )));
        assert!(metrics.contains(&format!(
            "envoy_cluster_upstream_rq{{envoy_response_code=\"200\",{cluster}}} 1"
        )));
        assert!(metrics.contains("# TYPE envoy_cluster_upstream_rq_time histogram"));
        assert!(metrics.contains("envoy_listener_manager_lds_update_success{} 3"));
    }
}

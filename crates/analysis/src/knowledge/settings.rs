//! Annotations, ConfigMap keys, notes on fields, defaults, metrics, workloads: rows that are looked up often.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::table::{Row, Table};
use super::version::Version;

/// An annotation or label.
#[derive(Debug, Clone, Copy)]
pub struct Annotation {
    pub key: &'static str,
    pub label: bool,
    /// Where it belongs, separated by commas.
    pub places: &'static str,
    pub ty: &'static str,
    pub status: &'static str,
    pub since: &'static str,
    pub until: &'static str,
    pub default: &'static str,
    /// What it is elsewhere.
    pub elsewhere: &'static str,
    pub instead: &'static str,
    pub source: &'static str,
}

/// A key of a ConfigMap.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    pub configmap: &'static str,
    pub key: &'static str,
    pub ty: &'static str,
    pub default: &'static str,
    pub since: &'static str,
    pub until: &'static str,
    pub instead: &'static str,
    pub source: &'static str,
}

/// What becomes of a field with a value.
#[derive(Debug, Clone, Copy)]
pub struct Note {
    pub scope: &'static str,
    pub path: &'static str,
    pub value: &'static str,
    pub since: &'static str,
    pub until: &'static str,
    pub verdict: &'static str,
    pub fix: &'static str,
    pub why: (&'static str, &'static str),
    pub source: &'static str,
}

/// A setting that does the opposite of an intent.
#[derive(Debug, Clone, Copy)]
pub struct Opposite {
    pub scope: &'static str,
    pub path: &'static str,
    pub value: &'static str,
    pub intent: &'static str,
    pub fix: &'static str,
    pub why: (&'static str, &'static str),
    pub source: &'static str,
}

/// How an intent reads.
#[derive(Debug, Clone)]
pub struct Intent {
    pub name: &'static str,
    pub phrases: Vec<&'static str>,
}

/// A default that prose may claim.
#[derive(Debug, Clone)]
pub struct Default {
    pub names: Vec<&'static str>,
    /// Lower case.
    pub values: Vec<&'static str>,
    pub owner: &'static str,
    pub source: &'static str,
}

/// A metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    pub name: &'static str,
    pub ty: &'static str,
    /// Separated by blanks; `*` for labels that are not listed.
    pub labels: &'static str,
    pub since: &'static str,
    pub until: &'static str,
    pub instead: &'static str,
    pub source: &'static str,
    /// Whether since and until are Knative versions.
    pub knative: bool,
}

/// A workload of a control plane.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    pub namespace: &'static str,
    pub name: &'static str,
    pub containers: &'static str,
    pub status: &'static str,
    pub instead: &'static str,
    pub owner: &'static str,
    pub source: &'static str,
}

/// All of them.
#[derive(Debug)]
pub struct Settings {
    annotations: HashMap<&'static str, Vec<Annotation>>,
    config: Vec<ConfigKey>,
    notes: Vec<Note>,
    opposites: Vec<Opposite>,
    intents: Vec<Intent>,
    defaults: Vec<Default>,
    metrics: HashMap<&'static str, Metric>,
    workloads: Vec<Workload>,
}

/// The settings.
#[must_use]
pub fn settings() -> &'static Settings {
    static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::load);
    &SETTINGS
}

macro_rules! table {
    ($file:literal) => {
        Table::parse(include_str!(concat!("../../knowledge/", $file)))
    };
}

impl Settings {
    fn load() -> Self {
        let mut annotations: HashMap<&'static str, Vec<Annotation>> = HashMap::new();
        for row in table!("annotations.tsv").rows() {
            let annotation = annotation(&row);
            annotations
                .entry(annotation.key)
                .or_default()
                .push(annotation);
        }
        let mut metrics = HashMap::new();
        for (knative, table) in [
            (false, table!("metrics/istio.tsv")),
            (false, table!("metrics/envoy.tsv")),
            (true, table!("metrics/knative.tsv")),
        ] {
            metrics.extend(
                table
                    .rows()
                    .map(|row| (row.get("name"), metric(&row, knative))),
            );
        }
        Self {
            annotations,
            config: table!("configmaps.tsv")
                .rows()
                .map(|row| config_key(&row))
                .collect(),
            notes: table!("notes.tsv").rows().map(|row| note(&row)).collect(),
            opposites: table!("opposite.tsv")
                .rows()
                .map(|row| opposite(&row))
                .collect(),
            intents: table!("intents.tsv")
                .rows()
                .map(|row| intent(&row))
                .collect(),
            defaults: table!("defaults.tsv")
                .rows()
                .map(|row| Default {
                    names: row.list("names").collect(),
                    values: row.list("values").collect(),
                    owner: row.get("owner"),
                    source: row.get("source"),
                })
                .collect(),
            metrics,
            workloads: table!("workloads.tsv")
                .rows()
                .map(|row| workload(&row))
                .collect(),
        }
    }

    /// The rows of an annotation or label, `prefix.*` and `actions.*` included.
    #[must_use]
    pub fn annotation(&self, key: &str) -> &[Annotation] {
        if let Some(rows) = self.annotations.get(key) {
            return rows;
        }
        let mut end = key.len();
        while let Some(dot) = key[..end].rfind('.') {
            if let Some(rows) = self.annotations.get(format!("{}.*", &key[..dot]).as_str()) {
                return rows;
            }
            end = dot;
        }
        &[]
    }

    /// Every known annotation and label.
    pub fn annotations(&self) -> impl Iterator<Item = &Annotation> {
        self.annotations.values().flatten()
    }

    /// The keys of a ConfigMap; none if the ConfigMap is not known.
    pub fn config_map<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ConfigKey> {
        self.config.iter().filter(move |key| key.configmap == name)
    }

    /// All keys of all ConfigMaps.
    #[must_use]
    pub fn config_keys(&self) -> &[ConfigKey] {
        &self.config
    }

    /// Notes on fields.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Settings with an opposite effect.
    #[must_use]
    pub fn opposites(&self) -> &[Opposite] {
        &self.opposites
    }

    /// How an intent reads.
    #[must_use]
    pub fn intent(&self, name: &str) -> Option<&Intent> {
        self.intents.iter().find(|intent| intent.name == name)
    }

    /// Defaults.
    #[must_use]
    pub fn defaults(&self) -> &[Default] {
        &self.defaults
    }

    /// A metric by its name without `_bucket`, `_sum`, `_count`.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// All metrics.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.metrics.values()
    }

    /// Workloads of the control planes.
    #[must_use]
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }
}

fn annotation(row: &Row<'_>) -> Annotation {
    Annotation {
        key: row.get("key"),
        label: row.get("role") == "label",
        places: row.get("where"),
        ty: row.get("type"),
        status: row.get("status"),
        since: row.get("since"),
        until: row.get("until"),
        default: row.get("default"),
        elsewhere: row.get("elsewhere"),
        instead: row.get("instead"),
        source: row.get("source"),
    }
}

fn config_key(row: &Row<'_>) -> ConfigKey {
    ConfigKey {
        configmap: row.get("configmap"),
        key: row.get("key"),
        ty: row.get("type"),
        default: row.get("default"),
        since: row.get("since"),
        until: row.get("until"),
        instead: row.get("instead"),
        source: row.get("source"),
    }
}

fn note(row: &Row<'_>) -> Note {
    Note {
        scope: row.get("scope"),
        path: row.get("path"),
        value: row.get("value"),
        since: row.get("since"),
        until: row.get("until"),
        verdict: row.get("verdict"),
        fix: row.get("fix"),
        why: (row.get("why"), row.get("why_zh")),
        source: row.get("source"),
    }
}

fn opposite(row: &Row<'_>) -> Opposite {
    Opposite {
        scope: row.get("scope"),
        path: row.get("path"),
        value: row.get("value"),
        intent: row.get("intent"),
        fix: row.get("fix"),
        why: (row.get("why"), row.get("why_zh")),
        source: row.get("source"),
    }
}

fn intent(row: &Row<'_>) -> Intent {
    let phrases = ["en", "zh"]
        .into_iter()
        .flat_map(|column| row.get(column).split(';'))
        .map(str::trim)
        .filter(|phrase| !phrase.is_empty())
        .collect();
    Intent {
        name: row.get("intent"),
        phrases,
    }
}

fn metric(row: &Row<'_>, knative: bool) -> Metric {
    Metric {
        name: row.get("name"),
        ty: row.get("type"),
        labels: row.get("labels"),
        since: row.get("since"),
        until: row.get("until"),
        instead: row.get("instead"),
        source: row.get("source"),
        knative,
    }
}

fn workload(row: &Row<'_>) -> Workload {
    Workload {
        namespace: row.get("namespace"),
        name: row.get("name"),
        containers: row.get("containers"),
        status: row.get("status"),
        instead: row.get("instead"),
        owner: row.get("owner"),
        source: row.get("source"),
    }
}

impl Intent {
    /// Whether a text (lower case) states the intent. In a phrase, `*` stands for the rest of a word and `~` for up to
    /// a few words of the same sentence.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        let plain = text.replace(['*', '`', '"'], "");
        self.phrases.iter().any(|phrase| stated(phrase, &plain))
    }
}

/// Longest gap that `~` stands for, in bytes.
const GAP: usize = 40;

fn stated(phrase: &str, text: &str) -> bool {
    let (first, rest) = phrase.split_once('~').unwrap_or((phrase, ""));
    let mut from = 0;
    while let Some((start, end)) = find_part(first, &text[from..]) {
        let tail = &text[from + end..];
        let limited = ["only", "just", "仅", "只"]
            .iter()
            .any(|word| tail.trim_start().starts_with(word));
        let next = from
            + start
            + text[from + start..]
                .chars()
                .next()
                .map_or(1, char::len_utf8);
        if rest.is_empty() {
            if !limited {
                return true;
            }
            from = next;
            continue;
        }
        let sentence = tail
            .find(['.', '\n', '。', ';', '；', '，'])
            .unwrap_or(tail.len());
        let mut gap = sentence.min(GAP);
        while !tail.is_char_boundary(gap) {
            gap -= 1;
        }
        let within = &tail[..sentence];
        if within
            .char_indices()
            .take_while(|(at, _)| *at <= gap)
            .any(|(at, _)| goes_on(rest, &within[at..]))
        {
            return true;
        }
        from = next;
    }
    false
}

/// Where a phrase without gaps stands.
fn find_part(phrase: &str, text: &str) -> Option<(usize, usize)> {
    let head = phrase.split('*').next().unwrap_or_default();
    text.match_indices(head)
        .find_map(|(at, _)| Some((at, at + length(phrase, &text[at..])?)))
}

/// Whether the text begins with the first part of the phrase, and the others follow in the sentence.
fn goes_on(phrase: &str, text: &str) -> bool {
    let (first, rest) = phrase.split_once('~').unwrap_or((phrase, ""));
    length(first, text).is_some_and(|length| rest.is_empty() || stated(rest, &text[length..]))
}

/// How much of the beginning of a text a phrase takes.
fn length(phrase: &str, text: &str) -> Option<usize> {
    let mut parts = phrase.split('*');
    let mut rest = text.strip_prefix(parts.next().unwrap_or_default())?;
    for part in parts {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        rest = rest.strip_prefix(part)?;
    }
    Some(text.len() - rest.len())
}

impl Metric {
    /// Whether it exists in the chosen versions.
    #[must_use]
    pub fn exists(&self, istio: Version, knative: Version) -> bool {
        let version = if self.knative { knative } else { istio };
        version.within(self.since, self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::stated;

    #[test]
    fn phrases_have_free_endings_and_gaps_within_a_sentence() {
        assert!(stated("disable* ejection", "this disables ejection"));
        assert!(stated("surviv*~error", "hosts survive more errors"));
        assert!(!stated("surviv*~error", "hosts survive. errors are rare"));
        assert!(stated("负责~日志", "由它负责打开访问日志"));
        assert!(!stated(
            "in the path",
            "it is in the path only while at zero"
        ));
        assert!(stated(
            "in the path",
            "in the path only at zero, else always in the path"
        ));
    }
}

//! Facts about versions and vendors that rules look up. Rows of `knowledge/*.tsv`, read once.

pub(crate) mod annotations;
pub(crate) mod value;

use std::collections::HashMap;
use std::sync::OnceLock;

/// A key of an annotation, a label or a ConfigMap.
#[derive(Debug)]
pub(crate) struct Setting {
    pub key: &'static str,
    /// Where it is read: `pod`, `service`, `ksvc`, `revision-template`…, with commas.
    pub places: &'static str,
    /// What a value must be; see [`value::accepts`].
    pub kind: &'static str,
    /// `deprecated`, `removed` or `clb-only`; empty if it is well.
    pub status: &'static str,
    /// What happens elsewhere: `refused` or `misplaced`.
    pub elsewhere: &'static str,
}

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .skip(1)
        .map(|line| line.split('\t').collect())
}

fn column(row: &[&'static str], index: usize) -> &'static str {
    row.get(index).copied().unwrap_or_default()
}

/// Annotations and labels by key.
pub(crate) fn settings() -> &'static HashMap<&'static str, Setting> {
    static TABLE: OnceLock<HashMap<&'static str, Setting>> = OnceLock::new();
    TABLE.get_or_init(|| {
        rows(include_str!("../../knowledge/annotations.tsv"))
            .map(|row| {
                let setting = Setting {
                    key: column(&row, 0),
                    places: column(&row, 2),
                    kind: column(&row, 3),
                    status: column(&row, 4),
                    elsewhere: column(&row, 8),
                };
                (setting.key, setting)
            })
            .collect()
    })
}

/// The annotation of a key; keys that end in a name of their own (`….NAME`) have a row that ends in `*`.
pub(crate) fn setting(key: &str) -> Option<&'static Setting> {
    let table = settings();
    table.get(key).or_else(|| {
        table.values().find(|row| {
            row.key
                .strip_suffix('*')
                .is_some_and(|prefix| key.starts_with(prefix))
        })
    })
}

/// A key of a ConfigMap.
#[derive(Debug)]
pub(crate) struct MapKey {
    pub key: &'static str,
    pub kind: &'static str,
    /// Version that dropped it; empty if it is read.
    pub until: &'static str,
    pub instead: &'static str,
}

/// Keys of a ConfigMap of Knative; nothing for maps that are not known.
pub(crate) fn config_map(name: &str) -> &'static [MapKey] {
    static TABLE: OnceLock<HashMap<&'static str, Vec<MapKey>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut table: HashMap<&'static str, Vec<MapKey>> = HashMap::new();
        for row in rows(include_str!("../../knowledge/configmaps.tsv")) {
            table.entry(column(&row, 0)).or_default().push(MapKey {
                key: column(&row, 1),
                kind: column(&row, 2),
                until: column(&row, 5),
                instead: column(&row, 6),
            });
        }
        table
    });
    table.get(name).map_or(&[], Vec::as_slice)
}

/// What replaced a name of an Envoy filter that nothing answers to any more; empty if nothing did.
pub(crate) fn stale_filter(name: &str) -> Option<&'static str> {
    static TABLE: OnceLock<HashMap<&'static str, &'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        rows(include_str!("../../knowledge/filters.tsv"))
            .map(|row| (column(&row, 0), column(&row, 1)))
            .collect()
    });
    table.get(name).copied()
}

/// The candidate that a mistyped name most likely means.
pub(crate) fn near<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > 200 {
        return None;
    }
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, candidate)| candidate)
}

//! Which field was meant by a name that is none: a well-known other name of it, or one of the same words.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::table::Table;

static NAMES: LazyLock<Table> =
    LazyLock::new(|| Table::parse(include_str!("../../knowledge/fields/meant.tsv")));

/// The fields that `name` may mean, of those that there are; best first, at most three.
#[must_use]
pub fn meant_fields<'a>(name: &str, fields: impl Iterator<Item = &'a str> + Clone) -> Vec<&'a str> {
    if name.len() > 96 {
        return Vec::new();
    }
    let folded = name.replace(['_', '-'], "").to_lowercase();
    let known = NAMES.rows().filter(|row| row.get("name") == folded);
    for row in known {
        if let Some(field) = fields.clone().find(|field| *field == row.get("meant")) {
            return vec![field];
        }
    }
    let words = words(name);
    let mut best: Vec<(usize, &str)> = fields
        .filter_map(|field| Some((likeness(&words, &self::words(field))?, field)))
        .collect();
    best.sort_by_key(|(likeness, field)| (std::cmp::Reverse(*likeness), *field));
    let Some((most, _)) = best.first().copied() else {
        return Vec::new();
    };
    best.retain(|(likeness, _)| *likeness == most);
    best.truncate(3);
    best.into_iter().map(|(_, field)| field).collect()
}

/// How much two names have in common, if that is enough: all words of one of them, two at least, or most of both.
fn likeness(a: &BTreeSet<String>, b: &BTreeSet<String>) -> Option<usize> {
    let shared = a.intersection(b).count();
    let (least, most) = (a.len().min(b.len()), a.len().max(b.len()));
    let enough = shared >= 2 && (shared == least || shared * 10 >= most * 6);
    enough.then(|| shared * 16 - most.min(15))
}

/// The words of a name in camel or snake case, lower case, in the singular.
fn words(name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars().chain(['_']) {
        let ends = !c.is_ascii_alphanumeric()
            || c.is_ascii_uppercase() && !before.is_ascii_uppercase()
            || c.is_ascii_digit() != before.is_ascii_digit() && before != ' ' && !word.is_empty();
        if ends && !word.is_empty() {
            let one = word.strip_suffix('s').filter(|one| one.len() > 2);
            found.insert(one.unwrap_or(&word).to_owned());
            word.clear();
        }
        if c.is_ascii_alphanumeric() {
            word.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(name: &str, fields: &[&'static str]) -> Vec<&'static str> {
        meant_fields(name, fields.iter().copied())
    }

    #[test]
    fn a_name_of_the_same_words_means_the_field() {
        let http = [
            "http1MaxPendingRequests",
            "http2MaxRequests",
            "maxRequestsPerConnection",
            "maxRetries",
            "idleTimeout",
        ];
        assert_eq!(
            meant("maxPendingRequests", &http),
            ["http1MaxPendingRequests"]
        );
        assert_eq!(meant("max_requests", &http), ["http2MaxRequests"]);
        let outlier = [
            "baseEjectionTime",
            "maxEjectionPercent",
            "interval",
            "consecutive5xxErrors",
        ];
        assert_eq!(meant("ejectionTime", &outlier), ["baseEjectionTime"]);
        assert_eq!(meant("ejectionDuration", &outlier), ["baseEjectionTime"]);
        assert_eq!(meant("consecutive5xx", &outlier), ["consecutive5xxErrors"]);
        assert_eq!(
            meant("perRetryTimeout", &["attempts", "perTryTimeout", "retryOn"]),
            ["perTryTimeout"]
        );
    }

    #[test]
    fn a_name_of_other_words_means_none() {
        assert!(meant("colour", &["http2MaxRequests", "maxRetries"]).is_empty());
        assert!(meant("max", &["http2MaxRequests", "maxRetries"]).is_empty());
    }

    #[test]
    fn names_are_folded_and_known_once() {
        for row in NAMES.rows() {
            let name = row.get("name");
            assert_eq!(name, name.to_lowercase(), "{name}");
            assert!(!row.get("meant").is_empty(), "{name}");
        }
    }
}

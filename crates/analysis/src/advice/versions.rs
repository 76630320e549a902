//! Which versions a document is for: those that were asked for, else those that it names itself, else the latest.

use std::sync::LazyLock;

use regex::Regex;

use super::{Lang, Options};
use crate::knowledge::Version;

/// What the reader asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    pub istio: Option<Version>,
    pub knative: Option<Version>,
    pub lang: Lang,
}

/// A version that the document names as its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub product: Product,
    pub version: Version,
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
    pub text: String,
}

/// What has versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Product {
    Istio,
    Knative,
}

impl Product {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Istio => "Istio",
            Self::Knative => "Knative",
        }
    }

    /// Versions that the tables tell apart.
    fn known(self, version: Version) -> bool {
        match self {
            Self::Istio => (Version(1, 16)..=Version::ISTIO).contains(&version),
            Self::Knative => (Version(1, 8)..=Version::KNATIVE).contains(&version),
        }
    }
}

/// The options for a text, and the versions that it names itself.
pub(super) fn options(wanted: &Wanted, text: &str) -> (Options, Vec<Named>) {
    let mut named = Vec::new();
    let mut pick = |product: Product, wanted: Option<Version>, latest: Version| {
        if let Some(version) = wanted {
            return version;
        }
        let Some(own) = of(product, text) else {
            return latest;
        };
        let version = own.version;
        named.push(own);
        version
    };
    let options = Options {
        istio: pick(Product::Istio, wanted.istio, Version::ISTIO),
        knative: pick(Product::Knative, wanted.knative, Version::KNATIVE),
        lang: wanted.lang,
    };
    (options, named)
}

/// A product with a version, or a range of versions of which the last counts.
static MENTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)\b(knative(?:[ -]serving)?|istio)[ :(=]{1,2}(?:version |版本 ?)?v?(1\.[0-9]{1,2})(?:\.[0-9x]+)?(?:\s?(?:-|–|~|to|through|至|到)\s?v?(1\.[0-9]{1,2})(?:\.[0-9x]+)?)?",
    )
    .ok()
});

/// Lines in which a document says what it is for.
const HEAD: usize = 40;

/// Words before a version that make it the bound of something, or another time.
const BEFORE: &[&str] = &[
    "since",
    "until",
    "before",
    "after",
    "from",
    "than",
    "older",
    "earlier",
    "removed in",
    "as of",
    "prior",
    "upgrade",
    "up to",
    "gone in",
    "came with",
    "below",
    "above",
    "old",
    "in",
    "with",
    "to",
    "by",
    "自",
    "从",
    "在",
    "早于",
    "升级",
    "到",
    "至",
    "旧",
];

/// Words behind it that do.
const AFTER: &[&str] = &[
    "+",
    " and later",
    " or later",
    " and newer",
    " or newer",
    " and up",
    " removed",
    " added",
    " introduced",
    " dropped",
    " or older",
    " and older",
    " 起",
    "起",
    "及以上",
    " 及以上",
    "以上",
    " 以上",
    "之前",
    "以前",
    "及以后",
    " 移除",
    " 删除",
];

/// The version that the head of a text names, if it names one alone.
fn of(product: Product, text: &str) -> Option<Named> {
    let expression = MENTION.as_ref()?;
    let mut found: Option<Named> = None;
    for (line, number) in text.lines().zip(1u32..).take(HEAD) {
        for mention in expression.captures_iter(line) {
            let (whole, name) = (mention.get(0)?, mention.get(1)?);
            let own =
                name.as_str().to_lowercase().starts_with("istio") == (product == Product::Istio);
            let version = mention.get(3).or(mention.get(2))?.as_str().parse().ok()?;
            let tail = line[whole.end()..].to_lowercase();
            if !own
                || AFTER.iter().any(|words| tail.starts_with(words))
                || bounded(&line[..whole.start()])
            {
                continue;
            }
            if found.as_ref().is_some_and(|other| other.version != version) {
                return None;
            }
            if found.is_none() && product.known(version) {
                let column = line[..whole.start()].chars().count() + 1;
                found = Some(Named {
                    product,
                    version,
                    line: number,
                    column: u32::try_from(column).unwrap_or(u32::MAX),
                    text: whole.as_str().to_owned(),
                });
            }
        }
    }
    found
}

/// Whether the text before a version makes it a bound.
fn bounded(before: &str) -> bool {
    let before = before.trim_end().to_lowercase();
    BEFORE.iter().any(|word| {
        before.strip_suffix(word).is_some_and(|rest| {
            !word.is_ascii() || !rest.ends_with(|c: char| c.is_ascii_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(product: Product, text: &str) -> Option<Version> {
        of(product, text).map(|named| named.version)
    }

    #[test]
    fn a_document_says_what_it_is_for() {
        let text = "Cluster prod, Knative Serving 1.16, Istio 1.24.2, one NLB.";
        assert_eq!(version(Product::Knative, text), Some(Version(1, 16)));
        assert_eq!(version(Product::Istio, text), Some(Version(1, 24)));
        let range = "Applies to: Istio 1.22 - 1.25";
        assert_eq!(version(Product::Istio, range), Some(Version(1, 25)));
    }

    #[test]
    fn bounds_and_several_versions_say_nothing() {
        for text in [
            "The field is gone since Istio 1.24.",
            "Needs Istio 1.24+",
            "upgrade from Istio 1.20 to Istio 1.24",
            "Istio 1.20 clusters and Istio 1.24 clusters",
            "自 Istio 1.24 起",
        ] {
            assert_eq!(version(Product::Istio, text), None, "{text}");
        }
    }
}

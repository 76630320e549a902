//! The decoder's error: what serde's visitors complain about, in the words of somebody who writes YAML.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

/// Why a value does not fit its field. The decoder adds the place where it first passes.
#[derive(Debug, Clone)]
pub(super) struct Mismatch {
    pub message: String,
    /// The node it is about, once known.
    pub place: Option<Place>,
}

/// Identity, path and position of the node at fault.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub node: usize,
    pub path: String,
    pub line: u32,
    pub column: u32,
    pub suggestion: Option<String>,
}

impl Mismatch {
    fn new(message: String) -> Self {
        Self {
            message,
            place: None,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!(
            "expected {}, found {}",
            wanted(expected),
            seen(&found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let near = nearest(variant, expected.iter().copied());
        let hint = near
            .map(|near| format!("; did you mean {near}?"))
            .unwrap_or_default();
        Self::new(format!(
            "{variant:?} is none of {}{hint}",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("field {field:?} is required"))
    }
}

/// The visitor's expectation without Rust's names.
fn wanted(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "u8" => "an integer from 0 to 255".into(),
        "u16" => "an integer from 0 to 65535".into(),
        "u32" => "an integer of 32 bits, not negative".into(),
        "i32" => "an integer of 32 bits".into(),
        "u64" => "an integer of 64 bits, not negative".into(),
        "i64" => "an integer of 64 bits".into(),
        "f32" | "f64" => "a number".into(),
        "bool" => "a boolean".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping".into(),
        "IntOrString" => "an integer or a string".into(),
        "Quantity" => "a quantity such as 500m or 1Gi".into(),
        "Time" | "MicroTime" => "a time such as \"2026-01-31T12:00:00Z\"".into(),
        text if text.starts_with("struct ") => "a mapping".into(),
        text if text.starts_with("enum ") || text.starts_with("variant ") => "a string".into(),
        text if text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.chars().all(char::is_alphanumeric) =>
        {
            format!("a mapping ({text})")
        }
        text => text.into(),
    }
}

fn seen(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the integer {value}"),
        Unexpected::Signed(value) => format!("the integer {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the string {text:?}"),
        Unexpected::Unit | Unexpected::Option => "nothing (null)".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        other => other.to_string(),
    }
}

/// The candidate that a mistyped name most likely means.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(name);
    let scored = candidates.map(|candidate| {
        (
            strsim::damerau_levenshtein(&folded, &fold(candidate)),
            candidate,
        )
    });
    let (distance, candidate) = scored.min()?;
    let near = distance <= 1 + name.chars().count() / 4
        || (folded.len() > 3 && fold(candidate).starts_with(&folded));
    near.then_some(candidate)
}

fn fold(name: &str) -> String {
    name.chars()
        .take(64)
        .filter(|c| !matches!(c, '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

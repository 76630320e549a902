//! What a code, a response flag, a field, a metric, an annotation or a log line means, when it happens and what to
//! check.

mod access_log;
mod causes;
mod names;
mod statistics;

pub(crate) use self::access_log::JSON_KEYS;
pub use self::access_log::{AccessLog, Format};
pub use self::causes::{Cause, causes};
use crate::advice::{Lang, Options};

/// What something means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What it is: its name and its sort.
    pub title: String,
    /// What it means.
    pub meaning: String,
    /// Further facts, each with its name: default, type, place, replacement.
    pub facts: Vec<(String, String)>,
    /// What to check, the first thing first.
    pub checks: Vec<String>,
    /// Where the knowledge is from.
    pub source: String,
}

/// Everything that the query may mean; empty if it is not known. A log line gives one explanation that takes it
/// apart.
#[must_use]
pub fn explain(query: &str, options: &Options) -> Vec<Explanation> {
    let query = query.trim();
    if query.is_empty() {
        return Vec::new();
    }
    if let Some(log) = AccessLog::parse(query) {
        return vec![of_log(&log, options.lang)];
    }
    names::all(query, options)
}

/// An access-log line, field by field, with the probable causes ranked.
fn of_log(log: &AccessLog, lang: Lang) -> Explanation {
    let causes = causes(log, lang);
    let mut checks = Vec::new();
    for (rank, cause) in causes.iter().enumerate() {
        checks.push(format!("{}. {} — {}", rank + 1, cause.cause, cause.check));
    }
    let mut facts: Vec<(String, String)> = Vec::new();
    for (name, value) in &log.fields {
        // A header's value is a secret by the header's name.
        let whole = crate::advice::report::redact(&format!("{name}: {value}"));
        let value = whole
            .split_once(": ")
            .map_or_else(String::new, |(_, value)| value.to_owned());
        let gloss = names::gloss(name, &value, lang);
        let shown = if gloss.is_empty() {
            value
        } else {
            format!("{value}  ({gloss})")
        };
        facts.push((name.clone(), shown));
    }
    Explanation {
        title: lang.pick(
            format!("access log line ({})", log.format.as_str()),
            format!("访问日志（{}）", log.format.as_str()),
        ),
        meaning: names::summary(log, lang),
        facts,
        checks,
        source: "Envoy access log, Istio access log".into(),
    }
}

/// Explanations as text.
#[must_use]
pub fn text(explanations: &[Explanation], lang: Lang) -> String {
    let mut out = String::new();
    for (index, explanation) in explanations.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&explanation.title);
        out.push('\n');
        if !explanation.meaning.is_empty() {
            out.push_str(&format!("  {}\n", explanation.meaning));
        }
        let width = explanation
            .facts
            .iter()
            .map(|(name, _)| name.chars().count())
            .max()
            .unwrap_or(0);
        for (name, value) in &explanation.facts {
            let fill = " ".repeat(width - name.chars().count());
            out.push_str(&format!("  {name}{fill}  {value}\n"));
        }
        if !explanation.checks.is_empty() {
            out.push_str(&format!("  {}:\n", lang.pick("check", "检查")));
            for check in &explanation.checks {
                out.push_str(&format!("    {check}\n"));
            }
        }
        if !explanation.source.is_empty() {
            out.push_str(&format!(
                "  {}: {}\n",
                lang.pick("source", "依据"),
                explanation.source
            ));
        }
    }
    out
}

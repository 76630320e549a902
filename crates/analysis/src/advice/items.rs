//! The items of a text, and what a piece of text looks like.

use serde::Serialize;

use super::blocks::Piece;
use super::verdict::{Judgement, Verdict};
use super::{MAX_ITEMS, Options};
use crate::knowledge::{INSIGHTS, commands};

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Encoding,
    Version,
    Manifest,
    Fragment,
    Field,
    Annotation,
    Label,
    ConfigMapKey,
    Command,
    Pipeline,
    Patch,
    Path,
    Metric,
    MetricLabel,
    PromQl,
    Statistic,
    ResponseFlag,
    Detail,
    Operator,
    LogString,
    Port,
    Default,
    Query,
    Env,
}

impl Kind {
    /// The name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Version => "version",
            Self::Manifest => "manifest",
            Self::Fragment => "fragment",
            Self::Field => "field",
            Self::Annotation => "annotation",
            Self::Label => "label",
            Self::ConfigMapKey => "configmap key",
            Self::Command => "command",
            Self::Pipeline => "pipeline",
            Self::Patch => "patch",
            Self::Path => "path",
            Self::Metric => "metric",
            Self::MetricLabel => "metric label",
            Self::PromQl => "promql",
            Self::Statistic => "statistic",
            Self::ResponseFlag => "response flag",
            Self::Detail => "response code details",
            Self::Operator => "log operator",
            Self::LogString => "log string",
            Self::Port => "port",
            Self::Default => "default",
            Self::Query => "logs insights query",
            Self::Env => "environment variable",
        }
    }
}

/// One thing that the text says to use, and what it would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// 1-based.
    pub column: u32,
    pub kind: &'static str,
    pub text: String,
    #[serde(serialize_with = "as_name")]
    pub verdict: Verdict,
    pub reason: String,
    pub fix: String,
    pub source: String,
}

fn as_name<S: serde::Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.as_str())
}

/// Collects the items of one file.
#[derive(Debug)]
pub struct Sink {
    pub options: Options,
    file: String,
    items: Vec<Item>,
    /// The whole text, lower case: names that the text itself declares are not unknown.
    pub whole: String,
}

impl Sink {
    pub(crate) fn new(file: &str, options: Options, text: &str) -> Self {
        Self {
            options,
            file: file.to_owned(),
            items: Vec::new(),
            whole: text.to_lowercase(),
        }
    }

    /// Adds an item.
    pub(crate) fn put(
        &mut self,
        line: u32,
        column: u32,
        kind: Kind,
        text: &str,
        judgement: Judgement,
    ) {
        if self.is_full() {
            return;
        }
        let Judgement {
            verdict,
            reason,
            fix,
            source,
        } = judgement;
        self.items.push(Item {
            file: self.file.clone(),
            line,
            column,
            kind: kind.as_str(),
            text: shown(text),
            verdict,
            reason: shown(&reason),
            fix: crate::advice::report::redact(&fix),
            source,
        });
    }

    /// The text in the language of the messages.
    pub(crate) fn say(&self, en: impl Into<String>, zh: impl Into<String>) -> String {
        self.options.lang.pick(en.into(), zh.into())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= MAX_ITEMS
    }

    /// How many items there are so far.
    pub(crate) fn mark(&self) -> usize {
        self.items.len()
    }

    /// Takes back what is wrong of the items since a mark: the text says itself that they are.
    pub(crate) fn forget_wrong_since(&mut self, mark: usize) {
        let since = self.items.split_off(mark.min(self.items.len()));
        let right = since
            .into_iter()
            .filter(|item| item.verdict == Verdict::Works);
        self.items.extend(right);
    }

    /// The worst of the items since a mark.
    pub(crate) fn worst_since(&self, mark: usize) -> Option<&Item> {
        self.items[mark..].iter().max_by_key(|item| item.verdict)
    }

    /// The worst of the items since a mark that stand on a line.
    pub(crate) fn worst_at(&self, mark: usize, line: u32) -> Option<&Item> {
        self.items[mark..]
            .iter()
            .filter(|item| item.line == line)
            .max_by_key(|item| item.verdict)
    }

    /// Whether an item since a mark says that something is wrong at a line.
    pub(crate) fn is_wrong_at(&self, mark: usize, line: u32) -> bool {
        self.items[mark..]
            .iter()
            .any(|item| item.line == line && !matches!(item.verdict, Verdict::Works))
    }

    /// The items in the order of the text, each once.
    pub(crate) fn finish(mut self) -> Vec<Item> {
        self.items
            .sort_by(|a, b| (a.line, a.column, a.kind).cmp(&(b.line, b.column, b.kind)));
        self.items.dedup();
        self.items
    }
}

/// Texts in reports are short, and secrets do not appear in them.
fn shown(text: &str) -> String {
    let text = crate::advice::report::redact(text);
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The program that a word runs; aliases are undone.
#[must_use]
pub fn tool_of(word: &str) -> Option<&'static str> {
    let name = word.rsplit('/').next().unwrap_or(word);
    let name = name.trim_start_matches("./");
    let name = match name {
        "k" | "oc" | "kubectl.exe" => "kubectl",
        "jq" | "gojq" => "jq",
        "egrep" | "fgrep" | "zgrep" => "grep",
        name => name,
    };
    commands().tools().find(|tool| *tool == name)
}

/// Whether a word runs a program that the tables know.
#[must_use]
pub fn is_tool(word: &str) -> bool {
    tool_of(word).is_some()
}

/// What code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Yaml,
    Shell,
    PromQl,
    Insights,
    Unknown,
}

/// The language of a block, by its fence or by its looks.
#[must_use]
pub fn language(fence: &str, pieces: &[Piece]) -> Language {
    match fence {
        "promql" | "prometheus" => return Language::PromQl,
        "yaml" | "yml" | "json" | "helm" => return by_looks(pieces, Language::Yaml),
        "sh" | "bash" | "shell" | "zsh" | "console" | "shell-session" | "terminal" | "ini" => {
            return by_looks(pieces, Language::Shell);
        }
        _ => {}
    }
    by_looks(pieces, Language::Unknown)
}

fn by_looks(pieces: &[Piece], otherwise: Language) -> Language {
    if looks_like_insights(pieces) {
        return Language::Insights;
    }
    let lines: Vec<&str> = pieces
        .iter()
        .map(|piece| piece.text.trim_end())
        .filter(|text| !text.trim().is_empty() && !text.trim_start().starts_with('#'))
        .collect();
    let first = lines.first().map_or("", |line| line.trim_start());
    if otherwise == Language::Shell || lines.iter().any(|line| starts_command(line)) {
        if otherwise == Language::Yaml && is_yaml_line(first) {
            return Language::Yaml;
        }
        return Language::Shell;
    }
    if otherwise == Language::Yaml {
        return Language::Yaml;
    }
    let yaml = lines.iter().filter(|line| is_yaml_line(line)).count();
    if yaml > 0 && yaml * 10 >= lines.len() * 7 {
        return Language::Yaml;
    }
    if first.starts_with('{') && first.ends_with(['{', '[', ',', '}']) {
        return Language::Yaml;
    }
    if lines.iter().any(|line| looks_like_promql(line)) {
        return Language::PromQl;
    }
    Language::Unknown
}

/// Whether a line starts with a program, behind a prompt perhaps.
#[must_use]
pub fn starts_command(line: &str) -> bool {
    let mut line = line.trim_start();
    for mark in ["$ ", "% ", "> ", "❯ "] {
        line = line.strip_prefix(mark).unwrap_or(line).trim_start();
    }
    let mut words = line.split_whitespace();
    let mut word = words.next().unwrap_or_default();
    while matches!(word, "sudo" | "watch" | "time" | "exec" | "for" | "while") || word.contains('=')
    {
        let Some(next) = words.next() else {
            return false;
        };
        word = next;
    }
    is_tool(word)
        && !word.ends_with(':')
        && words.next().is_some_and(|next| next != ":" && next != "=")
}

/// `key:` or `key: value` or an item of a list.
#[must_use]
pub fn is_yaml_line(line: &str) -> bool {
    let mut rest = line.trim_start();
    let mut item = false;
    while let Some(tail) = rest.strip_prefix("- ") {
        (rest, item) = (tail.trim_start(), true);
    }
    if rest.starts_with(['"', '\'']) {
        let quote = &rest[..1];
        let after = rest[1..]
            .split_once(quote)
            .map(|(_, after)| after.trim_start());
        return after.is_some_and(|after| after.starts_with(':')) || item;
    }
    let Some((key, value)) = rest.split_once(':') else {
        return item || matches!(rest, "---" | "..." | "-" | "{" | "}" | "]");
    };
    let plain = !key.is_empty()
        && key.chars().all(|c| {
            c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    '_' | '-' | '.' | '/' | '@' | '$' | '*' | '<' | '>' | '{' | '}'
                )
        });
    plain && (value.is_empty() || value.starts_with([' ', '\t']))
}

/// A query of Logs Insights: its first line begins with one of its commands.
#[must_use]
pub fn looks_like_insights(pieces: &[Piece]) -> bool {
    let mut seen = 0;
    let mut piped = false;
    for piece in pieces {
        let text = piece.text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        piped |= text.starts_with('|');
        let text = text.trim_start_matches('|').trim_start();
        let word = text.split_whitespace().next().unwrap_or_default();
        let known = INSIGHTS
            .rows()
            .any(|row| row.get("kind") == "command" && row.get("name") == word);
        if seen == 0 && !known {
            return false;
        }
        seen += 1;
    }
    let first = pieces.iter().find(|piece| !piece.text.trim().is_empty());
    let strong = first.is_some_and(|piece| {
        let text = piece.text.trim();
        text.starts_with("fields @")
            || text.starts_with("fields ")
            || text.starts_with("filter ")
            || text.starts_with("stats ")
            || text.starts_with("parse @")
            || text.contains(" | ")
    });
    seen > 0 && (piped || strong)
}

/// A PromQL expression: a known function or a selector.
#[must_use]
pub fn looks_like_promql(line: &str) -> bool {
    const CALLS: &[&str] = &[
        "rate(",
        "irate(",
        "increase(",
        "histogram_quantile(",
        "sum(",
        "sum by",
        "avg(",
        "max(",
        "count(",
        "topk(",
        "delta(",
        "avg by",
        "max by",
        "absent(",
    ];
    let line = line.trim_start();
    CALLS.iter().any(|call| line.starts_with(call))
        || (super::promql::names(line).iter().any(|name| name.selector) && !line.contains(": "))
}

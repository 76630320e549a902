//! What commands print, as far as a search in it can be judged.

use super::command::{self, Parsed};
use super::items::{Sink, tool_of};
use super::shell::Command;

/// What a command prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    /// `kubectl get KIND`: a table; with `-o wide` all its columns.
    Table { kind: String, wide: bool },
    /// `kubectl get KIND -o yaml|json`.
    Objects {
        kind: String,
        json: bool,
        single: bool,
    },
    /// `istioctl proxy-config SUB`: a table, or camelCase JSON.
    ProxyConfig { sub: String, format: Format },
    /// `istioctl proxy-status`.
    ProxyStatus,
    /// An endpoint of Envoy's admin interface.
    Admin { path: String },
    /// A command of `aws`, by its sub-command.
    Aws { sub: String },
    /// Logs: of a named container, otherwise of a workload.
    Logs { of: String },
}

/// How istioctl prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Data,
}

/// What the command prints, if that is known.
pub(crate) fn of(sink: &Sink, command: &Command) -> Option<Output> {
    let words = command::proper(&command.words);
    let tool = tool_of(&words.first()?.text)?;
    let parsed = command::parse(sink, tool, words);
    if command.redirected {
        return None;
    }
    match tool {
        "kubectl" => kubectl(sink, &parsed),
        "istioctl" => istioctl(&parsed),
        "curl" => curl(&parsed),
        "aws"
            if !parsed.has("--query") && matches!(parsed.flag("--output"), None | Some("json")) =>
        {
            Some(Output::Aws { sub: parsed.sub() })
        }
        _ => None,
    }
}

fn kubectl(sink: &Sink, parsed: &Parsed<'_>) -> Option<Output> {
    match parsed.sub().as_str() {
        "get" => {
            let kind = parsed.positional.first()?.text.clone();
            let single = parsed.positional.len() == 2 || kind.contains('/');
            if kind.contains(',') || kind == "all" {
                return None;
            }
            match parsed.flag("--output") {
                None => Some(Output::Table { kind, wide: false }),
                Some("wide") => Some(Output::Table { kind, wide: true }),
                Some("yaml") => Some(Output::Objects {
                    kind,
                    json: false,
                    single,
                }),
                Some("json") => Some(Output::Objects {
                    kind,
                    json: true,
                    single,
                }),
                Some(_) => None,
            }
            .filter(|_| !parsed.has("--show-labels") && !parsed.has("--label-columns"))
        }
        "logs" => Some(Output::Logs {
            of: logs_of(parsed).to_owned(),
        }),
        "exec" => {
            let inner = Command {
                words: parsed.inner.to_vec(),
                ..Command::default()
            };
            let first = parsed.inner.first()?.text.as_str();
            if first.ends_with("pilot-agent") {
                let path = parsed.inner.last()?.text.trim_start_matches('/').to_owned();
                return Some(Output::Admin { path });
            }
            of(sink, &inner)
        }
        _ => None,
    }
}

/// Whose logs `kubectl logs` prints: the container, else the workload that is named or whose label `app` is.
fn logs_of<'a>(parsed: &'a Parsed<'_>) -> &'a str {
    let named = || {
        let (kind, name) = parsed.positional.first()?.text.split_once('/')?;
        kind.starts_with("deploy").then_some(name)
    };
    let labelled = || parsed.flag("--selector")?.strip_prefix("app=");
    let of = parsed
        .flag("--container")
        .or_else(named)
        .or_else(labelled)
        .unwrap_or_default();
    // A gateway is a proxy alone.
    if of.starts_with("istio-") && of.ends_with("gateway") {
        "istio-proxy"
    } else {
        of
    }
}

fn istioctl(parsed: &Parsed<'_>) -> Option<Output> {
    let format = match parsed.flag("--output") {
        Some("json" | "yaml") => Format::Data,
        None | Some("short") => Format::Table,
        Some(_) => return None,
    };
    match parsed.path.as_slice() {
        ["proxy-config", sub] => Some(Output::ProxyConfig {
            sub: (*sub).to_owned(),
            format,
        }),
        ["proxy-status"] if parsed.positional.is_empty() && format == Format::Table => {
            Some(Output::ProxyStatus)
        }
        _ => None,
    }
}

fn curl(parsed: &Parsed<'_>) -> Option<Output> {
    let url = parsed
        .positional
        .iter()
        .map(|word| word.text.as_str())
        .find(|text| text.contains(":15000"))?;
    let path = url.split_once(":15000")?.1.trim_start_matches('/');
    Some(Output::Admin {
        path: path.to_owned(),
    })
}

//! Logging of the processes themselves (not access logs): text for people, JSON for pipelines.

use std::sync::OnceLock;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Changes the filter of a running process (the admin's `/logging`).
#[derive(Debug, Clone)]
pub struct Levels(reload::Handle<EnvFilter, Registry>);

impl Levels {
    /// Sets the filter, in `tracing`'s syntax: `info` or `proxy=debug,info`; Envoy's `warning` and `critical` are
    /// understood.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(translated(filter)).map_err(|e| e.to_string())?;
        self.0.reload(filter).map_err(|e| e.to_string())
    }

    /// The filter in force.
    #[must_use]
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }
}

/// Envoy has names for levels that `tracing` would take for names of modules.
fn translated(filter: &str) -> String {
    let level = |text: &str| match text {
        "warning" => "warn".to_owned(),
        "critical" => "error".to_owned(),
        other => other.to_owned(),
    };
    let directive = |text: &str| match text.rsplit_once('=') {
        Some((target, name)) => format!("{target}={}", level(name)),
        None => level(text),
    };
    filter
        .split(',')
        .map(directive)
        .collect::<Vec<_>>()
        .join(",")
}

/// Starts logging to standard error. `FERROMESH_LOG` overrides `default`. Later calls change nothing, and answer
/// the levels of the first.
pub fn init(format: Format, default: &str) -> Levels {
    static FIRST: OnceLock<Levels> = OnceLock::new();
    FIRST.get_or_init(|| start(format, default)).clone()
}

fn start(format: Format, default: &str) -> Levels {
    let filter = std::env::var("FERROMESH_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(translated(default)));
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    // Another's subscriber (tests) stays.
    let _ = match format {
        Format::Text => registry.with(layer.with_target(true)).try_init(),
        Format::Json => registry.with(layer.json()).try_init(),
    };
    Levels(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_change_whoever_asked_first() {
        init(Format::Text, "info");
        let again = init(Format::Text, "debug");
        assert_eq!(again.get(), "info");
        again.set("warning").unwrap();
        assert_eq!(again.get(), "warn");
        again.set("hyper=critical,debug").unwrap();
        let now = init(Format::Json, "info").get();
        assert!(
            now.contains("hyper=error") && now.contains("debug"),
            "{now}"
        );
    }
}

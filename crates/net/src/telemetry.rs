//! Logging of the processes themselves (not access logs): text for people, JSON for pipelines.

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
    /// Sets the filter, in `tracing`'s syntax: `info` or `proxy=debug,info`.
    pub fn set(&self, filter: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(filter).map_err(|e| e.to_string())?;
        self.0.reload(filter).map_err(|e| e.to_string())
    }

    /// The filter in force.
    #[must_use]
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }
}

/// Starts logging to standard error. `FERROMESH_LOG` overrides `default`. Later calls change nothing.
pub fn init(format: Format, default: &str) -> Levels {
    let filter = std::env::var("FERROMESH_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let (filter, handle) = reload::Layer::new(filter);
    let registry = tracing_subscriber::registry().with(filter);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    // A second initialisation (tests) keeps the first subscriber.
    let _ = match format {
        Format::Text => registry.with(layer.with_target(true)).try_init(),
        Format::Json => registry.with(layer.json()).try_init(),
    };
    Levels(handle)
}

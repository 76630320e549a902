//! Which access logs a proxy writes: `MeshConfig` and `Telemetry`, merged from mesh to namespace to workload
//! (`pilot/pkg/model/telemetry.go`, `mergeLogs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::istio::extension_provider::EnvoyFileAccessLogProvider;
use api::istio::mesh_config::AccessLogEncoding;
use api::istio::{AccessLogging, MeshConfig, Telemetry, WorkloadMode};

use base::ObjectRef;

use super::model::subset_of;
use crate::generate::Warning;
use crate::listener::access_log::{DEFAULT_JSON_FORMAT, DEFAULT_TEXT_FORMAT};
use crate::listener::http::Side;

/// A log that is written to a file of the proxy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AccessLogFile {
    pub(crate) path: Arc<str>,
    pub(crate) format: LogFormat,
}

/// How a line looks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LogFormat {
    Text(Arc<str>),
    Json(BTreeMap<String, serde_json::Value>),
}

/// The logs of one side of a proxy, and the Telemetries that decided.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Logs {
    pub(crate) files: Vec<AccessLogFile>,
    pub(crate) sources: Vec<ObjectRef>,
}

/// The provider that exists without being declared: the mesh's own log settings, on standard output
/// (`pilot/pkg/model/telemetry_logging.go`, `builtinEnvoyAccessLogProvider`).
const BUILT_IN: &str = "envoy";

/// Access log settings of a mesh.
#[derive(Debug, Default)]
pub(crate) struct AccessLogs {
    root: Arc<str>,
    /// What `accessLogFile` asks for.
    mesh: Option<AccessLogFile>,
    providers: BTreeMap<String, AccessLogFile>,
    default_providers: Vec<String>,
    telemetries: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    origin: ObjectRef,
    namespace: Arc<str>,
    created: i64,
    selector: Option<BTreeMap<String, String>>,
    logging: Vec<AccessLogging>,
}

impl AccessLogs {
    pub(crate) fn new<'a>(
        config: &MeshConfig,
        telemetries: impl Iterator<Item = &'a Arc<api::snapshot::Resource<Telemetry>>>,
        root: &Arc<str>,
    ) -> Self {
        let format = mesh_format(config);
        let mut providers = BTreeMap::from([(
            BUILT_IN.to_owned(),
            AccessLogFile {
                path: "/dev/stdout".into(),
                format: format.clone(),
            },
        )]);
        for provider in &config.extension_providers {
            if let Some(file) = &provider.envoy_file_access_log {
                providers.insert(provider.name.clone(), file_provider(file));
            }
        }
        let mut sources: Vec<Source> = telemetries
            .filter(|resource| !resource.spec.access_logging.is_empty())
            .map(|resource| Source {
                namespace: Arc::clone(&resource.meta.key.namespace),
                created: resource.meta.created,
                origin: resource.meta.reference(),
                selector: resource
                    .spec
                    .selector
                    .as_ref()
                    .map(|selector| selector.match_labels.clone())
                    .filter(|labels| !labels.is_empty()),
                logging: resource.spec.access_logging.clone(),
            })
            .collect();
        sources.sort_by(|a, b| (a.created, &a.origin.key).cmp(&(b.created, &b.origin.key)));
        Self {
            root: Arc::clone(root),
            mesh: (!config.access_log_file.is_empty()).then(|| AccessLogFile {
                path: config.access_log_file.as_str().into(),
                format,
            }),
            providers,
            default_providers: config
                .default_providers
                .as_ref()
                .map(|defaults| defaults.access_logging.clone())
                .unwrap_or_default(),
            telemetries: sources,
        }
    }

    /// Telemetries that name providers which `extensionProviders` does not have as file logs.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let entries = self
            .telemetries
            .iter()
            .flat_map(|source| source.logging.iter().map(move |entry| (source, entry)));
        entries
            .flat_map(|(source, entry)| entry.providers.iter().map(move |provider| (source, &provider.name)))
            .filter(|(_, name)| !self.providers.contains_key(*name))
            .map(|(source, name)| Warning {
                object: source.origin.clone(),
                reason: "UnknownProvider",
                message: format!("access log provider {name:?} is not among the mesh's extensionProviders; nothing is logged to it"),
            })
            .collect()
    }

    /// The logs of one side of a workload's proxy. Without any Telemetry for it, what `MeshConfig` says.
    pub(crate) fn of(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        side: Side,
    ) -> Logs {
        let levels = self.levels(namespace, labels);
        if levels.is_empty() && self.default_providers.is_empty() {
            return Logs {
                files: self.mesh.iter().cloned().collect(),
                sources: Vec::new(),
            };
        }
        let mut names: Vec<&str> = self.default_providers.iter().map(String::as_str).collect();
        let mut disabled: BTreeSet<&str> = BTreeSet::new();
        for entry in levels
            .iter()
            .flat_map(|source| &source.logging)
            .filter(|entry| applies(entry, side))
        {
            let mentioned: Vec<&str> = entry
                .providers
                .iter()
                .map(|provider| provider.name.as_str())
                .collect();
            if !mentioned.is_empty() {
                // A level that names providers replaces those above it.
                names = mentioned;
            } else if names.is_empty() {
                names = vec![BUILT_IN];
            }
            for name in &names {
                if entry.disabled == Some(true) {
                    disabled.insert(name);
                } else {
                    disabled.remove(name);
                }
            }
        }
        let mut files: Vec<AccessLogFile> = Vec::new();
        for name in names.into_iter().filter(|name| !disabled.contains(name)) {
            if let Some(file) = self.providers.get(name)
                && !files.contains(file)
            {
                files.push(file.clone());
            }
        }
        Logs {
            files,
            sources: levels.iter().map(|source| source.origin.clone()).collect(),
        }
    }

    /// Mesh, namespace and workload level, the oldest of each.
    fn levels(&self, namespace: &str, labels: &BTreeMap<String, String>) -> Vec<&Source> {
        let general = |namespace: &str| {
            self.telemetries
                .iter()
                .find(|source| &*source.namespace == namespace && source.selector.is_none())
        };
        let selecting = self.telemetries.iter().find(|source| {
            &*source.namespace == namespace
                && source
                    .selector
                    .as_ref()
                    .is_some_and(|selector| subset_of(selector, labels))
        });
        let own = (namespace != &*self.root)
            .then(|| general(namespace))
            .flatten();
        [general(&self.root), own, selecting]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Outbound sidecar listeners and gateways are the client's side.
fn applies(entry: &AccessLogging, side: Side) -> bool {
    match entry
        .r#match
        .as_ref()
        .map_or(WorkloadMode::ClientAndServer, |selector| selector.mode)
    {
        WorkloadMode::ClientAndServer => true,
        WorkloadMode::Client => side != Side::Inbound,
        WorkloadMode::Server => side == Side::Inbound,
    }
}

fn mesh_format(config: &MeshConfig) -> LogFormat {
    match config.access_log_encoding {
        AccessLogEncoding::Text => text_format(&config.access_log_format),
        AccessLogEncoding::Json => serde_json::from_str(&config.access_log_format)
            .ok()
            .filter(|fields: &BTreeMap<String, serde_json::Value>| !fields.is_empty())
            .map_or_else(default_json, LogFormat::Json),
    }
}

fn default_json() -> LogFormat {
    LogFormat::Json(
        DEFAULT_JSON_FORMAT
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into()))
            .collect(),
    )
}

/// Lines end with a new line, whether the format says so or not (`buildFileAccessTextLogFormat`).
fn text_format(text: &str) -> LogFormat {
    if text.is_empty() {
        return LogFormat::Text(DEFAULT_TEXT_FORMAT.into());
    }
    LogFormat::Text(if text.ends_with('\n') {
        text.into()
    } else {
        format!("{text}\n").into()
    })
}

fn file_provider(provider: &EnvoyFileAccessLogProvider) -> AccessLogFile {
    let format = match &provider.log_format {
        None => text_format(""),
        Some(format) => match (&format.text, &format.labels) {
            (Some(text), _) => text_format(text),
            (None, Some(labels)) if !labels.is_empty() => LogFormat::Json(labels.clone()),
            (None, _) => default_json(),
        },
    };
    AccessLogFile {
        path: provider.path.as_str().into(),
        format,
    }
}

//! The mesh's settings: MeshConfig and MeshNetworks as trees, with Istio's defaults for what rules ask for.

use std::sync::Arc;

use api::parse::{self, Node};

use super::fields::Fields;
use super::{NOTHING, Resource};

/// Where the settings came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum MeshSource {
    /// Nowhere: Istio's defaults.
    #[default]
    Defaults,
    /// A file that was named.
    File(Arc<str>),
    /// The ConfigMap `istio`.
    ConfigMap,
}

/// The settings of the mesh.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    /// Where they came from.
    pub source: MeshSource,
    config: Option<Node>,
    networks: Option<Node>,
    /// Namespace of the control plane; `istio-system` where empty.
    pub istio_namespace: String,
}

impl Mesh {
    /// Settings of a file: MeshConfig as it stands in the ConfigMap, or the ConfigMap itself.
    pub fn read(file: &str, text: &str) -> Result<Self, String> {
        let nodes = parse::documents(text, file).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })?;
        let mut mesh = Self {
            source: MeshSource::File(file.into()),
            ..Self::default()
        };
        let Some(node) = nodes.into_iter().next() else {
            return Ok(mesh);
        };
        if node.text("kind") == "ConfigMap" {
            mesh.take_config_map(&node);
        } else {
            mesh.config = Some(node);
        }
        Ok(mesh)
    }

    /// Adds MeshNetworks of a file.
    pub fn read_networks(&mut self, file: &str, text: &str) -> Result<(), String> {
        let nodes = parse::documents(text, file).map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })?;
        self.networks = nodes.into_iter().next();
        Ok(())
    }

    /// Takes the settings of the ConfigMap `istio`, unless a file was named.
    pub(crate) fn adopt(&mut self, resource: &Resource) {
        if self.source == MeshSource::Defaults {
            self.source = MeshSource::ConfigMap;
            self.take_config_map(&resource.node);
        }
    }

    fn take_config_map(&mut self, node: &Node) {
        let first = |key: &str| {
            let text = node.get("data")?.get(key)?.as_str()?;
            parse::documents(text, key).ok()?.into_iter().next()
        };
        self.config = first("mesh");
        if self.networks.is_none() {
            self.networks = first("meshNetworks");
        }
    }

    /// MeshConfig; nothing if it was not given.
    pub(crate) fn config(&self) -> &Node {
        self.config.as_ref().unwrap_or(&NOTHING)
    }

    /// Whether MeshConfig was given at all.
    pub(crate) fn is_known(&self) -> bool {
        self.config.is_some()
    }

    /// MeshNetworks; nothing if they were not given.
    pub(crate) fn networks(&self) -> &Node {
        self.networks.as_ref().unwrap_or(&NOTHING)
    }

    /// Namespace of the control plane.
    pub(crate) fn istio_namespace(&self) -> &str {
        if self.istio_namespace.is_empty() {
            "istio-system"
        } else {
            &self.istio_namespace
        }
    }

    /// Namespace whose policies hold everywhere.
    pub(crate) fn root_namespace(&self) -> &str {
        match self.config().text("rootNamespace") {
            "" => self.istio_namespace(),
            named => named,
        }
    }

    /// Trust domain of identities.
    pub(crate) fn trust_domain(&self) -> &str {
        match self.config().text("trustDomain") {
            "" => "cluster.local",
            named => named,
        }
    }

    /// Name of the ingress gateway's service.
    pub(crate) fn ingress_service(&self) -> &str {
        match self.config().text("ingressService") {
            "" => "istio-ingressgateway",
            named => named,
        }
    }
}

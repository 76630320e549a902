//! Reads Envoy's bootstrap, so that one file starts stock Envoy and this proxy. What has no meaning here is refused by
//! name, or harmless and listed as such.

mod yaml;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use prost::Message;
use xds::envoy::config::bootstrap::v3 as pb;
use xds::envoy::config::core::v3 as core;
use xds::envoy::config::core::v3::Node;
use xds::json::Pool;
use xds::type_url;

use crate::config::ListenAddress;
use crate::config::compile::{self, CompileError};
use crate::xds::Applier;

/// Why a bootstrap cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("{}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("bootstrap is neither JSON nor YAML: {0}")]
    Syntax(String),
    #[error("{0}")]
    Shape(String),
    #[error(transparent)]
    Field(#[from] CompileError),
}

/// A resource of the bootstrap itself.
#[derive(Clone)]
pub struct StaticResource {
    pub type_url: &'static str,
    pub name: Arc<str>,
    pub body: Bytes,
}

impl fmt::Debug for StaticResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.type_url, self.name)
    }
}

/// What a bootstrap says.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub node: Node,
    /// Where the admin interface listens.
    pub admin: Option<ListenAddress>,
    /// Clusters, secrets, listeners, in the order in which they are to be applied.
    pub resources: Vec<StaticResource>,
    /// The static cluster that serves ADS.
    pub ads_cluster: Option<Arc<str>>,
    /// Listeners and clusters come by ADS.
    pub dynamic_listeners: bool,
    pub dynamic_clusters: bool,
    /// The whole message: for `config_dump`.
    pub body: Encoded,
}

/// An encoded bootstrap; it may hold inline keys, so `Debug` shows its size alone.
#[derive(Clone)]
pub struct Encoded(pub Bytes);

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoded")
    }
}

const MESSAGE: &str = "envoy.config.bootstrap.v3.Bootstrap";

impl Bootstrap {
    /// Reads a file in JSON or YAML.
    pub fn read(path: &Path) -> Result<Self, BootstrapError> {
        let text = std::fs::read_to_string(path).map_err(|source| BootstrapError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Reads JSON or YAML.
    pub fn parse(text: &str) -> Result<Self, BootstrapError> {
        let value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => yaml::parse(text).map_err(BootstrapError::Syntax)?,
        };
        let body = Pool::pruned()
            .from_json(MESSAGE, value)
            .map_err(|error| BootstrapError::Shape(error.to_string()))?;
        compile::accept::check_root(MESSAGE, &body, "bootstrap")?;
        Self::decode(&body)
    }

    /// Reads an encoded message.
    pub fn decode(body: &[u8]) -> Result<Self, BootstrapError> {
        let shape = |text: String| BootstrapError::Shape(text);
        let message = pb::Bootstrap::decode(body)
            .map_err(|error| shape(format!("malformed bootstrap: {error}")))?;
        let dynamic = message.dynamic_resources.clone().unwrap_or_default();
        let admin = message
            .admin
            .as_ref()
            .and_then(|admin| admin.address.as_ref());
        Ok(Self {
            node: message.node.clone().unwrap_or_default(),
            admin: admin
                .map(|address| compile::listen_address("bootstrap.admin.address", address))
                .transpose()?,
            resources: resources(&message),
            ads_cluster: dynamic
                .ads_config
                .as_ref()
                .map(ads_cluster)
                .transpose()
                .map_err(shape)?,
            dynamic_listeners: over_ads("lds_config", dynamic.lds_config.as_ref())
                .map_err(shape)?,
            dynamic_clusters: over_ads("cds_config", dynamic.cds_config.as_ref()).map_err(shape)?,
            body: Encoded(Bytes::copy_from_slice(body)),
        })
    }

    /// Puts the static resources in force.
    pub fn apply(&self, applier: &mut Applier, now: Instant) -> Result<(), CompileError> {
        for resource in &self.resources {
            applier.put_static(
                resource.type_url,
                &resource.name,
                resource.body.clone(),
                now,
            )?;
        }
        Ok(())
    }
}

fn resources(message: &pb::Bootstrap) -> Vec<StaticResource> {
    let Some(resources) = &message.static_resources else {
        return Vec::new();
    };
    let resource = |type_url, name: &str, body: Vec<u8>| StaticResource {
        type_url,
        name: name.into(),
        body: body.into(),
    };
    let clusters = resources
        .clusters
        .iter()
        .map(|c| resource(type_url::CLUSTER, &c.name, c.encode_to_vec()));
    let secrets = resources
        .secrets
        .iter()
        .map(|s| resource(type_url::SECRET, &s.name, s.encode_to_vec()));
    let listeners = resources.listeners.iter().enumerate().map(|(i, listener)| {
        // A static listener needs no name.
        let name = if listener.name.is_empty() {
            format!("static-{i}")
        } else {
            listener.name.clone()
        };
        resource(type_url::LISTENER, &name, listener.encode_to_vec())
    });
    clusters.chain(secrets).chain(listeners).collect()
}

/// The cluster of `ads_config`. Discovery is always incremental, whichever of the two gRPC forms is asked for.
fn ads_cluster(config: &core::ApiConfigSource) -> Result<Arc<str>, String> {
    use core::api_config_source::ApiType;
    use core::grpc_service::TargetSpecifier;
    let path = "bootstrap.dynamic_resources.ads_config";
    match ApiType::try_from(config.api_type) {
        Ok(ApiType::Grpc | ApiType::DeltaGrpc) => {}
        _ => return Err(format!("{path}.api_type: must be GRPC or DELTA_GRPC")),
    }
    match config.grpc_services.as_slice() {
        [service] => match &service.target_specifier {
            Some(TargetSpecifier::EnvoyGrpc(target)) if !target.cluster_name.is_empty() => {
                Ok(target.cluster_name.as_str().into())
            }
            _ => Err(format!(
                "{path}.grpc_services[0]: needs envoy_grpc with a cluster_name"
            )),
        },
        _ => Err(format!("{path}.grpc_services: exactly one is needed")),
    }
}

fn over_ads(name: &str, source: Option<&core::ConfigSource>) -> Result<bool, String> {
    use core::config_source::ConfigSourceSpecifier;
    match source.map(|source| &source.config_source_specifier) {
        None => Ok(false),
        Some(Some(ConfigSourceSpecifier::Ads(_))) => Ok(true),
        Some(_) => Err(format!(
            "bootstrap.dynamic_resources.{name}: only ads is supported by ferromesh-proxy"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ids;
    use crate::xds::Settings;

    const YAML: &str = "
node: {id: sidecar~10.0.0.1~a.b~b.svc.cluster.local, cluster: a.b}
admin:
  address:
    socket_address: {address: 127.0.0.1, port_value: 15000}
stats_config: {use_all_default_tags: false}
layered_runtime:
  layers:
  - {name: static, static_layer: {envoy.reloadable_features.x: true}}
dynamic_resources:
  lds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
  cds_config: {ads: {}, resource_api_version: V3, initial_fetch_timeout: 0s}
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [{envoy_grpc: {cluster_name: xds-grpc}}]
static_resources:
  clusters:
  - name: xds-grpc
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: xds-grpc
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {pipe: {path: ./etc/istio/proxy/XDS}}}
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
";

    #[test]
    fn an_istio_like_bootstrap_is_read_and_applied() {
        let bootstrap = Bootstrap::parse(YAML).unwrap();
        assert_eq!(bootstrap.node.cluster, "a.b");
        assert_eq!(bootstrap.ads_cluster.as_deref(), Some("xds-grpc"));
        assert_eq!(
            bootstrap.admin,
            Some(ListenAddress::Tcp("127.0.0.1:15000".parse().unwrap()))
        );
        assert!(bootstrap.dynamic_listeners && bootstrap.dynamic_clusters);
        let publish = Box::new(|_| Vec::new());
        let mut applier = Applier::new(Settings {
            ids: Arc::new(Ids::default()),
            publish,
        });
        bootstrap.apply(&mut applier, Instant::now()).unwrap();
        assert_eq!(applier.config().clusters().count(), 1);
    }

    #[test]
    fn what_has_no_meaning_here_is_refused_by_name() {
        let error = Bootstrap::parse("hds_config: {}").unwrap_err().to_string();
        assert_eq!(
            error,
            "bootstrap.hds_config: not supported by ferromesh-proxy"
        );
        let error = Bootstrap::parse("nodee: {}").unwrap_err().to_string();
        assert!(error.contains("nodee"), "{error}");
        let rest = "dynamic_resources: {ads_config: {api_type: REST}}";
        assert!(
            Bootstrap::parse(rest)
                .unwrap_err()
                .to_string()
                .contains("api_type")
        );
    }
}

//! The servers of all Gateways that select a gateway proxy, merged by port and address
//! (`pilot/pkg/model/gateway.go`, `mergeGateways`).
//!
//! Where Istio refuses a whole server because one of its TLS hosts is taken, only that host is lost here, and
//! the Gateway's status says to whom.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use api::istio::{self, Server, ServerTlsMode, TlsProtocol};
use base::{ContentHash, Hostname, ObjectRef, Protocol};

use super::model::subset_of;
use super::virtual_service::VirtualService;
use crate::generate::Warning;
use crate::names;
use crate::pb::tls_v3;
use crate::tls;

/// A Gateway of the snapshot.
#[derive(Debug)]
pub struct Gateway {
    pub origin: ObjectRef,
    pub created: i64,
    pub spec: istio::Gateway,
    pub hash: ContentHash,
}

/// A host of a server, with the namespace from which VirtualServices may bind to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHost {
    /// `None`: any.
    pub namespace: Option<Arc<str>>,
    pub name: Hostname,
}

/// What a server terminates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    pub credential: String,
    pub mutual: bool,
    pub subject_alt_names: Vec<String>,
    pub min_version: TlsProtocol,
    pub max_version: TlsProtocol,
    pub cipher_suites: Vec<String>,
}

impl ServerTls {
    pub(crate) fn context(&self, http: bool) -> tls::GatewayServer<'_> {
        tls::GatewayServer {
            credential: &self.credential,
            verify_client: self.mutual,
            client_names: &self.subject_alt_names,
            min_version: version(self.min_version),
            max_version: version(self.max_version),
            cipher_suites: &self.cipher_suites,
            http,
        }
    }
}

fn version(version: TlsProtocol) -> Option<tls_v3::tls_parameters::TlsProtocol> {
    use tls_v3::tls_parameters::TlsProtocol as Envoy;
    match version {
        TlsProtocol::Auto => None,
        TlsProtocol::V1_0 => Some(Envoy::TlSv10),
        TlsProtocol::V1_1 => Some(Envoy::TlSv11),
        TlsProtocol::V1_2 => Some(Envoy::TlSv12),
        TlsProtocol::V1_3 => Some(Envoy::TlSv13),
    }
}

/// One server on one listening port.
#[derive(Debug, Clone)]
pub struct GatewayServer {
    pub origin: ObjectRef,
    /// `namespace/name`, as VirtualServices are bound to it.
    pub gateway_name: String,
    pub service_port: u32,
    pub protocol: Protocol,
    pub hosts: Vec<ServerHost>,
    pub https_redirect: bool,
    pub tls: Option<ServerTls>,
    pub route_name: String,
}

impl GatewayServer {
    /// Whether requests are routed, rather than connections.
    #[must_use]
    pub fn is_http(&self) -> bool {
        self.protocol.is_http() || self.protocol == Protocol::Https
    }

    /// The hosts that the server and a VirtualService have in common, the narrower name of each pair.
    #[must_use]
    pub fn common_hosts(&self, rules: &VirtualService) -> Vec<Hostname> {
        let mut common = Vec::new();
        for own in &self.hosts {
            if own
                .namespace
                .as_ref()
                .is_some_and(|namespace| *namespace != rules.origin.key.namespace)
            {
                continue;
            }
            for theirs in &rules.hosts {
                let narrower = if own.name.covers(theirs) {
                    theirs
                } else if theirs.covers(&own.name) {
                    &own.name
                } else {
                    continue;
                };
                if !common.contains(narrower) {
                    common.push(narrower.clone());
                }
            }
        }
        common
    }
}

/// A port that the gateway listens on.
#[derive(Debug, Clone)]
pub struct GatewayListener {
    /// Empty for every address.
    pub bind: String,
    pub port: u32,
    pub servers: Vec<GatewayServer>,
}

impl GatewayListener {
    /// Whether some server of the port terminates TLS.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.servers.iter().any(|server| server.tls.is_some())
    }
}

/// Everything that one gateway proxy serves.
#[derive(Debug, Clone, Default)]
pub struct MergedGateway {
    pub listeners: Vec<GatewayListener>,
    pub warnings: Vec<Warning>,
}

impl MergedGateway {
    /// Merges the Gateways that select a proxy with these labels, oldest first. `target_ports` are the ports that the proxy
    /// listens on for a port of its Service; a port that no Service has is taken as it stands.
    #[must_use]
    pub fn new(
        gateways: &[Arc<Gateway>],
        labels: &BTreeMap<String, String>,
        target_ports: &HashMap<u32, Vec<u32>>,
    ) -> Self {
        let mut merged = Self::default();
        let mut ports: BTreeMap<(String, u32), Vec<GatewayServer>> = BTreeMap::new();
        for gateway in gateways
            .iter()
            .filter(|gateway| subset_of(&gateway.spec.selector, labels))
        {
            for (index, server) in gateway.spec.servers.iter().enumerate() {
                let Some(number) = server.port.as_ref().map(|port| port.number) else {
                    continue;
                };
                let targets = target_ports
                    .get(&number)
                    .cloned()
                    .unwrap_or_else(|| vec![number]);
                for target in targets {
                    match resolve(gateway, server, target) {
                        Ok(resolved) => {
                            ports
                                .entry((server.bind.clone(), target))
                                .or_default()
                                .push(resolved);
                        }
                        Err(message) => merged.warn(
                            &gateway.origin,
                            "UnsupportedServer",
                            format!("servers[{index}]: {message}"),
                        ),
                    }
                }
            }
        }
        for ((bind, port), servers) in ports {
            let servers = merged.without_duplicates(servers);
            if !servers.is_empty() {
                merged.listeners.push(GatewayListener {
                    bind,
                    port,
                    servers,
                });
            }
        }
        merged
    }

    /// Every server of every port.
    pub fn servers(&self) -> impl Iterator<Item = &GatewayServer> {
        self.listeners.iter().flat_map(|listener| &listener.servers)
    }

    /// Drops servers whose credentials cannot be served: their certificates would never come, and Envoy would hold
    /// back the whole port for them.
    pub(crate) fn retain_credentials(&mut self, usable: impl Fn(&ServerTls) -> Result<(), String>) {
        let mut refused = Vec::new();
        for listener in &mut self.listeners {
            listener
                .servers
                .retain(|server| match server.tls.as_ref().map(&usable) {
                    Some(Err(message)) => {
                        refused.push((server.origin.clone(), message));
                        false
                    }
                    _ => true,
                });
        }
        self.listeners
            .retain(|listener| !listener.servers.is_empty());
        for (origin, message) in refused {
            self.warn(&origin, "CredentialUnavailable", message);
        }
    }

    fn without_duplicates(&mut self, servers: Vec<GatewayServer>) -> Vec<GatewayServer> {
        let mut owners: HashMap<Hostname, ObjectRef> = HashMap::new();
        let mut kept = Vec::with_capacity(servers.len());
        for mut server in servers {
            if server.tls.is_none() {
                kept.push(server);
                continue;
            }
            let mut taken = Vec::new();
            let mut own = Vec::new();
            server.hosts.retain(|host| match owners.get(&host.name) {
                Some(owner) => {
                    taken.push((host.name.clone(), owner.clone()));
                    false
                }
                None => {
                    own.push(host.name.clone());
                    true
                }
            });
            for name in own {
                owners.entry(name).or_insert_with(|| server.origin.clone());
            }
            for (name, owner) in taken {
                let message = format!(
                    "TLS host {name} on port {} is already served by {owner}, which is older",
                    server.service_port
                );
                self.warn(&server.origin, "DuplicateHost", message);
            }
            if !server.hosts.is_empty() {
                kept.push(server);
            }
        }
        kept
    }

    fn warn(&mut self, origin: &ObjectRef, reason: &'static str, message: String) {
        let warning = Warning {
            object: origin.clone(),
            reason,
            message,
        };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

fn resolve(gateway: &Gateway, server: &Server, target: u32) -> Result<GatewayServer, String> {
    let key = &gateway.origin.key;
    let port = server.port.as_ref().ok_or("no port")?;
    let protocol = Protocol::from_name(&port.protocol)
        .ok_or_else(|| format!("protocol {:?} is not known", port.protocol))?;
    let terminates = matches!(protocol, Protocol::Https | Protocol::Tls);
    let tls = match &server.tls {
        Some(settings) if terminates => Some(terminated(settings)?),
        None if terminates => return Err(format!("protocol {} needs tls", port.protocol)),
        _ => None,
    };
    Ok(GatewayServer {
        origin: gateway.origin.clone(),
        gateway_name: format!("{}/{}", key.namespace, key.name),
        service_port: port.number,
        protocol,
        hosts: server
            .hosts
            .iter()
            .filter_map(|host| server_host(host, &key.namespace))
            .collect(),
        https_redirect: !terminates && server.tls.as_ref().is_some_and(|tls| tls.https_redirect),
        route_name: if tls.is_some() {
            names::gateway_https_route(
                port.number,
                &port.name,
                &key.name,
                &key.namespace,
                &server.bind,
            )
        } else {
            names::gateway_http_route(target, &server.bind)
        },
        tls,
    })
}

fn terminated(settings: &istio::ServerTlsSettings) -> Result<ServerTls, String> {
    let mutual = match settings.mode {
        ServerTlsMode::Simple => false,
        ServerTlsMode::Mutual => true,
        other => {
            return Err(format!(
                "tls.mode {} is not served yet; use SIMPLE or MUTUAL",
                other.as_str()
            ));
        }
    };
    if settings.credential_name.is_empty() {
        return Err(
            "tls.credentialName is needed: certificates from files are not served".to_owned(),
        );
    }
    Ok(ServerTls {
        credential: settings.credential_name.clone(),
        mutual,
        subject_alt_names: settings.subject_alt_names.clone(),
        min_version: settings.min_protocol_version,
        max_version: settings.max_protocol_version,
        cipher_suites: settings.cipher_suites.clone(),
    })
}

/// `namespace/host`, where `.` is the Gateway's own namespace and `*` any; or `host`.
fn server_host(text: &str, own: &Arc<str>) -> Option<ServerHost> {
    let (namespace, name) = text.split_once('/').unwrap_or(("*", text));
    Some(ServerHost {
        namespace: match namespace {
            "*" => None,
            "." => Some(Arc::clone(own)),
            other => Some(other.into()),
        },
        name: Hostname::parse(name).ok()?,
    })
}

//! VirtualServices with every name resolved.

use std::sync::Arc;

use api::istio::{self, Destination};
use base::{ContentHash, Hostname, ObjectRef};

use super::model::ExportTo;
use super::settings::{MeshSettings, resolve_host};

/// A VirtualService as generation uses it: hosts and gateways are full names.
#[derive(Debug)]
pub struct VirtualService {
    pub origin: ObjectRef,
    pub created: i64,
    pub hosts: Vec<Hostname>,
    /// `mesh`, or `namespace/name`.
    pub gateways: Vec<String>,
    pub export_to: ExportTo,
    pub spec: istio::VirtualService,
    pub hash: ContentHash,
}

/// The gateway that stands for all sidecars.
const MESH: &str = "mesh";

impl VirtualService {
    /// Resolves a VirtualService of the snapshot. Hosts that are no host names are left out; validation refused them.
    #[must_use]
    pub fn new(
        resource: &api::snapshot::Resource<istio::VirtualService>,
        settings: &MeshSettings,
    ) -> Self {
        let namespace = &*resource.meta.key.namespace;
        let mut spec = resource.spec.clone();
        let resolve = |host: &str| resolve_host(host, namespace, &settings.domain_suffix);
        for_each_destination(&mut spec, &mut |destination| {
            destination.host = resolve(&destination.host);
        });
        for_each_gateway_list(&mut spec, &mut |gateways| {
            for gateway in gateways {
                *gateway = qualify(gateway, namespace);
            }
        });
        if spec.gateways.is_empty() {
            spec.gateways.push(MESH.to_owned());
        }
        Self {
            origin: ObjectRef::new(
                "VirtualService",
                Arc::clone(&resource.meta.key.namespace),
                Arc::clone(&resource.meta.key.name),
            ),
            created: resource.meta.created,
            hosts: spec
                .hosts
                .iter()
                .filter_map(|host| Hostname::parse(&resolve(host)).ok())
                .collect(),
            gateways: spec.gateways.clone(),
            export_to: ExportTo::parse(
                &spec.export_to,
                namespace,
                &settings.virtual_service_export_to,
            ),
            spec,
            hash: resource.hash,
        }
    }

    /// Whether sidecars apply it.
    #[must_use]
    pub fn is_for_mesh(&self) -> bool {
        self.gateways.iter().any(|gateway| gateway == MESH)
    }

    /// Whether the VirtualService's host `host` stands for the service `name`.
    #[must_use]
    pub fn names(&self, host: &str, name: &str) -> bool {
        match (Hostname::parse(host), Hostname::parse(name)) {
            (Ok(host), Ok(name)) => host.covers(&name),
            _ => false,
        }
    }

    /// The most specific of its hosts that stands for `name`.
    #[must_use]
    pub fn best_host(&self, name: &Hostname) -> Option<&Hostname> {
        self.hosts
            .iter()
            .filter(|host| host.covers(name))
            .min_by(|a, b| Hostname::by_specificity(a, b))
    }

    /// Whether a rule asks who the client is, beyond its namespace.
    #[must_use]
    pub fn asks_for_labels(&self) -> bool {
        let istio::VirtualService { http, tcp, tls, .. } = &self.spec;
        http.iter()
            .flat_map(|rule| &rule.r#match)
            .any(|m| !m.source_labels.is_empty())
            || tcp
                .iter()
                .flat_map(|rule| &rule.r#match)
                .any(|m| !m.source_labels.is_empty())
            || tls
                .iter()
                .flat_map(|rule| &rule.r#match)
                .any(|m| !m.source_labels.is_empty())
    }

    /// Every destination: host and subset.
    pub fn destinations(&self) -> Vec<&Destination> {
        let istio::VirtualService { http, tcp, tls, .. } = &self.spec;
        let mut all: Vec<&Destination> = Vec::new();
        for rule in http {
            all.extend(
                rule.route
                    .iter()
                    .filter_map(|route| route.destination.as_ref()),
            );
            all.extend(rule.mirror.as_ref());
            all.extend(
                rule.mirrors
                    .iter()
                    .filter_map(|mirror| mirror.destination.as_ref()),
            );
        }
        all.extend(
            tcp.iter()
                .flat_map(|rule| &rule.route)
                .filter_map(|route| route.destination.as_ref()),
        );
        all.extend(
            tls.iter()
                .flat_map(|rule| &rule.route)
                .filter_map(|route| route.destination.as_ref()),
        );
        all
    }
}

fn for_each_destination(
    spec: &mut istio::VirtualService,
    change: &mut impl FnMut(&mut Destination),
) {
    for rule in &mut spec.http {
        rule.route
            .iter_mut()
            .filter_map(|route| route.destination.as_mut())
            .for_each(&mut *change);
        rule.mirror.iter_mut().for_each(&mut *change);
        rule.mirrors
            .iter_mut()
            .filter_map(|mirror| mirror.destination.as_mut())
            .for_each(&mut *change);
    }
    let tcp = spec.tcp.iter_mut().flat_map(|rule| &mut rule.route);
    tcp.filter_map(|route| route.destination.as_mut())
        .for_each(&mut *change);
    let tls = spec.tls.iter_mut().flat_map(|rule| &mut rule.route);
    tls.filter_map(|route| route.destination.as_mut())
        .for_each(&mut *change);
}

fn for_each_gateway_list(
    spec: &mut istio::VirtualService,
    change: &mut impl FnMut(&mut Vec<String>),
) {
    change(&mut spec.gateways);
    spec.http
        .iter_mut()
        .flat_map(|rule| &mut rule.r#match)
        .for_each(|m| change(&mut m.gateways));
    spec.tcp
        .iter_mut()
        .flat_map(|rule| &mut rule.r#match)
        .for_each(|m| change(&mut m.gateways));
    spec.tls
        .iter_mut()
        .flat_map(|rule| &mut rule.r#match)
        .for_each(|m| change(&mut m.gateways));
}

/// `name` is a gateway of the same namespace; `name.namespace.svc…` is Istio's old form.
fn qualify(gateway: &str, namespace: &str) -> String {
    if gateway == MESH || gateway.contains('/') {
        return gateway.to_owned();
    }
    match gateway.split_once('.') {
        Some((name, rest)) => {
            let namespace = rest.split('.').next().unwrap_or(namespace);
            format!("{namespace}/{name}")
        }
        None => format!("{namespace}/{gateway}"),
    }
}

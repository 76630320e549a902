//! Services by host: Kubernetes services and ServiceEntries, as the mesh's clients name them.

use std::collections::HashMap;

use super::fields::Fields;
use super::{Facts, Kind, Resource};

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    pub number: i64,
    pub name: String,
    pub protocol: String,
    pub app_protocol: String,
}

/// Something that can be called by a host name.
#[derive(Debug, Clone)]
pub(crate) struct ServiceHost {
    /// The Service or ServiceEntry, in [`Facts`].
    pub id: u32,
    pub ports: Vec<Port>,
}

/// Hosts by scope (`*` or the namespace that sees them).
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    entries: Vec<ServiceHost>,
    exact: HashMap<String, HashMap<Box<str>, u32>>,
    /// Suffix after the `*`, longest first.
    wildcards: Vec<(String, Box<str>, u32)>,
}

/// Name and namespace of a cluster-local host; `None` for any other.
pub(crate) fn split_fqdn(host: &str) -> Option<(&str, &str)> {
    let rest = host.strip_suffix(".svc.cluster.local")?;
    rest.rsplit_once('.')
        .filter(|(name, namespace)| !name.is_empty() && !namespace.is_empty())
}

/// The full form of a short host name; names with dots and wildcards are full already.
pub(crate) fn fqdn(namespace: &str, host: &str) -> String {
    if host.starts_with('*') || host.contains('.') {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

impl Hosts {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut this = Self::default();
        for (id, resource) in facts.resources.iter().enumerate() {
            let id = u32::try_from(id).unwrap_or(u32::MAX);
            let current = facts
                .get(resource.kind, &resource.namespace, &resource.name)
                .is_some_and(|found| std::ptr::eq(found, resource));
            match resource.kind {
                Kind::ServiceEntry if current => this.entry(id, resource),
                Kind::Service if current => this.service(id, resource),
                _ => {}
            }
        }
        this.wildcards
            .sort_by_key(|(suffix, ..)| std::cmp::Reverse(suffix.len()));
        this
    }

    fn service(&mut self, id: u32, resource: &Resource) {
        let ports = ports(resource, "port");
        let host = format!("{}.{}.svc.cluster.local", resource.name, resource.namespace);
        let annotation = resource
            .annotation("networking.istio.io/exportTo")
            .unwrap_or_default();
        let scopes: Vec<&str> = annotation.split(',').map(str::trim).collect();
        self.add(id, resource, &host, ports, &scopes);
    }

    fn entry(&mut self, id: u32, resource: &Resource) {
        let scopes: Vec<&str> = resource.spec().texts("exportTo").collect();
        for host in resource.spec().texts("hosts") {
            let host = fqdn(&resource.namespace, host);
            self.add(id, resource, &host, ports(resource, "number"), &scopes);
        }
    }

    fn add(&mut self, id: u32, resource: &Resource, host: &str, ports: Vec<Port>, scopes: &[&str]) {
        let index = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        self.entries.push(ServiceHost { id, ports });
        let everywhere = scopes.iter().all(|scope| scope.is_empty()) || scopes.contains(&"*");
        let scopes: Vec<&str> = if everywhere {
            vec!["*"]
        } else {
            scopes.to_vec()
        };
        for scope in scopes {
            let scope = if scope == "." {
                &*resource.namespace
            } else {
                scope
            };
            if let Some(suffix) = host.strip_prefix('*') {
                self.wildcards
                    .push((suffix.to_owned(), scope.into(), index));
            }
            self.exact
                .entry(host.to_owned())
                .or_default()
                .insert(scope.into(), index);
        }
    }

    /// What a host means to a caller in `namespace` (istioctl's `GetDestinationHost`).
    pub(crate) fn find(
        &self,
        namespace: &str,
        export_to: &[&str],
        host: &str,
    ) -> Option<&ServiceHost> {
        let full = fqdn(namespace, host);
        let entry = |index: u32| self.entries.get(index as usize);
        if let Some(scopes) = self.exact.get(&full) {
            let own = [namespace];
            let named = if export_to.is_empty() {
                &own[..]
            } else {
                export_to
            };
            let found = scopes.get("*").or_else(|| {
                named
                    .iter()
                    .map(|scope| if *scope == "." { namespace } else { scope })
                    .find_map(|scope| scopes.get(scope))
            });
            if let Some(index) = found {
                return entry(*index);
            }
        }
        let bare = host.strip_prefix('*').unwrap_or(host);
        self.wildcards
            .iter()
            .filter(|(_, scope, _)| &**scope == "*" || &**scope == namespace)
            .find(|(suffix, ..)| bare.ends_with(suffix.as_str()))
            .and_then(|(.., index)| entry(*index))
    }
}

fn ports(resource: &Resource, number: &str) -> Vec<Port> {
    let port = |node: &api::parse::Node| {
        Some(Port {
            number: node.int(number)?,
            name: node.text("name").to_owned(),
            protocol: node.text("protocol").to_owned(),
            app_protocol: node.text("appProtocol").to_owned(),
        })
    };
    resource
        .spec()
        .list("ports")
        .iter()
        .filter_map(port)
        .collect()
}

/// Whether two host patterns have a host in common (Istio's `host.Name.Matches`).
pub(crate) fn host_matches(a: &str, b: &str) -> bool {
    match (a.strip_prefix('*'), b.strip_prefix('*')) {
        (Some(a), Some(b)) => a.ends_with(b) || b.ends_with(a),
        (Some(a), None) => b.ends_with(a),
        (None, Some(b)) => a.ends_with(b),
        (None, None) => a == b,
    }
}

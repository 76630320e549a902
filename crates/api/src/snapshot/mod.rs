//! An immutable index of everything the control plane works from. Cloning is cheap: versions share structure.

mod index;
mod object;

use std::sync::Arc;

use base::{ContentHash, ObjectKey, ObjectRef};
use imbl::OrdMap;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use serde_json::Value;

pub use self::index::{Indices, SERVICE_NAME, full_name};
pub use self::object::Meta;
use self::object::Parsed;
use crate::istio::{self, MeshConfig};
use crate::store::ResourceType;
use crate::{Diagnostic, kinds, mesh_config, parse, unsupported};

/// An object of the snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource<T> {
    pub meta: Meta,
    /// The `spec` of an Istio kind; the whole object of a Kubernetes kind, without `managedFields`.
    pub spec: T,
    /// Of name, namespace, labels, annotations and content; never of the status.
    pub hash: ContentHash,
}

/// All objects of a kind, by namespace and name.
pub type Table<T> = OrdMap<ObjectKey, Arc<Resource<T>>>;

/// An object that is refused whole, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantine {
    pub meta: Meta,
    pub diagnostics: Vec<Diagnostic>,
}

/// What [`Snapshot::apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The object is new or its content changed.
    Changed,
    /// The object is there already with the same content.
    Unchanged,
    /// The object is refused; see [`Snapshot::quarantined`].
    Quarantined,
    /// The snapshot does not hold this kind, or the value is no object of it.
    Ignored,
}

macro_rules! tables {
    ($($(#[$meta:meta])* $field:ident: $spec:ty = $kind:ident,)*) => {
        /// The state of the mesh at one moment.
        #[derive(Debug, Clone, Default)]
        pub struct Snapshot {
            /// The mesh configuration with Istio's defaults filled in.
            pub mesh: Arc<MeshConfig>,
            $($(#[$meta])* pub $field: Table<$spec>,)*
            /// Objects refused whole, by kind and key.
            pub quarantined: OrdMap<ObjectRef, Arc<Quarantine>>,
            /// Look-ups that follow the tables.
            pub indices: Indices,
        }

        impl Snapshot {
            fn apply_known(&mut self, ty: &ResourceType, object: &Value) -> Applied {
                $(if same(ty, &kinds::$kind) {
                    let parsed = object::parse::<$spec>(&kinds::$kind, object);
                    return self.settle(parsed, |snapshot| &mut snapshot.$field, Indices::$field);
                })*
                Applied::Ignored
            }

            fn remove_known(&mut self, ty: &ResourceType, key: &ObjectKey) -> bool {
                $(if same(ty, &kinds::$kind) {
                    let old = self.$field.remove(key);
                    self.indices.$field(old.as_deref(), None);
                    return old.is_some();
                })*
                false
            }
        }

        /// The kinds that a snapshot holds.
        pub const KINDS: &[ResourceType] = &[$(kinds::$kind),*];
    };
}

tables! {
    namespaces: core::Namespace = NAMESPACE,
    services: core::Service = SERVICE,
    endpoint_slices: discovery::EndpointSlice = ENDPOINT_SLICE,
    pods: core::Pod = POD,
    nodes: core::Node = NODE,
    secrets: core::Secret = SECRET,
    config_maps: core::ConfigMap = CONFIG_MAP,
    service_accounts: core::ServiceAccount = SERVICE_ACCOUNT,
    virtual_services: istio::VirtualService = VIRTUAL_SERVICE,
    destination_rules: istio::DestinationRule = DESTINATION_RULE,
    gateways: istio::Gateway = GATEWAY,
    service_entries: istio::ServiceEntry = SERVICE_ENTRY,
    peer_authentications: istio::PeerAuthentication = PEER_AUTHENTICATION,
    telemetries: istio::Telemetry = TELEMETRY,
    proxy_configs: istio::ProxyConfig = PROXY_CONFIG,
}

fn same(a: &ResourceType, b: &ResourceType) -> bool {
    a.kind == b.kind && a.group == b.group
}

impl Snapshot {
    /// Takes in one object as the API server has it.
    pub fn apply(&mut self, ty: &ResourceType, object: &Value) -> Applied {
        self.apply_known(ty, object)
    }

    /// The objects of a text with many documents, for tests and tools. The mesh configuration is taken from
    /// the ConfigMap `istio` of the namespace `istio-system`.
    pub fn from_yaml(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut snapshot = Self::default();
        let mut problems = Vec::new();
        for document in parse::parse_str(text) {
            problems.extend(
                document
                    .diagnostics
                    .iter()
                    .filter(|found| found.is_error())
                    .cloned(),
            );
            let Some(ty) = document.ty.filter(|_| !document.is_bad()) else {
                continue;
            };
            if snapshot.apply(ty, &document.value) == Applied::Quarantined {
                let found = unsupported(ty, &document.value).into_iter();
                problems.extend(found.map(|found| {
                    let (line, column) = document.node.place_of(&found.path);
                    found.at(line, column)
                }));
            }
        }
        let mesh = snapshot
            .config_maps
            .get(&ObjectKey::new("istio-system", "istio"));
        if let Some(text) = mesh.and_then(|map| map.spec.data.as_ref()?.get("mesh").cloned()) {
            match mesh_config(&text) {
                Ok(mesh) => snapshot.mesh = Arc::new(mesh),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(snapshot)
        } else {
            Err(problems)
        }
    }

    /// Forgets an object; says whether it was there, be it in its table or in quarantine.
    pub fn remove(&mut self, ty: &ResourceType, key: &ObjectKey) -> bool {
        let reference = ObjectRef {
            kind: ty.kind.into(),
            key: key.clone(),
        };
        let quarantined = self.quarantined.remove(&reference).is_some();
        self.remove_known(ty, key) || quarantined
    }

    fn settle<T: Clone + PartialEq>(
        &mut self,
        parsed: Parsed<T>,
        table: impl Fn(&mut Self) -> &mut Table<T>,
        index: impl Fn(&mut Indices, Option<&Resource<T>>, Option<&Resource<T>>),
    ) -> Applied {
        match parsed {
            Parsed::Nameless => Applied::Ignored,
            Parsed::Refused(quarantine) => {
                let old = table(self).remove(&quarantine.meta.key);
                index(&mut self.indices, old.as_deref(), None);
                let reference = quarantine.meta.reference();
                self.quarantined.insert(reference, Arc::new(quarantine));
                Applied::Quarantined
            }
            Parsed::Good(new) => {
                let released = self.quarantined.remove(&new.meta.reference()).is_some();
                let old = table(self).get(&new.meta.key).cloned();
                let unchanged = !released
                    && old
                        .as_ref()
                        .is_some_and(|old| old.hash == new.hash && old.spec == new.spec);
                index(&mut self.indices, old.as_deref(), Some(&new));
                table(self).insert(new.meta.key.clone(), Arc::new(new));
                if unchanged {
                    Applied::Unchanged
                } else {
                    Applied::Changed
                }
            }
        }
    }
}

/// The objects of a table in one namespace, by name.
pub fn in_namespace<'a, T>(
    table: &'a Table<T>,
    namespace: &str,
) -> impl Iterator<Item = &'a Arc<Resource<T>>> + use<'a, T> {
    let namespace: Arc<str> = namespace.into();
    let first = ObjectKey {
        namespace: namespace.clone(),
        name: "".into(),
    };
    table
        .range(first..)
        .take_while(move |(key, _)| key.namespace == namespace)
        .map(|(_, resource)| resource)
}

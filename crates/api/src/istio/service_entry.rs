//! ServiceEntry: services that the registry does not know.

use super::WorkloadSelector;
use super::macros::{choice, message};
use super::workload_entry::WorkloadEntry;

message! {
    /// Istio's `ServiceEntry`.
    pub struct ServiceEntry {
        /// Names of the service.
        pub hosts: Vec<String>,
        /// Virtual addresses or blocks.
        pub addresses: Vec<String>,
        /// Ports of the service.
        pub ports: Vec<ServicePort>,
        /// Inside or outside of the mesh.
        pub location: Location,
        /// How endpoints are found.
        pub resolution: Resolution,
        /// Endpoints.
        pub endpoints: Vec<WorkloadEntry>,
        /// Pods and WorkloadEntries that are endpoints.
        pub workload_selector: Option<WorkloadSelector>,
        /// Namespaces that see it: `.`, `*` or names; empty means the mesh's default.
        pub export_to: Vec<String>,
        /// Names of which the peer's certificate must carry one.
        pub subject_alt_names: Vec<String>,
    }
}

choice! {
    /// Istio's `ServiceEntry.Location`.
    pub enum Location {
        /// `MESH_EXTERNAL`.
        MeshExternal = "MESH_EXTERNAL",
        /// `MESH_INTERNAL`.
        MeshInternal = "MESH_INTERNAL",
    }
}

choice! {
    /// Istio's `ServiceEntry.Resolution`.
    pub enum Resolution {
        /// `NONE`.
        None = "NONE",
        /// `STATIC`.
        Static = "STATIC",
        /// `DNS`.
        Dns = "DNS",
        /// `DNS_ROUND_ROBIN`.
        DnsRoundRobin = "DNS_ROUND_ROBIN",
        /// `DYNAMIC_DNS`.
        DynamicDns = "DYNAMIC_DNS",
    }
}

message! {
    /// Istio's `ServicePort`.
    pub struct ServicePort {
        /// The port's number.
        pub number: u32,
        /// The protocol's name.
        pub protocol: String,
        /// Its name.
        pub name: String,
        /// Port of the endpoints, if another.
        pub target_port: u32,
    }
}

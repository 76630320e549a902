//! ServiceEntry: services that the registry does not know.

use super::WorkloadSelector;
use super::macros::choice;
use super::macros::message;
use super::workload_entry::WorkloadEntry;

message! {
    /// `ServiceEntry`.
    pub struct ServiceEntry {
        /// TODO-DOC ServiceEntry.hosts
        pub hosts: Vec<String>,
        /// TODO-DOC ServiceEntry.addresses
        pub addresses: Vec<String>,
        /// TODO-DOC ServiceEntry.ports
        pub ports: Vec<ServicePort>,
        /// TODO-DOC ServiceEntry.location
        pub location: Location,
        /// TODO-DOC ServiceEntry.resolution
        pub resolution: Resolution,
        /// TODO-DOC ServiceEntry.endpoints
        pub endpoints: Vec<WorkloadEntry>,
        /// TODO-DOC ServiceEntry.workload_selector
        pub workload_selector: Option<WorkloadSelector>,
        /// TODO-DOC ServiceEntry.export_to
        pub export_to: Vec<String>,
        /// TODO-DOC ServiceEntry.subject_alt_names
        pub subject_alt_names: Vec<String>,
    }
}

choice! {
    /// `ServiceEntry.Location`.
    pub enum Location {
        /// `MESH_EXTERNAL`.
        MeshExternal = "MESH_EXTERNAL",
        /// `MESH_INTERNAL`.
        MeshInternal = "MESH_INTERNAL",
    }
}

choice! {
    /// `ServiceEntry.Resolution`.
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
    /// `ServicePort`.
    pub struct ServicePort {
        /// TODO-DOC ServicePort.number
        pub number: u32,
        /// TODO-DOC ServicePort.protocol
        pub protocol: String,
        /// TODO-DOC ServicePort.name
        pub name: String,
        /// TODO-DOC ServicePort.target_port
        pub target_port: u32,
    }
}

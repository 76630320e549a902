//! WorkloadEntry: one endpoint that is no pod.

use std::collections::BTreeMap;

use super::macros::message;

message! {
    /// Istio's `WorkloadEntry`.
    pub struct WorkloadEntry {
        /// IP address.
        pub address: String,
        /// Ports by name of the service's port.
        pub ports: BTreeMap<String, u32>,
        /// Labels of the endpoint.
        pub labels: BTreeMap<String, String>,
        /// Network that it is in.
        pub network: String,
        /// `region/zone/subzone`.
        pub locality: String,
        /// Share of the requests, relative to the other destinations.
        pub weight: u32,
        /// Its service account.
        pub service_account: String,
    }
}

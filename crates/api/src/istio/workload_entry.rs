//! WorkloadEntry: one endpoint that is no pod.

use std::collections::BTreeMap;

use super::macros::message;

message! {
    /// `WorkloadEntry`.
    pub struct WorkloadEntry {
        /// TODO-DOC WorkloadEntry.address
        pub address: String,
        /// TODO-DOC WorkloadEntry.ports
        pub ports: BTreeMap<String, u32>,
        /// TODO-DOC WorkloadEntry.labels
        pub labels: BTreeMap<String, String>,
        /// TODO-DOC WorkloadEntry.network
        pub network: String,
        /// TODO-DOC WorkloadEntry.locality
        pub locality: String,
        /// TODO-DOC WorkloadEntry.weight
        pub weight: u32,
        /// TODO-DOC WorkloadEntry.service_account
        pub service_account: String,
    }
}

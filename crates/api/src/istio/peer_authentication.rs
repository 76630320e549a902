//! PeerAuthentication: whether a workload accepts mutual TLS, plain text or both.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::{choice, message};

message! {
    /// Istio's `PeerAuthentication`.
    pub struct PeerAuthentication {
        /// Workloads it is about; none means all of the namespace.
        pub selector: Option<PolicySelector>,
        /// The mode of all ports.
        pub mtls: Option<MutualTls>,
        /// The mode by port of the workload.
        pub port_level_mtls: BTreeMap<u32, MutualTls>,
    }
}

message! {
    /// Istio's `PeerAuthentication.MutualTLS`.
    #[serde(rename = "PeerAuthentication.MutualTLS")]
    pub struct MutualTls {
        /// Which connections are accepted.
        pub mode: MutualTlsMode,
    }
}

choice! {
    /// Istio's `PeerAuthentication.MutualTLS.Mode`.
    pub enum MutualTlsMode {
        /// `UNSET`.
        Unset = "UNSET",
        /// `DISABLE`.
        Disable = "DISABLE",
        /// `PERMISSIVE`.
        Permissive = "PERMISSIVE",
        /// `STRICT`.
        Strict = "STRICT",
    }
}

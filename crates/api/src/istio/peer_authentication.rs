//! PeerAuthentication: whether a workload accepts mutual TLS, plain text or both.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::choice;
use super::macros::message;

message! {
    /// `PeerAuthentication`.
    pub struct PeerAuthentication {
        /// TODO-DOC PeerAuthentication.selector
        pub selector: Option<PolicySelector>,
        /// TODO-DOC PeerAuthentication.mtls
        pub mtls: Option<MutualTls>,
        /// TODO-DOC PeerAuthentication.port_level_mtls
        pub port_level_mtls: BTreeMap<u32, MutualTls>,
    }
}

message! {
    /// `PeerAuthentication.MutualTLS`.
    pub struct MutualTls {
        /// TODO-DOC MutualTLS.mode
        pub mode: MutualTlsMode,
    }
}

choice! {
    /// `PeerAuthentication.MutualTLS.Mode`.
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

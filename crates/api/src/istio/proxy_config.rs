//! ProxyConfig: settings of the proxies of some workloads.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::message;

message! {
    /// Istio's `ProxyConfig`.
    pub struct ProxyConfig {
        /// Workloads it is about; none means all of the namespace.
        pub selector: Option<PolicySelector>,
        /// Worker threads; 0 means one for each core.
        pub concurrency: Option<i32>,
        /// Environment variables of the proxy.
        pub environment_variables: BTreeMap<String, String>,
        /// The proxy's image.
        pub image: Option<ProxyImage>,
    }
}

message! {
    /// Istio's `ProxyImage`.
    pub struct ProxyImage {
        /// Variant of the image.
        pub image_type: String,
    }
}

//! ProxyConfig: settings of the proxies of some workloads.

use std::collections::BTreeMap;

use super::PolicySelector;
use super::macros::message;

message! {
    /// `ProxyConfig`.
    pub struct ProxyConfig {
        /// TODO-DOC ProxyConfig.selector
        pub selector: Option<PolicySelector>,
        /// TODO-DOC ProxyConfig.concurrency
        pub concurrency: Option<i32>,
        /// TODO-DOC ProxyConfig.environment_variables
        pub environment_variables: BTreeMap<String, String>,
        /// TODO-DOC ProxyConfig.image
        pub image: Option<ProxyImage>,
    }
}

message! {
    /// `ProxyImage`.
    pub struct ProxyImage {
        /// TODO-DOC ProxyImage.image_type
        pub image_type: String,
    }
}

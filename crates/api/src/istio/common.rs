//! What several of Istio's kinds share.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::macros::message;

message! {
    /// Selects workloads of a policy by their labels; an empty selector selects all.
    pub struct PolicySelector {
        /// Labels that a workload must carry, all of them.
        pub match_labels: BTreeMap<String, String>,
    }
}

message! {
    /// Selects workloads of a ServiceEntry by their labels.
    pub struct WorkloadSelector {
        /// Labels that a workload must carry, all of them.
        pub labels: BTreeMap<String, String>,
    }
}

message! {
    /// The object that a policy attaches to, as in the Gateway API.
    pub struct PolicyTargetReference {
        /// API group of the target; empty for the core group.
        pub group: String,
        /// Kind of the target.
        pub kind: String,
        /// Name of the target.
        pub name: String,
        /// Namespace of the target; only the policy's own is allowed.
        pub namespace: String,
    }
}

/// A secret that stands in a configuration. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive(pub String);

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() {
            "\"\""
        } else {
            "<redacted>"
        })
    }
}

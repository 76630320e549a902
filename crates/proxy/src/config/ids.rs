//! Small integers for names: given once, never reused while the process lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Names a cluster across configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId(u32);

/// Names an RDS route table across configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteTableId(u32);

impl ClusterId {
    /// The position in tables indexed by cluster.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl RouteTableId {
    /// The position in tables indexed by route table.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Default)]
struct Names {
    by_name: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    fn id(&mut self, name: &str) -> u32 {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = u32::try_from(self.names.len()).expect("fewer than 2^32 names");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.by_name.insert(name, id);
        id
    }
}

/// The name tables of one proxy. Looked into when configuration is compiled, and by requests only for
/// `cluster_header` routes.
#[derive(Debug, Default)]
pub struct Ids {
    clusters: Mutex<Names>,
    routes: Mutex<Names>,
}

impl Ids {
    /// The id of this cluster name, given now if it is new.
    pub fn cluster(&self, name: &str) -> ClusterId {
        ClusterId(
            self.clusters
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .id(name),
        )
    }

    /// The id of this cluster name if any configuration ever named it: for names that come with a request.
    pub fn find_cluster(&self, name: &str) -> Option<ClusterId> {
        let names = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        names.by_name.get(name).copied().map(ClusterId)
    }

    /// The name behind an id.
    pub fn cluster_name(&self, id: ClusterId) -> Option<Arc<str>> {
        let names = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        names.names.get(id.index()).cloned()
    }

    /// The id of this route configuration name, given now if it is new.
    pub fn route_table(&self, name: &str) -> RouteTableId {
        RouteTableId(
            self.routes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .id(name),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id() {
        let ids = Ids::default();
        let first = ids.cluster("a");
        assert_ne!(first, ids.cluster("b"));
        assert_eq!(first, ids.cluster("a"));
        assert_eq!(ids.cluster_name(first).as_deref(), Some("a"));
        assert_eq!(ids.find_cluster("never named"), None);
    }
}

//! One pod on this node: what it is, how it is made and kept, and what is said about it.

mod admission;
pub(crate) mod client;
pub(crate) mod container;
pub(crate) mod etc;
mod grpc;
mod prepare;
pub(crate) mod prober;
pub(crate) mod sandbox;
pub(crate) mod spec;
mod status;
mod tasks;
pub(crate) mod worker;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use api::store::Store;
use serde_json::Value;

use crate::events::Recorder;
use crate::image::ImageMap;
use etc::ClusterDns;
use sandbox::{Sandbox, Sandboxes};

/// What all pods of the node share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) node_name: String,
    pub(crate) node_ip: Ipv4Addr,
    pub(crate) sandboxes: Sandboxes,
    pub(crate) data_dir: PathBuf,
    pub(crate) images: ImageMap,
    pub(crate) recorder: Recorder,
    pub(crate) dns: ClusterDns,
    pub(crate) capacity: (u64, u64),
    pub(crate) registry: Registry,
}

/// The pods of the node, for the kubelet API.
#[derive(Debug, Default)]
pub(crate) struct Registry(RwLock<HashMap<String, Entry>>);

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) object: Arc<Value>,
    pub(crate) sandbox: Option<Sandbox>,
}

impl Registry {
    pub(crate) fn set(&self, uid: &str, entry: Entry) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .insert(uid.into(), entry);
    }

    pub(crate) fn remove(&self, uid: &str) {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(uid);
    }

    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<(String, Entry)> {
        let entries = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let named = |entry: &Entry| {
            let meta = &entry.object["metadata"];
            meta["namespace"] == namespace && meta["name"] == name
        };
        entries
            .iter()
            .find(|(_, entry)| named(entry))
            .map(|(uid, entry)| (uid.clone(), entry.clone()))
    }

    pub(crate) fn objects(&self) -> Vec<Arc<Value>> {
        let entries = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.values().map(|entry| entry.object.clone()).collect()
    }
}

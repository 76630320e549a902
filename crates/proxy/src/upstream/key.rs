//! Which requests may share a connection.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;

use crate::balance::Host;
use crate::config::cluster::ClusterInfo;
use crate::config::route::Priority;

/// The protocol of a pool's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PoolProtocol {
    Http1,
    Http2,
    /// Decided by ALPN at the first connection.
    Auto,
    Tcp,
}

/// The identity of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolKey {
    host: usize,
    cluster: u64,
    transport: u64,
    sni: u64,
    downstream: u64,
    protocol: PoolProtocol,
    priority: Priority,
}

impl PoolKey {
    /// `downstream` is the downstream connection's id where pools are not shared between connections, or else 0.
    #[must_use]
    pub fn new(
        info: &ClusterInfo,
        host: &Host,
        protocol: PoolProtocol,
        priority: Priority,
        sni: Option<&str>,
        downstream: u64,
    ) -> Self {
        Self {
            // The pool holds the host, so the address is not reused while the pool is there.
            host: Arc::as_ptr(&host.shared).addr(),
            cluster: info.version.0,
            transport: host.transport.as_ref().map_or(0, |tls| tls.hash.0),
            sni: sni.map_or(0, |sni| base::ContentHash::of(sni.as_bytes()).0),
            downstream,
            protocol,
            priority,
        }
    }
}

impl Hash for PoolKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.host as u64);
        state.write_u64(self.cluster ^ self.transport ^ self.sni ^ self.downstream);
        state.write_u64(self.protocol as u64 * 2 + self.priority as u64);
    }
}

/// A multiplicative hasher for keys that nobody outside chooses.
#[derive(Debug, Default, Clone, Copy)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// A map by pool key.
pub type PoolMap<V> = std::collections::HashMap<PoolKey, V, BuildHasherDefault<KeyHasher>>;

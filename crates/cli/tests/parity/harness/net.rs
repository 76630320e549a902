//! A loopback network of one test: 127.x.y.0/24, claimed so that tests running beside it take another one.

use std::net::{Ipv4Addr, TcpListener};

/// Binding it claims the network.
const CLAIM: u16 = 20_999;
/// The first address of a proxy; one each.
const FIRST_PROXY: u8 = 2;
/// The first address of a workload; one each.
pub(crate) const FIRST_WORKLOAD: u8 = 11;
/// The address of clients.
pub(crate) const CLIENT: u8 = 200;
/// Where gateways take HTTP.
pub(crate) const GATEWAY: u16 = 20_080;
/// Where every workload listens.
pub(crate) const WORKLOAD: u16 = 20_090;
/// Where a proxy answers the marks that separate cases in its access log.
pub(crate) const MARK: u16 = 20_998;
/// Where a proxy has its admin interface.
pub(crate) const ADMIN: u16 = 20_997;

pub(crate) struct Net {
    prefix: String,
    base: [u8; 3],
}

impl Net {
    /// Claims a network that nobody else has.
    pub(crate) fn claim() -> Self {
        let start = std::process::id();
        for n in 0..16_384 {
            let n = (start.wrapping_mul(37) + n) % 16_384;
            let [high, low] = [(n >> 8) as u8 + 64, n as u8];
            let base = [127, high, low];
            let address = Ipv4Addr::new(127, high, low, 1);
            if let Ok(claim) = TcpListener::bind((address, CLAIM)) {
                let prefix = format!("127.{high}.{low}.");
                // Workloads listen until the process ends, and so does the claim: the next class takes another network.
                std::mem::forget(claim);
                return Self { prefix, base };
            }
        }
        panic!("every loopback network is taken");
    }

    pub(crate) fn ip(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.base;
        Ipv4Addr::new(a, b, c, host)
    }

    pub(crate) fn proxy(&self, index: usize) -> Ipv4Addr {
        self.ip(FIRST_PROXY + u8::try_from(index).expect("few proxies"))
    }

    /// Puts this network's addresses where a configuration says `NET.`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("NET.", &self.prefix)
    }

    /// Takes out what differs from run to run and from proxy to proxy: the network, and the proxy's own address.
    pub(crate) fn mask(&self, text: &str, proxy: Ipv4Addr) -> String {
        let own = proxy.to_string();
        let mut masked = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(&own) {
            let (before, after) = (&rest[..at], &rest[at + own.len()..]);
            masked.push_str(before);
            let longer = after.starts_with(|c: char| c.is_ascii_digit());
            masked.push_str(if longer { &own } else { "PROXY" });
            rest = after;
        }
        masked.push_str(rest);
        masked.replace(&self.prefix, "NET.")
    }
}

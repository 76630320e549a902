//! The host's resolvers, for names outside the cluster: sockets that are opened here, where they are reached,
//! and used in the node's namespace, where they are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::OwnedFd;

use super::notify::RESOLVER;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// resolv.conf(5), MAXNS.
const MOST: usize = 3;

/// Connected sockets, under the name by which the node finds them. A resolver that the host has no route to
/// is left out.
pub(crate) fn sockets() -> Vec<(&'static str, OwnedFd)> {
    let text = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
    nameservers(&text)
        .filter_map(|address| match connected(address) {
            Ok(socket) => Some((RESOLVER, socket.into())),
            Err(error) => {
                tracing::warn!(%address, %error, "{RESOLV_CONF}: this resolver cannot be reached");
                None
            }
        })
        .collect()
}

fn connected(address: IpAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((address, 53))?;
    Ok(socket)
}

fn nameservers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
        })
        .take(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_three_nameservers() {
        let text = "# nameserver 9.9.9.9\nsearch a\nnameserver 10.0.0.1 # first\nnameserver\tfd00::1\nnameserver x\noptions ndots:1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n";
        let found: Vec<String> = nameservers(text).map(|a| a.to_string()).collect();
        assert_eq!(found, ["10.0.0.1", "fd00::1", "10.0.0.2"]);
    }
}

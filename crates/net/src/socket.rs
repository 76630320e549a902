//! Sockets with the options that a transparent proxy needs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

/// Whether several sockets of the process share an address, the kernel spreading connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// One socket only.
    Exclusive,
    /// `SO_REUSEPORT`: one socket per worker.
    PerWorker,
}

/// The IPv4 address by which other hosts know this one: the first that is not a loopback address, else 127.0.0.1
/// (Envoy's `Network::Utility::getLocalAddress`).
#[must_use]
pub fn host_address() -> IpAddr {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut addresses =
        interfaces.filter_map(|interface| interface.address?.as_sockaddr_in().map(|v4| v4.ip()));
    addresses
        .find(|address| !address.is_loopback())
        .unwrap_or(Ipv4Addr::LOCALHOST)
        .into()
}

/// Opens a non-blocking TCP listener with `SO_REUSEADDR`.
pub fn listen(address: SocketAddr, sharing: Sharing, backlog: i32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if sharing == Sharing::PerWorker {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The destination that a redirected connection was sent to (`SO_ORIGINAL_DST`). Where NAT tracks the
/// namespace, a connection that no rule touched has its own local address; elsewhere this is an error.
pub fn original_dst(socket: &impl AsFd, local: SocketAddr) -> io::Result<SocketAddr> {
    let fd = socket.as_fd();
    if local.is_ipv4() {
        let raw = getsockopt(&fd, sockopt::OriginalDst)?;
        let ip = Ipv4Addr::from(u32::from_be(raw.sin_addr.s_addr));
        Ok(SocketAddr::new(ip.into(), u16::from_be(raw.sin_port)))
    } else {
        let raw = getsockopt(&fd, sockopt::Ip6tOriginalDst)?;
        let ip = Ipv6Addr::from(raw.sin6_addr.s6_addr);
        let ip = ip.to_ipv4_mapped().map_or(ip.into(), Into::into);
        Ok(SocketAddr::new(ip, u16::from_be(raw.sin6_port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_an_address_and_others_do_not() {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let first = listen(any, Sharing::PerWorker, 16).unwrap();
        let address = first.local_addr().unwrap();
        assert!(listen(address, Sharing::PerWorker, 16).is_ok());
        assert!(listen(address, Sharing::Exclusive, 16).is_err());
    }
}

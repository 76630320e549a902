//! Interfaces, addresses and routes over rtnetlink, in the calling thread's namespace.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use nix::net::if_::if_nametoindex;
use nix::sys::socket::SockProtocol;

use super::Namespace;
use crate::nft::wire::{
    Attributes, Buffer, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, transact,
};

/// Why an interface, address or route could not be changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}: {source}")]
pub struct LinkError {
    pub what: String,
    pub source: io::Error,
}

impl From<LinkError> for io::Error {
    fn from(error: LinkError) -> Self {
        Self::new(error.source.kind(), error.to_string())
    }
}

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const IFF_UP: u32 = 1;
const AF_INET: u8 = 2;
const SCOPE_LINK: u8 = 253;
const SCOPE_UNIVERSE: u8 = 0;
const ONLINK: u32 = 4;

/// An interface by name.
#[derive(Debug, Clone)]
pub struct Link {
    name: String,
}

impl Link {
    /// An interface that exists.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }

    /// Makes a pair: `name` here and `peer` in the namespace `there`.
    pub fn veth(name: &str, peer: &str, there: &Namespace) -> Result<Self, LinkError> {
        let fd = u32::try_from(there.as_raw_fd()).expect("descriptors are not negative");
        request(
            || format!("create interface {name}"),
            RTM_NEWLINK,
            NLM_F_CREATE | NLM_F_EXCL,
            &interface(0, 0),
            |a| {
                a.text(3, name);
                a.nest(18, |info| {
                    info.text(1, "veth");
                    info.nest(2, |data| {
                        data.nest(1, |peer_info| {
                            peer_info
                                .raw(&interface(0, 0))
                                .text(3, peer)
                                .bytes(28, &fd.to_ne_bytes());
                        });
                    });
                });
            },
        )?;
        Ok(Self::named(name))
    }

    /// Brings the interface up.
    pub fn up(&self) -> Result<(), LinkError> {
        let index = self.index()?;
        request(
            || format!("bring up {}", self.name),
            RTM_NEWLINK,
            0,
            &interface(index, IFF_UP),
            |_| {},
        )
    }

    /// Removes the interface; a veth's other end goes with it.
    pub fn delete(&self) -> Result<(), LinkError> {
        let index = self.index()?;
        request(
            || format!("delete {}", self.name),
            RTM_DELLINK,
            0,
            &interface(index, 0),
            |_| {},
        )
    }

    /// Gives the interface an address; one that is there already is kept.
    pub fn add_address(&self, address: Ipv4Addr, prefix: u8) -> Result<(), LinkError> {
        let index = self.index()?;
        let mut fixed = vec![AF_INET, prefix, 0, SCOPE_UNIVERSE];
        fixed.extend_from_slice(&index.to_ne_bytes());
        let what = || format!("add address {address}/{prefix} to {}", self.name);
        request(
            what,
            RTM_NEWADDR,
            NLM_F_CREATE | NLM_F_REPLACE,
            &fixed,
            |a| {
                a.bytes(2, &address.octets()).bytes(1, &address.octets());
            },
        )
    }

    /// Routes a network to this interface, directly.
    pub fn add_route(
        &self,
        network: Ipv4Addr,
        prefix: u8,
        source: Option<Ipv4Addr>,
    ) -> Result<(), LinkError> {
        self.route(network, prefix, SCOPE_LINK, 0, |a| {
            if let Some(source) = source {
                a.bytes(7, &source.octets());
            }
        })
    }

    /// Sends everything else through `gateway`, which need not be in a network of the interface.
    pub fn add_default_route(&self, gateway: Ipv4Addr) -> Result<(), LinkError> {
        self.route(Ipv4Addr::UNSPECIFIED, 0, SCOPE_UNIVERSE, ONLINK, |a| {
            _ = a.bytes(5, &gateway.octets());
        })
    }

    fn route(
        &self,
        network: Ipv4Addr,
        prefix: u8,
        scope: u8,
        flags: u32,
        more: impl FnOnce(&mut Attributes<'_>),
    ) -> Result<(), LinkError> {
        let index = self.index()?;
        // struct rtmsg: main table, static protocol, unicast
        let mut fixed = vec![AF_INET, prefix, 0, 0, 254, 4, scope, 1];
        fixed.extend_from_slice(&flags.to_ne_bytes());
        let what = || format!("route {network}/{prefix} to {}", self.name);
        request(
            what,
            RTM_NEWROUTE,
            NLM_F_CREATE | NLM_F_REPLACE,
            &fixed,
            |a| {
                if prefix > 0 {
                    a.bytes(1, &network.octets());
                }
                a.bytes(4, &index.to_ne_bytes());
                more(a);
            },
        )
    }

    fn index(&self) -> Result<u32, LinkError> {
        if_nametoindex(self.name.as_str()).map_err(|errno| LinkError {
            what: format!("find interface {}", self.name),
            source: errno.into(),
        })
    }
}

// struct ifinfomsg
fn interface(index: u32, flags: u32) -> Vec<u8> {
    let mut fixed = vec![0; 4];
    fixed.extend_from_slice(&index.to_ne_bytes());
    fixed.extend_from_slice(&flags.to_ne_bytes());
    fixed.extend_from_slice(&flags.to_ne_bytes());
    fixed
}

fn request(
    what: impl Fn() -> String,
    kind: u16,
    flags: u16,
    fixed: &[u8],
    attributes: impl FnOnce(&mut Attributes<'_>),
) -> Result<(), LinkError> {
    let error = |source| LinkError {
        what: what(),
        source,
    };
    let mut buffer = Buffer::default();
    buffer.message(
        kind,
        NLM_F_REQUEST | NLM_F_ACK | flags,
        1,
        fixed,
        attributes,
    );
    match transact(SockProtocol::NetlinkRoute, &buffer, 1).map_err(error)? {
        None => Ok(()),
        Some((_, source)) => Err(error(source)),
    }
}

//! Addresses and node ports of Services.

use ipnet::IpNet;

#[derive(Debug)]
pub(crate) struct Addresses {
    _cidr: IpNet,
    _ports: (u16, u16),
}

impl Addresses {
    pub(crate) fn new(cidr: IpNet, ports: (u16, u16)) -> Self {
        Self { _cidr: cidr, _ports: ports }
    }
}

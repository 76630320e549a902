//! What the machine must offer, checked before anything is started.

use std::net::{Ipv4Addr, SocketAddr};

use net::netns::Namespace;
use net::nft::{Batch, Family, Table};

use crate::exit::{Code, Failure};

/// Checks privileges and kernel features by using them, in a namespace that is thrown away.
pub(crate) fn check() -> Result<(), Failure> {
    let missing = |message: String| Failure::new(Code::Prerequisite, message);
    if !nix::unistd::geteuid().is_root() {
        return Err(missing(
            "`up` needs root: it makes network and mount namespaces for the pods".into(),
        )
        .remedy("sudo ferromesh up"));
    }
    let namespace = Namespace::create().map_err(|e| {
        missing(format!(
            "this kernel or container refuses network namespaces: {e}"
        ))
        .remedy("run on the host, or start the container with --privileged")
    })?;
    namespace
        .run(|| {
            let table = Table {
                family: Family::Ip,
                name: "probe".into(),
            };
            let mut batch = Batch::new();
            batch.add_table(&table).delete_table(&table);
            batch.commit().map_err(std::io::Error::other)
        })
        .map_err(|e| {
            missing(format!("nftables is not available: {e}"))
                .remedy("modprobe nf_tables nft_chain_nat")
        })?;
    let filesystems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.contains("overlay") {
        return Err(
            missing("the overlay file system is not available; pods need it".into())
                .remedy("modprobe overlay"),
        );
    }
    Ok(())
}

/// Opens a host listener, with an error that names who is in the way as far as it can be known.
pub(crate) fn listen(
    ip: Ipv4Addr,
    port: u16,
    flag: &str,
) -> Result<std::net::TcpListener, Failure> {
    let address = SocketAddr::from((ip, port));
    net::socket::listen(address, net::socket::Sharing::Exclusive, 1024).map_err(|e| {
        let message = format!("cannot listen on {address}: {e}");
        Failure::new(Code::Failure, message)
            .remedy(format!("ferromesh up {flag} PORT   (another port)"))
    })
}

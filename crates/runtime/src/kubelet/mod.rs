//! The kubelet API.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::options::KubeletTls;
use crate::pod::Shared;

pub(crate) async fn serve(
    shared: Arc<Shared>,
    _tls: &KubeletTls,
    _listen: SocketAddr,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + use<>)> {
    let _ = shared;
    Err::<(SocketAddr, std::future::Pending<()>), _>(io::Error::other("later"))
}

//! The API server process of `up`.

use std::net::SocketAddr;
use std::path::Path;

use ::apiserver::{Kubeconfig, Options, Server};
use anyhow::Context;

use super::{internal_kubeconfig, runtime, terminated};
use crate::up::data_dir::kubeconfig;
use crate::up::notify::Inherited;
use crate::up::{API_PORT_INSIDE, NODE_IP};

pub(super) fn run(data_dir: &Path, api_port: u16) -> anyhow::Result<()> {
    net::telemetry::init(net::telemetry::Format::Text, "info");
    let mut inherited = Inherited::take();
    inherited.follow_supervisor();
    runtime(2)?.block_on(async {
        let inside = SocketAddr::from((NODE_IP, API_PORT_INSIDE));
        let mut listeners: Vec<_> = inherited
            .listeners()
            .into_iter()
            .map(|(_, listener)| listener)
            .collect();
        listeners.push(
            net::socket::listen(inside, net::socket::Sharing::Exclusive, 1024)
                .with_context(|| format!("listen on {inside}"))?,
        );
        let mut options = Options::new(data_dir);
        options.advertise = inside;
        options.kubeconfig = Some(Kubeconfig {
            path: kubeconfig(data_dir),
            server: format!("https://127.0.0.1:{api_port}"),
            name: "ferromesh".into(),
        });
        let server = Server::open(options)
            .await
            .context("open the API server's state")?;
        server.write_kubeconfig(&Kubeconfig {
            path: internal_kubeconfig(data_dir),
            server: format!("https://{inside}"),
            name: "ferromesh".into(),
        })?;
        inherited.ready();
        tokio::select! {
            result = server.serve(listeners) => result?,
            () = terminated() => server.stop(),
        }
        Ok(())
    })
}

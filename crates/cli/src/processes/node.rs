//! The node process of `up`, and the pod shims that it starts.

use std::path::Path;

use ::runtime::{ImageMap, KubeletTls, Node, Options};
use anyhow::Context;

use super::{connect, images, internal_kubeconfig, terminated};
use crate::up::notify::Inherited;

const NODE_NAME: &str = "ferromesh";

pub(super) fn run(data_dir: &Path) -> anyhow::Result<()> {
    net::telemetry::init(net::telemetry::Format::Text, "info");
    let mut inherited = Inherited::take();
    inherited.follow_supervisor();
    super::runtime(2)?.block_on(async {
        let store = connect(&internal_kubeconfig(data_dir)).await?;
        let exe = std::env::current_exe()?.display().to_string();
        let shim = vec![exe, "internal".into(), "pod-shim".into()];
        let mut options = Options::new(store, NODE_NAME, data_dir.to_owned(), shim);
        options.image_map = image_map();
        options.dns_upstream = inherited.resolvers();
        options.lifeline = inherited.lifeline();
        options.kubelet_tls = Some(kubelet_tls(data_dir)?);
        let node = Node::start(options).await.context("start the node")?;
        inherited.ready();
        tokio::select! {
            () = node.wait() => anyhow::bail!("the node's tasks ended"),
            // Pods go on; they end with the supervisor, or are found again.
            () = terminated() => Ok(()),
        }
    })
}

fn kubelet_tls(data_dir: &Path) -> anyhow::Result<KubeletTls> {
    let pki = data_dir.join("pki");
    let read = |name: &str| {
        let path = pki.join(name);
        std::fs::read(&path).with_context(|| path.display().to_string())
    };
    Ok(KubeletTls {
        certificates: read("kubelet.crt")?,
        key: read("kubelet.key")?,
        client_ca: read("ca.crt")?,
    })
}

fn image_map() -> ImageMap {
    let mut map = ImageMap::new();
    map.insert_samples();
    for (image, program) in images::builtin() {
        map.insert(&image, program);
    }
    map
}

/// `internal pod-shim DIRECTORY`
pub(super) fn shim() -> anyhow::Result<()> {
    ::runtime::shim::main().context("pod shim")
}

//! The objects of a live cluster.

use std::path::PathBuf;

use analysis::Input;
use anyhow::Context;
use api::kinds;
use api::store::{Query, ResourceType, StoreError};

use super::Args;
use crate::up::DEFAULT_DATA_DIR;
use crate::up::data_dir::{holder, kubeconfig};

const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    namespaced: bool,
) -> ResourceType {
    ResourceType {
        group,
        version,
        kind,
        plural,
        namespaced,
    }
}

/// What rules look at beside the kinds that the mesh works with.
const FURTHER: &[ResourceType] = &[
    kind(
        "gateway.networking.k8s.io",
        "v1",
        "Gateway",
        "gateways",
        true,
    ),
    kind(
        "gateway.networking.k8s.io",
        "v1",
        "GatewayClass",
        "gatewayclasses",
        false,
    ),
    kind(
        "gateway.networking.k8s.io",
        "v1",
        "HTTPRoute",
        "httproutes",
        true,
    ),
    kind(
        "gateway.networking.k8s.io",
        "v1",
        "GRPCRoute",
        "grpcroutes",
        true,
    ),
    kind("serving.knative.dev", "v1", "Service", "services", true),
    kind(
        "serving.knative.dev",
        "v1beta1",
        "DomainMapping",
        "domainmappings",
        true,
    ),
    kind(
        "operator.knative.dev",
        "v1beta1",
        "KnativeServing",
        "knativeservings",
        true,
    ),
];

/// Kinds that no rule reads, or that are made from others.
const UNREAD: &[ResourceType] = &[
    kinds::CORE_EVENT,
    kinds::EVENT,
    kinds::LEASE,
    kinds::ENDPOINTS,
    kinds::ENDPOINT_SLICE,
    kinds::REPLICA_SET,
];

/// Reads the cluster, if there is one to read; says whether it did.
pub(super) fn read(args: &Args, input: &mut Input, have_files: bool) -> anyhow::Result<bool> {
    if args.use_kube == Some(false) {
        return Ok(false);
    }
    let Some(path) = find(args) else {
        if args.use_kube == Some(true) || !have_files {
            anyhow::bail!(
                "no kubeconfig: $KUBECONFIG, a running `ferromesh up` and ~/.kube/config are missing"
            );
        }
        eprintln!("No kubeconfig found: analyzing the files alone.");
        return Ok(false);
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::time::timeout(args.timeout, list(&path, input))
            .await
            .with_context(|| format!("the cluster of {} did not answer in time", path.display()))?
    })?;
    Ok(true)
}

fn find(args: &Args) -> Option<PathBuf> {
    if let Some(path) = &args.kubeconfig {
        return Some(path.clone());
    }
    if let Some(list) = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        return std::env::split_paths(&list).next();
    }
    let data_dir = PathBuf::from(
        std::env::var_os("FERROMESH_DATA_DIR").unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
    );
    // A directory of another user is as good as none: the next place is tried.
    if matches!(holder(&data_dir), Ok(Some(_))) {
        return Some(kubeconfig(&data_dir));
    }
    let home = PathBuf::from(std::env::var_os("HOME")?).join(".kube/config");
    home.exists().then_some(home)
}

async fn list(path: &std::path::Path, input: &mut Input) -> anyhow::Result<()> {
    let store = crate::processes::connect(path).await?;
    for ty in kinds::ALL.iter().chain(FURTHER) {
        if UNREAD.contains(ty) {
            continue;
        }
        match store.list(ty, &Query::default()).await {
            Ok(objects) => objects.iter().for_each(|object| input.add_object(object)),
            // The cluster does not have this kind.
            Err(StoreError::NotFound(_)) => {}
            Err(StoreError::Refused { code: 404, .. }) => {}
            Err(StoreError::Refused { code: 403, message }) => {
                eprintln!(
                    "not observable: {}, because the API server refuses: {message}",
                    ty.plural
                );
            }
            Err(error) => return Err(error).with_context(|| format!("listing {}", ty.plural)),
        }
    }
    Ok(())
}

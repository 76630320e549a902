//! A pod's volumes: where each lies on this machine and what its files hold.

pub(crate) mod atomic;
mod payload;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{HostPathVolumeSource, PodSpec, Volume};

use crate::quantity;

pub(crate) use payload::{Payload, Tokens, payload_of};

/// Directory of the pod in which files from the API lie, in memory.
pub(crate) const API: &str = "api";
/// Directory of the pod below which memory-backed `emptyDir`s lie.
const MEMORY: &str = "memory";

/// Where a volume comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A directory on disk, below the pod's.
    Disk(PathBuf),
    /// A memory file system of its own, below the pod's directory.
    Memory(PathBuf, Option<u64>),
    /// Files from the API, below [`API`].
    Api(PathBuf),
    Host(PathBuf),
}

impl Origin {
    /// As the shim sees it.
    pub(crate) fn path(&self, pod: &Path) -> PathBuf {
        match self {
            Self::Disk(path) | Self::Memory(path, _) | Self::Api(path) => pod.join(path),
            Self::Host(path) => path.clone(),
        }
    }
}

/// Where `volume` lies; an error names the kind that is not supported.
pub(crate) fn origin(volume: &Volume) -> Result<Origin, String> {
    let name = &volume.name;
    if let Some(empty) = &volume.empty_dir {
        let limit = empty
            .size_limit
            .as_ref()
            .and_then(|size| quantity::parse_units(&size.0))
            .filter(|s| *s > 0);
        return match empty.medium.as_deref().unwrap_or_default() {
            "" => Ok(Origin::Disk(Path::new("volumes").join(name))),
            "Memory" => Ok(Origin::Memory(Path::new(MEMORY).join(name), limit)),
            other => Err(format!(
                "volume {name:?}: emptyDir.medium {other:?} is not supported; use \"\" or \"Memory\""
            )),
        };
    }
    if let Some(host) = &volume.host_path {
        return Ok(Origin::Host(PathBuf::from(&host.path)));
    }
    for projection in volume
        .projected
        .iter()
        .flat_map(|p| p.sources.iter().flatten())
    {
        let unknown = [
            (
                "clusterTrustBundle",
                projection.cluster_trust_bundle.is_some(),
            ),
            ("podCertificate", projection.pod_certificate.is_some()),
        ];
        if let Some((kind, _)) = unknown.into_iter().find(|(_, set)| *set) {
            return Err(format!(
                "volume {name:?}: projected {kind} is not supported on one machine"
            ));
        }
    }
    let from_api = volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.projected.is_some()
        || volume.downward_api.is_some();
    if from_api {
        return Ok(Origin::Api(Path::new(API).join(name)));
    }
    let kind = serde_json::to_value(volume).ok().and_then(|value| {
        let object = value.as_object()?;
        object.keys().find(|key| *key != "name").cloned()
    });
    let kind = kind.unwrap_or_else(|| "without a source".into());
    Err(format!(
        "volume {name:?}: {kind} is not supported on one machine; use emptyDir, hostPath, configMap, secret, projected or downwardAPI"
    ))
}

/// The memory file systems that the shim makes at its start.
pub(crate) fn memory_file_systems(spec: &PodSpec) -> Vec<(PathBuf, Option<u64>)> {
    let mut list = vec![
        (PathBuf::from(API), None),
        (PathBuf::from("shm"), Some(64 << 20)),
    ];
    for volume in spec.volumes.iter().flatten() {
        if let Ok(Origin::Memory(path, size)) = origin(volume) {
            list.push((path, size));
        }
    }
    list
}

/// Makes the directory of an `emptyDir` or checks a `hostPath`. `root` is the pod's directory as this
/// process reaches it in the shim's mount namespace.
pub(crate) fn provide(
    volume: &Volume,
    origin: &Origin,
    root: &Path,
    group: Option<u32>,
) -> io::Result<()> {
    match origin {
        Origin::Disk(path) | Origin::Memory(path, _) => {
            let path = root.join(path);
            fs::create_dir_all(&path)?;
            // World-writable, as the kubelet makes it; with fsGroup new files get the group.
            let mode = if group.is_some() { 0o2777 } else { 0o777 };
            chown(&path, None, group)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode))
        }
        Origin::Api(path) => fs::create_dir_all(root.join(path)),
        Origin::Host(path) => host_path(volume.host_path.as_ref(), path),
    }
}

fn host_path(source: Option<&HostPathVolumeSource>, path: &Path) -> io::Result<()> {
    let kind = source
        .and_then(|source| source.type_.as_deref())
        .unwrap_or_default();
    let wrong = |what: &str| io::Error::other(format!("hostPath {} is not {what}", path.display()));
    let found = fs::metadata(path);
    let is = |check: fn(&fs::FileType) -> bool| found.as_ref().is_ok_and(|m| check(&m.file_type()));
    match kind {
        "" => found.map(|_| ()),
        "DirectoryOrCreate" if found.is_err() => fs::create_dir_all(path),
        "FileOrCreate" if found.is_err() => fs::File::create(path).map(|_| ()),
        "Directory" | "DirectoryOrCreate" => is(fs::FileType::is_dir)
            .then_some(())
            .ok_or_else(|| wrong("a directory")),
        "File" | "FileOrCreate" => is(fs::FileType::is_file)
            .then_some(())
            .ok_or_else(|| wrong("a file")),
        "Socket" => is(FileTypeExt::is_socket)
            .then_some(())
            .ok_or_else(|| wrong("a socket")),
        "CharDevice" => is(FileTypeExt::is_char_device)
            .then_some(())
            .ok_or_else(|| wrong("a character device")),
        "BlockDevice" => is(FileTypeExt::is_block_device)
            .then_some(())
            .ok_or_else(|| wrong("a block device")),
        other => Err(io::Error::other(format!("unknown hostPath type {other:?}"))),
    }
}

//! The last good configuration on disk, for a start while the control plane is away.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use xds::client::{ReceivedResource, Subscriptions, Update};
use xds::envoy::service::discovery::v3::{DeltaDiscoveryResponse, Resource};
use xds::google::protobuf::Any;
use xds::type_url;

use super::applier::Applier;

/// Precedes the encoded resources; a file of another version is ignored.
const MAGIC: &[u8; 8] = b"fmxds\0\0\x01";
const FILE: &str = "last-good.xds";
/// No file larger than this is read.
const MOST: u64 = 256 << 20;

/// A directory that holds the file.
#[derive(Debug)]
pub struct LastGood {
    dir: PathBuf,
    written: u64,
}

impl LastGood {
    /// Uses `dir`, which is made when needed.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            written: 0,
        }
    }

    /// Applies what is there. Answers what the client may tell the server that it has: type, name, version. A damaged file
    /// is as good as none.
    pub fn load(
        &mut self,
        applier: &mut Applier,
        now: Instant,
    ) -> io::Result<Vec<(Arc<str>, Arc<str>, String)>> {
        let Some(stored) = read(&self.dir.join(FILE))? else {
            return Ok(Vec::new());
        };
        let mut adopted = Vec::new();
        // What others wait for comes first.
        for kind in [
            type_url::CLUSTER,
            type_url::ENDPOINT,
            type_url::LISTENER,
            type_url::ROUTE,
            type_url::SECRET,
        ] {
            let of_kind = |resource: &&Resource| {
                resource
                    .resource
                    .as_ref()
                    .is_some_and(|any| any.type_url == kind)
            };
            let added = stored
                .resources
                .iter()
                .filter(of_kind)
                .map(|resource| ReceivedResource {
                    name: resource.name.as_str().into(),
                    version: resource.version.clone(),
                    body: resource
                        .resource
                        .as_ref()
                        .map(|any| any.value.clone().into())
                        .unwrap_or_default(),
                });
            let added: Vec<ReceivedResource> = added.collect();
            if added.is_empty() {
                continue;
            }
            let update = Update {
                type_url: kind.into(),
                version: String::new(),
                added,
                removed: Vec::new(),
            };
            let refused = applier
                .apply(&update, &mut Subscriptions::new(), now)
                .err()
                .unwrap_or_default();
            let good = update
                .added
                .iter()
                .filter(|r| refused.rejected.iter().all(|bad| bad.name != r.name));
            adopted.extend(good.map(|r| {
                (
                    Arc::clone(&update.type_url),
                    Arc::clone(&r.name),
                    r.version.clone(),
                )
            }));
        }
        self.written = applier.changes;
        Ok(adopted)
    }

    /// Writes what is accepted now, if it changed: whole or not at all, readable by its owner alone, without private keys.
    pub fn save(&mut self, applier: &Applier) -> io::Result<()> {
        match self.plan(applier) {
            Some(image) => image.write(),
            None => Ok(()),
        }
    }

    /// What is to be written, so that the writing can happen elsewhere.
    pub fn plan(&mut self, applier: &Applier) -> Option<Image> {
        if self.written == applier.changes {
            return None;
        }
        self.written = applier.changes;
        let resources = applier
            .accepted()
            .into_iter()
            .filter(|(kind, name, ..)| *kind != type_url::SECRET || !applier.holds_key(name))
            .map(|(kind, name, version, body)| Resource {
                name: name.to_string(),
                version,
                resource: Some(Any {
                    type_url: kind.into(),
                    value: body.to_vec(),
                }),
                ..Resource::default()
            });
        let message = DeltaDiscoveryResponse {
            resources: resources.collect(),
            ..Default::default()
        };
        let mut bytes = MAGIC.to_vec();
        let body = message.encode_to_vec();
        bytes.extend_from_slice(&base::ContentHash::of(&body).0.to_le_bytes());
        bytes.extend_from_slice(&body);
        Some(Image {
            dir: self.dir.clone(),
            bytes,
        })
    }
}

/// A file's content on its way to the disk.
#[derive(Debug)]
pub struct Image {
    dir: PathBuf,
    bytes: Vec<u8>,
}

impl Image {
    /// Writes and renames.
    pub fn write(&self) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        let (temporary, path) = (self.dir.join(".last-good.tmp"), self.dir.join(FILE));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(&self.bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        // The rename itself must survive a power loss, too.
        File::open(&self.dir)?.sync_all()
    }
}

fn read(path: &Path) -> io::Result<Option<DeltaDiscoveryResponse>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return Ok(None);
    };
    let Some((hash, body)) = rest.split_first_chunk::<8>() else {
        return Ok(None);
    };
    if base::ContentHash::of(body).0.to_le_bytes() != *hash {
        return Ok(None);
    }
    Ok(DeltaDiscoveryResponse::decode(body).ok())
}

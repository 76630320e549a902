//! What a pod has before its first container: a directory, an address, a network namespace joined to
//! the node's, and a shim.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use net::netns::{Link, Namespace};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::shim::protocol::{self, CONFIG, PodConfig};
use crate::shim::{self, protocol::Request};

/// What a pod's directory says about its pod, in `pod.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) host_network: bool,
    /// The node's network namespace, by inode: a pod of another one is not this node's to adopt.
    pub(crate) node_namespace: u64,
}

/// How long a shim has to end its pod.
const STOP_LIMIT: Duration = Duration::from_secs(12);

const RECORD: &str = "pod.json";

/// All pods' directories and addresses.
#[derive(Debug)]
pub(crate) struct Sandboxes {
    pub(crate) pods: PathBuf,
    pub(crate) node_ip: Ipv4Addr,
    pub(crate) cidr: (Ipv4Addr, u8),
    pub(crate) shim_command: Vec<String>,
    pub(crate) lifeline: Option<i32>,
    addresses: Mutex<Addresses>,
}

#[derive(Debug, Default)]
struct Addresses {
    taken: BTreeMap<Ipv4Addr, String>,
    last: u32,
}

/// A pod whose shim is alive.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) directory: PathBuf,
    pub(crate) record: Record,
    pub(crate) shim_pid: i32,
    pub(crate) network: Namespace,
}

impl Sandbox {
    /// The pod's directory as the shim's mount namespace has it.
    pub(crate) fn inside(&self) -> PathBuf {
        let relative = self.directory.strip_prefix("/").unwrap_or(&self.directory);
        Path::new("/proc")
            .join(self.shim_pid.to_string())
            .join("root")
            .join(relative)
    }
}

impl Sandboxes {
    pub(crate) fn new(
        data_dir: &Path,
        node_ip: Ipv4Addr,
        cidr: (Ipv4Addr, u8),
        shim_command: Vec<String>,
        lifeline: Option<i32>,
    ) -> io::Result<Self> {
        let pods = fs::canonicalize(data_dir)?.join("pods");
        fs::create_dir_all(&pods)?;
        fs::set_permissions(&pods, fs::Permissions::from_mode(0o700))?;
        let sandboxes = Self {
            pods,
            node_ip,
            cidr,
            shim_command,
            lifeline,
            addresses: Mutex::default(),
        };
        let records: Vec<_> = sandboxes.records()?.into_values().collect();
        let mut addresses = sandboxes
            .addresses
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for record in records.into_iter().filter(|record| !record.host_network) {
            addresses.taken.insert(record.ip, record.uid);
        }
        drop(addresses);
        Ok(sandboxes)
    }

    pub(crate) fn directory(&self, uid: &str) -> PathBuf {
        self.pods.join(uid)
    }

    /// Directories of pods by uid, also of those that ended.
    pub(crate) fn records(&self) -> io::Result<BTreeMap<String, Record>> {
        let mut records = BTreeMap::new();
        for entry in fs::read_dir(&self.pods)? {
            let path = entry?.path();
            let Some(uid) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if let Some(record) = read_record(&path) {
                records.insert(uid.to_owned(), record);
            }
        }
        Ok(records)
    }

    /// Uids of all directories, readable or not.
    pub(crate) fn uids(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(&self.pods).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Picks an address. The one of a pod that was here before is kept.
    pub(crate) fn allocate(&self, uid: &str) -> io::Result<Ipv4Addr> {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((ip, _)) = addresses.taken.iter().find(|(_, owner)| *owner == uid) {
            return Ok(*ip);
        }
        let base = self.cidr.0.to_bits();
        let size = 1_u32
            .checked_shl(32 - u32::from(self.cidr.1))
            .unwrap_or(u32::MAX);
        // Round robin, so that an address that was just freed is not seen as its old pod.
        for step in 1..size {
            let offset = (addresses.last + step) % size;
            let ip = Ipv4Addr::from_bits(base + offset);
            if offset < 2
                || offset == size - 1
                || ip == self.node_ip
                || addresses.taken.contains_key(&ip)
            {
                continue;
            }
            addresses.last = offset;
            addresses.taken.insert(ip, uid.into());
            return Ok(ip);
        }
        Err(io::Error::other("the pod network has no free address"))
    }

    fn release(&self, uid: &str) {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        addresses.taken.retain(|_, owner| owner != uid);
    }

    /// Finds the sandbox of an earlier node, if its shim is alive.
    pub(crate) fn find(&self, uid: &str) -> Option<Sandbox> {
        let directory = self.directory(uid);
        let record = read_record(&directory)?;
        if record.node_namespace != Self::node_namespace().ok()? {
            return None;
        }
        let stream = protocol::connect(&directory).ok()?;
        Self::assemble(directory, record, &stream).ok()
    }

    /// The calling thread's network namespace, by inode.
    pub(crate) fn node_namespace() -> io::Result<u64> {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
    }

    fn assemble(directory: PathBuf, record: Record, stream: &UnixStream) -> io::Result<Sandbox> {
        let shim_pid = getsockopt(stream, PeerCredentials)?.pid();
        let network = Namespace::of_process(shim_pid)?;
        Ok(Sandbox {
            directory,
            record,
            shim_pid,
            network,
        })
    }

    /// Makes everything; blocks for some milliseconds.
    pub(crate) fn create(&self, record: Record, config: &PodConfig) -> io::Result<Sandbox> {
        let directory = self.directory(&record.uid);
        fs::create_dir_all(&directory)?;
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
        fs::write(directory.join(RECORD), serde_json::to_vec(&record)?)?;
        fs::write(directory.join(CONFIG), serde_json::to_vec(config)?)?;
        let network = if record.host_network {
            Namespace::current()?
        } else {
            self.network(&record)?
        };
        // Of a shim of this pod that was killed: the one that comes next counts on from there and has others.
        shim::sweep_limits(&record.uid);
        network.run(|| self.spawn(&directory))?;
        let stream = protocol::connect(&directory)?;
        Self::assemble(directory, record, &stream)
    }

    fn spawn(&self, directory: &Path) -> io::Result<()> {
        let (program, args) = self
            .shim_command
            .split_first()
            .ok_or_else(|| io::Error::other("no shim command"))?;
        let mut command = Command::new(program);
        command
            .args(args)
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.stderr(Stdio::piped());
        command.env_remove(shim::LIFELINE);
        if let Some(fd) = self.lifeline {
            command.env(shim::LIFELINE, fd.to_string());
        }
        let output = command.output()?;
        if output.status.success() {
            return Ok(());
        }
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(io::Error::other(format!(
            "the pod's shim failed ({}): {message}",
            output.status
        )))
    }

    fn network(&self, record: &Record) -> io::Result<Namespace> {
        let inner = Namespace::create()?;
        let name = interface(record.ip);
        // Left by a shim that was killed a moment ago: the kernel removes it a little later.
        let _ = Link::named(&name).delete();
        let outer = Link::veth(&name, "eth0", &inner)?;
        outer.up()?;
        let (ip, gateway) = (record.ip, self.node_ip);
        inner.run(|| {
            Link::named("lo").up()?;
            // Programs may take low ports without being root, as containerd allows.
            fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")?;
            let eth0 = Link::named("eth0");
            eth0.add_address(ip, 32)?;
            eth0.up()?;
            eth0.add_route(gateway, 32, Some(ip))?;
            eth0.add_default_route(gateway)?;
            Ok(())
        })?;
        outer.add_route(ip, 32, Some(gateway))?;
        Ok(inner)
    }

    /// Ends the pod's shim, if there is one, and waits until it is gone.
    pub(crate) fn stop(&self, uid: &str) {
        if let Ok(stream) = protocol::connect(&self.directory(uid)) {
            let Ok(peer) = getsockopt(&stream, PeerCredentials) else {
                return;
            };
            // The shim's end closes the stream.
            let _ = stream.set_read_timeout(Some(STOP_LIMIT));
            if protocol::send(&stream, &Request::Stop, &[]).is_ok() {
                let _ = io::copy(&mut &stream, &mut io::sink());
            }
            let limit = Instant::now() + STOP_LIMIT;
            while !is_gone(peer.pid()) {
                if Instant::now() > limit {
                    let _ = kill(Pid::from_raw(peer.pid()), Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// Removes all that is left of a pod.
    pub(crate) fn remove(&self, uid: &str) -> io::Result<()> {
        self.stop(uid);
        shim::sweep_limits(uid);
        let directory = self.directory(uid);
        let record = read_record(&directory);
        if let Some(record) = record.filter(|record| !record.host_network) {
            let _ = Link::named(interface(record.ip)).delete();
        }
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.release(uid);
        Ok(())
    }
}

fn is_gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_none_or(|state| matches!(state, 'Z' | 'X'))
}

fn read_record(directory: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(directory.join(RECORD)).ok()?).ok()
}

/// The node's end of a pod's veth; names have at most 15 bytes.
fn interface(ip: Ipv4Addr) -> String {
    format!("veth{:08x}", ip.to_bits())
}

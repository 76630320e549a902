//! A memory limit for one container: cgroup v2 or v1 where the kernel lets us, else an address-space
//! limit of each process.

use std::path::{Path, PathBuf};

/// A limit in force.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    directory: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Limit {
    /// Makes a group of `name` with a memory limit; `None` when no hierarchy is writable.
    pub(super) fn create(name: &str, bytes: u64) -> Option<Self> {
        for (parent, version) in hierarchies() {
            let limit = Self {
                directory: parent.join(name),
                version,
            };
            if limit.apply(bytes) {
                return Some(limit);
            }
            limit.remove();
        }
        None
    }

    fn apply(&self, bytes: u64) -> bool {
        let file = match self.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let path = self.directory.join(file);
        std::fs::create_dir_all(&self.directory).is_ok()
            && path.exists()
            && std::fs::write(path, bytes.to_string()).is_ok()
    }

    pub(super) fn add(&self, pid: i32) -> bool {
        std::fs::write(self.directory.join("cgroup.procs"), pid.to_string()).is_ok()
    }

    /// Whether the kernel killed a process of the group for its memory.
    pub(super) fn killed(&self) -> bool {
        let file = match self.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = std::fs::read_to_string(self.directory.join(file)).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim().parse::<u64>().is_ok_and(|count| count > 0))
    }

    /// Removes the group once its processes are gone.
    pub(super) fn remove(&self) {
        let _ = std::fs::remove_dir(&self.directory);
    }
}

/// Directories of this process's groups in hierarchies that may limit memory.
fn hierarchies() -> Vec<(PathBuf, Version)> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        if controllers
            .split(',')
            .any(|controller| controller == "memory")
        {
            Some((Path::new("/sys/fs/cgroup/memory").join(path), Version::One))
        } else {
            controllers
                .is_empty()
                .then(|| (Path::new("/sys/fs/cgroup").join(path), Version::Two))
        }
    };
    own.lines().filter_map(parse).collect()
}

/// Removes the groups of a pod whose shim was killed before it could.
pub(crate) fn sweep(uid: &str) {
    let prefix = format!("ferromesh-{uid}-");
    for (parent, _) in hierarchies() {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                let _ = std::fs::remove_dir(entry.path());
            }
        }
    }
}

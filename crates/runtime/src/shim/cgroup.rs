//! Limits of one container: of its processes always, so that a fork bomb ends at it, and of its memory where
//! it asks for that. Control groups v2 or v1 where the kernel lets us, else an address-space limit of each process.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most processes and threads of one container.
const PROCESSES: u64 = 8192;
/// How long killed processes may take to be gone.
const ENDING: Duration = Duration::from_secs(2);

/// Limits in force.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    memory: Option<Group>,
    processes: Option<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    directory: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Limits {
    /// Makes groups of `name`; a limit for which no hierarchy is writable is not in force.
    pub(super) fn create(name: &str, memory: Option<u64>) -> Self {
        Self {
            memory: memory.and_then(|bytes| {
                let files = |version| match version {
                    Version::One => "memory.limit_in_bytes",
                    Version::Two => "memory.max",
                };
                Group::create("memory", name, files, bytes)
            }),
            processes: Group::create("pids", name, |_| "pids.max", PROCESSES),
        }
    }

    pub(super) fn of_memory(&self) -> bool {
        self.memory.is_some()
    }

    fn groups(&self) -> impl Iterator<Item = &Group> {
        self.memory.iter().chain(&self.processes)
    }

    pub(super) fn add(&self, pid: i32) {
        for group in self.groups() {
            let _ = std::fs::write(group.directory.join("cgroup.procs"), pid.to_string());
        }
    }

    /// Whether the kernel killed a process for the container's memory.
    pub(super) fn killed(&self) -> bool {
        let Some(group) = &self.memory else {
            return false;
        };
        let file = match group.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        let text = std::fs::read_to_string(group.directory.join(file)).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .any(|count| count.trim().parse::<u64>().is_ok_and(|count| count > 0))
    }

    /// Removes the groups once their processes are gone.
    pub(super) fn remove(&self) {
        for group in self.groups() {
            group.remove();
        }
    }
}

impl Group {
    fn create(
        controller: &str,
        name: &str,
        file: impl Fn(Version) -> &'static str,
        limit: u64,
    ) -> Option<Self> {
        for (parent, version) in hierarchies(controller) {
            let group = Self {
                directory: parent.join(name),
                version,
            };
            if group.apply(file(version), limit) {
                return Some(group);
            }
            group.remove();
        }
        None
    }

    fn apply(&self, file: &str, limit: u64) -> bool {
        let path = self.directory.join(file);
        std::fs::create_dir_all(&self.directory).is_ok()
            && path.exists()
            && std::fs::write(path, limit.to_string()).is_ok()
    }

    fn remove(&self) {
        let _ = std::fs::remove_dir(&self.directory);
    }
}

/// Directories of this process's groups in hierarchies that may have the controller.
fn hierarchies(controller: &str) -> Vec<(PathBuf, Version)> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        if controllers.split(',').any(|known| known == controller) {
            let root = Path::new("/sys/fs/cgroup").join(controller);
            Some((root.join(path), Version::One))
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
    let parents = ["memory", "pids"].into_iter().flat_map(hierarchies);
    for (parent, _) in parents {
        for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                vanish(&entry.path());
            }
        }
    }
}

/// Removes a group whose last processes may still be ending: what an `exec` left dies with the shim.
fn vanish(directory: &Path) {
    let deadline = Instant::now() + ENDING;
    while let Err(error) = std::fs::remove_dir(directory) {
        if error.kind() == ErrorKind::NotFound || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

//! What the host knows of a mesh: processes, namespaces, links, rules, mounts, files.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use net::netns::Namespace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) command: String,
}

/// All of them, in the order of their ids.
pub(crate) fn processes() -> Vec<Process> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        found.push(Process {
            pid,
            parent: parent.unwrap_or(0),
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        });
    }
    found.sort_by_key(|p| p.pid);
    found
}

/// Everything that `pid` started, directly or not.
pub(crate) fn descendants(pid: i32) -> Vec<Process> {
    let all = processes();
    let mut family = BTreeSet::from([pid]);
    loop {
        let before = family.len();
        let children = all.iter().filter(|p| family.contains(&p.parent));
        family.extend(children.map(|p| p.pid).collect::<Vec<_>>());
        if family.len() == before {
            break;
        }
    }
    family.remove(&pid);
    all.into_iter()
        .filter(|p| family.contains(&p.pid))
        .collect()
}

/// Processes that name a data directory, this test's own commands aside.
pub(crate) fn marked(data: &Path) -> Vec<Process> {
    let mark = data.to_str().unwrap();
    let mut found = processes();
    found.retain(|p| p.command.contains(mark));
    found
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    nix::sys::signal::kill(Pid::from_raw(pid), signal).unwrap();
}

/// Runs in the network namespace of a process.
pub(crate) fn inside<T: Send>(pid: i32, work: impl FnOnce() -> std::io::Result<T> + Send) -> T {
    Namespace::of_process(pid).unwrap().run(work).unwrap()
}

/// The network namespace of a process that still runs, by inode.
pub(crate) fn namespace(pid: i32) -> Option<u64> {
    let file = std::fs::metadata(format!("/proc/{pid}/ns/net"));
    file.ok().map(|meta| meta.ino())
}

/// Whether a process belongs to a mesh with another data directory, which may live beside this one.
fn of_another_mesh(process: &Process, all: &[Process], data: &Path) -> bool {
    let mut next = Some(process);
    while let Some(process) = next {
        let command = &process.command;
        let of_a_mesh = command.contains("--data-dir") || command.contains("internal pod-shim");
        if of_a_mesh {
            return !command.contains(data.to_str().unwrap());
        }
        next = all.iter().find(|p| p.pid == process.parent);
    }
    false
}

/// Who holds one of these network namespaces of the mesh of `data`: processes in them, open descriptors, mounts. The
/// kernel gives the number of a namespace that is gone to the next one, which may be another mesh's.
pub(crate) fn holders(namespaces: &BTreeSet<u64>, data: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let names: BTreeSet<String> = namespaces.iter().map(|n| format!("net:[{n}]")).collect();
    let held = |path: &Path| {
        std::fs::read_link(path).is_ok_and(|to| names.contains(to.to_string_lossy().as_ref()))
    };
    let all = processes();
    for process in &all {
        if of_another_mesh(process, &all, data) {
            continue;
        }
        let directory = PathBuf::from(format!("/proc/{}", process.pid));
        if held(&directory.join("ns/net")) {
            found.push(format!("{process:?} is inside"));
        }
        let descriptors = std::fs::read_dir(directory.join("fd"))
            .into_iter()
            .flatten();
        if descriptors.flatten().any(|fd| held(&fd.path())) {
            found.push(format!("{process:?} has it open"));
        }
        let mounts = std::fs::read_to_string(directory.join("mountinfo")).unwrap_or_default();
        if mounts
            .lines()
            .any(|line| names.iter().any(|n| line.contains(n)))
        {
            found.push(format!("{process:?} has it mounted"));
        }
    }
    found
}

/// What a mesh must not change: links, addresses, routes, rules, mounts, named namespaces, control groups. Those
/// in which a pod runs go with its processes, which others look for: here it is about what is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host(BTreeMap<&'static str, BTreeSet<String>>);

impl Host {
    pub(crate) fn now() -> Self {
        let run = |program: &str, args: &[&str]| -> BTreeSet<String> {
            let output = Command::new(program).args(args).output().unwrap();
            assert!(output.status.success(), "{program} {args:?}");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().map(|line| line.trim().to_owned()).collect()
        };
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut parameters = BTreeSet::new();
        for name in [
            "ip_forward",
            "ip_unprivileged_port_start",
            "conf/all/route_localnet",
        ] {
            let value = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}"));
            parameters.insert(format!("{name} = {}", value.unwrap_or_default().trim()));
        }
        Self(BTreeMap::from([
            ("links", run("ip", &["-brief", "link"])),
            ("addresses", run("ip", &["-brief", "address"])),
            ("routes", run("ip", &["route", "show", "table", "all"])),
            ("rules", run("nft", &["list", "ruleset"])),
            ("named namespaces", run("ip", &["netns", "list"])),
            ("mounts", mounts.lines().map(mount).collect()),
            ("control groups", forgotten_groups("ferromesh")),
            ("kernel parameters", parameters),
        ]))
    }

    /// What is here and was not there.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let mut new = Vec::new();
        for (kind, lines) in &self.0 {
            new.extend(
                lines
                    .difference(&before.0[kind])
                    .map(|line| format!("{kind}: {line}")),
            );
        }
        new
    }
}

/// Control groups with `mark` in their names and nobody inside.
pub(crate) fn forgotten_groups(mark: &str) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    find(Path::new("/sys/fs/cgroup"), 6, &mut |path| {
        if path.to_string_lossy().contains(mark) && is_empty_group(path) {
            groups.insert(path.display().to_string());
        }
    });
    groups
}

/// A control group, also one above others, in which no process is.
fn is_empty_group(path: &Path) -> bool {
    let mut processes = std::fs::read_to_string(path.join("cgroup.procs"));
    find(path, 6, &mut |below| {
        if below.file_name().is_some_and(|name| name == "cgroup.procs")
            && let (Ok(all), Ok(more)) = (&mut processes, std::fs::read_to_string(below))
        {
            all.push_str(&more);
        }
    });
    // Without that file it is none, or it is gone.
    processes.is_ok_and(|all| all.trim().is_empty())
}

/// A mount without its ids, which change by themselves.
fn mount(line: &str) -> String {
    line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned()
}

/// Calls `visit` for everything below `directory`, links not followed.
fn find(directory: &Path, depth: usize, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        visit(&path);
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            find(&path, depth - 1, visit);
        }
    }
}

/// Files of the places where programs leave things, with their time of change.
#[derive(Debug)]
pub(crate) struct Files(BTreeMap<PathBuf, (i64, i64)>);

impl Files {
    pub(crate) fn now() -> Self {
        let mut files = BTreeMap::new();
        let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
        let places = [
            "/etc",
            "/run",
            "/opt",
            "/srv",
            "/usr/local",
            "/dev/shm",
            "/var/lib",
        ];
        let places = places.iter().map(PathBuf::from);
        for place in places.chain([".kube", ".config", ".local"].map(|d| Path::new(&home).join(d)))
        {
            find(&place, 4, &mut |path| {
                let meta = path.symlink_metadata().ok();
                if let Some(meta) = meta.filter(|meta| !meta.is_dir()) {
                    files.insert(path.to_owned(), (meta.mtime(), meta.mtime_nsec()));
                }
            });
        }
        Self(files)
    }

    /// What is new or was changed, without what package managers and compilers do meanwhile.
    pub(crate) fn since(&self, before: &Self) -> Vec<PathBuf> {
        let changed = self
            .0
            .iter()
            .filter(|(path, time)| before.0.get(*path) != Some(time));
        let foreign = [
            "/var/lib/apt",
            "/var/lib/dpkg",
            "/run/lock",
            "/var/lib/systemd",
        ];
        let ours = changed.filter(|(path, _)| {
            let go_telemetry = path.components().any(|part| part.as_os_str() == "go");
            !go_telemetry && !foreign.iter().any(|f| path.starts_with(f))
        });
        ours.map(|(path, _)| path.clone()).collect()
    }
}

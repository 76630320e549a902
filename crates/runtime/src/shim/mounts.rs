//! A container's file systems: an overlay over the host's root, so that every program of the host is
//! there and every write stays in the pod; then `/proc`, `/dev`, `/sys`, `/run` and the volumes.
//!
//! Where the writable layer cannot lie on the data directory's file system, it lies in memory; where the
//! kernel has no overlay, the host's root is bound as it is: then writes outside volumes reach the host.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{chdir, pivot_root};

use super::protocol::{ContainerSpec, Mount};

const NONE: Option<&str> = None;
const OLD_ROOT: &str = ".ferromesh-host";
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// File systems that hold programs and data; others are the kernel's own.
const REAL: [&str; 10] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay", "zfs", "virtiofs",
];
/// Made afresh in each container.
const OWN: [&str; 4] = ["/proc", "/sys", "/dev", "/run"];

struct Prepared<'a> {
    mount: &'a Mount,
    source: OwnedFd,
    directory: bool,
}

/// Turns the calling process's mount namespace, which it shares with nobody, into the container's.
pub(super) fn build(spec: &ContainerSpec) -> io::Result<()> {
    let mut prepared = Vec::new();
    for mount in &spec.mounts {
        let explain =
            |error: io::Error| context(error, &format!("volume for {}", mount.target.display()));
        prepared.push(prepare(mount).map_err(explain)?);
    }
    prepared.sort_by_key(|p| p.mount.target.components().count());
    let devices = open_devices(spec.privileged);
    let host_sys = if spec.privileged {
        Some(path_fd(Path::new("/sys"))?)
    } else {
        None
    };
    let root = root_file_system(spec)?;
    let old = root.join(OLD_ROOT);
    fs::create_dir_all(&old)?;
    pivot_root(&root, &old).map_err(|error| context(error.into(), "pivot_root"))?;
    chdir("/")?;
    kernel_file_systems(spec.privileged)?;
    devices_directory(&devices, spec.privileged)?;
    if let Some(sys) = host_sys {
        bind(&sys, Path::new("/sys"), false)?;
    }
    for hidden in spec.masked.iter().filter(|path| path.is_dir()) {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_RDONLY;
        mount(
            Some("ferromesh"),
            hidden,
            Some("tmpfs"),
            flags,
            Some("mode=0755,size=4k"),
        )?;
    }
    for volume in &prepared {
        let explain =
            |error: io::Error| context(error, &format!("mount {}", volume.mount.target.display()));
        attach(volume).map_err(explain)?;
    }
    let old = Path::new("/").join(OLD_ROOT);
    umount2(&old, MntFlags::MNT_DETACH)?;
    let _ = fs::remove_dir(&old);
    if spec.read_only_root {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, "/", NONE, flags, NONE)?;
    }
    Ok(())
}

// By value, for `map_err`.
#[allow(clippy::needless_pass_by_value)]
fn context(error: io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn path_fd(path: &Path) -> io::Result<OwnedFd> {
    Ok(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)
}

fn proc_path(fd: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

fn prepare(mount: &Mount) -> io::Result<Prepared<'_>> {
    let base = path_fd(&mount.source)?;
    let source = match &mount.sub_path {
        None => base,
        Some(sub) => beneath(base, sub)?,
    };
    let directory = fs::metadata(proc_path(&source))?.is_dir();
    Ok(Prepared {
        mount,
        source,
        directory,
    })
}

/// Resolves `sub` below `base` without leaving it, whatever links a container has planted there.
fn beneath(mut base: OwnedFd, sub: &Path) -> io::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    for component in sub.components() {
        let name = component.as_os_str();
        base = match openat2(&base, name, how) {
            Err(nix::errno::Errno::ENOENT) => {
                mkdirat(&base, name, Mode::from_bits_truncate(0o755))?;
                openat2(&base, name, how)?
            }
            found => found?,
        };
    }
    Ok(base)
}

fn root_file_system(spec: &ContainerSpec) -> io::Result<PathBuf> {
    let root = spec.layer.join("root");
    fs::create_dir_all(&root)?;
    if overlay(Path::new("/"), &spec.layer.join("0"), &root).is_err() {
        let memory = spec.layer.join("memory");
        fs::create_dir_all(&memory)?;
        mount(
            Some("ferromesh"),
            &memory,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=0755"),
        )?;
        if overlay(Path::new("/"), &memory.join("0"), &root).is_err() {
            mount(
                Some("/"),
                &root,
                NONE,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                NONE,
            )?;
            return Ok(root);
        }
    }
    for (index, point) in other_mounts(&spec.masked, &spec.layer)?
        .into_iter()
        .enumerate()
    {
        let target = root.join(point.strip_prefix("/").unwrap_or(&point));
        let layer = spec.layer.join((index + 1).to_string());
        if fs::symlink_metadata(&target).is_ok_and(|m| m.is_dir())
            && overlay(&point, &layer, &target).is_err()
        {
            let bound = mount(Some(&point), &target, NONE, MsFlags::MS_BIND, NONE);
            let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
            if bound.is_ok() {
                mount(NONE, &target, NONE, read_only, NONE)?;
            }
        }
    }
    Ok(root)
}

fn overlay(lower: &Path, layer: &Path, target: &Path) -> io::Result<()> {
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    fs::create_dir_all(&upper)?;
    fs::create_dir_all(&work)?;
    // The top of the new tree has the mode and owner of the writable layer.
    let mode = fs::metadata(lower)?.permissions();
    fs::set_permissions(&upper, mode)?;
    let escape = |path: &Path| {
        path.to_string_lossy()
            .replace('\\', "\\\\")
            .replace(',', "\\,")
            .replace(':', "\\:")
    };
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        escape(lower),
        escape(&upper),
        escape(&work)
    );
    Ok(mount(
        Some("ferromesh"),
        target,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )?)
}

/// The host's further file systems, outermost first.
fn other_mounts(masked: &[PathBuf], layer: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    let mut points = Vec::new();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(point), Some(kind)) = (left.split(' ').nth(4), right.split(' ').next()) else {
            continue;
        };
        let point = PathBuf::from(unescape(point));
        let own = OWN.iter().any(|prefix| point.starts_with(prefix));
        let hidden = masked.iter().any(|path| point.starts_with(path))
            || layer.starts_with(&point) && kind == "tmpfs";
        let inside = layer
            .parent()
            .and_then(Path::parent)
            .is_some_and(|pod| point.starts_with(pod));
        if point != Path::new("/") && REAL.contains(&kind) && !own && !hidden && !inside {
            points.push(point);
        }
    }
    points.sort();
    points.dedup();
    points.truncate(64);
    Ok(points)
}

fn unescape(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

fn kernel_file_systems(privileged: bool) -> io::Result<()> {
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), safe, NONE)
        .map_err(|error| context(error.into(), "mount /proc"))?;
    fs::create_dir_all("/run")?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(
        Some("ferromesh"),
        "/run",
        Some("tmpfs"),
        plain,
        Some("mode=0755"),
    )?;
    if privileged {
        return Ok(());
    }
    // What is not the pod's own must not be written: the kernel's parameters are the host's.
    for path in ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"] {
        if Path::new(path).exists() {
            mount(
                Some(path),
                path,
                NONE,
                MsFlags::MS_BIND | MsFlags::MS_REC,
                NONE,
            )?;
            let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | safe;
            mount(NONE, path, NONE, flags, NONE)?;
        }
    }
    mount(
        Some("sysfs"),
        "/sys",
        Some("sysfs"),
        safe | MsFlags::MS_RDONLY,
        NONE,
    )
    .map_err(|error| context(error.into(), "mount /sys"))
}

fn open_devices(privileged: bool) -> Vec<(&'static str, OwnedFd)> {
    if privileged {
        return path_fd(Path::new("/dev"))
            .map(|fd| vec![("", fd)])
            .unwrap_or_default();
    }
    DEVICES
        .iter()
        .filter_map(|name| Some((*name, path_fd(&Path::new("/dev").join(name)).ok()?)))
        .collect()
}

fn devices_directory(devices: &[(&'static str, OwnedFd)], privileged: bool) -> io::Result<()> {
    let dev = Path::new("/dev");
    if let (true, [(_, host)]) = (privileged, devices) {
        return bind(host, dev, false);
    }
    mount(
        Some("ferromesh"),
        dev,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=0755,size=64k"),
    )?;
    for (name, source) in devices {
        let target = dev.join(name);
        fs::File::create(&target)?;
        bind(source, &target, false)?;
    }
    fs::create_dir(dev.join("pts"))?;
    fs::create_dir(dev.join("shm"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    mount(
        Some("devpts"),
        &dev.join("pts"),
        Some("devpts"),
        flags,
        options,
    )?;
    symlink("pts/ptmx", dev.join("ptmx"))?;
    symlink("/proc/self/fd", dev.join("fd"))?;
    for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
        symlink(format!("/proc/self/fd/{number}"), dev.join(name))?;
    }
    Ok(())
}

fn attach(volume: &Prepared<'_>) -> io::Result<()> {
    let target = &volume.mount.target;
    if volume.directory {
        fs::create_dir_all(target)?;
    } else {
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        // A link (`/etc/resolv.conf` often is one) would lead the mount somewhere else.
        if fs::symlink_metadata(target).is_ok_and(|found| found.is_symlink()) {
            fs::remove_file(target)?;
        }
        if !target.exists() {
            fs::File::create(target)?;
        }
    }
    bind(&volume.source, target, volume.mount.read_only)
}

fn bind(source: &OwnedFd, target: &Path, read_only: bool) -> io::Result<()> {
    mount(
        Some(&proc_path(source)),
        target,
        NONE,
        MsFlags::MS_BIND | MsFlags::MS_REC,
        NONE,
    )?;
    if read_only {
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
        mount(NONE, target, NONE, flags, NONE)?;
    }
    Ok(())
}

//! Linux capabilities by name, and dropping those that a container may not have.

use std::io;

const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What containers have when they ask for nothing, as with containerd.
const DEFAULT: [&str; 14] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

fn number(name: &str) -> Result<u8, String> {
    let upper = name.to_ascii_uppercase();
    let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
    let position = NAMES.iter().position(|known| *known == short);
    position
        .map(|index| index as u8)
        .ok_or_else(|| format!("unknown capability {name:?}"))
}

/// The capabilities of a container, from `securityContext.capabilities`.
pub(crate) fn select(privileged: bool, add: &[String], drop: &[String]) -> Result<Vec<u8>, String> {
    let all = || (0..NAMES.len() as u8).collect::<Vec<u8>>();
    if privileged {
        return Ok(all());
    }
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let mut set = match (add.iter().any(is_all), drop.iter().any(is_all)) {
        (true, _) => all(),
        (false, true) => Vec::new(),
        (false, false) => DEFAULT
            .iter()
            .map(|name| number(name))
            .collect::<Result<_, _>>()?,
    };
    for name in drop.iter().filter(|name| !is_all(name)) {
        let number = number(name)?;
        set.retain(|kept| *kept != number);
    }
    for name in add.iter().filter(|name| !is_all(name)) {
        let number = number(name)?;
        if !set.contains(&number) {
            set.push(number);
        }
    }
    set.sort_unstable();
    Ok(set)
}

/// Takes everything but `keep` out of the calling thread's bounding set.
pub(super) fn bound(keep: &[u8]) -> io::Result<()> {
    for capability in 0..64_u8 {
        if keep.contains(&capability) {
            continue;
        }
        // SAFETY: a system call on numbers.
        let result = unsafe {
            libc::prctl(
                libc::PR_CAPBSET_DROP,
                libc::c_ulong::from(capability),
                0,
                0,
                0,
            )
        };
        if result != 0 {
            let error = io::Error::last_os_error();
            // EINVAL: beyond the last capability that this kernel knows.
            return if error.raw_os_error() == Some(libc::EINVAL) {
                Ok(())
            } else {
                Err(error)
            };
        }
    }
    Ok(())
}

/// Leaves the calling thread with exactly `keep`, effective and permitted.
pub(super) fn set(keep: &[u8]) -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let bits = keep.iter().fold(0_u64, |bits, number| bits | (1 << number));
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let data: [[u32; 3]; 2] = [[low, low, 0], [high, high, 0]];
    // SAFETY: both arguments have the layout that capset(2) documents for version 3.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(add: &[&str], drop: &[&str]) -> Vec<&'static str> {
        let owned = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let set = select(false, &owned(add), &owned(drop)).unwrap();
        set.into_iter()
            .map(|number| NAMES[number as usize])
            .collect()
    }

    #[test]
    fn dropping_all_leaves_what_is_added() {
        assert_eq!(
            names(&["NET_ADMIN", "CAP_NET_RAW"], &["ALL"]),
            ["NET_ADMIN", "NET_RAW"]
        );
        assert!(names(&["NET_ADMIN"], &[]).contains(&"NET_BIND_SERVICE"));
        assert!(!names(&[], &["KILL"]).contains(&"KILL"));
        assert!(
            select(false, &["FLY".into()], &[])
                .unwrap_err()
                .contains("FLY")
        );
    }
}

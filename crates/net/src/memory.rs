//! Memory that was needed once, given back to the system.
#![allow(unsafe_code)]

/// Gives free memory of all arenas back to the system. For after a burst: compiling a configuration or printing a dump
/// takes several times what stays, and glibc gives back only what lies at the end of its heap. Takes the lock of one
/// arena after the other, about a millisecond a 10 MB; never call it on a worker.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: no requirements; thread-safe (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Unmaps the pages of this program's own code that are resident, so that those which only started it are not held.
/// What is needed again is mapped from the page cache at its next use. Costs a few hundred minor faults; for once,
/// when a program has started.
///
/// Only code and what lies before it in the file: these pages are never written, so nothing is lost.
pub fn forget_startup_code() {
    #[cfg(target_os = "linux")]
    for (start, length) in own_code().unwrap_or_default() {
        // SAFETY: a private mapping of a file, without write permission from the start: its pages are the file's, and
        // are read from there again.
        unsafe {
            libc::madvise(
                std::ptr::without_provenance_mut(start),
                length,
                libc::MADV_DONTNEED,
            );
        }
    }
}

/// The read-only and executable mappings of this program up to its last code. What follows may have been written
/// before it was protected (`PT_GNU_RELRO`).
#[cfg(target_os = "linux")]
fn own_code() -> Option<Vec<(usize, usize)>> {
    let program = std::fs::read_link("/proc/self/exe").ok()?;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let mut found = Vec::new();
    let mut code = 0;
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, mode) = (words.next()?, words.next()?);
        if words.nth(3).map(std::path::Path::new) != Some(&program) || mode.contains('w') {
            continue;
        }
        let (start, end) = range.split_once('-')?;
        let start = usize::from_str_radix(start, 16).ok()?;
        found.push((start, usize::from_str_radix(end, 16).ok()? - start));
        if mode.contains('x') {
            code = found.len();
        }
    }
    found.truncate(code);
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_goes_on_without_its_startup_code() {
        #[cfg(target_os = "linux")]
        assert!(!own_code().unwrap().is_empty());
        forget_startup_code();
        give_back();
        assert_eq!(format!("{:?}", Some(1)), "Some(1)");
    }
}

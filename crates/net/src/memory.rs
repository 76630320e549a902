//! Memory that the allocator keeps for later, given back to the system.
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

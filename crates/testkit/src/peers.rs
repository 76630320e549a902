//! The real programs that tests run against: Envoy, curl, nginx, kubectl and their like.

use std::path::PathBuf;

/// Where a peer is: `bin/<name>` in `$FERROMESH_PEERS`, else in the user's cache, where `cargo xtask peers` puts
/// it; then `$PATH`. Without it the test should return early; what is skipped is printed.
///
/// # Panics
/// With `CI=true` a missing peer is a failure.
#[must_use]
pub fn peer(name: &str) -> Option<PathBuf> {
    let found = locate(name);
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "peer {name} is missing: run `cargo xtask peers`"
        );
        skipped(&format!("{name} is not installed; run `cargo xtask peers`"));
    }
    found
}

/// The directory of a peer that is no single program, such as a set of Python packages: in `$FERROMESH_PEERS`,
/// else in the user's cache, where `cargo xtask peers` puts it.
///
/// # Panics
/// With `CI=true` a missing peer is a failure.
#[must_use]
pub fn peer_directory(name: &str) -> Option<PathBuf> {
    let found = peers().map(|dir| dir.join(name));
    let found = found.filter(|dir| dir.is_dir());
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "peer {name} is missing: run `cargo xtask peers`"
        );
        skipped(&format!("{name} is not installed; run `cargo xtask peers`"));
    }
    found
}

/// Says that the running test checks nothing, and why; `cargo xtask test` lists it in its summary.
pub fn skipped(why: &str) {
    use std::io::Write;
    let thread = std::thread::current();
    let line = format!("{}: {why}", thread.name().unwrap_or("test"));
    println!("skipped: {line}");
    if let Some(path) = std::env::var_os("FERROMESH_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path);
        // A list that cannot be written must not fail the test.
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// Where `cargo xtask peers` puts them.
fn peers() -> Option<PathBuf> {
    let cache = || {
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        Some(cache.or(home)?.join("ferromesh/peers"))
    };
    std::env::var_os("FERROMESH_PEERS").map_or_else(cache, |dir| Some(dir.into()))
}

fn locate(name: &str) -> Option<PathBuf> {
    let own = peers().map(|dir| dir.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(std::env::split_paths(&path))
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_on_the_path() {
        assert!(locate("sh").is_some());
        assert!(locate("no-such-program-anywhere").is_none());
    }
}

//! Finds the files of the crate `envoy-types` as Cargo resolved it: in a registry, vendored, or patched.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The serialised `FileDescriptorSet` that `envoy-types` ships beside the code generated from it.
pub(crate) fn descriptor_set() -> PathBuf {
    let manifest_dir =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    // The sources are there already, since this crate depends on them: the network is the last resort.
    let attempts: [&[&str]; 3] = [&["--offline", "--locked"], &["--offline"], &[]];
    let mut errors = Vec::new();
    for flags in attempts {
        match envoy_types(&manifest_dir, flags) {
            Ok(dir) => return dir.join("src/generated/types.bin"),
            Err(error) => errors.push(error),
        }
    }
    panic!(
        "cannot find the crate envoy-types through `cargo metadata`:\n{}",
        errors.join("\n")
    );
}

fn envoy_types(manifest_dir: &Path, flags: &[&str]) -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--manifest-path"])
        .arg(manifest_dir.join("Cargo.toml"))
        .args(flags)
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("the metadata list no packages")?;
    let manifest = packages
        .iter()
        .find(|package| package["name"] == "envoy-types")
        .and_then(|package| package["manifest_path"].as_str())
        .ok_or("envoy-types is not among the packages")?;
    let dir = Path::new(manifest)
        .parent()
        .ok_or("its manifest has no directory")?;
    Ok(dir.to_owned())
}

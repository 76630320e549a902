//! Finds the files of the crate `envoy-types` as Cargo resolved it: in a registry, vendored, or patched.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The serialised `FileDescriptorSet` that `envoy-types` ships beside the code generated from it.
pub(crate) fn descriptor_set() -> PathBuf {
    let manifest_dir =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let target = env::var("TARGET").expect("cargo sets TARGET");
    // The sources are there already, since this crate depends on them: the network is the last resort. Offline,
    // `cargo metadata` fails when crates that this build does not need were never downloaded.
    let offline = ["--offline", "--locked", "--filter-platform", &target];
    let found = envoy_types(&manifest_dir, &offline)
        .or_else(|error| from_registry(&manifest_dir).ok_or(error))
        .or_else(|error| {
            envoy_types(&manifest_dir, &[]).map_err(|other| format!("{error}\n{other}"))
        });
    match found {
        Ok(dir) => dir.join("src/generated/types.bin"),
        Err(error) => {
            panic!("cannot find the crate envoy-types through `cargo metadata`:\n{error}")
        }
    }
}

/// The directory to which Cargo unpacked the version that the lock file names.
fn from_registry(manifest_dir: &Path) -> Option<PathBuf> {
    let lock = manifest_dir
        .ancestors()
        .map(|dir| dir.join("Cargo.lock"))
        .find(|path| path.is_file())?;
    let lock = fs::read_to_string(lock).ok()?;
    let (_, after) = lock.split_once("name = \"envoy-types\"\nversion = \"")?;
    let (version, _) = after.split_once('"')?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    let unpacked = registries
        .flatten()
        .map(|registry| registry.path().join(format!("envoy-types-{version}")));
    unpacked.into_iter().find(|dir| dir.is_dir())
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

//! Cuts from the descriptors of Envoy's API what this crate embeds: a pruned descriptor set, the whole set when
//! asked for, the table of fields that are sensitive, and the table for canonical encoding.
//!
//! The descriptors are the set that the crate `envoy-types` was generated from and ships, so that messages and
//! descriptors cannot disagree, and no protobuf compiler is needed.

mod descriptors;
mod locate;
mod tables;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;
use prost_types::FileDescriptorSet;

fn main() {
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=src/json/roots.txt");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let source = locate::descriptor_set();
    println!("cargo:rerun-if-changed={}", source.display());
    let bytes = fs::read(&source)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", source.display()));
    let write = |name: &str, content: &[u8]| {
        let path = out.join(name);
        fs::write(&path, content)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    };

    let set = FileDescriptorSet::decode(&bytes[..]).expect("envoy-types ships a descriptor set");
    let roots: BTreeSet<String> = include_str!("../src/json/roots.txt")
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|name| format!(".{name}"))
        .collect();
    let pruned = descriptors::prune(&set, &roots);
    write("pruned.bin", &pruned.encode_to_vec());
    if env::var_os("CARGO_FEATURE_FULL_DESCRIPTORS").is_some() {
        write("full.bin", &descriptors::strip(set).encode_to_vec());
    }
    write("canonical.rs", tables::canonical(&pruned).as_bytes());
    write("sensitive.rs", tables::sensitive(&bytes).as_bytes());
}

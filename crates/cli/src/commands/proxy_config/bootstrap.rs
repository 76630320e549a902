//! What a proxy was started with.

use serde_json::Value;

use super::dump::{Dump, text};
use super::form::Form;
use super::{From, Output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) from: From,
    /// Versions, or what the proxy has.
    #[arg(short, long, value_enum, default_value_t = Output::Json)]
    pub(super) output: Output,
}

pub(super) fn show(dump: &Dump, form: Form) -> anyhow::Result<String> {
    let section = dump.section("BootstrapConfigDump")?;
    if !form.is_table() {
        return form.message("envoy.admin.v3.BootstrapConfigDump", section);
    }
    let node = &section["bootstrap"]["node"];
    let sha = text(node, "/metadata/ISTIO_PROXY_SHA");
    let sha = sha.split_once(':').map_or(sha, |(_, sha)| sha);
    let lines = [
        (
            "Istio Version:",
            text(node, "/metadata/ISTIO_VERSION").to_owned(),
        ),
        ("Istio Proxy Version:", sha.to_owned()),
        ("Envoy Version:", version(&node["user_agent_build_version"])),
    ];
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    let width = lines
        .iter()
        .map(|(title, _)| title.len())
        .max()
        .unwrap_or(0)
        + 1;
    Ok(lines
        .iter()
        .map(|(title, value)| format!("{title:width$}{value}\n"))
        .collect())
}

/// `1.40.0-label/status/type/library`
fn version(build: &Value) -> String {
    let part = |field: &str| build["version"][field].as_u64().unwrap_or(0);
    let mut out = format!(
        "{}.{}.{}",
        part("major_number"),
        part("minor_number"),
        part("patch")
    );
    for (field, before) in [
        ("build.label", '-'),
        ("revision.status", '/'),
        ("build.type", '/'),
        ("ssl.version", '/'),
    ] {
        if let Some(value) = build["metadata"][field].as_str() {
            out.push(before);
            out.push_str(value);
        }
    }
    out
}

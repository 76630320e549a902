//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a pod.

use std::fmt::Write;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;

use k8s_openapi::api::core::v1::PodSpec;

use crate::facts::Facts;

/// The cluster's resolver and domain.
#[derive(Debug, Clone)]
pub(crate) struct ClusterDns {
    pub(crate) server: Ipv4Addr,
    pub(crate) domain: String,
}

/// Writes the three files below the pod's directory.
pub(crate) fn write(
    directory: &Path,
    facts: &Facts,
    spec: &PodSpec,
    dns: &ClusterDns,
) -> io::Result<()> {
    let etc = directory.join("etc");
    fs::create_dir_all(&etc)?;
    fs::write(etc.join("hostname"), format!("{}\n", facts.hostname()))?;
    fs::write(etc.join("hosts"), hosts(facts, spec, dns))?;
    fs::write(
        etc.join("resolv.conf"),
        resolv_conf(facts.namespace(), spec, dns),
    )
}

fn hosts(facts: &Facts, spec: &PodSpec, dns: &ClusterDns) -> String {
    let mut text = String::from(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    );
    let hostname = facts.hostname();
    let full = spec
        .subdomain
        .as_deref()
        .filter(|subdomain| !subdomain.is_empty());
    let full = full.map(|subdomain| {
        format!(
            "{hostname}.{subdomain}.{}.svc.{}\t",
            facts.namespace(),
            dns.domain
        )
    });
    let _ = writeln!(
        text,
        "{}\t{}{hostname}",
        facts.pod_ip,
        full.unwrap_or_default()
    );
    for alias in spec.host_aliases.iter().flatten() {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        let _ = writeln!(text, "{}\t{names}", alias.ip);
    }
    text
}

fn resolv_conf(namespace: &str, spec: &PodSpec, dns: &ClusterDns) -> String {
    let own = spec.dns_config.as_ref();
    let mut servers = Vec::new();
    let mut search = Vec::new();
    let mut options = Vec::new();
    // `Default` would mean the host's resolver, which the closed namespace does not reach; the
    // cluster's forwards to it.
    if spec.dns_policy.as_deref() != Some("None") {
        servers.push(dns.server.to_string());
        let domain = &dns.domain;
        search.extend([
            format!("{namespace}.svc.{domain}"),
            format!("svc.{domain}"),
            domain.clone(),
        ]);
        options.push("ndots:5".to_owned());
    }
    servers.extend(
        own.and_then(|own| own.nameservers.clone())
            .unwrap_or_default(),
    );
    for name in own.and_then(|own| own.searches.clone()).unwrap_or_default() {
        if !search.contains(&name) {
            search.push(name);
        }
    }
    for option in own
        .and_then(|own| own.options.as_ref())
        .into_iter()
        .flatten()
    {
        let name = option.name.clone().unwrap_or_default();
        options.retain(|existing| existing.split(':').next() != Some(name.as_str()));
        options.push(
            option
                .value
                .as_ref()
                .map_or(name.clone(), |value| format!("{name}:{value}")),
        );
    }
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !search.is_empty() {
        let _ = writeln!(text, "search {}", search.join(" "));
    }
    if !options.is_empty() {
        let _ = writeln!(text, "options {}", options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conf(spec: serde_json::Value) -> String {
        let dns = ClusterDns {
            server: [10, 96, 0, 10].into(),
            domain: "cluster.local".into(),
        };
        let mut spec = spec;
        spec["containers"] = serde_json::json!([]);
        resolv_conf("shop", &serde_json::from_value(spec).unwrap(), &dns)
    }

    #[test]
    fn cluster_first_searches_the_namespace() {
        assert_eq!(
            conf(serde_json::json!({})),
            "nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
        );
    }

    #[test]
    fn dns_config_replaces_and_adds() {
        let spec = serde_json::json!({
            "dnsPolicy": "None",
            "dnsConfig": { "nameservers": ["1.1.1.1"], "options": [{ "name": "ndots", "value": "2" }] },
        });
        assert_eq!(conf(spec), "nameserver 1.1.1.1\noptions ndots:2\n");
    }
}

//! The pod annotations that shape injection (`istio.io/api/annotation`).

use serde_json::Value;

/// An annotation whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("annotation {name}: {value:?} is not {expected}")]
pub struct BadAnnotation {
    pub name: String,
    pub value: String,
    pub expected: &'static str,
}

/// What the annotations say, with Istio's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotations {
    pub include_inbound_ports: String,
    pub exclude_inbound_ports: String,
    pub include_outbound_cidrs: String,
    pub exclude_outbound_cidrs: String,
    pub include_outbound_ports: String,
    pub exclude_outbound_ports: String,
    pub rewrite_probes: bool,
    pub native_sidecar: Option<bool>,
    pub log_level: Option<String>,
    pub cpu: [Option<String>; 2],
    pub memory: [Option<String>; 2],
    /// `proxy.istio.io/config`, verbatim.
    pub proxy_config: Option<String>,
    pub warnings: Vec<String>,
}

/// Prefixes whose unknown members are worth a warning: a typo there is silently without effect in Istio.
const OURS: [&str; 3] = [
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "proxy.istio.io/",
];
const READ: [&str; 19] = [
    "sidecar.istio.io/inject",
    "sidecar.istio.io/status",
    "sidecar.istio.io/rewriteAppHTTPProbers",
    "sidecar.istio.io/nativeSidecar",
    "sidecar.istio.io/logLevel",
    "sidecar.istio.io/proxyCPU",
    "sidecar.istio.io/proxyCPULimit",
    "sidecar.istio.io/proxyMemory",
    "sidecar.istio.io/proxyMemoryLimit",
    "sidecar.istio.io/interceptionMode",
    "sidecar.istio.io/proxyImage",
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
    "traffic.sidecar.istio.io/includeOutboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "proxy.istio.io/config",
    "proxy.istio.io/overrides",
];

impl Annotations {
    /// Reads a pod's annotations.
    pub fn read(pod: &Value) -> Result<Self, BadAnnotation> {
        let map = pod["metadata"]["annotations"].as_object();
        let get = |name: &str| map.and_then(|map| map.get(name)).and_then(Value::as_str);
        let owned = |name: &str| get(name).map(str::to_owned);
        let ports = |name: &str, default: &str| ports(name, get(name).unwrap_or(default));
        let cidrs = |name: &str, default: &str| cidrs(name, get(name).unwrap_or(default));
        if let Some(mode) =
            get("sidecar.istio.io/interceptionMode").filter(|mode| *mode != "REDIRECT")
        {
            return Err(BadAnnotation {
                name: "sidecar.istio.io/interceptionMode".into(),
                value: mode.into(),
                expected: "REDIRECT, the only mode that ferromesh honours",
            });
        }
        Ok(Self {
            include_inbound_ports: ports("traffic.sidecar.istio.io/includeInboundPorts", "*")?,
            exclude_inbound_ports: ports("traffic.sidecar.istio.io/excludeInboundPorts", "")?,
            include_outbound_cidrs: cidrs("traffic.sidecar.istio.io/includeOutboundIPRanges", "*")?,
            exclude_outbound_cidrs: cidrs("traffic.sidecar.istio.io/excludeOutboundIPRanges", "")?,
            include_outbound_ports: ports("traffic.sidecar.istio.io/includeOutboundPorts", "")?,
            exclude_outbound_ports: ports("traffic.sidecar.istio.io/excludeOutboundPorts", "")?,
            rewrite_probes: boolean(
                "sidecar.istio.io/rewriteAppHTTPProbers",
                get("sidecar.istio.io/rewriteAppHTTPProbers"),
            )?
            .unwrap_or(true),
            native_sidecar: boolean(
                "sidecar.istio.io/nativeSidecar",
                get("sidecar.istio.io/nativeSidecar"),
            )?,
            log_level: owned("sidecar.istio.io/logLevel"),
            cpu: [
                owned("sidecar.istio.io/proxyCPU"),
                owned("sidecar.istio.io/proxyCPULimit"),
            ],
            memory: [
                owned("sidecar.istio.io/proxyMemory"),
                owned("sidecar.istio.io/proxyMemoryLimit"),
            ],
            proxy_config: owned("proxy.istio.io/config"),
            warnings: map
                .into_iter()
                .flat_map(|map| map.keys())
                .filter(|key| {
                    OURS.iter().any(|p| key.starts_with(p)) && !READ.contains(&key.as_str())
                })
                .map(|key| format!("annotation {key} has no effect in ferromesh"))
                .collect(),
        })
    }
}

fn boolean(name: &str, value: Option<&str>) -> Result<Option<bool>, BadAnnotation> {
    value
        .map(|value| match value {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(BadAnnotation {
                name: name.into(),
                value: value.into(),
                expected: "\"true\" or \"false\"",
            }),
        })
        .transpose()
}

fn ports(name: &str, value: &str) -> Result<String, BadAnnotation> {
    let good = value == "*"
        || value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .all(|part| part.parse::<u16>().is_ok_and(|port| port != 0));
    if good {
        Ok(value.replace(' ', ""))
    } else {
        Err(BadAnnotation {
            name: name.into(),
            value: value.into(),
            expected: "a comma-separated list of ports (1-65535) or \"*\"",
        })
    }
}

fn cidrs(name: &str, value: &str) -> Result<String, BadAnnotation> {
    let good = value == "*"
        || value
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .all(|part| parse_cidr(part).is_some());
    if good {
        Ok(value.replace(' ', ""))
    } else {
        Err(BadAnnotation {
            name: name.into(),
            value: value.into(),
            expected: "a comma-separated list of CIDR blocks (10.0.0.0/8) or \"*\"",
        })
    }
}

/// `10.0.0.0/8` or a single address.
pub(crate) fn parse_cidr(text: &str) -> Option<(std::net::Ipv4Addr, u8)> {
    let (ip, prefix) = text.split_once('/').unwrap_or((text, "32"));
    let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
    Some((ip.parse().ok()?, prefix))
}

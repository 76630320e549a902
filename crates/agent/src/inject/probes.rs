//! Application probes. The kubelet has no mesh identity, so under STRICT its probes would be refused;
//! they are sent to the agent on 15020 instead, which asks the application inside the pod
//! (Istio `rewriteAppHTTPProbers`, `ISTIO_KUBE_APP_PROBERS`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Path on the agent → what to ask the application.
pub type Probes = BTreeMap<String, AppProbe>;

/// One probe as the application's author wrote it, with the port resolved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppProbe {
    HttpGet {
        path: String,
        port: u16,
        scheme: String,
        headers: Vec<(String, String)>,
        timeout_seconds: u64,
    },
    TcpSocket {
        port: u16,
        timeout_seconds: u64,
    },
    Grpc {
        port: u16,
        service: String,
        timeout_seconds: u64,
    },
}

const KINDS: [(&str, &str); 3] = [
    ("readinessProbe", "readyz"),
    ("livenessProbe", "livez"),
    ("startupProbe", "startupz"),
];

/// Rewrites the probes of `pod`'s containers in place and returns what the agent must serve.
#[must_use]
pub fn app_probes(pod: &mut Value) -> Probes {
    let mut probes = Probes::new();
    for list in ["containers", "initContainers"] {
        let Some(containers) = pod["spec"][list].as_array_mut() else {
            continue;
        };
        for container in containers.iter_mut() {
            rewrite(container, &mut probes);
        }
    }
    probes
}

fn rewrite(container: &mut Value, probes: &mut Probes) {
    let Some(name) = container["name"].as_str().map(str::to_owned) else {
        return;
    };
    let ports = container["ports"].clone();
    for (kind, suffix) in KINDS {
        let Some(original) = container.get(kind).and_then(|probe| read(probe, &ports)) else {
            continue;
        };
        let path = format!("/app-health/{name}/{suffix}");
        probes.insert(path.clone(), original);
        if let Some(probe) = container[kind].as_object_mut() {
            probe.remove("tcpSocket");
            probe.remove("grpc");
            probe.insert(
                "httpGet".into(),
                json!({"path": path, "port": 15020, "scheme": "HTTP"}),
            );
        }
    }
}

fn read(probe: &Value, ports: &Value) -> Option<AppProbe> {
    let timeout_seconds = probe["timeoutSeconds"].as_u64().unwrap_or(1);
    if let Some(get) = probe.get("httpGet") {
        // A probe of another host does not ask this application.
        if get.get("host").is_some_and(|host| host != "") {
            return None;
        }
        return Some(AppProbe::HttpGet {
            path: get["path"].as_str().unwrap_or("/").to_owned(),
            port: resolve(&get["port"], ports)?,
            scheme: get["scheme"].as_str().unwrap_or("HTTP").to_owned(),
            headers: get["httpHeaders"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|h| Some((h["name"].as_str()?.into(), h["value"].as_str()?.into())))
                .collect(),
            timeout_seconds,
        });
    }
    if let Some(tcp) = probe.get("tcpSocket") {
        return Some(AppProbe::TcpSocket {
            port: resolve(&tcp["port"], ports)?,
            timeout_seconds,
        });
    }
    let grpc = probe.get("grpc")?;
    Some(AppProbe::Grpc {
        port: resolve(&grpc["port"], ports)?,
        service: grpc["service"].as_str().unwrap_or_default().to_owned(),
        timeout_seconds,
    })
}

fn resolve(port: &Value, ports: &Value) -> Option<u16> {
    if let Some(number) = port.as_u64() {
        return u16::try_from(number).ok();
    }
    let name = port.as_str()?;
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    ports
        .as_array()?
        .iter()
        .find(|p| p["name"] == name)
        .and_then(|p| u16::try_from(p["containerPort"].as_u64()?).ok())
}

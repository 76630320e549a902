//! The ports of a service as one of its pods has them.

use serde_json::{Value, json};

use crate::object::items;

/// A port of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndpointPort {
    pub(crate) name: String,
    pub(crate) protocol: String,
    pub(crate) port: i64,
    pub(crate) app_protocol: Option<String>,
}

impl EndpointPort {
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({ "name": self.name, "protocol": self.protocol, "port": self.port });
        if let Some(protocol) = &self.app_protocol {
            value["appProtocol"] = protocol.as_str().into();
        }
        value
    }
}

/// The ports that resolve; a named target port which the pod does not declare is left out, as in
/// Kubernetes.
pub(crate) fn resolve(service: &Value, pod: &Value) -> Vec<EndpointPort> {
    let mut ports: Vec<EndpointPort> = items(&service["spec"]["ports"])
        .iter()
        .filter_map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            Some(EndpointPort {
                name: port["name"].as_str().unwrap_or_default().into(),
                protocol: protocol.into(),
                port: target(port, protocol, pod)?,
                app_protocol: port["appProtocol"].as_str().map(Into::into),
            })
        })
        .collect();
    ports.sort_unstable();
    ports
}

fn target(port: &Value, protocol: &str, pod: &Value) -> Option<i64> {
    match &port["targetPort"] {
        Value::String(name) => declared(pod, name, protocol),
        // Absent or 0: the service's own port.
        number => number
            .as_i64()
            .filter(|n| *n != 0)
            .or(port["port"].as_i64()),
    }
}

fn declared(pod: &Value, name: &str, protocol: &str) -> Option<i64> {
    let sidecars = items(&pod["spec"]["initContainers"])
        .iter()
        .filter(|container| container["restartPolicy"] == "Always");
    items(&pod["spec"]["containers"])
        .iter()
        .chain(sidecars)
        .flat_map(|container| items(&container["ports"]))
        .find(|port| port["name"] == name && port["protocol"].as_str().unwrap_or("TCP") == protocol)
        .and_then(|port| port["containerPort"].as_i64())
}

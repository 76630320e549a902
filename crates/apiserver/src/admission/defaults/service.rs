//! Services. Addresses and node ports are allocated elsewhere.

use serde_json::{Value, json};

use super::{each, object_mut, set};

pub(super) fn service(object: &mut Value) {
    let Some(spec) = object_mut(object, "spec") else {
        return;
    };
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", json!({}));
        set(&mut spec["sessionAffinityConfig"], "clientIP", json!({}));
        set(
            &mut spec["sessionAffinityConfig"]["clientIP"],
            "timeoutSeconds",
            10800,
        );
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    for port in each(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port["port"].clone();
        if kind != "ExternalName" {
            if matches!(port["targetPort"], Value::String(ref s) if s.is_empty())
                || port["targetPort"] == 0
            {
                port["targetPort"] = Value::Null;
            }
            set(port, "targetPort", number);
        }
    }
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", "Cluster");
        set(spec, "ipFamilyPolicy", "SingleStack");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        set(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", true);
    }
    set(object, "status", json!({"loadBalancer": {}}));
}

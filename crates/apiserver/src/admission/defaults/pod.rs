//! Pods and pod templates.

use serde_json::{Value, json};

use super::{each, object_mut, set};

const FILE_MODE: i64 = 0o644;

pub(super) fn pod(object: &mut Value) {
    if let Some(spec) = object_mut(object, "spec") {
        self::spec(spec);
        set(spec, "enableServiceLinks", true);
        set(spec, "priority", 0);
        set(spec, "preemptionPolicy", "PreemptLowerPriority");
        for container in each(spec, "containers") {
            requests_from_limits(container);
        }
        for container in each(spec, "initContainers") {
            requests_from_limits(container);
        }
    }
    set(object, "status", json!({}));
    set(&mut object["status"], "phase", "Pending");
    let class = qos_class(&object["spec"]);
    set(&mut object["status"], "qosClass", class);
}

fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else {
        return;
    };
    set(&mut container["resources"], "requests", json!({}));
    for (name, amount) in limits {
        set(&mut container["resources"]["requests"], &name, amount);
    }
}

fn qos_class(spec: &Value) -> &'static str {
    let containers = || {
        ["containers", "initContainers"]
            .iter()
            .flat_map(|f| spec[*f].as_array().into_iter().flatten())
    };
    let amounts = |c: &Value, which: &str| {
        c["resources"][which]
            .as_object()
            .cloned()
            .unwrap_or_default()
    };
    if containers().all(|c| amounts(c, "limits").is_empty() && amounts(c, "requests").is_empty()) {
        return "BestEffort";
    }
    let guaranteed = containers().all(|c| {
        let (limits, requests) = (amounts(c, "limits"), amounts(c, "requests"));
        ["cpu", "memory"]
            .iter()
            .all(|r| limits.contains_key(*r) && limits.get(*r) == requests.get(*r))
    });
    if guaranteed {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

/// The fields that pods and templates share.
pub(super) fn spec(spec: &mut Value) {
    set(spec, "restartPolicy", "Always");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "securityContext", json!({}));
    set(spec, "schedulerName", "default-scheduler");
    if let Some(account) = spec["serviceAccountName"]
        .as_str()
        .or_else(|| spec["serviceAccount"].as_str())
        .map(str::to_owned)
    {
        spec["serviceAccountName"] = account.clone().into();
        spec["serviceAccount"] = account.into();
    }
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        for one in each(spec, field) {
            container(one);
        }
    }
    for one in each(spec, "volumes") {
        volume(one);
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    let floating = !image.contains('@') && (name.ends_with(":latest") || !name.contains(':'));
    set(
        container,
        "imagePullPolicy",
        if floating { "Always" } else { "IfNotPresent" },
    );
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", json!({}));
    for port in each(container, "ports") {
        set(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(field) =
            object_mut(variable, "valueFrom").and_then(|from| object_mut(from, "fieldRef"))
        {
            set(field, "apiVersion", "v1");
        }
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = object_mut(container, field) {
            for (name, value) in [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ] {
                set(probe, name, value);
            }
            handler(probe);
            if let Some(grpc) = object_mut(probe, "grpc") {
                set(grpc, "service", "");
            }
        }
    }
    if let Some(lifecycle) = object_mut(container, "lifecycle") {
        for field in ["postStart", "preStop"] {
            if let Some(hook) = object_mut(lifecycle, field) {
                handler(hook);
            }
        }
    }
}

fn handler(handler: &mut Value) {
    if let Some(get) = object_mut(handler, "httpGet") {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    }
}

fn downward_items(source: &mut Value) {
    for item in each(source, "items") {
        if let Some(field) = object_mut(item, "fieldRef") {
            set(field, "apiVersion", "v1");
        }
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume
        .as_object()
        .is_some_and(|map| map.keys().any(|key| key != "name"));
    if !has_source {
        set(volume, "emptyDir", json!({}));
    }
    for field in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = object_mut(volume, field) {
            set(source, "defaultMode", FILE_MODE);
            downward_items(source);
        }
    }
    if let Some(source) = object_mut(volume, "hostPath") {
        set(source, "type", "");
    }
    if let Some(projected) = object_mut(volume, "projected") {
        for source in each(projected, "sources") {
            if let Some(token) = object_mut(source, "serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = object_mut(source, "downwardAPI") {
                downward_items(downward);
            }
        }
    }
}

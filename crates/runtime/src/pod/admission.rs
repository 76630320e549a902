//! What a pod may ask for on a cluster and cannot have on one machine. It is refused by name.
//!
//! Without effect by design, because there is one node and no scheduler, image or kernel profile to
//! choose: affinity, tolerations, topology spread, priority, `imagePullPolicy`, `imagePullSecrets`, CPU
//! requests and limits, `seccompProfile: RuntimeDefault`, AppArmor and SELinux options.

use serde_json::Value;

use crate::volume;
use k8s_openapi::api::core::v1::PodSpec;

/// When a field is refused.
#[derive(Debug, Clone, Copy)]
enum When {
    Set,
    True,
    False,
    Is(&'static str),
    IsNot(&'static str),
}

type Rule = (&'static str, When, &'static str);

const POD: &[Rule] = &[
    ("hostPID", When::True, "remove it"),
    ("hostUsers", When::False, "remove it"),
    ("shareProcessNamespace", When::True, "remove it"),
    (
        "setHostnameAsFQDN",
        When::True,
        "use hostname and subdomain",
    ),
    ("runtimeClassName", When::Set, "remove it"),
    ("resourceClaims", When::Set, "remove them"),
    ("resources", When::Set, "set the containers' resources"),
    ("ephemeralContainers", When::Set, "use kubectl exec"),
    ("os.name", When::IsNot("linux"), "this is Linux"),
    ("securityContext.sysctls", When::Set, "remove them"),
    (
        "securityContext.seccompProfile.type",
        When::Is("Localhost"),
        "use RuntimeDefault",
    ),
];

const CONTAINER: &[Rule] = &[
    ("volumeDevices", When::Set, "use volumeMounts"),
    ("restartPolicyRules", When::Set, "use restartPolicy"),
    (
        "lifecycle.stopSignal",
        When::IsNot("SIGTERM"),
        "handle SIGTERM",
    ),
    ("resources.claims", When::Set, "remove them"),
    (
        "securityContext.procMount",
        When::IsNot("Default"),
        "remove it",
    ),
    (
        "securityContext.seccompProfile.type",
        When::Is("Localhost"),
        "use RuntimeDefault",
    ),
    (
        "volumeMounts.*.mountPropagation",
        When::IsNot("None"),
        "remove it",
    ),
    (
        "volumeMounts.*.recursiveReadOnly",
        When::IsNot("Disabled"),
        "use readOnly",
    ),
    ("volumeMounts.*.bindMountOptions", When::Set, "remove them"),
    (
        "env.*.valueFrom.fileKeyRef",
        When::Set,
        "use a ConfigMap or Secret",
    ),
];

const HOST_PORT: Rule = (
    "ports.*.hostPort",
    When::Set,
    "use a Service behind the gateway",
);

impl When {
    fn applies(self, value: &Value) -> bool {
        let empty = match value {
            Value::Null => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            Value::Number(number) => number.as_i64() == Some(0),
            Value::Bool(_) | Value::String(_) => false,
        };
        match self {
            Self::Set => !empty,
            Self::True => *value == true,
            Self::False => *value == false,
            Self::Is(text) => *value == text,
            Self::IsNot(text) => !empty && *value != text,
        }
    }
}

/// The values at a path, of which `*` stands for every element of a list.
fn select<'a>(value: &'a Value, path: &str) -> Vec<&'a Value> {
    path.split('.')
        .fold(vec![value], |values, part| match part {
            "*" => values
                .into_iter()
                .flat_map(|value| value.as_array().into_iter().flatten())
                .collect(),
            name => values.into_iter().map(|value| &value[name]).collect(),
        })
}

fn check(value: &Value, place: &str, rules: &[Rule], found: &mut Vec<String>) {
    for (path, when, remedy) in rules {
        if select(value, path)
            .into_iter()
            .any(|value| when.applies(value))
        {
            let field = path.replace(".*", "[]");
            found.push(format!(
                "{place}.{field} is not supported on one machine; {remedy}"
            ));
        }
    }
}

/// What keeps the pod from running here. Empty when nothing does.
pub(crate) fn unsupported(object: &Value, spec: &PodSpec) -> Vec<String> {
    let mut found = Vec::new();
    let raw = &object["spec"];
    check(raw, "spec", POD, &mut found);
    for list in ["initContainers", "containers"] {
        for container in raw[list].as_array().into_iter().flatten() {
            let name = container["name"].as_str().unwrap_or_default();
            let place = format!("spec.{list}[{name}]");
            check(container, &place, CONTAINER, &mut found);
            if raw["hostNetwork"] != true {
                check(container, &place, &[HOST_PORT], &mut found);
            }
        }
    }
    let volumes = spec.volumes.iter().flatten();
    found.extend(volumes.filter_map(|volume| volume::origin(volume).err()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(spec: Value) -> Vec<String> {
        let mut spec = spec;
        if spec["containers"].is_null() {
            spec["containers"] = json!([{ "name": "a" }]);
        }
        let typed = serde_json::from_value(spec.clone()).unwrap();
        unsupported(&json!({ "spec": spec }), &typed)
    }

    #[test]
    fn what_cannot_be_had_is_named_with_its_field() {
        for (spec, expected) in [
            (json!({ "hostPID": true }), "spec.hostPID"),
            (
                json!({ "containers": [{ "name": "a", "ports": [{ "containerPort": 1, "hostPort": 80 }] }] }),
                "spec.containers[a].ports[].hostPort",
            ),
            (
                json!({ "volumes": [{ "name": "v", "nfs": { "path": "/", "server": "x" } }] }),
                "nfs",
            ),
            (
                json!({ "volumes": [{ "name": "v", "projected": { "sources": [{ "clusterTrustBundle": { "path": "x" } }] } }] }),
                "clusterTrustBundle",
            ),
        ] {
            let found = refused(spec);
            assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn ordinary_pods_are_not_refused() {
        let spec = json!({
            "hostPID": false, "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } }, "os": { "name": "linux" },
            "containers": [{
                "name": "a", "ports": [{ "containerPort": 1 }],
                "volumeMounts": [{ "name": "v", "mountPath": "/v", "mountPropagation": "None" }],
            }],
            "volumes": [{ "name": "v", "emptyDir": {} }],
        });
        assert_eq!(refused(spec), Vec::<String>::new());
    }
}

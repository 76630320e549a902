//! Pods whose sidecar is not the one that the injector would give them now.

use std::collections::BTreeMap;

use super::{Code, Report, Rule};
use crate::facts::fields::{Fields, selects};
use crate::facts::{Facts, Kind, Resource, Workload};
use crate::finding::Level;

pub(super) const RULE: Rule = Rule {
    name: "proxy_image",
    analyzer: "injection.ImageAnalyzer",
    summary: "Checks that running sidecars have the injector's image",
    codes: &[Code {
        id: "IST0158",
        level: Level::Warning,
        name: "PodsIstioProxyImageMismatchInNamespace",
        meaning: "The pods still run the sidecar of an earlier version; an upgrade reaches pods when they are created.",
        remedy: "kubectl rollout restart deployment -n NAMESPACE",
        verify: "istioctl proxy-status",
    }],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let mut images: BTreeMap<&str, String> = BTreeMap::new();
    for map in facts.all(Kind::ConfigMap) {
        if map.name.starts_with("istio-sidecar-injector") {
            images.insert(&map.name, image(map));
        }
    }
    if images.is_empty() {
        return;
    }
    for namespace in facts.all(Kind::Namespace) {
        let map = match namespace.label("istio.io/rev") {
            Some("" | "default") => "istio-sidecar-injector".to_owned(),
            Some(revision) => format!("istio-sidecar-injector-{revision}"),
            None if namespace.label("istio-injection") == Some("enabled") => {
                "istio-sidecar-injector".to_owned()
            }
            None => continue,
        };
        let Some(image) = images.get(map.as_str()) else {
            continue;
        };
        let mut old: Vec<&str> = facts
            .within(Kind::Pod, &namespace.name)
            .filter(|pod| differs(facts, pod, image))
            .map(|pod| &*pod.name)
            .collect();
        old.sort_unstable();
        if !old.is_empty() {
            let message = format!(
                "The Istio proxy images of the pods running in the namespace do not match the image defined in the \
                 injection configuration (pod names: [{}]). This often happens after upgrading the Istio control-plane \
                 and can be fixed by redeploying the pods.",
                old.join(" ")
            );
            report.find("IST0158", namespace, "", message).command(
                format!("kubectl rollout restart deployment -n {}", namespace.name),
                "restarts every pod of the namespace",
            );
        }
    }
}

fn differs(facts: &Facts, pod: &Resource, image: &str) -> bool {
    let custom = pod.annotation("sidecar.istio.io/proxyImage");
    if custom.is_some_and(|image| !image.is_empty()) {
        return false;
    }
    let variant = format!("{image}-{}", variant(facts, pod));
    Workload::of(pod).is_some_and(|workload| {
        workload.containers().any(|container| {
            let used = container.text("image");
            container.text("name") == "istio-proxy" && used != image && used != variant
        })
    })
}

fn image(map: &Resource) -> String {
    let values = map.node.get("data").map_or("", |data| data.text("values"));
    let values: serde_json::Value = serde_json::from_str(values).unwrap_or_default();
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    let global = &values["global"];
    let name = text(&global["proxy"]["image"]);
    if name.contains('/') {
        name
    } else {
        format!("{}/{name}:{}", text(&global["hub"]), text(&global["tag"]))
    }
}

/// The image's variant that MeshConfig, ProxyConfigs and the pod's annotation ask for.
fn variant(facts: &Facts, pod: &Resource) -> String {
    let read = |node: Option<&api::parse::Node>| {
        node.and_then(|node| node.get("image"))
            .map(|image| image.text("imageType"))
            .filter(|variant| !variant.is_empty())
            .map(str::to_owned)
    };
    let mut variant = read(facts.mesh.config().get("defaultConfig"));
    let configs = facts
        .within(Kind::ProxyConfig, facts.mesh.root_namespace())
        .chain(facts.within(Kind::ProxyConfig, &pod.namespace));
    let (chosen, general): (Vec<&Resource>, Vec<&Resource>) =
        configs.partition(|config| config.spec().has("selector"));
    for config in general.into_iter().chain(chosen) {
        let labels = config
            .spec()
            .get("selector")
            .map_or(&[][..], |selector| selector.map("matchLabels"));
        if selects(labels, pod.labels()) {
            variant = read(config.node.get("spec")).or(variant);
        }
    }
    if let Some(text) = pod.annotation("proxy.istio.io/config")
        && let Ok(nodes) = api::parse::documents(text, "")
    {
        variant = read(nodes.first()).or(variant);
    }
    variant.filter(|variant| variant != "default").unwrap_or_default()
}

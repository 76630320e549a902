//! Reads a CustomResourceDefinition into the resource types that it serves.

use std::cmp::Reverse;
use std::sync::Arc;

use serde_json::Value;

use super::{Resource, Source, Sub};
use crate::error::Cause;
use crate::storage::ResourceId;

/// A definition that was read and accepted.
#[derive(Debug, Clone)]
pub(crate) struct Crd {
    pub(crate) name: String,
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) short: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) versions: Vec<Arc<CrdVersion>>,
}

/// One version of a definition.
#[derive(Debug, Clone)]
pub(crate) struct CrdVersion {
    pub(crate) name: String,
    pub(crate) served: bool,
    pub(crate) storage: bool,
    pub(crate) deprecated: Option<String>,
    /// `openAPIV3Schema`.
    pub(crate) schema: Value,
    pub(crate) status: bool,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) columns: Vec<Value>,
    pub(crate) selectable: Vec<String>,
    pub(crate) preserve_unknown: bool,
}

/// Where a custom resource keeps what `Scale` shows; dotted paths.
#[derive(Debug, Clone)]
pub(crate) struct ScalePaths {
    pub(crate) spec: String,
    pub(crate) status: String,
    pub(crate) selector: Option<String>,
}

impl CrdVersion {
    pub(crate) fn subresources(&self) -> Vec<Sub> {
        let verbs = &["get", "patch", "update"];
        let mut subs = Vec::new();
        if self.scale.is_some() {
            subs.push(Sub {
                name: "scale",
                group: "autoscaling",
                version: "v1",
                kind: "Scale",
                verbs,
            });
        }
        if self.status {
            subs.push(Sub {
                name: "status",
                group: "",
                version: "",
                kind: "",
                verbs,
            });
        }
        subs
    }
}

/// Kubernetes' version priority: GA before beta before alpha, higher numbers first.
pub(crate) fn priority(version: &str) -> (Reverse<(u8, u64, u64)>, String) {
    let parsed = (|| {
        let rest = version.strip_prefix('v')?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let major: u64 = rest[..digits].parse().ok()?;
        let stage = &rest[digits..];
        if stage.is_empty() {
            return Some((3, major, 0));
        }
        if let Some(minor) = stage.strip_prefix("beta") {
            return Some((2, major, minor.parse().ok()?));
        }
        Some((1, major, stage.strip_prefix("alpha")?.parse().ok()?))
    })();
    (Reverse(parsed.unwrap_or((0, 0, 0))), version.to_owned())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect()
}

impl Crd {
    /// Reads a stored definition.
    pub(crate) fn read(object: &Value) -> Result<Self, Vec<Cause>> {
        let spec = &object["spec"];
        let names = &spec["names"];
        let kind = text(&names["kind"]);
        let crd = Self {
            name: text(&object["metadata"]["name"]),
            group: text(&spec["group"]),
            plural: text(&names["plural"]),
            singular: names["singular"]
                .as_str()
                .map_or_else(|| kind.to_lowercase(), str::to_owned),
            list_kind: names["listKind"]
                .as_str()
                .map_or_else(|| format!("{kind}List"), str::to_owned),
            kind,
            short: strings(&names["shortNames"]),
            categories: strings(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            versions: spec["versions"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|v| Arc::new(version(v, spec["preserveUnknownFields"] == true)))
                .collect(),
        };
        let causes = crd.problems(spec);
        if causes.is_empty() {
            Ok(crd)
        } else {
            Err(causes)
        }
    }

    fn problems(&self, spec: &Value) -> Vec<Cause> {
        let mut causes = Vec::new();
        for (field, value) in [
            ("spec.group", &self.group),
            ("spec.names.plural", &self.plural),
            ("spec.names.kind", &self.kind),
        ] {
            if value.is_empty() {
                causes.push(Cause::required(field, ""));
            }
        }
        if self.name != format!("{}.{}", self.plural, self.group) {
            let detail = "must be spec.names.plural+\".\"+spec.group";
            causes.push(Cause::invalid(
                "metadata.name",
                &self.name.clone().into(),
                detail,
            ));
        }
        if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
            causes.push(Cause::unsupported(
                "spec.scope",
                &spec["scope"],
                &["Cluster", "Namespaced"],
            ));
        }
        if self.versions.iter().filter(|v| v.storage).count() != 1 {
            let detail = "must have exactly one version marked as storage version";
            causes.push(Cause::invalid("spec.versions", &spec["versions"], detail));
        }
        if self.versions.iter().all(|v| !v.served) {
            causes.push(Cause::invalid(
                "spec.versions",
                &spec["versions"],
                "must have at least one version served",
            ));
        }
        causes.extend(self.version_problems());
        if let Some(strategy) = spec.pointer("/conversion/strategy").and_then(Value::as_str)
            && strategy != "None"
        {
            // A conversion webhook would have to be called on every read; it is refused rather than skipped.
            causes.push(Cause::unsupported(
                "spec.conversion.strategy",
                &strategy.into(),
                &["None"],
            ));
        }
        causes
    }

    fn version_problems(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        for (i, version) in self.versions.iter().enumerate() {
            let field = format!("spec.versions[{i}]");
            if version.name.is_empty() {
                causes.push(Cause::required(format!("{field}.name"), ""));
            }
            if !version.schema.is_object() {
                causes.push(Cause::required(
                    format!("{field}.schema.openAPIV3Schema"),
                    "schemas are required",
                ));
            } else if version.schema["type"] != "object" {
                let at = format!("{field}.schema.openAPIV3Schema.type");
                causes.push(Cause::invalid(
                    at,
                    &version.schema["type"],
                    "must be object at the root",
                ));
            }
        }
        causes
    }

    /// The served resource types.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        let served = self.versions.iter().filter(|v| v.served);
        served
            .map(|version| Resource {
                id: ResourceId::new(&self.group, &self.plural),
                group: self.group.as_str().into(),
                version: version.name.as_str().into(),
                kind: self.kind.as_str().into(),
                list_kind: self.list_kind.as_str().into(),
                singular: self.singular.as_str().into(),
                short: self.short.clone(),
                categories: self.categories.clone(),
                namespaced: self.namespaced,
                source: Source::Custom(version.clone()),
            })
            .collect()
    }
}

fn version(value: &Value, preserve_unknown: bool) -> CrdVersion {
    let scale = &value["subresources"]["scale"];
    let scale = scale.is_object().then(|| ScalePaths {
        spec: text(&scale["specReplicasPath"]),
        status: text(&scale["statusReplicasPath"]),
        selector: scale["labelSelectorPath"].as_str().map(str::to_owned),
    });
    let name = text(&value["name"]);
    let deprecated = (value["deprecated"] == true).then(|| {
        let given = value["deprecationWarning"].as_str().map(str::to_owned);
        given.unwrap_or_else(|| format!("version {name} is deprecated"))
    });
    CrdVersion {
        served: value["served"] == true,
        storage: value["storage"] == true,
        deprecated,
        schema: value["schema"]["openAPIV3Schema"].clone(),
        status: value["subresources"]["status"].is_object(),
        scale,
        columns: value["additionalPrinterColumns"]
            .as_array()
            .cloned()
            .unwrap_or_default(),
        selectable: value["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|f| text(&f["jsonPath"]))
            .collect(),
        preserve_unknown,
        name,
    }
}

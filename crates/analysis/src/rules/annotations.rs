//! Istio's annotations: known, on the right kind, with a valid value, not deprecated.

use super::report::reportable;
use super::{Code, Report, Rule};
use crate::facts::fields::label;
use crate::facts::{Facts, Kind, Resource};
use crate::finding::{EditAction, Level};
use crate::tables::annotations::{self, Attaches, Valid};

const VERIFY: &str = "ferromesh analyze";

pub(super) const RULE: Rule = Rule {
    name: "annotations",
    analyzer: "annotations.K8sAnalyzer",
    summary: "Checks Istio's annotations on namespaces, services, pods and deployments",
    codes: &[
        Code {
            id: "IST0107",
            level: Level::Warning,
            name: "MisplacedAnnotation",
            meaning: "The annotation is read on another kind of object only: here it has no effect.",
            remedy: "Move it; annotations for pods belong to spec.template.metadata of the Deployment.",
            verify: VERIFY,
        },
        Code {
            id: "IST0108",
            level: Level::Warning,
            name: "UnknownAnnotation",
            meaning: "Istio has no such annotation: it has no effect.",
            remedy: "Correct the name or remove it.",
            verify: VERIFY,
        },
        Code {
            id: "IST0125",
            level: Level::Warning,
            name: "InvalidAnnotation",
            meaning: "The value cannot be read: the injector refuses the pod.",
            remedy: "Correct the value.",
            verify: VERIFY,
        },
        Code {
            id: "IST0135",
            level: Level::Info,
            name: "DeprecatedAnnotation",
            meaning: "A later version ignores the annotation.",
            remedy: "Use what replaces it.",
            verify: VERIFY,
        },
    ],
    check,
};

fn check(facts: &Facts, report: &mut Report) {
    let kinds = [Kind::Namespace, Kind::Service, Kind::Pod, Kind::Deployment];
    for kind in kinds {
        for resource in facts.all(kind).filter(|r| reportable(r)) {
            for (key, value) in resource.annotations() {
                let value = value.as_str().unwrap_or_default();
                judge(report, resource, &key.text, value);
            }
        }
    }
}

fn is_istios(name: &str) -> bool {
    let domain = name.split('/').next().unwrap_or(name);
    name == "kubernetes.io/ingress.class" || domain.ends_with("istio.io")
}

fn judge(report: &mut Report, resource: &Resource, name: &str, value: &str) {
    // Set by Istio itself.
    let own = [
        "sidecar.istio.io/status",
        "gateway.istio.io/controller-version",
        "istio.io/rev",
    ];
    if !is_istios(name) || own.contains(&name) {
        return;
    }
    let path = format!("metadata.annotations[{name:?}]");
    let mut find = |code, message: String| {
        let finding = report.find(code, resource, "", message);
        finding.evidence[0] = resource.evidence(&path, value);
    };
    let Some(definition) = annotations::ISTIO.iter().find(|known| known.name == name) else {
        find("IST0108", format!("Unknown annotation: {name}"));
        if let Some(near) = annotations::nearest(name)
            && let Some(finding) = report.last()
        {
            finding.because(format!("Istio has no annotation {name}; {near} exists."));
            finding.edit(
                resource,
                path,
                EditAction::Rename(near.to_owned()),
                "the setting begins to have an effect",
            );
        }
        return;
    };
    if definition.deprecated {
        let replaced = name == "sidecar.istio.io/inject";
        if !(replaced && label(resource.labels(), name).is_some()) {
            let extra = if replaced {
                " in favor of the \"sidecar.istio.io/inject\" label"
            } else {
                ""
            };
            find(
                "IST0135",
                format!(
                    "Annotation {name:?} has been deprecated{extra} and may not work in future Istio versions."
                ),
            );
        }
    }
    let Attaches::To(kinds) = definition.attaches else {
        return;
    };
    if !kinds.contains(&&*resource.kind_name) {
        let message = format!("Misplaced annotation: {name} can only be applied to {}", kinds.join(", "));
        find("IST0107", message);
        return;
    }
    if let Err(problem) = valid(definition.valid, value) {
        find("IST0125", format!("Invalid annotation {name}: {problem}"));
    }
}

/// Whether the injector accepts a value (Istio's `inject.AnnotationValidation`).
fn valid(kind: Valid, value: &str) -> Result<(), String> {
    match kind {
        Valid::Any => Ok(()),
        Valid::Mode if matches!(value, "REDIRECT" | "TPROXY" | "NONE") => Ok(()),
        Valid::Mode => Err(format!("interceptionMode invalid, use REDIRECT,TPROXY,NONE: {value}")),
        Valid::Port => port(value).map_err(|error| format!("excludeInboundPorts invalid: {error}")),
        Valid::Number => value.parse::<u32>().map(drop).map_err(|_| {
            format!("strconv.ParseUint: parsing {value:?}: invalid syntax")
        }),
        Valid::Flag => match value {
            "1" | "t" | "T" | "TRUE" | "true" | "True" | "0" | "f" | "F" | "FALSE" | "false"
            | "False" => Ok(()),
            _ => Err(format!("strconv.ParseBool: parsing {value:?}: invalid syntax")),
        },
        Valid::Ranges { what, all } => {
            if all && value == "*" || value.is_empty() {
                return Ok(());
            }
            value
                .split(',')
                .find(|range| range.parse::<ipnet::IpNet>().is_err())
                .map_or(Ok(()), |range| {
                    Err(format!("{what} invalid: failed parsing cidr '{range}': {}", go_prefix(range)))
                })
        }
        Valid::Ports { what, all } => {
            if all && value == "*" || value.trim().is_empty() {
                return Ok(());
            }
            value
                .split(',')
                .try_for_each(port)
                .map_err(|error| format!("{what} invalid: {error}"))
        }
        Valid::Interfaces => value
            .split(',')
            .map(str::trim)
            .filter(|_| !value.is_empty())
            .find(|name| name.is_empty() || name.len() > 15)
            .map_or(Ok(()), |name| Err(format!("interface name {name:?} is not valid"))),
        Valid::Quantity if quantity(value) => Ok(()),
        Valid::Quantity => Err("quantities must match the regular expression \
                                '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            .to_owned()),
        Valid::ProxyConfig => match api::parse::documents(value, "") {
            Ok(_) => Ok(()),
            Err(_) => Err("failed to convert to apply proxy config: not YAML".to_owned()),
        },
    }
}

fn port(text: &str) -> Result<(), String> {
    text.trim()
        .parse::<u16>()
        .map(drop)
        .map_err(|_| format!("failed parsing port '{text}': strconv.ParseUint: parsing {text:?}: {}", go_uint(text)))
}

/// Why Go's `ParseUint` refuses it.
fn go_uint(text: &str) -> &'static str {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
        "value out of range"
    } else {
        "invalid syntax"
    }
}

/// Why Go's `netip.ParsePrefix` refuses it.
fn go_prefix(text: &str) -> String {
    let reason = match text.rsplit_once('/') {
        None => "no '/'".to_owned(),
        Some((address, _)) if address.parse::<std::net::IpAddr>().is_err() => {
            format!("ParseAddr({address:?}): unable to parse IP")
        }
        Some((_, bits)) if !bits.is_empty() && bits.chars().all(|c| c.is_ascii_digit()) => {
            "prefix length out of range".to_owned()
        }
        Some((_, bits)) => format!("bad bits after slash: {bits:?}"),
    };
    format!("netip.ParsePrefix({text:?}): {reason}")
}

fn quantity(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    let end = digits
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let known = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let exponent = suffix
        .strip_prefix(['e', 'E'])
        .is_some_and(|power| power.parse::<i32>().is_ok());
    number.parse::<f64>().is_ok() && (known.contains(&suffix) || exponent)
}

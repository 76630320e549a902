//! Fields of Istio's resources, as the control plane treats them.

use api::schema::{Tree, tree};
use api::store::ResourceType;
use api::{RefusedField, kinds, mesh_fields, refused_fields};

use super::{code, page, table};

const SERVED: &[ResourceType] = &[
    kinds::VIRTUAL_SERVICE,
    kinds::DESTINATION_RULE,
    kinds::GATEWAY,
    kinds::SERVICE_ENTRY,
    kinds::PEER_AUTHENTICATION,
    kinds::TELEMETRY,
    kinds::PROXY_CONFIG,
];

pub(super) fn fields() -> String {
    let refused: Vec<String> = kinds::ISTIO_REFUSED
        .iter()
        .map(|ty| code(ty.kind))
        .collect();
    let mut body = format!("These kinds are refused whole: {}.\n\n", refused.join(", "));
    for ty in SERVED {
        body.push_str(&kind(ty));
    }
    body.push_str(&mesh());
    let introduction = "What becomes of each field of Istio's resources. A refused field is named by the admission webhook; an object that got past it is quarantined whole, and its status says why. `[]` stands for every item of a list, `*` for every entry of a map.";
    page("Istio fields", introduction, &body)
}

fn kind(ty: &ResourceType) -> String {
    let versions: Vec<String> = kinds::served_versions(ty)
        .iter()
        .map(|version| code(&format!("{}/{version}", ty.group)))
        .collect();
    let refused = refused_fields(ty);
    let mut rows = Vec::new();
    let spec = tree(ty).and_then(|tree| tree.field("spec")).unwrap();
    walk(spec, "spec", &refused, &mut rows);
    // A refusal that no field matches would be missing from the page.
    for field in &refused {
        let shown = rows.iter().any(|row| row[0] == code(&field.path));
        assert!(shown, "{}: {}", ty.kind, field.path);
    }
    format!(
        "## {}\n\nVersions: {}.\n\n{}\n",
        ty.kind,
        versions.join(", "),
        table(&["field", "treatment"], rows)
    )
}

fn walk(tree: &Tree, path: &str, refused: &[RefusedField], rows: &mut Vec<Vec<String>>) {
    match tree {
        Tree::List(item) => walk(item, &format!("{path}[]"), refused, rows),
        Tree::Map(value) => walk(value, &format!("{path}.*"), refused, rows),
        Tree::Message { fields, .. } => {
            for (name, tree) in fields {
                let path = format!("{path}.{name}");
                let treated: Vec<&RefusedField> =
                    refused.iter().filter(|field| field.path == path).collect();
                if treated.is_empty() {
                    leaf(tree, &path, rows);
                } else {
                    let why: Vec<String> = treated.iter().map(|field| refusal(field)).collect();
                    rows.push(vec![code(&path), why.join("; ")]);
                }
                if !treated.iter().any(|field| field.when.is_empty()) {
                    walk(tree, &path, refused, rows);
                }
            }
        }
        _ => {}
    }
}

/// A message is described by its fields.
fn leaf(tree: &Tree, path: &str, rows: &mut Vec<Vec<String>>) {
    let inner = match tree {
        Tree::List(inner) | Tree::Map(inner) => inner,
        other => other,
    };
    if !matches!(inner, Tree::Message { fields, .. } if !fields.is_empty()) {
        rows.push(vec![code(path), "served".to_owned()]);
    }
}

fn refusal(field: &RefusedField) -> String {
    let when = if field.when.is_empty() {
        String::new()
    } else {
        format!(" ({})", field.when)
    };
    format!("**refused**{when}: {}; {}", field.why, field.instead)
}

fn mesh() -> String {
    let fields = mesh_fields();
    let mut rows: Vec<Vec<String>> = Vec::new();
    for name in fields.served {
        rows.push(vec![code(name), "served".to_owned()]);
    }
    for name in fields.proxy {
        rows.push(vec![
            code(&format!("defaultConfig.{name}")),
            "served".to_owned(),
        ]);
    }
    for (name, why) in fields.harmless {
        rows.push(vec![code(name), format!("harmless: {why}")]);
    }
    for field in &fields.refused {
        rows.push(vec![code(&field.path), refusal(field)]);
    }
    rows.push(vec![
        "every other field".to_owned(),
        "**refused**".to_owned(),
    ]);
    format!(
        "## MeshConfig\n\nKey `mesh` of ConfigMap `istio` in `istio-system`.\n\n{}",
        table(&["field", "treatment"], rows)
    )
}

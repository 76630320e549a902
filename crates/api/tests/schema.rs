//! The traced field trees and what is made of them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::kinds;
use api::schema::{Tree, tree};
use serde_json::{Value, json};

fn at<'a>(tree: &'a Tree, path: &str) -> &'a Tree {
    path.split('.').fold(tree, |tree, step| match (step, tree) {
        ("[]", Tree::List(item)) | ("*", Tree::Map(item)) => item,
        (field, tree) => tree
            .field(field)
            .unwrap_or_else(|| panic!("{path}: no {field}")),
    })
}

#[test]
fn every_known_kind_has_a_tree() {
    for ty in kinds::ALL
        .iter()
        .filter(|ty| !kinds::ISTIO_REFUSED.contains(ty))
    {
        let tree = tree(ty).unwrap_or_else(|| panic!("{} has none", ty.kind));
        assert!(
            matches!(tree.field("metadata"), Some(Tree::Message { .. })),
            "{}",
            ty.kind
        );
    }
}

#[test]
fn fields_have_their_types() {
    let pod = tree(&kinds::POD).unwrap();
    assert!(matches!(
        at(pod, "spec.containers.[].ports.[].containerPort"),
        Tree::Int {
            format: Some("int32"),
            ..
        }
    ));
    assert_eq!(
        at(pod, "spec.containers.[].resources.limits.*"),
        &Tree::Quantity
    );
    assert_eq!(
        at(pod, "spec.containers.[].livenessProbe.httpGet.port"),
        &Tree::IntOrString
    );
    assert_eq!(at(pod, "metadata.creationTimestamp"), &Tree::Time);
    let service = tree(&kinds::VIRTUAL_SERVICE).unwrap();
    assert_eq!(at(service, "spec.http.[].timeout"), &Tree::Duration);
    assert_eq!(
        at(service, "spec.http.[].match.[].headers.*.exact"),
        &Tree::String
    );
    assert!(matches!(
        at(service, "spec.http.[].redirect.derivePort"),
        Tree::Choice(_)
    ));
    let crd = tree(&kinds::CUSTOM_RESOURCE_DEFINITION).unwrap();
    assert_eq!(
        at(crd, "spec.versions.[].schema.openAPIV3Schema.description"),
        &Tree::String
    );
}

#[test]
fn unknown_fields_of_built_in_kinds_are_listed_by_path() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "y"}},
        "spec": {"containers": [{"name": "a", "imagge": "b"}], "nodeSelektor": {}}});
    assert_eq!(
        api::strict_fields(&kinds::POD, &pod),
        ["spec.containers[0].imagge", "spec.nodeSelektor"]
    );
}

fn definition(name: &str) -> Value {
    api::crds()
        .into_iter()
        .find(|crd| crd["metadata"]["name"] == name)
        .unwrap()
}

#[test]
fn each_definition_serves_istios_versions_and_stores_one() {
    let vs = definition("virtualservices.networking.istio.io");
    let versions = vs["spec"]["versions"].as_array().unwrap();
    let names: Vec<_> = versions
        .iter()
        .map(|version| {
            (
                version["name"].as_str().unwrap(),
                version["storage"] == true,
            )
        })
        .collect();
    assert_eq!(
        names,
        [("v1", true), ("v1beta1", false), ("v1alpha3", false)]
    );
    assert_eq!(vs["spec"]["names"]["shortNames"], json!(["vs"]));
    assert_eq!(
        vs["spec"]["names"]["categories"],
        json!(["istio-io", "networking-istio-io"])
    );
    assert_eq!(versions[0]["subresources"], json!({"status": {}}));
    let spec = &versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    assert_eq!(
        spec["properties"]["hosts"],
        json!({"type": "array", "items": {"type": "string"}})
    );
    assert!(spec.get("x-kubernetes-preserve-unknown-fields").is_none());
    assert_eq!(
        api::crds().len(),
        kinds::ISTIO.len() + kinds::ISTIO_REFUSED.len()
    );
}

#[test]
fn the_definitions_are_valid_objects_themselves() {
    for crd in api::crds() {
        assert_eq!(
            api::validate(&kinds::CUSTOM_RESOURCE_DEFINITION, &crd),
            [],
            "{}",
            crd["metadata"]["name"]
        );
    }
}

#[test]
fn the_definition_of_peer_authentication_is_as_reviewed() {
    insta::assert_yaml_snapshot!(definition("peerauthentications.security.istio.io"));
}

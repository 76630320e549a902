use serde_json::json;

use super::*;

fn deployment(containers: impl Into<Value>) -> Value {
    let containers = containers.into();
    json!({"kind": "Deployment", "spec": {"template": {"spec": {"containers": containers}}}})
}

fn containers(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"]
}

#[test]
fn changes_one_variable_of_one_container_and_leaves_the_rest() {
    let before = deployment(json!([
        {"name": "app", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        {"name": "side", "image": "s"},
    ]));
    let patch = deployment(
        json!([{"name": "app", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]),
    );
    let after = apply("Deployment", &before, &patch).unwrap();
    assert_eq!(
        *containers(&after),
        json!([
            {"name": "app", "image": "a", "env": [
                {"name": "A", "value": "1"}, {"name": "B", "value": "3"}, {"name": "C", "value": "4"}]},
            {"name": "side", "image": "s"},
        ])
    );
}

#[test]
fn deletes_elements_and_fields_by_directive_and_null() {
    let before =
        deployment(json!([{"name": "app", "image": "a", "command": ["x"]}, {"name": "side"}]));
    let patch =
        deployment(json!([{"name": "side", "$patch": "delete"}, {"name": "app", "command": null}]));
    let after = apply("Deployment", &before, &patch).unwrap();
    assert_eq!(*containers(&after), json!([{"name": "app", "image": "a"}]));
}

#[test]
fn replaces_a_whole_list_by_directive() {
    let before = deployment(json!([{"name": "app", "image": "a"}, {"name": "side"}]));
    let patch = deployment(json!([{"$patch": "replace"}, {"name": "only", "image": "o"}]));
    let after = apply("Deployment", &before, &patch).unwrap();
    assert_eq!(*containers(&after), json!([{"name": "only", "image": "o"}]));
}

#[test]
fn service_ports_merge_by_port_and_container_ports_by_container_port() {
    let before = json!({"kind": "Service", "spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443}]}});
    let patch = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}});
    let after = apply("Service", &before, &patch).unwrap();
    assert_eq!(
        after["spec"]["ports"],
        json!([{"port": 80, "name": "http", "targetPort": 8080}, {"port": 443}])
    );
}

#[test]
fn orders_elements_as_the_patch_says() {
    let before = deployment(json!([{"name": "a"}, {"name": "b"}, {"name": "injected"}]));
    let patch = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
        "containers": [{"name": "c"}],
    }}}});
    let after = apply("Deployment", &before, &patch).unwrap();
    let names: Vec<&str> = containers(&after)
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    let listed: Vec<&&str> = names.iter().filter(|n| **n != "injected").collect();
    assert_eq!(listed, [&"c", &"b", &"a"]);
    assert_eq!(names.len(), 4);
}

#[test]
fn retained_keys_drop_the_union_members_that_left() {
    let before =
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let patch = json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}});
    let after = apply("Deployment", &before, &patch).unwrap();
    assert_eq!(after["spec"]["strategy"], json!({"type": "Recreate"}));
}

#[test]
fn finalizers_are_a_set() {
    let before = json!({"metadata": {"finalizers": ["a", "b"]}});
    let patch =
        json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"]}});
    let after = apply("Pod", &before, &patch).unwrap();
    assert_eq!(after["metadata"]["finalizers"], json!(["b", "c"]));
}

#[test]
fn an_element_without_its_key_is_refused_by_name() {
    let before = deployment(json!([{"name": "app"}]));
    let error = apply("Deployment", &before, &deployment(json!([{"image": "x"}]))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not contain declared merge key: name"),
        "{error}"
    );
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn any_json() -> impl Strategy<Value = Value> {
        let names = [
            "spec",
            "template",
            "containers",
            "name",
            "env",
            "metadata",
            "finalizers",
            "$patch",
            "$retainKeys",
            "$setElementOrder/containers",
            "$setElementOrder/env",
            "$deleteFromPrimitiveList/finalizers",
            "ports",
            "x",
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            prop::sample::select(vec!["a", "b", "delete", "replace", "merge", ""])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((prop::sample::select(names.to_vec()), inner), 0..5)
                    .prop_map(|fields| fields
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect::<Map<_, _>>()
                        .into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_patch_makes_it_panic(current in any_json(), patch in any_json()) {
            for kind in ["Deployment", "Pod", "Service", "Namespace"] {
                let _ = apply(kind, &current, &patch);
            }
        }

        #[test]
        fn an_empty_patch_changes_nothing(current in any_json()) {
            prop_assume!(current.is_object());
            prop_assert_eq!(apply("Deployment", &current, &json!({})).unwrap(), current);
        }
    }
}

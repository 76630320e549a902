//! Texts of every kind into objects.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use api::parse::{self, Kind, Node};
use proptest::prelude::*;
use serde_json::{Value, json};

fn one(text: &str) -> Value {
    parse::documents(text, "").unwrap_or_else(|found| panic!("{text:?}: {found:?}"))[0].to_value()
}

fn mistake(text: &str) -> String {
    parse::documents(text, "f.yaml").unwrap_err()[0].to_string()
}

#[test]
fn anchors_and_merge_keys_give_what_go_yaml_gives() {
    let text = "base: &b {x: 1, y: 2}\na:\n  <<: *b\n  y: 3\nc: *b\nd:\n  <<: [{z: 1}, *b]\n";
    let expected = json!({"base": {"x": 1, "y": 2}, "a": {"y": 3, "x": 1}, "c": {"x": 1, "y": 2}, "d": {"z": 1, "x": 1, "y": 2}});
    // YAML 1.1 reads the bare key `y` as true; so does kubectl.
    let renamed = expected.to_string().replace("\"y\"", "\"true\"");
    assert_eq!(
        one(text).to_string(),
        serde_json::from_str::<Value>(&renamed).unwrap().to_string()
    );
}

#[test]
fn scalars_follow_yaml_1_1_and_quotes_keep_strings() {
    let text = "a: yes\nb: 'yes'\nc: 0755\nd: 1e3\ne: ~\nf: !!str 12\ng: |\n  x\n   y\nh: >-\n  a\n  b\n8080: port\n";
    let expected = json!({"a": true, "b": "yes", "c": 493, "d": 1000, "e": null, "f": "12", "g": "x\n y\n", "h": "a b", "8080": "port"});
    assert_eq!(one(text), expected);
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..12 {
        let before = level - 1;
        let items = vec![format!("*a{before}"); 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(
        mistake(&text).contains("values in one document"),
        "{}",
        mistake(&text)
    );
}

#[test]
fn depth_and_size_are_bounded() {
    assert!(mistake(&"[".repeat(5_000)).contains("not YAML"));
    assert!(mistake(&format!("{{\"a\":{}", "[".repeat(5_000))).contains("levels deep"));
    assert!(mistake(&"- ".repeat(5_000)).contains("levels deep"));
    assert!(mistake(&" ".repeat(parse::MAX_BYTES + 1)).contains("bytes"));
}

#[test]
fn duplicate_keys_name_both_lines() {
    assert_eq!(
        mistake("a: 1\nb: 2\na: 3\n"),
        "f.yaml:3:1: key \"a\" stands here a second time; line 1 has it already"
    );
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let documents = parse::parse_str(
        "a: [\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\nb: }\n",
    );
    let bad: Vec<_> = documents.iter().map(parse::Document::is_bad).collect();
    assert_eq!(bad, [true, false, true]);
    assert_eq!(documents[1].node.place_of("metadata.name"), (5, 12));
}

#[test]
fn a_list_is_taken_apart() {
    let text = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}},
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"dta":{}}]}"#;
    let documents = parse::parse_str(text);
    assert_eq!(documents.len(), 2);
    assert!(!documents[0].is_bad());
    assert_eq!(
        documents[1].diagnostics[0].to_string(),
        "3:71: dta: unknown field \"dta\" in ConfigMap; did you mean \"data\"?"
    );
}

#[test]
fn the_mesh_configuration_is_read_strictly() {
    let mesh = api::mesh_config(
        "accessLogFile: /dev/stdout\ndefaultConfig: {holdApplicationUntilProxyStarts: true}\n",
    )
    .unwrap();
    assert_eq!(mesh.access_log_file, "/dev/stdout");
    assert_eq!(
        mesh.default_config
            .unwrap()
            .hold_application_until_proxy_starts,
        Some(true)
    );
    assert_eq!(
        api::mesh_config("").unwrap(),
        api::istio::MeshConfig::default()
    );
    let found = api::mesh_config(
        "enableTracing: true\ndefaultConfig: {statNameLength: 9}\ningressClass: istio\n",
    )
    .unwrap_err();
    let paths: Vec<_> = found
        .iter()
        .map(|found| (found.line, found.path.as_str()))
        .collect();
    assert_eq!(
        paths,
        [(1, "enableTracing"), (2, "defaultConfig.statNameLength")]
    );
    let found = api::mesh_config("accesLogFile: x\nconnectTimeout: 5\n").unwrap_err();
    let text: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "1:1: accesLogFile: unknown field \"accesLogFile\" in MeshConfig; did you mean \"accessLogFile\"?",
            "2:17: connectTimeout: expected a duration such as \"5s\" or \"250ms\", found the integer 5; write it with a unit: \"5s\"",
        ]
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9_f64).prop_map(Value::from),
        "[ -~é\u{1F600}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[ -~]{0,8}", inner, 0..5).prop_map(Value::from_iter),
        ]
    })
}

/// `8.0` and `8` are one number to Kubernetes.
fn normal(value: &Value) -> Value {
    Node::from_value(value).to_value()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = parse::parse_str(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_the_parser_panic(text in "[-a:{}\\[\\],&*!|>'\"#%@ \n\t<~0-9]{0,80}") {
        let _ = parse::parse_str(&text);
    }

    #[test]
    fn json_texts_are_read_back(value in json_value().prop_filter("an object", Value::is_object)) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            prop_assert_eq!(one(&text), normal(&value));
        }
    }

    #[test]
    fn any_object_is_judged_without_panic(spec in json_value(), kind in 0..api::kinds::ALL.len()) {
        let ty = &api::kinds::ALL[kind];
        let object = json!({"apiVersion": ty.api_version(), "kind": ty.kind, "metadata": {"name": "a"}, "spec": spec});
        let _ = (api::validate(ty, &object), api::unsupported(ty, &object), api::strict_fields(ty, &object));
        let mut snapshot = api::Snapshot::default();
        snapshot.apply(ty, &object);
    }

    #[test]
    fn trees_keep_their_values(value in json_value()) {
        let node = Node::from_value(&value);
        prop_assert_eq!(Node::from_value(&node.to_value()), node.clone());
        if let Kind::Map(entries) = &node.kind {
            prop_assert_eq!(entries.len(), value.as_object().unwrap().len());
        }
    }
}

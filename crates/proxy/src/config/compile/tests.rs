//! Every field has an effect, is harmless, or is refused by name: this walks the descriptors and proves which.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use xds::json::{FieldKind, Pool, Shape};

use super::accept::{self, Inner};
use super::supported;
use super::{At, Result};
use crate::config::ids::Ids;

fn base() -> Vec<(&'static str, Value)> {
    let text = include_str!("testdata/base.json");
    let Value::Array(resources) = serde_json::from_str(text).unwrap() else {
        panic!("a list of resources")
    };
    let kinds = resources.into_iter().map(|mut resource| {
        let kind = resource.as_object_mut().unwrap().remove("@type").unwrap();
        let kind: &'static str = kind.as_str().unwrap().to_owned().leak();
        (kind, resource)
    });
    kinds.collect()
}

/// Compiles and prints what was made of it, content hashes left out.
fn compiled(ids: &Ids, kind: &str, body: &[u8]) -> Result<String> {
    let debug = match kind {
        "envoy.config.listener.v3.Listener" => format!("{:?}", super::listener(ids, "x", body)?),
        "envoy.config.route.v3.RouteConfiguration" => {
            format!("{:?}", super::route_table(ids, "x", body)?)
        }
        "envoy.config.cluster.v3.Cluster" => format!("{:?}", super::cluster(ids, "x", body)?),
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => {
            format!("{:?}", super::assignment("x", body)?)
        }
        "envoy.extensions.transport_sockets.tls.v3.Secret" => {
            format!("{:?}", super::secret("x", body)?)
        }
        "envoy.config.bootstrap.v3.Bootstrap" => {
            accept::check(kind, body, &At::root("bootstrap"))?;
            format!(
                "{:?}",
                crate::bootstrap::Bootstrap::decode(body)
                    .map_err(|error| At::root("bootstrap").error(error))?
            )
        }
        other => panic!("{other}"),
    };
    let hash = regex::Regex::new(r"ContentHash\(\d+\)").unwrap();
    Ok(hash.replace_all(&debug, "#").into_owned())
}

/// A value that differs from the default, and one that differs from that.
fn samples(kind: &FieldKind, name: &str) -> Vec<Value> {
    match kind {
        FieldKind::Message(message) => match message.as_str() {
            "google.protobuf.Duration" => vec![json!("7.5s"), json!("3000s")],
            "google.protobuf.UInt32Value" | "google.protobuf.UInt64Value" => {
                vec![json!(77), json!(70_000)]
            }
            "google.protobuf.BoolValue" => vec![json!(true), json!(false)],
            "google.protobuf.Struct" => vec![json!({"sample": "value"})],
            "google.protobuf.Any" => {
                vec![json!({"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}})]
            }
            _ => vec![json!({})],
        },
        FieldKind::Enum(values) => values.iter().map(|(name, _)| json!(name)).collect(),
        FieldKind::String if name.contains("protocol_version") => vec![],
        FieldKind::String => vec![json!("sample"), json!("/sample")],
        FieldKind::Bytes => vec![json!("c2FtcGxl")],
        FieldKind::Bool => vec![json!(true), json!(false)],
        FieldKind::Integer => vec![json!(77), json!(302)],
        FieldKind::Float => vec![json!(37.5)],
    }
}

fn shaped(shape: Shape, value: Value) -> Value {
    match shape {
        Shape::Singular => value,
        Shape::Repeated => json!([value]),
        Shape::Map => json!({"sample": value}),
    }
}

struct Prover<'a> {
    pool: &'a Pool,
    ids: Ids,
    proven: BTreeSet<(String, String)>,
    met: BTreeSet<String>,
}

impl Prover<'_> {
    /// Changes each field of the message at `pointer`, then goes down.
    fn walk(&mut self, root: (&str, &Value), before: &str, pointer: &str, message: &str) {
        if message.starts_with("google.protobuf") {
            return;
        }
        self.met.insert(message.to_owned());
        let fields = self
            .pool
            .fields(message)
            .unwrap_or_else(|error| panic!("{message}: {error}"));
        for field in &fields {
            let present = root
                .1
                .pointer(pointer)
                .and_then(|node| node.get(&field.name))
                .cloned();
            let mut variants: Vec<Option<Value>> = samples(&field.kind, &field.name)
                .into_iter()
                .map(|value| Some(shaped(field.shape, value)))
                .collect();
            if present.is_some() {
                variants.push(None);
            }
            let key = (message.to_owned(), field.name.clone());
            let known = self.proven.contains(&key);
            for variant in variants
                .into_iter()
                .filter(|variant| !known && *variant != present)
            {
                if self.changes(root, before, pointer, field, &fields, variant) {
                    self.proven.insert((message.to_owned(), field.name.clone()));
                    break;
                }
            }
            let Some(present) = present else { continue };
            let FieldKind::Message(inner) = &field.kind else {
                continue;
            };
            let down = format!("{pointer}/{}", field.name);
            match (field.shape, &present) {
                (Shape::Singular, _) => self.descend(root, before, &down, inner, &present),
                (Shape::Repeated, Value::Array(items)) => {
                    for (i, item) in items.iter().enumerate() {
                        self.descend(root, before, &format!("{down}/{i}"), inner, item);
                    }
                }
                (Shape::Map, Value::Object(entries)) => {
                    for (key, entry) in entries {
                        let key = key.replace('~', "~0").replace('/', "~1");
                        self.descend(root, before, &format!("{down}/{key}"), inner, entry);
                    }
                }
                _ => panic!("{down} has another shape"),
            }
        }
    }

    fn descend(
        &mut self,
        root: (&str, &Value),
        before: &str,
        pointer: &str,
        message: &str,
        node: &Value,
    ) {
        if message == "google.protobuf.Any" {
            let kind = node["@type"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned();
            self.walk(root, before, pointer, &kind);
        } else {
            self.walk(root, before, pointer, message);
        }
    }

    fn changes(
        &mut self,
        (kind, root): (&str, &Value),
        before: &str,
        pointer: &str,
        field: &xds::json::Field,
        fields: &[xds::json::Field],
        variant: Option<Value>,
    ) -> bool {
        let mut changed = root.clone();
        let node: &mut Map<String, Value> = changed
            .pointer_mut(pointer)
            .unwrap()
            .as_object_mut()
            .unwrap();
        if let Some(group) = &field.oneof {
            let others = fields
                .iter()
                .filter(|other| other.oneof.as_ref() == Some(group));
            others.for_each(|other| drop(node.remove(&other.name)));
        }
        match variant {
            Some(value) => drop(node.insert(field.name.clone(), value)),
            None => drop(node.remove(&field.name)),
        }
        // Some samples are no values of their field (a path in an address …): those prove nothing.
        let Ok(body) = self.pool.from_json(kind, changed) else {
            return false;
        };
        match compiled(&self.ids, kind, &body) {
            Ok(after) => after != before,
            Err(_) => true,
        }
    }
}

#[test]
fn every_effective_field_has_an_effect() {
    let pool = Pool::pruned();
    let mut prover = Prover {
        pool: &pool,
        ids: Ids::default(),
        proven: BTreeSet::new(),
        met: BTreeSet::new(),
    };
    for (kind, resource) in base() {
        let body = pool
            .from_json(kind, resource.clone())
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
        let before = compiled(&prover.ids, kind, &body).unwrap_or_else(|error| panic!("{error}"));
        prover.walk((kind, &resource), &before, "", kind);
    }
    let mut unproven: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for message in supported::messages() {
        for field in message
            .fields
            .iter()
            .filter(|field| field.harmless.is_none())
        {
            if !prover
                .proven
                .contains(&(message.name.to_owned(), field.name.to_owned()))
            {
                unproven.entry(message.name).or_default().push(field.name);
            }
        }
    }
    let missing: Vec<_> = supported::messages()
        .map(|m| m.name)
        .filter(|name| !prover.met.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "messages that no base resource holds: {missing:#?}"
    );
    assert!(
        unproven.is_empty(),
        "fields without a proven effect: {unproven:#?}"
    );
}

#[test]
fn every_other_field_is_refused_by_name() {
    let pool = Pool::pruned();
    for message in supported::messages() {
        for field in pool.fields(message.name).unwrap() {
            if message
                .fields
                .iter()
                .any(|known| known.number == field.number)
            {
                continue;
            }
            let body = pool.with_field(message.name, field.number).unwrap();
            let error = accept::check(message.name, &body, &At::root("x"))
                .unwrap_err()
                .to_string();
            assert_eq!(
                error,
                format!("x.{}: not supported by ferromesh-proxy", field.name),
                "{}",
                message.name
            );
        }
    }
}

#[test]
fn the_table_agrees_with_the_descriptors() {
    let pool = Pool::pruned();
    assert!(supported::messages().is_sorted_by_key(|message| message.name));
    for message in supported::messages() {
        let fields = pool.fields(message.name).unwrap();
        for known in message.fields {
            let field = fields.iter().find(|field| field.number == known.number);
            let field = field.unwrap_or_else(|| panic!("{}.{}", message.name, known.name));
            assert_eq!(field.name, known.name, "{}", message.name);
            if let Some(reason) = known.harmless {
                assert!(
                    reason.len() > 10,
                    "{}.{}: say why",
                    message.name,
                    known.name
                );
                continue;
            }
            let inner = match &field.kind {
                FieldKind::Message(inner) if !inner.starts_with("google.protobuf.") => {
                    Some(inner.as_str())
                }
                _ => None,
            };
            match (&known.inner, inner) {
                (Inner::Message(name), Some(inner)) => {
                    assert!(*name == inner && field.shape == Shape::Singular)
                }
                (Inner::Messages(name), Some(inner)) => {
                    assert!(*name == inner && field.shape == Shape::Repeated)
                }
                (Inner::Leaf | Inner::Any | Inner::AnyMap, None) => {}
                _ => panic!("{}.{} is not walked", message.name, known.name),
            }
            if let Inner::Message(name) | Inner::Messages(name) = known.inner {
                assert!(supported::find(name).is_some(), "{name}");
            }
        }
    }
}

#[test]
fn a_refusal_names_the_path() {
    let pool = Pool::pruned();
    let listener = json!({
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 1}},
        "filter_chains": [{}, {"filters": [{"name": "t", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "s", "cluster": "c", "tunneling_config": {"hostname": "h"}}}]}]
    });
    let body = pool
        .from_json("envoy.config.listener.v3.Listener", listener)
        .unwrap();
    let error = super::listener(&Ids::default(), "l", &body).unwrap_err();
    assert_eq!(
        error.to_string(),
        "listener \"l\".filter_chains[1].filters[0].typed_config.tunneling_config: not supported by ferromesh-proxy"
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let ids = Ids::default();
        let _ = super::listener(&ids, "x", &body);
        let _ = super::cluster(&ids, "x", &body);
        let _ = super::route_table(&ids, "x", &body);
        let _ = super::assignment("x", &body);
        let _ = super::secret("x", &body);
    }
}

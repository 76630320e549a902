//! Texts into objects: many documents a text, `List`s of any kind, Helm's and kustomize's output, with a note
//! for what is not Kubernetes YAML. One broken document never hides the others.

use std::sync::Arc;

use api::parse::{self, Document, Kind as Value, Node};

use crate::facts::fields::Fields;
use crate::facts::{Facts, Kind, Mesh, Resource, Source};

/// A text that was passed over, or could not be read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// `file:line`, or the file.
    pub place: String,
    /// What happened.
    pub message: String,
    /// Whether it could not be read at all, rather than being something else.
    pub is_error: bool,
}

/// Collects objects.
#[derive(Debug)]
pub struct Input {
    default_namespace: Arc<str>,
    resources: Vec<Resource>,
    notes: Vec<Note>,
}

impl Input {
    /// Objects without a namespace go to `default_namespace`; where it is empty, to `default`.
    #[must_use]
    pub fn new(default_namespace: &str) -> Self {
        let namespace = if default_namespace.is_empty() {
            "default"
        } else {
            default_namespace
        };
        Self {
            default_namespace: namespace.into(),
            resources: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// What was passed over so far.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// How many objects there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.resources.len()
    }

    /// Whether there is no object yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty()
    }

    /// Reads a text; `file` names it in findings.
    pub fn add_text(&mut self, file: &str, text: &str) {
        let file: Arc<str> = file.into();
        let lines: Vec<&str> = text.lines().collect();
        for document in parse::parse_file(&file, text) {
            let before = self.resources.len();
            self.add_document(&file, document);
            if let [resource] = &mut self.resources[before..] {
                resource.line = first_line(&lines, resource.line);
            }
        }
    }

    /// Takes an object from a cluster.
    pub fn add_object(&mut self, object: &serde_json::Value) {
        let node = Node::from_value(object);
        let (api_version, kind) = (node.text("apiVersion"), node.text("kind"));
        let diagnostics = api::kinds::by_api_version(api_version, kind)
            .filter(|ty| ty.group.ends_with("istio.io"))
            .map(|ty| api::validate(ty, object))
            .unwrap_or_default();
        self.push(&Arc::from(""), node, diagnostics, Source::Cluster);
    }

    /// Adds what istioctl assumes of every installation when no cluster is asked: the ingress gateway.
    pub fn add_defaults(&mut self, mesh: &Mesh) {
        if mesh.config().text("ingressControllerMode") == "OFF" {
            return;
        }
        let (namespace, service) = (mesh.istio_namespace(), mesh.ingress_service());
        let pod = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{service}-dummypod"), "namespace": namespace,
                "labels": {"istio": "ingressgateway"}},
            "spec": {"containers": [{"name": "istio-proxy"}]},
        });
        let port = |name: &str, port: u16| serde_json::json!({"name": name, "port": port, "protocol": "TCP", "targetPort": port});
        let service = serde_json::json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": service, "namespace": namespace, "labels": {"istio": "ingressgateway"}},
            "spec": {"selector": {"istio": "ingressgateway"}, "ports": [
                port("http2", 80), port("https", 443), port("tcp", 31400), port("tls", 15443)]},
        });
        for object in [&pod, &service] {
            let node = Node::from_value(object);
            self.push(&Arc::from(""), node, Vec::new(), Source::Default);
        }
    }

    /// Everything that was read, indexed. The mesh's settings come from the ConfigMap `istio` unless `mesh`
    /// has them.
    #[must_use]
    pub fn into_facts(mut self, mut mesh: Mesh) -> Facts {
        // What was given comes after the defaults, and replaces them.
        self.resources
            .sort_by_key(|resource| resource.source != Source::Default);
        let own = |resource: &&Resource| {
            resource.kind == Kind::ConfigMap
                && &*resource.name == "istio"
                && &*resource.namespace == mesh.istio_namespace()
        };
        if let Some(resource) = self.resources.iter().rev().find(own) {
            mesh.adopt(resource);
        }
        Facts::new(self.resources, mesh)
    }

    fn add_document(&mut self, file: &Arc<str>, document: Document) {
        let Document {
            node, diagnostics, ..
        } = document;
        if node.kind == Value::Null {
            for found in diagnostics {
                let other = found.message.starts_with("no Kubernetes object");
                self.notes.push(Note {
                    place: place(file, found.line),
                    message: if other {
                        format!("passed over: {}", found.message)
                    } else {
                        found.message
                    },
                    is_error: !other,
                });
            }
            return;
        }
        self.push(file, node, diagnostics, Source::Text);
    }

    fn push(
        &mut self,
        file: &Arc<str>,
        node: Node,
        diagnostics: Vec<api::Diagnostic>,
        source: Source,
    ) {
        let kind_name = node.text("kind").to_owned();
        // `ServiceList` and the like are flattened too; their items may leave out what the list says.
        if kind_name.ends_with("List") && kind_name.len() > 4 && node.get("items").is_some() {
            let api_version = node.text("apiVersion").to_owned();
            self.push_items(
                file,
                node,
                &api_version,
                &kind_name[..kind_name.len() - 4],
                source,
            );
            return;
        }
        let api_version = node.text("apiVersion").to_owned();
        let (group, _) = api_version.rsplit_once('/').unwrap_or(("", &api_version));
        let kind = Kind::of(group, &kind_name);
        let metadata = node.get("metadata");
        let text = |field: &str| metadata.map_or("", |metadata| metadata.text(field));
        let name = match text("name") {
            "" => text("generateName"),
            name => name,
        };
        let cluster = kind.is_cluster_scoped()
            || kind == Kind::Other && text("namespace").is_empty() && source == Source::Cluster;
        let namespace: Arc<str> = match (cluster, text("namespace")) {
            (true, _) => "".into(),
            (false, "") => self.default_namespace.clone(),
            (false, named) => self.intern(named),
        };
        let (name, line) = (name.into(), node.line);
        self.resources.push(Resource {
            kind,
            api_version: api_version.into(),
            kind_name: kind_name.into(),
            namespace,
            name,
            node,
            file: file.clone(),
            line,
            source,
            diagnostics,
        });
    }

    /// Objects of one namespace share its name.
    fn intern(&self, namespace: &str) -> Arc<str> {
        match self.resources.last() {
            Some(last) if &*last.namespace == namespace => last.namespace.clone(),
            _ => namespace.into(),
        }
    }

    fn push_items(
        &mut self,
        file: &Arc<str>,
        node: Node,
        api_version: &str,
        kind: &str,
        source: Source,
    ) {
        let Value::Map(entries) = node.kind else {
            return;
        };
        for (_, items) in entries.into_iter().filter(|(key, _)| key.text == "items") {
            let Value::List(items) = items.kind else {
                continue;
            };
            for mut item in items {
                let (line, column) = (item.line, item.column);
                let (has_version, has_kind) = (item.has("apiVersion"), item.has("kind"));
                let Value::Map(fields) = &mut item.kind else {
                    continue;
                };
                let mut add = |name: &str, value: &str| {
                    let key = parse::Key {
                        text: name.into(),
                        line,
                        column,
                    };
                    fields.push((key, Node::bare(Value::String(value.into()))));
                };
                if !has_version {
                    add("apiVersion", api_version);
                }
                if !has_kind {
                    add("kind", kind);
                }
                self.push(file, item, Vec::new(), source);
            }
        }
    }
}

/// Where istioctl says that a document begins: at the comments above its first key.
fn first_line(lines: &[&str], key: u32) -> u32 {
    let mut first = key;
    for line in (1..key).rev() {
        let text = lines.get(line as usize - 1).map_or("", |line| line.trim());
        if text.starts_with('#') {
            first = line;
        } else if text == "---" || text.starts_with("--- ") {
            return first;
        } else if !text.is_empty() {
            // An item of a list.
            return key;
        }
    }
    first
}

fn place(file: &str, line: usize) -> String {
    if line == 0 {
        file.to_owned()
    } else {
        format!("{file}:{line}")
    }
}

//! The schemas of the built-in types, from `api`'s knowledge of their fields.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::schema::Tree;
use serde_json::{Map, Value, json};

use crate::error::Cause;
use crate::registry::Resource;
use crate::schema::{prune, validate};

/// Group and plural of a type.
type Key = (String, String);

/// Made on first use; `None` for types whose fields are not known.
#[derive(Debug, Default)]
pub(crate) struct Schemas(Mutex<HashMap<Key, Option<Arc<Value>>>>);

impl Schemas {
    /// The schema of a built-in type's whole object. `None` for types whose fields are not known.
    pub(crate) fn of(&self, resource: &Resource) -> Option<Arc<Value>> {
        self.find(resource.group(), resource.plural())
    }

    fn find(&self, group: &str, plural: &str) -> Option<Arc<Value>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry((group.to_owned(), plural.to_owned()));
        let made = entry.or_insert_with(|| {
            let ty = api::kinds::by_plural(group, plural)?;
            api::schema::tree(ty).map(|tree| Arc::new(convert(tree)))
        });
        made.clone()
    }

    /// The schema of `ObjectMeta`.
    pub(crate) fn metadata(&self) -> Option<Arc<Value>> {
        let namespace = self.find("", "namespaces")?;
        namespace
            .pointer("/properties/metadata")
            .map(|meta| Arc::new(meta.clone()))
    }

    /// Removes what the type does not know; returns the paths.
    pub(crate) fn prune(&self, resource: &Resource, object: &mut Value) -> Vec<String> {
        self.of(resource)
            .map_or_else(Vec::new, |schema| prune::value(&schema, object, ""))
    }

    /// What is wrong with the types of fields.
    pub(crate) fn validate(&self, resource: &Resource, object: &Value) -> Vec<Cause> {
        self.of(resource)
            .map_or_else(Vec::new, |schema| validate::value(&schema, object, ""))
    }

    /// As [`Schemas::prune`], of the metadata of a custom resource.
    pub(crate) fn prune_metadata(&self, object: &mut Value) -> Vec<String> {
        match (self.metadata(), object.get_mut("metadata")) {
            (Some(schema), Some(meta)) => prune::value(&schema, meta, "metadata"),
            _ => Vec::new(),
        }
    }
}

fn convert(tree: &Tree) -> Value {
    match tree {
        Tree::List(item) => json!({"type": "array", "items": convert(item)}),
        Tree::Map(value) => json!({"type": "object", "additionalProperties": convert(value)}),
        Tree::Message { fields, .. } => {
            let properties: Map<String, Value> = fields
                .iter()
                .map(|(name, tree)| ((*name).to_owned(), convert(tree)))
                .collect();
            json!({"type": "object", "properties": properties})
        }
        // A number with a fraction is a quantity as well.
        Tree::Quantity => json!({"anyOf": [{"type": "number"}, {"type": "string"}]}),
        other => api::schema::openapi(other),
    }
}

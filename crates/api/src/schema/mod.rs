//! What fields every kind has, found by tracing its `Deserialize` implementation: for "did you mean", for
//! the manifests of the custom resources and for the API server's field validation.

mod crd;
mod openapi;
mod trace;

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::crd::crds;
pub use self::openapi::openapi;
use crate::kinds;
use crate::registry::{Visit, with_type};
use crate::store::ResourceType;

/// The shape of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Anything; not looked into.
    Any,
    Bool,
    /// An integer within bounds, with OpenAPI's name of its format if it has one.
    Int {
        min: i128,
        max: i128,
        format: Option<&'static str>,
    },
    Number,
    String,
    /// `5s`, `250ms`.
    Duration,
    /// RFC 3339.
    Time,
    /// `500m`, `1Gi`, or a number.
    Quantity,
    IntOrString,
    Choice(&'static [&'static str]),
    List(Box<Tree>),
    Map(Box<Tree>),
    Message {
        name: &'static str,
        fields: Vec<(&'static str, Tree)>,
    },
}

impl Tree {
    /// Traces a type.
    #[must_use]
    pub fn of<T: DeserializeOwned>() -> Self {
        trace::trace::<T>()
    }

    /// The tree of a field, if this is a message that has it.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Message { fields, .. } => fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, tree)| tree),
            _ => None,
        }
    }

    /// Every path below this one at which a field of this name exists, lists as `[]` and maps as `.*`.
    #[must_use]
    pub fn places_of(&self, field: &str) -> Vec<String> {
        let mut places = Vec::new();
        self.search(field, "", &mut places);
        places
    }

    fn search(&self, wanted: &str, path: &str, places: &mut Vec<String>) {
        match self {
            Self::List(item) => item.search(wanted, &format!("{path}[]"), places),
            Self::Map(value) => value.search(wanted, &format!("{path}.*"), places),
            Self::Message { fields, .. } => {
                for (name, tree) in fields {
                    let below = if path.is_empty() {
                        (*name).to_owned()
                    } else {
                        format!("{path}.{name}")
                    };
                    if *name == wanted {
                        places.push(below.clone());
                    }
                    tree.search(wanted, &below, places);
                }
            }
            _ => {}
        }
    }
}

struct TreeOf;

impl Visit for TreeOf {
    type Out = Tree;

    fn visit<T: DeserializeOwned>(self) -> Tree {
        Tree::of::<T>()
    }
}

/// By group and kind; each traced when it is first asked for.
type Trees = HashMap<(&'static str, &'static str), OnceLock<Option<Tree>>>;

/// The tree of a kind's whole object. `None` for kinds whose fields we do not know.
#[must_use]
pub fn tree(ty: &ResourceType) -> Option<&'static Tree> {
    static TREES: LazyLock<Trees> = LazyLock::new(|| {
        kinds::ALL
            .iter()
            .map(|ty| ((ty.group, ty.kind), OnceLock::new()))
            .collect()
    });
    TREES
        .get(&(ty.group, ty.kind))?
        .get_or_init(|| with_type(ty, TreeOf))
        .as_ref()
}

/// The paths of all fields in `object` that its kind does not have: what `fieldValidation=Strict` refuses
/// and `Warn` warns of. Empty for kinds whose fields we do not know.
#[must_use]
pub fn strict_fields(ty: &ResourceType, object: &Value) -> Vec<String> {
    let mut unknown = Vec::new();
    if let Some(tree) = tree(ty) {
        strict(tree, object, "", &mut unknown);
    }
    unknown
}

fn strict(tree: &Tree, value: &Value, path: &str, unknown: &mut Vec<String>) {
    match (tree, value) {
        (Tree::Message { fields, .. }, Value::Object(map)) => {
            for (key, value) in map {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match fields.iter().find(|(name, _)| name == key) {
                    Some((_, tree)) => strict(tree, value, &below, unknown),
                    None => unknown.push(below),
                }
            }
        }
        (Tree::List(item), Value::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                strict(item, value, &format!("{path}[{index}]"), unknown);
            }
        }
        (Tree::Map(item), Value::Object(map)) => {
            for (key, value) in map {
                strict(item, value, &format!("{path}.{key}"), unknown);
            }
        }
        _ => {}
    }
}

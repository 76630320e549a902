//! The shape of what YAML may hold at a place: from the tables of fields, or from the types of `api`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, OnceLock};

use api::schema::Tree;

/// What may stand at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything; not looked into.
    Any,
    /// A mapping with these keys.
    Object(BTreeMap<String, Shape>),
    /// A mapping with any key.
    Map(Box<Shape>),
    List(Box<Shape>),
    Scalar(Scalar),
}

/// A value without parts.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    String,
    Bool,
    Int(i128, i128),
    Number,
    Duration,
    Time,
    Quantity,
    IntOrString,
    Choice(Vec<String>),
}

impl Shape {
    /// The shape below a key of a mapping, or of the items of a list of mappings.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(name),
            Self::Map(value) => Some(value),
            _ => None,
        }
    }

    /// Every path below this one that ends in a field of this name, lists as `[]`, maps as `.*`; at most 200.
    #[must_use]
    pub fn places_of(&self, field: &str) -> Vec<String> {
        let mut places = Vec::new();
        self.visit("", &mut |path, name, _| {
            if name == field && places.len() < 200 {
                places.push(path.to_owned());
            }
        });
        places
    }

    /// Calls `found` with path, name and shape of every field below.
    pub fn visit<'a>(&'a self, path: &str, found: &mut dyn FnMut(&str, &'a str, &'a Self)) {
        match self {
            Self::Object(fields) => {
                for (name, shape) in fields {
                    let below = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    found(&below, name, shape);
                    shape.visit(&below, found);
                }
            }
            Self::List(item) => item.visit(&format!("{path}[]"), found),
            Self::Map(value) => value.visit(&format!("{path}.*"), found),
            Self::Any | Self::Scalar(_) => {}
        }
    }

    /// The shape at a path such as `spec.http[].route`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Self> {
        let mut shape = self;
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let name = step.trim_end_matches("[]");
            shape = shape.field(name)?;
            for _ in 0..(step.len() - name.len()) / 2 {
                let Self::List(item) = shape else { return None };
                shape = item;
            }
        }
        Some(shape)
    }

    fn insert(&mut self, path: &[&str], shape: Shape) {
        let Some((step, rest)) = path.split_first() else {
            *self = shape;
            return;
        };
        match (*step, &mut *self) {
            ("[]", Self::List(item)) => item.insert(rest, shape),
            ("*", Self::Map(value)) => value.insert(rest, shape),
            (name, Self::Object(fields)) => fields
                .entry(name.to_owned())
                .or_insert(Self::Any)
                .insert(rest, shape),
            _ => {}
        }
    }

    /// The shape of a type of `api`.
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        match tree {
            Tree::Any => Self::Any,
            Tree::Bool => Self::Scalar(Scalar::Bool),
            Tree::Int { min, max, .. } => Self::Scalar(Scalar::Int(*min, *max)),
            Tree::Number => Self::Scalar(Scalar::Number),
            Tree::String => Self::Scalar(Scalar::String),
            Tree::Duration => Self::Scalar(Scalar::Duration),
            Tree::Time => Self::Scalar(Scalar::Time),
            Tree::Quantity => Self::Scalar(Scalar::Quantity),
            Tree::IntOrString => Self::Scalar(Scalar::IntOrString),
            Tree::Choice(values) => Self::Scalar(Scalar::Choice(
                values.iter().map(|value| (*value).to_owned()).collect(),
            )),
            Tree::List(item) => Self::List(Box::new(Self::of(item))),
            Tree::Map(value) => Self::Map(Box::new(Self::of(value))),
            Tree::Message { fields, .. } if fields.is_empty() => Self::Any,
            Tree::Message { fields, .. } => Self::Object(
                fields
                    .iter()
                    .map(|(name, tree)| ((*name).to_owned(), Self::of(tree)))
                    .collect(),
            ),
        }
    }
}

/// The shapes of all kinds, by `Kind.group`.
#[derive(Debug)]
pub struct Shapes {
    listed: HashMap<String, Arc<Shape>>,
    mesh: OnceLock<Arc<Shape>>,
    proxy: OnceLock<Arc<Shape>>,
}

/// The shapes.
#[must_use]
pub fn shapes() -> &'static Shapes {
    static SHAPES: LazyLock<Shapes> = LazyLock::new(Shapes::load);
    &SHAPES
}

const FIELDS: &[&str] = &[
    include_str!("../../knowledge/fields/istio.tsv"),
    include_str!("../../knowledge/fields/knative.tsv"),
    include_str!("../../knowledge/fields/operator.tsv"),
    include_str!("../../knowledge/fields/gateway-api.tsv"),
    include_str!("../../knowledge/fields/values.tsv"),
    include_str!("../../knowledge/fields/operator-file.tsv"),
];

impl Shapes {
    fn load() -> Self {
        let mut listed: HashMap<String, Shape> = HashMap::new();
        for text in FIELDS {
            for line in text.lines().filter(|line| !line.starts_with('#')).skip(1) {
                let mut cells = line.split('\t');
                let (Some(kind), Some(path), Some(ty)) = (cells.next(), cells.next(), cells.next())
                else {
                    continue;
                };
                let values = cells.next().unwrap_or_default();
                let root = listed
                    .entry(kind.to_owned())
                    .or_insert_with(|| Shape::Object(BTreeMap::new()));
                let steps = path.replace("[]", ".[]");
                let steps: Vec<&str> = steps.split('.').collect();
                root.insert(&steps, of_row(ty, values));
            }
        }
        let metadata = metadata();
        for (kind, shape) in &mut listed {
            if let (Shape::Object(fields), true) = (shape, kind.contains('.')) {
                for name in ["apiVersion", "kind"] {
                    fields.insert(name.into(), Shape::Scalar(Scalar::String));
                }
                fields.insert("metadata".into(), metadata.clone());
                fields.entry("status".into()).or_insert(Shape::Any);
            }
        }
        for ty in api::kinds::ALL {
            let key = format!("{}.{}", ty.kind, ty.group);
            if let (false, Some(tree)) = (listed.contains_key(&key), api::schema::tree(ty)) {
                listed.insert(key, Shape::of(tree));
            }
        }
        for (key, tree) in more() {
            listed.insert(key.to_owned(), Shape::of(&tree));
        }
        Self {
            listed: listed
                .into_iter()
                .map(|(kind, shape)| (kind, Arc::new(shape)))
                .collect(),
            mesh: OnceLock::new(),
            proxy: OnceLock::new(),
        }
    }

    /// The shape of a kind's whole object. `None` for kinds whose fields are not known.
    #[must_use]
    pub fn kind(&self, kind: &str, group: &str) -> Option<&Arc<Shape>> {
        self.listed.get(&format!("{kind}.{group}"))
    }

    /// The shape of a kind's whole object, by the name under which the tables have it.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Shape>> {
        self.listed.get(name)
    }

    /// Istio's MeshConfig.
    pub fn mesh_config(&self) -> &Arc<Shape> {
        self.mesh
            .get_or_init(|| Arc::new(Shape::of(&Tree::of::<api::istio::MeshConfig>())))
    }

    /// Istio's ProxyConfig of the mesh and of `proxy.istio.io/config`.
    pub fn proxy_config(&self) -> &Arc<Shape> {
        self.proxy
            .get_or_init(|| Arc::new(Shape::of(&Tree::of::<api::istio::MeshProxyConfig>())))
    }

    /// Names and shapes of all kinds, in the order of their names.
    #[must_use]
    pub fn all(&self) -> Vec<(&str, &Shape)> {
        let mut all: Vec<_> = self
            .listed
            .iter()
            .map(|(kind, shape)| (kind.as_str(), &**shape))
            .collect();
        all.sort_by_key(|(kind, _)| *kind);
        all
    }
}

fn metadata() -> Shape {
    api::schema::tree(&api::kinds::CONFIG_MAP)
        .and_then(|tree| tree.field("metadata"))
        .map_or(Shape::Any, Shape::of)
}

/// Kinds of Kubernetes that `api` has no type for but its library has.
fn more() -> Vec<(&'static str, Tree)> {
    use api::k8s::api::{batch, core, networking, storage};
    vec![
        (
            "Ingress.networking.k8s.io",
            Tree::of::<networking::v1::Ingress>(),
        ),
        (
            "IngressClass.networking.k8s.io",
            Tree::of::<networking::v1::IngressClass>(),
        ),
        (
            "NetworkPolicy.networking.k8s.io",
            Tree::of::<networking::v1::NetworkPolicy>(),
        ),
        ("CronJob.batch", Tree::of::<batch::v1::CronJob>()),
        (
            "PersistentVolumeClaim.",
            Tree::of::<core::v1::PersistentVolumeClaim>(),
        ),
        (
            "StorageClass.storage.k8s.io",
            Tree::of::<storage::v1::StorageClass>(),
        ),
    ]
}

fn of_row(ty: &str, values: &str) -> Shape {
    let range = || {
        let (low, high) = values.split_once("..").unwrap_or_default();
        (
            low.parse().unwrap_or(i128::from(i64::MIN)),
            high.parse().unwrap_or(i128::from(u64::MAX)),
        )
    };
    let scalar = match ty {
        "list" => return Shape::List(Box::new(Shape::Any)),
        "map" => return Shape::Map(Box::new(Shape::Any)),
        "object" => return Shape::Object(BTreeMap::new()),
        "string" => Scalar::String,
        "bool" => Scalar::Bool,
        "number" => Scalar::Number,
        "duration" => Scalar::Duration,
        "time" => Scalar::Time,
        "intstr" => Scalar::IntOrString,
        "int" => {
            let (low, high) = range();
            Scalar::Int(low, high)
        }
        "enum" => Scalar::Choice(values.split('|').map(str::to_owned).collect()),
        _ => return Shape::Any,
    };
    Shape::Scalar(scalar)
}

//! Kinds of Kubernetes, Istio, Knative, the Gateway API and what stands beside them: names, columns, versions.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::table::Table;

/// A kind that API servers know.
#[derive(Debug, Clone)]
pub struct Kind {
    pub group: &'static str,
    /// The preferred one first.
    pub versions: Vec<&'static str>,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
    /// Columns of `kubectl get`; the second part says whether only `-o wide` prints it.
    pub columns: Vec<(&'static str, bool)>,
    pub source: &'static str,
    names: Vec<&'static str>,
}

/// A kind that API servers do not know any more.
#[derive(Debug, Clone, Copy)]
pub struct RemovedKind {
    pub group: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub until: &'static str,
    pub instead: &'static str,
    pub source: &'static str,
}

/// All of them.
#[derive(Debug)]
pub struct Kinds {
    all: Vec<Kind>,
    by_name: HashMap<String, Vec<usize>>,
    removed: Vec<RemovedKind>,
}

/// The kinds.
#[must_use]
pub fn kinds() -> &'static Kinds {
    static KINDS: LazyLock<Kinds> = LazyLock::new(Kinds::load);
    &KINDS
}

impl Kind {
    /// `networking.istio.io/v1`, or `v1`.
    #[must_use]
    pub fn api_version(&self) -> String {
        let version = self.versions.first().copied().unwrap_or("v1");
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    /// The name under which the shapes have it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}.{}", self.kind, self.group)
    }

    /// Whether it is a custom resource of Istio or Knative.
    #[must_use]
    pub fn is_of_mesh(&self) -> bool {
        self.group.contains("istio.io") || self.group.contains("knative")
    }

    /// Every name that kubectl takes for it.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }
}

impl Kinds {
    fn load() -> Self {
        let tables = [
            Table::parse(include_str!("../../knowledge/kinds.tsv")),
            Table::parse(include_str!("../../knowledge/kinds-crd.tsv")),
        ];
        let mut kinds = Self {
            all: Vec::new(),
            by_name: HashMap::new(),
            removed: Vec::new(),
        };
        for row in tables.iter().flat_map(Table::rows) {
            let columns = row
                .get("columns")
                .split(';')
                .filter(|column| !column.is_empty())
                .map(|column| {
                    let name = column.split('=').next().unwrap_or_default();
                    (name.trim_end_matches('*'), name.ends_with('*'))
                })
                .collect();
            let mut names = vec![row.get("plural"), row.get("singular")];
            names.extend(row.get("short").split(',').filter(|name| !name.is_empty()));
            kinds.add(Kind {
                group: row.get("group"),
                versions: row.get("versions").split(',').collect(),
                kind: row.get("kind"),
                plural: row.get("plural"),
                namespaced: row.get("scope") == "n",
                columns,
                source: row.get("source"),
                names,
            });
        }
        let removed = Table::parse(include_str!("../../knowledge/kinds-removed.tsv"));
        kinds.removed = removed
            .rows()
            .map(|row| RemovedKind {
                group: row.get("group"),
                kind: row.get("kind"),
                plural: row.get("plural"),
                until: row.get("until"),
                instead: row.get("instead"),
                source: row.get("source"),
            })
            .collect();
        kinds
    }

    fn add(&mut self, kind: Kind) {
        let index = self.all.len();
        let mut names: Vec<String> = kind
            .names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        names.push(kind.kind.to_ascii_lowercase());
        names.sort();
        names.dedup();
        for name in names {
            self.by_name.entry(name).or_default().push(index);
        }
        self.all.push(kind);
    }

    /// All kinds.
    #[must_use]
    pub fn all(&self) -> &[Kind] {
        &self.all
    }

    /// The kinds that kubectl may mean by a name such as `vs`, `pods` or `gateways.networking.istio.io`.
    #[must_use]
    pub fn by_resource(&self, name: &str) -> Vec<&Kind> {
        let name = name.to_ascii_lowercase();
        let find = |name: &str| self.by_name.get(name).into_iter().flatten();
        let exact: Vec<&Kind> = find(&name).map(|index| &self.all[*index]).collect();
        if !exact.is_empty() {
            return exact;
        }
        let Some((plain, group)) = name.split_once('.') else {
            return Vec::new();
        };
        find(plain)
            .map(|index| &self.all[*index])
            .filter(|kind| {
                group == kind.group
                    || (!kind.group.is_empty() && kind.group.starts_with(group))
                    || kind
                        .versions
                        .iter()
                        .any(|version| group == format!("{version}.{}", kind.group))
            })
            .collect()
    }

    /// A kind by group and name.
    #[must_use]
    pub fn by_kind(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.all
            .iter()
            .find(|known| known.group == group && known.kind == kind)
    }

    /// Every kind of this name, whatever its group.
    pub fn of_name<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Kind> {
        self.all.iter().filter(move |known| known.kind == kind)
    }

    /// Whether all kinds of the group are in the tables.
    #[must_use]
    pub fn knows_group(&self, group: &str) -> bool {
        const OPEN: &[&str] = &["argoproj.io", "karpenter.sh", "keda.sh", "cert-manager.io"];
        !OPEN.contains(&group) && self.all.iter().any(|kind| kind.group == group)
    }

    /// Kinds that are gone.
    #[must_use]
    pub fn removed(&self) -> &[RemovedKind] {
        &self.removed
    }
}

//! Cuts a descriptor set down to what some messages reach.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

/// Removes what only code generators need.
pub(crate) fn strip(mut set: FileDescriptorSet) -> FileDescriptorSet {
    for file in &mut set.file {
        file.source_code_info = None;
        file.options = None;
    }
    set
}

/// Keeps the top-level messages and enums that `roots` reach, and the files that hold them. Services,
/// extensions and options go.
pub(crate) fn prune(set: &FileDescriptorSet, roots: &BTreeSet<String>) -> FileDescriptorSet {
    let index = Index::of(set);
    let kept = index.reachable(roots);
    let mut files = Vec::new();
    for file in &set.file {
        let package = file.package();
        let keeps = |name: &str| kept.contains(&format!(".{package}.{name}"));
        let mut pruned = FileDescriptorProto {
            name: file.name.clone(),
            package: file.package.clone(),
            syntax: file.syntax.clone(),
            message_type: file
                .message_type
                .iter()
                .filter(|one| keeps(one.name()))
                .cloned()
                .collect(),
            enum_type: file
                .enum_type
                .iter()
                .filter(|one| keeps(one.name()))
                .cloned()
                .collect(),
            ..Default::default()
        };
        if pruned.message_type.is_empty() && pruned.enum_type.is_empty() {
            continue;
        }
        pruned.message_type.iter_mut().for_each(strip_message);
        for one in &mut pruned.enum_type {
            one.value.iter_mut().for_each(|value| value.options = None);
        }
        pruned.dependency = index.files_of(&pruned);
        files.push(pruned);
    }
    FileDescriptorSet { file: files }
}

fn strip_message(message: &mut DescriptorProto) {
    message.extension.clear();
    for field in &mut message.field {
        // `packed` alone changes the encoding; `deprecated` is of use to those who walk the fields.
        field.options = field
            .options
            .take()
            .filter(|options| options.packed.is_some());
    }
    for oneof in &mut message.oneof_decl {
        oneof.options = None;
    }
    message.nested_type.iter_mut().for_each(strip_message);
}

/// Where each type is defined and what it refers to, by the name of its outermost message or enum.
struct Index<'a> {
    top_level: BTreeMap<String, Top<'a>>,
    /// Full names of nested types to the name of the outermost one.
    outermost: BTreeMap<String, String>,
}

struct Top<'a> {
    file: &'a str,
    refers_to: BTreeSet<String>,
}

impl<'a> Index<'a> {
    fn of(set: &'a FileDescriptorSet) -> Self {
        let mut index = Self {
            top_level: BTreeMap::new(),
            outermost: BTreeMap::new(),
        };
        for file in &set.file {
            for message in &file.message_type {
                let name = format!(".{}.{}", file.package(), message.name());
                let mut refers_to = BTreeSet::new();
                index.add(message, &name, &name, &mut refers_to);
                index.define(name, file.name(), refers_to);
            }
            for one in &file.enum_type {
                let name = format!(".{}.{}", file.package(), one.name());
                index.define(name, file.name(), BTreeSet::new());
            }
        }
        index
    }

    fn define(&mut self, name: String, file: &'a str, refers_to: BTreeSet<String>) {
        self.outermost.insert(name.clone(), name.clone());
        self.top_level.insert(name, Top { file, refers_to });
    }

    fn add(
        &mut self,
        message: &DescriptorProto,
        name: &str,
        top: &str,
        refers_to: &mut BTreeSet<String>,
    ) {
        refers_to.extend(
            message
                .field
                .iter()
                .filter_map(|field| field.type_name.clone()),
        );
        for nested in &message.nested_type {
            let nested_name = format!("{name}.{}", nested.name());
            self.outermost.insert(nested_name.clone(), top.to_owned());
            self.add(nested, &nested_name, top, refers_to);
        }
        for nested in &message.enum_type {
            self.outermost
                .insert(format!("{name}.{}", nested.name()), top.to_owned());
        }
    }

    fn reachable(&self, roots: &BTreeSet<String>) -> BTreeSet<String> {
        let mut kept = BTreeSet::new();
        let mut open: Vec<&String> = roots.iter().collect();
        while let Some(name) = open.pop() {
            let top = self
                .outermost
                .get(name)
                .unwrap_or_else(|| panic!("no message {name} in Envoy's API"));
            if kept.insert(top.clone()) {
                open.extend(&self.top_level[top].refers_to);
            }
        }
        kept
    }

    /// The other files that the messages of `file` refer to.
    fn files_of(&self, file: &FileDescriptorProto) -> Vec<String> {
        let tops = file
            .message_type
            .iter()
            .map(|one| format!(".{}.{}", file.package(), one.name()));
        let refers_to: BTreeSet<&String> = tops
            .flat_map(|top| &self.top_level[&top].refers_to)
            .collect();
        let files: BTreeSet<&str> = refers_to
            .into_iter()
            .map(|name| self.top_level[&self.outermost[name]].file)
            .collect();
        files
            .into_iter()
            .filter(|name| *name != file.name())
            .map(str::to_owned)
            .collect()
    }
}

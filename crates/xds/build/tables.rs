//! Writes the two tables that the crate needs without descriptors at hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

const ANY: &str = ".google.protobuf.Any";

/// Which fields must be looked into so that the order of map entries does not matter:
/// `static MESSAGES: &[(name, &[(field, Kind)])]`, sorted by name, with messages referred to by index.
pub(crate) fn canonical(set: &FileDescriptorSet) -> String {
    let mut messages: BTreeMap<String, &DescriptorProto> = BTreeMap::new();
    for file in &set.file {
        let prefix = format!(".{}", file.package());
        file.message_type
            .iter()
            .for_each(|one| collect(one, &prefix, &mut messages));
    }
    let walked = walked(&messages);
    let index: BTreeMap<&str, usize> = walked
        .iter()
        .enumerate()
        .map(|(at, name)| (*name, at))
        .collect();
    let mut out = String::from("static MESSAGES: &[(&str, &[(u32, Kind)])] = &[\n");
    for name in &walked {
        let mut fields: Vec<(i32, String)> = Vec::new();
        for field in messages[*name]
            .field
            .iter()
            .filter(|field| field.r#type() == Type::Message)
        {
            let target = field.type_name();
            let kind = match index.get(target) {
                _ if target == ANY => "Any".to_owned(),
                at if is_map_entry(messages[target]) => format!(
                    "Map({})",
                    at.copied()
                        .map_or("None".into(), |at| format!("Some({at})"))
                ),
                Some(at) => format!("Message({at})"),
                None => continue,
            };
            fields.push((field.number(), kind));
        }
        fields.sort();
        let fields: Vec<_> = fields
            .iter()
            .map(|(number, kind)| format!("({number}, Kind::{kind})"))
            .collect();
        writeln!(out, "    ({:?}, &[{}]),", &name[1..], fields.join(", "))
            .expect("writing to a string");
    }
    out.push_str("];\n");
    out
}

fn collect<'a>(
    message: &'a DescriptorProto,
    prefix: &str,
    into: &mut BTreeMap<String, &'a DescriptorProto>,
) {
    let name = format!("{prefix}.{}", message.name());
    for nested in &message.nested_type {
        collect(nested, &name, into);
    }
    into.insert(name, message);
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
}

/// Messages that hold, at any depth, a map or an `Any`.
fn walked<'a>(messages: &'a BTreeMap<String, &DescriptorProto>) -> BTreeSet<&'a str> {
    let mut walked: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = walked.len();
        for (name, message) in messages {
            let holds = message
                .field
                .iter()
                .filter(|field| field.r#type() == Type::Message)
                .any(|field| {
                    let target = field.type_name();
                    target == ANY || walked.contains(target) || is_map_entry(messages[target])
                });
            if holds {
                walked.insert(name);
            }
        }
        if walked.len() == before {
            return walked;
        }
    }
}

/// Which fields Envoy marks as sensitive: `static SENSITIVE: &[(message, &[field number])]`, sorted.
pub(crate) fn sensitive(bytes: &[u8]) -> String {
    let set = Files::decode(bytes).expect("the descriptor set was decoded before");
    let mut found: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for file in &set.file {
        file.message_type
            .iter()
            .for_each(|one| sensitive_in(one, &file.package, &mut found));
    }
    let mut out = String::from("static SENSITIVE: &[(&str, &[u32])] = &[\n");
    for (name, fields) in &found {
        writeln!(out, "    ({name:?}, &{fields:?}),").expect("writing to a string");
    }
    out.push_str("];\n");
    out
}

fn sensitive_in(message: &Message, prefix: &str, found: &mut BTreeMap<String, Vec<i32>>) {
    let name = format!("{prefix}.{}", message.name);
    let marked = message.field.iter().filter(|field| {
        field
            .options
            .as_ref()
            .is_some_and(|options| options.sensitive)
    });
    let mut fields: Vec<i32> = marked.map(|field| field.number).collect();
    if !fields.is_empty() {
        fields.sort_unstable();
        found.insert(name.clone(), fields);
    }
    message
        .nested
        .iter()
        .for_each(|nested| sensitive_in(nested, &name, found));
}

// Descriptors with the one option that prost-types drops, `udpa.annotations.sensitive`.

#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<Message>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Message>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Field {
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(message, optional, tag = "8")]
    options: Option<FieldOptions>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FieldOptions {
    #[prost(bool, tag = "76569463")]
    sensitive: bool,
}

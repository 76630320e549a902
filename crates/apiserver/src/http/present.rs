//! How objects are shown: as they are, as metadata only, or as a table; chosen by the Accept header.

use bytes::Bytes;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::body::{self, Answer};
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::objects::call::Call;
use crate::objects::meta;
use crate::objects::read::Page;
use crate::storage::Object;
use crate::table;

/// The form that the client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presenter {
    Json,
    /// `meta.k8s.io/v1 PartialObjectMetadata`.
    Metadata,
    /// `meta.k8s.io/v1 Table`, whose rows carry this much of the object.
    Table(table::Include),
}

/// One alternative of an Accept header.
struct Media<'a> {
    kind: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl Media<'_> {
    fn parameter(&self, name: &str) -> &str {
        self.parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }
}

fn alternatives(headers: &HeaderMap) -> Vec<Media<'_>> {
    let values = headers
        .get_all(header::ACCEPT)
        .into_iter()
        .filter_map(|v| v.to_str().ok());
    let parts = values.flat_map(|v| v.split(','));
    parts
        .map(|part| {
            let mut pieces = part.split(';').map(str::trim);
            let kind = pieces.next().unwrap_or_default();
            Media {
                kind,
                parameters: pieces.filter_map(|p| p.split_once('=')).collect(),
            }
        })
        .collect()
}

impl Presenter {
    /// The first alternative that we have; JSON when the client does not care.
    pub(crate) fn choose(headers: &HeaderMap, call: &Call) -> ApiResult<Self> {
        let accepted = alternatives(headers);
        if accepted.is_empty() {
            return Ok(Self::Json);
        }
        for media in &accepted {
            if !matches!(
                media.kind,
                "application/json" | "application/*" | "*/*" | ""
            ) {
                continue;
            }
            let form = (
                media.parameter("as"),
                media.parameter("g"),
                media.parameter("v"),
            );
            match form {
                ("", _, _) => return Ok(Self::Json),
                ("Table", "meta.k8s.io", "v1")
                    if matches!(&*call.subresource, "" | "status" | "scale") =>
                {
                    return Ok(Self::Table(table::Include::read(
                        call.query.get("includeObject"),
                    )?));
                }
                ("PartialObjectMetadata" | "PartialObjectMetadataList", "meta.k8s.io", "v1") => {
                    return Ok(Self::Metadata);
                }
                _ => {}
            }
        }
        Err(ApiError::not_acceptable(
            "only the following media types are accepted: application/json, application/json;as=Table;v=v1;g=meta.k8s.io, application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        ))
    }

    pub(crate) fn object(self, api: &Api, call: &Call, status: u16, object: &Object) -> Answer {
        match self {
            Self::Json => body::raw_json(status, api.present_bytes(call, object)),
            _ => body::json(status, &self.value(api, call, object)),
        }
    }

    fn value(self, api: &Api, call: &Call, object: &Object) -> Value {
        let value = api.present_value(call, &object.value);
        match self {
            Self::Json => value,
            Self::Metadata => metadata_only(&value),
            Self::Table(include) => table::table(
                call,
                std::slice::from_ref(&value),
                include,
                &json!({"resourceVersion": meta::text(&value, "resourceVersion")}),
            ),
        }
    }

    pub(crate) fn page(self, api: &Api, call: &Call, page: &Page) -> Answer {
        match self {
            Self::Json => {
                let head = json!({
                    "kind": &*call.resource.list_kind,
                    "apiVersion": call.resource.api_version(),
                    "metadata": page.metadata(),
                })
                .to_string();
                let size: usize = page.objects.iter().map(|o| o.raw.len() + 1).sum();
                let mut out = Vec::with_capacity(head.len() + size + 16);
                out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
                out.extend_from_slice(b",\"items\":[");
                for (i, object) in page.objects.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(&api.present_bytes(call, object));
                }
                out.extend_from_slice(b"]}");
                body::raw_json(200, out)
            }
            Self::Metadata => {
                let items: Vec<Value> = page
                    .objects
                    .iter()
                    .map(|o| metadata_only(&api.present_value(call, &o.value)))
                    .collect();
                let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": page.metadata(), "items": items});
                body::json(200, &list)
            }
            Self::Table(include) => {
                let items: Vec<Value> = page
                    .objects
                    .iter()
                    .map(|o| api.present_value(call, &o.value))
                    .collect();
                body::json(200, &table::table(call, &items, include, &page.metadata()))
            }
        }
    }

    /// One line of a watch.
    pub(crate) fn event(self, api: &Api, call: &Call, kind: &str, object: &Object) -> Bytes {
        let mut line = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
        match self {
            Self::Json => line.extend_from_slice(&api.present_bytes(call, object)),
            _ => line.extend_from_slice(self.value(api, call, object).to_string().as_bytes()),
        }
        line.extend_from_slice(b"}\n");
        line.into()
    }

    pub(crate) fn bookmark(self, call: &Call, object: Value) -> Bytes {
        let object = match self {
            Self::Json => object,
            Self::Metadata => metadata_only(&object),
            Self::Table(_) => table::bookmark(call, &object),
        };
        format!("{}\n", json!({"type": "BOOKMARK", "object": object})).into()
    }
}

pub(crate) fn metadata_only(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

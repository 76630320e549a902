//! Reads one object, or a list in pages that all show the same moment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::call::Call;
use super::select::{FieldSelector, LabelSelector};
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::storage::{Object, ObjectName, ResourceId, Snapshot};

/// Lists that can be continued at a time, and for how long.
const OPEN_LISTS: usize = 64;
const OPEN_FOR: Duration = Duration::from_secs(300);

/// The moments that unfinished lists show.
#[derive(Debug, Default)]
pub(crate) struct OpenLists(Mutex<VecDeque<(Instant, ResourceId, Snapshot)>>);

impl OpenLists {
    fn keep(&self, id: &ResourceId, snapshot: &Snapshot) {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        lists.retain(|(at, kept, s)| {
            now - *at < OPEN_FOR && !(kept == id && s.revision == snapshot.revision)
        });
        if lists.len() == OPEN_LISTS {
            lists.pop_front();
        }
        lists.push_back((now, id.clone(), snapshot.clone()));
    }

    fn find(&self, id: &ResourceId, revision: u64) -> Option<Snapshot> {
        let lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = lists.iter().filter(|(at, kept, s)| {
            kept == id && s.revision == revision && at.elapsed() < OPEN_FOR
        });
        open.next().map(|(_, _, s)| s.clone())
    }
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) revision: u64,
    pub(crate) next: Option<String>,
    pub(crate) remaining: Option<usize>,
}

impl Page {
    /// `ListMeta`.
    pub(crate) fn metadata(&self) -> Value {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            meta["continue"] = next.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            meta["remainingItemCount"] = remaining.into();
        }
        meta
    }
}

fn encode(revision: u64, last: &ObjectName) -> String {
    URL_SAFE_NO_PAD.encode(json!({"rv": revision, "ns": &*last.0, "name": &*last.1}).to_string())
}

fn decode(token: &str) -> ApiResult<(u64, ObjectName)> {
    let bad = || ApiError::bad_request("continue key is not valid");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| bad())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    let text = |field: &str| value[field].as_str().map(Arc::from).ok_or_else(bad);
    Ok((
        value["rv"].as_u64().ok_or_else(bad)?,
        (text("ns")?, text("name")?),
    ))
}

impl Api {
    pub(crate) fn get(&self, call: &Call) -> ApiResult<Arc<Object>> {
        self.storage
            .get(&call.resource.id, &call.namespace, &call.name)
            .ok_or_else(|| call.not_found())
    }

    pub(crate) fn list(&self, call: &Call) -> ApiResult<Page> {
        let query = &call.query;
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())?;
        let fields = FieldSelector::parse(
            query.get("fieldSelector").unwrap_or_default(),
            &call.resource,
        )?;
        let limit = query
            .number("limit")?
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n > 0);
        let (snapshot, after) = match query.get("continue") {
            Some(token) => {
                let (revision, last) = decode(token)?;
                let snapshot = self.open_lists.find(&call.resource.id, revision).ok_or_else(|| {
                    ApiError::expired("The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.")
                })?;
                (snapshot, Some(last))
            }
            None => (self.snapshot_at(call)?, None),
        };
        let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
        let mut page = Page {
            objects: Vec::new(),
            revision: snapshot.revision,
            next: None,
            remaining: None,
        };
        let mut last = None;
        let mut more = 0;
        for (name, object) in snapshot.range(namespace, after.as_ref()) {
            let shown = self.present_ref(call, &object.value);
            if !labels.matches(&shown) || !fields.matches(&shown) {
                continue;
            }
            if limit.is_some_and(|limit| page.objects.len() == limit) {
                more += 1;
                continue;
            }
            page.objects.push(object.clone());
            last = Some(name.clone());
        }
        if more > 0
            && let Some(last) = last
        {
            self.open_lists.keep(&call.resource.id, &snapshot);
            page.next = Some(encode(snapshot.revision, &last));
            let filtered =
                query.get("labelSelector").is_some() || query.get("fieldSelector").is_some();
            page.remaining = (!filtered).then_some(more);
        }
        Ok(page)
    }

    /// The newest state, when it satisfies `resourceVersion` and `resourceVersionMatch`.
    fn snapshot_at(&self, call: &Call) -> ApiResult<Snapshot> {
        let snapshot = self.storage.snapshot(&call.resource.id);
        let rule = call.query.get("resourceVersionMatch");
        let wanted = revision(call.query.get("resourceVersion"))?;
        match (rule, wanted) {
            (Some("Exact"), Some(exact)) if exact > 0 && exact != snapshot.revision => {
                match self.open_lists.find(&call.resource.id, exact) {
                    Some(kept) => Ok(kept),
                    None if exact > snapshot.revision => Err(too_large(exact, snapshot.revision)),
                    None => Err(ApiError::expired(
                        "The resourceVersion for the provided list is too old.",
                    )),
                }
            }
            (Some("Exact" | "NotOlderThan"), None) => {
                let message =
                    "resourceVersionMatch is forbidden unless resourceVersion is provided";
                Err(ApiError::bad_request(message))
            }
            (Some(other), _) if !matches!(other, "Exact" | "NotOlderThan") => {
                Err(ApiError::bad_request(format!(
                    "unknown resourceVersionMatch {other:?}: expected Exact or NotOlderThan"
                )))
            }
            (_, Some(wanted)) if wanted > snapshot.revision => {
                Err(too_large(wanted, snapshot.revision))
            }
            _ => Ok(snapshot),
        }
    }
}

pub(crate) fn revision(text: Option<&str>) -> ApiResult<Option<u64>> {
    let Some(text) = text else { return Ok(None) };
    let bad = |_| {
        ApiError::bad_request(format!(
            "invalid resource version {text:?}: must be a decimal number"
        ))
    };
    text.parse().map(Some).map_err(bad)
}

/// The server has not reached the asked revision. Revisions are shown only once they are durable, so this
/// is another store than the client knew: it has to list again. (kube-apiserver answers 504, which has its
/// caches catching up in mind; clients would wait for ever.)
pub(crate) fn too_large(wanted: u64, current: u64) -> ApiError {
    ApiError::expired(format!(
        "Too large resource version: {wanted}, current: {current}"
    ))
}

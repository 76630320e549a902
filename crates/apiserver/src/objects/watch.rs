//! Watches: what is there, what changes, and bookmarks. A watch reads the shared log at its own pace and
//! holds no buffer of its own; one that fell behind the log is ended with `410 Expired`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::call::Call;
use super::read::{revision, too_large};
use super::select::{FieldSelector, LabelSelector};
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::http::present::Presenter;
use crate::storage::{Event, EventKind, Object};

/// Events taken from the log at a time.
const STEP: usize = 128;
const MIN_TIMEOUT: u64 = 1800;

/// One running watch.
struct Watcher {
    api: Arc<Api>,
    call: Call,
    presenter: Presenter,
    labels: LabelSelector,
    fields: FieldSelector,
    /// Everything up to this revision has been sent.
    reached: u64,
    revision: tokio::sync::watch::Receiver<u64>,
    pending: VecDeque<Bytes>,
    bookmarks: bool,
    next_bookmark: Instant,
    deadline: Instant,
    ended: bool,
}

impl Api {
    /// Starts a watch; the chunks are JSON lines.
    pub(crate) fn watch(
        self: &Arc<Self>,
        call: Call,
        presenter: Presenter,
    ) -> ApiResult<impl Stream<Item = Bytes> + Send + use<>> {
        let query = &call.query;
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())?;
        let fields = FieldSelector::parse(
            query.get("fieldSelector").unwrap_or_default(),
            &call.resource,
        )?;
        let timeout = query.seconds("timeoutSeconds")?.filter(|t| !t.is_zero());
        let timeout = timeout
            .unwrap_or_else(|| Duration::from_secs(MIN_TIMEOUT + fastrand::u64(..MIN_TIMEOUT)));
        let now = Instant::now();
        let mut watcher = Watcher {
            revision: self.storage.subscribe(),
            api: self.clone(),
            presenter,
            labels,
            fields,
            reached: 0,
            pending: VecDeque::new(),
            bookmarks: query.flag("allowWatchBookmarks"),
            next_bookmark: now + self.options.bookmark_interval,
            deadline: now + timeout.min(Duration::from_secs(24 * 3600)),
            ended: false,
            call,
        };
        watcher.start()?;
        Ok(futures::stream::unfold(watcher, |mut watcher| async move {
            let chunk = watcher.next().await?;
            Some((chunk, watcher))
        }))
    }
}

impl Watcher {
    /// Decides where to begin.
    fn start(&mut self) -> ApiResult<()> {
        let query = &self.call.query;
        let from = revision(query.get("resourceVersion"))?;
        let streaming = query.get("sendInitialEvents").is_some();
        let initial = query.flag("sendInitialEvents");
        if streaming && query.get("resourceVersionMatch") != Some("NotOlderThan") {
            let message = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            return Err(ApiError::bad_request(message));
        }
        if initial && !self.bookmarks {
            return Err(ApiError::bad_request(
                "sendInitialEvents is only compatible with allowWatchBookmarks",
            ));
        }
        let current = self.api.storage.revision();
        if let Some(from) = from.filter(|from| *from > current) {
            return Err(too_large(from, current));
        }
        match from {
            Some(from) if from > 0 && !initial => {
                self.reached = from;
                // Refused now rather than in the stream, so that the client sees the code.
                if let Err(expired) = self.api.storage.events(&self.call.resource.id, from, 1) {
                    return Err(ApiError::expired(format!(
                        "too old resource version: {from} ({})",
                        expired.oldest
                    )));
                }
            }
            _ => self.send_state(!streaming || initial, initial),
        }
        Ok(())
    }

    fn send_state(&mut self, objects: bool, mark_end: bool) {
        let snapshot = self.api.storage.snapshot(&self.call.resource.id);
        self.reached = snapshot.revision;
        let namespace = (!self.call.namespace.is_empty()).then_some(self.call.namespace.as_str());
        if objects {
            for (name, object) in snapshot.range(namespace, None) {
                if self.selects(&name.1, object) {
                    let line = self.line("ADDED", object);
                    self.pending.push_back(line);
                }
            }
        }
        if mark_end {
            let line = self.bookmark(true);
            self.pending.push_back(line);
        }
    }

    fn selects(&self, name: &str, object: &Object) -> bool {
        if !self.call.name.is_empty() && self.call.name != name {
            return false;
        }
        let shown = self.api.present_ref(&self.call, &object.value);
        self.labels.matches(&shown) && self.fields.matches(&shown)
    }

    fn line(&self, kind: &str, object: &Object) -> Bytes {
        self.presenter.event(&self.api, &self.call, kind, object)
    }

    fn bookmark(&self, initial_end: bool) -> Bytes {
        let mut meta =
            json!({"resourceVersion": self.reached.to_string(), "creationTimestamp": null});
        if initial_end {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = json!({"kind": &*self.call.resource.kind, "apiVersion": self.call.resource.api_version(), "metadata": meta});
        self.presenter.bookmark(&self.call, object)
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.pending.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.revision.borrow_and_update();
            self.collect();
            if !self.pending.is_empty() || self.reached < self.api.storage.revision() {
                continue;
            }
            let stop = self.api.stopping();
            tokio::select! {
                changed = self.revision.changed() => self.ended |= changed.is_err(),
                () = sleep_until(self.deadline) => self.ended = true,
                () = stop => self.ended = true,
                () = sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark = Instant::now() + self.api.options.bookmark_interval;
                    let line = self.bookmark(false);
                    self.pending.push_back(line);
                }
            }
            if self.ended && self.bookmarks {
                // The client continues from here without listing again.
                self.collect();
                let line = self.bookmark(false);
                self.pending.push_back(line);
            }
        }
    }

    /// Takes the next events from the log.
    fn collect(&mut self) {
        match self
            .api
            .storage
            .events(&self.call.resource.id, self.reached, STEP)
        {
            Ok((events, reached)) => {
                for event in events {
                    let line = self.see(&event);
                    self.pending.extend(line);
                }
                self.reached = reached;
            }
            Err(expired) => {
                let error = ApiError::expired(format!(
                    "too old resource version: {} ({})",
                    self.reached, expired.oldest
                ));
                self.pending.push_back(error_line(&error.status()));
                self.ended = true;
            }
        }
    }

    /// How an event looks through the selectors: objects enter and leave the selection.
    fn see(&self, event: &Event) -> Option<Bytes> {
        if !self.call.namespace.is_empty() && *self.call.namespace != *event.name.0 {
            return None;
        }
        let before = event
            .previous
            .as_ref()
            .is_some_and(|object| self.selects(&event.name.1, object));
        let after = event.kind != EventKind::Deleted && self.selects(&event.name.1, &event.object);
        let kind = match (before, after) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some(self.line(kind, &event.object))
    }
}

fn error_line(status: &Value) -> Bytes {
    format!("{}\n", json!({"type": "ERROR", "object": status})).into()
}

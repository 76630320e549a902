//! Forgets Events that are older than their time to live.

use std::sync::Arc;
use std::time::Duration;

use crate::api::Api;
use crate::clock;
use crate::objects::meta;
use crate::storage::ResourceId;

const EVERY: Duration = Duration::from_secs(60);

pub(crate) async fn run(api: Arc<Api>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => sweep(&api).await,
            () = api.stopping() => return,
        }
    }
}

async fn sweep(api: &Api) {
    let now = time::OffsetDateTime::now_utc();
    let snapshot = api.storage.snapshot(&ResourceId::new("", "events"));
    for ((namespace, name), object) in snapshot.range(None, None) {
        let last = object.value["lastTimestamp"]
            .as_str()
            .or_else(|| object.value["eventTime"].as_str());
        let last = last.unwrap_or_else(|| meta::text(&object.value, "creationTimestamp"));
        let expired = clock::parse(last).is_some_and(|at| now - at > api.options.event_ttl);
        if expired
            && let Some(call) = api.internal_call("", "events", "delete", namespace, name)
            && let Err(error) = api.remove(&call, object).await
        {
            tracing::debug!(error = error.message(), "an old event stays for now");
        }
    }
}

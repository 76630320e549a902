//! [`Store`] over one API server.

use std::sync::Arc;
use std::time::Duration;

use api::store::{Change, Delete, Patch, Query, ResourceType, Store, StoreError};
use async_trait::async_trait;
use base::ObjectKey;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::Request;
use kube::Client;
use serde_json::Value;

use crate::connect::{self, Access, ConnectError};
use crate::error::store_error;
use crate::request;
use crate::watch::watch;

/// A request other than a watch which takes longer has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Access to one API server through `kube`. Cheap to clone.
#[derive(Clone)]
pub struct KubeStore {
    client: Client,
}

impl KubeStore {
    /// Reads the credentials and makes a client. The server need not be there yet.
    pub async fn connect(access: &Access) -> Result<Arc<dyn Store>, ConnectError> {
        Ok(Arc::new(Self {
            client: connect::client(access).await?,
        }))
    }

    /// Over a client that is already made.
    #[must_use]
    pub fn from_client(client: Client) -> Self {
        Self { client }
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Value, StoreError> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_text(request))
            .await
            .map_err(|_| StoreError::Unavailable("no answer within 30 s".into()))?
            .map_err(store_error)?;
        serde_json::from_str(&answer)
            .map_err(|e| StoreError::Unavailable(format!("unreadable answer: {e}")))
    }

    /// All pages of a list, with the resourceVersion to watch from.
    pub(crate) async fn list_all(
        &self,
        ty: &ResourceType,
        query: &Query,
    ) -> Result<(Vec<Value>, String), StoreError> {
        let mut items = Vec::new();
        let mut page: Option<String> = None;
        let mut restarts = 0;
        loop {
            let request = request::list(ty, query, page.as_deref())?;
            let mut answer = match self.send(request).await {
                // The continue token has expired: begin again.
                Err(StoreError::Refused { code: 410, .. }) if page.is_some() && restarts < 3 => {
                    restarts += 1;
                    page = None;
                    items.clear();
                    continue;
                }
                other => other?,
            };
            if let Value::Array(found) = answer["items"].take() {
                items.extend(found.into_iter().map(|item| typed(ty, item)));
            }
            let meta = &answer["metadata"];
            match meta["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => page = Some(token.into()),
                None => {
                    let version = meta["resourceVersion"].as_str().unwrap_or_default();
                    return Ok((items, version.into()));
                }
            }
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// Items of a list carry no `apiVersion` and `kind`; readers want them.
fn typed(ty: &ResourceType, mut item: Value) -> Value {
    if let Value::Object(fields) = &mut item {
        fields
            .entry("apiVersion")
            .or_insert_with(|| ty.api_version().into());
        fields.entry("kind").or_insert_with(|| ty.kind.into());
    }
    item
}

#[async_trait]
impl Store for KubeStore {
    async fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Result<Value, StoreError> {
        self.send(request::get(ty, key)?).await
    }

    async fn list(&self, ty: &ResourceType, query: &Query) -> Result<Vec<Value>, StoreError> {
        Ok(self.list_all(ty, query).await?.0)
    }

    fn watch(&self, ty: &ResourceType, query: &Query) -> BoxStream<'static, Change> {
        watch(self.clone(), *ty, query.clone()).boxed()
    }

    async fn create(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        self.send(request::create(ty, &object)?).await
    }

    async fn replace(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        self.send(request::replace(ty, &object, None)?).await
    }

    async fn replace_status(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError> {
        self.send(request::replace(ty, &object, Some("status"))?)
            .await
    }

    async fn patch(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        self.send(request::patch(ty, key, &patch, None)?).await
    }

    async fn patch_status(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError> {
        self.send(request::patch(ty, key, &patch, Some("status"))?)
            .await
    }

    async fn delete(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        options: Delete,
    ) -> Result<(), StoreError> {
        self.send(request::delete(ty, key, &options)?)
            .await
            .map(drop)
    }

    async fn post(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        subresource: &str,
        body: Value,
    ) -> Result<Value, StoreError> {
        self.send(request::post(ty, key, subresource, &body)?).await
    }
}

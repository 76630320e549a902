//! Reading and writing Kubernetes objects, as every writer above sees it. `source` implements it with
//! `kube`; nothing here knows how.

use async_trait::async_trait;
use base::ObjectKey;
use futures::stream::BoxStream;
use serde_json::Value;

/// Group, version and plural name of a resource: what a request path is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceType {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
}

impl ResourceType {
    /// `v1` or `group/version`, as in the `apiVersion` field.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.into()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Which objects of a type a list or watch is about. Empty strings select everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    pub namespace: Option<String>,
    pub labels: String,
    pub fields: String,
}

/// One step of a watch that never ends: the implementation reconnects and relists by itself.
#[derive(Debug, Clone)]
pub enum Change {
    /// The complete state; everything not in it is gone. First, and again after each relist.
    Synced(Vec<Value>),
    /// An object was created or changed.
    Applied(Value),
    /// An object was deleted; its last state.
    Deleted(Value),
}

/// How a patch body is to be read.
#[derive(Debug, Clone)]
pub enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902: an array of operations.
    Json(Value),
    /// Kubernetes' strategic merge; built-in types only.
    Strategic(Value),
}

/// What happens to the objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// Options of a delete.
#[derive(Debug, Clone, Default)]
pub struct Delete {
    pub propagation: Propagation,
    /// Seconds; `None` leaves the object's own grace period.
    pub grace: Option<i64>,
    /// Refuses with [`StoreError::Conflict`] when the object has another uid.
    pub uid: Option<String>,
}

/// Why a store call failed, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    #[error("{0} not found")]
    NotFound(String),
    #[error("{0} already exists")]
    AlreadyExists(String),
    /// The object changed since it was read: read again and retry.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The request is wrong and stays wrong: validation, admission, permission.
    #[error("refused: {message}")]
    Refused { code: u16, message: String },
    /// The server did not answer; retry later.
    #[error("API server unavailable: {0}")]
    Unavailable(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Unavailable(_))
    }
}

/// Access to one API server. Objects are raw JSON, so that nothing unknown is lost on the way through.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    async fn get(&self, ty: &ResourceType, key: &ObjectKey) -> Result<Value, StoreError>;

    async fn list(&self, ty: &ResourceType, query: &Query) -> Result<Vec<Value>, StoreError>;

    /// Starts with [`Change::Synced`] as soon as the server answers, and never ends by itself.
    fn watch(&self, ty: &ResourceType, query: &Query) -> BoxStream<'static, Change>;

    /// Creates `object`, whose `metadata` names it (or has `generateName`); returns it as stored.
    async fn create(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError>;

    /// Replaces the object; a `metadata.resourceVersion` in it is checked.
    async fn replace(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError>;

    /// Replaces the `status` subresource alone.
    async fn replace_status(&self, ty: &ResourceType, object: Value) -> Result<Value, StoreError>;

    async fn patch(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError>;

    async fn patch_status(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        patch: Patch,
    ) -> Result<Value, StoreError>;

    async fn delete(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        options: Delete,
    ) -> Result<(), StoreError>;

    /// POSTs to a subresource such as `token` or `binding`; returns the answer.
    async fn post(
        &self,
        ty: &ResourceType,
        key: &ObjectKey,
        subresource: &str,
        body: Value,
    ) -> Result<Value, StoreError>;
}

//! What every request works on.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::auth::token::Tokens;
use crate::convert;
use crate::objects::call::Call;
use crate::objects::read::OpenLists;
use crate::options::Options;
use crate::pki::Pki;
use crate::registry::{Registry, Resource};
use crate::storage::{Object, Storage};

/// The state of one server.
pub(crate) struct Api {
    pub(crate) storage: Storage,
    pub(crate) registry: Registry,
    pub(crate) options: Options,
    pub(crate) tokens: Tokens,
    pub(crate) pki: Pki,
    pub(crate) open_lists: OpenLists,
    pub(crate) addresses: crate::admission::service::Addresses,
    pub(crate) webhooks: crate::admission::webhook::Webhooks,
    pub(crate) kubelets: crate::node::KubeletClient,
    pub(crate) schemas: crate::openapi::Schemas,
    pub(crate) documents: crate::openapi::Documents,
    pub(crate) in_flight: tokio::sync::Semaphore,
    pub(crate) stop: tokio::sync::watch::Sender<bool>,
}

impl Api {
    /// Resolves when the server is told to stop.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the server is gone, which is a stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// The form in which an object is stored.
    pub(crate) fn stored_form(&self, resource: &Resource, mut object: Value) -> Value {
        if resource.is("events.k8s.io", "events") {
            convert::event_to_core(&mut object);
        }
        object
    }

    /// A stored object as the version in use shows it.
    pub(crate) fn present_ref<'a>(&self, call: &Call, stored: &'a Value) -> Cow<'a, Value> {
        let version = call.resource.api_version();
        if stored["apiVersion"] == *version && stored["kind"] == *call.resource.kind {
            return Cow::Borrowed(stored);
        }
        let mut shown = stored.clone();
        if call.resource.is("events.k8s.io", "events") {
            convert::event_from_core(&mut shown);
        }
        shown["apiVersion"] = version.into();
        shown["kind"] = (&*call.resource.kind).into();
        Cow::Owned(shown)
    }

    pub(crate) fn present_value(&self, call: &Call, stored: &Value) -> Value {
        self.present_ref(call, stored).into_owned()
    }

    pub(crate) fn present_bytes(&self, call: &Call, object: &Object) -> Bytes {
        match self.present_ref(call, &object.value) {
            Cow::Borrowed(_) => object.raw.clone(),
            Cow::Owned(value) => value.to_string().into(),
        }
    }

    /// A call of the server itself about a built-in type.
    pub(crate) fn internal_call(
        &self,
        group: &str,
        plural: &str,
        verb: &'static str,
        namespace: &str,
        name: &str,
    ) -> Option<Call> {
        let resource: Arc<Resource> = self.registry.find(group, "v1", plural)?;
        Some(Call::internal(resource, verb, namespace, name))
    }
}

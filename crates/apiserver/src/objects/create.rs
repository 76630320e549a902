//! Creates objects.

use std::sync::Arc;

use serde_json::Value;

use super::call::Call;
use super::meta;
use crate::api::Api;
use crate::error::{ApiError, ApiResult};
use crate::storage::{Expect, Object, Write, WriteError};

/// Attempts to find a free generated name.
const NAME_ATTEMPTS: usize = 8;

impl Api {
    /// Stores a new object and returns it as stored.
    pub(crate) async fn create(
        &self,
        call: &mut Call,
        mut object: Value,
    ) -> ApiResult<Arc<Object>> {
        meta::check_type(call, &mut object)?;
        self.clean(call, &mut object)?;
        let generated = meta::text(&object, "name").is_empty();
        let mut attempts = if generated { NAME_ATTEMPTS } else { 1 };
        loop {
            let mut candidate = object.clone();
            meta::choose_name(call, &mut candidate)?;
            call.name = meta::text(&candidate, "name").to_owned();
            attempts -= 1;
            match self.create_named(call, candidate).await {
                Err(error) if attempts > 0 && error.code() == 409 => {}
                done => return done,
            }
        }
    }

    async fn create_named(&self, call: &Call, mut object: Value) -> ApiResult<Arc<Object>> {
        let resource = &call.resource;
        let exists = || ApiError::already_exists(resource.group(), resource.plural(), &call.name);
        self.check_namespace(call)?;
        if self
            .storage
            .get(&resource.id, &call.namespace, &call.name)
            .is_some()
        {
            return Err(exists());
        }
        meta::initialise(call, &mut object);
        self.reset_status(call, &mut object);
        self.default(call, &mut object)?;
        self.admit(call, "CREATE", &mut object, None).await?;
        self.default(call, &mut object)?;
        self.validate(call, &object, None)?;
        self.review(call, "CREATE", Some(&object), None).await?;
        let reservation = self.allocate(call, &mut object, None)?;
        if call.dry_run {
            return unsaved(object, "");
        }
        let stored = self
            .save(call, Expect::Absent, Some(object))
            .await
            .map_err(|e| match e {
                WriteError::Exists => exists(),
                other => ApiError::internal(other),
            })?;
        drop(reservation);
        if resource.is("", "namespaces") {
            // At once, so that pods applied together with their namespace find their account.
            Box::pin(crate::controllers::namespaces::furnish(self, &call.name)).await;
        }
        Ok(stored)
    }

    pub(crate) async fn save(
        &self,
        call: &Call,
        expect: Expect,
        value: Option<Value>,
    ) -> Result<Arc<Object>, WriteError> {
        let value = value.map(|value| self.stored_form(&call.resource, value));
        let write = Write {
            resource: call.resource.id.clone(),
            name: call.object_name(),
            expect,
            value,
        };
        self.storage.write(write).await
    }
}

/// What a dry run answers with.
pub(crate) fn unsaved(mut value: Value, revision: &str) -> ApiResult<Arc<Object>> {
    if !revision.is_empty() {
        value["metadata"]["resourceVersion"] = revision.into();
    }
    let raw = serde_json::to_vec(&value).map_err(ApiError::internal)?;
    Ok(Arc::new(Object {
        revision: revision.parse().unwrap_or(0),
        value,
        raw: raw.into(),
    }))
}

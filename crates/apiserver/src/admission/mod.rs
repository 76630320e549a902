//! What happens to an object between the request and the store: unknown fields, defaults, admission,
//! validation, allocation.

pub(crate) mod service;
pub(crate) mod webhook;

use serde_json::Value;

use crate::api::Api;
use crate::error::ApiResult;
use crate::objects::call::Call;

impl Api {
    /// Audiences of tokens that speak to this server.
    pub(crate) fn audiences(&self) -> Vec<String> {
        vec![self.options.issuer.clone(), "kubernetes.default.svc".into(), "api".into()]
    }

    /// Treats fields that the type does not have as `fieldValidation` asks.
    pub(crate) fn clean(&self, _call: &Call, _object: &mut Value) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) fn check_namespace(&self, _call: &Call) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) fn reset_status(&self, _call: &Call, _object: &mut Value) {}

    pub(crate) fn default(&self, _call: &Call, _object: &mut Value) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) async fn admit(&self, _call: &Call, _operation: &str, _object: &mut Value, _old: Option<&Value>) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) fn validate(&self, _call: &Call, _object: &Value, _old: Option<&Value>) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) async fn review(&self, _call: &Call, _operation: &str, _object: Option<&Value>, _old: Option<&Value>) -> ApiResult<()> {
        Ok(())
    }

    pub(crate) fn allocate(&self, _call: &Call, _object: &mut Value, _old: Option<&Value>) -> ApiResult<()> {
        Ok(())
    }
}

//! One authorized request about objects of one type.

use std::sync::{Arc, Mutex, PoisonError};

use crate::auth::User;
use crate::auth::authorize::Action;
use crate::error::{ApiError, ApiResult};
use crate::http::request::Query;
use crate::registry::Resource;
use crate::storage::ObjectName;

/// Who wants what of which object.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) user: User,
    pub(crate) verb: &'static str,
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster scope and for all namespaces.
    pub(crate) namespace: String,
    /// Empty for collections.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
    pub(crate) query: Query,
    pub(crate) dry_run: bool,
    warnings: Mutex<Vec<String>>,
}

impl Call {
    pub(crate) fn new(
        user: User,
        verb: &'static str,
        resource: Arc<Resource>,
        query: Query,
    ) -> ApiResult<Self> {
        let dry_run = query.dry_run()?;
        Ok(Self {
            user,
            verb,
            resource,
            namespace: String::new(),
            name: String::new(),
            subresource: String::new(),
            query,
            dry_run,
            warnings: Mutex::default(),
        })
    }

    /// The same caller and resource type, another object; for work done on the caller's behalf.
    pub(crate) fn about(&self, namespace: &str, name: &str) -> Self {
        Self {
            user: self.user.clone(),
            verb: self.verb,
            resource: self.resource.clone(),
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            query: self.query.clone(),
            dry_run: self.dry_run,
            warnings: Mutex::default(),
        }
    }

    /// A call of the server itself.
    pub(crate) fn internal(
        resource: Arc<Resource>,
        verb: &'static str,
        namespace: &str,
        name: &str,
    ) -> Self {
        let user = User {
            name: "system:apiserver".into(),
            groups: vec![crate::auth::MASTERS.into()],
            ..User::default()
        };
        Self {
            user,
            verb,
            resource,
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
            query: Query::default(),
            dry_run: false,
            warnings: Mutex::default(),
        }
    }

    pub(crate) fn action(&self) -> Action<'_> {
        Action {
            verb: self.verb,
            group: self.resource.group(),
            plural: self.resource.plural(),
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: None,
        }
    }

    pub(crate) fn object_name(&self) -> ObjectName {
        (self.namespace.as_str().into(), self.name.as_str().into())
    }

    pub(crate) fn warn(&self, warning: impl Into<String>) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // Bounded: each becomes a header.
        if warnings.len() < 64 {
            warnings.push(warning.into());
        }
    }

    pub(crate) fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(self.resource.group(), self.resource.plural(), &self.name)
    }

    pub(crate) fn modified(&self) -> ApiError {
        ApiError::modified(self.resource.group(), self.resource.plural(), &self.name)
    }

    pub(crate) fn conflict(&self, why: impl std::fmt::Display) -> ApiError {
        ApiError::conflict(
            self.resource.group(),
            self.resource.plural(),
            &self.name,
            why,
        )
    }

    pub(crate) fn forbidden(&self, why: impl std::fmt::Display) -> ApiError {
        ApiError::forbidden(
            self.resource.group(),
            self.resource.plural(),
            &self.name,
            why,
        )
    }
}

//! Reviews: questions about tokens, users and permissions, answered and never stored.

use serde_json::{Value, json};

use super::authorize::{self, Action, Decision};
use super::{User, rbac};
use crate::api::Api;
use crate::clock;
use crate::error::{ApiError, ApiResult};
use crate::objects::call::Call;
use crate::objects::meta;

impl Api {
    /// Answers the review that the call POSTs.
    pub(crate) fn answer_review(&self, call: &Call, mut review: Value) -> ApiResult<Value> {
        meta::check_type(call, &mut review)?;
        review["status"] = match call.resource.plural() {
            "tokenreviews" => self.review_token(&review["spec"]),
            "selfsubjectreviews" => json!({"userInfo": call.user.info()}),
            "selfsubjectaccessreviews" => self.review_access(&call.user, &review["spec"])?,
            "selfsubjectrulesreviews" => self.review_rules(&call.user, &review["spec"]),
            "subjectaccessreviews" | "localsubjectaccessreviews" => {
                let user = subject(&review["spec"])?;
                self.review_access(&user, &review["spec"])?
            }
            _ => return Err(ApiError::no_route()),
        };
        meta::metadata(&mut review).insert("creationTimestamp".into(), clock::now().into());
        Ok(review)
    }

    fn review_token(&self, spec: &Value) -> Value {
        let asked = spec["audiences"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|a| a.as_str().map(str::to_owned));
        let mut audiences: Vec<String> = asked.collect();
        if audiences.is_empty() {
            audiences = self.audiences();
        }
        match self.tokens.verify(
            spec["token"].as_str().unwrap_or_default(),
            &audiences,
            &self.storage,
        ) {
            Ok((user, matched)) => {
                json!({"authenticated": true, "user": user.info(), "audiences": matched})
            }
            Err(error) => json!({"authenticated": false, "user": {}, "error": error.to_string()}),
        }
    }

    fn review_access(&self, user: &User, spec: &Value) -> ApiResult<Value> {
        let text =
            |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        let Decision { allowed, reason } = if resource.is_object() {
            let parts = [
                "verb",
                "group",
                "resource",
                "subresource",
                "namespace",
                "name",
            ]
            .map(|field| text(resource, field));
            let [verb, group, plural, subresource, namespace, name] = &parts;
            authorize::decide(
                &self.storage,
                user,
                &Action {
                    verb,
                    group,
                    plural,
                    subresource,
                    namespace,
                    name,
                    path: None,
                },
            )
        } else if other.is_object() {
            let (verb, path) = (text(other, "verb"), text(other, "path"));
            authorize::decide(
                &self.storage,
                user,
                &Action {
                    verb: &verb,
                    path: Some(&path),
                    ..Action::default()
                },
            )
        } else {
            return Err(ApiError::bad_request(
                "exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        };
        let mut status = json!({"allowed": allowed});
        if !reason.is_empty() {
            status["reason"] = reason.into();
        }
        Ok(status)
    }

    fn review_rules(&self, user: &User, spec: &Value) -> Value {
        let namespace = spec["namespace"].as_str().unwrap_or_default();
        let mut rules = rbac::rules(&self.storage, user, namespace);
        if user.in_group(super::MASTERS) {
            rules.push(json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}));
            rules.push(json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        let (paths, resources): (Vec<Value>, Vec<Value>) = rules
            .into_iter()
            .partition(|rule| rule["nonResourceURLs"].is_array());
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
    }
}

fn subject(spec: &Value) -> ApiResult<User> {
    let name = spec["user"].as_str().unwrap_or_default();
    let groups: Vec<String> = spec["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|g| g.as_str().map(str::to_owned))
        .collect();
    if name.is_empty() && groups.is_empty() {
        return Err(ApiError::bad_request(
            "at least one of user or group must be specified",
        ));
    }
    Ok(User {
        name: name.into(),
        groups,
        ..User::default()
    })
}

//! Takes a request to what answers it: authenticate, route, authorize, decode, call, present.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use hyper::body::Incoming;
use serde_json::Value;

use super::body::{self, Answer};
use super::discovery;
use super::present::Presenter;
use super::protobuf;
use super::request::{Query, ResourcePath, Route, verb};
use crate::api::Api;
use crate::auth::User;
use crate::auth::authorize::{self, Action};
use crate::error::{ApiError, ApiResult};
use crate::objects::call::Call;
use crate::objects::delete::{self, DeleteOptions, Deleted};
use crate::objects::patch_request::Patch;

/// Requests worked on at a time.
pub(crate) const IN_FLIGHT: usize = 600;
const RETRY_SECONDS: u32 = 1;

/// Answers one request; refusals become `Status` objects.
pub(crate) async fn dispatch(
    api: &Arc<Api>,
    certificate: Option<&User>,
    request: Request<Incoming>,
) -> Answer {
    match route(api, certificate, request).await {
        Ok(answer) => answer,
        Err(error) => body::refusal(&error),
    }
}

fn authenticate(api: &Api, certificate: Option<&User>, headers: &HeaderMap) -> ApiResult<User> {
    if let Some(user) = certificate {
        return Ok(user.clone());
    }
    let Some(value) = headers.get(http::header::AUTHORIZATION) else {
        return Ok(User::anonymous());
    };
    let text = value.to_str().map_err(|_| ApiError::unauthorized())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(ApiError::unauthorized)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::unauthorized());
    }
    let verified = api
        .tokens
        .verify(token.trim(), &api.audiences(), &api.storage);
    verified.map(|(user, _)| user).map_err(|error| {
        tracing::debug!(%error, "refused a bearer token");
        ApiError::unauthorized()
    })
}

/// `kubectl --as`: the caller acts as somebody else, when it may.
fn impersonate(api: &Api, user: User, headers: &HeaderMap) -> ApiResult<User> {
    let text = |value: &HeaderValue| {
        value
            .to_str()
            .map(str::to_owned)
            .map_err(|_| ApiError::bad_request("invalid impersonation header"))
    };
    let groups: Vec<String> = headers
        .get_all("impersonate-group")
        .into_iter()
        .map(text)
        .collect::<ApiResult<_>>()?;
    let Some(name) = headers.get("impersonate-user").map(text).transpose()? else {
        let others = headers
            .keys()
            .any(|key| key.as_str().starts_with("impersonate-"));
        return if others {
            Err(ApiError::bad_request(
                "requested impersonation without impersonating a user",
            ))
        } else {
            Ok(user)
        };
    };
    let of = |plural, name| Action {
        verb: "impersonate",
        plural,
        name,
        ..Action::default()
    };
    allow(api, &user, &of("users", &name))?;
    for group in &groups {
        allow(api, &user, &of("groups", group))?;
    }
    let mut acting = User {
        name,
        groups,
        ..User::default()
    };
    if let Some((namespace, _)) = acting
        .service_account()
        .map(|(ns, n)| (ns.to_owned(), n.to_owned()))
    {
        acting.groups.extend([
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ]);
    }
    if acting.name != "system:anonymous" && !acting.in_group(crate::auth::AUTHENTICATED) {
        acting.groups.push(crate::auth::AUTHENTICATED.into());
    }
    Ok(acting)
}

async fn route(
    api: &Arc<Api>,
    certificate: Option<&User>,
    request: Request<Incoming>,
) -> ApiResult<Answer> {
    let path = request.uri().path().to_owned();
    let route = Route::parse(&path).ok_or_else(ApiError::no_route)?;
    let user = authenticate(api, certificate, request.headers())?;
    let user = impersonate(api, user, request.headers())?;
    match route {
        Route::Other(path) => {
            let verb = request.method().as_str().to_ascii_lowercase();
            let action = Action {
                verb: &verb,
                path: Some(&path),
                ..Action::default()
            };
            allow(api, &user, &action)?;
            discovery::answer(api, &path, &request)
        }
        Route::Resource(path) => resource(api, user, path, request).await,
    }
}

fn allow(api: &Api, user: &User, action: &Action<'_>) -> ApiResult<()> {
    if authorize::decide(&api.storage, user, action).allowed {
        return Ok(());
    }
    let why = authorize::refusal(user, action);
    if user.name == "system:anonymous" && action.path.is_none() {
        tracing::debug!(%why, "refused an anonymous request");
    }
    Err(match action.path {
        Some(path) => ApiError::new(403, "Forbidden", format!("forbidden: {why}: {path:?}")),
        None => ApiError::forbidden(action.group, action.plural, action.name, why),
    })
}

async fn resource(
    api: &Arc<Api>,
    user: User,
    path: ResourcePath,
    request: Request<Incoming>,
) -> ApiResult<Answer> {
    let found = api.registry.find(&path.group, &path.version, &path.plural);
    let resource = found.ok_or_else(ApiError::no_route)?;
    if resource.namespaced && path.namespace.is_none() && path.name.is_some() {
        return Err(ApiError::no_route());
    }
    if !resource.namespaced && path.namespace.is_some() {
        return Err(ApiError::no_route());
    }
    if path
        .subresource
        .as_deref()
        .is_some_and(|name| resource.subresource(name).is_none())
    {
        return Err(ApiError::no_route());
    }
    let query = Query::parse(request.uri())?;
    let verb = verb(request.method(), path.name.is_some(), query.flag("watch"))?;
    let mut call = Call::new(user, verb, resource, query)?;
    call.namespace = path.namespace.unwrap_or_default();
    call.name = path.name.unwrap_or_default();
    call.subresource = path.subresource.unwrap_or_default();
    if verb == "create" && call.resource.namespaced && call.namespace.is_empty() {
        return Err(ApiError::method_not_allowed("POST"));
    }
    if verb == "create" && !call.name.is_empty() && call.subresource.is_empty() {
        return Err(ApiError::method_not_allowed("POST"));
    }
    allow(api, &call.user, &call.action())?;
    if let Some(version) = call.resource.custom().and_then(|v| v.deprecated.clone()) {
        call.warn(version);
    }
    if crate::node::streams(&call) {
        return crate::node::relay(api, &call, &path.rest, request).await;
    }
    // Watches and streams only hold their place while they start; health is answered without one.
    let _place = api.in_flight.try_acquire().map_err(|_| {
        ApiError::too_many_requests("too many requests, please try again later.", RETRY_SECONDS)
    })?;
    let (parts, incoming) = request.into_parts();
    let bytes = if matches!(parts.method, Method::GET | Method::HEAD) {
        Bytes::new()
    } else {
        body::read(incoming).await?
    };
    let performed = perform(api, &mut call, &parts.headers, &bytes).await;
    let mut answer = performed.unwrap_or_else(|error| body::refusal(&error));
    add_warnings(&mut answer, &call.take_warnings());
    Ok(answer)
}

/// RFC 7234 §5.5 warnings, code 299, as kubectl prints them.
fn add_warnings(answer: &mut Answer, warnings: &[String]) {
    for warning in warnings {
        let text: String = warning
            .chars()
            .filter(|c| !c.is_control())
            .take(1024)
            .collect();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(http::header::WARNING, value);
        }
    }
}

async fn perform(
    api: &Arc<Api>,
    call: &mut Call,
    headers: &HeaderMap,
    bytes: &Bytes,
) -> ApiResult<Answer> {
    if call.resource.is_review() {
        let object = protobuf::decode(headers, bytes)?;
        return api
            .answer_review(call, object)
            .map(|value| body::json(201, &value));
    }
    if !matches!(call.subresource.as_str(), "" | "status") {
        return api.subresource(call, headers, bytes).await;
    }
    let presenter = Presenter::choose(headers, call)?;
    match call.verb {
        "get" => api
            .get(call)
            .map(|object| presenter.object(api, call, 200, &object)),
        "list" => api.list(call).map(|page| presenter.page(api, call, &page)),
        "watch" => {
            let call = std::mem::replace(call, call.about("", ""));
            api.watch(call, presenter)
                .map(|lines| body::streaming("application/json", body::stream(lines)))
        }
        "create" => {
            let object = protobuf::decode(headers, bytes)?;
            let stored = api.create(call, object).await?;
            Ok(presenter.object(api, call, 201, &stored))
        }
        "update" => {
            let object = body::decode(headers, bytes)?;
            let stored = api.update(call, |_| Ok(object.clone())).await?;
            Ok(presenter.object(api, call, 200, &stored))
        }
        "patch" => {
            let patch = Patch::read(call, headers, bytes)?;
            let stored = api
                .update(call, |current| patch.apply(call, current))
                .await?;
            Ok(presenter.object(api, call, 200, &stored))
        }
        "delete" => {
            let options = delete_options(call, headers, bytes)?;
            Ok(match api.delete(call, &options).await? {
                Deleted::Gone(object) => body::json(200, &delete::success(call, &object.value)),
                Deleted::Leaving(object) => presenter.object(api, call, 200, &object),
            })
        }
        "deletecollection" => {
            let options = delete_options(call, headers, bytes)?;
            let objects = api.delete_collection(call, &options).await?;
            let page = crate::objects::read::Page {
                objects,
                revision: api.storage.revision(),
                next: None,
                remaining: None,
            };
            Ok(presenter.page(api, call, &page))
        }
        other => Err(ApiError::method_not_allowed(other)),
    }
}

fn delete_options(call: &Call, headers: &HeaderMap, bytes: &Bytes) -> ApiResult<DeleteOptions> {
    let options = if bytes.is_empty() {
        Value::Null
    } else {
        protobuf::decode(headers, bytes)?
    };
    DeleteOptions::read(call, &options)
}

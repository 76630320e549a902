//! The objects that every cluster has: namespaces and the Service of the API server.

use serde_json::{Value, json};

use crate::api::Api;
use crate::error::ApiError;
use crate::options::Options;

const NAMESPACES: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// Of the Service and its EndpointSlice.
const NAME: &str = "kubernetes";

/// Creates what is missing. The error names the object.
pub(crate) async fn run(api: &Api) -> Result<(), (String, ApiError)> {
    for name in NAMESPACES {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        ensure(api, "", "namespaces", "", namespace).await?;
    }
    publish(api).await
}

/// The Service `default/kubernetes`, through which pods reach this server.
async fn publish(api: &Api) -> Result<(), (String, ApiError)> {
    let Options {
        service_cidr,
        advertise,
        ..
    } = &api.options;
    let ports =
        json!([{"name": "https", "protocol": "TCP", "port": 443, "targetPort": advertise.port()}]);
    let labels = json!({"component": "apiserver", "provider": "kubernetes"});
    let service = json!({
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"clusterIP": service_cidr.hosts().next().map(|ip| ip.to_string()), "ports": ports},
    });
    ensure(api, "", "services", "default", service).await?;
    let family = if advertise.is_ipv4() { "IPv4" } else { "IPv6" };
    let slice = json!({
        "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": family,
        "ports": [{"name": "https", "protocol": "TCP", "port": advertise.port()}],
        "endpoints": [{"addresses": [advertise.ip().to_string()], "conditions": {"ready": true}}],
    });
    ensure(
        api,
        "discovery.k8s.io",
        "endpointslices",
        "default",
        slice.clone(),
    )
    .await?;
    // The address may be another one than at the last start.
    let Some(call) = api.internal_call(
        "discovery.k8s.io",
        "endpointslices",
        "patch",
        "default",
        NAME,
    ) else {
        return Ok(());
    };
    let change = |current: &Value| {
        let mut next = current.clone();
        for field in ["ports", "endpoints"] {
            next[field] = slice[field].clone();
        }
        Ok(next)
    };
    api.update(&call, change)
        .await
        .map(drop)
        .map_err(|error| (format!("endpointslices {NAME}"), error))
}

async fn ensure(
    api: &Api,
    group: &str,
    plural: &str,
    namespace: &str,
    object: Value,
) -> Result<(), (String, ApiError)> {
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let what = format!("{plural} {name}");
    let Some(mut call) = api.internal_call(group, plural, "create", namespace, &name) else {
        return Err((what, ApiError::no_route()));
    };
    match api.create(&mut call, object).await {
        Err(error) if error.code() != 409 => Err((what, error)),
        _ => Ok(()),
    }
}

use serde_json::json;

use super::*;

fn pod() -> Value {
    json!({
        "metadata": {
            "generateName": "reviews-v1-5d8f-", "labels": {"app": "reviews", "version": "v1", "pod-template-hash": "5d8f"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "reviews-v1-5d8f", "controller": true}],
        },
        "spec": {"containers": [{
            "name": "reviews", "image": "reviews", "ports": [{"name": "web", "containerPort": 9080}],
            "readinessProbe": {"httpGet": {"path": "/health", "port": "web"}, "periodSeconds": 2},
            "livenessProbe": {"tcpSocket": {"port": 9080}},
        }]},
    })
}

fn injected(pod: &Value) -> Value {
    match inject(pod, "default", &Settings::default()).unwrap() {
        Outcome::Injected { pod, .. } => pod,
        Outcome::Skipped(why) => panic!("skipped: {why:?}"),
    }
}

#[test]
fn adds_init_and_native_sidecar_before_the_application() {
    let pod = injected(&pod());
    let names = |list: &str| -> Vec<&str> {
        pod["spec"][list]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|c| c["name"].as_str())
            .collect()
    };
    assert_eq!(names("initContainers"), ["istio-init", "istio-proxy"]);
    assert_eq!(names("containers"), ["reviews"]);
    assert_eq!(pod["spec"]["initContainers"][1]["restartPolicy"], "Always");
    assert_eq!(
        pod["metadata"]["labels"]["security.istio.io/tlsMode"],
        "istio"
    );
    assert_eq!(
        pod["metadata"]["labels"]["service.istio.io/canonical-revision"],
        "v1"
    );
}

#[test]
fn names_the_workload_after_its_deployment() {
    let pod = injected(&pod());
    let env = pod["spec"]["initContainers"][1]["env"].as_array().unwrap();
    let get = |name: &str| env.iter().find(|e| e["name"] == name).unwrap()["value"].clone();
    assert_eq!(get("ISTIO_META_WORKLOAD_NAME"), "reviews-v1");
    assert_eq!(
        get("ISTIO_META_OWNER"),
        "kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1"
    );
}

#[test]
fn sends_probes_through_the_agent() {
    let pod = injected(&pod());
    let reviews = &pod["spec"]["containers"][0];
    assert_eq!(
        reviews["readinessProbe"]["httpGet"]["path"],
        "/app-health/reviews/readyz"
    );
    assert_eq!(reviews["readinessProbe"]["periodSeconds"], 2);
    assert!(reviews["livenessProbe"].get("tcpSocket").is_none());
    let env = pod["spec"]["initContainers"][1]["env"].as_array().unwrap();
    let probes = env
        .iter()
        .find(|e| e["name"] == "ISTIO_KUBE_APP_PROBERS")
        .unwrap();
    let probes: Probes = serde_json::from_str(probes["value"].as_str().unwrap()).unwrap();
    assert!(matches!(
        &probes["/app-health/reviews/readyz"],
        AppProbe::HttpGet { path, port: 9080, .. } if path == "/health"
    ));
}

#[test]
fn respects_the_pods_wishes() {
    let decision = |change: fn(&mut Value), namespace: &str| {
        let mut pod = pod();
        change(&mut pod);
        decide(&pod, namespace)
    };
    let label: fn(&mut Value) =
        |p| p["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    assert_eq!(decision(label, "default"), Decision::Skip(Skip::OptedOut));
    assert_eq!(
        decision(|p| p["spec"]["hostNetwork"] = json!(true), "default"),
        Decision::Skip(Skip::HostNetwork)
    );
    assert_eq!(
        decision(|_| {}, "kube-system"),
        Decision::Skip(Skip::IgnoredNamespace)
    );
    let again = injected(&pod());
    assert_eq!(
        decide(&again, "default"),
        Decision::Skip(Skip::AlreadyInjected)
    );
}

#[test]
fn without_native_sidecars_the_proxy_is_first_and_may_hold_the_application() {
    let mut pod = pod();
    pod["metadata"]["annotations"] = json!({
        "sidecar.istio.io/nativeSidecar": "false",
        "proxy.istio.io/config": "holdApplicationUntilProxyStarts: true",
    });
    let pod = injected(&pod);
    assert_eq!(pod["spec"]["containers"][0]["name"], "istio-proxy");
    assert_eq!(
        pod["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"],
        json!([PROGRAM, "agent", "wait"])
    );
}

#[test]
fn a_bad_annotation_is_refused_by_name_and_an_unknown_one_warned_of() {
    let mut pod = pod();
    pod["metadata"]["annotations"] =
        json!({"traffic.sidecar.istio.io/excludeInboundPorts": "80,x"});
    let error = inject(&pod, "default", &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("excludeInboundPorts"), "{error}");
    pod["metadata"]["annotations"] = json!({"sidecar.istio.io/injectt": "true"});
    let Ok(Outcome::Injected { warnings, .. }) = inject(&pod, "default", &Settings::default())
    else {
        panic!("not injected");
    };
    assert!(
        warnings[0].contains("sidecar.istio.io/injectt"),
        "{warnings:?}"
    );
}

fn env_of(pod: &Value, name: &str) -> Option<Value> {
    let proxy = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| pod["spec"][*list].as_array())
        .flatten()
        .find(|container| container["name"] == "istio-proxy")?;
    let env = proxy["env"].as_array()?;
    // The last of a name counts.
    let found = env.iter().rev().find(|entry| entry["name"] == name)?;
    Some(found["value"].clone())
}

#[test]
fn the_mesh_the_objects_and_the_annotation_make_the_settings_of_the_proxy() {
    let snapshot = api::Snapshot::from_yaml(
        "
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    defaultConfig:
      holdApplicationUntilProxyStarts: true
      terminationDrainDuration: 9s
      proxyMetadata: {FROM: mesh}
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: reviews, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  concurrency: 1
  environmentVariables: {ISTIO_META_COLOUR: blue}
",
    )
    .unwrap();
    let settings = Settings {
        proxies: ProxySettings::of(&snapshot),
        native_sidecars: false,
        ..Settings::default()
    };
    let mut pod = pod();
    pod["metadata"]["annotations"] =
        json!({"proxy.istio.io/config": "concurrency: 4\nproxyMetadata:\n  FROM: annotation\n"});
    let Ok(Outcome::Injected { pod, .. }) = inject(&pod, "default", &settings) else {
        panic!("not injected");
    };
    assert_eq!(env_of(&pod, "FROM"), Some(json!("annotation")));
    assert_eq!(env_of(&pod, "ISTIO_META_COLOUR"), Some(json!("blue")));
    let config = env_of(&pod, "PROXY_CONFIG").unwrap();
    let config: Value = serde_json::from_str(config.as_str().unwrap()).unwrap();
    assert_eq!(config["concurrency"], 1);
    assert_eq!(config["terminationDrainDuration"], "9s");
    let hold = &pod["spec"]["containers"][0]["lifecycle"]["postStart"]["exec"]["command"];
    assert_eq!(hold[2], "wait");
}

#[test]
fn the_annotation_is_read_as_yaml_and_as_json() {
    for text in [
        "{\"holdApplicationUntilProxyStarts\": true, \"concurrency\": 1}",
        "# a comment\nconcurrency: 1\n\"holdApplicationUntilProxyStarts\":   true\n",
        "{concurrency: 1, holdApplicationUntilProxyStarts: true}",
    ] {
        let mut pod = pod();
        pod["metadata"]["annotations"] =
            json!({"sidecar.istio.io/nativeSidecar": "false", "proxy.istio.io/config": text});
        let pod = injected(&pod);
        assert!(
            !pod["spec"]["containers"][0]["lifecycle"].is_null(),
            "{text}"
        );
    }
}

#[test]
fn settings_that_cannot_be_honoured_refuse_the_pod_by_field() {
    let refused = |text: &str| {
        let mut pod = pod();
        pod["metadata"]["annotations"] = json!({"proxy.istio.io/config": text});
        inject(&pod, "default", &Settings::default())
            .unwrap_err()
            .to_string()
    };
    for (text, field) in [
        (
            "holdApplicationUntilProxyStart: true",
            "holdApplicationUntilProxyStart",
        ),
        ("tracing: {sampling: 1}", "tracing"),
        ("concurrency: many", "concurrency"),
        ("concurrency: [", "proxy.istio.io/config"),
    ] {
        let message = refused(text);
        assert!(message.contains(field), "{message}");
        assert!(message.contains("proxy.istio.io/config"), "{message}");
    }
}

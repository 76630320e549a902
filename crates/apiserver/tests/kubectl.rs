//! kubectl, unmodified, against the server.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod common;

use common::{Cluster, eventually};
use serde_json::json;

const WEB: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{port: 80, name: http, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: web:1
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
        ports: [{containerPort: 8080}]
"#;

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec:
  containers: [{name: app, image: "one:1"}]
"#;

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {kind: Widget, plural: widgets, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Size, type: string, jsonPath: .spec.size}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: string, enum: [small, large]}
              replicas: {type: integer, minimum: 0, default: 1}
              tags: {type: array, items: {type: string}}
              note: {type: string}
          status:
            type: object
            properties: {replicas: {type: integer}}
  - name: v1beta1
    served: true
    storage: false
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
"#;

#[test]
fn applies_creates_changes_and_leaves_alone() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let created = kubectl.with("apply", WEB);
    assert!(created.contains("deployment.apps/web created"), "{created}");
    assert!(
        kubectl
            .with("apply", WEB)
            .contains("deployment.apps/web unchanged")
    );
    let changed = WEB
        .replace(r#"{name: B, value: "2"}"#, r#"{name: B, value: "3"}"#)
        .replace("  replicas: 2\n", "");
    assert!(
        kubectl
            .with("apply", &changed)
            .contains("deployment.apps/web configured")
    );
    let env =
        kubectl.json("get deploy web -n shop")["spec"]["template"]["spec"]["containers"][0]["env"]
            .clone();
    assert_eq!(
        env,
        json!([{"name": "A", "value": "1"}, {"name": "B", "value": "3"}])
    );
    let less = WEB.replace(r#"{name: A, value: "1"}, "#, "");
    kubectl.with("apply", &less);
    let env =
        kubectl.json("get deploy web -n shop")["spec"]["template"]["spec"]["containers"][0]["env"]
            .clone();
    assert_eq!(env, json!([{"name": "B", "value": "2"}]));
    let dry = kubectl.with("apply --dry-run=server", &WEB.replace("web:1", "web:2"));
    assert!(dry.contains("configured (server dry run)"), "{dry}");
    assert_eq!(
        kubectl.json("get deploy web -n shop")["spec"]["template"]["spec"]["containers"][0]["image"],
        "web:1"
    );
}

#[test]
fn applies_and_validates_custom_resources() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    kubectl.with("apply", DEFINITION);
    kubectl.ok("wait --for=condition=established crd/widgets.example.test --timeout=30s");
    let widget = "apiVersion: example.test/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: small, tags: [a, b], note: x}\n";
    kubectl.with("apply", widget);
    assert_eq!(
        kubectl.json("get wd w")["spec"],
        json!({"size": "small", "replicas": 1, "tags": ["a", "b"], "note": "x"})
    );
    kubectl.with(
        "apply",
        &widget.replace("[a, b]", "[c]").replace(", note: x", ""),
    );
    assert_eq!(
        kubectl.json("get wd w")["spec"],
        json!({"size": "small", "replicas": 1, "tags": ["c"]})
    );
    let table = kubectl.ok("get widgets");
    assert!(table.starts_with("NAME   SIZE    AGE"), "{table}");
    let refused = kubectl.with_fails("apply", &widget.replace("size: small", "size: huge"));
    assert!(
        refused.contains(
            "spec.size: Unsupported value: \"huge\": supported values: \"small\", \"large\""
        ),
        "{refused}"
    );
    let refused = kubectl.with_fails("apply", &widget.replace("note", "nope"));
    assert!(refused.contains("unknown field \"spec.nope\""), "{refused}");
    kubectl.ok("scale wd/w --replicas=4");
    assert_eq!(kubectl.json("get wd w")["spec"]["replicas"], 4);
    let status = kubectl.json(r#"patch wd w --subresource=status --type=merge -p {"status":{"replicas":4},"spec":{"size":"large"}}"#);
    assert_eq!(
        (&status["status"]["replicas"], &status["spec"]["size"]),
        (&json!(4), &json!("small"))
    );
    assert_eq!(
        kubectl.json("get widgets.v1beta1.example.test w")["apiVersion"],
        "example.test/v1beta1"
    );
    let refused = kubectl.fails("patch wd w --type=strategic -p {}");
    assert!(
        refused.contains("application/merge-patch+json")
            && !refused.contains("merge-patch+json, application/strategic"),
        "{refused}"
    );
    assert!(kubectl.ok("explain widget.spec.size").contains("<string>"));
    kubectl.ok("delete crd widgets.example.test --timeout=30s");
    kubectl.fails("get wd w");
    assert!(
        !kubectl
            .ok("api-resources --cached=false")
            .contains("widgets")
    );
}

#[test]
fn replaces_labels_annotates_and_patches_in_every_way() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    kubectl.with("apply", WEB);
    kubectl.ok("label deploy web -n shop tier=front");
    kubectl.ok("annotate deploy web -n shop note=hello");
    assert!(
        kubectl
            .ok("get deploy -n shop -l tier=front,app!=x -o name")
            .contains("deployment.apps/web")
    );
    assert_eq!(kubectl.ok("get deploy -n shop -l tier=back -o name"), "");
    kubectl.ok(r#"patch deploy web -n shop -p {"spec":{"template":{"spec":{"containers":[{"name":"app","image":"web:2"}]}}}}"#);
    kubectl.ok(
        r#"patch deploy web -n shop --type=merge -p {"metadata":{"annotations":{"note":null}}}"#,
    );
    kubectl.ok(r#"patch deploy web -n shop --type=json -p [{"op":"replace","path":"/spec/replicas","value":5}]"#);
    let web = kubectl.json("get deploy web -n shop");
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["image"],
        "web:2"
    );
    assert_eq!(
        web["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        (
            &web["spec"]["replicas"],
            &web["metadata"]["annotations"]["note"]
        ),
        (&json!(5), &json!(null))
    );
    let stale = kubectl.ok("get deploy web -n shop -o json");
    kubectl.ok("scale deploy web -n shop --replicas=3");
    let table = kubectl.ok("get deploy web -n shop --subresource=scale");
    let columns: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(columns, ["NAME", "DESIRED", "AVAILABLE", "AGE"], "{table}");
    let refused = kubectl.with_fails("replace", &stale);
    assert!(
        refused.contains(
            "the object has been modified; please apply your changes to the latest version"
        ),
        "{refused}"
    );
    let fresh = kubectl
        .ok("get deploy web -n shop -o json")
        .replace("web:2", "web:3");
    kubectl.with("replace", &fresh);
    let current = kubectl.json("get deploy web -n shop");
    assert_eq!(
        (
            &current["spec"]["replicas"],
            &current["spec"]["template"]["spec"]["containers"][0]["image"]
        ),
        (&json!(3), &json!("web:3"))
    );
    kubectl.ok("set image deploy/web -n shop app=web:4");
    kubectl.ok("rollout restart deploy/web -n shop");
    assert!(
        kubectl
            .fails("apply --server-side -f /dev/null")
            .contains("no objects"),
        "an empty apply says so"
    );
}

#[test]
fn prints_tables_details_and_explanations() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    kubectl.with("apply", WEB);
    kubectl.with("apply", POD);
    let pods = kubectl.ok("get pods -o wide");
    assert!(
        pods.starts_with("NAME   READY   STATUS    RESTARTS   AGE"),
        "{pods}"
    );
    assert!(pods.contains("one    0/1     Pending   0"), "{pods}");
    let services = kubectl.ok("get svc -n shop");
    assert!(services.contains("web    ClusterIP   10.96."), "{services}");
    assert!(kubectl.ok("get ns").contains("kube-system"));
    assert!(
        kubectl
            .ok("describe pod one")
            .contains("Service Account:  default")
    );
    assert!(
        kubectl
            .ok("describe svc web -n shop")
            .contains("TargetPort:")
    );
    assert!(
        kubectl
            .ok("describe deploy web -n shop")
            .contains("StrategyType:           RollingUpdate")
    );
    assert!(
        kubectl
            .ok("describe ns shop")
            .contains("Status:       Active")
    );
    assert!(kubectl.ok("api-resources").contains("deployments"));
    assert!(kubectl.ok("api-versions").contains("discovery.k8s.io/v1"));
    assert!(
        kubectl
            .ok("explain pod.spec.containers.image")
            .contains("image <string>")
    );
    assert!(
        kubectl
            .ok("get all -n shop -o name")
            .contains("service/web")
    );
    assert!(
        kubectl
            .ok("get pod one -o yaml")
            .contains("kube-api-access-")
    );
    assert!(kubectl.ok("get --raw /readyz").contains("ok"));
    assert!(kubectl.ok("version").contains("Server Version: v1."));
}

#[test]
fn refuses_what_kubernetes_refuses_in_its_words() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let refused = kubectl.with_fails("apply", &WEB.replace("replicas: 2", "replica: 2"));
    assert!(
        refused.contains("strict decoding error: unknown field \"spec.replica\""),
        "{refused}"
    );
    let mistyped = kubectl.with_fails(
        "apply -n shop",
        &WEB.replace("replicas: 2", "replicas: two"),
    );
    assert!(
        mistyped.contains("cannot be handled as a Deployment"),
        "{mistyped}"
    );
    let missing = kubectl.with_fails("apply -n nowhere", POD);
    assert!(
        missing.contains("namespaces \"nowhere\" not found"),
        "{missing}"
    );
    let empty = kubectl.with_fails(
        "apply",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: none}\nspec: {}\n",
    );
    assert!(empty.contains("spec.containers: Required value"), "{empty}");
    let selector = kubectl.with_fails(
        "apply",
        &WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}"),
    );
    assert!(
        selector.contains("`selector` does not match template `labels`"),
        "{selector}"
    );
    kubectl.with("apply", WEB);
    let immutable = kubectl.with_fails("apply", &WEB.replace("{app: web}", "{app: other}"));
    assert!(immutable.contains("field is immutable"), "{immutable}");
    let name = kubectl.with_fails(
        "apply",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Not_Valid}\n",
    );
    assert!(
        name.contains("a lowercase RFC 1123 subdomain must consist of"),
        "{name}"
    );
    assert!(
        kubectl
            .fails("get pod absent")
            .contains("Error from server (NotFound): pods \"absent\" not found")
    );
    assert!(
        kubectl
            .fails("get statefulsets")
            .contains("the server doesn't have a resource type \"statefulsets\"")
    );
    let server_side = kubectl.with_fails("apply --server-side", POD);
    assert!(
        server_side.contains("use client-side apply"),
        "{server_side}"
    );
    kubectl.with("create", POD);
    assert!(
        kubectl
            .with_fails("create", POD)
            .contains("pods \"one\" already exists")
    );
}

#[test]
fn deletes_waits_and_empties_namespaces() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    kubectl.with("apply", WEB);
    kubectl.with("apply", POD);
    kubectl.ok("delete pod one --wait=true --timeout=30s");
    assert!(kubectl.fails("get pod one").contains("NotFound"));
    kubectl.ok("delete ns shop --timeout=30s");
    assert!(kubectl.fails("get ns shop").contains("NotFound"));
    assert_eq!(
        kubectl
            .ok("get svc,deploy,cm,sa -A -o name")
            .matches("web")
            .count(),
        0
    );
    assert!(
        kubectl
            .fails("delete ns default")
            .contains("this namespace may not be deleted")
    );
    kubectl.with("apply", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.test/hold]}\n");
    kubectl.ok("delete cm held --wait=false");
    assert!(kubectl.json("get cm held")["metadata"]["deletionTimestamp"].is_string());
    kubectl.ok(r#"patch cm held --type=merge -p {"metadata":{"finalizers":null}}"#);
    assert!(kubectl.fails("get cm held").contains("NotFound"));
}

#[test]
fn owned_objects_follow_their_owner() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let map = |name: &str, owner: Option<&str>| {
        let owners = owner.map_or(String::new(), |uid| {
            format!(", ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}, blockOwnerDeletion: true}}]")
        });
        kubectl.with(
            "apply",
            &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}{owners}}}\n"),
        );
        kubectl.json(&format!("get cm {name}"))["metadata"]["uid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let gone = |name: &str| !kubectl.run(&format!("get cm {name}")).status.success();
    for policy in ["background", "foreground"] {
        let uid = map("owner", None);
        map("owned", Some(&uid));
        kubectl.ok(&format!("delete cm owner --cascade={policy} --timeout=30s"));
        eventually("the owned object goes", || gone("owned"));
    }
    let uid = map("owner", None);
    map("owned", Some(&uid));
    kubectl.ok("delete cm owner --cascade=orphan --timeout=30s");
    assert!(!gone("owned"));
    assert_eq!(
        kubectl.json("get cm owned")["metadata"].get("ownerReferences"),
        None
    );
}

#[test]
fn follows_changes_with_get_w() {
    use std::io::{BufRead, BufReader};

    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let mut child = kubectl
        .command("get cm -w --output-watch-events --no-headers --field-selector metadata.name=seen")
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    kubectl.with(
        "apply",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unseen}\n",
    );
    kubectl.with(
        "apply",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata: {a: b}\n",
    );
    kubectl.ok("label cm seen x=y");
    kubectl.ok("delete cm seen");
    let words: Vec<String> = lines
        .map_while(Result::ok)
        .map(|line| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .take(3)
        .collect();
    assert_eq!(words, ["ADDED seen", "MODIFIED seen", "DELETED seen"]);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn services_get_addresses_and_keep_them() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let service = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: 80}}]{more}}}\n"
        )
    };
    kubectl.with("apply", &service("chosen", ", clusterIP: 10.96.0.10"));
    assert_eq!(
        kubectl.json("get svc chosen")["spec"]["clusterIP"],
        "10.96.0.10"
    );
    let twice = kubectl.with_fails("apply", &service("twice", ", clusterIP: 10.96.0.10"));
    assert!(
        twice.contains("provided IP is already allocated"),
        "{twice}"
    );
    let outside = kubectl.with_fails("apply", &service("outside", ", clusterIP: 192.168.1.1"));
    assert!(outside.contains("is not in the valid range"), "{outside}");
    kubectl.with("replace", &service("chosen", ", selector: {a: b}"));
    assert_eq!(
        kubectl.json("get svc chosen")["spec"]["clusterIP"],
        "10.96.0.10"
    );
    kubectl.with("apply", &service("headless", ", clusterIP: None"));
    assert_eq!(
        kubectl.json("get svc headless")["spec"]["clusterIPs"],
        json!(["None"])
    );
    kubectl.with("apply", &service("node", ", type: NodePort"));
    let port = kubectl.json("get svc node")["spec"]["ports"][0]["nodePort"]
        .as_u64()
        .unwrap();
    assert!((30000..=32767).contains(&port));
    let before = kubectl.json("get svc node")["spec"]["clusterIP"].clone();
    kubectl.with(
        "apply",
        &service("node", ", type: NodePort, selector: {a: b}"),
    );
    let after = kubectl.json("get svc node");
    assert_eq!(
        (
            &after["spec"]["clusterIP"],
            after["spec"]["ports"][0]["nodePort"].as_u64()
        ),
        (&before, Some(port))
    );
}

#[test]
fn says_who_asks_and_issues_tokens() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    let who = kubectl.ok("auth whoami");
    assert!(
        who.contains("ferromesh-admin") && who.contains("system:masters"),
        "{who}"
    );
    assert_eq!(kubectl.ok("auth can-i delete pods").trim(), "yes");
    let other = kubectl.fails("get secrets --as=system:serviceaccount:default:default");
    assert!(
        other.contains(
            "User \"system:serviceaccount:default:default\" cannot list resource \"secrets\""
        ),
        "{other}"
    );
    let token = kubectl.ok("create token default --audience istio-ca --duration 20m");
    assert_eq!(token.trim().split('.').count(), 3);
}

#[test]
fn imperative_commands_create_what_they_name() {
    let cluster = Cluster::start();
    let Some(kubectl) = cluster.kubectl() else {
        return;
    };
    kubectl.ok("create namespace shop");
    kubectl.ok("create configmap settings -n shop --from-literal=a=b");
    kubectl.ok("create secret generic key -n shop --from-literal=k=v");
    kubectl.ok("create serviceaccount robot -n shop");
    kubectl.ok("create role reader -n shop --verb=get --resource=secrets");
    kubectl.ok("create rolebinding reader -n shop --role=reader --serviceaccount=shop:robot");
    kubectl.ok("create service clusterip web -n shop --tcp=80:8080");
    kubectl.ok("create deployment web -n shop --image=web:1 --replicas=2 --port=8080");
    kubectl.ok("expose deployment web -n shop --name=exposed --port=80 --target-port=8080");
    kubectl.ok("run one -n shop --image=one:1");
    assert_eq!(
        kubectl.json("get cm settings -n shop")["data"],
        json!({"a": "b"})
    );
    assert_eq!(
        kubectl.json("get secret key -n shop")["data"],
        json!({"k": "dg=="})
    );
    let port = kubectl.json("get svc web -n shop")["spec"]["ports"][0].clone();
    assert_eq!(
        (&port["port"], &port["targetPort"]),
        (&json!(80), &json!(8080))
    );
    let web = kubectl.json("get deploy web -n shop");
    assert_eq!(web["spec"]["replicas"], 2);
    let container = &web["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        (&container["image"], &container["ports"][0]["containerPort"]),
        (&json!("web:1"), &json!(8080))
    );
    assert_eq!(
        kubectl
            .ok("auth can-i get secrets -n shop --as=system:serviceaccount:shop:robot")
            .trim(),
        "yes"
    );
    assert_eq!(
        kubectl.ok("get ns shop -o jsonpath={.status.phase}"),
        "Active"
    );
}

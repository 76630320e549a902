//! Pods on a node, seen from outside.

mod support;

use std::path::Path;

use api::kinds;
use api::store::{Patch, Store};
use base::ObjectKey;
use serde_json::{Value, json};
use support::{cluster, condition, output, pod, processes, shell, web};

#[test]
fn a_pod_is_served_through_its_service_and_leaves_nothing() {
    cluster(|cluster| async move {
        cluster.create(pod("web", web("hello"))).await;
        let web = cluster.ready("web").await;
        let ip = web["status"]["podIP"].as_str().unwrap();
        assert_eq!(
            output("curl", &["-s", &format!("http://{ip}:8000/")]),
            "hello\n"
        );
        cluster.service("web", "10.96.1.1", 80, 8000, &[ip]).await;
        let script = "until curl -sf --max-time 2 http://web.default.svc.cluster.local/; do sleep 0.1; done; curl -s http://web/; echo done";
        let client = cluster.create(pod("client", shell(script))).await;
        let log = cluster.logged(&client, "main", "done").await;
        assert_eq!(log, "hello\nhello\ndone\n");
        cluster.delete("web").await;
        cluster.delete("client").await;
        cluster.assert_clean();
    });
}

#[test]
fn a_service_without_endpoints_refuses_at_once_and_a_pod_reaches_itself() {
    cluster(|cluster| async move {
        cluster.create(pod("web", web("self"))).await;
        let web = cluster.ready("web").await;
        let ip = web["status"]["podIP"].as_str().unwrap();
        cluster.service("empty", "10.96.1.2", 80, 8000, &[]).await;
        cluster.service("web", "10.96.1.1", 80, 8000, &[ip]).await;
        let mut client = pod("both", web_client());
        client["spec"]["containers"][0]["env"] = json!([{ "name": "IP", "value": "10.96.1.2" }]);
        let client = cluster.create(client).await;
        let log = cluster.logged(&client, "main", "code=").await;
        assert!(
            log.contains("code=7"),
            "curl's exit code for a refused connection: {log}"
        );
        // From the web pod's own namespace.
        let shim = support::shim_of(&cluster.pod_directory(&web));
        let namespace = net::netns::Namespace::of_process(shim).unwrap();
        let answer = namespace
            .run(|| {
                Ok(output(
                    "curl",
                    &["-s", "--max-time", "5", "http://10.96.1.1/"],
                ))
            })
            .unwrap();
        assert_eq!(answer, "self\n");
        // And from the node itself.
        assert_eq!(
            output("curl", &["-s", "--max-time", "5", "http://10.96.1.1/"]),
            "self\n"
        );
        assert!(
            output("curl", &["-sS", "--max-time", "5", "http://10.96.1.2/"]).contains("curl: (7)")
        );
    });
}

fn web_client() -> Value {
    shell("curl -s --max-time 5 http://$IP/; echo code=$?; sleep 100")
}

#[test]
fn environment_and_volumes_come_from_the_api() {
    cluster(|cluster| async move {
        cluster.create(json!({ "kind": "ConfigMap", "metadata": { "name": "cm" }, "data": { "a": "1", "b": "two" } })).await;
        cluster.create(json!({ "kind": "Secret", "metadata": { "name": "s" }, "data": { "key": "c2VjcmV0" } })).await;
        let mut object = pod(
            "env",
            shell(
                "echo $A/$SECRET/$cm_b/$(cat /etc/cm/a)/$(cat /s/key)/$(stat -Lc %a /s/key)/$(cat /p/labels)/$(cat /var/run/secrets/tokens/t)/$ME/$LIMIT/$HOSTNAME; cat /cm-b; echo; grep -c . /etc/resolv.conf; touch /cache/x && echo ok $(id -u):$(id -g); sleep 100",
            ),
        );
        object["metadata"]["labels"] = json!({ "app": "x" });
        let main = &mut object["spec"]["containers"][0];
        main["env"] = json!([
            { "name": "A", "valueFrom": { "configMapKeyRef": { "name": "cm", "key": "a" } } },
            { "name": "SECRET", "valueFrom": { "secretKeyRef": { "name": "s", "key": "key" } } },
            { "name": "ME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            { "name": "LIMIT", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
        ]);
        main["envFrom"] = json!([{ "prefix": "cm_", "configMapRef": { "name": "cm" } }]);
        main["resources"] = json!({ "limits": { "memory": "512Mi" } });
        main["securityContext"] = json!({ "runAsUser": 1234, "runAsGroup": 567 });
        main["volumeMounts"] = json!([
            { "name": "cm", "mountPath": "/etc/cm" },
            { "name": "cm", "mountPath": "/cm-b", "subPath": "b" },
            { "name": "s", "mountPath": "/s" },
            { "name": "p", "mountPath": "/p" },
            { "name": "t", "mountPath": "/var/run/secrets/tokens" },
            { "name": "cache", "mountPath": "/cache" },
        ]);
        object["spec"]["securityContext"] = json!({ "fsGroup": 900 });
        object["spec"]["volumes"] = json!([
            { "name": "cm", "configMap": { "name": "cm" } },
            { "name": "s", "secret": { "secretName": "s", "defaultMode": 0o400 } },
            { "name": "p", "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } },
            { "name": "t", "projected": { "sources": [{ "serviceAccountToken": { "path": "t", "audience": "istio-ca", "expirationSeconds": 600 } }] } },
            { "name": "cache", "emptyDir": { "medium": "Memory" } },
        ]);
        let object = cluster.create(object).await;
        let log = cluster.logged(&object, "main", "ok 1").await;
        let expected = "1/secret/two/1/secret/440/app=\"x\"/token-for-default-istio-ca/env/512/env\ntwo\n3\nok 1234:567\n";
        assert_eq!(log, expected);
    });
}

#[test]
fn writes_stay_in_the_pod_and_the_data_directory_is_hidden() {
    cluster(|cluster| async move {
        let script = format!(
            "echo x > /etc/ferromesh-test-write; ls {}; cat /etc/ferromesh-test-write; echo done; sleep 100",
            cluster.data.path().display()
        );
        let object = cluster.create(pod("writer", shell(&script))).await;
        assert_eq!(cluster.logged(&object, "main", "done").await, "x\ndone\n");
        assert!(!Path::new("/etc/ferromesh-test-write").exists());
    });
}

#[test]
fn init_containers_sidecars_and_jobs_run_in_kubernetes_order() {
    cluster(|cluster| async move {
        let mut object = pod(
            "job",
            shell("test -f /shared/init && test -f /shared/sidecar && echo main"),
        );
        object["spec"]["restartPolicy"] = json!("Never");
        object["spec"]["volumes"] = json!([{ "name": "shared", "emptyDir": {} }]);
        let mounts = json!([{ "name": "shared", "mountPath": "/shared" }]);
        object["spec"]["containers"][0]["volumeMounts"] = mounts.clone();
        object["spec"]["initContainers"] = json!([
            { "name": "one", "image": "test/sh", "args": ["touch /shared/init; echo why > /dev/termination-log"], "volumeMounts": mounts },
            {
                "name": "side", "image": "test/sh", "restartPolicy": "Always", "volumeMounts": mounts,
                "args": ["sleep 0.2; touch /shared/sidecar; trap 'exit 0' TERM; while :; do sleep 0.1; done"],
                "startupProbe": { "exec": { "command": ["test", "-f", "/shared/sidecar"] }, "periodSeconds": 1 },
            },
        ]);
        let object = cluster.create(object).await;
        let done = cluster.phase("job", "Succeeded").await;
        assert_eq!(cluster.log(&object, "main", 0), "main\n");
        let init = &done["status"]["initContainerStatuses"];
        assert_eq!(init[0]["state"]["terminated"]["message"], "why\n");
        assert_eq!(init[1]["state"]["terminated"]["exitCode"], 0, "{init:#}");
        cluster.delete("job").await;
        cluster.assert_clean();
    });
}

#[test]
fn a_crash_loop_backs_off_and_says_so() {
    cluster(|cluster| async move {
        cluster
            .create(pod("crash", shell("echo going; exit 3")))
            .await;
        let object = cluster
            .store
            .until(&kinds::POD, "crash", "backed off", |pod| {
                pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
                    == "CrashLoopBackOff"
            })
            .await;
        let status = &object["status"]["containerStatuses"][0];
        assert_eq!(status["restartCount"], 1);
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
        cluster.delete("crash").await;
        cluster.assert_clean();
    });
}

#[test]
fn an_unknown_image_says_how_to_map_it_and_an_unsupported_field_is_refused() {
    cluster(|cluster| async move {
        cluster
            .create(pod(
                "unknown",
                json!({ "image": "example.com/shop/cart:7" }),
            ))
            .await;
        let waiting =
            |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"].clone();
        let object = cluster
            .store
            .until(&kinds::POD, "unknown", "was refused", |pod| {
                waiting(pod)["reason"] == "ImageNotMapped"
            })
            .await;
        let message = waiting(&object)["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains("example.com/shop/cart:7") && message.contains("images.json"),
            "{message}"
        );
        let mut object = pod("claim", shell("true"));
        object["spec"]["volumes"] =
            json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "x" } }]);
        cluster.create(object).await;
        let object = cluster.phase("claim", "Failed").await;
        assert!(
            object["status"]["message"]
                .as_str()
                .unwrap()
                .contains("persistentVolumeClaim"),
            "{object:#}"
        );
        cluster.delete("claim").await;
        cluster.delete("unknown").await;
        cluster.assert_clean();
    });
}

#[test]
fn a_restarted_node_finds_its_pods_running() {
    cluster(|mut cluster| async move {
        let before = {
            cluster.create(pod("web", web("here"))).await;
            cluster.ready("web").await
        };
        let shim = support::shim_of(&cluster.pod_directory(&before));
        cluster.crash();
        let ip = before["status"]["podIP"].as_str().unwrap();
        assert_eq!(
            output("curl", &["-s", &format!("http://{ip}:8000/")]),
            "here\n",
            "pods outlive the node"
        );
        cluster.start().await;
        // The new node writes a status for a label that it must have seen.
        let key = ObjectKey::new("default", "web");
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "seen": "yes" } } }));
        cluster.store.patch(&kinds::POD, &key, patch).await.unwrap();
        cluster.create(pod("other", shell("sleep 100"))).await;
        let after = cluster.ready("other").await;
        assert_ne!(after["status"]["podIP"], before["status"]["podIP"]);
        let web = cluster.ready("web").await;
        assert_eq!(web["status"]["containerStatuses"][0]["restartCount"], 0);
        assert_eq!(
            web["status"]["containerStatuses"][0]["state"],
            before["status"]["containerStatuses"][0]["state"]
        );
        assert_eq!(support::shim_of(&cluster.pod_directory(&web)), shim);
        cluster.delete("web").await;
        cluster.delete("other").await;
        cluster.assert_clean();
    });
}

#[test]
fn a_killed_shim_takes_its_processes_along_and_the_pod_starts_anew() {
    cluster(|cluster| async move {
        cluster.create(pod("web", web("again"))).await;
        let before = cluster.ready("web").await;
        let directory = cluster.pod_directory(&before);
        let shim = support::shim_of(&directory);
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(shim),
            nix::sys::signal::Signal::SIGKILL,
        )
        .unwrap();
        let restarted = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1 && condition(pod, "Ready")
        };
        let after = cluster
            .store
            .until(&kinds::POD, "web", "restarted", restarted)
            .await;
        assert_ne!(support::shim_of(&directory), shim);
        let ip = after["status"]["podIP"].as_str().unwrap();
        assert_eq!(
            output("curl", &["-s", &format!("http://{ip}:8000/")]),
            "again\n"
        );
        cluster.delete("web").await;
        cluster.assert_clean();
    });
}

#[test]
fn pods_end_with_the_supervisor() {
    cluster(|mut cluster| async move {
        let object = cluster.create(pod("web", web("x"))).await;
        cluster.ready("web").await;
        let directory = cluster.pod_directory(&object);
        assert!(!processes(&directory).is_empty());
        assert!(cluster.lifeline_blocks());
        cluster.crash();
        cluster.cut_lifeline();
        for _ in 0..1000 {
            if processes(&directory).is_empty() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{:?}", processes(&directory));
    });
}

#[test]
fn readiness_and_liveness_are_probed_in_the_pod() {
    cluster(|cluster| async move {
        let mut container =
            shell("touch /tmp/ready /tmp/alive; python3 -m http.server 8000 -d /tmp");
        container["readinessProbe"] = json!({ "httpGet": { "path": "/ready", "port": 8000 }, "periodSeconds": 1, "failureThreshold": 1 });
        container["livenessProbe"] = json!({ "exec": { "command": ["cat", "/tmp/alive"] }, "periodSeconds": 1, "failureThreshold": 2 });
        container["lifecycle"] = json!({ "preStop": { "sleep": { "seconds": 0 } } });
        let object = cluster.create(pod("probed", container)).await;
        cluster.ready("probed").await;
        support::exec(&cluster, &object, "rm /tmp/ready");
        cluster
            .store
            .until(&kinds::POD, "probed", "unready", |pod| {
                !condition(pod, "Ready")
            })
            .await;
        support::exec(&cluster, &object, "rm /tmp/alive");
        let restarted = |pod: &Value| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1 && condition(pod, "Ready")
        };
        cluster
            .store
            .until(&kinds::POD, "probed", "restarted", restarted)
            .await;
        let events = cluster.store.events().join("\n");
        assert!(
            events.contains("Unhealthy Liveness probe failed"),
            "{events}"
        );
        cluster.delete("probed").await;
        cluster.assert_clean();
    });
}

#[test]
fn a_memory_limit_ends_a_container_that_exceeds_it() {
    cluster(|cluster| async move {
        let mut container = shell("exec python3 -c 'x = bytearray(200 << 20); print(len(x))'");
        container["resources"] = json!({ "limits": { "memory": "40Mi" } });
        let mut object = pod("greedy", container);
        object["spec"]["restartPolicy"] = json!("Never");
        cluster.create(object).await;
        let object = cluster.phase("greedy", "Failed").await;
        let ended = &object["status"]["containerStatuses"][0]["state"]["terminated"];
        let reason = ended["reason"].as_str().unwrap();
        // Where no cgroup is writable the limit is one of the address space: then Python fails itself.
        assert!(matches!(reason, "OOMKilled" | "Error"), "{ended:#}");
        cluster.delete("greedy").await;
        cluster.assert_clean();
    });
}

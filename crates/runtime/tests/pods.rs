//! Pods on a node, seen from outside.

mod support;

use support::{cluster, output, pod, shell, web};

#[test]
fn a_pod_is_served_through_its_service_and_leaves_nothing() {
    cluster(|cluster| async move {
        cluster.create(pod("web", web("hello"))).await;
        let web = cluster.ready("web").await;
        let ip = web["status"]["podIP"].as_str().unwrap();
        assert_eq!(output("curl", &["-s", &format!("http://{ip}:8000/")]), "hello\n");
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

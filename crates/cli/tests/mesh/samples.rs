//! The samples as their READMEs say, on a mesh without the demo.

use std::path::{Path, PathBuf};

use crate::harness::{FERROMESH, Up, check, eventually};

fn directory(sample: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .join(sample)
}

fn yaml(sample: &str) -> String {
    std::fs::read_to_string(directory(sample)).unwrap()
}

#[test]
fn the_samples_do_what_they_say() {
    let Some(up) = Up::bare() else { return };
    up.get(&["label", "namespace", "default", "istio-injection=enabled"]);
    check("Bookinfo by hand", || bookinfo(&up));
    check("a volume does not hide the image's program", || hidden(&up));
    check("every file of Bookinfo applies and is live", || {
        every_file(&up)
    });
    if testkit::peer_directory("httpbin").is_some() {
        check("httpbin under gunicorn", || httpbin(&up));
    }
}

fn bookinfo(up: &Up) {
    for file in [
        "bookinfo.yaml",
        "bookinfo-gateway.yaml",
        "destination-rule-all.yaml",
    ] {
        up.apply(&yaml(&format!("bookinfo/yaml/{file}")));
    }
    for name in [
        "productpage-v1",
        "details-v1",
        "ratings-v1",
        "reviews-v1",
        "reviews-v2",
        "reviews-v3",
    ] {
        up.rolled_out(name);
    }
    let page = eventually("the page is whole", || {
        let page = up.page();
        (page.status == 200 && !page.body.contains("unavailable")).then_some(page)
    });
    assert!(page.body.contains("Reviews served by"));
}

/// Istio's own manifest mounts a volume on /tmp, and this program may well lie below it.
fn hidden(up: &Up) {
    let directory = Path::new(FERROMESH).parent().unwrap().display();
    up.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: hidden
  labels: {{app: hidden}}
spec:
  containers:
    - name: details
      image: docker.io/istio/examples-bookinfo-details-v1:1.20.1
      volumeMounts: [{{name: over, mountPath: {directory}}}]
  volumes: [{{name: over, emptyDir: {{}}}}]
"#
    ));
    up.pod("app=hidden");
    up.get(&["delete", "pod", "hidden"]);
}

fn every_file(up: &Up) {
    let mut files: Vec<_> = std::fs::read_dir(directory("bookinfo/yaml"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() > 12, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        up.apply(&text);
        for document in text.split("---\n").filter(|d| d.contains("istio.io/")) {
            let value = |key: &str| {
                let line = document
                    .lines()
                    .find_map(|line| line.trim().strip_prefix(key));
                line.unwrap().trim().to_lowercase()
            };
            let kind = value("kind:");
            let kind = if kind == "gateway" {
                "gateway.networking.istio.io".into()
            } else {
                kind
            };
            up.live(&kind, &value("name:"));
        }
    }
    // The last file of all sends everybody to red stars.
    let page = up.page();
    assert!(page.body.contains("(reviews v3)"), "{}", page.body);
}

/// The gateway forwards, the sidecar says by whose certificate it was asked.
fn httpbin(up: &Up) {
    up.apply(&yaml("httpbin/httpbin.yaml"));
    up.apply(&yaml("httpbin/gateway.yaml"));
    up.rolled_out("httpbin");
    let ask = |path: &str| up.gateway(path, &["-H", "host: httpbin.example.com"]);
    let answer = eventually("httpbin answers", || {
        let answer = ask("/headers");
        (answer.status == 200).then_some(answer)
    });
    let client =
        "URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";
    let server = "By=spiffe://cluster.local/ns/default/sa/httpbin";
    assert!(
        answer.body.contains(client) && answer.body.contains(server),
        "{}",
        answer.body
    );
    assert_eq!(ask("/status/418").status, 418);
    assert_eq!(ask("/anything/a%20b?c=d").status, 200);
    assert_eq!(
        ask("/redirect-to?url=/get").header("location"),
        Some("/get")
    );
    let log = up.pod("app=httpbin").log(up, "httpbin");
    assert!(log.contains("gunicorn"), "the real one: {log}");
}

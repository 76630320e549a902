//! `kill -9` of everything, one after the other: each recovers, and traffic that needs none of it goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::http::{Answer, curl};
use crate::harness::{Pod, Up, check, eventually, host};

#[test]
fn each_part_may_die_alone() {
    let Some(up) = Up::demo() else { return };
    for name in ["control", "apiserver", "node"] {
        check(&format!("kill -9 of {name}"), || process(&up, name));
    }
    check("kill -9 of the API server mid-write", || mid_write(&up));
    check("a container that ends while the node is dead", || {
        without_node(&up)
    });
    check("kill -9 of a sidecar", || sidecar(&up));
    check("kill -9 of a pod", || pod(&up));
    check(
        "kill -9 of sidecar and gateway without a control plane",
        || without_control(&up),
    );
    check(
        "kill -9 of the control plane again and again, and of a sidecar",
        || {
            control_dies_again_and_again(&up);
        },
    );
}

/// Requests one after the other, until it is told to stop.
struct Load {
    end: Arc<AtomicBool>,
    thread: JoinHandle<(usize, Vec<Answer>)>,
}

impl Load {
    /// `good` says which answers are no failures.
    fn start(up: &Up, path: &str, good: fn(&Answer) -> bool) -> Self {
        let url = format!("http://127.0.0.1:{}{path}", up.ports.http);
        let end = Arc::new(AtomicBool::new(false));
        let ended = end.clone();
        let thread = std::thread::spawn(move || {
            let (mut count, mut failures) = (0, Vec::new());
            while !ended.load(Ordering::SeqCst) {
                let answer = curl(&[&url]);
                count += 1;
                if !good(&answer) {
                    failures.push(answer);
                }
            }
            (count, failures)
        });
        Self { end, thread }
    }

    fn none_failed(self, what: &str) {
        self.end.store(true, Ordering::SeqCst);
        let (count, failures) = self.thread.join().unwrap();
        println!("  {count} requests meanwhile, {} failed", failures.len());
        assert!(count > 0);
        assert!(
            failures.is_empty(),
            "{what}: {} of {count}: {:?}",
            failures.len(),
            failures[0]
        );
    }
}

fn whole(page: &Answer) -> bool {
    page.status == 200 && !page.body.contains("unavailable")
}

fn has_reviews(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("Reviews served by")
}

fn restarts(up: &Up, selector: &str) -> BTreeMap<String, i64> {
    let list = up.get(&["get", "pods", "-A", "-l", selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let mut found = BTreeMap::new();
    for pod in list["items"].as_array().unwrap() {
        for kind in ["initContainerStatuses", "containerStatuses"] {
            for status in pod["status"][kind].as_array().into_iter().flatten() {
                let name = format!("{} {}", pod["metadata"]["name"], status["name"]);
                found.insert(
                    name.replace('"', ""),
                    status["restartCount"].as_i64().unwrap(),
                );
            }
        }
    }
    found
}

/// Requests go on without a failure, the process comes back, no container was restarted.
fn process(up: &Up, name: &str) {
    let load = Load::start(up, "/productpage", whole);
    let before = restarts(up, "");
    let pid = up.process(name).unwrap();
    host::signal(pid, Signal::SIGKILL);
    eventually("the process comes back", || {
        up.process(name).filter(|new| *new != pid)
    });
    let answers = || up.kubectl(&["get", "pods"]).status.success();
    eventually("the API answers", || answers().then_some(()));
    // Each of the three is needed to make a pod.
    let deployment = "deployment/reviews-v2";
    up.get(&["rollout", "restart", deployment]);
    up.rolled_out("reviews-v2");
    load.none_failed(&format!("while {name} was dead"));
    let after = restarts(up, "");
    let restarted: Vec<_> = after
        .iter()
        .filter(|(k, v)| before.get(*k).is_some_and(|b| b != *v))
        .collect();
    assert!(restarted.is_empty(), "{restarted:?}");
    let table = eventually("all proxies SYNCED", || {
        let table = up.ferromesh(&["proxy-status"]);
        (!table.contains("STALE") && table.lines().count() == 8).then_some(table)
    });
    assert!(!table.contains("ERROR"), "{table}");
}

/// A client of the API server by curl, with the administrator's certificate.
#[derive(Clone)]
struct Client {
    directory: PathBuf,
    base: String,
}

impl Client {
    fn new(up: &Up) -> Self {
        let directory = up.data.join("client");
        std::fs::create_dir_all(&directory).unwrap();
        let config = up.get(&["config", "view", "--raw", "-o", "json"]);
        let config: Value = serde_json::from_str(&config).unwrap();
        let decode = |value: &Value| {
            base64::engine::general_purpose::STANDARD
                .decode(value.as_str().unwrap())
                .unwrap()
        };
        let (cluster, user) = (
            &config["clusters"][0]["cluster"],
            &config["users"][0]["user"],
        );
        for (file, value) in [
            ("ca", &cluster["certificate-authority-data"]),
            ("cert", &user["client-certificate-data"]),
            ("key", &user["client-key-data"]),
        ] {
            std::fs::write(directory.join(file), decode(value)).unwrap();
        }
        let base = cluster["server"].as_str().unwrap().to_owned();
        Self { directory, base }
    }

    fn call(&self, method: &str, path: &str, kind: &str, body: &Value) -> Answer {
        let file = |name: &str| self.directory.join(name).display().to_string();
        let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
        let (kind, body) = (format!("content-type: {kind}"), body.to_string());
        let url = format!("{}{path}", self.base);
        let tls = ["--cacert", &ca, "--cert", &cert, "--key", &key];
        curl(&[&tls[..], &["-X", method, "-H", &kind, "-d", &body, &url]].concat())
    }
}

/// What one writer was told is stored.
#[derive(Default)]
struct Acknowledged {
    created: Vec<String>,
    counter: u64,
}

const WRITERS: usize = 4;
const KILLS: usize = 5;

/// Four writers create objects and count up while the API server is killed five times. Whatever was
/// acknowledged is there afterwards.
fn mid_write(up: &Up) {
    let client = Client::new(up);
    let end = Arc::new(AtomicBool::new(false));
    let all = Arc::new(Mutex::new(
        (0..WRITERS)
            .map(|_| Acknowledged::default())
            .collect::<Vec<_>>(),
    ));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (client, end, all) = (client.clone(), end.clone(), all.clone());
            std::thread::spawn(move || write(&client, writer, &end, &all))
        })
        .collect();
    let total = || {
        all.lock()
            .unwrap()
            .iter()
            .map(|w| w.created.len())
            .sum::<usize>()
    };
    for _ in 0..KILLS {
        let before = total();
        eventually("writes are acknowledged", || {
            (total() > before + 20).then_some(())
        });
        let pid = eventually("the API server runs", || up.process("apiserver"));
        host::signal(pid, Signal::SIGKILL);
        eventually("it comes back", || {
            up.process("apiserver").filter(|new| *new != pid)
        });
    }
    let before = total();
    eventually("writes are acknowledged", || {
        (total() > before + 20).then_some(())
    });
    end.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.join().unwrap();
    }
    let list = up.get(&["get", "configmaps", "-l", "made=mid-write", "-o", "json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let stored: BTreeMap<&str, &Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["metadata"]["name"].as_str().unwrap(), &item["data"]))
        .collect();
    for (writer, acknowledged) in all.lock().unwrap().iter().enumerate() {
        for name in &acknowledged.created {
            let data = stored
                .get(name.as_str())
                .unwrap_or_else(|| panic!("{name} is lost"));
            assert_eq!(data["content"], name.repeat(20));
        }
        let counter = &stored[format!("counter-{writer}").as_str()]["count"];
        let counter: u64 = counter.as_str().unwrap().parse().unwrap();
        assert!(
            counter >= acknowledged.counter,
            "{counter} < {}",
            acknowledged.counter
        );
    }
    println!(
        "  {} creations acknowledged through {KILLS} kills, none lost",
        total()
    );
    up.get(&["delete", "configmaps", "-l", "made=mid-write"]);
}

fn write(client: &Client, writer: usize, end: &AtomicBool, all: &Mutex<Vec<Acknowledged>>) {
    let path = "/api/v1/namespaces/default/configmaps";
    let object = |name: &str, data: Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data,
               "metadata": {"name": name, "labels": {"made": "mid-write"}}})
    };
    let counter = format!("counter-{writer}");
    let made = client.call(
        "POST",
        path,
        "application/json",
        &object(&counter, json!({"count": "0"})),
    );
    assert_eq!(made.status, 201, "{made:?}");
    for number in 1.. {
        if end.load(Ordering::SeqCst) {
            return;
        }
        let name = format!("written-{writer}-{number}");
        let body = object(&name, json!({"content": name.repeat(20)}));
        if client.call("POST", path, "application/json", &body).status == 201 {
            all.lock().unwrap()[writer].created.push(name);
        }
        let patch = json!({"data": {"count": number.to_string()}});
        let path = format!("{path}/{counter}");
        if client
            .call("PATCH", &path, "application/merge-patch+json", &patch)
            .status
            == 200
        {
            all.lock().unwrap()[writer].counter = number;
        }
    }
}

/// The next node finds what ended meanwhile, and starts it again.
fn without_node(up: &Up) {
    let details = up.pod("app=details");
    let node = up.process("node").unwrap();
    // Stopped, not killed: the supervisor would start it again at once.
    host::signal(node, Signal::SIGSTOP);
    host::signal(details.program("bookinfo details"), Signal::SIGKILL);
    host::signal(node, Signal::SIGKILL);
    let name = format!("{} details", details.name);
    eventually("the container was started again", || {
        (restarts(up, "app=details").get(&name) == Some(&1)).then_some(())
    });
    eventually("the page is whole", || whole(&up.page()).then_some(()));
}

/// The container comes back in the same pod; what does not need it goes on.
fn sidecar(up: &Up) {
    let load = Load::start(up, "/productpage", has_reviews);
    let details = up.pod("app=details");
    let address = details.ip.clone();
    host::signal(details.program("ferromesh-proxy sidecar"), Signal::SIGKILL);
    let name = format!("{} istio-proxy", details.name);
    eventually("the sidecar was started again", || {
        (restarts(up, "app=details").get(&name) == Some(&1)).then_some(())
    });
    eventually("the page is whole", || whole(&up.page()).then_some(()));
    load.none_failed("without the sidecar of details");
    let again = up.pod("app=details");
    assert_eq!((again.name, again.ip), (details.name, address));
    let counts = restarts(up, "app=details");
    assert_eq!(
        counts.values().sum::<i64>(),
        2,
        "this one and the program before: {counts:?}"
    );
}

/// All processes of a pod are killed: the same pod is made anew.
fn pod(up: &Up) {
    let load = Load::start(up, "/productpage", has_reviews);
    let details = up.pod("app=details");
    let mut family = host::descendants(details.shim);
    host::signal(details.shim, Signal::SIGKILL);
    family.retain(|p| {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(p.pid), Signal::SIGKILL).is_ok()
    });
    println!("  {} processes besides the pod's own", family.len());
    let again = eventually("the pod is ready again", || {
        let again = up.pod("app=details");
        (again.shim != details.shim).then_some(again)
    });
    assert_eq!((&again.name, &again.uid), (&details.name, &details.uid));
    eventually("the killed shim's control groups are gone", || {
        let left = host::forgotten_groups(&details.uid);
        left.is_empty().then_some(())
    });
    eventually("the page is whole", || whole(&up.page()).then_some(()));
    load.none_failed("without the pod of details");
}

/// A proxy that dies while the control plane hangs serves again, by what is on disk and in the pod's memory.
fn without_control(up: &Up) {
    let (ratings, gateway) = (up.pod("app=ratings"), up.pod("app=istio-ingressgateway"));
    let control = up.process("control").unwrap();
    host::signal(control, Signal::SIGSTOP);
    let serials = [serial(&ratings), serial(&gateway)];
    host::signal(ratings.program("ferromesh-proxy sidecar"), Signal::SIGKILL);
    host::signal(gateway.program("ferromesh-proxy gateway"), Signal::SIGKILL);
    let answer = eventually("ratings answers through gateway and sidecars", || {
        let answer = up.gateway("/api/v1/products/0/ratings", &[]);
        (answer.status == 200).then_some(answer)
    });
    assert!(answer.body.contains("Reviewer1"), "{answer:?}");
    for pod in [&ratings, &gateway] {
        assert_eq!(pod.stat("control_plane.connected_state"), 0);
        assert!(pod.stat("ferromesh.cds.restored") > 0);
        assert!(pod.stat("cluster_manager.cds.update_success") == 0);
    }
    assert_eq!(
        [serial(&ratings), serial(&gateway)],
        serials,
        "the same certificates"
    );
    eventually("both containers are ready", || {
        let ready = |selector: &str| {
            let path = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
            up.get(&["get", "pods", "-A", "-l", selector, "-o", path])
                .trim()
                == "True"
        };
        (ready("app=ratings") && ready("app=istio-ingressgateway")).then_some(())
    });
    host::signal(control, Signal::SIGCONT);
    for pod in [&ratings, &gateway] {
        eventually("the control plane is followed again", || {
            (pod.stat("control_plane.connected_state") == 1).then_some(())
        });
    }
    eventually("the page is whole", || whole(&up.page()).then_some(()));
}

/// The same while the control plane dies whenever it comes back.
fn control_dies_again_and_again(up: &Up) {
    let page = up.pod("app=productpage");
    let end = AtomicBool::new(false);
    let kills = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = BTreeSet::new();
            while !end.load(Ordering::SeqCst) {
                if let Some(pid) = up.process("control").filter(|pid| killed.insert(*pid)) {
                    host::signal(pid, Signal::SIGKILL);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            killed.len()
        });
        // `end` must be set for the scope to end, also when something is not as expected.
        let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("it was killed", || {
                up.process("control").is_none().then_some(())
            });
            host::signal(page.program("ferromesh-proxy sidecar"), Signal::SIGKILL);
            let name = format!("{} istio-proxy", page.name);
            eventually("the sidecar was started again", || {
                (restarts(up, "app=productpage").get(&name) == Some(&1)).then_some(())
            });
            eventually("the page is whole", || whole(&up.page()).then_some(()));
        }));
        end.store(true, Ordering::SeqCst);
        let kills = killer.join().unwrap();
        served.map_or_else(|panic| std::panic::resume_unwind(panic), |()| kills)
    });
    println!("  killed {kills} times meanwhile");
    eventually("the control plane is followed again", || {
        (page.stat("control_plane.connected_state") == 1).then_some(())
    });
}

/// The serial number of the certificate that a proxy shows.
fn serial(pod: &Pod) -> String {
    let certs: Value = serde_json::from_str(&pod.admin("/certs")).unwrap();
    let list = certs["certificates"].as_array().unwrap();
    let mut chains = list
        .iter()
        .filter_map(|c| c["cert_chain"][0]["serial_number"].as_str());
    chains
        .next()
        .unwrap_or_else(|| panic!("{certs}"))
        .to_owned()
}

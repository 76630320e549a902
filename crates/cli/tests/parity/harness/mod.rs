//! One deployment, served to stock Envoy in both forms of xDS and to our proxy; each case runs through each of them, and
//! what clients, workloads and access logs saw must agree, but for the listed differences.

pub(crate) mod backend;
mod engine;
pub(crate) mod http1;
mod judge;
mod log;
pub(crate) mod mesh;
pub(crate) mod net;
mod observation;
mod plane;
pub(crate) mod session;
mod stats;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::backend::{Backend, Journal, Received, lock};
use self::engine::{Engine, Proxy};
use self::judge::{Outcome, judge};
use self::mesh::Mesh;
use self::net::{CLIENT, MARK, Net};
use self::observation::{Differing, Observation, Observer, compare};
use self::plane::Plane;
use self::session::Session;
use crate::differences;

/// A case: its name is a sentence.
pub(crate) type Case = (&'static str, fn(&mut Session<'_>));

/// Names cases after their functions.
macro_rules! cases {
    ($($case:ident),* $(,)?) => { &[$((stringify!($case), $case as fn(&mut $crate::harness::session::Session<'_>))),*] };
}
pub(crate) use cases;

/// Time for what should have happened already.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the cases of a class through every engine and fails on the first difference that is not listed, on a listed one
/// that has vanished, and on a case that is not what it says.
pub(crate) fn run(class: &str, mesh: &Mesh, cases: &[Case]) {
    let Some(envoy) = testkit::peer("envoy") else {
        return;
    };
    let began = Instant::now();
    let mut lab = Lab::start(mesh, &envoy);
    let ready = began.elapsed();
    let only = std::env::var("PARITY_CASE").unwrap_or_default();
    let mut problems = Vec::new();
    let mut listed = 0;
    let mut ran = 0;
    for case in cases.iter().filter(|(name, _)| name.contains(&only)) {
        let found = lab.compare(case);
        let known: Vec<_> = differences::of(case.0).collect();
        listed += known.len();
        ran += 1;
        problems.extend(judge(case.0, &found, &known));
    }
    problems.extend(lab.plane.refused());
    println!(
        "{class}: {ran} cases, {listed} listed differences, {} problems; ready in {ready:.1?}, all in {:.1?}",
        problems.len(),
        began.elapsed()
    );
    assert!(problems.is_empty(), "{class}:\n{}", problems.join("\n"));
}

/// A deployment with its workloads, its control plane and three proxies.
struct Lab {
    net: Arc<Net>,
    proxies: Vec<Proxy>,
    plane: Plane,
    backends: Vec<Backend>,
    journal: Journal,
    marks: usize,
    _directory: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Lab {
    fn start(mesh: &Mesh, envoy: &std::path::Path) -> Self {
        let net = Arc::new(Net::claim());
        let journal = Journal::default();
        let up = mesh.workloads.iter().filter(|workload| workload.up);
        let backends = up
            .map(|workload| {
                Backend::start(
                    &workload.name,
                    net.ip(workload.host),
                    workload.tls.as_ref(),
                    &journal,
                )
            })
            .collect();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let view = mesh.generate(&net);
        let places: Vec<_> = (0..)
            .map(|index| net.proxy(index))
            .zip(Engine::ALL)
            .map(|(ip, engine)| (engine, ip))
            .collect();
        let views = places
            .iter()
            .map(|(engine, ip)| (engine.node(*ip), mesh::bound_to(&view, *ip)))
            .collect();
        let plane = Plane::serve(&runtime, views);
        let mut directory = tempfile::tempdir().expect("a directory");
        if std::env::var_os("PARITY_KEEP").is_some() {
            directory.disable_cleanup(true);
            println!("logs are in {}", directory.path().display());
        }
        let proxies: Vec<Proxy> = places
            .iter()
            .map(|(engine, ip)| Proxy::start(*engine, *ip, plane.address, directory.path(), envoy))
            .collect();
        let mut lab = Self {
            net,
            proxies,
            plane,
            backends,
            journal,
            marks: 0,
            _directory: directory,
            _runtime: runtime,
        };
        for index in 0..lab.proxies.len() {
            let proxy = &lab.proxies[index];
            let form = lab.plane.acknowledged(&proxy.engine.node(proxy.ip));
            if let Engine::Envoy(wanted) = proxy.engine {
                assert_eq!(form, wanted);
            }
            lab.mark(index);
            lab.proxies[index].log.take();
        }
        lab
    }

    /// Once the mark stands in the log, so does everything that came before it.
    fn mark(&mut self, index: usize) {
        self.marks += 1;
        let path = format!("/mark/{}", self.marks);
        let proxy = &mut self.proxies[index];
        let deadline = Instant::now() + http1::PATIENCE;
        let mut client = loop {
            match http1::Conn::connect(proxy.ip, (proxy.ip, MARK)) {
                Ok(conn) => break conn,
                Err(error) => assert!(Instant::now() < deadline, "{:?}: {error}", proxy.engine),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        client.send(format!("GET {path} HTTP/1.1\r\nhost: mark\r\n\r\n").as_bytes());
        let answer = client.head().map(|head| head.status());
        assert_eq!(answer, Some(204), "{:?}", proxy.engine);
        let logged = proxy.log.wait(http1::PATIENCE, |lines| {
            lines.iter().any(|line| line["path"] == path.as_str())
        });
        assert!(logged, "{:?} does not log", proxy.engine);
    }

    fn compare(&mut self, case: &Case) -> Outcome {
        let mut unmet = Vec::new();
        let mut seen: Vec<Observation> = Vec::new();
        for index in 0..self.proxies.len() {
            let name = self.proxies[index].engine.name();
            let (observation, complaints) = self.observe(index, case);
            unmet.extend(complaints.iter().map(|what| format!("{name}: {what}")));
            seen.push(observation);
        }
        let [delta, sotw, ours] = &seen[..] else {
            panic!("three engines")
        };
        for Differing { field, envoy, ours } in compare(delta, sotw) {
            unmet.push(format!(
                "Envoy differs from itself in {field}: {envoy:?}, {ours:?}"
            ));
        }
        Outcome {
            unmet,
            differing: compare(delta, ours),
        }
    }

    /// Runs the case through one proxy.
    fn observe(&mut self, index: usize, (_, act): &Case) -> (Observation, Vec<String>) {
        let ip = self.proxies[index].ip;
        let backends = std::mem::take(&mut self.backends);
        let mut session = Session::new(ip, self.net.ip(CLIENT), &backends);
        let before = stats::read(ip);
        let ended = catch_unwind(AssertUnwindSafe(|| act(&mut session)));
        self.mark(index);
        let endings = session.endings();
        let net = Arc::clone(&self.net);
        let mut observer = Observer::new(&net, ip);
        observer.clients(&session, &endings);
        session.close_all();
        let received = self.received(session.upstreams, session.unordered);
        let lines = session.logs.unwrap_or(session.answers.len());
        let mut unmet = std::mem::take(&mut session.unmet);
        if ended.is_err() {
            unmet.push("panicked".to_owned());
        }
        let cases_own = |line: &serde_json::Map<String, serde_json::Value>| {
            !line["path"]
                .as_str()
                .is_some_and(|path| path.starts_with("/mark/"))
        };
        self.proxies[index].log.wait(GRACE, |all| {
            all.iter().filter(|line| cases_own(line)).count() >= lines
        });
        self.mark(index);
        let mut lines = self.proxies[index].log.take();
        lines.retain(cases_own);
        if session.unordered {
            lines.sort_by_key(|line| line["upstream_host"].to_string());
        }
        if session.by_turn {
            observer.number(&received, &backends);
        }
        observer.upstream(&received);
        observer.log(&lines);
        for (name, count) in stats::since(&before, &stats::read(ip)) {
            observer.note(&format!("stat.{name}"), &count.to_string());
        }
        for backend in &backends {
            let left = backend.left_over();
            if left > 0 {
                observer.note(
                    &format!("{}.scripts_not_used", backend.name),
                    &left.to_string(),
                );
            }
        }
        self.backends = backends;
        (observer.finish(), unmet)
    }

    fn received(&self, at_least: usize, unordered: bool) -> Vec<Received> {
        let deadline = Instant::now() + GRACE;
        while lock(&self.journal).len() < at_least && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut received = std::mem::take(&mut *lock(&self.journal));
        if unordered {
            received.sort_by(|a, b| {
                let key = |r: &Received| (r.workload.clone(), r.message.start.clone());
                key(a).cmp(&key(b))
            });
        }
        received
    }
}

//! A proxy under test: one worker thread, pinned on its own core.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::config::{self, LISTENERS};

/// Core of the proxy under test.
const PROXY_CORE: &str = "1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ferromesh,
    Envoy,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ferromesh => "ferromesh",
            Self::Envoy => "envoy",
        }
    }
}

pub(crate) struct Engine {
    pub(crate) kind: Kind,
    /// What the client made of it so far.
    pub(crate) requests: u64,
    child: Child,
    admin: SocketAddr,
    ports: [u16; 2],
    log: PathBuf,
}

/// One total, counted by three.
pub(crate) struct Account {
    pub(crate) requests: u64,
    pub(crate) log_lines: u64,
    pub(crate) downstream: u64,
    pub(crate) upstream: u64,
}

impl Engine {
    pub(crate) fn start(
        kind: Kind,
        program: &Path,
        directory: &Path,
        backend: SocketAddr,
    ) -> anyhow::Result<Self> {
        let [admin, ports @ ..] = [(); 3].map(|()| testkit::free_port());
        let document = config::bootstrap(directory, kind.name(), backend, ports, admin);
        let path = directory.join(format!("{}.json", kind.name()));
        std::fs::write(&path, serde_json::to_vec(&document)?)?;
        let mut command = Command::new("taskset");
        command
            .args(["-c", PROXY_CORE])
            .arg(program)
            .arg("-c")
            .arg(&path);
        command.args(["--concurrency", "1", "-l", "error"]);
        if kind == Kind::Envoy {
            // Istio's settings of the flush; hot restart would need a base id of its own.
            command.args([
                "--disable-hot-restart",
                "--file-flush-interval-msec",
                "1000",
            ]);
        }
        let child = command.stdin(Stdio::null()).spawn().context("taskset")?;
        let mut engine = Self {
            kind,
            requests: 0,
            child,
            admin: ([127, 0, 0, 1], admin).into(),
            ports,
            log: directory.join(format!("{}.log", kind.name())),
        };
        engine.ready()?;
        Ok(engine)
    }

    fn ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if self
                .admin("/ready")
                .is_ok_and(|answer| answer.contains("LIVE"))
            {
                return Ok(());
            }
            if start.elapsed() > Duration::from_secs(20) {
                bail!("not ready after 20 s");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn address(&self, listener: &str) -> SocketAddr {
        let index = LISTENERS.iter().position(|l| *l == listener).unwrap_or(0);
        ([127, 0, 0, 1], self.ports[index]).into()
    }

    fn admin(&self, path: &str) -> anyhow::Result<String> {
        self.ask("GET", path)
    }

    fn ask(&self, method: &str, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn file(&self, name: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(&path).context(path)
    }

    /// Run time of all threads so far (`schedstat`, first column, nanoseconds).
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            total += text
                .split(' ')
                .next()
                .and_then(|n| n.parse::<u64>().ok())
                .unwrap_or(0);
        }
        Ok(Duration::from_nanos(total))
    }

    /// Resident memory, kB.
    pub(crate) fn rss(&self) -> anyhow::Result<u64> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
        let number = line
            .and_then(|l| l.split_whitespace().next())
            .context("VmRSS")?;
        Ok(number.parse()?)
    }

    /// Requests as the client, the access log and the statistics counted them; waits for the log's flush.
    pub(crate) fn account(&self) -> anyhow::Result<Account> {
        let start = Instant::now();
        let mut log_lines = 0;
        while log_lines < self.requests && start.elapsed() < Duration::from_secs(15) {
            std::thread::sleep(Duration::from_millis(500));
            let file = std::fs::File::open(&self.log).context("the access log")?;
            log_lines = BufReader::new(file).split(b'\n').count() as u64;
        }
        let stats = self.admin("/stats?usedonly")?;
        let stats: BTreeMap<&str, u64> = stats
            .lines()
            .filter_map(|line| line.trim_end().split_once(": "))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        let stat = |name: &str| stats.get(name).copied().unwrap_or(0);
        Ok(Account {
            requests: self.requests,
            log_lines,
            downstream: stat("http.bench.downstream_rq_2xx"),
            upstream: stat("cluster.inbound|8080||.upstream_rq_200"),
        })
    }

    /// Asks the engine to end, so that a build that counts what runs writes its counts; insists after a while.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        // An engine that ends at once may not answer.
        let _ = self.ask("POST", "/quitquitquit");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

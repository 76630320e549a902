//! `ferromesh up`

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use net::netns::{Link, Namespace};
use tokio::signal::unix::{SignalKind, signal};

use super::DataDir;
use crate::exit::{Code, Failure};
use crate::processes::wait;
use crate::up::data_dir::DataDir as Held;
use crate::up::progress::Progress;
use crate::up::supervisor::{Spec, Supervisor};
use crate::up::{GATEWAY_IP, NODE_IP, prerequisites, relay, resolvers};
use crate::{manifests, processes};

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Also install the Bookinfo sample: six workloads, mutual TLS, a 90/10 canary.
    #[arg(long)]
    demo: bool,
    #[command(flatten)]
    data_dir: DataDir,
    /// Host port of the ingress gateway for HTTP.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    gateway_http: u16,
    /// Host port of the ingress gateway for HTTPS.
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    gateway_https: u16,
    /// Host port of the API server, on 127.0.0.1.
    #[arg(long, value_name = "PORT", default_value_t = 6443)]
    api_port: u16,
    /// What carries the traffic of gateways and sidecars.
    #[arg(long, value_enum, default_value_t = processes::EngineArg::Ferromesh)]
    engine: processes::EngineArg,
    /// Also apply these manifests: a file or a directory; may be given again.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    filenames: Vec<PathBuf>,
    /// Return when everything is ready, and leave it running.
    #[arg(long)]
    detach: bool,
    /// This is what `--detach` leaves running.
    #[arg(long, hide = true)]
    detached: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    prerequisites::check(args.engine)?;
    let manifests = manifests::read(&args.filenames)?;
    if args.detach {
        return detach();
    }
    net::telemetry::init(net::telemetry::Format::Text, "warn");
    let progress = Progress::new();
    let held = Held::open(&args.data_dir.data_dir)?;
    let mut up = Up::start(args, &held, &progress)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        let mut stop = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        tokio::select! {
            result = up.populate(args, manifests, &held, &progress) => result?,
            _ = stop.0.recv() => return Ok(()),
            _ = stop.1.recv() => return Ok(()),
        }
        up.table(args, &held, &progress);
        if args.detached {
            keep_talking(&held.log("up"))?;
        }
        tokio::select! {
            _ = stop.0.recv() => {}
            _ = stop.1.recv() => {}
        }
        anyhow::Ok(())
    });
    progress.begin("stopping");
    up.supervisor.take().into_iter().for_each(Supervisor::stop);
    let left = pods_gone(held.path());
    if left > 0 {
        progress.done(&format!(
            "stopped; {left} processes of pods are still ending"
        ));
    } else if result.is_ok() {
        progress.done("stopped; nothing is left running");
    }
    result
}

/// The longest grace that a pod is waited for.
const GRACE: Duration = Duration::from_secs(40);

/// Pods end by themselves when the supervisor has let go of the lifeline; waits for them and answers how
/// many processes are left.
fn pods_gone(data_dir: &Path) -> usize {
    let mark = format!("{}/pods/", data_dir.display());
    let count = || {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        entries
            .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
            .filter(|command| String::from_utf8_lossy(command).contains(&mark))
            .count()
    };
    let deadline = std::time::Instant::now() + GRACE;
    loop {
        let left = count();
        if left == 0 || std::time::Instant::now() > deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts this command again in a session of its own and shows what it says until it is ready.
fn detach() -> anyhow::Result<()> {
    let given = std::env::args_os().skip(1).filter(|arg| arg != "--detach");
    let mut child = Command::new(std::env::current_exe()?)
        .args(["internal", "detached", "--"])
        .args(given)
        .arg("--detached")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("the child's output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if line.starts_with(READY) {
            return Ok(());
        }
    }
    let mut errors = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        std::io::Read::read_to_string(&mut stderr, &mut errors)?;
    }
    let status = child.wait()?;
    let code = status
        .code()
        .and_then(Code::from_status)
        .unwrap_or(Code::Failure);
    let said = errors.trim_end();
    let message = match said.strip_prefix("error: ") {
        Some(message) => message.to_owned(),
        None if said.is_empty() => format!("up ended with {status}"),
        None => said.to_owned(),
    };
    Err(Failure::new(code, message).into())
}

/// The one who started us reads no longer: what is said from now on goes to a file.
fn keep_talking(log: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(log)?;
    nix::unistd::dup2_stdout(&file)?;
    nix::unistd::dup2_stderr(&file)?;
    Ok(())
}

/// The last line of a start that succeeded.
const READY: &str = "ready in ";

struct Up {
    supervisor: Option<Supervisor>,
    ports: Ports,
}

/// Host ports that are open; the system chose those that were asked for as 0.
#[derive(Debug, Clone, Copy)]
struct Ports {
    api: u16,
    http: u16,
    https: u16,
}

impl Up {
    /// Opens host listeners, makes the node namespace and starts the three processes.
    fn start(args: &Args, held: &Held, progress: &Progress) -> anyhow::Result<Self> {
        let local = Ipv4Addr::LOCALHOST;
        let any = Ipv4Addr::UNSPECIFIED;
        let api = prerequisites::listen(local, args.api_port, "--api-port")?;
        let http = prerequisites::listen(any, args.gateway_http, "--gateway-http")?;
        let https = prerequisites::listen(any, args.gateway_https, "--gateway-https")?;
        let ports = Ports {
            api: api.local_addr()?.port(),
            http: http.local_addr()?.port(),
            https: https.local_addr()?.port(),
        };
        let namespace = Namespace::create().context("the node's network namespace")?;
        namespace.run(|| {
            let lo = Link::named("lo");
            lo.up().map_err(std::io::Error::other)?;
            lo.add_address(NODE_IP, 32).map_err(std::io::Error::other)
        })?;
        progress.done("prerequisites, data directory, node namespace");
        relay::start(
            Arc::new(namespace.clone()),
            GATEWAY_IP,
            vec![(http, 80), (https, 443)],
        )?;
        let mut up = Self {
            supervisor: Some(Supervisor::new(namespace)?),
            ports,
        };
        if let Err(error) = up.start_processes(args, held, api, progress) {
            up.supervisor.take().into_iter().for_each(Supervisor::stop);
            return Err(error);
        }
        Ok(up)
    }

    fn start_processes(
        &mut self,
        args: &Args,
        held: &Held,
        api: std::net::TcpListener,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let dir = held.path().display().to_string();
        let specs = [
            (
                "apiserver",
                vec!["--api-port".into(), self.ports.api.to_string()],
                vec![("api", api.into())],
                30,
                "API server",
            ),
            (
                "control",
                vec!["--engine".into(), args.engine.name().into()],
                vec![],
                30,
                "control plane",
            ),
            ("node", vec![], resolvers::sockets(), 60, "node"),
        ];
        let supervisor = self.supervisor.as_mut().context("supervisor")?;
        for (name, extra, sockets, seconds, title) in specs {
            let mut child_args = vec![name.to_owned(), "--data-dir".into(), dir.clone()];
            child_args.extend(extra);
            supervisor.start(Spec {
                name,
                args: child_args,
                log: held.log(name),
                sockets,
                patience: Duration::from_secs(seconds),
            })?;
            progress.done(title);
        }
        Ok(())
    }

    /// Applies the gateway, the user's files and the demo, and waits for them.
    async fn populate(
        &mut self,
        args: &Args,
        manifests: Vec<manifests::Manifest>,
        held: &Held,
        progress: &Progress,
    ) -> anyhow::Result<()> {
        let store = processes::connect(&held.kubeconfig()).await?;
        manifests::apply_text(&*store, &manifests::gateway(args.engine), "gateway").await?;
        if args.demo {
            manifests::label_namespace(&*store, "default", "istio-injection", "enabled").await?;
            for (name, text) in manifests::DEMO {
                manifests::apply_text(&*store, text, name).await?;
            }
            progress.done("Bookinfo applied");
        }
        for manifest in manifests {
            let name = manifest.name.clone();
            let count = manifests::apply_manifest(&*store, manifest).await?;
            progress.done(&format!("{name}: {count} objects applied"));
        }
        progress.begin("waiting for workloads");
        wait::deployments(&*store, Duration::from_secs(120), |ready, total| {
            progress.done(&format!("{ready} of {total} deployments ready"));
        })
        .await
        .map_err(|message| {
            Failure::new(Code::TimedOut, message).remedy(format!(
                "kubectl --kubeconfig {} get pods -A; ferromesh logs",
                held.kubeconfig().display()
            ))
        })?;
        if args.demo {
            let url = format!("http://127.0.0.1:{}/productpage", self.ports.http);
            wait::http_ok(&url, Duration::from_secs(30))
                .await
                .map_err(|m| Failure::new(Code::TimedOut, m))?;
            progress.done("productpage answers through the gateway");
        }
        Ok(())
    }

    fn table(&self, args: &Args, held: &Held, progress: &Progress) {
        let page = if args.demo { "/productpage" } else { "/" };
        println!();
        let Ports { api, http, https } = self.ports;
        println!("  gateway     http://localhost:{http}{page}");
        println!("              https://localhost:{https}");
        println!("  API server  https://127.0.0.1:{api}");
        println!(
            "  kubeconfig  export KUBECONFIG={}",
            held.kubeconfig().display()
        );
        println!("  admin       ferromesh proxy-status; ferromesh proxy-config all POD");
        println!("  logs        {}", held.path().join("logs").display());
        println!("  stop        Ctrl-C, or ferromesh down{}", down_flag(held));
        println!();
        println!("{READY}{:.1}s", progress.elapsed().as_secs_f64());
    }
}

fn down_flag(held: &Held) -> String {
    let path = held.path();
    if path == Path::new(crate::up::DEFAULT_DATA_DIR) {
        String::new()
    } else {
        format!(" --data-dir {}", path.display())
    }
}

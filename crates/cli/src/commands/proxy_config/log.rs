//! Log levels of running proxies.

use http::Method;

use crate::commands::target::{PodName, Pods, Server};
use crate::exit::{Code, Failure};

/// What Istio starts proxies with, and `--reset` goes back to.
const DEFAULT_LEVEL: &str = "warning";
/// Envoy's names; `warn` is istioctl's short one.
const LEVELS: [&str; 8] = [
    "trace", "debug", "info", "warning", "warn", "error", "critical", "off",
];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// [TYPE/]NAME[.NAMESPACE]; all pods of a deployment or service
    #[arg(required_unless_present = "selector", conflicts_with = "selector")]
    pod: Option<PodName>,
    #[command(flatten)]
    server: Server,
    /// All pods with these labels.
    #[arg(short = 'l', long)]
    selector: Option<String>,
    /// LEVEL for all loggers, or LOGGER:LEVEL,…; the levels are trace, debug, info, warning, error,
    /// critical and off.
    #[arg(long, conflicts_with = "reset")]
    level: Option<String>,
    /// Back to the level that proxies start with (warning).
    #[arg(short, long)]
    reset: bool,
}

pub(super) async fn run(args: &Args) -> anyhow::Result<String> {
    let changes = match (&args.level, args.reset) {
        (Some(level), _) => changes(level)?,
        (None, true) => vec![("level".to_owned(), DEFAULT_LEVEL.to_owned())],
        (None, false) => Vec::new(),
    };
    let pods = match (&args.pod, &args.selector) {
        (Some(pod), _) => pod.all(&args.server).await?,
        (None, selector) => {
            let selector = selector.clone().unwrap_or_default();
            Pods::labelled(&args.server, &selector).await?
        }
    };
    let mut out = String::new();
    for pod in pods.0 {
        let mut answer = String::new();
        for path in paths(&changes) {
            answer = pod.admin(&args.server, Method::POST, &path).await?;
        }
        out.push_str(&format!("{}.{}:\n{answer}", pod.name, pod.namespace));
    }
    Ok(out)
}

/// All loggers first, then single ones.
fn paths(changes: &[(String, String)]) -> Vec<String> {
    if changes.is_empty() {
        return vec!["/logging".into()];
    }
    let (all, single): (Vec<_>, Vec<_>) = changes.iter().partition(|(logger, _)| logger == "level");
    let path = |(logger, level): &(String, String)| format!("/logging?{logger}={level}");
    all.into_iter().chain(single).map(path).collect()
}

/// Loggers and levels; `level` stands for all loggers.
fn changes(text: &str) -> anyhow::Result<Vec<(String, String)>> {
    text.split(',')
        .map(|part| {
            let (logger, level) = match part.split_once([':', '=']) {
                Some((logger, level)) => (logger, level),
                None => ("level", part),
            };
            if !LEVELS.contains(&level) {
                let message = format!("--level {text}: {level:?} is no log level");
                return Err(Failure::new(Code::Usage, message)
                    .remedy("one of trace, debug, info, warning, error, critical, off")
                    .into());
            }
            let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':');
            anyhow::ensure!(
                !logger.is_empty() && logger.chars().all(safe),
                "--level {text}: {logger:?} is no name of a logger"
            );
            let level = if level == "warn" { "warning" } else { level };
            Ok((logger.to_owned(), level.to_owned()))
        })
        .collect()
}

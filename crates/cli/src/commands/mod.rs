//! One file a command.

mod agent;
mod analyze;
mod completion;
mod control;
mod down;
mod explain;
mod lint_advice;
mod logs;
mod proxy_config;
mod proxy_status;
mod status;
mod target;
mod up;
mod version;

use clap::Subcommand;

use crate::processes;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the mesh on this machine.
    Up(up::Args),
    /// Stop the mesh on this machine.
    Down(down::Args),
    /// Say what runs, and whether it is well.
    Status(status::Args),
    /// Say for each proxy whether it has the current configuration.
    #[command(visible_alias = "ps")]
    ProxyStatus(proxy_status::Args),
    /// Show the configuration that a proxy runs on.
    #[command(visible_alias = "pc")]
    ProxyConfig(proxy_config::Args),
    /// Find what is wrong with a configuration, in files or in a cluster, before it breaks anything.
    Analyze(analyze::Args),
    /// Say what the commands, manifests and names in a document would really do.
    LintAdvice(lint_advice::Args),
    /// Say what a code, a flag, a field, a metric, an annotation or a log line means.
    Explain(explain::Args),
    /// Show the logs of the mesh's own processes.
    Logs(logs::Args),
    /// Run the control plane alone, for any API server and any Envoy.
    Control(control::Args),
    /// What runs beside a proxy: redirection, identity, lifecycle.
    Agent(agent::Args),
    /// Run a proxy: sidecar, gateway, or on a bootstrap file of your own.
    Proxy(processes::proxy::Args),
    /// Print the version of this program and of the control plane.
    Version(version::Args),
    /// Print a completion script for your shell.
    Completion(completion::Args),
    /// Processes that `up` starts.
    #[command(hide = true)]
    Internal(processes::Args),
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Status(args) => status::run(&args),
        Command::ProxyStatus(args) => proxy_status::run(&args),
        Command::ProxyConfig(args) => proxy_config::run(args),
        Command::Analyze(args) => analyze::run(&args),
        Command::LintAdvice(args) => lint_advice::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Control(args) => control::run(args),
        Command::Agent(args) => agent::run(args),
        Command::Proxy(args) => processes::proxy::run(args),
        Command::Version(args) => version::run(&args),
        Command::Completion(args) => completion::run(&args),
        Command::Internal(args) => processes::run(args),
    }
}

/// The data directory, for every command that works on a running `up`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DataDir {
    /// Where `up` keeps its state.
    #[arg(long, value_name = "DIR", env = "FERROMESH_DATA_DIR", default_value = crate::up::DEFAULT_DATA_DIR)]
    pub(crate) data_dir: std::path::PathBuf,
}

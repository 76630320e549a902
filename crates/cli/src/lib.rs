//! Commands and composition roots: the only layer that knows every other.

mod commands;
mod exit;
mod manifests;
mod processes;
#[doc(hidden)]
pub mod reference;
mod up;

use std::process::ExitCode;

use clap::Parser;

/// A service mesh on one machine, or on Kubernetes, that explains every failed request.
#[derive(Debug, Parser)]
#[command(name = "ferromesh", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
}

/// The whole of `ferromesh`.
#[must_use]
pub fn main() -> ExitCode {
    net::tls::install_provider();
    // clap exits with 2 on wrong usage, as documented in `exit`.
    exit::report(commands::run(Cli::parse().command))
}

/// The whole of `ferromesh-proxy`.
#[must_use]
pub fn proxy_main() -> ExitCode {
    net::tls::install_provider();
    exit::report(processes::proxy::run(processes::proxy::Args::parse()))
}

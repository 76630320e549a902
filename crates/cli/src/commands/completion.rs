//! `ferromesh completion SHELL`

use clap::{Command, CommandFactory};
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// bash, zsh, fish, elvish or powershell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let all = crate::Cli::command();
    // What `up` starts is for nobody's fingers.
    let shown = all.get_subcommands().filter(|c| !c.is_hide_set());
    let mut command = Command::new("ferromesh")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommands(shown.cloned());
    clap_complete::generate(
        args.shell,
        &mut command,
        "ferromesh",
        &mut std::io::stdout(),
    );
    Ok(())
}

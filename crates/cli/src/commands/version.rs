//! `ferromesh version`

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only the number.
    #[arg(short, long)]
    short: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if args.short {
        println!("{version}");
    } else {
        println!(
            "ferromesh {version} ({} {})",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
    }
    Ok(())
}

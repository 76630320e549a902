//! `ferromesh down`

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::DataDir;
use crate::exit::{Code, Failure};
use crate::up::data_dir::holder;

/// Workloads get their grace periods.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data_dir: DataDir,
    /// Also delete the data directory: every object, key and log.
    #[arg(long)]
    purge: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let path = &args.data_dir.data_dir;
    match holder(path)? {
        Some(pid) => stop(pid, path)?,
        None => println!("nothing is running on data directory {}", path.display()),
    }
    if args.purge && path.join("version").exists() {
        std::fs::remove_dir_all(path)?;
        println!("deleted {}", path.display());
    }
    Ok(())
}

fn stop(pid: i32, path: &std::path::Path) -> anyhow::Result<()> {
    kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(|e| {
        Failure::new(Code::Failure, format!("cannot stop process {pid}: {e}"))
            .remedy("sudo ferromesh down")
    })?;
    let start = Instant::now();
    while holder(path)?.is_some() {
        if start.elapsed() > PATIENCE {
            return Err(Failure::new(
                Code::TimedOut,
                format!("process {pid} still runs after {} s", PATIENCE.as_secs()),
            )
            .remedy(format!("kill -9 {pid}   (pods end with it)"))
            .into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("stopped in {:.1}s", start.elapsed().as_secs_f64());
    Ok(())
}

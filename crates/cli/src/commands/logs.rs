//! `ferromesh logs`

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use super::DataDir;

/// How much of the end of a log is looked at for `--tail`.
const WINDOW: u64 = 4 << 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// apiserver, control or node; all of them by default. For pods, use kubectl logs.
    #[arg(value_parser = ["apiserver", "control", "node"])]
    process: Option<String>,
    #[command(flatten)]
    data_dir: DataDir,
    /// Go on as lines arrive.
    #[arg(short, long)]
    follow: bool,
    /// Lines from the end.
    #[arg(long, default_value_t = 100)]
    tail: usize,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let names: Vec<&str> = match &args.process {
        Some(name) => vec![name],
        None => vec!["apiserver", "control", "node"],
    };
    let mut files = Vec::new();
    for name in &names {
        let path = args
            .data_dir
            .data_dir
            .join("logs")
            .join(format!("{name}.log"));
        match std::fs::File::open(&path) {
            Ok(file) => files.push((*name, file)),
            Err(error) => anyhow::bail!(
                "{}: {error}; has `ferromesh up` run with this data directory?",
                path.display()
            ),
        }
    }
    let several = files.len() > 1;
    for (name, file) in &mut files {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
        let text = read(file)?;
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(args.tail);
        print(name, &lines[start..].join("\n"), several)?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        std::thread::sleep(Duration::from_millis(200));
        for (name, file) in &mut files {
            let text = read(file)?;
            print(name, text.trim_end_matches('\n'), several)?;
        }
    }
}

fn read(file: &mut std::fs::File) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn print(name: &str, text: &str, several: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in text.lines() {
        if several {
            write!(out, "[{name}] ")?;
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

//! `ferromesh analyze`: what is wrong with a configuration; `istioctl analyze`'s flags, output and exit codes.

mod cluster;
mod files;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use analysis::render::{Color, Detail, Format};
use analysis::rules::RULES;
use analysis::{Facts, Finding, Input, Level, Mesh, Options, Suppression};
use anyhow::Context;

use crate::exit::{Code, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files or directories with YAML or JSON; `-` is standard input.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Namespace to report on; objects without a namespace are put there. Default: `default`.
    #[arg(short, long, default_value = "")]
    namespace: String,
    /// Report on all namespaces.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
    /// Accepted for older scripts' sake; directories are always read with those below them.
    #[arg(short = 'R', long, hide = true)]
    recursive: bool,
    /// Read the cluster too; `--use-kube=false` reads files alone.
    #[arg(short = 'k', long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    use_kube: Option<bool>,
    /// The cluster's kubeconfig. Default: $KUBECONFIG, a running `ferromesh up`, ~/.kube/config.
    #[arg(short = 'c', long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the control plane.
    #[arg(
        short = 'i',
        long = "istioNamespace",
        value_name = "NAME",
        default_value = "istio-system"
    )]
    istio_namespace: String,
    /// MeshConfig to use instead of the cluster's.
    #[arg(long = "meshConfigFile", value_name = "FILE")]
    mesh_config: Option<PathBuf>,
    /// MeshNetworks to use instead of the cluster's.
    #[arg(long = "meshNetworksFile", value_name = "FILE")]
    mesh_networks: Option<PathBuf>,
    /// Format: log, json, yaml, sarif or junit.
    #[arg(short, long, default_value = "log", value_parser = format)]
    output: Format,
    /// Least level that is shown: Info, Warning or Error.
    #[arg(long, value_name = "LEVEL", default_value = "Info", value_parser = level)]
    output_threshold: Level,
    /// Least level that makes the exit code 79: Info, Warning or Error.
    #[arg(long, value_name = "LEVEL", default_value = "Error", value_parser = level)]
    failure_threshold: Level,
    /// Does not report a code on an object, e.g. "IST0102=Namespace *"; may be repeated.
    #[arg(short = 'S', long, value_name = "CODE=RESOURCE")]
    suppress: Vec<String>,
    /// List the analyzers and do nothing else.
    #[arg(short = 'L', long)]
    list_analyzers: bool,
    /// Run these analyzers alone; may be repeated. `-L` lists them.
    #[arg(long, value_name = "NAME")]
    analyzer: Vec<String>,
    /// Accept texts that cannot be read.
    #[arg(long)]
    ignore_unknown: bool,
    /// Colour the levels. Default: on a terminal.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    color: Option<bool>,
    /// Write cause, fix and evidence of every finding, and what was passed over.
    #[arg(short, long)]
    verbose: bool,
    /// Longest time to wait for the cluster.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = seconds)]
    timeout: Duration,
    /// Accepted for istioctl's sake; every revision is read.
    #[arg(long, hide = true)]
    revision: Option<String>,
    /// Show the edits that findings propose, and make none.
    #[arg(long, conflicts_with = "fix")]
    diff: bool,
    /// Make the edits that findings propose, in the files; comments and layout stay.
    #[arg(long)]
    fix: bool,
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "one of log, json, yaml, sarif, junit".to_owned())
}

fn level(text: &str) -> Result<Level, String> {
    Level::parse(text).ok_or_else(|| "one of Info, Warning, Error".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    base::parse_duration(text).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    if args.list_analyzers {
        return list();
    }
    let namespace = match (args.all_namespaces, args.namespace.as_str()) {
        (true, _) => String::new(),
        (false, "") => "default".to_owned(),
        (false, named) => named.to_owned(),
    };
    let texts = files::gather(&args.files)?;
    let mesh = mesh(args)?;
    let mut input = Input::new(&namespace);
    let live = cluster::read(args, &mut input, !texts.is_empty())?;
    if !live {
        if texts.is_empty() {
            return Err(
                Failure::new(Code::Failure, "nothing to analyze: no file, and no cluster")
                    .remedy("ferromesh analyze FILE, or --kubeconfig FILE")
                    .into(),
            );
        }
        input.add_defaults(&mesh);
    }
    for (name, text) in &texts {
        input.add_text(name, text);
    }
    let broken = notes(args, &input);
    let mut facts = input.into_facts(mesh);
    facts.now = Some(time::OffsetDateTime::now_utc().unix_timestamp());
    let options = Options {
        namespace: namespace.clone(),
        suppressions: suppressions(args)?,
        analyzers: analyzers(args)?,
    };
    let findings = analysis::analyze(&facts, &options);
    if args.diff || args.fix {
        return files::fix(&texts, &findings, args.fix);
    }
    print(args, &facts, &findings)?;
    conclude(args, &namespace, &texts, &findings, broken)
}

fn list() -> anyhow::Result<()> {
    let mut rules: Vec<(&str, &str)> = RULES.iter().map(|r| (r.analyzer, r.summary)).collect();
    rules.sort_unstable();
    let mut out = std::io::stdout().lock();
    for (name, summary) in rules {
        writeln!(out, "* {name}:\n    {summary}")?;
    }
    Ok(())
}

fn mesh(args: &Args) -> anyhow::Result<Mesh> {
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let mut mesh = match &args.mesh_config {
        Some(path) => {
            Mesh::read(&path.display().to_string(), &read(path)?).map_err(anyhow::Error::msg)?
        }
        None => Mesh::default(),
    };
    if let Some(path) = &args.mesh_networks {
        mesh.read_networks(&path.display().to_string(), &read(path)?)
            .map_err(anyhow::Error::msg)?;
    }
    mesh.istio_namespace.clone_from(&args.istio_namespace);
    Ok(mesh)
}

/// Says what was passed over; gives back how many texts could not be read.
fn notes(args: &Args, input: &Input) -> usize {
    let mut broken = 0;
    for note in input.notes() {
        broken += usize::from(note.is_error);
        if note.is_error || args.verbose || args.output == Format::Log {
            eprintln!("{}: {}", note.place, note.message);
        }
    }
    broken
}

fn suppressions(args: &Args) -> anyhow::Result<Vec<Suppression>> {
    let mut found = Vec::new();
    for text in &args.suppress {
        let Some(suppression) = Suppression::parse(text) else {
            anyhow::bail!(
                "{text:?} is no suppression; write CODE=RESOURCE, e.g. \"IST0103=Pod testing/*\""
            );
        };
        if !suppression.is_known() {
            eprintln!(
                "Warning: no rule reports {}; suppressing it has no effect.",
                suppression.code
            );
        }
        found.push(suppression);
    }
    Ok(found)
}

fn analyzers(args: &Args) -> anyhow::Result<Vec<String>> {
    let known = |name: &&String| !RULES.iter().any(|rule| rule.analyzer == name.as_str());
    if let Some(unknown) = args.analyzer.iter().find(known) {
        return Err(
            Failure::new(Code::Failure, format!("there is no analyzer {unknown}"))
                .remedy("ferromesh analyze -L")
                .into(),
        );
    }
    Ok(args.analyzer.clone())
}

fn print(args: &Args, facts: &Facts, findings: &[Finding]) -> anyhow::Result<()> {
    let shown: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.level.reaches(args.output_threshold))
        .cloned()
        .collect();
    let dumb = std::env::var("TERM").is_ok_and(|term| term.eq_ignore_ascii_case("dumb"));
    let color = args
        .color
        .unwrap_or_else(|| !dumb && std::io::stdout().is_terminal());
    let detail = if args.verbose {
        Detail::Full
    } else {
        Detail::Own
    };
    let color = if color { Color::On } else { Color::Off };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", args.output.render(&shown, detail, color))?;
    for missing in &facts.not_observable {
        eprintln!(
            "not observable: {}, because {}",
            missing.what, missing.because
        );
    }
    Ok(())
}

fn conclude(
    args: &Args,
    namespace: &str,
    texts: &[(String, String)],
    findings: &[Finding],
    broken: usize,
) -> anyhow::Result<()> {
    let target = if namespace.is_empty() {
        "all namespaces".to_owned()
    } else {
        format!("namespace: {namespace}")
    };
    let shown = findings
        .iter()
        .any(|finding| finding.level.reaches(args.output_threshold));
    if !shown {
        let files: Vec<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
        match (broken, files.as_slice()) {
            (0, [] | [_]) => {
                let what = files.first().copied().unwrap_or(&target);
                eprintln!("\u{2714} No validation issues found when analyzing {what}.");
            }
            (0, _) => eprintln!(
                "\u{2714} No validation issues found when analyzing:\n  - {}",
                files.join("\n  - ")
            ),
            (1, _) => eprintln!(
                "No validation issues found when analyzing {target} (but 1 file could not be parsed)."
            ),
            (_, _) => eprintln!(
                "No validation issues found when analyzing {target} (but {broken} files could not be parsed)."
            ),
        }
    }
    // istioctl fails in its log format only; the formats for build servers fail too.
    if matches!(args.output, Format::Json | Format::Yaml) {
        return Ok(());
    }
    if analysis::worst(findings).is_some_and(|worst| worst.reaches(args.failure_threshold)) {
        return Err(Failure::new(
            Code::FoundIssues,
            format!("Analyzers found issues when analyzing {target}."),
        )
        .remedy("ferromesh analyze -v, or ferromesh explain CODE")
        .into());
    }
    if broken > 0 && !args.ignore_unknown {
        return Err(Failure::new(Code::Unreadable, "Some files couldn't be parsed.").into());
    }
    Ok(())
}

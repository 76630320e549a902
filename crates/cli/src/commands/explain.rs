//! `ferromesh explain`: what a code, a flag, a field, a metric, an annotation or a log line means.

use std::io::{Read, Write};

use analysis::advice::Options;
use analysis::explain;
use analysis::knowledge::Version;

use super::lint_advice::Language;
use crate::exit::{Code, Failure};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code (IST0101), a response flag (UC), a field's path, a metric, an annotation, a port, or an access-log
    /// line in quotes; `-` reads lines from standard input.
    #[arg(value_name = "WHAT", required = true, num_args = 1.., allow_hyphen_values = true)]
    what: Vec<String>,
    /// The Istio version, e.g. 1.28.
    #[arg(long, value_name = "VERSION", default_value_t = Version::ISTIO)]
    istio: Version,
    /// The Knative Serving version, e.g. 1.18.
    #[arg(long, value_name = "VERSION", default_value_t = Version::KNATIVE)]
    knative: Version,
    /// Language of the messages.
    #[arg(long, value_enum, default_value_t = Language::En)]
    lang: Language,
}

/// Most bytes that are read from standard input.
const MAX_INPUT: u64 = 1 << 20;

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let options = Options {
        istio: args.istio,
        knative: args.knative,
        lang: args.lang.into(),
    };
    let mut queries = vec![args.what.join(" ")];
    if queries[0] == "-" {
        let mut text = String::new();
        std::io::stdin().take(MAX_INPUT).read_to_string(&mut text)?;
        queries = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(str::to_owned)
            .collect();
    }
    let mut out = std::io::stdout().lock();
    for query in &queries {
        let found = explain::explain(query, &options);
        if found.is_empty() {
            let message = format!("nothing is known of {query:?}");
            return Err(Failure::new(Code::Failure, message)
                .remedy("ferromesh explain UC; ferromesh explain istio_requests_total; ferromesh explain spec.trafficPolicy.outlierDetection")
                .into());
        }
        out.write_all(explain::text(&found, options.lang).as_bytes())?;
    }
    Ok(())
}

//! Project chores: `cargo xtask test|fuzz|dist|bench|docs|peers|layers`.

mod bench;
mod dist;
mod docs;
mod follow;
mod fuzz;
mod layers;
mod peers;
mod summary;
mod test;
mod unused;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  test [--long]   obtain the peers, then fmt, clippy, layers and all tests; one summary at the end.
                  --long also fuzzes every target and runs the long churn tests.
  fuzz [TARGET]   run the fuzz targets, or one of them. FERROMESH_FUZZ_SECONDS (60) for each.
  dist            build the proxy as it ships: profile `dist`, guided by a profile of its work; most of an hour
  bench proxy     CPU, latency and memory of our proxy, built by `dist`, beside Envoy's; -h lists its options
  docs [--check]  write docs/reference from the code, or check that it is current
  peers           obtain the programs that the tests run against
  layers          check that dependencies point down and that each is used
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => test::run(test::Extent::Usual),
        ["test", "--long"] => test::run(test::Extent::Long),
        ["fuzz"] => test::fuzz(None),
        ["fuzz", target] => test::fuzz(Some(target)),
        ["bench", "proxy", arguments @ ..] => bench::proxy(arguments),
        ["dist"] => dist::build().map(|_| ()),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["peers"] => peers::obtain().map(|found| peers::print(&found)),
        ["layers"] => layers::check().and_then(|()| unused::check()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! Project chores: `cargo xtask test|bench|peers|layers`.

mod bench;
mod layers;
mod peers;
mod summary;
mod test;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask COMMAND

  test [--long]   obtain the peers, then fmt, clippy, layers and all tests; one summary at the end
  bench proxy     CPU, latency and memory of our proxy beside Envoy's, release build; -h lists its options
  peers           obtain the programs that the tests run against
  layers          check that dependencies point down
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => test::run(test::Extent::Usual),
        ["test", "--long"] => test::run(test::Extent::Long),
        ["bench", "proxy", arguments @ ..] => bench::proxy(arguments),
        ["peers"] => peers::obtain().map(|found| peers::print(&found)),
        ["layers"] => layers::check(),
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

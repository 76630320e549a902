//! `ferromesh-proxy`: sidecar and gateway, without the rest of `ferromesh`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::proxy_main()
}

//! `bookinfo ROLE [PORT]`: one service of the Bookinfo sample.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    bookinfo::run(&args)
}

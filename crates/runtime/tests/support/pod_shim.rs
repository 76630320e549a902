//! The shim by itself, for the tests of this crate. `ferromesh` enters it by a hidden command.

fn main() -> std::io::Result<()> {
    runtime::shim::main()
}

//! Analysis as a library: reads the files that are named and prints findings as JSON.
//!
//! `cargo run -p analysis --example analyze -- FILE…`; a file called `meshnetworks.yaml` or `meshconfig.yaml` holds the
//! mesh's settings.

use analysis::render::{Color, Detail, Format};
use analysis::{Input, Mesh, Options, analyze};

fn main() -> Result<(), String> {
    let (mut mesh, mut input) = (Mesh::default(), Input::new("default"));
    let mut texts = Vec::new();
    for name in std::env::args().skip(1) {
        let text = std::fs::read_to_string(&name).map_err(|error| format!("{name}: {error}"))?;
        if name.ends_with("meshnetworks.yaml") {
            mesh.read_networks(&name, &text)?;
        } else if name.ends_with("meshconfig.yaml") {
            mesh = Mesh::read(&name, &text)?;
        } else {
            texts.push((name, text));
        }
    }
    input.add_defaults(&mesh);
    for (name, text) in &texts {
        input.add_text(name, text);
    }
    for note in input.notes() {
        eprintln!("{}: {}", note.place, note.message);
    }
    let mut facts = input.into_facts(mesh);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    facts.now = now.ok().and_then(|now| i64::try_from(now.as_secs()).ok());
    let findings = analyze(&facts, &Options::default());
    println!(
        "{}",
        Format::Json.render(&findings, Detail::Line, Color::Off)
    );
    Ok(())
}

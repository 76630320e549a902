//! Images that are this program itself, and Istio's Bookinfo, so that its public manifests apply
//! unmodified.

use std::path::{Path, PathBuf};

use ::agent::inject::PROGRAM;
use ::runtime::Program;

/// Where containers have this program: where it lies on the host may be hidden by a volume.
const INSIDE: &str = "/.ferromesh/bin";

/// Image name without registry and tag → program.
pub(crate) fn builtin() -> Vec<(String, Program)> {
    let mut images = vec![
        ("ferromesh/proxy".to_owned(), proxy()),
        ("ferromesh/agent".to_owned(), agent(envoy())),
    ];
    for (service, role) in [
        ("productpage-v1", "productpage"),
        ("details-v1", "details"),
        ("ratings-v1", "ratings"),
        ("reviews-v1", "reviews-v1"),
        ("reviews-v2", "reviews-v2"),
        ("reviews-v3", "reviews-v3"),
    ] {
        let program = own(&["internal", "bookinfo", role]);
        images.push((format!("istio/examples-bookinfo-{service}"), program));
    }
    images
}

fn exe() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("ferromesh"))
}

/// `ferromesh-proxy` beside this program where it was built, else this program's own `proxy`.
fn proxy() -> Program {
    let beside = exe().with_file_name("ferromesh-proxy");
    if beside.is_file() {
        // With this program too: what holds the application is one of its commands.
        inside(beside, "ferromesh-proxy", &[]).with_file(exe(), PROGRAM)
    } else {
        own(&["proxy"])
    }
}

/// Stock Envoy on this machine: `$FERROMESH_ENVOY`, or `envoy` on the PATH.
pub(crate) fn envoy() -> Option<PathBuf> {
    let named = std::env::var_os("FERROMESH_ENVOY").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = named.or_else(|| {
        std::env::split_paths(&path)
            .map(|directory| directory.join("envoy"))
            .find(|file| file.is_file())
    })?;
    found.canonicalize().ok().filter(|file| file.is_file())
}

/// `ferromesh agent`, with Envoy where the machine has it.
fn agent(envoy: Option<PathBuf>) -> Program {
    let mut program = own(&["agent"]);
    if let Some(envoy) = envoy {
        let target = Path::new(INSIDE).join("envoy");
        let shown = target.display().to_string();
        program.env.insert("FERROMESH_ENVOY".into(), shown);
        program = program.with_file(envoy, target);
    }
    program
}

fn own(words: &[&str]) -> Program {
    inside(exe(), "ferromesh", words)
}

fn inside(program: PathBuf, name: &str, words: &[&str]) -> Program {
    let target = Path::new(INSIDE).join(name);
    let first = target.display().to_string();
    let words = words.iter().map(|w| (*w).to_owned());
    Program::new(std::iter::once(first).chain(words)).with_file(program, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_brought_along_to_where_it_is_started() {
        for (image, program) in builtin() {
            let first = Path::new(&program.entrypoint[0]);
            let brought = program.files.iter().any(|(_, target)| target == first);
            assert!(brought, "{image}: {program:?}");
        }
        let program = agent(Some(PathBuf::from("/root/envoy")));
        let inside = PathBuf::from(&program.env["FERROMESH_ENVOY"]);
        let envoy = (PathBuf::from("/root/envoy"), inside);
        assert!(program.files.contains(&envoy), "{program:?}");
    }
}

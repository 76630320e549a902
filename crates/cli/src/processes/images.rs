//! Images that are this program itself, and Istio's Bookinfo, so that its public manifests apply
//! unmodified.

use std::path::{Path, PathBuf};

use ::runtime::Program;

/// Where containers have this program: where it lies on the host may be hidden by a volume.
const INSIDE: &str = "/.ferromesh/bin";

/// Image name without registry and tag → program.
pub(crate) fn builtin() -> Vec<(String, Program)> {
    let mut images = vec![
        ("ferromesh/proxy".to_owned(), proxy()),
        ("ferromesh/agent".to_owned(), own(&["agent"])),
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
        inside(beside, "ferromesh-proxy", &[])
    } else {
        own(&["proxy"])
    }
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

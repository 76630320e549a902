//! Images that are this program itself, and Istio's Bookinfo, so that its public manifests apply
//! unmodified.

use std::path::PathBuf;

/// Image name without registry and tag → command.
pub(crate) fn builtin() -> Vec<(String, Vec<String>)> {
    let mut images = vec![
        ("ferromesh/proxy".to_owned(), proxy_command()),
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
        let command = own(&["internal", "bookinfo", role]);
        images.push((format!("istio/examples-bookinfo-{service}"), command));
    }
    images
}

fn exe() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("ferromesh"))
}

/// `ferromesh-proxy` beside this program where it was built, else this program's own `proxy`.
fn proxy_command() -> Vec<String> {
    let beside = exe().with_file_name("ferromesh-proxy");
    if beside.is_file() {
        vec![beside.display().to_string()]
    } else {
        own(&["proxy"])
    }
}

fn own(words: &[&str]) -> Vec<String> {
    let first = exe().display().to_string();
    std::iter::once(first)
        .chain(words.iter().map(|w| (*w).to_owned()))
        .collect()
}

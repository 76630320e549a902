//! Image names stand for programs of this machine: there are no images here.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What an image would bring: its configuration, as far as local programs have one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Program {
    pub entrypoint: Vec<String>,
    /// Used when the container has no `args`.
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A numeric user id, or `uid:gid`.
    #[serde(default)]
    pub user: Option<String>,
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Files of this machine that the image brings, and where the container has them: no volume hides them.
    #[serde(skip)]
    pub files: Vec<(PathBuf, PathBuf)>,
}

impl Program {
    /// A program without further settings.
    pub fn new<S: Into<String>>(entrypoint: impl IntoIterator<Item = S>) -> Self {
        Self {
            entrypoint: entrypoint.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Brings a file along.
    #[must_use]
    pub fn with_file(mut self, source: PathBuf, target: impl Into<PathBuf>) -> Self {
        self.files.push((source, target.into()));
        self
    }
}

/// Programs by image name. A name matches whatever its registry, tag and digest; one that ends in `*`
/// matches by prefix, the longest first.
#[derive(Debug, Clone, Default)]
pub struct ImageMap {
    entries: BTreeMap<String, Program>,
}

/// The user's own entries, a JSON object in the data directory.
pub const USER_FILE: &str = "images.json";

impl ImageMap {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, image: &str, program: Program) -> &mut Self {
        self.entries.insert(bare(image).to_owned(), program);
        self
    }

    /// Adds what does not depend on where this program is: public samples that run on common tools.
    pub fn insert_samples(&mut self) -> &mut Self {
        for (image, port) in [
            ("mccutchen/go-httpbin", 8080),
            ("kennethreitz/httpbin", 80),
            ("kong/httpbin", 80),
        ] {
            let bind = format!("0.0.0.0:{port}");
            let program = Program::new([
                "gunicorn",
                "--bind",
                &bind,
                "--worker-tmp-dir",
                "/dev/shm",
                "httpbin:app",
            ]);
            self.insert(image, program);
        }
        for image in ["curlimages/curl", "curl/curl", "quay.io/curl/curl"] {
            self.insert(image, Program::new(["curl"]));
        }
        self
    }

    /// Adds the entries of the user's file, if there is one.
    pub fn insert_file(&mut self, path: &Path) -> io::Result<&mut Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(self),
            text => text?,
        };
        let entries: BTreeMap<String, Program> = serde_json::from_str(&text).map_err(|error| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {error}", path.display()),
            )
        })?;
        for (image, program) in entries {
            self.insert(&image, program);
        }
        Ok(self)
    }

    /// The program that stands for `image`.
    #[must_use]
    pub fn find(&self, image: &str) -> Option<&Program> {
        let name = bare(image);
        if let Some(program) = self.entries.get(name) {
            return Some(program);
        }
        let patterns = self
            .entries
            .iter()
            .filter_map(|(key, program)| Some((key.strip_suffix('*')?, program)));
        patterns
            .filter(|(prefix, _)| name.starts_with(prefix))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, p)| p)
    }
}

/// The name without registry, tag and digest: `docker.io/istio/x:1` is `istio/x`.
fn bare(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let slash = image.rfind('/').map_or(0, |at| at + 1);
    let image = image[slash..]
        .find(':')
        .map_or(image, |colon| &image[..slash + colon]);
    let image = match image.split_once('/') {
        // A first part with a dot or port, or `localhost`, is a registry.
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
        _ => image,
    };
    image.strip_prefix("library/").unwrap_or(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_tag_and_digest_do_not_matter() {
        for image in [
            "istio/examples:1.20",
            "docker.io/istio/examples",
            "localhost:5000/istio/examples:x@sha256:abc",
            "istio/examples@sha256:abc",
        ] {
            assert_eq!(bare(image), "istio/examples", "{image}");
        }
        assert_eq!(bare("docker.io/library/nginx:1"), "nginx");
    }

    #[test]
    fn the_longest_prefix_wins_and_exact_names_come_first() {
        let mut map = ImageMap::new();
        map.insert("istio/*", Program::new(["a"]));
        map.insert("istio/examples-*", Program::new(["b"]));
        map.insert("istio/examples-x", Program::new(["c"]));
        let entry = |image: &str| map.find(image).map(|program| program.entrypoint[0].clone());
        assert_eq!(entry("docker.io/istio/pilot:1").as_deref(), Some("a"));
        assert_eq!(entry("istio/examples-y").as_deref(), Some("b"));
        assert_eq!(entry("istio/examples-x:2").as_deref(), Some("c"));
        assert_eq!(entry("nginx"), None);
    }
}

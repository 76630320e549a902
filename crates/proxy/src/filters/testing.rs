//! A request made by hand, for tests and benches.

use crate::config::request::{DownstreamInfo, RequestView};

/// A request made by hand.
#[derive(Debug, Clone)]
pub struct TestRequest {
    method: Vec<u8>,
    path: Vec<u8>,
    authority: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

impl TestRequest {
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.into(),
            path: path.into(),
            authority: b"example.com".to_vec(),
            headers: Vec::new(),
        }
    }

    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.authority = authority.into();
        self
    }

    /// `name` in lower case.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl RequestView for TestRequest {
    fn method(&self) -> &[u8] {
        &self.method
    }

    fn path(&self) -> &[u8] {
        &self.path
    }

    fn authority(&self) -> &[u8] {
        &self.authority
    }

    fn scheme(&self) -> &[u8] {
        b"http"
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.headers
            .iter()
            .filter(move |(have, _)| have == name)
            .map(|(_, value)| value.as_slice())
    }

    fn downstream(&self) -> DownstreamInfo<'_> {
        DownstreamInfo {
            direct_remote: None,
            remote: None,
            local: None,
            is_tls: false,
            peer_certificate_presented: false,
            peer_certificate_validated: false,
            sni: None,
        }
    }
}

//! Findings as text for people and programs.

mod json;
mod junit;
mod log;
mod sarif;
mod yaml;

use crate::finding::Finding;

pub use self::json::value;
pub use self::log::{Color, Detail};

/// A format of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// istioctl's lines.
    Log,
    /// istioctl's objects.
    Json,
    /// istioctl's objects.
    Yaml,
    /// For code review.
    Sarif,
    /// For build servers.
    Junit,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Log, Self::Json, Self::Yaml, Self::Sarif, Self::Junit];

    /// Its name after `-o`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
        }
    }

    /// Reads a name, whatever its case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(text))
    }

    /// Writes findings.
    #[must_use]
    pub fn render(self, findings: &[Finding], detail: Detail, color: Color) -> String {
        match self {
            Self::Log => log::render(findings, detail, color),
            Self::Json => json::render(findings),
            Self::Yaml => yaml::render(findings),
            Self::Sarif => sarif::render(findings),
            Self::Junit => junit::render(findings),
        }
    }
}

/// Where the page of a code is.
pub(crate) fn documentation(code: &str) -> String {
    if code.starts_with("IST") {
        format!(
            "https://istio.io/latest/docs/reference/config/analysis/{}/?ref=istioctl-analyze",
            code.to_lowercase()
        )
    } else {
        format!("docs/codes/{code}.md")
    }
}

//! Header mutations of routes, virtual hosts, route tables and weighted clusters.

use super::format::Program;
use super::request::LowerName;

/// What to do when the header is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendAction {
    Append,
    AddIfAbsent,
    OverwriteIfExistsOrAdd,
    OverwriteIfExists,
}

impl AppendAction {
    /// Whether the header is added to what is there; such changes follow those that replace.
    #[must_use]
    pub fn appends(self) -> bool {
        matches!(self, Self::Append | Self::AddIfAbsent)
    }
}

/// The header to set; `:authority`, `:path`, `:method` and `:scheme` only where Envoy allows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderTarget {
    Authority,
    Path,
    Method,
    Scheme,
    Status,
    Named {
        lower: LowerName,
        /// As configured, for HTTP/1 peers that want the case kept.
        original: Box<str>,
    },
}

/// One header to set.
#[derive(Debug, Clone)]
pub struct SetHeader {
    pub target: HeaderTarget,
    pub value: Program,
    pub action: AppendAction,
    /// Set it even when the value is empty.
    pub keep_empty: bool,
}

/// The mutations of one level, for one direction. Envoy removes first, then adds.
#[derive(Debug, Clone, Default)]
pub struct HeaderMutations {
    pub remove: Box<[LowerName]>,
    pub set: Box<[SetHeader]>,
}

impl HeaderMutations {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty()
    }
}

/// Both directions of one level.
#[derive(Debug, Clone, Default)]
pub struct LevelMutations {
    pub request: HeaderMutations,
    pub response: HeaderMutations,
}

impl LevelMutations {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }
}

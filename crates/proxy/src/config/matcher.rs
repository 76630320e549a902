//! String, header and query matchers: compiled once, allocation-free on a match.

use smallvec::SmallVec;

use super::request::{LowerName, RequestView};

/// A compiled RE2-style expression; matching is linear in the input.
#[derive(Debug, Clone)]
pub struct Regex {
    pub(crate) full: regex::bytes::Regex,
    pub(crate) source: Box<str>,
}

impl Regex {
    /// The longest expression accepted, in bytes.
    pub const MAX_SOURCE: usize = 8 * 1024;
    const MAX_PROGRAM: usize = 1 << 20;

    /// Compiles an expression that must match the whole input.
    pub fn full_match(source: &str) -> Result<Self, String> {
        let anchored = format!(r"\A(?:{source})\z");
        Ok(Self {
            full: compile(&anchored, source)?,
            source: source.into(),
        })
    }

    /// Compiles an expression that may match anywhere: for substitutions.
    pub fn search(source: &str) -> Result<Self, String> {
        Ok(Self {
            full: compile(source, source)?,
            source: source.into(),
        })
    }

    #[must_use]
    pub fn is_match(&self, input: &[u8]) -> bool {
        self.full.is_match(input)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

fn compile(expression: &str, source: &str) -> Result<regex::bytes::Regex, String> {
    if source.len() > Regex::MAX_SOURCE {
        return Err(format!(
            "regex of {} bytes is longer than {}",
            source.len(),
            Regex::MAX_SOURCE
        ));
    }
    // The bare source must be valid: `a)(b` would become valid inside the anchoring group.
    regex::bytes::RegexBuilder::new(source)
        .size_limit(Regex::MAX_PROGRAM)
        .build()
        .map_err(|error| format!("invalid regex: {error}"))?;
    regex::bytes::RegexBuilder::new(expression)
        .size_limit(Regex::MAX_PROGRAM)
        .dfa_size_limit(Regex::MAX_PROGRAM)
        .build()
        .map_err(|error| format!("invalid regex: {error}"))
}

/// Replaces the matches of a pattern (`\1` in the substitution is the first group), all of them, as RE2's
/// `GlobalReplace` does.
#[derive(Debug, Clone)]
pub struct Substitution {
    pub pattern: Regex,
    /// The replacement in the regex crate's syntax.
    pub(crate) replacement: Box<[u8]>,
}

impl Substitution {
    /// `substitution` is in RE2's syntax: `\0`..`\9`, `\\`.
    pub fn new(pattern: &str, substitution: &str) -> Result<Self, String> {
        let pattern = Regex::search(pattern)?;
        let groups = pattern.full.captures_len();
        let mut replacement = Vec::with_capacity(substitution.len());
        let mut bytes = substitution.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'$' => replacement.extend_from_slice(b"$$"),
                b'\\' => {
                    match bytes.next() {
                        Some(digit @ b'0'..=b'9') => {
                            if usize::from(digit - b'0') >= groups {
                                return Err(format!(
                                    "substitution names group {} of {}",
                                    digit - b'0',
                                    groups - 1
                                ));
                            }
                            replacement.extend_from_slice(&[b'$', b'{', digit, b'}']);
                        }
                        Some(b'\\') => replacement.push(b'\\'),
                        _ => return Err(
                            "a backslash in a substitution is followed by a digit or a backslash"
                                .into(),
                        ),
                    }
                }
                other => replacement.push(other),
            }
        }
        Ok(Self {
            pattern,
            replacement: replacement.into(),
        })
    }

    /// The input with every match replaced.
    #[must_use]
    pub fn apply<'a>(&self, input: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        self.pattern.full.replace_all(input, &self.replacement[..])
    }
}

/// How a string is compared.
#[derive(Debug, Clone)]
pub enum StringMatcher {
    Exact(Text),
    Prefix(Text),
    Suffix(Text),
    Contains(Text),
    Regex(Regex),
}

/// Text to compare with; lowered at compile time when case is ignored.
#[derive(Debug, Clone)]
pub struct Text {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) ignore_case: bool,
}

impl Text {
    #[must_use]
    pub fn new(text: &str, ignore_case: bool) -> Self {
        let text = if ignore_case {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        };
        Self {
            bytes: text.into_bytes().into(),
            ignore_case,
        }
    }

    fn equals(&self, input: &[u8]) -> bool {
        if self.ignore_case {
            input.eq_ignore_ascii_case(&self.bytes)
        } else {
            input == &*self.bytes
        }
    }

    pub(crate) fn starts(&self, input: &[u8]) -> bool {
        input.len() >= self.bytes.len() && self.equals(&input[..self.bytes.len()])
    }

    fn ends(&self, input: &[u8]) -> bool {
        input.len() >= self.bytes.len() && self.equals(&input[input.len() - self.bytes.len()..])
    }

    fn within(&self, input: &[u8]) -> bool {
        if self.ignore_case {
            let n = self.bytes.len();
            n == 0
                || input
                    .windows(n)
                    .any(|window| window.eq_ignore_ascii_case(&self.bytes))
        } else {
            memchr::memmem::find(input, &self.bytes).is_some()
        }
    }
}

impl StringMatcher {
    #[must_use]
    pub fn matches(&self, input: &[u8]) -> bool {
        match self {
            Self::Exact(text) => text.equals(input),
            Self::Prefix(text) => text.starts(input),
            Self::Suffix(text) => text.ends(input),
            Self::Contains(text) => text.within(input),
            Self::Regex(regex) => regex.is_match(input),
        }
    }
}

/// Where a header matcher looks.
#[derive(Debug, Clone)]
pub enum HeaderSource {
    Method,
    Path,
    Authority,
    Scheme,
    Named(LowerName),
}

impl HeaderSource {
    #[must_use]
    pub fn new(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            other => Self::Named(LowerName::new(other)),
        }
    }
}

/// What a header's value must be.
#[derive(Debug, Clone)]
pub enum HeaderTest {
    Present(bool),
    String(StringMatcher),
    /// A decimal number in `start..end`.
    Range {
        start: i64,
        end: i64,
    },
}

/// Envoy's HeaderMatcher.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    pub source: HeaderSource,
    pub test: HeaderTest,
    pub invert: bool,
    pub treat_missing_as_empty: bool,
}

impl HeaderMatcher {
    #[must_use]
    pub fn matches<R: RequestView>(&self, request: &R) -> bool {
        match &self.source {
            HeaderSource::Method => self.on(Some(request.method())),
            HeaderSource::Path => self.on(Some(request.path())),
            HeaderSource::Authority => self.on(Some(request.authority())),
            HeaderSource::Scheme => self.on(Some(request.scheme())),
            HeaderSource::Named(name) => self.on_values(request.header_values(name.as_str())),
        }
    }

    /// Tests the values of one header, joined by a comma as Envoy joins them.
    pub fn on_values<'a>(&self, mut values: impl Iterator<Item = &'a [u8]>) -> bool {
        let first = values.next();
        let Some(second) = values.next() else {
            return self.on(first);
        };
        let mut joined: SmallVec<[u8; 256]> = SmallVec::from_slice(first.unwrap_or_default());
        for value in std::iter::once(second).chain(values) {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        self.on(Some(&joined))
    }

    fn on(&self, value: Option<&[u8]>) -> bool {
        let value = match value {
            None if self.treat_missing_as_empty => Some(&b""[..]),
            other => other,
        };
        let outcome = match (&self.test, value) {
            (HeaderTest::Present(wanted), value) => value.is_some() == *wanted,
            // Envoy: a condition on the value of an absent header does not hold, inverted or not.
            (_, None) => return false,
            (HeaderTest::String(matcher), Some(value)) => matcher.matches(value),
            (HeaderTest::Range { start, end }, Some(value)) => {
                parse_i64(value).is_some_and(|number| number >= *start && number < *end)
            }
        };
        outcome != self.invert
    }
}

fn parse_i64(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Envoy's QueryParameterMatcher.
#[derive(Debug, Clone)]
pub struct QueryMatcher {
    pub name: Box<[u8]>,
    /// `None` tests presence alone.
    pub value: Option<StringMatcher>,
    /// With `value == None`: whether the parameter must be present.
    pub present: bool,
}

impl QueryMatcher {
    /// `query` is the raw query without `?`. Envoy compares the first occurrence, undecoded.
    #[must_use]
    pub fn matches(&self, query: Option<&[u8]>) -> bool {
        let found = query.and_then(|query| parameter(query, &self.name));
        match (&self.value, found) {
            (None, found) => found.is_some() == self.present,
            (Some(_), None) => false,
            (Some(matcher), Some(value)) => matcher.matches(value),
        }
    }
}

/// The first value of a query parameter; `a` and `a=` both give the empty value.
#[must_use]
pub fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let (key, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        (key == name).then_some(value)
    })
}

/// A probability in millionths: Envoy's FractionalPercent with any denominator, and Percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction(pub u32);

impl Fraction {
    pub const ALWAYS: Self = Self(1_000_000);
    pub const NEVER: Self = Self(0);

    /// Whether this random value falls within the fraction.
    #[must_use]
    pub fn hit(self, random: u64) -> bool {
        self.0 >= 1_000_000 || (random % 1_000_000) < u64::from(self.0)
    }
}

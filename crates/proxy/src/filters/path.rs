//! Path normalisation, as pure functions: escaped slashes, RFC 3986 dot segments, merged slashes.

use std::borrow::Cow;

use crate::config::hcm::{EscapedSlashes, Hcm};

/// What becomes of a request's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normalised<'a> {
    /// Path and query to go on with.
    Path(Cow<'a, [u8]>),
    /// 307 to this path (`path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT`).
    Redirect(Vec<u8>),
    /// 400 with this `response_code_details`.
    Refused(&'static str),
}

/// Envoy's detail for paths that cannot be normalised.
pub const PATH_NORMALIZATION_FAILED: &str = "path_normalization_failed";

/// Applies the connection manager's settings in Envoy's order: escaped slashes, normalisation, slashes merged.
/// `path` is path and query; `*` and authority forms are left alone.
#[must_use]
pub fn normalise<'a>(hcm: &Hcm, path: &'a [u8]) -> Normalised<'a> {
    if path.first() != Some(&b'/') {
        return Normalised::Path(Cow::Borrowed(path));
    }
    let mut current = Cow::Borrowed(path);
    let mut redirect = false;
    match hcm.escaped_slashes {
        EscapedSlashes::Keep => {}
        EscapedSlashes::Reject => {
            if has_escaped_slash(without_query(path)) {
                return Normalised::Refused(PATH_NORMALIZATION_FAILED);
            }
        }
        EscapedSlashes::UnescapeAndRedirect | EscapedSlashes::UnescapeAndForward => {
            if let Some(unescaped) = unescape_slashes(path) {
                redirect = hcm.escaped_slashes == EscapedSlashes::UnescapeAndRedirect;
                current = Cow::Owned(unescaped);
            }
        }
    }
    if hcm.normalize_path {
        match remove_dot_segments(&current) {
            Ok(Some(changed)) => current = Cow::Owned(changed),
            Ok(None) => {}
            Err(Malformed) => return Normalised::Refused(PATH_NORMALIZATION_FAILED),
        }
    }
    if hcm.merge_slashes
        && let Some(merged) = merge_slashes(&current)
    {
        current = Cow::Owned(merged);
    }
    if redirect {
        Normalised::Redirect(current.into_owned())
    } else {
        Normalised::Path(current)
    }
}

fn without_query(path: &[u8]) -> &[u8] {
    &path[..memchr::memchr2(b'?', b'#', path).unwrap_or(path.len())]
}

fn has_escaped_slash(path: &[u8]) -> bool {
    path.windows(3).any(|w| escaped_slash(w).is_some())
}

fn escaped_slash(window: &[u8]) -> Option<u8> {
    match window {
        [b'%', b'2', b'F' | b'f'] => Some(b'/'),
        [b'%', b'5', b'C' | b'c'] => Some(b'\\'),
        _ => None,
    }
}

/// `%2F` to `/` and `%5C` to `\`; `None` if there is none before the query.
#[must_use]
pub fn unescape_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let end = without_query(path).len();
    if !has_escaped_slash(&path[..end]) {
        return None;
    }
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while at < end {
        match path[..end].get(at..at + 3).and_then(escaped_slash) {
            Some(slash) => {
                out.push(slash);
                at += 3;
            }
            None => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&path[end..]);
    Some(out)
}

/// A NUL, escaped or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// RFC 3986 §6.2.2 as Envoy's canonicalisation does it: backslashes become slashes, escapes of unreserved characters
/// are decoded, other escapes stay as they are, dot segments go.
/// `Ok(None)`: nothing to change.
pub fn remove_dot_segments(path: &[u8]) -> Result<Option<Vec<u8>>, Malformed> {
    let end = without_query(path).len();
    let (head, tail) = path.split_at(end);
    if !needs_work(head)? {
        return Ok(None);
    }
    let decoded = decode_unreserved(head)?;
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let segments: Vec<&[u8]> = decoded[1..].split(|byte| *byte == b'/').collect();
    let count = segments.len();
    for (i, segment) in segments.into_iter().enumerate() {
        let last = i + 1 == count;
        match segment {
            b"." => {}
            b".." => {
                let cut = out.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                out.truncate(cut);
            }
            other => {
                out.push(b'/');
                out.extend_from_slice(other);
                continue;
            }
        }
        if last {
            out.push(b'/');
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    out.extend_from_slice(tail);
    Ok(Some(out))
}

/// Whether anything but plain segments is there. The common path is looked at once and not copied.
fn needs_work(head: &[u8]) -> Result<bool, Malformed> {
    if memchr::memchr3(b'%', b'\\', b'\0', head).is_some() {
        if memchr::memchr(0, head).is_some() {
            return Err(Malformed);
        }
        return Ok(true);
    }
    Ok(memchr::memmem::find(head, b"/.").is_some())
}

fn decode_unreserved(head: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(head.len());
    let mut at = 0;
    while let Some(byte) = head.get(at) {
        match byte {
            b'\\' => out.push(b'/'),
            b'%' => match escape(&head[at..]) {
                Some(0) => return Err(Malformed),
                Some(value)
                    if value.is_ascii_alphanumeric()
                        || matches!(value, b'-' | b'.' | b'_' | b'~') =>
                {
                    out.push(value);
                    at += 2;
                }
                // Other escapes stay as they are, and so does a percent sign that begins none: Envoy forwards both.
                _ => out.push(b'%'),
            },
            other => out.push(*other),
        }
        at += 1;
    }
    Ok(out)
}

/// The byte that `%xx` stands for.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// Runs of slashes become one; `None` if there is none before the query.
#[must_use]
pub fn merge_slashes(path: &[u8]) -> Option<Vec<u8>> {
    let end = without_query(path).len();
    memchr::memmem::find(&path[..end], b"//")?;
    let mut out = Vec::with_capacity(path.len());
    for byte in &path[..end] {
        if *byte != b'/' || out.last() != Some(&b'/') {
            out.push(*byte);
        }
    }
    out.extend_from_slice(&path[end..]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(path: &str) -> String {
        let changed = remove_dot_segments(path.as_bytes()).unwrap();
        String::from_utf8(changed.unwrap_or_else(|| path.into())).unwrap()
    }

    // RFC 3986 §5.2.4 and §5.4, applied to absolute paths.
    #[test]
    fn dot_segments_go() {
        for (path, want) in [
            ("/a/b/c/./../../g", "/a/g"),
            ("/a/./b", "/a/b"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/a/b/..", "/a/"),
            ("/..", "/"),
            ("/../../x", "/x"),
            ("/.", "/"),
            ("/a/.b/..c/d.", "/a/.b/..c/d."),
            ("/a/%2e%2E/b", "/b"),
            ("/a\\b", "/a/b"),
            ("/a\\..\\b", "/b"),
            ("/a//b", "/a//b"),
            ("/a//../b", "/a/b"),
            ("/%7Euser/%41", "/~user/A"),
            ("/a%2Fb", "/a%2Fb"),
            ("/a/../b?x=/../y#z", "/b?x=/../y#z"),
            ("/plain?q=%zz", "/plain?q=%zz"),
        ] {
            assert_eq!(dots(path), want, "{path}");
        }
    }

    // Seen with Envoy 1.40: `%00` is refused, broken escapes are forwarded.
    #[test]
    fn a_nul_is_refused_and_broken_escapes_are_kept() {
        for path in ["/a%00b", "/a\0"] {
            assert_eq!(
                remove_dot_segments(path.as_bytes()),
                Err(Malformed),
                "{path}"
            );
        }
        for path in ["/a%", "/a%2", "/one/%zz"] {
            assert_eq!(dots(path), path);
        }
    }

    #[test]
    fn slashes_merge_in_the_path_alone() {
        assert_eq!(
            merge_slashes(b"//a///b//?x=//y").as_deref(),
            Some(&b"/a/b/?x=//y"[..])
        );
        assert_eq!(merge_slashes(b"/a/b?x=//y"), None);
    }

    #[test]
    fn escaped_slashes_are_found_in_both_cases() {
        assert_eq!(
            unescape_slashes(b"/a%2fb%5Cc%2F?x=%2F").as_deref(),
            Some(&b"/a/b\\c/?x=%2F"[..])
        );
        assert_eq!(unescape_slashes(b"/a?x=%2F"), None);
    }

    proptest::proptest! {
        #[test]
        fn normalising_twice_changes_nothing(path in "/[a-z./%2eEF\\\\]{0,24}") {
            if let Ok(Some(once)) = remove_dot_segments(path.as_bytes()) {
                // An escaped percent sign may uncover a new escape; those are not decoded twice by design.
                if !path.contains("%25") {
                    let twice = remove_dot_segments(&once).unwrap_or(None).unwrap_or_else(|| once.clone());
                    proptest::prop_assert_eq!(&once, &twice);
                }
                proptest::prop_assert_eq!(once[0], b'/');
                proptest::prop_assert!(!once.windows(4).any(|w| w == b"/../"));
            }
        }
    }
}

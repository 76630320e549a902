//! HTTP/1.1 as the load client and the backend need it: one exchange at a time, bodies by `content-length`.

use anyhow::{Context, ensure};
use memchr::memmem;

/// Eight headers, as a browser behind a gateway sends them.
pub(crate) const REQUEST: &[u8] = b"GET /api/v1/reviews/42?verbose=1 HTTP/1.1\r\n\
host: bench.example\r\n\
user-agent: Mozilla/5.0 (X11; Linux x86_64) bench\r\n\
accept: text/html,application/json;q=0.9,*/*;q=0.8\r\n\
accept-language: en-US,en;q=0.5\r\n\
accept-encoding: gzip, deflate, br\r\n\
cookie: session=6f1d2c7a9b; theme=dark\r\n\
cache-control: no-cache\r\n\
x-tenant: blue\r\n\r\n";

/// Takes one whole response off `buffer`; whether it is a 200.
pub(crate) fn response(buffer: &mut Vec<u8>) -> anyhow::Result<Option<bool>> {
    let Some(head) = memmem::find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..head]).context("a response's head")?;
    ensure!(text.starts_with("HTTP/1.1 "), "not a response: {text}");
    let length: usize = text
        .split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("a response without content-length")?
        .1
        .parse()?;
    let good = text.as_bytes().get(9..12) == Some(b"200");
    let end = head + 4 + length;
    if buffer.len() < end {
        return Ok(None);
    }
    ensure!(buffer.len() == end, "bytes after a response");
    buffer.clear();
    Ok(Some(good))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_response_counts_when_it_is_whole() {
        let mut buffer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab".to_vec();
        assert_eq!(super::response(&mut buffer).unwrap(), None);
        buffer.push(b'c');
        assert_eq!(super::response(&mut buffer).unwrap(), Some(true));
        assert!(buffer.is_empty());
        let mut refused = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec();
        assert_eq!(super::response(&mut refused).unwrap(), Some(false));
    }
}

//! HTTP/1: a connection's bytes give the same messages however they arrive, and a message that was accepted means the
//! same when it is written and read again.

use crate::codec::h1::{
    BodyDecoder, BodyLength, ChunkDecoder, Leniency, Limits, NameStyle, ParseError, Progress,
    RequestParser, ResponseParser, encode_fields, encode_request_line, encode_status_line,
};
use crate::http::{HeaderList, RequestHead, ResponseHead};

/// Messages of one connection that are looked at.
const MESSAGES: usize = 8;
/// Longer inputs tell nothing new and are slow byte by byte.
const LONGEST: usize = 8 * 1024;

/// A head that was read: how it is written, and how its body is framed.
struct Head {
    text: Vec<u8>,
    body: BodyLength,
}

type Parsed = Result<Option<(usize, Head)>, ParseError>;
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// One message as it was understood.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    head: Vec<u8>,
    body: BodyLength,
    payload: Vec<u8>,
    trailers: Option<Fields>,
    /// The body's end was seen.
    whole: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Starved,
    Refused,
}

/// Requests on one connection, the first byte choosing what the listener allows.
pub fn h1_request(data: &[u8]) {
    let (option, bytes) = super::option(data);
    let leniency = Leniency {
        http10: option & 1 != 0,
        custom_methods: option & 2 != 0,
        keep_case: option & 4 != 0,
    };
    let limits = limits(option);
    let reader = || {
        let mut parser = RequestParser::with_leniency(limits, leniency);
        let mut head = RequestHead::default();
        move |bytes: &[u8]| {
            Ok(match parser.parse(bytes, &mut head)? {
                Progress::Partial => None,
                Progress::Complete(used) => Some((used, request(&head, leniency, limits))),
            })
        }
    };
    agree(bytes, limits, reader(), reader());
}

/// Responses on one connection, the first byte choosing the method that was asked with.
pub fn h1_response(data: &[u8]) {
    let (option, bytes) = super::option(data);
    let method: &[u8] = match option & 3 {
        0 => b"HEAD",
        1 => b"CONNECT",
        _ => b"GET",
    };
    let (limits, keep_case) = (limits(option), option & 4 != 0);
    let reader = || {
        let mut parser = ResponseParser::new(limits).keep_case(keep_case);
        let mut head = ResponseHead::default();
        move |bytes: &[u8]| {
            Ok(match parser.parse(bytes, &mut head)? {
                Progress::Partial => None,
                Progress::Complete(used) => Some((used, response(&head, method, limits))),
            })
        }
    };
    agree(bytes, limits, reader(), reader());
}

/// One chunked body.
pub fn h1_chunked(data: &[u8]) {
    let (option, bytes) = super::option(data);
    let limits = limits(option);
    let decode = |piece: usize| {
        let mut decoder = ChunkDecoder::new(limits);
        let (mut payload, mut used) = (Vec::new(), 0);
        loop {
            let end = bytes.len().min(used + piece);
            let offered = &bytes[used..end];
            let step = decoder.step(offered)?;
            assert!(step.used <= offered.len() && step.data.end <= step.used);
            payload.extend_from_slice(&offered[step.data]);
            used += step.used;
            if step.end {
                return Ok((payload, used, fields(decoder.take_trailers())));
            }
            if step.used == 0 {
                return Ok((payload, used, None));
            }
        }
    };
    let (whole, bytewise): (Result<_, ParseError>, _) = (decode(usize::MAX / 2), decode(1));
    if let Ok((payload, used, trailers)) = &whole {
        assert!(payload.len() <= *used && *used <= bytes.len());
        let trailers = trailers.as_deref().unwrap_or_default();
        assert!(trailers.len() <= limits.fields);
        let size: usize = trailers.iter().map(|(n, v)| n.len() + v.len()).sum();
        assert!(size <= limits.bytes);
    }
    assert_eq!(whole, bytewise);
}

fn limits(option: u8) -> Limits {
    if option & 0x80 == 0 {
        Limits::default()
    } else {
        Limits {
            bytes: 200,
            fields: 6,
        }
    }
}

/// Reads the connection at once and byte by byte.
fn agree(
    bytes: &[u8],
    limits: Limits,
    whole: impl FnMut(&[u8]) -> Parsed,
    bytewise: impl FnMut(&[u8]) -> Parsed,
) {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let whole = read(bytes, bytes.len().max(1), limits, whole);
    let bytewise = read(bytes, 1, limits, bytewise);
    assert_eq!(whole, bytewise);
}

fn read(
    bytes: &[u8],
    piece: usize,
    limits: Limits,
    mut parse: impl FnMut(&[u8]) -> Parsed,
) -> (Vec<Message>, End) {
    let (mut messages, mut start, mut end) = (Vec::new(), 0, 0);
    while messages.len() < MESSAGES {
        let (used, head) = loop {
            match parse(&bytes[start..end]) {
                Ok(Some(found)) => break found,
                Ok(None) if end == bytes.len() => return (messages, End::Starved),
                Ok(None) => end = bytes.len().min(end + piece),
                Err(error) => {
                    assert!(error.offset <= (end - start) as u64, "{error:?}");
                    return (messages, End::Refused);
                }
            }
        };
        assert!(used <= end - start);
        start += used;
        let mut message = Message {
            head: head.text,
            body: head.body,
            ..Message::default()
        };
        let mut decoder = BodyDecoder::new(head.body, limits);
        let mut trailers = None;
        while !decoder.is_done() {
            let Ok(step) = decoder.step(&bytes[start..end], &mut trailers) else {
                messages.push(message);
                return (messages, End::Refused);
            };
            assert!(step.used <= end - start && step.data.end <= step.used);
            let data = start + step.data.start..start + step.data.end;
            message.payload.extend_from_slice(&bytes[data]);
            start += step.used;
            if step.used == 0 && !step.end {
                if end == bytes.len() {
                    messages.push(message);
                    return (messages, End::Starved);
                }
                end = bytes.len().min(end + piece);
            }
        }
        message.trailers = fields(trailers);
        message.whole = true;
        messages.push(message);
    }
    (messages, End::Starved)
}

fn fields(trailers: Option<Box<HeaderList>>) -> Option<Fields> {
    trailers.map(|list| {
        let fields = list.iter().map(|(_, n, v)| (n.to_vec(), v.to_vec()));
        fields.collect()
    })
}

/// What no field may hold: it would begin another line elsewhere.
fn check_fields(headers: &HeaderList, limits: Limits) {
    assert!(headers.len() <= limits.fields && headers.byte_size() <= limits.bytes);
    for (_, name, value) in headers.iter() {
        assert!(!name.is_empty() && !name.iter().any(u8::is_ascii_uppercase));
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        assert!(!name.iter().chain(value).any(breaks));
        assert_eq!(value.trim_ascii(), value);
    }
}

/// Nothing bounds what is read the second time.
const UNBOUNDED: Limits = Limits {
    bytes: 1 << 20,
    fields: 1 << 20,
};

/// Writes the head and reads it again.
fn request(head: &RequestHead, leniency: Leniency, limits: Limits) -> Head {
    check_fields(&head.headers, limits);
    let text = write_request(head);
    let mut again = RequestHead::default();
    // What is written has HTTP/1.1, whatever was read.
    let progress = RequestParser::with_leniency(UNBOUNDED, leniency).parse(&text, &mut again);
    assert_eq!(progress, Ok(Progress::Complete(text.len())), "{head:?}");
    assert_eq!(write_request(&again), text);
    assert_eq!(again.body, head.body);
    Head {
        text,
        body: head.body,
    }
}

fn write_request(head: &RequestHead) -> Vec<u8> {
    let mut text = Vec::new();
    let target = if head.is_connect() {
        head.authority()
    } else {
        head.path()
    };
    encode_request_line(head.method(), target, &mut text);
    if head.host_present {
        text.extend_from_slice(b"host: ");
        text.extend_from_slice(head.authority());
        text.extend_from_slice(b"\r\n");
    }
    encode_fields(&head.headers, NameStyle::Kept, |_| false, &mut text);
    text.extend_from_slice(b"\r\n");
    text
}

fn response(head: &ResponseHead, method: &[u8], limits: Limits) -> Head {
    check_fields(&head.headers, limits);
    assert!((100..1000).contains(&head.status));
    let text = write_response(head);
    let mut again = ResponseHead::default();
    let progress = ResponseParser::new(UNBOUNDED)
        .keep_case(true)
        .parse(&text, &mut again);
    assert_eq!(progress, Ok(Progress::Complete(text.len())), "{head:?}");
    assert_eq!(write_response(&again), text);
    assert_eq!(again.body, head.body);
    Head {
        text,
        body: ResponseParser::body_for(method, head),
    }
}

fn write_response(head: &ResponseHead) -> Vec<u8> {
    let mut text = Vec::new();
    encode_status_line(head.status, &mut text);
    encode_fields(&head.headers, NameStyle::Kept, |_| false, &mut text);
    text.extend_from_slice(b"\r\n");
    text
}

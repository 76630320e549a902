use proptest::prelude::*;

use super::*;
use crate::http::{HeaderId, HeaderList, RequestHead, ResponseHead};

fn request(text: &[u8]) -> Result<RequestHead, ParseError> {
    let mut head = RequestHead::default();
    match RequestParser::new(Limits::default()).parse(text, &mut head)? {
        Progress::Complete(used) => {
            assert!(used <= text.len());
            Ok(head)
        }
        Progress::Partial => panic!("partial: {}", text.escape_ascii()),
    }
}

fn refused(text: &[u8]) -> (Fault, u64, Option<u8>) {
    let error = match request(text) {
        Err(error) => error,
        Ok(head) => panic!("accepted {}: {head:?}", text.escape_ascii()),
    };
    (error.fault, error.offset, error.byte)
}

fn with(line: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\nHost: a\r\n", line, b"\r\n\r\n"].concat()
}

#[test]
fn reads_a_request() {
    let head =
        request(b"GET /a?b HTTP/1.1\r\nHost: h:80\r\nX-Y:  z \r\nAccept: */*\r\n\r\n").unwrap();
    assert_eq!(
        (head.method(), head.path(), head.authority()),
        (&b"GET"[..], &b"/a?b"[..], &b"h:80"[..])
    );
    assert_eq!(head.headers.get("x-y"), Some(&b"z"[..]));
    assert_eq!(head.headers.len(), 2);
    assert_eq!(head.body, BodyLength::None);
}

#[test]
fn names_the_byte_that_it_refuses() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\n".len() as u64;
    assert_eq!(
        refused(b"GET / HTTP/1.1\nHost: a\n\n"),
        (Fault::BareLf, 14, Some(b'\n'))
    );
    assert_eq!(
        refused(&with(b"X: a\r\n b")),
        (Fault::ObsFold, head + 6, Some(b' '))
    );
    assert_eq!(
        refused(&with(b"X: a\rb")),
        (Fault::BareCr, head + 4, Some(b'\r'))
    );
    assert_eq!(refused(&with(b"X: a\0b")), (Fault::Nul, head + 4, Some(0)));
    assert_eq!(
        refused(&with(b"X: a\x0eb")),
        (Fault::ControlByte, head + 4, Some(0x0e))
    );
    assert_eq!(
        refused(&with(b"Time : 1")),
        (Fault::SpaceBeforeColon, head + 4, Some(b' '))
    );
    assert_eq!(
        refused(&with(b"X(: 1")),
        (Fault::HeaderNameByte, head + 1, Some(b'('))
    );
    assert_eq!(refused(&with(b": 1")).0, Fault::EmptyHeaderName);
    assert_eq!(refused(&with(b"XYZ")).0, Fault::MissingColon);
    assert_eq!(
        refused(b"GET /\xe4 HTTP/1.1\r\n\r\n"),
        (Fault::TargetHighByte, 5, Some(0xe4))
    );
    assert_eq!(
        refused(b"G(T / HTTP/1.1\r\n\r\n"),
        (Fault::MethodByte, 1, Some(b'('))
    );
    assert_eq!(
        refused(b"GET / HTTX/1.1\r\n\r\n"),
        (Fault::Version, 9, Some(b'X'))
    );
}

#[test]
fn refuses_what_two_parsers_could_frame_differently() {
    assert_eq!(
        refused(&with(b"Content-Length: 1\r\nTransfer-Encoding: chunked")).0,
        Fault::ContentLengthAndChunked
    );
    assert_eq!(
        refused(&with(b"Transfer-Encoding: chunked\r\nContent-Length: 1")).0,
        Fault::ContentLengthAndChunked
    );
    assert_eq!(
        refused(&with(b"Content-Length: 1\r\nContent-Length: 1")).0,
        Fault::ContentLengthConflict
    );
    for bad in ["+5", "-5", "5, 5", "5 5", "", "0x5", "99999999999999999999"] {
        assert_eq!(
            refused(&with(format!("Content-Length: {bad}").as_bytes())).0,
            Fault::ContentLength,
            "{bad}"
        );
    }
    for bad in ["gzip", "gzip, chunked", "chunked, chunked", "identity", ""] {
        assert_eq!(
            refused(&with(format!("Transfer-Encoding: {bad}").as_bytes())).0,
            Fault::TransferEncoding,
            "{bad}"
        );
    }
    assert_eq!(refused(&with(b"Host: b")).0, Fault::HostConflict);
    let lenient = Leniency {
        http10: true,
        ..Leniency::default()
    };
    let error = RequestParser::with_leniency(Limits::default(), lenient)
        .parse(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
            &mut RequestHead::default(),
        )
        .unwrap_err();
    assert_eq!(error.fault, Fault::TransferEncodingInHttp10);
}

#[test]
fn answers_with_the_status_that_envoy_gives() {
    let status = |text: &[u8]| refused(text).0.status();
    assert_eq!(status(b"GET / HTTP/1.0\r\n\r\n"), 426);
    assert_eq!(status(b"GET / HTTP/2.0\r\n\r\n"), 426);
    assert_eq!(status(b"GET /\r\n"), 426);
    assert_eq!(status(b"FOO / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status(&with(b"Transfer-Encoding: gzip")), 501);
    assert_eq!(
        status(&[b"GET /", vec![b'a'; 70_000].as_slice()].concat()),
        431
    );
    assert_eq!(status(&with(&b"X: a\r\n".repeat(120))), 431);
}

#[test]
fn target_forms_follow_the_method() {
    let head = request(b"GET http://foo?x HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!((head.authority(), head.path()), (&b"foo"[..], &b"/?x"[..]));
    let head = request(b"CONNECT a:80 HTTP/1.1\r\nHost: b\r\n\r\n").unwrap();
    assert_eq!((head.authority(), head.path()), (&b"a:80"[..], &b""[..]));
    assert_eq!(
        request(b"OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n")
            .unwrap()
            .path(),
        b"*"
    );
    assert_eq!(
        refused(b"GET * HTTP/1.1\r\nHost: b\r\n\r\n").0,
        Fault::TargetForm
    );
    assert_eq!(
        refused(b"GET foo HTTP/1.1\r\nHost: b\r\n\r\n").0,
        Fault::TargetRelative
    );
    assert_eq!(
        refused(b"GET ftp://a/ HTTP/1.1\r\nHost: b\r\n\r\n").0,
        Fault::Scheme
    );
    assert_eq!(
        refused(b"CONNECT / HTTP/1.1\r\nHost: b\r\n\r\n").0,
        Fault::TargetForm
    );
}

#[test]
fn garbage_is_refused_before_its_line_ends() {
    let mut head = RequestHead::default();
    let error = RequestParser::new(Limits::default())
        .parse(b"\x16\x03\x01", &mut head)
        .unwrap_err();
    assert_eq!(
        (error.fault, error.offset, error.byte),
        (Fault::MethodByte, 0, Some(0x16))
    );
    let error = ResponseParser::new(Limits::default())
        .parse(b"SSH-2", &mut ResponseHead::default())
        .unwrap_err();
    assert_eq!((error.fault, error.offset), (Fault::StatusLine, 0));
}

#[test]
fn response_framing_follows_rfc_9112_section_6_3() {
    let parse = |text: &[u8]| {
        let mut head = ResponseHead::default();
        ResponseParser::new(Limits::default())
            .parse(text, &mut head)
            .unwrap();
        head
    };
    assert_eq!(
        parse(b"HTTP/1.1 200 OK\r\n\r\n").body,
        BodyLength::UntilClose
    );
    assert_eq!(parse(b"HTTP/1.1 204\r\n\r\n").body, BodyLength::None);
    assert_eq!(
        parse(b"HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n").body,
        BodyLength::None
    );
    let head = parse(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(ResponseParser::body_for(b"HEAD", &head), BodyLength::None);
    assert_eq!(
        ResponseParser::body_for(b"GET", &head),
        BodyLength::Length(5)
    );
}

#[test]
fn keeps_case_where_asked() {
    let lenient = Leniency {
        keep_case: true,
        ..Leniency::default()
    };
    let mut head = RequestHead::default();
    RequestParser::with_leniency(Limits::default(), lenient)
        .parse(b"GET / HTTP/1.1\r\nX-FoO: a\r\nx-bar: b\r\n\r\n", &mut head)
        .unwrap();
    let mut out = Vec::new();
    encode_fields(&head.headers, NameStyle::Kept, |_| false, &mut out);
    assert_eq!(out, b"X-FoO: a\r\nx-bar: b\r\n");
    out.clear();
    encode_fields(
        &head.headers,
        NameStyle::KeptElseProper,
        |_| false,
        &mut out,
    );
    assert_eq!(out, b"X-FoO: a\r\nX-Bar: b\r\n");
    assert_eq!(head.headers.get("x-foo"), Some(&b"a"[..]));
}

fn decode(
    mut bytes: &[u8],
    cuts: &[usize],
) -> Result<(Vec<u8>, Option<HeaderList>, usize), ParseError> {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, Limits::default());
    let (mut trailers, mut payload, mut used) = (None, Vec::new(), 0);
    let mut cuts = cuts.iter();
    while !decoder.is_done() && !bytes.is_empty() {
        let window = cuts
            .next()
            .map_or(bytes.len(), |cut| (*cut).clamp(1, bytes.len()));
        let step = decoder.step(&bytes[..window], &mut trailers)?;
        payload.extend_from_slice(&bytes[step.data.clone()]);
        used += step.used;
        bytes = &bytes[step.used..];
    }
    Ok((payload, trailers.map(|t| *t), used))
}

#[test]
fn chunked_bodies_carry_trailers_and_end_exactly() {
    let body = b"3;a=b\r\nabc\r\nA \r\n0123456789\r\n0\r\nX-T: v\r\n\r\nGET";
    let (payload, trailers, used) = decode(body, &[]).unwrap();
    assert_eq!(payload, b"abc0123456789");
    assert_eq!(trailers.unwrap().get("x-t"), Some(&b"v"[..]));
    assert_eq!(used, body.len() - 3);
}

#[test]
fn malformed_chunks_are_refused_at_their_byte() {
    let fault = |bytes: &[u8]| decode(bytes, &[]).map(|_| ()).unwrap_err();
    assert_eq!(
        fault(b"zz\r\n"),
        ParseError {
            fault: Fault::ChunkSize,
            offset: 0,
            byte: Some(b'z')
        }
    );
    assert_eq!(fault(b"\r\n").fault, Fault::ChunkSize);
    assert_eq!(fault(b"1\na\n").fault, Fault::ChunkSize);
    assert_eq!(fault(b"1;x\na").fault, Fault::BareLf);
    assert_eq!(
        fault(b"1\r\naXX"),
        ParseError {
            fault: Fault::ChunkEnd,
            offset: 4,
            byte: Some(b'X')
        }
    );
    assert_eq!(fault(b"ffffffffffffffff\r\n").fault, Fault::ChunkSize);
    assert_eq!(
        fault(&[b"1;", vec![b'x'; 20_000].as_slice()].concat()).fault,
        Fault::ChunkExtension
    );
    assert_eq!(
        fault(&[b"0\r\n", vec![b'x'; 70_000].as_slice()].concat()).fault,
        Fault::TrailersTooLarge
    );
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,20}"
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let framing = |name: &String| {
        !["host", "content-length", "transfer-encoding"].contains(&name.to_lowercase().as_str())
    };
    prop::collection::vec(
        (
            token().prop_filter("framing", framing),
            "([!-~]([ -~]{0,20}[!-~])?)?",
        ),
        0..20,
    )
}

proptest! {
    #[test]
    fn what_was_encoded_parses_to_the_same(fields in fields(), path in "/[!-~]{0,30}") {
        let mut headers = HeaderList::default();
        headers.append_id(HeaderId::Host, b"example.com");
        for (name, value) in &fields {
            headers.append(&name.to_lowercase(), value.as_bytes());
        }
        let mut out = Vec::new();
        encode_request_line(b"GET", path.as_bytes(), &mut out);
        encode_fields(&headers, NameStyle::Lower, |_| false, &mut out);
        out.extend_from_slice(b"\r\n");
        let head = request(&out).unwrap();
        prop_assert_eq!(head.path(), path.as_bytes());
        prop_assert_eq!(head.authority(), b"example.com");
        let got: Vec<_> = head.headers.iter().map(|(_, n, v)| (n.to_vec(), v.to_vec())).collect();
        let sent: Vec<_> = headers.iter().skip(1).map(|(_, n, v)| (n.to_vec(), v.to_vec())).collect();
        prop_assert_eq!(got, sent);
    }

    #[test]
    fn chunks_survive_any_framing(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8), cuts in prop::collection::vec(1..40_usize, 0..60)) {
        let mut out = Vec::new();
        let mut encoder = BodyEncoder::Chunked;
        pieces.iter().for_each(|piece| encoder.push(piece, &mut out));
        encoder.finish(None, &mut out);
        let (payload, trailers, used) = decode(&out, &cuts).unwrap();
        prop_assert_eq!(payload, pieces.concat());
        prop_assert!(trailers.is_none());
        prop_assert_eq!(used, out.len());
    }
}

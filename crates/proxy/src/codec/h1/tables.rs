//! Byte classes of RFC 9110 and RFC 3986.

/// The lower-case form of a token byte, or zero for a byte that a token must not hold (RFC 9110 §5.6.2).
pub(super) const TOKEN_LOWER: [u8; 256] = {
    let mut table = [0_u8; 256];
    let mut b = 0_usize;
    while b < 256 {
        let c = b as u8;
        let token = c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        if token {
            table[b] = c.to_ascii_lowercase();
        }
        b += 1;
    }
    table
};

/// A byte that a header value must not hold: controls except HT (RFC 9110 §5.5).
#[inline]
pub(super) fn is_value_byte(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || byte == b'\t'
}

/// Visible ASCII: what a request target may hold at all (RFC 3986 §2; Envoy refuses the rest, too).
#[inline]
pub(super) fn is_target_byte(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte)
}

/// Bytes of a host and port (RFC 3986 §3.2): what Envoy accepts in an authority.
#[inline]
pub(super) fn is_authority_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'%'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b';'
                | b'='
                | b':'
                | b'['
                | b']'
                | b'@'
        )
}

/// Methods that are understood (Envoy's list, which is IANA's).
pub(super) fn is_known_method(method: &[u8]) -> bool {
    matches!(
        method,
        b"GET"
            | b"POST"
            | b"PUT"
            | b"HEAD"
            | b"DELETE"
            | b"OPTIONS"
            | b"PATCH"
            | b"CONNECT"
            | b"TRACE"
            | b"ACL"
            | b"BIND"
            | b"CHECKOUT"
            | b"COPY"
            | b"LINK"
            | b"LOCK"
            | b"MERGE"
            | b"MKACTIVITY"
            | b"MKCALENDAR"
            | b"MKCOL"
            | b"MOVE"
            | b"MSEARCH"
            | b"NOTIFY"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"PURGE"
            | b"REBIND"
            | b"REPORT"
            | b"SEARCH"
            | b"SOURCE"
            | b"SUBSCRIBE"
            | b"UNBIND"
            | b"UNLINK"
            | b"UNLOCK"
            | b"UNSUBSCRIBE"
    )
}

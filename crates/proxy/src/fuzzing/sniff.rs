//! Sniffing: what the first bytes told stays true when more of them come.

use crate::sniff::{Verdict, hello, http};

/// Longer inputs are cut; every beginning of them is looked at.
const LONGEST: usize = 1024;

/// The HTTP inspector.
pub fn sniff_http(data: &[u8]) {
    stays(data, http);
}

/// The TLS inspector, given a ClientHello in one record: the first bytes of a connection, whose record and handshake
/// headers are put before `data`, unless the first byte says that they are there.
pub fn client_hello(data: &[u8]) {
    let (option, bytes) = super::option(data);
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    if option & 1 == 0 {
        stays(bytes, hello);
        return;
    }
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut record = vec![0x16, 3, 1];
    record.extend_from_slice(&(length + 4).to_be_bytes());
    record.extend_from_slice(&[1, 0]);
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(bytes);
    stays(&record, hello);
}

fn stays<T: PartialEq + std::fmt::Debug>(data: &[u8], look: impl Fn(&[u8]) -> Verdict<T>) {
    let data = &data[..data.len().min(LONGEST)];
    let mut before = Verdict::More;
    // All short beginnings, then some.
    let ends = (0..data.len().min(64)).chain((64..data.len()).step_by(61));
    for end in ends.chain([data.len()]) {
        let now = look(&data[..end]);
        assert!(
            before == Verdict::More || before == now,
            "{before:?} became {now:?} at {end}"
        );
        before = now;
    }
}

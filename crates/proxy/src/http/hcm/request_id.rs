//! `x-request-id`: a version 4 UUID, as Envoy's UUID extension makes it (nothing is traced, so its trace digit is 4).

use crate::config::Hcm;
use crate::http::{HeaderId, RequestHead};

/// Sets the id of an edge request anew, and of any request that has none.
pub(super) fn set(hcm: &Hcm, head: &mut RequestHead, edge: bool, random: impl FnMut() -> u64) {
    if !hcm.generate_request_id {
        return;
    }
    let present = head.headers.has_id(HeaderId::XRequestId);
    if !present || (edge && !hcm.preserve_external_request_id) {
        let id = uuid(random);
        head.headers.set_id(HeaderId::XRequestId, &id);
    }
}

fn uuid(mut random: impl FnMut() -> u64) -> [u8; 36] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut raw = [0_u8; 16];
    raw[..8].copy_from_slice(&random().to_be_bytes());
    raw[8..].copy_from_slice(&random().to_be_bytes());
    raw[6] = raw[6] & 0x0f | 0x40;
    raw[8] = raw[8] & 0x3f | 0x80;
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in raw.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_are_version_4_uuids() {
        let text = super::uuid(|| u64::MAX);
        assert_eq!(&text, b"ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}

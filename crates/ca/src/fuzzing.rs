//! Fuzz targets: bytes in, nothing out; see `fuzz/`.

use crate::csr::Csr;

/// A certificate signing request, as PEM or as what PEM holds.
pub fn csr(data: &[u8]) {
    let _ = Csr::from_der(data);
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = Csr::from_pem(text);
    }
}

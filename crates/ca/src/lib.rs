//! The mesh's certificate authority: authenticates workloads, issues each its own SPIFFE identity, and
//! rotates its own certificates before anyone notices. Keys never leave their Secret and this process.

mod authenticate;
mod authority;
mod chain;
mod csr;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod ledger;
mod plugged;
mod renewal;
mod secret;
mod self_signed;
mod service;
mod signer;

pub use authenticate::{AUDIENCE, AuthError, Caller, TokenReviewer};
pub use authority::{Authority, Options};
pub use csr::{Csr, CsrError};
pub use error::CaError;
pub use renewal::Renewal;
pub use service::{CertificateAuthority, service};
pub use signer::Issued;

//! HTTP authentication: basic and digest.

mod attempts;
mod basic;
mod credentials;
mod digest;

pub use self::attempts::FailedLogin;
pub use self::basic::BasicAuth;
pub use self::credentials::Credentials;
pub use self::digest::{DigestAuth, DigestSecret};

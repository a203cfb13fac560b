//! `Provider`: the library that implements the cryptography.

/// The library that implements the cryptography. Each is a feature of the crate; with both, a
/// configuration that names none uses [`Ring`](Self::Ring).
///
/// # Examples
///
/// ```
/// # #[cfg(all(feature = "ring", feature = "platform-verifier"))]
/// # {
/// use reactor_tls::{Provider, TlsClient};
///
/// let builder = TlsClient::builder().provider(Provider::Ring);
/// let client = builder.build()?;
/// # drop(client);
/// # }
/// # Ok::<(), reactor_tls::TlsConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// `ring`: quick to build.
    Ring,
    /// `aws-lc-rs`: has a key exchange that withstands quantum computers (X25519MLKEM768).
    AwsLcRs,
}

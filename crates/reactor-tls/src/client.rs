//! `TlsClient`: the configuration of a client, and its filters.

use std::fmt;
use std::time::Duration;

use crate::adapter::{self, Verification};
use crate::config::{Common, common_setters};
use crate::error::TlsConfigError;
use crate::identity::{Identity, Roots};

/// TLS configuration of a client, which makes a filter for each connection.
///
/// Clones share their sessions: a second connection to a server resumes the session of the first.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "platform-verifier")]
/// # {
/// use reactor_tls::TlsClient;
///
/// // Verifies servers by the roots of the platform.
/// let client = TlsClient::builder().build()?;
/// let filter = client.filter("example.org")?;
/// # drop(filter);
/// # }
/// # Ok::<(), reactor_tls::TlsConfigError>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: adapter::Client,
    timeout: Duration,
}

impl TlsClient {
    /// Starts a configuration.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder {
            common: Common::default(),
            verification: Verification::Platform,
            identity: None,
        }
    }

    /// This configuration, but without `name` in what it offers by
    /// [`alpn`](TlsClientBuilder::alpn): for a connection on which the protocol `name` is of no use,
    /// as `h2` is for a WebSocket.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "platform-verifier")]
    /// # {
    /// use reactor_tls::TlsClient;
    ///
    /// let client = TlsClient::builder().alpn(["h2", "http/1.1"]).build()?;
    /// let for_http1 = client.without_alpn("h2");
    /// # drop(for_http1);
    /// # }
    /// # Ok::<(), reactor_tls::TlsConfigError>(())
    /// ```
    #[must_use]
    pub fn without_alpn(&self, name: impl AsRef<[u8]>) -> Self {
        Self {
            config: adapter::without_alpn(&self.config, name.as_ref()),
            timeout: self.timeout,
        }
    }

    pub(crate) fn config(&self) -> &adapter::Client {
        &self.config
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").finish_non_exhaustive()
    }
}

/// Configures a [`TlsClient`].
///
/// # Examples
///
/// A client of a service that has a private certificate authority, and requires a certificate:
///
/// ```no_run
/// use reactor_tls::{Identity, Roots, TlsClient};
///
/// let client = TlsClient::builder()
///     .roots(Roots::from_pem_file("service-ca.pem")?)
///     .identity(Identity::from_pem_files("me.pem", "me.key")?)
///     .alpn(["my-protocol/2"])
///     .build()?;
/// # drop(client);
/// # Ok::<(), reactor_tls::TlsConfigError>(())
/// ```
pub struct TlsClientBuilder {
    common: Common,
    verification: Verification,
    identity: Option<Identity>,
}

impl TlsClientBuilder {
    common_setters!();

    /// Trusts only servers whose certificates are issued by `roots`.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.verification = Verification::Roots(roots.set);
        self
    }

    /// Accepts **any** certificate of a server, so any machine on the path can read and change all
    /// data. For tests on one machine only.
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.verification = Verification::None;
        self
    }

    /// The certificate for servers that request one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    ///
    /// The key does not fit the certificate, or the crate was built without the feature that the
    /// configuration needs.
    pub fn build(self) -> Result<TlsClient, TlsConfigError> {
        if matches!(self.verification, Verification::None) {
            tracing::warn!(
                target: "reactor_tls",
                "this client accepts any certificate: its connections are not safe"
            );
        }
        let pair = self.identity.as_ref().map(|identity| &*identity.pair);
        Ok(TlsClient {
            config: adapter::client(&self.common, &self.verification, pair)?,
            timeout: self.common.timeout,
        })
    }
}

impl fmt::Debug for TlsClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClientBuilder")
            .field("common", &self.common)
            .finish_non_exhaustive()
    }
}

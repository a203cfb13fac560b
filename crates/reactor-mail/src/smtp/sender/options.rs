//! `Options`: settings with which a client opens a connection.

use std::fmt;

use reactor_tls::TlsClient;

/// Settings for the steps before the first message of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// The name in EHLO; if `None`, the local IP address.
    pub(super) hello: Option<String>,
    pub(super) tls: Option<StartTlsOptions>,
    pub(super) login: Option<Login>,
}

/// TLS after the command STARTTLS.
#[derive(Clone, Debug)]
pub(super) struct StartTlsOptions {
    pub(super) client: TlsClient,
    /// The host name for which the certificate must be valid.
    pub(super) name: String,
    /// Whether the connection fails if the server does not offer STARTTLS. If `false`, it is used
    /// without encryption then.
    pub(super) is_required: bool,
}

#[derive(Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
    /// The login is allowed without encryption.
    pub(super) in_the_clear: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

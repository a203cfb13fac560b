//! `Options`: how a client opens a connection.

use std::fmt;

use reactor_tls::TlsClient;

/// What is done before the first message of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// The name in EHLO; without one, the address of this side.
    pub(super) hello: Option<String>,
    pub(super) tls: Option<StartTlsOptions>,
    pub(super) login: Option<Login>,
}

/// TLS after the command STARTTLS.
#[derive(Clone, Debug)]
pub(super) struct StartTlsOptions {
    pub(super) client: TlsClient,
    /// The name that the certificate must be for.
    pub(super) name: String,
    /// A server that does not offer STARTTLS gets no message.
    pub(super) is_required: bool,
}

#[derive(Clone)]
pub(super) struct Login {
    pub(super) name: String,
    pub(super) password: String,
    /// Allowed without encryption.
    pub(super) in_the_clear: bool,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

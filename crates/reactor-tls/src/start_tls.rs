//! `StartTls`: TLS in the middle of a connection.

use deferred::Deferred;
use reactor::{Connection, Context, Protocol};

use crate::filter::TlsFilter;

/// Begins TLS on an open connection.
///
/// Output before the call is sent as plain text; output after it is encrypted, also in the same
/// handler. Input that was received and not delivered is treated as TLS, so plain text that an
/// attacker appends to the command is never delivered.
///
/// # Examples
///
/// A server of a line protocol:
///
/// ```
/// # use reactor::{Context, Lines, Protocol};
/// use reactor_tls::{StartTls, TlsServer};
///
/// struct Session {
///     tls: TlsServer,
/// }
///
/// impl Protocol for Session {
///     type Framing = Lines;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
///         if line == b"STARTTLS" {
///             cx.send_line("220 go ahead");
///             let opened = cx.start_tls(self.tls.filter());
///             cx.when(opened, |_, cx, opened| match opened {
///                 Ok(()) => cx.send_line("250 encrypted from now on"),
///                 Err(failure) => println!("{failure}"),
///             });
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait StartTls {
    /// Begins TLS with a filter of [`TlsServer::filter`](crate::TlsServer::filter) or
    /// [`TlsClient::filter`](crate::TlsClient::filter). The Deferred fires when the
    /// handshake is finished; if that fails, the Deferred fails with a
    /// [`TlsError`](crate::TlsError), and the connection ends.
    #[doc(alias = "startTLS")]
    fn start_tls(&mut self, filter: TlsFilter) -> Deferred<()>;
}

impl<P: Protocol> StartTls for Context<'_, P> {
    fn start_tls(&mut self, filter: TlsFilter) -> Deferred<()> {
        self.insert_filter(filter)
    }
}

impl<P: Protocol> StartTls for Connection<P> {
    fn start_tls(&mut self, filter: TlsFilter) -> Deferred<()> {
        self.insert_filter(filter)
    }
}

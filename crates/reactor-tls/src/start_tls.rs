//! `StartTls`: TLS in the middle of a connection.

use deferred::Deferred;
use reactor::{Connection, Context, Protocol};

use crate::filter::TlsFilter;

/// Begins TLS on a connection that is there.
///
/// What was written before goes in the clear, what is written from now on is encrypted, also in
/// the same handler. Input that has come and was not delivered is taken for TLS: text that an
/// attacker puts behind the command in the clear is never delivered.
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
///             cx.when(opened, |_, cx, opened| {
///                 match opened {
///                     Ok(()) => println!("encrypted from now on"),
///                     Err(failure) => println!("{failure}"),
///                 }
///                 let _ = cx;
///             });
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait StartTls {
    /// Begins TLS with a filter of [`TlsServer::filter`](crate::TlsServer::filter) or
    /// [`TlsClient::filter`](crate::TlsClient::filter). The Deferred fires when the
    /// handshake is finished, or fails with a [`TlsError`](crate::TlsError); the connection ends
    /// then.
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

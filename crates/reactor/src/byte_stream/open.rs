//! Methods that connect or listen with byte streams.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use deferred::{Deferred, Result};

use super::protocol::ByteStreamProtocol;
use super::stream::ByteStream;
use crate::address::UnixAddress;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::ListeningPort;
use crate::tcp::{TcpConnectOptions, TcpListenOptions};
use crate::unix::UnixListenOptions;

impl ReactorHandle {
    /// Connects to `target`, and gives the connection as a [`ByteStream`].
    ///
    /// # Errors
    ///
    /// As for [`connect_tcp`](Self::connect_tcp).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::AsyncReadExt;
    /// use reactor::Reactor;
    /// # use futures::AsyncWriteExt;
    ///
    /// let reactor = Reactor::new()?;
    /// # let port = reactor.listen_tcp_streams("127.0.0.1:0", |mut stream| async move {
    /// #     Ok(stream.write_all(b"hello").await?)
    /// # })?;
    /// let handle = reactor.handle();
    /// let reading = reactor.spawn(async move {
    ///     let mut stream = handle.connect_tcp_stream(port.address()).await?;
    ///     let mut text = String::new();
    ///     stream.read_to_string(&mut text).await?;
    ///     Ok(text)
    /// });
    /// assert_eq!(reactor.block_on(reading)?, "hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_tcp_stream(&self, target: impl Into<TcpConnectOptions>) -> Deferred<ByteStream> {
        let (protocol, stream) = ByteStreamProtocol::pair();
        self.connect_tcp(target, protocol).add_callback(|_| stream)
    }

    /// Connects to a UNIX socket, and gives the connection as a [`ByteStream`].
    ///
    /// # Errors
    ///
    /// As for [`connect_unix`](Self::connect_unix).
    ///
    /// # Examples
    ///
    /// No server listens there:
    ///
    /// ```
    /// use reactor::{ConnectError, ConnectErrorKind, Reactor};
    ///
    /// let reactor = Reactor::new()?;
    /// let connecting = reactor.connect_unix_stream("/nowhere/to/be/found");
    /// let failure = reactor.block_on(connecting).unwrap_err();
    /// assert_eq!(failure.trap::<ConnectError>()?.kind(), ConnectErrorKind::NotFound);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_unix_stream(&self, target: impl Into<UnixAddress>) -> Deferred<ByteStream> {
        let (protocol, stream) = ByteStreamProtocol::pair();
        self.connect_unix(target, protocol).add_callback(|_| stream)
    }

    /// Listens on `address`, calls `serve` with the stream of each peer that connects, and runs the
    /// future that `serve` returns. Its failure is logged.
    ///
    /// # Errors
    ///
    /// As for [`listen_tcp`](Self::listen_tcp).
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::AsyncWriteExt;
    /// use reactor::Reactor;
    /// # use futures::AsyncReadExt;
    ///
    /// let reactor = Reactor::new()?;
    /// let mut count = 0;
    /// let port = reactor.listen_tcp_streams("127.0.0.1:0", move |mut stream| {
    ///     count += 1;
    ///     async move { Ok(stream.write_all(format!("you are number {count}").as_bytes()).await?) }
    /// })?;
    /// # let handle = reactor.handle();
    /// # let reading = reactor.spawn(async move {
    /// #     let mut text = String::new();
    /// #     handle.connect_tcp_stream(port.address()).await?.read_to_string(&mut text).await?;
    /// #     Ok(text)
    /// # });
    /// # assert_eq!(reactor.block_on(reading)?, "you are number 1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_tcp_streams<F, B>(
        &self,
        address: impl Into<TcpListenOptions>,
        serve: F,
    ) -> std::result::Result<ListeningPort, ListenError>
    where
        F: FnMut(ByteStream) -> B + 'static,
        B: Future<Output = Result<()>> + 'static,
    {
        self.listen_tcp(address, streams(self.clone(), serve))
    }

    /// As [`listen_tcp_streams`](Self::listen_tcp_streams), on a UNIX socket.
    ///
    /// # Errors
    ///
    /// As for [`listen_unix`](Self::listen_unix).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use futures::AsyncReadExt;
    /// use reactor::Reactor;
    /// # use futures::AsyncWriteExt;
    ///
    /// let reactor = Reactor::new()?;
    /// # let name = format!("@listen-unix-streams-{}", std::process::id());
    /// # let address = name.clone();
    /// let port = reactor.listen_unix_streams(name, |mut stream| async move {
    ///     let mut order = String::new();
    ///     stream.read_to_string(&mut order).await?;
    ///     println!("I am told to {order}");
    ///     Ok(())
    /// })?;
    /// # let handle = reactor.handle();
    /// # let telling = reactor.spawn(async move {
    /// #     let mut stream = handle.connect_unix_stream(address).await?;
    /// #     stream.write_all(b"dance").await?;
    /// #     Ok(stream.close().await?)
    /// # });
    /// # reactor.block_on(telling)?;
    /// # assert!(port.is_listening());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen_unix_streams<F, B>(
        &self,
        address: impl Into<UnixListenOptions>,
        serve: F,
    ) -> std::result::Result<ListeningPort<UnixAddress>, ListenError>
    where
        F: FnMut(ByteStream) -> B + 'static,
        B: Future<Output = Result<()>> + 'static,
    {
        self.listen_unix(address, streams(self.clone(), serve))
    }
}

/// A factory that runs the future of `serve` for each connection.
fn streams<F, B>(reactor: ReactorHandle, serve: F) -> impl FnMut() -> ByteStreamProtocol
where
    F: FnMut(ByteStream) -> B + 'static,
    B: Future<Output = Result<()>> + 'static,
{
    let serve = Rc::new(RefCell::new(serve));
    move || {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (reactor, serve) = (reactor.clone(), Rc::clone(&serve));
        stream
            .add_callback(move |stream| {
                // The borrow lasts during the call of `serve`. That cannot happen inside of itself,
                // because the loop begins no other connection inside of a callback.
                let body = serve.borrow_mut()(stream);
                reactor.spawn(body)
            })
            // A failure is only logged, because nothing in a server waits for the end of one
            // stream.
            .log_error()
            .ignore();
        protocol
    }
}

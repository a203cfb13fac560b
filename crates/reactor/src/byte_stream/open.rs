//! From an address to a stream.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

use deferred::{Deferred, Result};

use super::{ByteStream, ByteStreamProtocol};
use crate::address::UnixAddress;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::ListeningPort;
use crate::tcp::{ConnectOptions, ListenOptions};
use crate::unix::UnixListenOptions;

impl ReactorHandle {
    /// Connects to `target`, and gives the connection as a [`ByteStream`].
    ///
    /// # Errors
    ///
    /// As for [`connect_tcp`](Self::connect_tcp).
    pub fn connect_tcp_stream(&self, target: impl Into<ConnectOptions>) -> Deferred<ByteStream> {
        let (protocol, stream) = ByteStreamProtocol::pair();
        self.connect_tcp(target, protocol).add_callback(|_| stream)
    }

    /// Connects to a UNIX socket, and gives the connection as a [`ByteStream`].
    ///
    /// # Errors
    ///
    /// As for [`connect_unix`](Self::connect_unix).
    pub fn connect_unix_stream(&self, target: impl Into<UnixAddress>) -> Deferred<ByteStream> {
        let (protocol, stream) = ByteStreamProtocol::pair();
        self.connect_unix(target, protocol).add_callback(|_| stream)
    }

    /// Listens on `address`, and runs an async body of `serve` for everybody who
    /// comes. A failure of a body is logged.
    ///
    /// # Errors
    ///
    /// As for [`listen_tcp`](Self::listen_tcp).
    pub fn listen_tcp_streams<F, B>(
        &self,
        address: impl Into<ListenOptions>,
        serve: F,
    ) -> std::result::Result<ListeningPort, ListenError>
    where
        F: FnMut(ByteStream) -> B + 'static,
        B: Future<Output = Result<()>> + 'static,
    {
        self.listen_tcp(address, streams(self.clone(), serve))
    }

    /// The same on a UNIX socket.
    ///
    /// # Errors
    ///
    /// As for [`listen_unix`](Self::listen_unix).
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

/// A factory that runs a body of `serve` for each connection.
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
                let body = serve.borrow_mut()(stream);
                reactor.spawn(body)
            })
            .log_error()
            .ignore();
        protocol
    }
}

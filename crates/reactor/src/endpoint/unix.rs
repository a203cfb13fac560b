//! UNIX socket endpoints.

use std::io;
use std::path::{Path, PathBuf};

use deferred::{Deferred, Failure, fail, succeed};

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint, SharedAccept};
use crate::address::UnixAddress;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::unix::{self, UnixConnectOptions, UnixListenOptions};

impl ClientEndpoint for UnixConnectOptions {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let handle = reactor.clone();
        unix::dial(reactor, self.clone())
            .add_callback(move |connected| Ok(PendingConnection::dialled(&handle, connected)))
    }
}

impl ServerEndpoint for UnixListenOptions {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let accept = SharedAccept::new(reactor, accept);
        let listen = || {
            let core = reactor.core().map_err(io::Error::other)?;
            unix::listen_at(&core, self.clone(), accept.clone())
        };
        match listen() {
            Ok(port) => {
                accept.announce();
                succeed(AnyPort::from(port))
            }
            Err(error) => fail(Failure::new(ListenError::new(self.address(), error))),
        }
    }
}

/// Implements both traits for types that name a UNIX socket.
macro_rules! unix {
    ($($kind:ty),*) => {$(
        impl ClientEndpoint for $kind {
            fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
                UnixConnectOptions::new(UnixAddress::from(self.to_owned())).dial(reactor)
            }
        }

        impl ServerEndpoint for $kind {
            fn listen_with(
                &self,
                reactor: &ReactorHandle,
                accept: Box<dyn Accept>,
            ) -> Deferred<AnyPort> {
                let address = UnixAddress::from(self.to_owned());
                UnixListenOptions::new(address).listen_with(reactor, accept)
            }
        }
    )*};
}

unix!(UnixAddress, Path, PathBuf);

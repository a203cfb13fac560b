//! TCP endpoints: connecting by happy eyeballs, listening on all addresses of a name.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;

use deferred::{Deferred, Failure, Result, fail, succeed};
use rustix::io::Errno;

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint, SharedAccept};
use crate::core::Core;
use crate::error::{ListenError, ReactorGone};
use crate::handle::ReactorHandle;
use crate::listening::ListeningPort;
use crate::tcp::{self, HostPort, Parsed, TcpConnectOptions, TcpListenOptions};

/// Maximum number of attempts to listen on several addresses with port 0. In each attempt, the
/// system chooses a port number for the first address; the attempt fails if another address has
/// that number in use.
const PORT_NUMBERS: usize = 16;

/// The host that means all addresses of this computer.
const ANY: &str = "*";

impl ClientEndpoint for TcpConnectOptions {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let handle = reactor.clone();
        tcp::dial(reactor, self.clone())
            .add_callback(move |connected| Ok(PendingConnection::dialled(&handle, connected)))
    }

    fn as_tcp(&self) -> Option<TcpConnectOptions> {
        Some(self.clone())
    }
}

impl ServerEndpoint for TcpListenOptions {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let accept = SharedAccept::new(reactor, accept);
        let (options, handle) = (self.clone(), reactor.clone());
        let addresses = addresses(reactor, self);
        addresses.add_callback(move |addresses| {
            let given = options.address();
            let core = handle
                .core()
                .map_err(|gone| ListenError::new(given, io::Error::other(gone)))?;
            let ports = open_all(&core, &addresses, &options, &accept)
                .map_err(|error| ListenError::new(given, error))?;
            accept.announce();
            Ok(AnyPort::of(ports))
        })
    }
}

/// The addresses to listen on, all with the given port number.
fn addresses(reactor: &ReactorHandle, options: &TcpListenOptions) -> Deferred<Vec<SocketAddr>> {
    let given = options.address().clone();
    let refuse = move |error: io::Error| Failure::new(ListenError::new(&given, error));
    let addresses = match options.address().parsed() {
        Parsed::Address(address) => succeed(vec![*address]),
        Parsed::Name(host, port) if host == ANY => {
            let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
            succeed(any.map(|ip| SocketAddr::new(ip, *port)).to_vec())
        }
        Parsed::Name(host, port) => {
            let refuse = refuse.clone();
            reactor.resolve(host, *port).add_errback(move |failure| {
                if failure.is::<ReactorGone>() {
                    return Err(refuse(io::Error::other(ReactorGone)));
                }
                // A cancelled look-up fails with `Cancelled`, not with an error about the name.
                if failure.is::<deferred::Cancelled>() {
                    return Err(failure);
                }
                Err(refuse(io::Error::new(
                    io::ErrorKind::NotFound,
                    failure.into_error(),
                )))
            })
        }
        Parsed::Invalid => return fail(refuse(HostPort::invalid())),
    };
    let family = options.family();
    addresses.add_callback(move |addresses| {
        let mut distinct: Vec<SocketAddr> = Vec::with_capacity(addresses.len());
        for address in addresses {
            // A resolver may give an address several times; a second port on it would fail.
            if family.has(&address) && !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        if distinct.is_empty() {
            let none = io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "the name has no address of the requested family (IPv4 or IPv6)",
            );
            return Err(refuse(none));
        }
        Ok(distinct)
    })
}

/// Listens on all `addresses` with one port number: the given one, or one that the system chooses.
fn open_all(
    core: &Rc<Core>,
    addresses: &[SocketAddr],
    options: &TcpListenOptions,
    accept: &SharedAccept,
) -> io::Result<Vec<ListeningPort>> {
    let system_chooses = addresses.iter().all(|address| address.port() == 0);
    let tries = if system_chooses { PORT_NUMBERS } else { 1 };
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for _ in 0..tries {
        match open_each(core, addresses, options, accept) {
            // The number is in use at one of the addresses: let the system choose another one.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
            other => return other,
        }
    }
    Err(last)
}

/// One attempt of [`open_all`]. Skips IPv6 addresses if IPv6 is turned off, unless no other
/// address is left.
fn open_each(
    core: &Rc<Core>,
    addresses: &[SocketAddr],
    options: &TcpListenOptions,
    accept: &SharedAccept,
) -> io::Result<Vec<ListeningPort>> {
    let mut ports: Vec<ListeningPort> = Vec::with_capacity(addresses.len());
    let mut unavailable = None;
    for address in addresses {
        let mut address = *address;
        if let Some(first) = ports.first() {
            address.set_port(first.address().port());
        }
        match tcp::listen_at(core, address, options.how(), accept.clone()) {
            Ok(port) => ports.push(port),
            Err(error) if is_without_ipv6(&address, &error) => unavailable = Some(error),
            Err(error) => {
                for port in ports {
                    // `accept` was not announced, so stopping calls no user code, and the Deferred
                    // cannot fail.
                    port.stop_listening().ignore();
                }
                return Err(error);
            }
        }
    }
    match unavailable {
        Some(error) if ports.is_empty() => Err(error),
        _ => Ok(ports),
    }
}

/// Whether the error means that IPv6 is turned off on this computer.
fn is_without_ipv6(address: &SocketAddr, error: &io::Error) -> bool {
    address.is_ipv6()
        && matches!(
            Errno::from_io_error(error),
            Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
        )
}

/// Implements both traits for types with a host and a port.
macro_rules! tcp {
    ($($kind:ty),*) => {$(
        impl ClientEndpoint for $kind {
            fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
                TcpConnectOptions::new(self.clone()).dial(reactor)
            }

            fn as_tcp(&self) -> Option<TcpConnectOptions> {
                Some(TcpConnectOptions::new(self.clone()))
            }
        }

        impl ServerEndpoint for $kind {
            fn listen_with(
                &self,
                reactor: &ReactorHandle,
                accept: Box<dyn Accept>,
            ) -> Deferred<AnyPort> {
                TcpListenOptions::new(self.clone()).listen_with(reactor, accept)
            }
        }
    )*};
}

tcp!(HostPort, SocketAddr, (IpAddr, u16), (&str, u16));

/// Makes the target of an endpoint description, such as `tcp:localhost:80`, if its host is an IP
/// address or may be a name.
pub(super) fn host_port(host: &str, port: u16) -> Result<HostPort> {
    let target = HostPort::from((host, port));
    match target.parsed() {
        Parsed::Invalid => Err(Failure::msg("is neither an IP address nor a host name")),
        _ => Ok(target),
    }
}

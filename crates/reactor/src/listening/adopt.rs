//! Adopted listeners: ports on sockets that listen already.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use socket2::{SockAddr, Socket};

use super::acceptor::Acceptor;
use super::handle::ListeningPort;
use super::port::{Opened, open};
use super::serve::Serve;
use crate::core::Core;
use crate::poll::{Interest, Registration};
use crate::sys::socket;

/// Accepts from `listener`. Errs if `read` returns `None` for its address, which is of another
/// family then.
pub(crate) fn adopt<A, S>(
    core: &Rc<Core>,
    listener: OwnedFd,
    factory: S,
    read: fn(&SockAddr) -> Option<A>,
    acceptor: fn(Registration) -> Acceptor,
) -> io::Result<ListeningPort<A>>
where
    A: Clone + 'static,
    S: Serve,
{
    let socket = socket::adopted_listener(listener)?;
    let Some(address) = read(&socket.local_addr()?) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the socket listens at an address of another family",
        ));
    };
    // Taken by the first call of `reopen`, because an adopted socket cannot be opened again.
    let socket = Cell::new(Some(socket));
    let reopen = move |core: &_| open_once(core, socket.take(), &address, acceptor);
    open(core, factory, Box::new(reopen))
}

fn open_once<A: Clone>(
    core: &Core,
    socket: Option<Socket>,
    address: &A,
    acceptor: fn(Registration) -> Acceptor,
) -> io::Result<Opened<A>> {
    let socket = socket.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "a socket that was adopted is closed, and cannot be opened again",
        )
    })?;
    Ok(Opened {
        acceptor: acceptor(core.register(socket.into(), Interest::READABLE)?),
        address: address.clone(),
        cleanup: None,
    })
}

//! One exchange of datagrams with a server, from a port of its own.

use std::net::SocketAddr;

use deferred::{Deferred, Trigger};
use reactor::{DatagramProtocol, ReactorHandle};

/// Runs the protocol that `make` makes, which fires the trigger. The socket is connected to
/// `server`, so that the system drops datagrams from other addresses. The socket is bound to no
/// port, so that the system chooses a random one.
///
/// Cancelling the Deferred closes the port. There is no time limit here.
pub(crate) fn exchange<T: 'static, P>(
    reactor: &ReactorHandle,
    server: SocketAddr,
    make: impl FnOnce(Trigger<T>) -> P,
) -> Deferred<T>
where
    P: DatagramProtocol<Address = SocketAddr>,
{
    Deferred::start(|trigger| {
        // Cloned for the error below: `connect_udp` drops the protocol if it fails.
        let protocol = make(trigger.clone());
        let port = match reactor.connect_udp(server, protocol) {
            Ok(port) => Some(port),
            Err(error) => {
                // Never errs: the protocol, which had the other clone of the trigger, was dropped.
                let _ = trigger.errback(error);
                None
            }
        };
        move || {
            if let Some(port) = port {
                port.stop_listening().ignore();
            }
        }
    })
}

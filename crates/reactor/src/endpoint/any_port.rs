//! `AnyPort`: the open port or ports of a server endpoint, of any kind of address.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::{Deferred, gather_results};

use crate::address::Address;
use crate::error::ListenError;
use crate::listening::ListeningPort;

/// The result of [`Listen::listen`](super::Listen::listen): one listening socket, or several that
/// share a factory, or none, as for [`Stdio`](super::Stdio).
///
/// Cheap to clone. Dropping it closes nothing; [`stop_listening`](Self::stop_listening) closes the sockets, and so
/// does stopping or dropping the reactor.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::Listen;
///
/// let reactor = TestReactor::new();
/// let port = "unix:/run/service".listen(&reactor, || Quiet).into_result().unwrap()?;
/// assert_eq!(port.address().to_string(), "/run/service");
/// port.stop_listening().into_result().unwrap()?;
/// assert!(!port.is_listening());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AnyPort {
    ports: Rc<[Box<dyn Port>]>,
}

/// A [`ListeningPort`] of any address type, as a trait object.
trait Port {
    fn address(&self) -> Address;
    fn stop(&self) -> Deferred<()>;
    fn start(&self) -> Result<(), ListenError>;
    fn is_listening(&self) -> bool;
    fn set_paused(&self, is_paused: bool);
    fn stop_before_shutdown(&self);
    fn try_clone_socket(&self) -> io::Result<OwnedFd>;
}

impl<A> Port for ListeningPort<A>
where
    A: Clone + fmt::Display + Into<Address>,
{
    fn address(&self) -> Address {
        self.address().into()
    }

    fn stop(&self) -> Deferred<()> {
        self.stop_listening()
    }

    fn start(&self) -> Result<(), ListenError> {
        self.start_listening()
    }

    fn is_listening(&self) -> bool {
        self.is_listening()
    }

    fn set_paused(&self, is_paused: bool) {
        if is_paused {
            self.pause_accepting();
        } else {
            self.resume_accepting();
        }
    }

    fn stop_before_shutdown(&self) {
        self.stop_before_shutdown();
    }

    fn try_clone_socket(&self) -> io::Result<OwnedFd> {
        self.try_clone_socket()
    }
}

impl AnyPort {
    /// The port of an endpoint without a listening socket, whose one connection exists already.
    pub(super) fn none() -> Self {
        Self {
            ports: Rc::default(),
        }
    }

    pub(super) fn of<A>(ports: Vec<ListeningPort<A>>) -> Self
    where
        A: Clone + fmt::Display + Into<Address> + 'static,
    {
        let boxed = |port| Box::new(port) as Box<dyn Port>;
        Self {
            ports: ports.into_iter().map(boxed).collect(),
        }
    }

    /// The address of the socket, with the port number that the system has chosen if that was 0.
    /// The first one if there are several sockets; [`Address::Unknown`] if there is none.
    #[doc(alias = "getHost", alias = "local_addr")]
    pub fn address(&self) -> Address {
        let first = self.ports.first();
        first.map_or(Address::Unknown, |port| port.address())
    }

    /// The addresses of all sockets.
    pub fn addresses(&self) -> Vec<Address> {
        self.ports.iter().map(|port| port.address()).collect()
    }

    /// Closes all sockets: see [`ListeningPort::stop_listening`].
    #[doc(alias = "stopListening")]
    pub fn stop_listening(&self) -> Deferred<()> {
        match &self.ports[..] {
            [port] => port.stop(),
            // All are stopped at once; the first failure is reported.
            ports => gather_results(ports.iter().map(|port| port.stop())).add_callback(|_all| ()),
        }
    }

    /// Listens again at the same addresses: see [`ListeningPort::start_listening`].
    ///
    /// # Errors
    ///
    /// If the reactor cannot listen on one of the addresses. Then sockets that this call has opened
    /// are closed again.
    pub fn start_listening(&self) -> Result<(), ListenError> {
        let mut opened = Vec::new();
        for port in self.ports.iter().filter(|port| !port.is_listening()) {
            match port.start() {
                Ok(()) => opened.push(port),
                Err(error) => {
                    // All sockets or none: closes those that this call has opened. Nothing waits
                    // for that, so an error is only logged.
                    for port in opened {
                        port.stop().log_error().ignore();
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Closes the sockets in the phase `Before` of the shutdown: see
    /// [`ListeningPort::stop_before_shutdown`].
    pub fn stop_before_shutdown(&self) {
        for port in &*self.ports {
            port.stop_before_shutdown();
        }
    }

    /// Whether all sockets listen.
    pub fn is_listening(&self) -> bool {
        !self.ports.is_empty() && self.ports.iter().all(|port| port.is_listening())
    }

    /// Stops accepting connections until [`resume_accepting`](Self::resume_accepting): see
    /// [`ListeningPort::pause_accepting`].
    pub fn pause_accepting(&self) {
        for port in &*self.ports {
            port.set_paused(true);
        }
    }

    /// Undoes [`pause_accepting`](Self::pause_accepting).
    pub fn resume_accepting(&self) {
        for port in &*self.ports {
            port.set_paused(false);
        }
    }
}

impl AnyPort {
    /// A second descriptor of each listening socket, in the order of
    /// [`addresses`](Self::addresses): see [`ListeningPort::try_clone_socket`].
    ///
    /// # Errors
    ///
    /// As for [`ListeningPort::try_clone_socket`].
    pub fn try_clone_sockets(&self) -> io::Result<Vec<OwnedFd>> {
        self.ports
            .iter()
            .map(|port| port.try_clone_socket())
            .collect()
    }
}

impl<A> From<ListeningPort<A>> for AnyPort
where
    A: Clone + fmt::Display + Into<Address> + 'static,
{
    fn from(port: ListeningPort<A>) -> Self {
        Self::of(vec![port])
    }
}

impl fmt::Debug for AnyPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyPort")
            .field("addresses", &self.addresses())
            .field("is_listening", &self.is_listening())
            .finish()
    }
}

//! Strings as endpoints: a description, or a host and a port.

use std::cell::{Cell, RefCell};
use std::net::Ipv6Addr;
use std::rc::Rc;

use deferred::{Deferred, fail};
use smallvec::SmallVec;

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::parse::{EndpointError, EndpointParser};
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint};
use crate::handle::ReactorHandle;
use crate::tcp::{HostPort, Parsed, TcpConnectOptions};

/// Maximum number of strings whose endpoints a thread keeps. Few suffice, because a program that
/// makes many connections makes them to the same few servers.
const KEPT: usize = 8;

/// Length in bytes above which a string is not kept.
const LONGEST_KEPT: usize = 256;

thread_local! {
    static STRINGS: Strings = Strings::new();
}

/// Parser and cache of one thread, for strings that are used as endpoints directly. The parser knows
/// the prefixes of this crate.
struct Strings {
    parser: EndpointParser,
    /// The clients of the last strings, since parsing costs a third of what a connect does. All of
    /// them are plain values, which dial anew each time.
    clients: RefCell<SmallVec<[(Box<str>, Rc<dyn ClientEndpoint>); KEPT]>>,
    /// The one that is replaced next.
    oldest: Cell<usize>,
}

impl Strings {
    fn new() -> Self {
        Self {
            parser: EndpointParser::new(),
            clients: RefCell::default(),
            oldest: Cell::new(0),
        }
    }

    /// Calls `f` with the `Strings` of this thread.
    fn with<R>(f: impl Fn(&Self) -> R) -> R {
        // A thread that ends drops its thread-local values one after the other; one that is dropped
        // later, and connects in its drop, finds `STRINGS` gone.
        STRINGS.try_with(&f).unwrap_or_else(|_| f(&Self::new()))
    }

    #[inline]
    fn client(&self, text: &str) -> Result<Rc<dyn ClientEndpoint>, EndpointError> {
        for (known, client) in &*self.clients.borrow() {
            if **known == *text {
                return Ok(Rc::clone(client));
            }
        }
        self.new_client(text)
    }

    #[cold]
    fn new_client(&self, text: &str) -> Result<Rc<dyn ClientEndpoint>, EndpointError> {
        let client = self.parse_client(text)?;
        if text.len() <= LONGEST_KEPT {
            self.keep(text.into(), Rc::clone(&client));
        }
        Ok(client)
    }

    fn parse_client(&self, text: &str) -> Result<Rc<dyn ClientEndpoint>, EndpointError> {
        if self.is_description(text) {
            return Ok(Rc::from(self.parser.client(text)?));
        }
        Ok(Rc::new(TcpConnectOptions::new(text)))
    }

    fn keep(&self, text: Box<str>, client: Rc<dyn ClientEndpoint>) {
        let mut clients = self.clients.borrow_mut();
        if clients.len() < KEPT {
            return clients.push((text, client));
        }
        let oldest = self.oldest.get();
        self.oldest.set((oldest + 1) % KEPT);
        clients[oldest] = (text, client);
    }

    /// Whether `text` is a description, and not a host and a port. Text that is neither counts as a
    /// description with an unknown prefix, so that the error lists the known ones, if it has three
    /// parts or more and begins with a letter, as prefixes do. For all other text, and for an IPv6
    /// address, the error asks for an address and a port.
    fn is_description(&self, text: &str) -> bool {
        self.parser.knows(text)
            || matches!(HostPort::from(text).parsed(), Parsed::Invalid)
                && text.split(':').count() > 2
                && text.starts_with(|first: char| first.is_ascii_alphabetic())
                && text.parse::<Ipv6Addr>().is_err()
    }
}

/// A description with a prefix of this crate (`tcp:example.org:80`), or a host and a port
/// (`example.org:80`).
impl ClientEndpoint for str {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        match Strings::with(|strings| strings.client(self)) {
            Ok(client) => client.dial(reactor),
            Err(error) => fail(error),
        }
    }

    fn as_tcp(&self) -> Option<TcpConnectOptions> {
        // An error comes from `dial`.
        Strings::with(|strings| strings.client(self)).ok()?.as_tcp()
    }
}

/// A description with a prefix of this crate (`tcp:8080`), or a host and a port
/// (`127.0.0.1:8080`, `localhost:0`, `*:8080`).
impl ServerEndpoint for str {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let parsed = Strings::with(|strings| {
            let is_description = strings.is_description(self);
            is_description.then(|| strings.parser.server(self))
        });
        match parsed {
            Some(Ok(endpoint)) => endpoint.listen_with(reactor, accept),
            Some(Err(error)) => fail(error),
            None => HostPort::from(self).listen_with(reactor, accept),
        }
    }
}

impl ClientEndpoint for String {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        self.as_str().dial(reactor)
    }

    fn as_tcp(&self) -> Option<TcpConnectOptions> {
        self.as_str().as_tcp()
    }
}

impl ServerEndpoint for String {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        self.as_str().listen_with(reactor, accept)
    }
}

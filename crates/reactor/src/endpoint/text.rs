//! Strings as endpoints: a description, or a host and a port.

use deferred::{Deferred, fail};

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::parse::EndpointParser;
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint};
use crate::handle::ReactorHandle;
use crate::tcp::{HostPort, Parsed};

thread_local! {
    /// Parser for strings that are used as endpoints directly. It has the prefixes of this crate.
    static BUILT_IN: EndpointParser = EndpointParser::new();
}

/// Whether `text` is a description, to be parsed by `parser`, and not a host and a port. Text that
/// is neither and has three parts or more counts as a description with an unknown prefix, so that
/// the error lists the known ones.
fn is_description(parser: &EndpointParser, text: &str) -> bool {
    parser.knows(text)
        || matches!(HostPort::from(text).parsed(), Parsed::Invalid)
            && text.split(':').count() > 2
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
}

/// A description with a prefix of this crate (`tcp:example.org:80`), or a host and a port
/// (`example.org:80`).
impl ClientEndpoint for str {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let parsed =
            BUILT_IN.with(|parser| is_description(parser, self).then(|| parser.client(self)));
        match parsed {
            Some(Ok(endpoint)) => endpoint.dial(reactor),
            Some(Err(error)) => fail(error),
            None => HostPort::from(self).dial(reactor),
        }
    }
}

/// A description with a prefix of this crate (`tcp:8080`), or a host and a port
/// (`127.0.0.1:8080`, `localhost:0`, `*:8080`).
impl ServerEndpoint for str {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let parsed =
            BUILT_IN.with(|parser| is_description(parser, self).then(|| parser.server(self)));
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
}

impl ServerEndpoint for String {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        self.as_str().listen_with(reactor, accept)
    }
}

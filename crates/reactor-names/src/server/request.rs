//! `DnsRequest`: a question, and the client that asks it.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::Name;
use reactor::Address;

/// The argument of [`Answers`](crate::Answers): a message with one question, and the client that
/// has sent it.
///
/// # Examples
///
/// ```
/// use hickory_proto::op::{Message, Query};
/// use hickory_proto::rr::{Name, RecordType};
/// use reactor::Address;
/// use reactor_names::{DnsRequest, hickory_proto};
///
/// let client = "192.0.2.2:1000".parse::<std::net::SocketAddr>()?;
/// let mut message = Message::query();
/// assert!(DnsRequest::new(message.clone(), Address::Inet(client)).is_none());
/// message.add_query(Query::query(Name::from_ascii("example.org.")?, RecordType::A));
/// let request = DnsRequest::new(message, Address::Inet(client)).unwrap();
/// assert_eq!(request.question().name().to_string(), "example.org.");
/// assert!(!request.is_over_tcp());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DnsRequest {
    /// It has exactly one question.
    message: Message,
    client: Address,
    transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl DnsRequest {
    /// A request over UDP, for a test of your own answers. `None` if the message has no question,
    /// or several.
    pub fn new(message: Message, client: Address) -> Option<Self> {
        Self::over(message, client, Transport::Udp)
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    pub(super) fn over(message: Message, client: Address, transport: Transport) -> Option<Self> {
        (message.queries.len() == 1).then_some(Self {
            message,
            client,
            transport,
        })
    }

    /// The same request for another name.
    pub(super) fn about(&self, name: Name) -> Self {
        let mut request = self.clone();
        // There is one: see `over`.
        request.message.queries[0].set_name(name);
        request
    }

    /// The same, over TCP.
    #[must_use]
    pub fn over_tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    /// The whole message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The one question of the message.
    pub fn question(&self) -> &Query {
        &self.message.queries[0]
    }

    /// The address of the client. Over UDP, it may be forged.
    pub fn client(&self) -> &Address {
        &self.client
    }

    /// Whether it came over a connection, so that the client's address is not forged.
    pub fn is_over_tcp(&self) -> bool {
        self.transport == Transport::Tcp
    }
}

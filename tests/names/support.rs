//! A DNS server in the hands of a test, on the memory network.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Result};
use reactor::testing::TestReactor;
use reactor::{
    Connection, Context, DatagramContext, DatagramPort, DatagramProtocol, ListeningPort, Protocol,
};
use reactor_names::hickory_proto::op::{Message, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::{Name, RData, Record, RecordType};
use reactor_names::{Dns, DnsConfig, Hosts, LookupError, LookupErrorKind, TcpFraming};
use reactor_names::{decode_message, encode_message};
use reactor_tls::TlsServer;

pub(crate) const FIRST: &str = "192.0.2.53:53";
pub(crate) const SECOND: &str = "198.51.100.53:53";

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A record in the format of zone files: `www.example.org. 300 A 192.0.2.1`.
pub(crate) fn record(text: &str) -> Record {
    let mut words = text.splitn(4, ' ');
    let mut word = || words.next().unwrap();
    let (owner, ttl, kind, data) = (word(), word(), word(), word());
    let kind: RecordType = kind.parse().unwrap();
    let data = RData::try_from_str(kind, data).unwrap();
    Record::from_rdata(name(owner), ttl.parse().unwrap(), data)
}

/// The response to `question` with these answers.
pub(crate) fn answer(question: &Message, records: &[&str]) -> Message {
    let mut message = Message::response(question.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.queries.clone_from(&question.queries);
    message.add_answers(records.iter().map(|text| record(text)));
    message
}

/// A response without answers.
pub(crate) fn refusal(question: &Message, code: ResponseCode) -> Message {
    let mut message = answer(question, &[]);
    message.metadata.response_code = code;
    message
}

/// A response that says that there is nothing, and for how long.
pub(crate) fn nothing(question: &Message, code: ResponseCode, soa: &str) -> Message {
    let mut message = refusal(question, code);
    message.add_authority(record(soa));
    message
}

/// Looks up an address of `name`, which must be found.
#[track_caller]
pub(crate) fn found(reactor: &TestReactor, dns: &Dns, name: &str) {
    reactor.result_of(dns.lookup_a(reactor, name)).unwrap();
}

/// A question as it came to a server.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) message: Message,
    pub(crate) from: SocketAddr,
    pub(crate) over_tcp: bool,
    /// Of the connection or port that it came from, counted from 0; 0 over UDP.
    pub(crate) connection: usize,
    /// In bytes.
    pub(crate) length: usize,
}

impl Asked {
    pub(crate) fn name(&self) -> String {
        self.message.queries[0].name().to_string().to_lowercase()
    }

    pub(crate) fn record_type(&self) -> RecordType {
        self.message.queries[0].query_type()
    }
}

type Handler = dyn Fn(&Asked) -> Vec<Vec<u8>>;

#[derive(Clone)]
struct Script {
    handler: Rc<Handler>,
    asked: Rc<RefCell<Vec<Asked>>>,
    connections: Rc<RefCell<Vec<Connection<OverTcp>>>>,
}

impl Script {
    fn new(handler: impl Fn(&Asked) -> Vec<Vec<u8>> + 'static) -> Self {
        Self {
            handler: Rc::new(handler),
            asked: Rc::default(),
            connections: Rc::default(),
        }
    }

    fn factory(&self) -> impl Fn() -> OverTcp + use<> {
        let script = self.clone();
        move || OverTcp {
            script: script.clone(),
            number: 0,
        }
    }
}

/// Answers by a closure, over UDP and TCP.
pub(crate) struct Server {
    script: Script,
    udp: DatagramPort<OverUdp>,
    tcp: ListeningPort,
}

impl Server {
    /// Answers with the messages that `handler` gives, in the order given.
    pub(crate) fn new(
        reactor: &TestReactor,
        address: &str,
        handler: impl Fn(&Asked) -> Vec<Message> + 'static,
    ) -> Self {
        Self::raw(reactor, address, move |asked| {
            let size = if asked.over_tcp { u16::MAX } else { 1232 };
            let encode = |message: &Message| encode_message(message, size).unwrap();
            handler(asked).iter().map(encode).collect()
        })
    }

    pub(crate) fn raw(
        reactor: &TestReactor,
        address: &str,
        handler: impl Fn(&Asked) -> Vec<Vec<u8>> + 'static,
    ) -> Self {
        let script = Script::new(handler);
        let tcp = reactor.listen_tcp(address, script.factory()).unwrap();
        Self::of(reactor, address, script, tcp)
    }

    /// Answers over TLS, and over UDP in clear.
    pub(crate) fn over_tls(
        reactor: &TestReactor,
        address: &str,
        tls: &TlsServer,
        handler: impl Fn(&Asked) -> Vec<Message> + 'static,
    ) -> Self {
        let encode = |message: &Message| encode_message(message, u16::MAX).unwrap();
        let script = Script::new(move |asked| handler(asked).iter().map(encode).collect());
        let tcp = reactor
            .listen_tcp(address, tls.factory(script.factory()))
            .unwrap();
        Self::of(reactor, address, script, tcp)
    }

    fn of(reactor: &TestReactor, address: &str, script: Script, tcp: ListeningPort) -> Self {
        let udp = reactor
            .listen_udp(address, OverUdp(script.clone()))
            .unwrap();
        Self { script, udp, tcp }
    }

    /// The questions since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.asked.take()
    }

    /// What was asked for since the last call, as `name TYPE`.
    pub(crate) fn questions(&self) -> Vec<String> {
        let asked = self.asked();
        let text = |asked: &Asked| format!("{} {}", asked.name(), asked.record_type());
        asked.iter().map(text).collect()
    }

    /// Closes the connections that are open.
    pub(crate) fn hang_up(&self) {
        for connection in self.script.connections.take() {
            connection.lose_connection();
        }
    }

    pub(crate) fn close(self) {
        self.udp.stop_listening().ignore();
        self.tcp.stop_listening().ignore();
        self.hang_up();
    }
}

struct OverUdp(Script);

impl DatagramProtocol for OverUdp {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        let message = decode_message(data)?;
        let asked = Asked {
            message,
            from,
            over_tcp: false,
            connection: 0,
            length: data.len(),
        };
        self.0.asked.borrow_mut().push(asked.clone());
        for reply in (self.0.handler)(&asked) {
            cx.send_to(reply, from)?;
        }
        Ok(())
    }
}

struct OverTcp {
    script: Script,
    number: usize,
}

impl Protocol for OverTcp {
    type Framing = TcpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let mut connections = self.script.connections.borrow_mut();
        self.number = connections.len();
        connections.push(cx.connection());
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, message: &[u8]) -> Result<()> {
        let asked = Asked {
            message: decode_message(message)?,
            from: FIRST.parse()?,
            over_tcp: true,
            connection: self.number,
            length: message.len(),
        };
        self.script.asked.borrow_mut().push(asked.clone());
        for reply in (self.script.handler)(&asked) {
            cx.write(TcpFraming::encode(&reply)?);
        }
        Ok(())
    }
}

/// Asks one server, or two, for a second each, in two rounds.
pub(crate) fn config(servers: &[&str]) -> DnsConfig {
    let servers = servers.iter().map(|server| server.parse().unwrap());
    DnsConfig::new(servers).timeout(Duration::from_secs(1))
}

pub(crate) fn dns(servers: &[&str]) -> Dns {
    Dns::new(config(servers), Hosts::default())
}

/// The result of a look-up that has failed.
pub(crate) fn kind(failure: &Failure) -> LookupErrorKind {
    let error = failure.downcast_ref::<LookupError>();
    error.unwrap_or_else(|| panic!("{failure:?}")).kind()
}

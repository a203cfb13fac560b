//! The server: zones, forwarding, transports, and a comparison with nsd and named.

mod cores;
mod forwarder;
mod listen;
mod mutated;
mod peers;
mod rate_limit;
mod secondary;
mod servers;
mod transfers;
mod transports;
mod zone;

use reactor_names::hickory_proto::op::{Message, Query};
use reactor_names::hickory_proto::rr::{Name, Record, RecordType};
use reactor_names::{TcpFraming, Zone, decode_message, encode_message};

/// A zone with all that an answer can depend on.
const TEXT: &str = "\
$TTL 300
@            IN SOA ns1 hostmaster 1 7200 900 1209600 60
@            IN NS  ns1
@            IN NS  ns2.elsewhere.test.
@            IN MX  10 mail
ns1          IN A   192.0.2.1
mail         IN A   192.0.2.2
mail         IN AAAA 2001:db8::2
www          IN CNAME web
web          IN A   192.0.2.3
web          IN TXT \"a text\"
first        IN CNAME second
second       IN CNAME www
away         IN CNAME host.elsewhere.test.
loop-a       IN CNAME loop-b
loop-b       IN CNAME loop-a
self         IN CNAME self
broken       IN CNAME none.deep
into-sub     IN CNAME host.sub
_sip._tcp    IN SRV 1 2 5060 mail
a.b.deep     IN A   192.0.2.4
*.wild       IN A   192.0.2.5
*.wild       IN MX  5 mail
there.wild   IN TXT \"there\"
x.y.wild     IN A   192.0.2.6
*.alias      IN CNAME web
sub          IN NS  ns.sub
sub          IN NS  ns1
ns.sub       IN A   192.0.2.7
ns.sub       IN AAAA 2001:db8::7
secret.sub   IN A   192.0.2.8
";

fn zone() -> Zone {
    Zone::parse(TEXT, "example.org.").unwrap()
}

fn question(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.id = 4711;
    let name = Name::from_ascii(name).unwrap();
    message.add_query(Query::query(name, record_type));
    message
}

fn encoded(message: &Message) -> Vec<u8> {
    encode_message(message, u16::MAX).unwrap()
}

fn decoded(bytes: &[u8]) -> Message {
    decode_message(bytes).unwrap()
}

fn framed(query: &Message) -> Vec<u8> {
    TcpFraming::encode(&encoded(query)).unwrap()
}

/// The messages in what a connection has brought.
fn frames(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while let [high, low, rest @ ..] = bytes {
        let (frame, rest) = rest.split_at(u16::from_be_bytes([*high, *low]).into());
        frames.push(frame);
        bytes = rest;
    }
    assert!(bytes.is_empty());
    frames
}

fn sorted(records: &[Record]) -> Vec<String> {
    let mut records: Vec<_> = records.iter().map(Record::to_string).collect();
    records.sort();
    records
}

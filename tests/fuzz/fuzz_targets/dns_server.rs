//! Reads the fuzzer's bytes as what a DNS client sends, over UDP and TCP: a response, if there is one, can be
//! decoded, and has the id of the question; over UDP, it has at most 512 bytes, or 1,232 with EDNS.

#![no_main]

use std::sync::LazyLock;

use deferred::Deferred;
use libfuzzer_sys::fuzz_target;
use reactor::{ReactorHandle, testing};
use reactor_names::hickory_proto::op::Message;
use reactor_names::{
    Answers, DnsOverTcp, DnsOverUdp, DnsRequest, TcpFraming, Zone, decode_message,
};

const TEXT: &str = "\
$TTL 300
@       IN SOA ns1 hostmaster 1 7200 900 1209600 60
@       IN NS  ns1
@       IN MX  10 mail
ns1     IN A   192.0.2.1
mail    IN A   192.0.2.2
www     IN CNAME mail
loop    IN CNAME loop
*.wild  IN TXT \"x\"
sub     IN NS  ns1
";

static ZONE: LazyLock<Zone> = LazyLock::new(|| Zone::parse(TEXT, "x.").expect("a zone"));

/// Lets all clients transfer the zone.
struct Open(Zone);

impl Answers for Open {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message> {
        self.0.answer(reactor, request, response)
    }

    fn transfer(&self, _: &DnsRequest) -> Option<Zone> {
        Some(self.0.clone())
    }
}

fn check(query: &[u8], response: &[u8]) {
    decode_message(response).expect("the server's own");
    assert_eq!(query[..2], response[..2]);
    assert!(response[2] & 0x80 != 0);
}

fuzz_target!(|data: &[u8]| {
    testing::run(|reactor| {
        let over_udp = DnsOverUdp::new(Open(ZONE.clone()));
        let port = reactor.listen_udp("192.0.2.1:53", over_udp).expect("free");
        let client = reactor.datagram_peer("192.0.2.2:1000");
        client.send_to(data, port.address());
        let knows_edns = decode_message(data).is_ok_and(|query| query.edns.is_some());
        for (response, _) in client.received() {
            assert!(response.len() <= if knows_edns { 1232 } else { 512 });
            check(data, &response);
        }
        port.stop_listening().ignore();

        let Ok(framed) = TcpFraming::encode(data) else {
            return;
        };
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(ZONE.clone())));
        peer.send(framed);
        let received = peer.received();
        let mut rest = &received[..];
        while let [high, low, behind @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let (response, behind) = behind.split_at(length);
            check(data, response);
            rest = behind;
        }
        assert!(rest.is_empty());
    });
});

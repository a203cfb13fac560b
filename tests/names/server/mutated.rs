//! Changed questions: whatever comes in, the server goes on, and answers with the id that was asked for.

use proptest::prelude::*;
use reactor::testing;
use reactor_names::hickory_proto::op::{Edns, Message, OpCode};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{DnsOverTcp, DnsOverUdp, RateLimit, TcpFraming};

use super::transfers::Open;
use super::{decoded, encoded, frames, question, zone};

/// A question of each kind that the server knows.
fn questions() -> Vec<Vec<u8>> {
    let mut with_edns = question("first.example.org.", RecordType::ANY);
    with_edns.set_edns(Edns::new());
    let mut notify = question("example.org.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    let mut incremental = question("example.org.", RecordType::IXFR);
    incremental.add_authority(zone().soa().clone());
    let all: [Message; 6] = [
        question("a.b.wild.example.org.", RecordType::A),
        question("host.sub.example.org.", RecordType::DS),
        question("example.org.", RecordType::AXFR),
        with_edns,
        notify,
        incremental,
    ];
    all.iter().map(encoded).collect()
}

fn check_response(query: &[u8], response: &[u8]) {
    let message = decoded(response);
    assert_eq!(response[..2], query[..2]);
    assert!(response[2] & 0x80 != 0 && message.queries.len() <= 1);
}

proptest! {
    /// `PROPTEST_CASES=100000` changes 100,000 questions.
    #[test]
    fn the_server_survives_changed_questions(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        length in prop::option::of(any::<prop::sample::Index>()),
        more in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = which.get(&questions()).clone();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        bytes.extend(more);
        let last = encoded(&question("web.example.org.", RecordType::A));
        testing::run(|reactor| {
            let limit = RateLimit::new(1).slip(1);
            let protocol = DnsOverUdp::new(Open(zone())).with_rate_limit(limit);
            let port = reactor.listen_udp("192.0.2.1:53", protocol).unwrap();
            let client = reactor.datagram_peer("192.0.2.2:1000");
            for query in [&bytes, &bytes, &last] {
                client.send_to(query, port.address());
                let received = client.received();
                assert!(received.len() <= 1);
                for (response, _) in received {
                    assert!(response.len() <= 1232);
                    check_response(query, &response);
                }
            }
            // Not limited, since it is this machine.
            let local = reactor.datagram_peer("127.0.0.1:1000");
            local.send_to(&last, port.address());
            assert_eq!(decoded(&local.received()[0].0).answers.len(), 1);
            reactor.result_of(port.stop_listening()).unwrap();

            let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(zone())));
            peer.send(TcpFraming::encode(&bytes).unwrap());
            for response in frames(&peer.received()) {
                check_response(&bytes, response);
            }
        });
    }
}

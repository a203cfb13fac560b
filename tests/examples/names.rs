//! `dns_lookup`, against a server of this test.

use std::net::UdpSocket;
use std::thread;

use reactor_names::hickory_proto::op::{Message, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::rdata::{A, MX};
use reactor_names::hickory_proto::rr::{RData, Record, RecordType};
use reactor_names::{decode_message, encode_message};

use crate::program::Program;

#[test]
fn several_names_and_types_are_looked_up_at_once() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address").to_string();
    let ends = socket.try_clone().expect("a socket");
    let server = thread::spawn(move || {
        loop {
            let mut bytes = [0; 1500];
            let (length, from) = socket.recv_from(&mut bytes).expect("a datagram");
            if length == 0 {
                return;
            }
            let question = decode_message(&bytes[..length]).expect("a question");
            let query = question.queries[0].clone();
            let name = query.name().clone();
            let mut answer = Message::response(question.id, OpCode::Query);
            match query.query_type() {
                _ if !name.to_lowercase().to_string().starts_with("www.") => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                RecordType::MX => {
                    let mx = RData::MX(MX::new(10, name.clone()));
                    answer.add_answer(Record::from_rdata(name, 60, mx));
                }
                _ => {
                    let address = RData::A(A::new(192, 0, 2, 1));
                    answer.add_answer(Record::from_rdata(name, 60, address));
                }
            }
            answer.add_query(query);
            let bytes = encode_message(&answer, 512).expect("a short message");
            socket.send_to(&bytes, from).expect("it fits");
        }
    });
    let args = [
        "--server",
        &address,
        "--timeout",
        "30",
        "www.example.org.",
        "a",
        "mx",
        "no.example.org.",
    ];
    let ended = Program::run("dns_lookup", &args).succeeded();
    // An empty datagram ends the server.
    let own = ends.local_addr().expect("an address");
    ends.send_to(&[], own).expect("it fits");
    server.join().expect("only questions");
    let expected = [
        "www.example.org. 60 IN A 192.0.2.1",
        "www.example.org. 60 IN MX 10 www.example.org.",
        "A records of \"no.example.org.\": no such name",
        "MX records of \"no.example.org.\": no such name",
    ];
    assert_eq!(ended.lines, expected);
}

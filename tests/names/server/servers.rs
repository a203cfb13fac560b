//! The same questions to a zone and to nsd, which serves the same text.

use std::net::UdpSocket;
use std::time::Duration;

use reactor_names::hickory_proto::op::Message;
use reactor_names::hickory_proto::rr::{Record, RecordType};

use super::{TEXT, decoded, encoded, question, sorted, zone};
use crate::peers::{self, Program};

/// nsd with the zone of these tests; `options` says what nsd does with it.
pub(super) fn nsd(options: &str) -> Option<Program> {
    peers::nsd("example.org", TEXT, options)
}

/// Asks until there is an answer. What was asked twice may be answered twice, the second time
/// while the next question waits.
fn ask(socket: &UdpSocket, query: &Message) -> Message {
    let mut bytes = [0; 4096];
    for _ in 0..100 {
        socket.send(&encoded(query)).expect("nsd listens");
        while let Ok(length) = socket.recv(&mut bytes) {
            let response = decoded(&bytes[..length]);
            if response.queries == query.queries {
                return response;
            }
        }
    }
    panic!("nsd does not answer");
}

/// What must be equal: code, flag, answers; and the authority section where it is the answer. nsd
/// adds the zone's NS records to the others as a courtesy.
fn essence(response: &Message) -> (String, bool, Vec<String>, Vec<String>) {
    let decides = |record: &&Record| {
        let is_zone_ns = record.record_type() == RecordType::NS && record.name.iter().len() == 2;
        !is_zone_ns
    };
    let authorities: Vec<_> = response
        .authorities
        .iter()
        .filter(decides)
        .cloned()
        .collect();
    (
        response.metadata.response_code.to_string(),
        response.metadata.authoritative,
        sorted(&response.answers),
        sorted(&authorities),
    )
}

#[test]
fn answers_are_those_of_nsd() {
    let Some(nsd) = nsd("  zonefile: zone\n") else {
        return;
    };
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(nsd.address).expect("an address");
    let wait = Some(Duration::from_millis(200));
    socket.set_read_timeout(wait).expect("it is set");
    let owners = TEXT
        .lines()
        .skip(1)
        .map(|line| line.split_once(' ').expect("an owner").0);
    let mut names: Vec<String> = Vec::new();
    for owner in owners.chain(["none", "wild", "deep", "b.deep", "alias", "_tcp", "y.wild"]) {
        let full = match owner {
            "@" => "example.org.".to_owned(),
            owner => format!("{owner}.example.org."),
        };
        names.extend([format!("a.{full}"), format!("X.y.{full}"), full]);
    }
    names.push("example.com.".to_owned());
    names.sort();
    names.dedup();
    let types = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::NS,
        RecordType::MX,
        RecordType::TXT,
        RecordType::CNAME,
        RecordType::SOA,
        RecordType::SRV,
        RecordType::DS,
    ];
    let zone = zone();
    let mut asked = 0;
    for name in &names {
        for record_type in types {
            let query = question(name, record_type);
            let theirs = ask(&socket, &query);
            let mut ours = Message::response(4711, query.metadata.op_code);
            ours.queries.clone_from(&query.queries);
            zone.answer_into(&mut ours);
            assert_eq!(essence(&ours), essence(&theirs), "{name} {record_type}");
            asked += 1;
        }
    }
    assert!(asked >= 500, "{asked}");
}

//! The same questions to a zone, and to nsd and named, which serve the same text.

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
        socket.send(&encoded(query)).expect("it listens");
        while let Ok(length) = socket.recv(&mut bytes) {
            let response = decoded(&bytes[..length]);
            if response.queries == query.queries {
                return response;
            }
        }
    }
    panic!("it does not answer");
}

/// What must be equal: code, flag, answers; and the authority section where it is the answer. The
/// others add the zone's NS records as a courtesy.
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
        small(&response.answers),
        small(&authorities),
    )
}

/// In small letters: in which case an owner is that a wildcard has made, servers do not agree.
fn small(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<_> = sorted(records)
        .iter()
        .map(|line| line.to_lowercase())
        .collect();
    lines.sort();
    lines
}

#[test]
fn answers_are_those_of_nsd() {
    if let Some(nsd) = nsd("  zonefile: zone\n") {
        compare(&nsd, |_| true);
    }
}

#[test]
fn answers_are_those_of_named() {
    if let Some(named) = peers::named("example.org", TEXT) {
        // It says SERVFAIL where aliases go in a circle, with the same records.
        compare(&named, |name| {
            !["loop-", "self."].iter().any(|of| name.contains(of))
        });
    }
}

/// Compares the answers for the names that `wants` takes.
fn compare(server: &Program, wants: impl Fn(&str) -> bool) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(server.address).expect("an address");
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
    names.retain(|name| wants(name));
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

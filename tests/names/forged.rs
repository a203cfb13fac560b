//! Answers that are none: the right one wins.

use std::collections::HashSet;

use reactor::testing;
use reactor_names::LookupErrorKind;
use reactor_names::encode_message;
use reactor_names::hickory_proto::op::{Message, MessageType};
use reactor_names::hickory_proto::rr::{DNSClass, RecordType};

use super::support::{Asked, FIRST, Server, answer, dns, kind, name, record};

const RIGHT: &str = "www.example.org. 300 A 192.0.2.1";
const FORGED: &str = "www.example.org. 300 A 203.0.113.66";

/// Looks up the address while the server sends `lies` before the right answer.
fn with(lies: impl Fn(&Asked) -> Vec<Vec<u8>> + 'static) {
    testing::run(|reactor| {
        let server = Server::raw(reactor, FIRST, move |asked| {
            let mut replies = lies(asked);
            replies.push(encode_message(&answer(&asked.message, &[RIGHT]), 1232).unwrap());
            replies
        });
        let found = reactor.result_of(dns(&[FIRST]).lookup_a(reactor, "www.example.org"));
        assert_eq!(
            found.unwrap(),
            ["192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap()]
        );
        server.close();
    });
}

/// The forged answer, changed by `change`.
fn forged(change: impl Fn(&mut Message) + 'static) {
    with(move |asked| {
        let mut message = answer(&asked.message, &[FORGED]);
        change(&mut message);
        vec![encode_message(&message, 1232).unwrap()]
    });
}

#[test]
fn a_wrong_id_is_ignored() {
    forged(|message| message.metadata.id ^= 1);
}

#[test]
fn another_name_is_ignored() {
    forged(|message| {
        message.queries[0].set_name(name("ww2.example.org."));
    });
    forged(|message| {
        message.queries[0].set_name(name("example.org."));
    });
}

#[test]
fn another_type_is_ignored() {
    forged(|message| {
        message.queries[0].set_query_type(RecordType::AAAA);
    });
}

#[test]
fn another_class_is_ignored() {
    forged(|message| {
        message.queries[0].set_query_class(DNSClass::CH);
    });
}

/// In the right message: it says nothing about the internet.
#[test]
fn records_of_another_class_are_ignored() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let mut message = answer(&asked.message, &[]);
            let mut of_chaos = record(FORGED);
            of_chaos.dns_class = DNSClass::CH;
            message.add_answers([of_chaos, record(RIGHT)]);
            vec![message]
        });
        let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
        let found = reactor.result_of(found).unwrap();
        assert_eq!(found, ["192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap()]);
        server.close();
    });
}

#[test]
fn no_question_and_two_questions_are_ignored() {
    forged(|message| message.queries.clear());
    forged(|message| {
        let query = message.queries[0].clone();
        message.add_query(query);
    });
}

#[test]
fn a_message_that_is_no_response_is_ignored() {
    forged(|message| message.metadata.message_type = MessageType::Query);
}

/// Then the server is asked over TCP, where no third party can answer.
#[test]
fn a_wrong_case_is_not_believed() {
    with(|asked| {
        let mut message = answer(&asked.message, &[FORGED]);
        let lower_case = name(&asked.name());
        message.queries[0].set_name(lower_case);
        if asked.over_tcp {
            Vec::new()
        } else {
            vec![encode_message(&message, 1232).unwrap()]
        }
    });
}

/// A server that does not keep the case answers over TCP.
#[test]
fn a_server_that_does_not_keep_the_case_is_of_use() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let mut message = answer(&asked.message, &[RIGHT]);
            let lower_case = name(&asked.name());
            message.queries[0].set_name(lower_case);
            vec![message]
        });
        let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
        assert_eq!(reactor.result_of(found).unwrap().len(), 1);
        server.close();
    });
}

#[test]
fn malformed_answers_are_ignored() {
    with(|asked| {
        let right = encode_message(&answer(&asked.message, &[FORGED]), 1232).unwrap();
        let mut replies: Vec<_> = (0..right.len()).map(|cut| right[..cut].to_vec()).collect();
        for (at, bytes) in [
            // 65,535 answers; a name that points to itself; data of 65,535 bytes.
            (6, [0xff, 0xff]),
            (12 + 17 + 4, [0xc0, 12 + 17 + 4]),
            (right.len() - 6, [0xff, 0xff]),
        ] {
            let mut malformed = right.clone();
            malformed[at..at + 2].copy_from_slice(&bytes);
            replies.push(malformed);
        }
        replies
    });
}

/// The socket is connected: the datagrams of others never arrive.
#[test]
fn other_addresses_and_ports_are_ignored() {
    testing::run(|reactor| {
        let [server, other_port, other_host] =
            [FIRST, "192.0.2.53:54", "192.0.2.54:53"].map(|address| reactor.datagram_peer(address));
        let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
        let (question, client) = server.received().remove(0);
        let question = reactor_names::decode_message(&question).unwrap();
        let reply = |text| encode_message(&answer(&question, &[text]), 1232).unwrap();
        other_port.send_to(reply(FORGED), client);
        other_host.send_to(reply(FORGED), client);
        server.send_to(reply(RIGHT), client);
        let found = reactor.result_of(found).unwrap();
        assert_eq!(found, ["192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap()]);
    });
}

/// What a server says about names that were not asked for is neither given nor kept.
#[test]
fn records_of_other_names_are_ignored() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            if asked.name() != "www.example.org." {
                return vec![answer(&asked.message, &[])];
            }
            let mut message = answer(
                &asked.message,
                &[RIGHT, "bank.example.com. 300 A 203.0.113.66"],
            );
            message.add_authority(record("example.com. 300 NS ns.example.net."));
            message.add_additional(record("bank.example.com. 300 A 203.0.113.66"));
            vec![message]
        });
        let dns = dns(&[FIRST]);
        let found = reactor
            .result_of(dns.lookup(reactor, "www.example.org", RecordType::A))
            .unwrap();
        assert_eq!((found.records.len(), dns.cached()), (1, 1));
        let failure = reactor
            .result_of(dns.lookup_a(reactor, "bank.example.com"))
            .unwrap_err();
        assert_eq!(kind(&failure), LookupErrorKind::NoRecords);
        server.close();
    });
}

/// Of 200 questions, few have an id or a port of another; none follows the one before.
#[test]
fn ids_ports_and_case_are_random() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let text = format!("{} 300 A 192.0.2.1", asked.name());
            vec![answer(&asked.message, &[&text])]
        });
        let dns = dns(&[FIRST]);
        for number in 0..200 {
            let found = dns.lookup_a(reactor, &format!("n{number:03}.example.org"));
            reactor.result_of(found).unwrap();
        }
        let asked = server.asked();
        let ids: Vec<_> = asked.iter().map(|asked| asked.message.id).collect();
        assert!(HashSet::<_>::from_iter(&ids).len() > 190);
        let in_sequence = ids.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1);
        assert!(in_sequence.count() < 5);
        let case = asked.iter().map(|asked| {
            let name = asked.message.queries[0].name().to_string();
            name.bytes()
                .map(|byte| byte.is_ascii_uppercase())
                .collect::<Vec<_>>()
        });
        assert!(case.collect::<HashSet<_>>().len() > 150);
        server.close();
    });
}

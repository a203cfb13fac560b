//! Services by name, as endpoints.

use std::time::Duration;

use reactor::endpoint::{Connect, EndpointParser};
use reactor::testing;
use reactor::{ConnectError, Protocol, Raw};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{LookupErrorKind, SrvEndpoint, WithSrv};

use super::support::{FIRST, Server, answer, dns, kind};

struct Quiet;

impl Protocol for Quiet {
    type Framing = Raw;
}

const SERVICE: &str = "_imap._tcp.example.org";

/// Answers with these servers, whose addresses are 192.0.2.1 and so on.
fn knows(reactor: &testing::TestReactor, servers: &'static [&'static str]) -> Server {
    Server::new(reactor, FIRST, move |asked| {
        let records: Vec<_> = match asked.record_type() {
            RecordType::SRV => servers
                .iter()
                .map(|server| format!("{} 300 SRV {server}", asked.name()))
                .collect(),
            RecordType::A => {
                let last = asked.name().as_bytes()[0] - b'a' + 1;
                vec![format!("{} 300 A 192.0.2.{last}", asked.name())]
            }
            _ => Vec::new(),
        };
        let records: Vec<_> = records.iter().map(|text| &text[..]).collect();
        vec![answer(&asked.message, &records)]
    })
}

#[test]
fn the_first_server_that_accepts_is_connected_to() {
    testing::run(|reactor| {
        let server = knows(
            reactor,
            &["10 0 1143 a.example.org.", "20 0 1144 b.example.org."],
        );
        let dns = dns(&[FIRST]);
        reactor.set_resolver(dns.clone());
        let port = reactor.listen_tcp("192.0.2.2:1144", || Quiet).unwrap();
        let parser = EndpointParser::new().with_srv(&dns);
        let endpoint = parser.client(&format!("srv:{SERVICE}")).unwrap();
        let connection = reactor.result_of(endpoint.connect(reactor, Quiet)).unwrap();
        assert_eq!(connection.peer().unwrap().to_string(), "192.0.2.2:1144");
        connection.abort();
        port.stop_listening().ignore();
        server.close();
        reactor.settle();
    });
}

#[test]
fn without_a_server_it_fails_as_the_last_one() {
    testing::run(|reactor| {
        let server = knows(reactor, &["10 0 1143 a.example.org."]);
        let dns = dns(&[FIRST]);
        reactor.set_resolver(dns.clone());
        let connecting = SrvEndpoint::new(&dns, SERVICE).connect(reactor, Quiet);
        let failure = reactor.result_of(connecting).unwrap_err();
        assert!(failure.is::<ConnectError>(), "{failure:?}");
        server.close();
    });
}

#[test]
fn a_service_that_is_not_available_is_a_lookup_error() {
    testing::run(|reactor| {
        let server = knows(reactor, &["0 0 0 ."]);
        let connecting = SrvEndpoint::new(&dns(&[FIRST]), SERVICE).connect(reactor, Quiet);
        let failure = reactor.result_of(connecting).unwrap_err();
        assert_eq!(kind(&failure), LookupErrorKind::NoRecords);
        server.close();
    });
}

#[test]
fn cancelling_takes_the_lookup_and_the_attempt_back() {
    testing::run(|reactor| {
        let server = knows(
            reactor,
            &["10 0 1143 a.example.org.", "20 0 1144 b.example.org."],
        );
        reactor.do_not_answer("192.0.2.1:1143".parse().unwrap());
        let dns = dns(&[FIRST]);
        reactor.set_resolver(dns.clone());
        let connecting = SrvEndpoint::new(&dns, SERVICE).connect(reactor, Quiet);
        reactor.advance(Duration::from_secs(1));
        connecting.cancel();
        assert!(connecting.into_result().unwrap().is_err());
        server.close();
        reactor.settle();
        reactor.assert_clean();
    });
}

//! `DnsServer`: UDP and TCP on one port.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::{ConnectionClosed, Context, Protocol, Raw, testing};
use reactor_names::{Dns, DnsConfig, DnsServer, Hosts, Zone};

use super::{TEXT, zone};

#[test]
fn both_transports_answer_on_the_same_port() {
    // A response that is truncated over UDP is asked for over TCP.
    let text = (0..40).fold(TEXT.to_owned(), |text, i| {
        text + &format!("big IN TXT \"{i:0>100}\"\n")
    });
    testing::run(|reactor| {
        let zone = Zone::parse(&text, "example.org.").unwrap();
        let port = DnsServer::new(zone).listen(reactor, "192.0.2.1:0").unwrap();
        let dns = Dns::new(DnsConfig::new([port.address()]), Hosts::default());
        let found = reactor
            .result_of(dns.lookup_txt(reactor, "big.example.org."))
            .unwrap();
        assert_eq!(found.len(), 40);
        drop(dns);
        reactor.result_of(port.stop_listening()).unwrap();
        // Both are free.
        let again = DnsServer::new(super::zone())
            .listen(reactor, port.address())
            .unwrap();
        reactor.result_of(again.stop_listening()).unwrap();
    });
}

#[test]
fn a_port_that_is_taken_for_one_of_them_is_an_error() {
    testing::run(|reactor| {
        let taken = reactor.datagram_peer("192.0.2.1:53");
        let server = DnsServer::new(zone());
        let error = server.listen(reactor, taken.address()).unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
        reactor.settle();
        // Nothing is left listening over TCP.
        let tcp = reactor.listen_tcp("192.0.2.1:53", || reactor_names::DnsOverTcp::new(zone()));
        reactor.result_of(tcp.unwrap().stop_listening()).unwrap();
    });
}

/// Sends nothing, and notices when the server has enough of it.
struct Silent(Rc<Cell<bool>>);

impl Protocol for Silent {
    type Framing = Raw;

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        self.0.set(true);
    }
}

#[test]
fn the_idle_timeout_is_settable() {
    testing::run(|reactor| {
        let server = DnsServer::new(zone()).with_idle_timeout(Duration::from_secs(60));
        let port = server.listen(reactor, "192.0.2.1:53").unwrap();
        let is_closed = Rc::new(Cell::new(false));
        let silent = Silent(Rc::clone(&is_closed));
        let connected = reactor.connect_tcp("192.0.2.1:53", silent);
        reactor.result_of(connected).unwrap();
        reactor.advance(Duration::from_secs(59));
        assert!(!is_closed.get());
        reactor.advance(Duration::from_secs(2));
        assert!(is_closed.get());
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

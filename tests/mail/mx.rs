//! `MxClient`: the servers of a domain, by a DNS server on the memory network.

use std::time::Duration;

use deferred::{Cancelled, Deferred, Failure, Result, fail};
use reactor::testing::{self, TestReactor};
use reactor::{DatagramPort, ListeningPort, ReactorHandle};
use reactor_mail::{MxClient, Sent, SmtpError, SmtpReply, SmtpServer};
use reactor_names::hickory_proto::op::Message;
use reactor_names::{
    Dns, DnsConfig, DnsOverUdp, DnsRequest, Hosts, LookupError, LookupErrorKind, Zone,
};
use reactor_tls::{Roots, TlsClient};
use tests::certificates::Pair;

use crate::script::{HANG_UP, Script};
use crate::support::{Inbox, error, server};

const EVE: &str = "eve@example.com";
const BOB: &str = "bob@example.org";
const DNS: &str = "192.0.2.53:53";
const A: &str = "192.0.2.1:25";
const B: &str = "192.0.2.2:25";

const ZONE: &str = r#"
@ 60 IN SOA ns hostmaster 1 3600 600 86400 60
@ 60 IN NS ns
@ 60 IN MX 20 b
@ 60 IN MX 10 a
ns 60 IN A 192.0.2.53
a 60 IN A 192.0.2.1
b 60 IN A 192.0.2.2
c 60 IN A 192.0.2.3
equal 60 IN MX 10 a
equal 60 IN MX 10 b
null 60 IN MX 0 .
bare 60 IN A 192.0.2.1
text 60 IN TXT "no address"
own 60 IN MX 10 a
own 60 IN MX 20 mail.example.com.
own 60 IN MX 20 b
own 60 IN MX 30 c
last 60 IN MX 10 mail.example.com.
last 60 IN MX 10 b
"#;

/// A client whose DNS server knows `zone`.
fn client(reactor: &TestReactor, zone: &str) -> (MxClient, DatagramPort<DnsOverUdp>) {
    let zone = Zone::parse(zone, "example.org.").expect("a zone");
    let port = reactor
        .listen_udp(DNS, DnsOverUdp::new(zone))
        .expect("it listens");
    (asking(reactor), port)
}

fn asking(reactor: &TestReactor) -> MxClient {
    let config = DnsConfig::new([DNS.parse().expect("an address")]);
    let dns = Dns::new(config, Hosts::default());
    reactor.set_resolver(dns.clone());
    MxClient::new(reactor, &dns)
}

fn inbox(reactor: &TestReactor, at: &str) -> (Inbox, ListeningPort) {
    let (inbox, server) = server();
    (inbox, reactor.listen_tcp(at, server).expect("it listens"))
}

fn script(reactor: &TestReactor, at: &str, replies: &[&'static str]) -> (Script, ListeningPort) {
    let script = Script::new(replies, true);
    let made = script.clone();
    (
        script,
        reactor
            .listen_tcp(at, move || made.clone())
            .expect("it listens"),
    )
}

fn count(inbox: &Inbox) -> usize {
    inbox.messages().len()
}

fn send(reactor: &TestReactor, client: &MxClient, domain: &str) -> Result<Sent> {
    reactor.block_on(client.send(domain, EVE, &[BOB], "hi"))
}

/// Runs `test` with a client and the zone.
fn with_zone(test: impl FnOnce(&TestReactor, MxClient)) {
    testing::run(|reactor| {
        let (client, dns) = client(reactor, ZONE);
        test(reactor, client);
        dns.stop_listening().ignore();
        reactor.settle();
    });
}

#[test]
fn the_preferred_server_that_can_be_reached_gets_the_message() {
    with_zone(|reactor, client| {
        let (second, second_port) = inbox(reactor, B);
        send(reactor, &client, "example.org").expect("b takes it");
        assert_eq!(count(&second), 1);
        let (first, first_port) = inbox(reactor, A);
        send(reactor, &client, "EXAMPLE.org").expect("a takes it");
        assert_eq!((count(&first), count(&second)), (1, 1));
        first_port.stop_listening();
        second_port.stop_listening();
        reactor.settle();
        let failure = send(reactor, &client, "example.org").expect_err("none is there");
        assert!(failure.is::<reactor::ConnectError>(), "{failure}");
    });
}

#[test]
fn a_server_that_may_take_it_later_leads_to_the_next_one() {
    let hello = "250 a\r\n";
    for replies in [
        &["421 4.3.2 not now\r\n"][..],
        &["554 5.3.2 no mail here\r\n"],
        &["220 a\r\n", "421 4.3.2 not now\r\n"],
        &["220 a\r\n", hello, "451 4.3.0 later\r\n"],
        &["220 a\r\n", hello, "250 b\r\n", "450 4.2.1 greylisted\r\n"],
        &[
            "220 a\r\n",
            hello,
            "250 b\r\n",
            "250 c\r\n",
            "354 d\r\n",
            "",
            "451 4.3.0 later\r\n",
        ],
        &["220 a\r\n", hello, "250 b\r\n", HANG_UP],
    ] {
        with_zone(|reactor, client| {
            let (script, first_port) = script(reactor, A, replies);
            let (second, second_port) = inbox(reactor, B);
            send(reactor, &client, "example.org").expect("b takes it");
            assert_eq!(
                (script.connections.get(), count(&second)),
                (1, 1),
                "{replies:?}"
            );
            first_port.stop_listening();
            second_port.stop_listening();
        });
    }
}

#[test]
fn a_refusal_for_good_and_a_message_in_doubt_end_the_search() {
    let start = ["220 a\r\n", "250 a\r\n", "250 b\r\n"];
    for (rest, is_permanent) in [
        (&["550 5.1.1 no such user\r\n"][..], true),
        (&["250 c\r\n", "554 5.6.0 no\r\n"], true),
        (&["250 c\r\n", "354 d\r\n", "", "554 5.6.0 no\r\n"], true),
        // It may have taken the message.
        (&["250 c\r\n", "354 d\r\n", "", HANG_UP], false),
    ] {
        with_zone(|reactor, client| {
            let replies = [&start[..], rest].concat();
            let (_, first_port) = script(reactor, A, &replies);
            let (second, second_port) = inbox(reactor, B);
            let error = error(send(reactor, &client, "example.org"));
            assert_eq!(error.is_permanent(), is_permanent, "{error}");
            assert_eq!(count(&second), 0, "{rest:?}");
            first_port.stop_listening();
            second_port.stop_listening();
        });
    }
}

#[test]
fn servers_of_equal_preference_take_turns_at_random() {
    with_zone(|reactor, client| {
        let ((first, first_port), (second, second_port)) = (inbox(reactor, A), inbox(reactor, B));
        // All to one of them: once in 2^39 runs.
        for _ in 0..40 {
            send(reactor, &client, "equal.example.org").expect("it is taken");
        }
        let counts = [count(&first), count(&second)];
        assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
        assert_eq!(counts.iter().sum::<usize>(), 40);
        first_port.stop_listening();
        second_port.stop_listening();
    });
}

#[test]
fn a_domain_may_take_no_mail_or_have_no_server() {
    with_zone(|reactor, client| {
        let domain = "null.example.org".to_owned();
        let refused = error(send(reactor, &client, &domain));
        assert_eq!(refused, SmtpError::NullMx { domain });
        assert_eq!(refused.to_string(), "null.example.org takes no mail");
        assert!(refused.is_permanent());
        for domain in ["no.example.org", "text.example.org"] {
            let refused = error(send(reactor, &client, domain));
            let text = format!("there is no mail server of {domain}");
            assert_eq!(refused.to_string(), text);
            let domain = domain.to_owned();
            assert_eq!(refused, SmtpError::NoSuchDomain { domain });
            assert!(refused.is_permanent());
        }
    });
}

#[test]
fn a_domain_without_mx_is_its_own_server_and_so_is_an_address() {
    with_zone(|reactor, client| {
        let (first, port) = inbox(reactor, A);
        let (sixth, port_of_sixth) = inbox(reactor, "[2001:db8::6]:25");
        send(reactor, &client, "bare.example.org").expect("it is taken");
        send(reactor, &client, "[192.0.2.1]").expect("it is taken");
        send(reactor, &client, "[IPv6:2001:db8::6]").expect("it is taken");
        assert_eq!((count(&first), count(&sixth)), (2, 1));
        port.stop_listening();
        port_of_sixth.stop_listening();
    });
}

#[test]
fn mail_does_not_go_in_circles() {
    with_zone(|reactor, client| {
        let client = client.with_hello("Mail.example.com");
        let servers = [
            (B, inbox(reactor, B)),
            ("192.0.2.3:25", inbox(reactor, "192.0.2.3:25")),
        ];
        // Of four servers, only `a` is preferred to this one, and it is not there.
        let failure = send(reactor, &client, "own.example.org").expect_err("a is not there");
        assert!(failure.is::<reactor::ConnectError>(), "{failure}");
        let domain = "last.example.org".to_owned();
        let refused = error(send(reactor, &client, &domain));
        assert_eq!(refused, SmtpError::MailLoop { domain });
        assert!(refused.is_permanent());
        for (at, (inbox, port)) in servers {
            assert_eq!(count(&inbox), 0, "{at}");
            port.stop_listening();
        }
    });
}

#[test]
fn an_error_that_may_pass_outweighs_those_that_do_not() {
    for (first, second) in [
        ("421 later\r\n", "554 no\r\n"),
        ("554 no\r\n", "421 later\r\n"),
    ] {
        with_zone(|reactor, client| {
            let (_, first_port) = script(reactor, A, &[first]);
            let (_, second_port) = script(reactor, B, &[second]);
            let error = error(send(reactor, &client, "example.org"));
            assert!(!error.is_permanent(), "{error}");
            first_port.stop_listening();
            second_port.stop_listening();
        });
    }
}

#[test]
fn no_more_than_ten_servers_are_tried() {
    let mut zone = ZONE.lines().take(3).collect::<Vec<_>>().join("\n");
    zone.push_str("\nns 60 IN A 192.0.2.53\n");
    for number in 0..20 {
        zone.push_str(&format!(
            "@ 60 IN MX {number} m{number}\nm{number} 60 IN A 192.0.2.1\n"
        ));
    }
    testing::run(|reactor| {
        let (client, dns) = client(reactor, &zone);
        let (script, port) = script(reactor, A, &["421 no\r\n"; 30]);
        let error = error(send(reactor, &client, "example.org"));
        assert!(!error.is_permanent());
        assert_eq!(script.connections.get(), 10);
        port.stop_listening();
        dns.stop_listening().ignore();
        reactor.settle();
    });
}

#[test]
fn a_dns_server_that_fails_or_is_silent_is_no_refusal() {
    testing::run(|reactor| {
        let failing = |_: &ReactorHandle, _: &DnsRequest, _: Message| -> Deferred<Message> {
            fail(SmtpReply::new(451, "no"))
        };
        let dns = reactor.listen_udp(DNS, DnsOverUdp::new(failing)).unwrap();
        let client = asking(reactor);
        let kind = |failure: &Failure| failure.check().map(LookupError::kind);
        let failure = send(reactor, &client, "example.org").expect_err("it fails");
        assert_eq!(kind(&failure), Some(LookupErrorKind::ServerFailed));
        dns.stop_listening().ignore();
        reactor.settle();
        let silent = reactor.datagram_peer(DNS);
        let failure = send(reactor, &asking(reactor), "example.org").expect_err("it is silent");
        assert_eq!(kind(&failure), Some(LookupErrorKind::TimedOut));
        // Cancelled during the look-up.
        let sent = client.send("example.org", EVE, &[BOB], "hi");
        reactor.settle();
        sent.cancel();
        assert!(sent.into_result().unwrap().unwrap_err().is::<Cancelled>());
        drop(silent);
        reactor.advance(Duration::from_secs(60));
    });
}

#[test]
fn cancelling_tries_no_other_server() {
    with_zone(|reactor, client| {
        let (_, first_port) = script(reactor, A, &["220 a\r\n", "", ""]);
        let (second, second_port) = inbox(reactor, B);
        let sent = client.send("example.org", EVE, &[BOB], "hi");
        reactor.settle();
        sent.cancel();
        reactor.settle();
        assert!(sent.into_result().unwrap().unwrap_err().is::<Cancelled>());
        assert_eq!((reactor.counters().connections, count(&second)), (0, 0));
        first_port.stop_listening();
        second_port.stop_listening();
    });
}

#[test]
fn tls_is_used_where_it_is_offered() {
    let tls_server = Pair::new("a.example.org").server();
    let with_tls = |server: SmtpServer| server.with_tls(tls_server.clone());
    for accepts_any in [true, false] {
        with_zone(|reactor, client| {
            let tls = TlsClient::builder();
            let tls = if accepts_any {
                tls.dangerously_accept_any_certificate()
            } else {
                let other = Pair::new("example.net").certificate;
                tls.roots(Roots::from_pem(other).expect("it is valid"))
            };
            let client = client.with_tls_if_offered(tls.build().expect("it is built"));
            let (first, server_of_first) = server();
            let first_port = reactor.listen_tcp(A, with_tls(server_of_first)).unwrap();
            let (second, second_port) = inbox(reactor, B);
            send(reactor, &client, "example.org").expect("it is taken");
            assert_eq!(
                (count(&first) == 1, count(&second) == 0),
                (accepts_any, accepts_any)
            );
            let taken = if accepts_any { first } else { second };
            let (envelope, _) = &taken.0.delivered.borrow()[0];
            assert_eq!(envelope.is_encrypted, accepts_any);
            first_port.stop_listening();
            second_port.stop_listening();
        });
    }
}

//! What is asked for, and what is made of the answers.

use std::time::Duration;

use deferred::gather;
use reactor::ResolveError;
use reactor::testing::{self, TestReactor};
use reactor_names::hickory_proto::op::ResponseCode;
use reactor_names::hickory_proto::rr::rdata::MX;
use reactor_names::hickory_proto::rr::{RData, Record, RecordType};
use reactor_names::{Dns, Hosts, LookupErrorKind};

use super::support::{FIRST, Server, answer, config, dns, kind, name, nothing, refusal};

const SOA: &str = "example.org. 300 SOA ns.example.org. root.example.org. 1 2 3 4 60";

#[test]
fn each_type_has_a_lookup() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let data = match asked.record_type() {
                RecordType::A => "192.0.2.1",
                RecordType::AAAA => "2001:db8::1",
                RecordType::TXT => "\"some text\"",
                RecordType::SOA => "ns.example.org. root.example.org. 7 2 3 4 60",
                RecordType::NS | RecordType::PTR | RecordType::CNAME => "target.example.org.",
                other => panic!("{other}"),
            };
            let text = format!("{} 300 {} {data}", asked.name(), asked.record_type());
            vec![answer(&asked.message, &[&text])]
        });
        let dns = dns(&[FIRST]);
        let of = "example.org";
        let addresses = gather((dns.lookup_a(reactor, of), dns.lookup_aaaa(reactor, of)));
        let (a, aaaa) = reactor.result_of(addresses).unwrap();
        assert_eq!(
            (a[0].to_string(), aaaa[0].to_string()),
            ("192.0.2.1".into(), "2001:db8::1".into())
        );
        let target = name("target.example.org.");
        assert_eq!(
            reactor.result_of(dns.lookup_ns(reactor, of)).unwrap(),
            std::slice::from_ref(&target)
        );
        assert_eq!(
            reactor.result_of(dns.lookup_cname(reactor, of)).unwrap(),
            std::slice::from_ref(&target)
        );
        let soa = reactor.result_of(dns.lookup_soa(reactor, of)).unwrap();
        assert_eq!(soa[0].serial, 7);
        let txt = reactor.result_of(dns.lookup_txt(reactor, of)).unwrap();
        assert_eq!(&*txt[0].txt_data[0], b"some text");
        server.asked();
        let ptr = dns.lookup_ptr(reactor, "192.0.2.1".parse().unwrap());
        assert_eq!(reactor.result_of(ptr).unwrap(), [target]);
        assert_eq!(server.questions(), ["1.2.0.192.in-addr.arpa. PTR"]);
        server.close();
    });
}

#[test]
fn mail_servers_come_by_preference() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let records = [
                "30 c.example.org.",
                "10 a.example.org.",
                "20 b.example.org.",
            ];
            let records = records.map(|mx| format!("example.org. 300 MX {mx}"));
            vec![answer(
                &asked.message,
                &records.each_ref().map(|text| &text[..]),
            )]
        });
        let found = reactor
            .result_of(dns(&[FIRST]).lookup_mx(reactor, "example.org"))
            .unwrap();
        assert_eq!(
            found.iter().map(|mx| mx.preference).collect::<Vec<_>>(),
            [10, 20, 30]
        );
        server.close();
    });
}

/// Of 1,000 draws, weights 1 and 9 come first about 100 and 900 times; 0 seldom, but sometimes.
#[test]
fn services_come_by_priority_and_weight() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let records = [
                "20 5 1 d.example.org.",
                "10 1 2 a.example.org.",
                "10 9 3 b.example.org.",
                "10 0 4 c.example.org.",
            ];
            let records = records.map(|srv| format!("{} 300 SRV {srv}", asked.name()));
            vec![answer(
                &asked.message,
                &records.each_ref().map(|text| &text[..]),
            )]
        });
        let dns = dns(&[FIRST]);
        let mut first = [0; 5];
        for _ in 0..1000 {
            let found = dns.lookup_srv(reactor, "_imap._tcp.example.org");
            let ports: Vec<_> = reactor
                .result_of(found)
                .unwrap()
                .iter()
                .map(|srv| srv.port)
                .collect();
            assert_eq!((ports.len(), ports[3]), (4, 1));
            first[usize::from(ports[0])] += 1;
        }
        assert!((40..200).contains(&first[2]), "{first:?}");
        assert!((700..950).contains(&first[3]), "{first:?}");
        assert!((10..250).contains(&first[4]), "{first:?}");
        server.close();
    });
}

#[test]
fn a_service_that_is_not_available_has_no_servers() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                &["_imap._tcp.example.org. 300 SRV 0 0 0 ."],
            )]
        });
        let found = dns(&[FIRST]).lookup_srv(reactor, "_imap._tcp.example.org");
        assert!(reactor.result_of(found).unwrap().is_empty());
        server.close();
    });
}

#[test]
fn nothing_found_has_its_kind() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![match &asked.name()[..] {
                "none.example.org." => nothing(&asked.message, ResponseCode::NXDomain, SOA),
                "empty.example.org." => nothing(&asked.message, ResponseCode::NoError, SOA),
                "refused.example.org." => refusal(&asked.message, ResponseCode::Refused),
                _ => refusal(&asked.message, ResponseCode::ServFail),
            }]
        });
        let dns = dns(&[FIRST]);
        for (of, expected) in [
            ("none.example.org", LookupErrorKind::NoSuchName),
            ("empty.example.org", LookupErrorKind::NoRecords),
            ("refused.example.org", LookupErrorKind::Refused),
            ("failed.example.org", LookupErrorKind::ServerFailed),
            ("a..example.org", LookupErrorKind::InvalidName),
        ] {
            let failure = reactor.result_of(dns.lookup_a(reactor, of)).unwrap_err();
            assert_eq!(kind(&failure), expected, "{of}");
        }
        server.close();
    });
}

#[test]
fn aliases_are_followed_in_one_answer_and_over_several() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                match &asked.name()[..] {
                    "www.example.org." => &[
                        "b.example.org. 300 CNAME c.example.org.",
                        "www.example.org. 300 CNAME b.example.org.",
                    ],
                    _ => &["c.example.org. 300 A 192.0.2.1"],
                },
            )]
        });
        let found = dns(&[FIRST]).lookup(reactor, "www.example.org", RecordType::A);
        let found = reactor.result_of(found).unwrap();
        assert_eq!((found.aliases.len(), found.records.len()), (2, 1));
        assert_eq!(
            server.questions(),
            ["www.example.org. A", "c.example.org. A"]
        );
        server.close();
    });
}

#[test]
fn aliases_without_end_are_an_error() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                match &asked.name()[..] {
                    // In one answer; over several.
                    "loop.example.org." => &["loop.example.org. 300 CNAME loop.example.org."],
                    "a.example.org." => &["a.example.org. 300 CNAME b.example.org."],
                    _ => &["b.example.org. 300 CNAME a.example.org."],
                },
            )]
        });
        let dns = dns(&[FIRST]);
        for of in ["loop.example.org", "a.example.org"] {
            let failure = reactor.result_of(dns.lookup_a(reactor, of)).unwrap_err();
            assert_eq!(kind(&failure), LookupErrorKind::TooManyAliases);
        }
        server.close();
    });
}

/// The letters' random case on the way is not seen: not in names, not in data that refers to them.
#[test]
fn the_case_of_the_caller_comes_back() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let asked_for = asked.message.queries[0].name();
            let data = RData::MX(MX::new(10, asked_for.clone()));
            let mut message = answer(&asked.message, &[]);
            message.add_answer(Record::from_rdata(asked_for.clone(), 300, data));
            vec![message]
        });
        let of = "Mail.Some-Long-Name.Example.org.";
        let found = dns(&[FIRST]).lookup(reactor, of, RecordType::MX);
        let found = reactor.result_of(found).unwrap();
        assert_eq!(found.records[0].name.to_string(), of);
        let data = found.records[0].data.to_string();
        assert_eq!(data, format!("10 {of}"));
        let asked = server.asked()[0].message.queries[0].name().to_string();
        assert_ne!(asked, of, "each of 25 letters has kept its case");
        server.close();
    });
}

#[test]
fn the_resolver_of_a_reactor_gives_both_families() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                match asked.record_type() {
                    RecordType::A => &["www.example.org. 300 A 192.0.2.1"],
                    _ => &["www.example.org. 300 AAAA 2001:db8::1"],
                },
            )]
        });
        reactor.set_resolver(dns(&[FIRST]));
        let found = reactor
            .result_of(reactor.resolve("www.example.org", 80))
            .unwrap();
        let expected = ["[2001:db8::1]:80", "192.0.2.1:80"].map(|text| text.parse().unwrap());
        assert_eq!(found, expected);
        server.close();
    });
}

#[test]
fn one_family_is_enough() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![match asked.record_type() {
                RecordType::A => answer(&asked.message, &["www.example.org. 300 A 192.0.2.1"]),
                _ => refusal(&asked.message, ResponseCode::ServFail),
            }]
        });
        reactor.set_resolver(dns(&[FIRST]));
        let found = reactor
            .result_of(reactor.resolve("www.example.org", 80))
            .unwrap();
        assert_eq!(found, ["192.0.2.1:80".parse().unwrap()]);
        server.close();
    });
}

#[test]
fn a_name_that_is_not_there_is_a_resolve_error() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![nothing(&asked.message, ResponseCode::NXDomain, SOA)]
        });
        reactor.set_resolver(dns(&[FIRST]));
        let failure = reactor
            .result_of(reactor.resolve("www.example.org", 80))
            .unwrap_err();
        assert_eq!(
            failure.downcast_ref::<ResolveError>().unwrap().host(),
            "www.example.org"
        );
        server.close();
    });
}

#[test]
fn hosts_come_before_dns() {
    testing::run(|reactor| {
        let hosts = Hosts::parse("192.0.2.7 www.example.org www # ours\nnonsense\n::1 www");
        reactor.set_resolver(Dns::new(config(&[FIRST]), hosts));
        let found = reactor.result_of(reactor.resolve("WWW", 80)).unwrap();
        assert_eq!(found.len(), 2);
        let found = reactor
            .result_of(reactor.resolve("a.localhost", 80))
            .unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    });
}

/// Two ports of one host are one question.
#[test]
fn equal_questions_are_asked_once() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| match asked.record_type() {
            RecordType::A => vec![answer(&asked.message, &["www.example.org. 0 A 192.0.2.1"])],
            _ => vec![nothing(&asked.message, ResponseCode::NoError, SOA)],
        });
        let dns = dns(&[FIRST]);
        reactor.set_resolver(dns);
        let asked = (0..100).map(|port| reactor.resolve("www.example.org", port));
        let found = reactor.result_of(deferred::gather_results(asked)).unwrap();
        assert_eq!(found[80], ["192.0.2.1:80".parse().unwrap()]);
        assert_eq!(
            server.questions(),
            ["www.example.org. AAAA", "www.example.org. A"]
        );
        server.close();
    });
}

#[test]
fn the_search_list_is_tried_in_order() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![nothing(&asked.message, ResponseCode::NXDomain, SOA)]
        });
        let config = config(&[FIRST])
            .search(["a.example", "b.example"])
            .max_cached(0);
        for (ndots, of, expected) in [
            (
                1,
                "www",
                &["www.a.example. A", "www.b.example. A", "www. A"][..],
            ),
            (
                1,
                "www.x",
                &["www.x. A", "www.x.a.example. A", "www.x.b.example. A"],
            ),
            (
                2,
                "www.x",
                &["www.x.a.example. A", "www.x.b.example. A", "www.x. A"],
            ),
            (1, "www.", &["www. A"]),
        ] {
            let dns = Dns::new(config.clone().ndots(ndots), Hosts::default());
            let failure = reactor.result_of(dns.lookup_a(reactor, of)).unwrap_err();
            assert_eq!(kind(&failure), LookupErrorKind::NoSuchName);
            assert_eq!(server.questions(), expected);
        }
        server.close();
    });
}

#[test]
fn the_search_goes_on_behind_refusals_and_failures() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![match &asked.name()[..] {
                "www.a.example." => refusal(&asked.message, ResponseCode::Refused),
                "www.b.example." => refusal(&asked.message, ResponseCode::ServFail),
                "www." => answer(&asked.message, &["www. 300 A 192.0.2.1"]),
                _ => nothing(&asked.message, ResponseCode::NXDomain, SOA),
            }]
        });
        let config = config(&[FIRST])
            .search(["a.example", "b.example"])
            .attempts(1);
        let dns = Dns::new(config, Hosts::default());
        let found = dns.lookup(reactor, "www", RecordType::A);
        assert_eq!(reactor.result_of(found).unwrap().name, name("www."));
        server.close();
    });
}

/// Sockets, times and what is on its way belong to a reactor.
#[test]
fn a_dns_of_two_reactors_keeps_them_apart() {
    let dns = Dns::new(config(&[FIRST]).use_tcp(true), Hosts::default());
    let (one, other) = (TestReactor::new(), TestReactor::new());
    let servers = [&one, &other].map(|reactor| {
        Server::new(reactor, FIRST, |asked| {
            let text = format!("{} 300 A 192.0.2.1", asked.name());
            vec![answer(&asked.message, &[&text])]
        })
    });
    one.advance(Duration::from_secs(1000));
    for reactor in [&one, &other, &one] {
        let waits = dns.lookup_a(reactor, "www.example.org");
        assert_eq!(dns.cached(), 0);
        reactor.result_of(waits).unwrap();
        assert_eq!(dns.cached(), 1);
        reactor
            .result_of(dns.lookup_a(reactor, "b.example.org"))
            .unwrap();
    }
    let asked = servers.each_ref().map(|server| server.asked().len());
    assert_eq!(asked, [4, 2]);
    servers.into_iter().for_each(Server::close);
    drop(dns);
    for reactor in [&one, &other] {
        reactor.settle();
        reactor.assert_clean();
    }
}

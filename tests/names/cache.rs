//! Answers are kept as long as they hold, and a bounded number of them.

use std::error::Error;
use std::time::Duration;

use reactor::{ResolveError, testing};
use reactor_names::hickory_proto::op::ResponseCode;
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{Dns, Hosts, LookupErrorKind};

use super::support::{FIRST, Server, answer, config, dns, kind, nothing};

#[test]
fn the_ttl_is_counted_down() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                &["www.example.org. 300 A 192.0.2.1"],
            )]
        });
        let dns = dns(&[FIRST]);
        let ttl = || {
            let found = dns.lookup(reactor, "www.example.org", RecordType::A);
            reactor.result_of(found).unwrap().records[0].ttl
        };
        assert_eq!(ttl(), 300);
        reactor.advance(Duration::from_secs(299));
        assert_eq!((ttl(), server.asked().len()), (1, 1));
        reactor.advance(Duration::from_secs(1));
        assert_eq!((ttl(), server.asked().len()), (300, 1));
        dns.clear_cache();
        assert_eq!((ttl(), server.asked().len()), (300, 1));
        server.close();
    });
}

#[test]
fn the_shortest_ttl_of_the_way_counts() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![answer(
                &asked.message,
                &[
                    "www.example.org. 10 CNAME a.example.org.",
                    "a.example.org. 300 A 192.0.2.1",
                ],
            )]
        });
        let dns = dns(&[FIRST]);
        reactor
            .result_of(dns.lookup_a(reactor, "www.example.org"))
            .unwrap();
        reactor.advance(Duration::from_secs(10));
        reactor
            .result_of(dns.lookup_a(reactor, "www.example.org"))
            .unwrap();
        assert_eq!(server.asked().len(), 2);
        server.close();
    });
}

#[test]
fn ttls_of_zero_and_above_31_bits_are_not_kept() {
    for ttl in ["0", "2147483648", "4294967295"] {
        testing::run(|reactor| {
            let text = format!("www.example.org. {ttl} A 192.0.2.1");
            let server = Server::new(reactor, FIRST, move |asked| {
                vec![answer(&asked.message, &[&text])]
            });
            let dns = dns(&[FIRST]);
            reactor
                .result_of(dns.lookup_a(reactor, "www.example.org"))
                .unwrap();
            assert_eq!(dns.cached(), 0);
            server.close();
        });
    }
}

/// The shorter one of the SOA's TTL and its minimum.
#[test]
fn that_there_is_nothing_is_kept_as_the_soa_says() {
    for (ttl, minimum, code) in [
        (300, 60, ResponseCode::NXDomain),
        (60, 300, ResponseCode::NXDomain),
        (300, 60, ResponseCode::NoError),
    ] {
        testing::run(|reactor| {
            let soa = format!("example.org. {ttl} SOA a. b. 1 2 3 4 {minimum}");
            let server = Server::new(reactor, FIRST, move |asked| {
                vec![nothing(&asked.message, code, &soa)]
            });
            let dns = dns(&[FIRST]);
            for (wait, asked) in [(0, 1), (59, 0), (1, 1)] {
                reactor.advance(Duration::from_secs(wait));
                let failure = reactor.result_of(dns.lookup_a(reactor, "www.example.org"));
                let expected = match code {
                    ResponseCode::NXDomain => LookupErrorKind::NoSuchName,
                    _ => LookupErrorKind::NoRecords,
                };
                assert_eq!(kind(&failure.unwrap_err()), expected);
                assert_eq!(server.asked().len(), asked);
            }
            server.close();
        });
    }
}

/// The SOA of another zone says nothing about this name.
#[test]
fn nothing_is_not_kept_without_a_soa_of_its_zone() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let soa = "example.com. 300 SOA a. b. 1 2 3 4 300";
            vec![nothing(&asked.message, ResponseCode::NXDomain, soa)]
        });
        let dns = dns(&[FIRST]);
        reactor
            .result_of(dns.lookup_a(reactor, "www.example.org"))
            .unwrap_err();
        assert_eq!(dns.cached(), 0);
        server.close();
    });
}

/// When the cache is full, the answer that ends first goes.
#[test]
fn the_cache_is_bounded() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let ttl = if asked.name().starts_with('0') {
                1
            } else {
                300
            };
            let text = format!("{} {ttl} A 192.0.2.1", asked.name());
            vec![answer(&asked.message, &[&text])]
        });
        let dns = Dns::new(config(&[FIRST]).max_cached(10), Hosts::default());
        for number in [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10] {
            let found = dns.lookup_a(reactor, &format!("{number}.example.org"));
            reactor.result_of(found).unwrap();
        }
        assert_eq!((dns.cached(), server.asked().len()), (10, 11));
        reactor
            .result_of(dns.lookup_a(reactor, "1.example.org"))
            .unwrap();
        assert_eq!(server.asked().len(), 0);
        reactor
            .result_of(dns.lookup_a(reactor, "0.example.org"))
            .unwrap();
        assert_eq!(server.asked().len(), 1);
        for number in 0..1000 {
            let found = dns.lookup_a(reactor, &format!("{number}.example.com"));
            reactor.result_of(found).unwrap();
        }
        assert_eq!(dns.cached(), 10);
        server.close();
    });
}

/// A day for records, three hours for none, whatever the server says.
#[test]
fn no_answer_is_kept_for_longer() {
    for (has_records, seconds) in [(true, 86_400), (false, 10_800)] {
        testing::run(|reactor| {
            let server = Server::new(reactor, FIRST, move |asked| {
                vec![match has_records {
                    true => answer(&asked.message, &["www.example.org. 604800 A 192.0.2.1"]),
                    false => {
                        let soa = "example.org. 604800 SOA a. b. 1 2 3 4 604800";
                        nothing(&asked.message, ResponseCode::NXDomain, soa)
                    }
                }]
            });
            let dns = dns(&[FIRST]);
            for (wait, asked) in [(0, 1), (seconds - 1, 0), (1, 1)] {
                reactor.advance(Duration::from_secs(wait));
                let found = reactor.result_of(dns.lookup_a(reactor, "www.example.org"));
                assert_eq!(found.is_ok(), has_records);
                assert_eq!(server.asked().len(), asked);
            }
            server.close();
        });
    }
}

/// What comes from the cache is in the case of the one that asks now.
#[test]
fn names_are_found_in_any_case() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let records: &[_] = match &asked.name()[..] {
                "www.example.org." => &[
                    "www.example.org. 300 CNAME a.example.org.",
                    "a.example.org. 300 A 192.0.2.1",
                ],
                _ => &["a.example.org. 300 A 192.0.2.1"],
            };
            vec![answer(&asked.message, records)]
        });
        let dns = dns(&[FIRST]);
        let names = |of: &str| {
            let found = reactor.result_of(dns.lookup(reactor, of, RecordType::A));
            let found = found.unwrap();
            let records = found.aliases.iter().chain(&found.records);
            let owners: Vec<_> = records.map(|record| record.name.to_string()).collect();
            assert_eq!(found.name.to_string(), of);
            owners
        };
        names("www.example.org.");
        names("a.example.org.");
        assert_eq!(server.asked().len(), 2);
        assert_eq!(
            names("WWW.example.ORG."),
            ["WWW.example.ORG.", "a.example.org."]
        );
        assert_eq!(names("A.example.org."), ["A.example.org."]);
        assert_eq!((server.asked().len(), dns.cached()), (0, 2));
        server.close();
    });
}

/// As bytes, these types are a letter in both cases.
#[test]
fn types_are_kept_apart() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let soa = "example.org. 300 SOA a. b. 1 2 3 4 300";
            vec![nothing(&asked.message, ResponseCode::NoError, soa)]
        });
        let dns = dns(&[FIRST]);
        for record_type in [b'A', b'a'] {
            let found = dns.lookup(reactor, "example.org", u16::from(record_type).into());
            reactor.result_of(found).unwrap_err();
        }
        assert_eq!((server.asked().len(), dns.cached()), (2, 2));
        server.close();
    });
}

#[test]
fn cached_addresses_need_no_question() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            vec![match asked.record_type() {
                RecordType::A => answer(&asked.message, &["www.example.org. 300 A 192.0.2.1"]),
                _ => {
                    let soa = "example.org. 60 SOA a. b. 1 2 3 4 60";
                    nothing(&asked.message, ResponseCode::NoError, soa)
                }
            }]
        });
        reactor.set_resolver(dns(&[FIRST]));
        // That there are none of a family holds for less long.
        for (wait, asked) in [
            (0, &["www.example.org. AAAA", "www.example.org. A"][..]),
            (59, &[]),
            (1, &["www.example.org. AAAA"]),
            (0, &[]),
        ] {
            reactor.advance(Duration::from_secs(wait));
            let found = reactor.result_of(reactor.resolve("www.example.org", 80));
            assert_eq!(found.unwrap(), ["192.0.2.1:80".parse().unwrap()]);
            assert_eq!(server.questions(), asked);
        }
        server.close();
    });
}

/// Of a name without addresses, the failure is cached, and says so each time.
#[test]
fn cached_failures_of_both_families_are_failures() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let soa = "example.org. 60 SOA a. b. 1 2 3 4 60";
            vec![nothing(&asked.message, ResponseCode::NXDomain, soa)]
        });
        reactor.set_resolver(dns(&[FIRST]));
        for asked in [2, 0] {
            let failure = reactor.result_of(reactor.resolve("www.example.org", 80));
            let failure = failure.unwrap_err();
            let error = failure.downcast_ref::<ResolveError>().unwrap();
            // The look-up's own.
            let source = error.source().map(ToString::to_string);
            assert!(source.is_some_and(|text| text.contains("www.example.org")));
            assert_eq!(server.asked().len(), asked);
        }
        server.close();
    });
}

/// The answer for the name is only an alias, whose target has an answer of its own.
#[test]
fn the_target_of_a_cached_alias_is_asked_for() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            let records: &[_] = match (&asked.name()[..], asked.record_type()) {
                ("www.example.org.", _) => &["www.example.org. 300 CNAME a.example.org."],
                (_, RecordType::A) => &["a.example.org. 10 A 192.0.2.1"],
                _ => &["a.example.org. 300 AAAA 2001:db8::1"],
            };
            vec![answer(&asked.message, records)]
        });
        reactor.set_resolver(dns(&[FIRST]));
        for (wait, asked) in [(0, 4), (9, 0), (1, 1)] {
            reactor.advance(Duration::from_secs(wait));
            let found = reactor.result_of(reactor.resolve("www.example.org", 80));
            assert_eq!(found.unwrap().len(), 2);
            assert_eq!(server.asked().len(), asked);
        }
        server.close();
    });
}

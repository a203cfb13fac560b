//! Answers of a zone, by RFC 1034 and 4592.

use reactor_names::hickory_proto::op::{Message, ResponseCode};
use reactor_names::hickory_proto::rr::rdata::SOA;
use reactor_names::hickory_proto::rr::{Name, RData, Record, RecordType};
use reactor_names::{Zone, ZoneError};

use super::{TEXT, question, zone};
use crate::support::{name, record};

fn ask(name: &str, record_type: RecordType) -> Message {
    let query = question(&format!("{name}.example.org."), record_type);
    let mut response = Message::response(1, query.metadata.op_code);
    response.queries = query.queries;
    zone().answer_into(&mut response);
    response
}

/// Owner and type of each record.
fn short(records: &[Record]) -> Vec<String> {
    let short = |record: &Record| {
        let owner = record.name.to_string();
        let owner = owner.strip_suffix(".example.org.").unwrap_or("@");
        format!("{owner} {}", record.record_type())
    };
    records.iter().map(short).collect()
}

#[track_caller]
fn assert_answers(name: &str, record_type: RecordType, expected: &[&str]) {
    let response = ask(name, record_type);
    assert_eq!(response.metadata.response_code, ResponseCode::NoError);
    assert!(response.metadata.authoritative);
    assert_eq!(short(&response.answers), expected);
}

/// No records, and an SOA record whose TTL is the zone's minimum.
#[track_caller]
fn assert_nothing(name: &str, record_type: RecordType, code: ResponseCode) {
    let response = ask(name, record_type);
    assert_eq!(response.metadata.response_code, code);
    assert!(response.metadata.authoritative && response.answers.is_empty());
    assert_eq!(short(&response.authorities), ["@ SOA"]);
    assert_eq!(response.authorities[0].ttl, 60);
}

#[test]
fn exact_names() {
    assert_answers("web", RecordType::A, &["web A"]);
    assert_answers("WEB", RecordType::TXT, &["WEB TXT"]);
    assert_answers("web", RecordType::ANY, &["web A", "web TXT"]);
    assert_answers("www", RecordType::CNAME, &["www CNAME"]);
}

#[test]
fn addresses_come_with_the_hosts_that_need_them() {
    let response = ask("_sip._tcp", RecordType::SRV);
    assert_eq!(short(&response.additionals), ["mail A", "mail AAAA"]);
    let response = ask("a.wild", RecordType::MX);
    assert_eq!(short(&response.additionals), ["mail A", "mail AAAA"]);
}

#[test]
fn what_is_not_there_comes_with_the_soa() {
    assert_nothing("web", RecordType::AAAA, ResponseCode::NoError);
    assert_nothing("none", RecordType::A, ResponseCode::NXDomain);
    assert_nothing("a.web", RecordType::A, ResponseCode::NXDomain);
    assert_nothing("none.deep", RecordType::A, ResponseCode::NXDomain);
}

#[test]
fn a_soa_with_a_shorter_ttl_keeps_it() {
    let zone = Zone::parse("@ 5 IN SOA ns h 1 2 3 4 60\n", "example.org.").unwrap();
    let mut response = Message::response(1, question("x.", RecordType::A).metadata.op_code);
    response.queries = question("x.example.org.", RecordType::A).queries;
    zone.answer_into(&mut response);
    assert_eq!(response.authorities[0].ttl, 5);
}

#[test]
fn names_between_others_exist() {
    for name in ["deep", "b.deep", "_tcp", "alias", "y.wild"] {
        assert_nothing(name, RecordType::A, ResponseCode::NoError);
    }
}

#[test]
fn wildcards_stand_for_what_does_not_exist() {
    assert_answers("a.wild", RecordType::A, &["a.wild A"]);
    assert_answers("a.b.c.wild", RecordType::A, &["a.b.c.wild A"]);
    assert_answers("*.wild", RecordType::A, &["*.wild A"]);
    assert_answers("q.alias", RecordType::A, &["q.alias CNAME", "web A"]);
    assert_nothing("a.wild", RecordType::TXT, ResponseCode::NoError);
    // They do not for names that exist, nor below these.
    assert_nothing("wild", RecordType::A, ResponseCode::NoError);
    assert_nothing("there.wild", RecordType::A, ResponseCode::NoError);
    assert_nothing("a.there.wild", RecordType::A, ResponseCode::NXDomain);
    assert_nothing("z.y.wild", RecordType::A, ResponseCode::NXDomain);
}

#[test]
fn aliases_are_followed_inside_of_the_zone() {
    assert_answers("www", RecordType::A, &["www CNAME", "web A"]);
    let chain = ["first CNAME", "second CNAME", "www CNAME", "web TXT"];
    assert_answers("first", RecordType::TXT, &chain);
    assert_answers("away", RecordType::A, &["away CNAME"]);
}

#[test]
fn aliases_in_a_circle_end() {
    assert_answers("self", RecordType::A, &["self CNAME"]);
    let circle = ["loop-a CNAME", "loop-b CNAME"];
    assert_answers("loop-a", RecordType::A, &circle);
}

#[test]
fn long_chains_of_aliases_end() {
    let mut text = TEXT.to_owned();
    for i in 0..50 {
        text += &format!("c{i} IN CNAME c{}\n", i + 1);
    }
    let zone = Zone::parse(&text, "example.org.").unwrap();
    let mut response = question("c0.example.org.", RecordType::A).into_response();
    zone.answer_into(&mut response);
    assert_eq!(response.answers.len(), 16);
}

#[test]
fn an_alias_to_nothing_says_so() {
    let response = ask("broken", RecordType::A);
    assert_eq!(response.metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(short(&response.answers), ["broken CNAME"]);
    assert_eq!(short(&response.authorities), ["@ SOA"]);
}

#[test]
fn delegations_come_with_glue_and_without_authority() {
    for name in ["sub", "host.sub", "secret.sub", "ns.sub"] {
        let response = ask(name, RecordType::A);
        assert!(!response.metadata.authoritative && response.answers.is_empty());
        assert_eq!(short(&response.authorities), ["sub NS", "sub NS"]);
        let glue = ["ns.sub A", "ns.sub AAAA", "ns1 A"];
        assert_eq!(short(&response.additionals), glue);
    }
    // The DS record of a delegation belongs to this side.
    assert_nothing("sub", RecordType::DS, ResponseCode::NoError);
    let behind_alias = ask("into-sub", RecordType::A);
    assert!(behind_alias.metadata.authoritative);
    assert_eq!(short(&behind_alias.answers), ["into-sub CNAME"]);
    assert_eq!(short(&behind_alias.authorities), ["sub NS", "sub NS"]);
}

#[test]
fn faulty_zones_are_refused() {
    let parse = |text: &str| Zone::parse(text, "example.org.").unwrap_err();
    assert!(matches!(parse("a 1 IN A 1.2.3.4\n"), ZoneError::NoSoa(_)));
    let soa = |serial: u32| {
        let data = SOA::new(Name::root(), Name::root(), serial, 1, 1, 1, 1);
        Record::from_rdata(Name::root(), 1, RData::SOA(data))
    };
    let several = Zone::from_records(Name::root(), [soa(1), soa(2)]);
    assert!(matches!(several, Err(ZoneError::SeveralSoas(_))));
    assert!(Zone::from_records(Name::root(), [soa(1), soa(1)]).is_ok());
    assert!(matches!(parse("what is this\n"), ZoneError::Syntax(_)));
    let outside = format!("{TEXT}a.test. IN A 192.0.2.9\n");
    assert!(matches!(parse(&outside), ZoneError::Outside(_)));
    let beside = format!("{TEXT}www IN TXT \"data\"\n");
    assert!(matches!(parse(&beside), ZoneError::AliasBesideData(_)));
    let origin = Zone::parse(TEXT, "a..b").unwrap_err();
    assert!(matches!(origin, ZoneError::Origin(_)));
}

#[test]
fn a_record_that_is_given_twice_is_one() {
    let soa = "example.org. 60 SOA ns.example.org. h.example.org. 1 2 3 4 60";
    let texts = [
        "host.example.org. 60 A 192.0.2.1",
        soa,
        "host.example.org. 60 A 192.0.2.2",
        "HOST.example.org. 60 A 192.0.2.1",
    ];
    let zone = Zone::from_records(name("example.org."), texts.map(record)).unwrap();
    assert_eq!(zone.records(), [texts[1], texts[0], texts[2]].map(record));
}

#[test]
fn records_whose_names_have_no_final_dot_are_of_the_zone() {
    let texts = [
        "example.org 60 SOA ns.example.org. h.example.org. 1 2 3 4 60",
        "host.example.org 60 A 192.0.2.1",
        "host.example.org. 60 A 192.0.2.2",
    ];
    let zone = Zone::from_records(name("example.org"), texts.map(record)).unwrap();
    let mut response = question("host.example.org.", RecordType::A).into_response();
    zone.answer_into(&mut response);
    assert_eq!(short(&response.answers), ["host A", "host A"]);
}

//! NOTIFY, and copies of a zone that are kept up to date, on the virtual clock.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use deferred::Deferred;
use reactor::ReactorHandle;
use reactor::testing::{self, TestReactor};
use reactor_names::hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{
    Answers, DnsPort, DnsRequest, DnsServer, Secondary, TransferError, Zone, ZoneFile, notify,
    transfer_zone,
};
use tests::Directory;

use super::{decoded, encoded, question, zone};
use crate::support::name;

const PRIMARY: &str = "192.0.2.1:53";
const SECONDARY: &str = "198.51.100.1:53";

fn version(serial: u32) -> Zone {
    let text = format!("@ 60 IN SOA ns h {serial} 100 10 1000 60\nhost 60 IN TXT \"{serial}\"\n");
    Zone::parse(&text, "example.org.").unwrap()
}

/// Serves the version that a test has put there, to all; counts the questions.
#[derive(Clone, Default)]
struct Versions(Rc<RefCell<(Option<Zone>, Vec<RecordType>)>>);

impl Versions {
    fn publish(&self, serial: u32) {
        self.0.borrow_mut().0 = Some(version(serial));
    }

    fn withdraw(&self) {
        self.0.borrow_mut().0 = None;
    }

    /// What was asked for since the last call.
    fn asked(&self) -> Vec<RecordType> {
        std::mem::take(&mut self.0.borrow_mut().1)
    }

    fn zone(&self, request: &DnsRequest) -> Option<Zone> {
        let mut shared = self.0.borrow_mut();
        shared.1.push(request.question().query_type());
        shared.0.clone()
    }
}

impl Answers for Versions {
    fn answer(
        &self,
        _: &ReactorHandle,
        request: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        match self.zone(request) {
            Some(zone) => zone.answer_into(&mut response),
            None => response.metadata.response_code = ResponseCode::ServFail,
        }
        deferred::succeed(response)
    }

    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        self.zone(request)
    }
}

/// The version that a server has, or its refusal.
fn served(reactor: &TestReactor, address: &str) -> Result<String, ResponseCode> {
    let client = reactor.datagram_peer("203.0.113.1:1000");
    let query = question("host.example.org.", RecordType::TXT);
    client.send_to(encoded(&query), address.parse().unwrap());
    let response = decoded(&client.received()[0].0);
    match response.answers.first() {
        Some(record) => Ok(record.data.to_string().trim_matches('"').to_owned()),
        None => Err(response.response_code),
    }
}

struct Pair<'a> {
    reactor: &'a TestReactor,
    primary: Versions,
    secondary: Secondary,
    ports: [DnsPort; 2],
}

impl<'a> Pair<'a> {
    fn start(reactor: &'a TestReactor, serial: Option<u32>) -> Self {
        let primary = Versions::default();
        if let Some(serial) = serial {
            primary.publish(serial);
        }
        let first = DnsServer::new(primary.clone())
            .listen(reactor, PRIMARY)
            .unwrap();
        let secondary = Secondary::start(reactor, name("example.org."), [first.address()]);
        let second = DnsServer::new(secondary.clone())
            .listen(reactor, SECONDARY)
            .unwrap();
        reactor.settle();
        Self {
            reactor,
            primary,
            secondary,
            ports: [first, second],
        }
    }

    fn served(&self) -> Result<String, ResponseCode> {
        served(self.reactor, SECONDARY)
    }

    fn advance(&self, seconds: u64) {
        self.reactor.advance(Duration::from_secs(seconds));
    }

    fn end(self) {
        drop(self.secondary);
        for port in self.ports {
            self.reactor.result_of(port.stop_listening()).unwrap();
        }
        // Connections of transfers.
        self.reactor.advance(Duration::from_secs(10));
    }
}

#[test]
fn a_copy_is_fetched_and_refreshed_by_its_soa() {
    testing::run(|reactor| {
        let pair = Pair::start(reactor, Some(1));
        assert_eq!(pair.served(), Ok("1".to_owned()));
        assert_eq!(pair.primary.asked(), [RecordType::AXFR]);
        // Nothing new: no transfer.
        pair.advance(99);
        assert_eq!(pair.primary.asked(), []);
        pair.advance(1);
        assert_eq!(pair.primary.asked(), [RecordType::SOA]);
        pair.primary.publish(2);
        pair.advance(100);
        assert_eq!(pair.primary.asked(), [RecordType::SOA, RecordType::AXFR]);
        assert_eq!(pair.served(), Ok("2".to_owned()));
        // Older, and older in the arithmetic of serials.
        pair.primary.publish(1);
        pair.advance(100);
        pair.primary.publish(0xffff_fff0);
        pair.advance(100);
        assert_eq!(pair.served(), Ok("2".to_owned()));
        pair.end();
    });
}

#[test]
fn a_primary_that_fails_is_asked_again_until_the_copy_expires() {
    testing::run(|reactor| {
        let pair = Pair::start(reactor, Some(1));
        pair.primary.withdraw();
        pair.advance(100);
        let first = pair.primary.asked().len();
        assert!(first >= 2);
        pair.advance(9);
        assert_eq!(pair.primary.asked(), []);
        pair.advance(1);
        assert_ne!(pair.primary.asked(), []);
        pair.advance(880);
        assert_eq!(pair.served(), Ok("1".to_owned()));
        pair.advance(20);
        assert_eq!(pair.served(), Err(ResponseCode::ServFail));
        assert_eq!(pair.secondary.zone().map(|zone| zone.serial()), None);
        // An older version is a new one then.
        pair.primary.publish(0);
        pair.advance(60);
        assert_eq!(pair.served(), Ok("0".to_owned()));
        pair.end();
    });
}

#[test]
fn without_a_copy_the_primaries_are_asked_less_and_less() {
    testing::run(|reactor| {
        let pair = Pair::start(reactor, None);
        assert_eq!(pair.served(), Err(ResponseCode::ServFail));
        let mut asked = vec![pair.primary.asked().len()];
        for _ in 0..200 {
            pair.advance(1);
            asked.push(pair.primary.asked().len());
        }
        let times: Vec<_> = (0..=200).filter(|second| asked[*second] > 0).collect();
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        pair.primary.publish(1);
        pair.advance(60);
        assert_eq!(pair.served(), Ok("1".to_owned()));
        pair.end();
    });
}

#[test]
fn the_next_primary_is_asked_if_one_fails() {
    testing::run(|reactor| {
        let versions = Versions::default();
        versions.publish(3);
        let port = DnsServer::new(versions).listen(reactor, PRIMARY).unwrap();
        let primaries = ["192.0.2.99:53", PRIMARY].map(|address| address.parse().unwrap());
        let secondary = Secondary::start(reactor, name("example.org."), primaries);
        reactor.settle();
        assert_eq!(secondary.zone().unwrap().serial(), 3);
        drop(secondary);
        reactor.result_of(port.stop_listening()).unwrap();
        reactor.advance(Duration::from_secs(10));
    });
}

fn notification(serial: u32) -> Message {
    let mut message = question("example.org.", RecordType::SOA);
    message.metadata.op_code = OpCode::Notify;
    message.add_answer(version(serial).soa().clone());
    message
}

#[test]
fn a_notification_of_the_primary_has_the_zone_fetched() {
    testing::run(|reactor| {
        let pair = Pair::start(reactor, Some(1));
        pair.primary.publish(2);
        let told = notify(reactor, &version(2), SECONDARY.parse().unwrap());
        // From the address of this reactor, which is none of the primary's.
        let failure = reactor.result_of(told).unwrap_err();
        let error = failure.downcast_ref::<TransferError>();
        assert!(matches!(
            error,
            Some(TransferError::Refused(ResponseCode::Refused))
        ));
        assert_eq!(pair.served(), Ok("1".to_owned()));

        let primary = reactor.datagram_peer("192.0.2.1:5353");
        pair.advance(1);
        primary.send_to(encoded(&notification(2)), SECONDARY.parse().unwrap());
        let response = decoded(&primary.received()[0].0);
        assert_eq!(response.message_type, MessageType::Response);
        assert_eq!(response.op_code, OpCode::Notify);
        assert_eq!(response.response_code, ResponseCode::NoError);
        assert!(response.authoritative);
        assert_eq!(pair.served(), Ok("2".to_owned()));
        pair.end();
    });
}

/// Forged notifications, as many as there are.
#[test]
fn a_flood_of_notifications_asks_once_a_second() {
    testing::run(|reactor| {
        let pair = Pair::start(reactor, Some(1));
        pair.primary.asked();
        let primary = reactor.datagram_peer("192.0.2.1:5353");
        for _ in 0..10 {
            for _ in 0..50 {
                primary.send_to(encoded(&notification(9)), SECONDARY.parse().unwrap());
            }
            reactor.advance(Duration::from_millis(100));
        }
        let asked = pair.primary.asked().len();
        assert!(asked <= 3, "{asked}");
        pair.end();
    });
}

#[test]
fn notifications_that_are_none_are_refused() {
    testing::run(|reactor| {
        let port = DnsServer::new(zone()).listen(reactor, PRIMARY).unwrap();
        let client = reactor.datagram_peer("192.0.2.9:1000");
        let code = |message: &Message| {
            client.send_to(encoded(message), port.address());
            decoded(&client.received()[0].0).response_code
        };
        assert_eq!(code(&notification(2)), ResponseCode::Refused);
        let mut other = notification(2);
        other.queries[0].set_query_type(RecordType::A);
        assert_eq!(code(&other), ResponseCode::FormErr);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_dropped_secondary_ends_what_is_under_way() {
    testing::run(|reactor| {
        // While it connects.
        let silent = "192.0.2.77:53".parse().unwrap();
        reactor.do_not_answer(silent);
        drop(Secondary::start(reactor, name("example.org."), [silent]));
        let secondary = Secondary::start(reactor, name("example.org."), [silent]);
        reactor.settle();
        drop(secondary);
    });
}

#[test]
fn a_silent_secondary_is_told_several_times() {
    testing::run(|reactor| {
        let secondary = reactor.datagram_peer(SECONDARY);
        let mut told = Some(notify(reactor, &version(5), secondary.address()));
        let mut times = Vec::new();
        for second in 0..=91 {
            for (bytes, _) in secondary.received() {
                let message = decoded(&bytes);
                assert_eq!(message.op_code, OpCode::Notify);
                assert_eq!(message.answers, [version(5).soa().clone()]);
                times.push(second);
            }
            reactor.advance(Duration::from_secs(1));
            told = told.map(|told| match told.into_result() {
                Ok(result) => panic!("{second}: {result:?}"),
                Err(told) => told,
            });
        }
        assert_eq!(times, [0, 3, 9, 21, 45]);
        reactor.advance(Duration::from_secs(2));
        let failure = told.unwrap().into_result().unwrap().unwrap_err();
        let error = failure.downcast_ref::<TransferError>();
        assert!(matches!(error, Some(TransferError::Unanswered)));
    });
}

#[test]
fn an_answer_ends_a_notification() {
    testing::run(|reactor| {
        let secondary = reactor.datagram_peer(SECONDARY);
        for code in [ResponseCode::NoError, ResponseCode::NotAuth] {
            let told = notify(reactor, &version(5), secondary.address());
            let (bytes, from) = secondary.received().remove(0);
            let message = decoded(&bytes);
            // Of another question.
            let mut response = Message::response(message.id.wrapping_add(1), OpCode::Notify);
            secondary.send_to(encoded(&response), from);
            response.metadata.id = message.id;
            response.metadata.response_code = code;
            secondary.send_to(b"garbage", from);
            reactor.settle();
            let told = told.into_result().unwrap_err();
            secondary.send_to(encoded(&response), from);
            let result = reactor.result_of(told);
            assert_eq!(result.is_ok(), code == ResponseCode::NoError);
            reactor.advance(Duration::from_secs(60));
            assert!(secondary.received().is_empty());
        }
        let told = notify(reactor, &version(5), secondary.address());
        told.cancel();
        told.ignore();
    });
}

/// A primary from a file: secondaries may transfer it, and are told of a new version.
#[test]
fn the_secondaries_of_a_zone_file_are_told_when_it_is_read_again() {
    let folder = Directory::new("primary");
    let path = folder.path("zone");
    let text = |serial: u32| {
        format!("@ 60 IN SOA ns h {serial} 7200 10 86400 60\nhost 60 IN TXT \"{serial}\"\n")
    };
    fs::write(&path, text(1)).unwrap();
    testing::run(|reactor| {
        let file = ZoneFile::open(&path, "example.org.").unwrap();
        let secondary = SECONDARY.parse().unwrap();
        let networks = ["203.0.113.0/24".parse().unwrap()];
        let file = Rc::new(file.with_secondaries([secondary]).allow_transfer(networks));
        let primary = DnsServer::new(Rc::clone(&file))
            .listen(reactor, PRIMARY)
            .unwrap();
        // This reactor's connections come from elsewhere.
        let copied = transfer_zone(reactor, primary.address(), &name("example.org."));
        assert!(reactor.result_of(copied).is_err());
        let request = |client: &str| {
            let client = reactor::Address::Inet(client.parse().unwrap());
            let question = question("example.org.", RecordType::AXFR);
            DnsRequest::new(question, client).unwrap().over_tcp()
        };
        assert!(file.transfer(&request("198.51.100.1:999")).is_some());
        assert!(file.transfer(&request("203.0.113.7:999")).is_some());
        assert!(file.transfer(&request("203.0.114.7:999")).is_none());

        let told = reactor.datagram_peer(secondary);
        fs::write(&path, text(2)).unwrap();
        file.reload().unwrap();
        let all = file.notify_secondaries(reactor);
        let (bytes, from) = told.received().remove(0);
        let message = decoded(&bytes);
        assert_eq!(message.answers[0], *file.zone().soa());
        told.send_to(
            encoded(&Message::response(message.id, OpCode::Notify)),
            from,
        );
        let results = reactor.result_of(all).unwrap();
        assert!(results.iter().all(Result::is_ok) && results.len() == 1);
        reactor.result_of(primary.stop_listening()).unwrap();
        reactor.advance(Duration::from_secs(10));
    });
}

#[test]
fn a_zone_whose_name_is_given_without_the_final_dot_is_fetched_and_refreshed() {
    testing::run(|reactor| {
        let versions = Versions::default();
        versions.publish(1);
        let primary = DnsServer::new(versions.clone())
            .listen(reactor, PRIMARY)
            .unwrap();
        let secondary = Secondary::start(reactor, name("example.org"), [primary.address()]);
        reactor.settle();
        assert_eq!(secondary.zone().map(|zone| zone.serial()), Some(1));
        versions.publish(2);
        reactor.advance(Duration::from_secs(100));
        assert_eq!(secondary.zone().map(|zone| zone.serial()), Some(2));
        drop(secondary);
        reactor.result_of(primary.stop_listening()).unwrap();
        reactor.advance(Duration::from_secs(10));
    });
}

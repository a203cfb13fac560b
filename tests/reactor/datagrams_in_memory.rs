//! UDP of a test reactor: addresses, refusals, limits, and what a test does with datagrams.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Result, Trigger};
use reactor::testing::{self, Delivery, TestReactor};
use reactor::{
    DatagramContext, DatagramError, DatagramPortClosed, DatagramProtocol, ListenError, UdpOptions,
};

use crate::support::Quiet;

/// Notes all that happens to its port.
#[derive(Clone, Default)]
struct Recorder(Rc<RefCell<Vec<String>>>);

impl Recorder {
    fn note(&self, text: impl Into<String>) {
        self.0.borrow_mut().push(text.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

impl DatagramProtocol for Recorder {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        self.note(format!("{} from {from}", String::from_utf8_lossy(data)));
        Ok(())
    }

    fn connection_refused(&mut self, _: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.note("refused");
        Ok(())
    }

    fn datagram_failed(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        error: DatagramError,
    ) -> Result<()> {
        self.note(error.to_string());
        Ok(())
    }

    fn stop_protocol(&mut self, _: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
        self.note(reason.to_string());
    }
}

const SERVER: &str = "192.0.2.1:53";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn server() -> SocketAddr {
    SERVER.parse().unwrap()
}

#[test]
fn ports_meet_by_their_addresses() {
    testing::run(|reactor| {
        let (one, other) = (Recorder::default(), Recorder::default());
        let at_one = reactor.listen_udp(SERVER, one.clone()).unwrap();
        let anywhere = reactor.listen_udp("0.0.0.0:0", other.clone()).unwrap();
        assert_eq!(at_one.address(), server());
        let chosen = anywhere.address();
        assert!(chosen.port() >= 49152, "{chosen}");

        anywhere.send_to("hello", server()).unwrap();
        assert!(one.take().is_empty(), "from the loop only");
        reactor.settle();
        // A port on all addresses is seen on the one that it talks to.
        let seen = SocketAddr::new(server().ip(), chosen.port());
        assert_eq!(one.take(), [format!("hello from {seen}")]);
        at_one.send_to("", seen).unwrap();
        at_one.send_to("and more", seen).unwrap();
        reactor.settle();
        let expected = [format!(" from {SERVER}"), format!("and more from {SERVER}")];
        assert_eq!(other.take(), expected);

        reactor.shut_down();
        assert_eq!(one.take(), ["the reactor was stopped"]);
    });
}

#[test]
fn an_address_is_taken_until_its_port_is_closed() {
    testing::run(|reactor| {
        let port = reactor.listen_udp(SERVER, Recorder::default()).unwrap();
        for address in [SERVER, "0.0.0.0:53"] {
            let taken: ListenError = reactor
                .listen_udp(address, Recorder::default())
                .unwrap_err();
            assert!(taken.to_string().contains(address), "{taken}");
        }
        // UDP and TCP have numbers of their own, and so have IPv4 and IPv6.
        let six = reactor.listen_udp("[::]:53", Recorder::default()).unwrap();
        let tcp = reactor.listen_tcp(SERVER, || Quiet).unwrap();
        reactor.result_of(port.stop_listening()).unwrap();
        let again = reactor.listen_udp(SERVER, Recorder::default()).unwrap();
        for port in [again, six] {
            reactor.result_of(port.stop_listening()).unwrap();
        }
        reactor.result_of(tcp.stop_listening()).unwrap();
    });
}

#[test]
fn ports_share_an_address_if_both_say_so() {
    testing::run(|reactor| {
        let shared = || UdpOptions::new(SERVER).listen_multiple(true);
        let ports: Vec<_> = (0..2)
            .map(|_| reactor.listen_udp(shared(), Recorder::default()).unwrap())
            .collect();
        assert!(reactor.listen_udp(SERVER, Recorder::default()).is_err());
        for port in ports {
            reactor.result_of(port.stop_listening()).unwrap();
        }
    });
}

#[test]
fn a_connected_port_hears_its_peer_only() {
    testing::run(|reactor| {
        let peer = reactor.datagram_peer(SERVER);
        let stranger = reactor.datagram_peer("192.0.2.2:53");
        let client = Recorder::default();
        let port = reactor.connect_udp(server(), client.clone()).unwrap();
        let address = port.address();
        assert_eq!(address.ip(), server().ip(), "known once it is connected");

        port.send("hello").unwrap();
        assert_eq!(peer.received(), [(b"hello".to_vec(), address)]);
        stranger.send_to("listen to me", address);
        peer.send_to("welcome", address);
        assert_eq!(client.take(), [format!("welcome from {SERVER}")]);
        assert!(port.connect(server()).is_err());
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

/// Connects its port when the first datagram comes.
struct Connects(Recorder, SocketAddr);

impl DatagramProtocol for Connects {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        if self.0.take().is_empty() {
            cx.connect(self.1)?;
        }
        self.0
            .note(format!("{} from {from}", String::from_utf8_lossy(data)));
        Ok(())
    }
}

#[test]
fn what_waits_when_a_port_is_connected_is_dropped_unless_its_peer_sent_it() {
    testing::run(|reactor| {
        let peer = reactor.datagram_peer(SERVER);
        let stranger = reactor
            .listen_udp("192.0.2.2:53", Recorder::default())
            .unwrap();
        let log = Recorder::default();
        let port = reactor
            .listen_udp("192.0.2.3:53", Connects(log.clone(), server()))
            .unwrap();
        // Both arrive in one turn.
        stranger.send_to("first", port.address()).unwrap();
        stranger.send_to("early", port.address()).unwrap();
        reactor.settle();
        assert_eq!(log.take(), ["first from 192.0.2.2:53"]);
        log.note("not the first");
        peer.send_to("welcome", port.address());
        assert_eq!(log.take(), [format!("welcome from {SERVER}")]);
        reactor.result_of(port.stop_listening()).unwrap();
        reactor.result_of(stranger.stop_listening()).unwrap();
    });
}

#[test]
fn the_unspecified_address_leads_to_this_computer() {
    testing::run(|reactor| {
        let server = Recorder::default();
        let listening = reactor.listen_udp("0.0.0.0:53", server.clone()).unwrap();
        let client = Recorder::default();
        let port = reactor.listen_udp("0.0.0.0:0", client.clone()).unwrap();
        port.connect(listening.address()).unwrap();
        port.send("hello").unwrap();
        reactor.settle();
        assert_eq!(server.take(), [format!("hello from {}", port.address())]);
        listening.send_to("welcome", port.address()).unwrap();
        reactor.settle();
        assert_eq!(client.take(), ["welcome from 127.0.0.1:53"]);
        for port in [port, listening] {
            reactor.result_of(port.stop_listening()).unwrap();
        }
    });
}

/// As by an ICMP message: only a connected port is told, some time later.
#[test]
fn nothing_listens() {
    testing::run(|reactor| {
        let (connected, unconnected) = (Recorder::default(), Recorder::default());
        let one = reactor.connect_udp(server(), connected.clone()).unwrap();
        let other = reactor
            .listen_udp("192.0.2.9:0", unconnected.clone())
            .unwrap();
        one.send("hello").unwrap();
        other.send_to("hello", server()).unwrap();
        assert!(connected.take().is_empty());
        reactor.settle();
        assert_eq!(connected.take(), ["refused"]);
        assert!(unconnected.take().is_empty());

        // The port lives on.
        let peer = reactor.datagram_peer(SERVER);
        one.send("are you there?").unwrap();
        assert_eq!(peer.received().len(), 1);
        drop(peer);
        one.send("and now?").unwrap();
        reactor.settle();
        assert_eq!(connected.take(), ["refused"]);

        reactor.do_not_answer(server());
        one.send("and now?").unwrap();
        reactor.settle();
        assert!(connected.take().is_empty());
        for port in [one, other] {
            reactor.result_of(port.stop_listening()).unwrap();
        }
    });
}

#[test]
fn what_is_too_long_cannot_be_sent_or_received() {
    testing::run(|reactor| {
        let recorder = Recorder::default();
        let options = UdpOptions::new(SERVER).max_packet_size(4);
        let port = reactor.listen_udp(options, recorder.clone()).unwrap();
        let peer = reactor.datagram_peer("192.0.2.9:4000");
        peer.send_to("four", server());
        peer.send_to("longer", server());
        let expected = [
            "four from 192.0.2.9:4000",
            "a datagram of 6 bytes is too long",
        ];
        assert_eq!(recorder.take(), expected);

        let send = |length| port.send_to(vec![0; length], peer.address());
        let too_long = |length| DatagramError::TooLong { length }.to_string();
        send(65_507).unwrap();
        assert_eq!(send(65_508).unwrap_err().to_string(), too_long(65_508));
        reactor.set_largest_datagram(1472);
        send(1472).unwrap();
        assert_eq!(send(1473).unwrap_err().to_string(), too_long(1473));
        let lengths = peer.received().into_iter().map(|(bytes, _)| bytes.len());
        assert_eq!(lengths.collect::<Vec<_>>(), [65_507, 1472]);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_port_that_does_not_read_loses_what_it_has_no_room_for() {
    testing::run(|reactor| {
        let peer = reactor.datagram_peer(SERVER);
        let port = reactor.connect_udp(server(), Recorder::default()).unwrap();
        for _ in 0..300 {
            port.send([0; 1024]).unwrap();
            reactor.settle();
        }
        assert_eq!(port.dropped(), 0, "its own side has sent them all");
        assert_eq!(peer.received().len(), 256);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn datagrams_are_lost_doubled_delayed_and_refused() {
    testing::run(|reactor| {
        let client = Recorder::default();
        let port = reactor.connect_udp(server(), client.clone()).unwrap();
        let peer = reactor.datagram_peer(SERVER);
        reactor.set_datagram_delivery(|datagram| match datagram.bytes {
            b"lost" => Delivery::lost(),
            b"twice" => Delivery::at_once().and_again_after(millis(10)),
            b"late" => Delivery::after(millis(20)),
            b"refused" => Delivery::refused(),
            _ => Delivery::at_once(),
        });
        for text in ["lost", "twice", "late", "refused", "plain"] {
            port.send(text).unwrap();
        }
        let received = || -> Vec<String> {
            let received = peer.received().into_iter();
            received
                .map(|(bytes, _)| String::from_utf8(bytes).unwrap())
                .collect()
        };
        assert_eq!(received(), ["twice", "plain"]);
        assert_eq!(client.take(), ["refused"]);
        reactor.advance(millis(9));
        assert!(received().is_empty());
        reactor.advance(millis(1));
        assert_eq!(received(), ["twice"]);
        // Overtakes the late one.
        port.send("plain").unwrap();
        reactor.advance(millis(10));
        assert_eq!(received(), ["plain", "late"]);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_late_datagram_finds_its_port_closed() {
    testing::run(|reactor| {
        let client = Recorder::default();
        let port = reactor.connect_udp(server(), client.clone()).unwrap();
        let peer = reactor.datagram_peer(SERVER);
        reactor.set_datagram_delivery(|_| Delivery::after(millis(20)));
        port.send("one").unwrap();
        reactor.settle();
        drop(peer);
        reactor.advance(millis(19));
        assert!(client.take().is_empty());
        reactor.advance(millis(1));
        assert_eq!(client.take(), ["refused"]);
        // And a sender that is gone.
        port.send("two").unwrap();
        reactor.result_of(port.stop_listening()).unwrap();
        reactor.advance(millis(40));
    });
}

#[test]
fn what_is_on_its_way_is_no_leftover_and_keeps_nothing_waiting() {
    testing::run(|reactor| {
        let peer = reactor.datagram_peer(SERVER);
        let other = reactor.datagram_peer("192.0.2.2:53");
        reactor.set_datagram_delivery(|_| Delivery::after(Duration::from_secs(3600)));
        other.send_to("hello", peer.address());
        assert!(reactor.leftovers().is_empty());
        reactor.settle();
        assert!(peer.received().is_empty());
    });
}

/// The closure may send by itself, and replace itself.
#[test]
fn the_closure_of_a_test_may_use_the_reactor() {
    testing::run(|reactor| {
        let peer = reactor.datagram_peer(SERVER);
        let port = reactor.connect_udp(server(), Recorder::default()).unwrap();
        let asked = Rc::new(Cell::new(0));
        let (count, echoing) = (Rc::clone(&asked), port.clone());
        reactor.set_datagram_delivery(move |datagram| {
            count.set(count.get() + 1);
            assert_eq!(datagram.to, server());
            assert_eq!(datagram.from, echoing.address());
            if datagram.number == 0 {
                echoing.send("from the closure").unwrap();
            }
            Delivery::at_once()
        });
        port.send("from the test").unwrap();
        let received = peer.received();
        let texts: Vec<_> = received.iter().map(|(bytes, _)| &bytes[..]).collect();
        assert_eq!(texts, [&b"from the test"[..], b"from the closure"]);
        assert_eq!(asked.get(), 2);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

// --- a client with a schedule of retries, as a resolver has it ---

/// Asks after 1, 2 and 4 seconds again, and then gives up.
struct Asker {
    wait: Duration,
    answer: Trigger<String>,
}

impl Asker {
    fn ask(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        if self.wait > Duration::from_secs(4) {
            cx.stop_listening();
            return Ok(self.answer.errback(deferred::Failure::msg("no answer"))?);
        }
        cx.send("who?")?;
        cx.call_later(self.wait, Self::ask);
        self.wait *= 2;
        Ok(())
    }
}

impl DatagramProtocol for Asker {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.ask(cx)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _: SocketAddr,
    ) -> Result<()> {
        cx.stop_listening();
        Ok(self.answer.callback(String::from_utf8(data.to_vec())?)?)
    }
}

fn ask(reactor: &TestReactor) -> Deferred<String> {
    let (answer, result) = Deferred::pair();
    let wait = Duration::from_secs(1);
    reactor
        .connect_udp(server(), Asker { wait, answer })
        .unwrap();
    result
}

#[test]
fn a_schedule_of_retries_on_the_virtual_clock() {
    for lost in 0..4 {
        testing::run(|reactor| {
            let peer = reactor.datagram_peer(SERVER);
            reactor.set_datagram_delivery(move |datagram| {
                if datagram.number < lost {
                    return Delivery::lost();
                }
                Delivery::after(millis(30)).and_again_after(millis(40))
            });
            let answer = ask(reactor);
            let waits = [0, 1000, 3000, 7000];
            reactor.advance(millis(30 + waits[lost]) - reactor.now());
            if lost == 3 {
                assert!(peer.received().is_empty());
                let failure = reactor.result_of(answer).unwrap_err();
                assert_eq!(failure.to_string(), "no answer");
                return;
            }
            let (question, client) = peer.received().pop().expect("it has arrived");
            assert_eq!(question, b"who?");
            peer.send_to("me", client);
            assert_eq!(reactor.block_on(answer).unwrap(), "me");
            assert_eq!(reactor.now(), millis(60 + waits[lost]));
        });
    }
}

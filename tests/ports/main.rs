//! Programs of Twisted's documentation, ported: that they behave as there, and how long they
//! are next to the originals. The HTTP proxy is the example `web_proxy`, run in `tests/examples`.

mod chat;
mod echo;
mod finger;
mod finger_proxy;
mod multicast;
mod override_resolver;
mod portforward;
mod ptyserv;
mod quote;

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use reactor::testing::{self, TestReactor};
use reactor::{Connection, ConnectionClosed, Context, Protocol, Raw, Reactor};
use reactor_names::{Dns, DnsConfig, DnsServer, Hosts, Zone};
use rustix::process::{Pid, test_kill_process};

use self::quote::{FortuneQuoter, StaticQuoter};

/// Keeps what it receives.
#[derive(Clone, Default)]
struct Client {
    heard: Rc<RefCell<Vec<u8>>>,
    is_closed: Rc<RefCell<bool>>,
}

impl Protocol for Client {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.heard.borrow_mut().extend(data);
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        self.is_closed.replace(true);
    }
}

/// A client that has connected to `port`.
struct Guest<'a> {
    reactor: &'a TestReactor,
    connection: Connection<Client>,
    client: Client,
}

impl<'a> Guest<'a> {
    #[track_caller]
    fn new(reactor: &'a TestReactor, port: u16) -> Self {
        let client = Client::default();
        let connecting = reactor.connect_tcp(("127.0.0.1", port), client.clone());
        let connection = reactor.block_on(connecting).expect("the server listens");
        reactor.settle();
        Self {
            reactor,
            connection,
            client,
        }
    }

    /// What comes back; what has come before is part of it.
    fn ask(&self, bytes: &str) -> String {
        self.connection.write(bytes).expect("it is open");
        self.heard()
    }

    fn heard(&self) -> String {
        self.reactor.settle();
        String::from_utf8(self.client.heard.take()).expect("text")
    }

    fn is_closed(&self) -> bool {
        self.reactor.settle();
        *self.client.is_closed.borrow()
    }
}

/// With a reactor that is shut down at the end.
#[track_caller]
fn run(test: impl FnOnce(&TestReactor)) {
    testing::run(|reactor| {
        test(reactor);
        reactor.shut_down();
    });
}

#[test]
fn an_echo_sends_back_what_it_gets() {
    run(|reactor| {
        echo::start(reactor).expect("it listens");
        assert_eq!(Guest::new(reactor, 8000).ask("hello"), "hello");
    });
}

#[test]
fn guests_of_a_chat_have_names_and_hear_one_another() {
    run(|reactor| {
        chat::start(reactor).expect("it listens");
        let (ann, bob) = (Guest::new(reactor, 8123), Guest::new(reactor, 8123));
        assert_eq!(ann.heard(), "What's your name?\r\n");
        assert_eq!(ann.ask("ann\r\n"), "Welcome, ann!\r\n");
        assert_eq!(
            bob.ask("ann\r\nbob\r\n"),
            "What's your name?\r\nName taken, please choose another.\r\nWelcome, bob!\r\n"
        );
        assert_eq!(bob.ask("hi\r\n"), "");
        assert_eq!(ann.heard(), "<bob> hi\r\n");
        ann.connection.lose_connection();
        assert_eq!(bob.ask("anybody?\r\n"), "");
        let new = Guest::new(reactor, 8123);
        assert_eq!(
            new.ask("ann\r\n"),
            "What's your name?\r\nWelcome, ann!\r\n",
            "the name is free again"
        );
    });
}

#[test]
fn a_forwarder_connects_both_ways_and_ends_with_either() {
    run(|reactor| {
        portforward::start(reactor).expect("it listens");
        let refused = Guest::new(reactor, 8001);
        assert!(refused.is_closed(), "its target is a closed port");
        echo::start(reactor).expect("it listens");
        let guest = Guest::new(reactor, 8001);
        assert_eq!(guest.ask("there and back"), "there and back");
        guest.connection.lose_connection();
        assert!(guest.is_closed());
    });
}

#[test]
fn a_finger_server_answers_one_question() {
    run(|reactor| {
        finger::start(reactor).expect("it listens");
        let guest = Guest::new(reactor, 1079);
        assert_eq!(guest.ask("moshez\r\n"), "Happy and well\r\n");
        assert!(guest.is_closed());
        let other = Guest::new(reactor, 1079);
        assert_eq!(other.ask("unknown\r\n"), "No such user\r\n");
    });
}

#[test]
fn a_finger_proxy_asks_the_server_of_the_user() {
    run(|reactor| {
        finger_proxy::start(reactor).expect("it listens");
        let early = Guest::new(reactor, 7779);
        assert_eq!(early.ask("moshez\r\n"), "Could not connect to remote host");
        finger::start(reactor).expect("it listens");
        let guest = Guest::new(reactor, 7779);
        assert_eq!(guest.ask("moshez@127.0.0.1\r\n"), "Happy and well\r\n");
        assert!(guest.is_closed());
    });
}

#[test]
fn quotes_are_given_to_who_connects() {
    run(|reactor| {
        quote::start(reactor, StaticQuoter("An apple a day")).expect("it listens");
        let guest = Guest::new(reactor, 8007);
        assert_eq!(guest.heard(), "An apple a day\r\n");
        assert!(guest.is_closed());
    });
    run(|reactor| {
        let file = std::env::temp_dir().join(format!("quotes-{}", std::process::id()));
        std::fs::write(&file, "one\n%\ntwo\n%\nthree").expect("a file");
        let quoter = FortuneQuoter {
            files: vec![file.to_str().expect("a name").to_owned()],
            choose: |number| number - 1,
        };
        quote::start(reactor, quoter).expect("it listens");
        assert_eq!(Guest::new(reactor, 8007).heard(), "three\r\n");
        std::fs::remove_file(&file).expect("it is there");
    });
}

/// As a person does who uses the original by `telnet`.
#[test]
fn a_shell_is_used_through_a_terminal() {
    let reactor = Reactor::new().expect("a reactor");
    let address = ptyserv::start(&reactor, 0).expect("it listens");
    let client = Client::default();
    let connecting = reactor.connect_tcp(address, client.clone());
    let connection = reactor.block_on(connecting).expect("it is there");
    connection.write("tty; pwd; exit\n").expect("it is open");
    turn_until(&reactor, || *client.is_closed.borrow());
    let heard = String::from_utf8(client.heard.take()).expect("text");
    assert!(heard.contains("tty; pwd; exit\r\n"), "echo: {heard:?}");
    assert!(
        heard.contains("/dev/") && heard.contains("\n/tmp\r\n"),
        "{heard:?}"
    );
    // The other way round: the shell ends with the connection.
    let client = Client::default();
    let connecting = reactor.connect_tcp(address, client.clone());
    let connection = reactor.block_on(connecting).expect("it is there");
    connection
        .write("echo $$ is the pid\n")
        .expect("it is open");
    let pid = || {
        let heard = String::from_utf8(client.heard.borrow().clone()).expect("text");
        // A prompt may stand before it.
        let mut lines = heard
            .lines()
            .filter_map(|line| line.trim_end().strip_suffix(" is the pid"));
        let number = lines.find_map(|line| line.split(' ').next_back()?.parse().ok());
        Pid::from_raw(number?)
    };
    turn_until(&reactor, || pid().is_some());
    let pid = pid().expect("it was just there");
    connection.lose_connection();
    turn_until(&reactor, || test_kill_process(pid).is_err());
}

#[test]
fn a_ping_to_a_group_is_answered_to_its_sender() {
    let reactor = Reactor::new().expect("a reactor");
    let printed = Rc::new(RefCell::new(Vec::new()));
    let print = |name: &'static str| -> multicast::Print {
        let printed = Rc::clone(&printed);
        Rc::new(move |text| printed.borrow_mut().push(format!("{name}: {text}")))
    };
    let port = multicast::serve(&reactor, 0, print("server")).expect("it listens");
    multicast::ping(&reactor, port, print("client")).expect("it listens");
    let has = |who: &str, text: &str| {
        let start = format!("{who}: Datagram {text} received from ");
        printed.borrow().iter().any(|line| line.starts_with(&start))
    };
    turn_until(&reactor, || {
        // Both have the port: either may get the answer, as with the original.
        has("server", "Client: Ping")
            && has("client", "Client: Ping")
            && (has("client", "Server: Pong") || has("server", "Server: Pong"))
    });
}

#[test]
fn names_of_workstations_are_calculated() {
    run(|reactor| {
        let other = |text: &str| Zone::parse(text, "example.org.").expect("a zone");
        let other = other("@ 60 IN SOA ns host 1 2 3 4 5\nwww 60 IN A 192.0.2.7\n");
        let upstream = DnsServer::new(other).listen(reactor, "127.0.0.1:53");
        let upstream = upstream.expect("it listens").address();
        let dns = |server| Dns::new(DnsConfig::new([server]), Hosts::default());
        let port = override_resolver::start(reactor, "127.0.0.1:10053", dns(upstream));
        let dns = dns(port.expect("it listens").address());

        let found = |name: &str| reactor.result_of(dns.lookup_a(reactor, name));
        let workstation = found("workstation1.example.com.").expect("a number");
        assert_eq!(workstation, [Ipv4Addr::new(172, 0, 2, 1)]);
        let other = found("www.example.org.").expect("the fallback knows it");
        assert_eq!(other, [Ipv4Addr::new(192, 0, 2, 7)]);
        found("workstations.example.com.").expect_err("no number");
        found("www.example.com.").expect_err("no server knows it");
    });
}

/// Turns the loop until `condition` holds.
#[track_caller]
fn turn_until(reactor: &Reactor, mut condition: impl FnMut() -> bool) {
    let deadline = reactor.now() + Duration::from_secs(20);
    while !condition() {
        assert!(reactor.now() < deadline, "it never came");
        let limit = Duration::from_millis(10);
        reactor.turn(Some(limit)).expect("the loop turns");
    }
}

/// `docs/core/examples/echoserv.py`
const ECHO: usize = 12;
/// `docs/core/howto/listings/servers/chat.py`
const CHAT: usize = 38;
/// `src/twisted/protocols/portforward.py`, and two lines that start it
const PORTFORWARD: usize = 62;
/// `docs/core/howto/tutorial/listings/finger/finger08.py`
const FINGER: usize = 21;
/// `docs/core/howto/tutorial/listings/finger/fingerproxy.tac`
const FINGER_PROXY: usize = 69;
/// `docs/core/howto/listings/TwistedQuotes/quoteproto.py` and `quoters.py`
const QUOTE: usize = 29;

/// `docs/core/examples/ptyserv.py`
const PTYSERV: usize = 32;
/// `docs/core/howto/listings/udp`: `MulticastServer.py`, `MulticastClient.py`,
/// `MulticastCommon.py`
const MULTICAST: usize = 37;
/// `docs/names/howto/listings/names/override_server.py`
const OVERRIDE_RESOLVER: usize = 39;
/// `docs/web/examples/proxy.py`, without `twisted.web.proxy` (138 lines), which does the work
const PROXY: usize = 7;

/// Lines that are neither blank nor a comment.
fn lines(program: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    program.lines().map(str::trim).filter(is_code).count()
}

/// Ours and Twisted's (26.10.0), where a doc string is a comment.
#[test]
fn ports_are_at_most_1_6_times_as_long_as_the_originals() {
    // `fn main` makes a reactor and runs it: two lines beside those of `start`.
    const MAIN: usize = 2;
    let programs = [
        ("echo", include_str!("echo.rs"), ECHO),
        ("chat", include_str!("chat.rs"), CHAT),
        ("portforward", include_str!("portforward.rs"), PORTFORWARD),
        ("finger", include_str!("finger.rs"), FINGER),
        (
            "finger_proxy",
            include_str!("finger_proxy.rs"),
            FINGER_PROXY,
        ),
        ("quote", include_str!("quote.rs"), QUOTE),
        ("ptyserv", include_str!("ptyserv.rs"), PTYSERV),
        ("multicast", include_str!("multicast.rs"), MULTICAST),
        (
            "override_resolver",
            include_str!("override_resolver.rs"),
            OVERRIDE_RESOLVER,
        ),
        (
            "proxy",
            include_str!("../../examples/examples/web_proxy.rs"),
            PROXY,
        ),
    ];
    let (mut ours, mut theirs) = (0, 0);
    for (name, program, original) in programs {
        // The proxy is an example, with a `main` of its own.
        let main = if program.contains("fn main") { 0 } else { MAIN };
        let length = lines(program) + main;
        println!("{name}: {length} to {original}");
        ours += length;
        theirs += original;
    }
    println!(
        "in all: {ours} to {theirs}, {:.2}",
        ours as f64 / theirs as f64
    );
    assert!(ours * 10 <= theirs * 16, "{ours} to {theirs}");
}

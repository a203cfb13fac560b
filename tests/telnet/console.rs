//! The console: its commands, those of a program, passwords, completion.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Trigger};
use reactor::testing::{self, Peer, TestReactor};
use reactor::{Lines, Protocol};
use reactor_telnet::{Console, InputMode};

struct Guest;

impl Protocol for Guest {
    type Framing = Lines;
}

fn console() -> Console {
    Console::new("> ").with_input_mode(InputMode::Lines)
}

/// A terminal at `console`, with the prompt that it shows.
fn open(reactor: &TestReactor, console: &Console) -> Peer {
    let (_connection, peer) = reactor.connect_to_peer(console.protocol());
    peer
}

/// What `peer` is answered for `line`, without the prompt.
#[track_caller]
fn enter(peer: &Peer, line: &str) -> String {
    peer.received();
    peer.send(format!("{line}\r\n"));
    let text = String::from_utf8(peer.received()).expect("text");
    let text = text.replace("\r\n", "\n");
    text.strip_suffix("> ").unwrap_or(&text).to_owned()
}

#[test]
fn commands_are_listed_and_explained() {
    testing::run(|reactor| {
        let console = console().command("greet", "NAME: says hello", |call| {
            Ok(format!("hello, {}", call.required(0, "a name")?))
        });
        let peer = open(reactor, &console);
        let help = enter(&peer, "help");
        for name in [
            "close",
            "connections",
            "counters",
            "greet",
            "help",
            "history",
            "quit",
            "stop",
            "timers",
        ] {
            assert!(
                help.lines().any(|line| line.starts_with(name)),
                "{name}: {help}"
            );
        }
        assert_eq!(enter(&peer, "help greet"), "greet  NAME: says hello\n");
        assert_eq!(enter(&peer, "greet 'big world' x"), "hello, big world\n");
        assert_eq!(
            enter(&peer, "greet"),
            "error: a name is missing; `help greet` says what it takes\n"
        );
        assert_eq!(
            enter(&peer, "nonsense"),
            "error: there is no command `nonsense`; `help` lists them\n"
        );
        assert_eq!(enter(&peer, "greet 'big"), "error: a quote has no end\n");
        assert_eq!(enter(&peer, "  "), "");
    });
}

#[test]
fn connections_are_listed_and_closed() {
    testing::run(|reactor| {
        let console = console();
        let guests: Vec<_> = (0..2).map(|_| reactor.connect_to_peer(Guest).1).collect();
        let peer = open(reactor, &console);
        assert!(enter(&peer, "close 1").starts_with("error: there is no number 1 in the last"));
        let list = enter(&peer, "connections");
        assert_eq!(list.lines().count(), 3);
        let of = |name: &str| {
            let line = list
                .lines()
                .find(|line| line.contains(name))
                .expect("it is listed");
            line.split_whitespace().next().expect("a number").to_owned()
        };
        assert!(list.contains("Telnet<ConsoleSession>"), "{list}");
        let answer = enter(&peer, &format!("close {} now", of("Guest")));
        assert!(answer.ends_with("is aborted\n"), "{answer}");
        assert_eq!(guests.iter().filter(|guest| guest.was_reset()).count(), 1);
        assert_eq!(enter(&peer, "connections").lines().count(), 2);
        assert!(enter(&peer, "close x").starts_with("error: invalid digit"));
        assert!(enter(&peer, "close 1 later").contains("`now` was expected"));
    });
}

#[test]
fn timers_and_counters_are_shown() {
    testing::run(|reactor| {
        let peer = open(reactor, &console());
        assert_eq!(enter(&peer, "timers"), "no delayed call waits\n");
        let call = reactor.call_later(Duration::from_millis(2500), || ());
        reactor.advance(Duration::from_secs(1));
        assert_eq!(
            enter(&peer, "timers"),
            "in 1.500 s  telnet::console::timers_and_counters_are_shown\n"
        );
        let _ = call.cancel();
        assert!(enter(&peer, "counters").contains("connections       1\n"));
    });
}

#[test]
fn the_reactor_is_stopped() {
    let reactor = reactor::Reactor::new().expect("a reactor");
    let port = reactor
        .listen_tcp("127.0.0.1:0", console())
        .expect("it listens");
    let address = port.address();
    let client = std::thread::spawn(move || {
        use std::io::{Read, Write};

        let mut stream = std::net::TcpStream::connect(address).expect("it listens");
        stream.write_all(b"stop\r\n").expect("it is open");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it ends");
        text
    });
    reactor.run().expect("it runs");
    let text = client.join().expect("it gets an answer");
    assert!(text.contains("the reactor stops"), "{text}");
}

#[test]
fn a_deferred_is_waited_for_and_cancelled() {
    testing::run(|reactor| {
        let pending = Rc::new(RefCell::new(None::<Trigger<String>>));
        let cancelled = Rc::new(Cell::new(0));
        let console = console()
            .command("slow", "", {
                let (pending, cancelled) = (Rc::clone(&pending), Rc::clone(&cancelled));
                move |_| {
                    let cancelled = Rc::clone(&cancelled);
                    let count = move |_| cancelled.set(cancelled.get() + 1);
                    let (trigger, deferred) = Deferred::with_canceller(count);
                    pending.replace(Some(trigger));
                    deferred
                }
            })
            .command("panics", "", |_| -> deferred::Result<String> {
                panic!("no such luck")
            })
            .command("fails", "", |_| -> deferred::Result<String> {
                Err(Failure::msg("as always"))
            });
        let peer = open(reactor, &console);
        assert_eq!(enter(&peer, "slow\r\nfails"), "");
        let trigger = pending.take().expect("it was called");
        trigger
            .callback("slow but sure".to_owned())
            .expect("it waits");
        reactor.settle();
        assert_eq!(
            peer.received(),
            b"slow but sure\r\n> error: as always\r\n> "
        );
        let shown = enter(&peer, "panics");
        assert!(
            shown.starts_with("error: ") && shown.contains("no such luck"),
            "{shown}"
        );

        enter(&peer, "slow");
        peer.send(b"\xff\xf4");
        assert_eq!(cancelled.get(), 1);
        assert!(peer.received().starts_with(b"error: "));
        enter(&peer, "slow");
        peer.reset();
        assert_eq!(cancelled.get(), 2);
    });
}

#[test]
fn a_password_is_asked_for_three_times() {
    testing::run(|reactor| {
        let console = console().with_password(|password| Ok(password == "sesame"));
        let peer = open(reactor, &console);
        peer.send("sesame\r\nhelp quit\r\n");
        let text = String::from_utf8_lossy(&peer.received()).into_owned();
        assert!(text.ends_with("> quit  ends this session\r\n> "), "{text}");

        let peer = open(reactor, &console);
        for attempt in 1..=3 {
            peer.send("stop\r\n");
            peer.received();
            reactor.advance(Duration::from_millis(999));
            assert_eq!(peer.received(), b"", "{attempt}");
            reactor.advance(Duration::from_millis(1));
            assert!(peer.received().starts_with(b"wrong\r\n"), "{attempt}");
        }
        assert!(peer.is_closed());
    });
}

#[test]
fn names_of_commands_are_completed() {
    testing::run(|reactor| {
        let console = Console::new("> ");
        let peer = open(reactor, &console);
        peer.received();
        peer.send("help cou\t\r");
        let text = String::from_utf8_lossy(&peer.received()).into_owned();
        assert!(text.contains("counters  what the loop has done"), "{text}");
        peer.send("counters cou\t");
        assert!(peer.received().ends_with(b"\x07"));
    });
}

#[test]
fn a_session_is_quit() {
    testing::run(|reactor| {
        let peer = open(reactor, &console());
        assert_eq!(enter(&peer, "quit"), "");
        assert!(peer.is_closed());
    });
}

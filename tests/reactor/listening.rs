//! Ports: opening, refusing, closing.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use deferred::Deferred;
use reactor::{Address, Factory, Listen, ReactorHandle, ResolveError};

use crate::support::{
    Log, Peer, Quiet, RawRecorder, reactor, result_of, serve, turn_a_few_times, turn_until,
};

#[test]
fn an_echo_comes_back_with_the_right_addresses() {
    let log = Log::default();
    let addresses = log.clone();
    let recorder = RawRecorder::new(&log)
        .on_made(move |cx| {
            addresses.note(format!("from {} to {}", cx.peer(), cx.host()));
            Ok(())
        })
        .on_received(|cx, bytes| {
            cx.write(bytes);
            Ok(())
        });
    let (reactor, address) = serve(recorder);
    let mut peer = Peer::connect(address);
    peer.send("hello");
    assert_eq!(peer.receive_some(&reactor, 5), b"hello");
    let own = peer.0.local_addr().expect("it is connected");
    drop(peer);
    turn_until(&reactor, || log.is_lost());
    let route = format!("from {own} to {address}");
    let expected = [
        "made",
        &route,
        "received hello",
        "read closed",
        "lost: done",
    ];
    assert_eq!(log.events(), expected);
}

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let (reactor, address) = serve(RawRecorder::new(&Log::default()));
    let recorder = RawRecorder::new(&Log::default());
    let error = reactor
        .listen_tcp(address, move || recorder.clone())
        .expect_err("it is in use");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.address(), address.to_string());
    assert!(error.to_string().contains(&address.to_string()));
}

#[test]
fn an_address_that_makes_no_sense_is_an_error_that_says_what_is_expected() {
    let reactor = reactor();
    for nonsense in [
        "",
        "80",
        "localhost",
        "localhost:",
        ":80",
        "a b:80",
        "::1:80x",
        "1.2.3.4:99999",
    ] {
        let recorder = RawRecorder::new(&Log::default());
        let error = reactor
            .listen_tcp(nonsense, move || recorder.clone())
            .expect_err(nonsense);
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{nonsense}");
        assert!(error.to_string().contains("127.0.0.1:80"), "{error}");
    }
}

#[test]
fn localhost_is_listened_on_without_a_look_up() {
    let (reactor, asked) = (reactor(), Log::default());
    let note = asked.clone();
    reactor.set_resolver(move |_: &ReactorHandle, host: &str, _port: u16| {
        note.note(host);
        deferred::fail(ResolveError::new(host, None))
    });
    for name in ["localhost:0", "LOCALHOST:0"] {
        let recorder = RawRecorder::new(&Log::default());
        let port = reactor
            .listen_tcp(name, move || recorder.clone())
            .expect("it is an address by definition");
        assert_eq!(port.address().ip(), Ipv4Addr::LOCALHOST);
        let port = reactor.listen_udp(name, Quiet).expect("it is an address");
        assert_eq!(port.address().ip(), Ipv4Addr::LOCALHOST);
    }
    assert_eq!(asked.len(), 0);
}

#[test]
fn a_name_is_never_looked_up_in_the_thread_of_the_loop() {
    let reactor = reactor();
    // The name of this computer, which the system knows.
    let uname = std::process::Command::new("uname").arg("-n").output();
    let name = String::from_utf8(uname.expect("it runs").stdout).expect("text");
    for name in [name.trim(), "example.org"] {
        let recorder = RawRecorder::new(&Log::default());
        let refused = [
            reactor
                .listen_tcp((name, 0), move || recorder.clone())
                .err(),
            reactor.listen_udp((name, 0), Quiet).err(),
        ];
        for (error, instead) in refused.into_iter().zip([".listen(", ".resolve("]) {
            let error = error.expect("a look-up takes its time");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(instead), "{error}");
        }
    }
    // An endpoint asks the resolver, which need not answer now.
    let (trigger, addresses) = Deferred::pair();
    let answers = Cell::new(Some(addresses));
    reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| {
        answers.take().expect("it is asked once")
    });
    let recorder = RawRecorder::new(&Log::default());
    let listening = ("example.org", 0_u16).listen(&reactor, move || recorder.clone());
    turn_a_few_times(&reactor);
    trigger
        .callback(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])
        .expect("it waits");
    assert!(
        result_of(&reactor, listening)
            .expect("it listens")
            .is_listening()
    );
}

/// Only the resolver's own threads may call `getaddrinfo`.
#[test]
fn no_other_module_looks_names_up() {
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("a source");
                if text.contains("to_socket_addrs") || text.contains("getaddrinfo(") {
                    found.push(path);
                }
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/reactor/src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert_eq!(found, [root.join("resolver/system.rs")]);
}

#[test]
fn a_closed_port_lets_go_of_its_address_and_keeps_its_connections() {
    let log = Log::default();
    let recorder = RawRecorder::new(&log).on_received(|cx, bytes| {
        cx.write(bytes);
        Ok(())
    });
    let reactor = reactor();
    let same = recorder.clone();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || same.clone())
        .expect("a free port");
    let mut peer = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));

    let (handle, address) = (reactor.handle(), port.address());
    let again = port
        .stop_listening()
        .add_callback(move |()| Ok(handle.listen_tcp(address, move || recorder.clone())?));
    let again = again
        .into_result()
        .expect("at once")
        .expect("the address is free");
    assert_eq!(again.address(), address);
    port.stop_listening()
        .into_result()
        .expect("at once")
        .expect("it is no error");

    peer.send("still here");
    assert_eq!(peer.receive_some(&reactor, 10), b"still here");
}

#[test]
fn dropping_the_handle_does_not_close_the_port() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let _peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
}

struct Choosy {
    log: Log,
    seen: usize,
}

impl Factory for Choosy {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, peer: &Address) -> Option<RawRecorder> {
        assert!(peer.as_inet().is_some_and(|peer| peer.ip().is_loopback()));
        self.seen += 1;
        assert_ne!(self.seen, 2, "the second one is too much for it");
        (self.seen > 2).then(|| RawRecorder::new(&self.log))
    }

    fn start_factory(&mut self) {
        self.log.note("factory started");
    }

    fn stop_factory(&mut self) {
        self.log.note("factory stopped");
    }
}

#[test]
fn a_factory_may_refuse_or_panic_and_the_port_lives() {
    let log = Log::default();
    let reactor = reactor();
    let factory = Choosy {
        log: log.clone(),
        seen: 0,
    };
    let port = reactor
        .listen_tcp("127.0.0.1:0", factory)
        .expect("a free port");
    for _refused in 0..2 {
        assert_eq!(Peer::connect(port.address()).receive_all(&reactor), b"");
    }
    let _taken = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));
    port.stop_listening().detach();
    assert_eq!(log.events(), ["factory started", "made", "factory stopped"]);
}

#[test]
fn many_connections_at_once_are_all_taken() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let peers: Vec<_> = (0..300).map(|_| Peer::connect(address)).collect();
    turn_until(&reactor, || log.len() == peers.len());
    drop(peers);
    turn_until(&reactor, || log.len() == 3 * 300);
}

/// A factory that listens itself when it is started.
struct Starter {
    reactor: ReactorHandle,
    log: Log,
}

impl Factory for Starter {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        Some(RawRecorder::new(&self.log))
    }

    fn start_factory(&mut self) {
        let inner = RawRecorder::new(&Log::default());
        let port = self
            .reactor
            .listen_tcp("127.0.0.1:0", move || inner.clone());
        self.log
            .note(format!("also {}", port.expect("a free port").address()));
    }
}

#[test]
fn a_factory_may_use_the_reactor_when_it_is_started() {
    let (reactor, log) = (reactor(), Log::default());
    let starter = Starter {
        reactor: reactor.handle(),
        log: log.clone(),
    };
    let port = reactor
        .listen_tcp("127.0.0.1:0", starter)
        .expect("a free port");
    let _peer = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));
}

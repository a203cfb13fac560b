//! A process that is forked: what it does with the reactor does not reach its parent's.

#![expect(unsafe_code, reason = "fork has no safe form")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use reactor::{
    Connection, DatagramPort, ListeningPort, PollerKind, Reactor, RunError, UnixAddress,
    UnixDatagramOptions, UnixListenOptions,
};
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::datagrams::Recorder;
use crate::support::{Log, Peer, RawRecorder, assert_sleeps, turn_until};
use crate::unix_sockets::Directory;

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(status: i32) -> !;
}

/// What the child does, in the order of the enum's variants, and ends with 0 if it was right.
fn in_child(what: impl FnOnce() -> bool) {
    // SAFETY: this process has no other threads, or none that has a lock: it runs one test.
    let pid = unsafe { fork() };
    assert!(pid >= 0, "there is room for a process");
    if pid == 0 {
        let is_right = std::panic::catch_unwind(std::panic::AssertUnwindSafe(what));
        // SAFETY: it ends the child, which has nothing to clean up.
        unsafe { _exit(i32::from(!is_right.unwrap_or(false))) }
    }
    wait_for(pid);
}

#[track_caller]
fn wait_for(pid: i32) {
    let pid = Pid::from_raw(pid).expect("a number");
    let (_, status) = waitpid(Some(pid), WaitOptions::empty())
        .expect("it is ours")
        .expect("it has ended");
    assert_eq!(status.exit_status(), Some(0));
}

const ALONE: &str = "REACTOR_TEST_FORKED";

/// Runs the test `name` in a process of its own, with either poller.
#[track_caller]
fn alone(name: &str, test: impl Fn(PollerKind)) {
    if std::env::var_os(ALONE).is_some() {
        test(PollerKind::Native);
        return test(PollerKind::Portable);
    }
    let output = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("forked::{name}")])
        .args(["--test-threads=1", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

/// A reactor with something of each kind in it.
struct All {
    log: Log,
    directory: Directory,
    tcp: ListeningPort,
    unix: ListeningPort<UnixAddress>,
    udp: DatagramPort<Recorder<SocketAddr>>,
    datagrams: DatagramPort<Recorder<UnixAddress>>,
    connection: Connection<RawRecorder>,
    far: UnixStream,
    // It goes after what is in it.
    reactor: Reactor,
}

impl All {
    fn new(kind: PollerKind) -> Self {
        let reactor = Reactor::with_poller(kind).expect("a reactor");
        let (log, directory) = (Log::default(), Directory::new());
        let echo = RawRecorder::new(&log).on_received(|cx, data| {
            cx.write(data);
            Ok(())
        });
        let (near, far) = UnixStream::pair().expect("a pair");
        let (of_tcp, of_unix) = (echo.clone(), echo.clone());
        let options = UnixListenOptions::new(directory.socket()).lock(true);
        let datagrams = UnixDatagramOptions::new(directory.0.join("datagrams")).lock(true);
        let all = Self {
            tcp: reactor
                .listen_tcp("127.0.0.1:0", move || of_tcp.clone())
                .expect("a free port"),
            unix: reactor
                .listen_unix(options, move || of_unix.clone())
                .expect("it is free"),
            udp: reactor
                .listen_udp("127.0.0.1:0", Recorder::new(&log))
                .expect("a free port"),
            datagrams: reactor
                .listen_unix_datagram(datagrams, Recorder::new(&log))
                .expect("it is free"),
            connection: reactor.adopt_stream(near, echo).expect("it is connected"),
            far,
            reactor,
            log,
            directory,
        };
        // It has begun to run.
        all.turn();
        all
    }

    fn turn(&self) {
        let turned = self.reactor.turn(Some(Duration::from_millis(1)));
        turned.expect("it turns");
    }

    fn datagram_path(&self) -> PathBuf {
        self.directory.0.join("datagrams")
    }

    /// All of it works as before.
    #[track_caller]
    fn assert_works(&self) {
        self.log.clear();
        let mut far = &self.far;
        far.write_all(b"to it").expect("it is there");
        turn_until(&self.reactor, || self.log.has("received to it"));
        self.turn();
        let mut back = [0; 5];
        far.read_exact(&mut back).expect("it is there");

        let mut peer = Peer::connect(self.tcp.address());
        peer.send("tcp");
        turn_until(&self.reactor, || self.log.has("received tcp"));
        let mut peer = UnixStream::connect(self.directory.socket()).expect("the file is there");
        peer.write_all(b"unix").expect("it fits");
        turn_until(&self.reactor, || self.log.has("received unix"));
        assert_eq!(
            fs::read_dir(&self.directory.0)
                .expect("it is there")
                .count(),
            4
        );

        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let sent = socket.send_to(b"udp", self.udp.address());
        sent.expect("it is sent");
        turn_until(&self.reactor, || self.log.has("received udp"));
        let socket = UnixDatagram::unbound().expect("a socket");
        let sent = socket.send_to(b"datagram", self.datagram_path());
        sent.expect("the file is there");
        turn_until(&self.reactor, || self.log.has("received datagram"));

        let (remote, log) = (self.reactor.remote(), self.log.clone());
        let woken = std::thread::spawn(move || {
            let told = remote.call_from_thread(|_| ());
            told.expect("it is there");
        });
        turn_until(&self.reactor, || woken.is_finished());
        woken.join().expect("no panic");
        let noting = log.clone();
        let later = move || noting.note("later");
        self.reactor.call_later(Duration::from_millis(1), later);
        turn_until(&self.reactor, || log.has("later"));
        assert!(!self.log.has("lost: done") || self.log.has("read closed"));
        assert_sleeps(&self.reactor);
    }
}

/// Has the test's values go in the child, all but the directory, as they would at its end.
fn drop_all(all: All) -> (Log, Directory) {
    let All { log, directory, .. } = all;
    (log, directory)
}

#[test]
fn a_child_that_drops_the_reactor_leaves_the_parents_alone() {
    alone(
        "a_child_that_drops_the_reactor_leaves_the_parents_alone",
        |kind| {
            let all = Rc::new(std::cell::RefCell::new(Some(All::new(kind))));
            let in_the_child = Rc::clone(&all);
            in_child(move || {
                let all = in_the_child.take().expect("it is there");
                let (connection, port) = (all.connection.clone(), all.tcp.is_listening());
                let (log, directory) = drop_all(all);
                // The directory is the parent's, too.
                std::mem::forget(directory);
                assert!(port && connection.is_gone());
                // No protocol hears of a loss.
                log.events() == ["made", "start", "start"] || !log.is_lost()
            });
            all.borrow().as_ref().expect("it is there").assert_works();
        },
    );
}

#[test]
fn a_child_that_closes_everything_leaves_the_parents_open() {
    alone(
        "a_child_that_closes_everything_leaves_the_parents_open",
        |kind| {
            let all = All::new(kind);
            in_child(|| {
                all.tcp.stop_listening().ignore();
                all.unix.stop_listening().ignore();
                all.udp.stop_listening().ignore();
                all.datagrams.stop_listening().ignore();
                all.connection.write("from the child").expect("it is there");
                all.connection.abort();
                all.tcp.pause_accepting();
                assert!(all.tcp.start_listening().is_err());
                assert!(!all.tcp.is_listening());
                true
            });
            all.assert_works();
        },
    );
}

#[test]
fn a_child_does_not_run_the_parents_loop() {
    alone("a_child_does_not_run_the_parents_loop", |kind| {
        let all = All::new(kind);
        in_child(|| {
            let run = all.reactor.run();
            assert!(matches!(run, Err(RunError::OtherProcess)), "{run:?}");
            let turned = all.reactor.turn(None);
            assert!(matches!(turned, Err(RunError::OtherProcess)));
            let listening = all.reactor.listen_tcp("127.0.0.1:0", || -> RawRecorder {
                unreachable!("it does not listen")
            });
            let error = listening.expect_err("it is the parent's");
            assert!(error.to_string().contains("forked"), "{error}");
            // One of its own works as ever.
            All::new(kind).assert_works();
            true
        });
        all.assert_works();
    });
}

#[test]
fn a_handler_that_forks_has_its_child_leave_the_loop() {
    alone(
        "a_handler_that_forks_has_its_child_leave_the_loop",
        |kind| {
            let all = All::new(kind);
            let forked = Rc::new(std::cell::Cell::new(-1));
            let (noting, handle) = (Rc::clone(&forked), all.reactor.handle());
            all.reactor.call_later(Duration::ZERO, move || {
                // SAFETY: this process has no other threads.
                noting.set(unsafe { fork() });
                let stopping = handle.clone();
                handle.call_later(Duration::ZERO, move || {
                    stopping.stop();
                });
            });
            // It runs already, as it was turned.
            let ran = loop {
                match all.reactor.turn(Some(Duration::from_millis(1))) {
                    Ok(reactor::Turn::Done) => {}
                    Ok(reactor::Turn::Stopped) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            if forked.get() == 0 {
                let is_right = matches!(ran, Err(RunError::OtherProcess));
                // SAFETY: it ends the child, which has nothing to clean up.
                unsafe { _exit(i32::from(!is_right)) }
            }
            ran.expect("it is the parent's");
            wait_for(forked.get());
            // The ports were closed by the stop.
            assert_eq!(
                fs::read_dir(&all.directory.0).expect("it is there").count(),
                0
            );
        },
    );
}

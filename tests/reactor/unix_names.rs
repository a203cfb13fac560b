//! Names of UNIX sockets: which are refused, which are replaced, and which file is removed.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use deferred::assertions::failure_of;
use reactor::testing::TestReactor;
use reactor::{
    ConnectError, ConnectErrorKind, DatagramError, ReactorHandle, UnixAddress, UnixDatagramOptions,
    UnixListenOptions,
};
use rustix::io::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::datagrams::Recorder;
use crate::support::{Log, RawRecorder, reactor, result_of, turn_until};
use crate::unix_sockets::Directory;

fn recorder() -> RawRecorder {
    RawRecorder::new(&Log::default())
}

fn datagrams() -> Recorder<UnixAddress> {
    Recorder::new(&Log::default())
}

/// Paths that the system would cut, or take for something else.
fn impossible(directory: &Directory) -> [PathBuf; 3] {
    let long = directory.0.join("x".repeat(200));
    let path = directory.0.join(OsStr::from_bytes(b"cut\0here"));
    [path, PathBuf::new(), long]
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("it is there");
    entries.map(|entry| entry.expect("a file").path()).collect()
}

#[track_caller]
fn listening_is_refused(reactor: &ReactorHandle, path: &Path) {
    let options = UnixListenOptions::new(path);
    for options in [options.clone(), options.lock(true)] {
        let error = reactor.listen_unix(options, recorder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
}

#[test]
fn a_path_that_the_system_would_cut_is_refused_by_whatever_takes_one() {
    let (directory, reactor) = (Directory::new(), reactor());
    for path in impossible(&directory) {
        listening_is_refused(&reactor, &path);
        let options = UnixDatagramOptions::new(&path);
        for options in [options.clone(), options.lock(true)] {
            let error = reactor.listen_unix_datagram(options, datagrams());
            assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        let error = reactor.connect_unix_datagram(&path, datagrams());
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidInput);

        let connecting = reactor.connect_unix(&path, recorder());
        let failure = result_of(&reactor, connecting).unwrap_err();
        let error = failure.check::<ConnectError>().expect("it has a result");
        assert_eq!(error.kind(), ConnectErrorKind::BadAddress, "{error}");
        assert!(error.to_string().contains("path"), "{error}");

        let port = reactor
            .listen_unix_datagram(directory.socket(), datagrams())
            .expect("it is free");
        let sent = port.send_to("x", UnixAddress::from(&path));
        assert!(matches!(sent, Err(DatagramError::Io(_))), "{sent:?}");
        result_of(&reactor, port.stop_listening()).expect("it closes");
    }
    assert_eq!(files(&directory.0), [] as [PathBuf; 0]);
    let unnamed = reactor.listen_unix(UnixAddress::Unnamed, recorder);
    assert_eq!(unnamed.unwrap_err().kind(), ErrorKind::InvalidInput);
}

#[test]
fn the_network_of_a_test_refuses_the_same_paths() {
    let (directory, reactor) = (Directory::new(), TestReactor::new());
    for path in impossible(&directory) {
        listening_is_refused(&reactor, &path);
        let connecting = reactor.connect_unix(&path, recorder());
        reactor.settle();
        let failure = failure_of(connecting);
        let error = failure.check::<ConnectError>().expect("it has a result");
        assert_eq!(error.kind(), ConnectErrorKind::BadAddress);
    }
}

#[test]
fn an_abstract_name_may_contain_zero_bytes() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let (reactor, log) = (reactor(), Log::default());
    let name = format!("\0reactor\0names-{}", std::process::id());
    let noting = RawRecorder::new(&log);
    let port = reactor
        .listen_unix(name.as_str(), move || noting.clone())
        .expect("it is free");
    reactor.connect_unix(port.address(), recorder()).ignore();
    turn_until(&reactor, || log.has("made"));
}

/// What may be at the name of a socket, with a process that has it open.
fn open_sockets(path: &Path) -> Vec<(&'static str, Box<dyn Fn() -> Socket>)> {
    let address = SockAddr::unix(path).expect("it is short");
    let bound = move |kind| {
        let socket = Socket::new(Domain::UNIX, kind, None).expect("a socket");
        socket.bind(&address).expect("it is free");
        socket
    };
    let (stream, listening) = (bound.clone(), bound.clone());
    let (datagram, connected) = (bound.clone(), bound);
    vec![
        ("bound", Box::new(move || stream(Type::STREAM))),
        (
            "listening",
            Box::new(move || {
                let socket = listening(Type::STREAM);
                socket.listen(1).expect("it is bound");
                socket
            }),
        ),
        ("datagrams", Box::new(move || datagram(Type::DGRAM))),
        (
            "datagrams of one peer",
            Box::new(move || {
                let socket = connected(Type::DGRAM);
                let to_itself = socket.local_addr().expect("it is bound");
                socket.connect(&to_itself).expect("it is there");
                socket
            }),
        ),
    ]
}

#[test]
fn a_lock_takes_no_name_from_a_socket_that_is_open() {
    let (directory, reactor) = (Directory::new(), reactor());
    let path = directory.socket();
    for (what, open) in open_sockets(&path) {
        let socket = open();
        for _ in 0..2 {
            let options = UnixListenOptions::new(&path).lock(true);
            let error = reactor.listen_unix(options, recorder).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AddrInUse, "{what}: {error}");
            let options = UnixDatagramOptions::new(&path).lock(true);
            let error = reactor.listen_unix_datagram(options, datagrams());
            assert_eq!(error.unwrap_err().kind(), ErrorKind::AddrInUse, "{what}");
        }
        assert_eq!(files(&directory.0), [path.as_path()], "{what}");
        socket.set_nonblocking(true).expect("a socket");
        if what == "listening" {
            assert!(socket.accept().is_err(), "asking is no connection");
        }
        // Closed, it is stale.
        drop(socket);
        let options = UnixListenOptions::new(&path).lock(true);
        let port = reactor.listen_unix(options, recorder).expect("it is stale");
        port.stop_listening().ignore();
        assert_eq!(files(&directory.0), [] as [PathBuf; 0], "{what}");
    }
}

/// How often a name is handed over in the tests of it.
const HAND_OVERS: usize = 300;

/// Takes the name over as soon as the socket is closed whose file it is, and gives what is
/// there then; says whether the file was there longer than the socket.
fn take_over(path: &Path, is_over: &AtomicBool) -> (Option<UnixListener>, bool) {
    let asking = UnixDatagram::unbound().expect("a socket");
    while !is_over.load(Ordering::Acquire) {
        let Err(error) = asking.connect(path) else {
            continue;
        };
        let outlived = match Errno::from_io_error(&error) {
            // The system may have found the file just before that was removed.
            Some(Errno::CONNREFUSED) => fs::remove_file(path).is_ok(),
            Some(Errno::NOENT) => false,
            _ => continue,
        };
        return (UnixListener::bind(path).ok(), outlived);
    }
    (None, false)
}

/// Has `close` close the socket at `path` while a successor waits for that.
#[track_caller]
fn hand_over(path: &Path, close: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let successor = scope.spawn(|| take_over(path, &is_over));
        close();
        is_over.store(true, Ordering::Release);
        let (listener, outlived) = successor.join().expect("no panic");
        let Some(listener) = listener else {
            return; // It has not come to it in time.
        };
        assert!(!outlived, "the file is removed before the socket is closed");
        let file = fs::symlink_metadata(path).expect("that of the successor stays");
        assert!(file.file_type().is_socket());
        drop(listener);
        fs::remove_file(path).expect("it is there");
    });
}

#[test]
fn a_port_that_closes_leaves_the_file_of_its_successor() {
    let (directory, reactor) = (Directory::new(), reactor());
    let path = directory.socket();
    for _ in 0..HAND_OVERS {
        let port = reactor.listen_unix(&path, recorder).expect("it is free");
        hand_over(&path, || port.stop_listening().ignore());
    }
}

#[test]
fn a_datagram_port_that_closes_leaves_the_file_of_its_successor() {
    let (directory, reactor) = (Directory::new(), reactor());
    let path = directory.socket();
    for _ in 0..HAND_OVERS {
        let port = reactor
            .listen_unix_datagram(&path, datagrams())
            .expect("it is free");
        hand_over(&path, || {
            result_of(&reactor, port.stop_listening()).expect("it closes");
        });
    }
}

#[test]
fn a_reactor_that_goes_leaves_the_file_of_its_successor() {
    let directory = Directory::new();
    let path = directory.socket();
    for _ in 0..HAND_OVERS {
        let reactor = reactor();
        let _port = reactor.listen_unix(&path, recorder).expect("it is free");
        hand_over(&path, || drop(reactor));
    }
}

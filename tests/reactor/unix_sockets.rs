//! UNIX sockets, and descriptors that go through them.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{ErrorKind, IoSlice, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::{
    ConnectError, ConnectErrorKind, Context, Protocol, Raw, SendDescriptorError, UnixAddress,
    UnixConnectOptions, UnixListenOptions,
};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{Log, RawRecorder, reactor, turn_until};

/// A directory that goes with the test.
pub(crate) struct Directory(pub(crate) PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unix-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn echo(log: &Log) -> RawRecorder {
    RawRecorder::new(log).on_received(|cx, data| {
        cx.write(data);
        Ok(())
    })
}

#[test]
fn both_sides_talk_and_know_their_addresses() {
    let (directory, reactor) = (Directory::new(), reactor());
    let (server, client) = (Log::default(), Log::default());
    let path = directory.socket();
    let expected = UnixAddress::from(&path);
    let recorder = echo(&server).on_made(|cx| {
        assert_eq!(cx.peer().as_unix(), Some(&UnixAddress::Unnamed));
        Ok(())
    });
    let port = reactor
        .listen_unix(&path, move || recorder.clone())
        .expect("it is free");
    assert_eq!(port.address(), expected);
    let asking = RawRecorder::new(&client).on_made(move |cx| {
        assert_eq!(cx.peer().as_unix(), Some(&expected));
        cx.write("hello");
        Ok(())
    });
    reactor.connect_unix(&path, asking).ignore();
    turn_until(&reactor, || client.has("received hello"));
    assert!(path.exists());
    port.stop_listening().ignore();
    assert!(!path.exists());
    drop(reactor);
    assert!(server.has("lost: reactor stopped"));
}

#[test]
fn the_file_has_the_mode_and_goes_with_the_reactor() {
    let (directory, reactor) = (Directory::new(), reactor());
    let path = directory.socket();
    let options = UnixListenOptions::new(&path).mode(0o600);
    let _port = reactor
        .listen_unix(options, || RawRecorder::new(&Log::default()))
        .expect("it is free");
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(reactor);
    assert!(!path.exists());
}

#[test]
fn the_credentials_of_a_peer_are_told() {
    let (directory, reactor, log) = (Directory::new(), reactor(), Log::default());
    let own = (
        Some(std::process::id()),
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let noting = RawRecorder::new(&log).on_made(move |cx| {
        if cfg!(target_os = "linux") {
            let peer = cx.connection().peer_credentials()?;
            assert_eq!((peer.pid(), peer.uid(), peer.gid()), own);
        } else {
            let error = cx.connection().peer_credentials().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        Ok(())
    });
    let server = noting.clone();
    let path = directory.socket();
    let _port = reactor
        .listen_unix(&path, move || server.clone())
        .expect("it is free");
    let connecting = reactor.connect_unix(&path, noting);
    let connection = reactor.block_on(connecting).expect("it listens");
    turn_until(&reactor, || log.len() == 2);
    drop(reactor);
    let error = connection.peer_credentials().unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
}

#[test]
fn the_peer_of_another_socket_has_no_credentials() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = RawRecorder::new(&log).on_made(|cx| {
        let error = cx.connection().peer_credentials().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        Ok(())
    });
    let server = recorder.clone();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || server.clone())
        .expect("a free port");
    let connecting = reactor.connect_tcp(port.address(), recorder.clone());
    reactor.block_on(connecting).expect("it listens");
    let (input, _there) = std::io::pipe().expect("a pipe");
    let (_here, output) = std::io::pipe().expect("a pipe");
    reactor
        .adopt_pipes(input, output, recorder)
        .expect("it has no credentials");
    turn_until(&reactor, || log.len() == 3);
}

#[test]
fn an_abstract_name_needs_no_file() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let (reactor, log) = (reactor(), Log::default());
    let name = format!("@reactor-test-{}", std::process::id());
    let recorder = echo(&log);
    let _port = reactor
        .listen_unix(name.as_str(), move || recorder.clone())
        .expect("it is free");
    let again = reactor.listen_unix(name.as_str(), || RawRecorder::new(&Log::default()));
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AddrInUse);
    reactor.connect_unix(name, RawRecorder::new(&log)).ignore();
    turn_until(&reactor, || log.len() >= 2);
}

#[test]
fn a_client_with_an_abstract_name_is_shown_with_it() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let (directory, reactor, log) = (Directory::new(), reactor(), Log::default());
    let path = directory.socket();
    let name = format!("@reactor-client-{}", std::process::id());
    let recorder = RawRecorder::new(&log).on_made(|cx| {
        cx.write(cx.peer().to_string());
        cx.lose_connection();
        Ok(())
    });
    let _port = reactor
        .listen_unix(&path, move || recorder.clone())
        .expect("it is free");
    let client = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    let abstract_name = SockAddr::unix(name.replace('@', "\0")).expect("it is short");
    client.bind(&abstract_name).expect("it is free");
    client
        .connect(&SockAddr::unix(&path).expect("it is short"))
        .expect("it listens");
    turn_until(&reactor, || log.is_lost());
    let (mut client, mut shown) = (&client, String::new());
    client.read_to_string(&mut shown).expect("it is sent");
    assert_eq!(shown, name);
}

#[test]
fn what_a_crashed_process_has_left_is_replaced_under_a_lock() {
    let (directory, reactor) = (Directory::new(), reactor());
    let path = directory.socket();
    // The file of a socket that no process listens on.
    drop(UnixListener::bind(&path).expect("it is free"));
    let factory = || RawRecorder::new(&Log::default());
    let refused = reactor.listen_unix(&path, factory).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    let locking = UnixListenOptions::new(&path).lock(true);
    let port = reactor
        .listen_unix(locking.clone(), factory)
        .expect("it is stale");
    let other = reactor.listen_unix(locking.clone(), factory).unwrap_err();
    assert_eq!(other.kind(), ErrorKind::AddrInUse);
    port.stop_listening().ignore();
    let left: Vec<_> = fs::read_dir(&directory.0).expect("it is there").collect();
    assert!(left.is_empty(), "{left:?}");
    // A file that is no socket is not removed.
    fs::write(&path, "precious").expect("it is written");
    assert!(reactor.listen_unix(locking, factory).is_err());
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
}

#[test]
fn connecting_to_nothing_fails_by_kind() {
    let (directory, reactor) = (Directory::new(), reactor());
    let kinds: Rc<RefCell<Vec<ConnectErrorKind>>> = Rc::default();
    drop(UnixListener::bind(directory.socket()).expect("it is free"));
    for path in [directory.0.join("missing"), directory.socket()] {
        let kinds = Rc::clone(&kinds);
        reactor
            .connect_unix(path, RawRecorder::new(&Log::default()))
            .add_errback(move |failure| {
                kinds
                    .borrow_mut()
                    .push(failure.trap::<ConnectError>()?.kind());
                Err(failure)
            })
            .ignore();
    }
    turn_until(&reactor, || kinds.borrow().len() == 2);
    assert_eq!(
        *kinds.borrow(),
        [ConnectErrorKind::NotFound, ConnectErrorKind::Refused]
    );
}

/// Notes the descriptors and the bytes that come, in order.
struct Receiver {
    log: Log,
    files: Rc<RefCell<Vec<File>>>,
}

impl Protocol for Receiver {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.log.note(String::from_utf8_lossy(data));
        Ok(())
    }

    fn descriptor_received(&mut self, _: &mut Context<'_, Self>, it: OwnedFd) -> Result<()> {
        self.log.note("a descriptor");
        self.files.borrow_mut().push(File::from(it));
        Ok(())
    }
}

#[test]
fn descriptors_come_before_the_bytes_they_were_sent_with() {
    let (directory, reactor) = (Directory::new(), reactor());
    let (log, files) = (Log::default(), Rc::<RefCell<Vec<File>>>::default());
    let path = directory.socket();
    let file = directory.0.join("file");
    fs::write(&file, "passed on").expect("it is written");
    let opened = move || File::open(&file).expect("it is there");
    let recorder = RawRecorder::new(&Log::default()).on_made(move |cx| {
        cx.write("before");
        cx.connection().send_descriptor(opened(), "with one")?;
        cx.connection().send_descriptor(opened(), "with another")?;
        cx.write("after");
        assert_eq!(
            cx.connection().send_descriptor(opened(), ""),
            Err(SendDescriptorError::NoBytes)
        );
        Ok(())
    });
    let _port = reactor
        .listen_unix(&path, move || recorder.clone())
        .expect("it is free");
    let receiver = Receiver {
        log: log.clone(),
        files: Rc::clone(&files),
    };
    reactor.connect_unix(&path, receiver).ignore();
    turn_until(&reactor, || log.events().concat().ends_with("after"));
    // The system may give one together with bytes that were sent before.
    let told = log.events().concat();
    assert_eq!(
        told.replace("a descriptor", ""),
        "beforewith onewith anotherafter"
    );
    for (number, bytes) in [(1, "with one"), (2, "with another")] {
        let (until, _) = told.split_once(bytes).expect("they came");
        assert!(until.matches("a descriptor").count() >= number, "{told}");
    }
    for file in files.borrow_mut().iter_mut() {
        let mut content = String::new();
        file.rewind().expect("a file");
        file.read_to_string(&mut content).expect("a file");
        assert_eq!(content, "passed on");
    }
}

/// Sends some descriptors with one byte.
pub(crate) fn send_descriptors(socket: &UnixStream, descriptors: &[impl AsFd]) {
    let descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [IoSlice::new(b"x")];
    let sent = sendmsg(socket, &bytes, &mut control, SendFlags::empty());
    assert_eq!(sent.expect("it fits"), 1);
}

/// Does one thing at the first descriptor.
struct Choosy {
    log: Log,
    at_first: fn(&mut Context<'_, Self>) -> Result<()>,
}

impl Protocol for Choosy {
    type Framing = Raw;

    fn descriptor_received(&mut self, cx: &mut Context<'_, Self>, _: OwnedFd) -> Result<()> {
        self.log.note("a descriptor");
        (self.at_first)(cx)
    }

    fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> Result<()> {
        self.log.note("bytes");
        Ok(())
    }
}

#[test]
fn after_a_close_or_a_failure_there_is_no_further_descriptor() {
    let ways: [fn(&mut Context<'_, Choosy>) -> Result<()>; 3] = [
        |cx| {
            cx.lose_connection();
            Ok(())
        },
        |cx| {
            cx.abort();
            Ok(())
        },
        |_| Err(deferred::Failure::msg("one is too many")),
    ];
    for at_first in ways {
        let (reactor, log) = (reactor(), Log::default());
        let (near, far) = UnixStream::pair().expect("a pair");
        let protocol = Choosy {
            log: log.clone(),
            at_first,
        };
        let connection = reactor
            .adopt_stream(far, protocol)
            .expect("it can be watched");
        let (outputs, inputs): (Vec<_>, Vec<_>) = [0; 3]
            .map(|_| std::io::pipe().expect("a pipe"))
            .into_iter()
            .unzip();
        send_descriptors(&near, &outputs);
        drop(outputs);
        // In order, it waits for the peer to finish, too.
        drop(near);
        turn_until(&reactor, || connection.is_gone());
        assert_eq!(log.events(), ["a descriptor"]);
        for mut input in inputs {
            assert!(input.write(b"x").is_err(), "all of them are closed");
        }
    }
}

#[test]
fn descriptors_that_nobody_reads_are_not_piled_up() {
    let (directory, reactor) = (Directory::new(), reactor());
    let (log, path) = (Log::default(), directory.socket());
    let noting = log.clone();
    let recorder = RawRecorder::new(&Log::default()).on_made(move |cx| {
        let refused = loop {
            match cx
                .connection()
                .send_descriptor(File::open("/dev/null")?, [7; 4096])
            {
                Ok(()) => {}
                Err(refused) => break refused,
            }
        };
        noting.note(refused.to_string());
        Ok(())
    });
    let _port = reactor
        .listen_unix(&path, move || recorder.clone())
        .expect("it is free");
    let _peer = UnixStream::connect(&path).expect("it listens");
    turn_until(&reactor, || log.len() == 1);
    assert_eq!(
        log.events(),
        ["the peer does not read: 64 descriptors wait already"]
    );
}

#[test]
fn tcp_sends_no_descriptors() {
    let (reactor, log) = (reactor(), Log::default());
    let noting = log.clone();
    let recorder = RawRecorder::new(&Log::default()).on_made(move |cx| {
        let refused = cx
            .connection()
            .send_descriptor(File::open("/dev/null")?, "x");
        noting.note(refused.unwrap_err().to_string());
        Ok(())
    });
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a free port");
    let _peer = crate::support::Peer::connect(port.address());
    turn_until(&reactor, || log.len() == 1);
    assert_eq!(log.events(), ["only a UNIX socket can send a descriptor"]);
}

#[test]
fn two_pipes_are_a_connection() {
    let reactor = reactor();
    let log = Log::default();
    let (input, mut to_it) = std::io::pipe().expect("a pipe");
    let (mut from_it, output) = std::io::pipe().expect("a pipe");
    let connection = reactor
        .adopt_pipes(input, output, echo(&log))
        .expect("it can be watched");
    to_it.write_all(b"typed").expect("it fits");
    turn_until(&reactor, || log.has("received typed"));
    let mut printed = [0; 5];
    from_it.read_exact(&mut printed).expect("it was echoed");
    assert_eq!(&printed, b"typed");
    drop(to_it);
    turn_until(&reactor, || connection.is_gone());
    assert_eq!(
        log.events(),
        ["made", "received typed", "read closed", "lost: done"]
    );
    assert_eq!(from_it.read(&mut printed).expect("its end"), 0);
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_connection() {
    let reactor = reactor();
    let log = Log::default();
    let (input, _to_it) = std::io::pipe().expect("a pipe");
    let (from_it, output) = std::io::pipe().expect("a pipe");
    let _connection = reactor
        .adopt_pipes(input, output, echo(&log))
        .expect("it can be watched");
    drop(from_it);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: broken"]);
}

#[test]
#[cfg(target_os = "linux")]
fn an_attempt_at_a_full_backlog_ends_after_the_timeout_of_its_options() {
    let (reactor, log) = (reactor(), Log::default());
    let path = std::env::temp_dir().join(format!("full-backlog-{}", std::process::id()));
    // It never accepts, and its backlog is full after one connection.
    let listener = UnixListener::bind(&path).expect("a free name");
    rustix::net::listen(&listener, 0).expect("it listens");
    let address = rustix::net::SocketAddrUnix::new(&path).expect("a short name");
    let waiting: Vec<_> = std::iter::repeat_with(|| {
        let kind = rustix::net::SocketType::STREAM;
        let socket =
            rustix::net::socket(rustix::net::AddressFamily::UNIX, kind, None).expect("a socket");
        rustix::io::ioctl_fionbio(&socket, true).expect("it can be asked not to wait");
        rustix::net::connect(&socket, &address).map(|()| socket)
    })
    .map_while(Result::ok)
    .take(100)
    .collect();
    assert!(!waiting.is_empty());
    let started = Instant::now();
    let options = UnixConnectOptions::new(&path).timeout(Duration::from_millis(50));
    let connecting = reactor.connect_unix(options, RawRecorder::new(&log));
    let failure = reactor
        .block_on(connecting)
        .expect_err("it is not accepted");
    let error = failure.downcast_ref::<ConnectError>().expect("it says why");
    assert!(
        matches!(error.kind(), ConnectErrorKind::TimedOut),
        "{error:?}"
    );
    assert!(started.elapsed() >= Duration::from_millis(40));
    drop((listener, waiting));
    fs::remove_file(&path).expect("it is there");
}

//! UNIX sockets for datagrams.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use reactor::{DatagramError, UnixAddress, UnixDatagramOptions};
use tests::Directory;

use crate::datagrams::Recorder;
use crate::support::{Log, assert_sleeps, reactor, result_of, turn_a_few_times, turn_until};

type Unix = Recorder<UnixAddress>;

#[test]
fn names_are_files_that_go_with_their_port() {
    let (reactor, folder) = (reactor(), Directory::new("unix-datagrams"));
    let (server, client) = (Log::default(), Log::default());
    let protocol = Unix::new(&server).on_received(|cx, data, from| Ok(cx.send_to(data, from)?));
    let options = UnixDatagramOptions::new(folder.join("server")).mode(0o600);
    let port = reactor
        .listen_unix_datagram(options, protocol)
        .expect("the name is free");
    assert_eq!(port.address(), UnixAddress::from(folder.join("server")));
    let mode = fs::metadata(folder.join("server")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);

    let options = UnixDatagramOptions::new(folder.join("client")).connect(folder.path("server"));
    let asking = reactor
        .listen_unix_datagram(options, Unix::new(&client))
        .expect("the name is free");
    asking.send("hello").expect("it is connected");
    turn_until(&reactor, || client.has("received hello"));
    assert_eq!(server.events(), ["start", "received hello"]);

    let taken = reactor.listen_unix_datagram(folder.join("server"), Unix::new(&Log::default()));
    assert_eq!(
        taken.expect_err("it is in use").kind(),
        std::io::ErrorKind::AddrInUse
    );
    let (handle, name) = (reactor.handle(), folder.join("server"));
    let again = port
        .stop_listening()
        .add_callback(move |()| Ok(handle.listen_unix_datagram(name, Unix::new(&Log::default()))?));
    let again = result_of(&reactor, again).expect("the name is free");
    result_of(&reactor, again.stop_listening()).expect("it closes");
    assert!(!folder.join("server").exists());
    assert!(matches!(asking.send("hello?"), Err(DatagramError::Refused)));
    assert!(folder.join("client").exists());
    assert_sleeps(&reactor);
    drop(reactor);
    assert!(!folder.join("client").exists());
}

#[test]
fn a_file_that_somebody_else_has_put_there_stays() {
    let (reactor, folder) = (reactor(), Directory::new("unix-datagrams-replaced"));
    let name = folder.join("name");
    let port = reactor
        .listen_unix_datagram(&name, Unix::new(&Log::default()))
        .expect("the name is free");
    fs::remove_file(&name).expect("it is there");
    let _other = UnixDatagram::bind(&name).expect("it is free");
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert!(name.exists());
}

#[test]
fn what_a_process_that_crashed_has_left_is_replaced_by_who_has_the_lock() {
    let (reactor, folder) = (reactor(), Directory::new("unix-datagrams-lock"));
    let name = folder.join("name");
    drop(UnixDatagram::bind(&name).expect("it is free"));
    let listen = |lock| {
        let options = UnixDatagramOptions::new(&name).lock(lock);
        reactor.listen_unix_datagram(options, Unix::new(&Log::default()))
    };
    let in_use = std::io::ErrorKind::AddrInUse;
    assert_eq!(listen(false).expect_err("it is left").kind(), in_use);
    let port = listen(true).expect("the lock is free");
    assert_eq!(listen(true).expect_err("it is locked").kind(), in_use);
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert_eq!(fs::read_dir(&*folder).expect("a folder").count(), 0);
}

#[test]
fn who_has_no_name_can_be_heard() {
    let (reactor, folder) = (reactor(), Directory::new("unix-datagrams-unnamed"));
    let (log, client) = (Log::default(), Log::default());
    let protocol = Unix::new(&log).on_received(|cx, data, from| {
        assert_eq!(from, UnixAddress::Unnamed);
        assert!(cx.send_to(data, from).is_err(), "there is nowhere to go");
        Ok(())
    });
    let _port = reactor
        .listen_unix_datagram(folder.join("log"), protocol)
        .expect("the name is free");
    let port = reactor
        .connect_unix_datagram(folder.join("log"), Unix::new(&client))
        .expect("the server listens");
    assert_eq!(port.address(), UnixAddress::Unnamed);
    port.send("a line").expect("it is connected");
    turn_until(&reactor, || log.has("received a line"));
    let no_peer = reactor.connect_unix_datagram(folder.join("closed"), Unix::new(&client));
    assert_eq!(
        no_peer.expect_err("the socket does not exist").kind(),
        std::io::ErrorKind::NotFound
    );
}

#[test]
fn a_connected_port_hears_from_its_peer_only() {
    let (reactor, folder) = (reactor(), Directory::new("unix-datagrams-peer"));
    // The name that the peer was bound to is another one than that which the port is connected to.
    fs::create_dir(folder.join("real")).expect("a folder");
    std::os::unix::fs::symlink(folder.join("real"), folder.join("link")).expect("a link");
    let friend = UnixDatagram::bind(folder.join("link/friend")).expect("the name is free");
    let log = Log::default();
    let (own, to) = (folder.join("own"), folder.join("real/friend"));
    let early = own.clone();
    let protocol = Unix::new(&log).on_start(move |cx| {
        // They are there when the port is connected.
        let stranger = UnixDatagram::unbound()?;
        stranger.send_to(b"without a name", &early)?;
        stranger.send_to(&[b'x'; 10_000], &early)?;
        UnixDatagram::bind(early.with_extension("stranger"))?.send_to(b"strange", &early)?;
        Ok(cx.connect(UnixAddress::from(to.clone()))?)
    });
    let port = reactor
        .listen_unix_datagram(&own, protocol)
        .expect("the name is free");
    friend.send_to(b"friendly", &own).expect("it fits");
    turn_until(&reactor, || log.len() > 1);
    turn_a_few_times(&reactor);
    assert_eq!(log.events(), ["start", "received friendly"]);
    port.send("hello").expect("it is connected");

    // A peer without a name is known by the socket alone.
    let (near, far) = UnixDatagram::pair().expect("a pair");
    let log = Log::default();
    reactor
        .adopt_datagram_port(near, Unix::new(&log))
        .expect("a socket for datagrams");
    far.send(b"friendly").expect("it fits");
    turn_until(&reactor, || log.has("received friendly"));
}

#[cfg(target_os = "linux")]
#[test]
fn names_can_be_abstract() {
    let reactor = reactor();
    let (server, client) = (Log::default(), Log::default());
    let name = format!("@reactor-datagrams-{}", std::process::id());
    let protocol = Unix::new(&server).on_received(|cx, data, from| Ok(cx.send_to(data, from)?));
    let port = reactor
        .listen_unix_datagram(name.as_str(), protocol)
        .expect("the name is free");
    assert_eq!(port.address(), UnixAddress::from(name.as_str()));
    let asking = reactor
        .listen_unix_datagram(format!("{name}-client"), Unix::new(&client))
        .expect("the name is free");
    asking
        .send_to("hello", UnixAddress::from(name))
        .expect("the server listens");
    turn_until(&reactor, || client.has("received hello"));
}

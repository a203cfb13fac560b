//! Certificates that a signal has read again, and sessions that all loops of `Cores` resume.

use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use reactor::endpoint::ClientEndpoint;
use reactor::{Cores, Reactor};
use reactor_tls::{Identity, TlsServer};
use rustix::process::{Signal, getpid, kill_process};

use crate::certificates::Pem;
use crate::connections::{Echo, turn_until};
use crate::programs::protocols::{Site, Talked, talk, trusting};
use crate::programs::support::Files;

/// The certificate, in DER, that a new connection gets.
fn presented(reactor: &Reactor, endpoint: impl ClientEndpoint) -> Vec<u8> {
    let talked: Talked = reactor
        .block_on(talk(reactor, endpoint, &["hello"]))
        .unwrap();
    talked.tls.peer_certificates[0].clone()
}

#[test]
fn a_signal_reloads_certificates() {
    let files = Files::new("reload");
    let (certificate, key) = (files.path("server.pem"), files.path("server.key"));
    let identity = Identity::from_pem_files(&certificate, &key).unwrap();
    let tls = TlsServer::builder().identity(identity).build().unwrap();
    let site = Site::new(&tls);
    let reactor = &site.reactor;

    let (watched, signalled) = UnixStream::pair().unwrap();
    watched.set_nonblocking(true).unwrap();
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, signalled).unwrap();
    let (results, reloaded) = mpsc::channel();
    reactor
        .add_reader(watched, move |mut watched| {
            let _ = watched.read(&mut [0; 64]);
            results.send(tls.reload()).unwrap();
        })
        .unwrap();
    let reload = || {
        kill_process(getpid(), Signal::HUP).unwrap();
        let mut result = None;
        turn_until(reactor, || {
            result = reloaded.try_recv().ok();
            result.is_some()
        });
        result.unwrap()
    };

    // Without tickets: a resumed session shows no certificate.
    let endpoint = || {
        let tls = trusting(&files).build().unwrap();
        tls.endpoint("localhost", site.address).unwrap()
    };
    let old = presented(reactor, endpoint());
    assert_eq!(presented(reactor, endpoint()), old);

    let write = |pem: &Pem| {
        files.write("server.pem", &pem.certificate);
        files.write("server.key", &pem.key);
    };
    write(&files.issuer.issue("localhost"));
    assert_eq!(presented(reactor, endpoint()), old, "not read yet");
    reload().unwrap();
    let new = presented(reactor, endpoint());
    assert_ne!(new, old);

    // The old key does not fit the new certificate.
    files.write("server.key", &files.server.key);
    reload().unwrap_err();
    assert_eq!(presented(reactor, endpoint()), new, "nothing has changed");
    std::fs::remove_file(&key).unwrap();
    reload().unwrap_err();
    assert_eq!(presented(reactor, endpoint()), new);
}

#[test]
fn all_cores_resume_the_sessions_of_one() {
    let files = Files::new("cores");
    let tls = TlsServer::builder().identity(files.server.identity());
    let tls = tls.build().unwrap();
    let (addresses, listening) = mpsc::channel();
    let cores = Cores::start(3, move |reactor, _| {
        let port = reactor.listen_tcp("127.0.0.1:0", tls.factory(|| Echo))?;
        addresses.send(port.address())?;
        Ok(())
    })
    .unwrap();
    let addresses: Vec<SocketAddr> = listening.iter().take(3).collect();

    let client = trusting(&files).build().unwrap();
    let reactor = Reactor::new().unwrap();
    let is_resumed: Vec<bool> = addresses
        .iter()
        .map(|address| {
            let endpoint = client.endpoint("localhost", *address).unwrap();
            let talked = reactor
                .block_on(talk(&reactor, endpoint, &["hello"]))
                .unwrap();
            talked.tls.is_resumed
        })
        .collect();
    assert_eq!(is_resumed, [false, true, true]);
    cores.stop();
    cores.join().unwrap();
}

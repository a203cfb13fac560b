//! One app per core, behind one port.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deferred::{Result, sleep};
use reactor::{Cores, TcpListenOptions};
use reactor_web::{App, Request};

/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

// ANCHOR: app
/// Each core makes an app of its own: it may hold an `Rc`, and shares nothing with the others.
fn app(core: usize) -> App {
    App::new().get("/", move |_| format!("core {core}")).get(
        "/slow",
        move |req: Request| async move {
            sleep(req.reactor(), Duration::from_millis(50)).await?;
            Ok(format!("core {core}, at last"))
        },
    )
}

/// Serves it on all cores: on `count` reactors, between which the system shares the connections.
fn start(count: usize) -> Result<(Cores, SocketAddr)> {
    let address = Arc::new(Mutex::new(SocketAddr::from(([127, 0, 0, 1], 0))));
    let shared = Arc::clone(&address);
    let cores = Cores::start(count, move |reactor, core| {
        let mut address = shared.lock().expect("no panic");
        let options = TcpListenOptions::new(*address).reuse_port(true);
        let port = reactor.listen_tcp(options, app(core).into_site()?)?;
        // The system chose the port of the first; the others use the same.
        *address = port.address();
        Ok(())
    })?;
    let address = *address.lock().expect("no panic");
    Ok((cores, address))
}
// ANCHOR_END: app

fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .expect("it fits");
    socket
}

fn body(mut socket: TcpStream) -> String {
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("a whole answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    body.to_owned()
}

#[test]
fn the_cores_share_a_port_and_answer_what_runs_at_a_stop() {
    let (cores, address) = start(2).expect("it starts");
    // The system chooses a core by a hash of the addresses: both come up soon.
    let (mut seen, start) = (HashSet::new(), Instant::now());
    while seen.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "only {seen:?}");
        seen.insert(body(ask(address, "/")));
    }
    assert_eq!(
        seen,
        HashSet::from(["core 0".to_owned(), "core 1".to_owned()])
    );

    let running: Vec<_> = (0..8).map(|_| ask(address, "/slow")).collect();
    // They were accepted, and have their requests, when later ones were answered by both.
    seen.clear();
    while seen.len() < 2 {
        assert!(start.elapsed() < PATIENCE, "only {seen:?}");
        seen.insert(body(ask(address, "/")));
    }
    cores.stop();
    for socket in running {
        assert!(body(socket).ends_with(", at last"));
    }
    cores.join().expect("they end well");
}

//! Resident memory of connections that have had an answer, and how much of it is hyper's own.

use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use reactor_web::App;
use reactor_web::testing::TestClient;

use super::load::{Scenario, used};
use super::servers::{APP, Entrant};
use crate::allocations;
use crate::echo::idle::resident;
use crate::echo::server::Server;
use crate::table::Table;

/// Number of groups in which connections come. The memory that a group gives back is there for the
/// next one, while the allocator keeps it for the process.
const GROUPS: usize = 10;

/// A time after which an `App` has parked an idle connection: one tick of its watchdog, which is a
/// quarter of `Limits::write_timeout`, and 5 s.
pub(super) const PARKED: Duration = Duration::from_secs(21);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Measures `count` connections at once, and those of an `App` also after a `pause`, and in groups
/// with a `pause` after each.
pub(super) fn run(count: usize, pause: Duration) -> Result<(), Box<dyn Error>> {
    println!("web idle: {count} connections, each of which has had an answer");
    println!();
    let mut table = Table::new(["server", "resident bytes a connection", "to its peer"]);
    let mut found: Vec<(&str, f64)> = Vec::new();
    for entrant in Entrant::of(&Scenario::ALL[0], false) {
        let mut row = |name: String, bytes: f64| {
            found.push((entrant.name, bytes));
            let peer = found.iter().find(|(name, _)| *name == entrant.peer);
            let ratio = peer.map_or(f64::NAN, |(_, peer)| bytes / peer);
            table.row([name, format!("{bytes:.0}"), format!("{ratio:.2}")]);
        };
        let name = entrant.name.to_owned();
        row(name, measure(&entrant, count, 1, Duration::ZERO)?);
        if entrant.name == APP && !pause.is_zero() {
            let seconds = pause.as_secs();
            let parked = measure(&entrant, count, 1, pause)?;
            row(format!("{APP}, after {seconds} s"), parked);
            let in_groups = measure(&entrant, count, GROUPS, pause)?;
            row(format!("{APP}, in {GROUPS} groups"), in_groups);
        }
    }
    table.print();
    println!();
    let mut table = Table::new(["without sockets", "bytes of the heap a connection"]);
    table.row(["hyper by itself".into(), hyper_alone().to_string()]);
    let (serving, parked) = app_alone(REQUEST)?;
    table.row(["`App`".into(), serving.to_string()]);
    table.row(["`App`, parked".into(), parked.to_string()]);
    table.print();
    Ok(())
}

/// Resident bytes of each of `count` connections, which come in groups, with a pause after each.
fn measure(
    entrant: &Entrant,
    count: usize,
    groups: usize,
    pause: Duration,
) -> Result<f64, Box<dyn Error>> {
    let server = Server::start(&entrant.command)?;
    // What is made once, the first ones make.
    let connect = |_| used(server.address);
    let first = (0..10).map(connect).collect::<Result<Vec<_>, _>>()?;
    thread::sleep(pause);
    let before = resident(&server)?;
    let mut others = Vec::with_capacity(count);
    for group in 1..=groups {
        while others.len() < count * group / groups {
            others.push(connect(0)?);
        }
        thread::sleep(pause);
    }
    let bytes = (resident(&server)? - before) / count as f64;
    drop((first, others));
    server.stop()?;
    Ok(bytes)
}

/// Bytes of the heap that a connection of an `App` holds in a network in memory, with those of its
/// peer: once it has answered `request`, and once it is parked.
fn app_alone(request: &[u8]) -> Result<(i64, i64), Box<dyn Error>> {
    let client = TestClient::new(App::new().get("/", |_| benches::web_body("/")))?;
    let connect = || {
        let peer = client.connect();
        peer.send(request);
        drop(peer.received());
        peer
    };
    // What is made once, this one makes.
    let first = connect();
    client.advance(PARKED);
    let (peer, serving, _) = allocations::held(connect);
    let ((), freed, _) = allocations::held(|| client.advance(PARKED));
    drop((first, peer));
    Ok((serving, serving + freed))
}

/// Bytes of the heap that a connection of hyper holds once it has answered a request.
fn hyper_alone() -> i64 {
    let answer = async |_: Request<Incoming>| {
        let body = Full::new(Bytes::from_static(benches::web_body("/")));
        Ok::<_, Infallible>(Response::new(body))
    };
    let (connection, held, _) = allocations::held(|| {
        let serving = http1::Builder::new().serve_connection(Once(false), service_fn(answer));
        let mut connection = Box::pin(serving);
        let mut cx = Context::from_waker(Waker::noop());
        let polled = Future::poll(connection.as_mut(), &mut cx);
        (connection, polled.is_pending())
    });
    drop(black_box(connection));
    held
}

/// One request; then nothing comes. What is written is taken.
struct Once(bool);

impl Read for Once {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Pending;
        }
        buffer.put_slice(REQUEST);
        Poll::Ready(Ok(()))
    }
}

impl Write for Once {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::{REQUEST, app_alone, hyper_alone};

    #[test]
    fn a_parked_connection_holds_nothing_of_hyper() {
        let own = hyper_alone();
        let (serving, parked) = app_alone(REQUEST).expect("an app");
        assert!(own > 16 * 1024, "its buffers: {own}");
        assert!(serving > own, "{serving}");
        assert!(serving - parked >= own, "{serving}, parked {parked}");
        assert!(parked < 4 * 1024, "{parked}");
    }

    /// The buffer of the input is kept for the next request while the connection serves, since it
    /// is small.
    #[test]
    fn a_parked_connection_keeps_no_buffer_of_a_larger_request() {
        let small = app_alone(REQUEST).expect("an app");
        let cookie = "c".repeat(3_000);
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n");
        let large = app_alone(request.as_bytes()).expect("an app");
        // The network of the test keeps another copy, so what is left is not equal.
        let [freed, more] = [small, large].map(|(serving, parked)| serving - parked);
        assert!(more - freed > 2_900, "{small:?}, {large:?}");
    }
}

//! Resident memory of connections that have had an answer, and how much of it is hyper's own.

use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::load::{Scenario, used};
use super::servers::Entrant;
use crate::allocations;
use crate::echo::idle::resident;
use crate::echo::server::Server;
use crate::table::Table;

pub(super) fn run(count: usize) -> Result<(), Box<dyn Error>> {
    println!("web idle: {count} connections, each of which has had an answer");
    println!();
    let mut table = Table::new(["server", "resident bytes a connection", "to its peer"]);
    let own = hyper_alone();
    table.row(["hyper by itself".into(), own.to_string(), "-".into()]);
    let mut found: Vec<(&str, f64)> = Vec::new();
    for entrant in Entrant::of(&Scenario::ALL[0], false) {
        let server = Server::start(&entrant.command)?;
        // What is made once, the first ones make.
        let connect = |_| used(server.address);
        let first = (0..10).map(connect).collect::<Result<Vec<_>, _>>()?;
        let before = resident(&server)?;
        let others = (0..count).map(connect).collect::<Result<Vec<_>, _>>()?;
        let bytes = (resident(&server)? - before) / count as f64;
        drop((first, others));
        server.stop()?;
        found.push((entrant.name, bytes));
        let peer = found.iter().find(|(name, _)| *name == entrant.peer);
        let ratio = peer.map_or(f64::NAN, |(_, peer)| bytes / peer);
        table.row([
            entrant.name.into(),
            format!("{bytes:.0}"),
            format!("{ratio:.2}"),
        ]);
    }
    table.print();
    Ok(())
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
        buffer.put_slice(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
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

//! `Io` alone, below hyper's own API.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use deferred::Cancelled;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use reactor::testing::{self, Peer, TestReactor};
use reactor_web::{Body, Io, IoProtocol, LoopTimer};

use crate::support::{GET, answer, text};

async fn hello(_: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

/// hyper with `handler` on a connection to the test.
fn serve<H, F>(reactor: &TestReactor, builder: http1::Builder, handler: H) -> Peer
where
    H: Fn(Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + 'static,
{
    let protocol = IoProtocol::new(move |io| {
        let reactor = io.reactor().clone();
        let serving = builder.serve_connection(io, service_fn(handler));
        reactor.spawn(async { Ok(serving.await?) }).ignore();
    });
    reactor.connect_to_peer(protocol).1
}

/// The `Io` of a new connection, and its peer.
fn open(reactor: &TestReactor) -> (Io, Peer) {
    let slot = Rc::new(Cell::new(None));
    let opened = Rc::clone(&slot);
    let protocol = IoProtocol::new(move |io| opened.set(Some(io)));
    let peer = reactor.connect_to_peer(protocol).1;
    (slot.take().expect("it is open"), peer)
}

#[test]
fn requests_are_answered_one_after_the_other_on_one_connection() {
    testing::run(|reactor| {
        let peer = serve(reactor, http1::Builder::new(), hello);
        for _ in 0..3 {
            peer.send(GET);
            assert_eq!(answer(&text(&peer)), ("HTTP/1.1 200 OK", "hello"));
        }
        peer.close();
    });
}

#[test]
fn a_request_may_come_byte_by_byte() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let peer = serve(reactor, http1::Builder::new(), hello);
        peer.send(GET);
        assert_eq!(answer(&text(&peer)), ("HTTP/1.1 200 OK", "hello"));
        peer.close();
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    testing::run(|reactor| {
        let peer = serve(
            reactor,
            http1::Builder::new(),
            async |request: Request<Incoming>| {
                Ok(Response::new(Body::from(request.uri().path().to_owned())))
            },
        );
        let requests = (0..16).map(|n| format!("GET /{n} HTTP/1.1\r\nhost: x\r\n\r\n"));
        peer.send(requests.collect::<String>());
        let answers = text(&peer);
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 16);
        let at = |n: i32| answers.find(&format!("\r\n\r\n/{n}")).expect("an answer");
        assert!((1..16).all(|n| at(n - 1) < at(n)), "in order");
        peer.close();
    });
}

#[test]
fn hypers_timers_go_by_the_clock_of_the_loop() {
    testing::run(|reactor| {
        let mut builder = http1::Builder::new();
        builder
            .timer(LoopTimer::new(reactor))
            .header_read_timeout(Duration::from_secs(10));
        let peer = serve(reactor, builder, hello);
        peer.send("GET / HT");
        reactor.advance(Duration::from_millis(9_999));
        assert!(!peer.is_closed());
        reactor.advance(Duration::from_millis(1));
        assert!(peer.is_closed());
    });
}

#[test]
fn a_peer_that_does_not_read_stops_the_body() {
    testing::run(|reactor| {
        let peer = serve(
            reactor,
            http1::Builder::new(),
            async |_: Request<Incoming>| Ok(Response::new(Body::from(vec![b'x'; 3_000_000]))),
        );
        peer.set_reading(false);
        peer.send(GET);
        peer.set_reading(true);
        assert_eq!(answer(&text(&peer)).1.len(), 3_000_000);
        peer.close();
    });
}

#[test]
fn a_reset_ends_hypers_connection() {
    testing::run(|reactor| {
        let peer = serve(reactor, http1::Builder::new(), |_| std::future::pending());
        peer.send(GET);
        peer.reset();
        assert_eq!(reactor.leftovers().sources, 0);
    });
}

#[test]
fn a_cancel_of_a_body_that_reads_drops_it_with_its_connection() {
    testing::run(|reactor| {
        let reading = Rc::new(Cell::new(None));
        let slot = Rc::clone(&reading);
        let protocol = IoProtocol::new(move |mut io| {
            let reactor = io.reactor().clone();
            let body = async move {
                io.peek().await?;
                Ok(())
            };
            slot.set(Some(reactor.spawn(body)));
        });
        let peer = reactor.connect_to_peer(protocol).1;
        let reading = reading.take().expect("it was spawned");
        reading.cancel();
        reactor.settle();
        let failure = reading.into_result().expect("it is over").unwrap_err();
        assert!(failure.is::<Cancelled>());
        assert!(peer.is_closed());
    });
}

#[test]
fn answers_in_one_piece_are_sent_as_those_in_slices() {
    testing::run(|reactor| {
        for is_vectored in [false, true] {
            for length in [0, 5, 20_000, 3_000_000] {
                let mut builder = http1::Builder::new();
                builder.writev(is_vectored);
                let handler = move |_: Request<Incoming>| async move {
                    Ok(Response::new(Body::from(vec![b'x'; length])))
                };
                let peer = serve(reactor, builder, handler);
                peer.set_reading(false);
                peer.send(GET.repeat(2));
                peer.set_reading(true);
                let got = text(&peer);
                let bodies: Vec<_> = got.split("HTTP/1.1 200 OK").skip(1).map(answer).collect();
                assert_eq!(bodies.len(), 2);
                assert!(bodies.iter().all(|(_, body)| body.len() == length));
                peer.close();
            }
        }
    });
}

/// Sends input to a connection when it is dropped, as the last clone of a waker of a user's.
struct SendOnDrop;

thread_local! {
    // Since a `Waker` has to be `Send`, and a `Peer` is not.
    static SENDER: Cell<Option<Peer>> = const { Cell::new(None) };
}

impl Wake for SendOnDrop {
    fn wake(self: Arc<Self>) {}
}

impl Drop for SendOnDrop {
    fn drop(&mut self) {
        if let Some(peer) = SENDER.take() {
            peer.send("input");
        }
    }
}

#[test]
fn a_waker_that_is_replaced_may_bring_input_in_its_drop() {
    testing::run(|reactor| {
        let (mut io, peer) = open(reactor);
        SENDER.set(Some(peer));
        for waker in [Waker::from(Arc::new(SendOnDrop)), Waker::noop().clone()] {
            let mut cx = Context::from_waker(&waker);
            assert!(io.poll_fill(&mut cx, |_| ()).is_pending());
            // The `Io` has the last clone of it now.
            drop(waker);
        }
        let mut cx = Context::from_waker(Waker::noop());
        let input = io.poll_fill(&mut cx, <[u8]>::to_vec);
        assert!(matches!(input, Poll::Ready(Ok(input)) if input == b"input"));
    });
}

#[test]
fn a_pause_by_the_program_outlasts_those_of_a_full_buffer() {
    testing::run(|reactor| {
        let (mut io, peer) = open(reactor);
        // More than is buffered unread.
        peer.send(vec![b'a'; 80_000]);
        reactor.settle();
        io.consume(60_000);
        reactor.settle();
        io.connection().pause_reading().expect("it is open");
        peer.send("late");
        io.consume(10);
        reactor.settle();
        let mut cx = Context::from_waker(Waker::noop());
        let mut received = 60_010;
        while let Poll::Ready(count) = io.poll_fill(&mut cx, <[u8]>::len) {
            let count = count.expect("it is open");
            received += count;
            io.consume(count);
            reactor.settle();
        }
        assert_eq!(received, 80_000, "the rest waits");
        io.connection().resume_reading().expect("it is open");
        reactor.settle();
        let late = io.poll_fill(&mut cx, <[u8]>::to_vec);
        assert!(matches!(late, Poll::Ready(Ok(late)) if late == b"late"));
    });
}

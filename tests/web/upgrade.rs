//! `Request::upgrade`: the connection in the hands of a handler, after a 101.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, sleep};
use http::StatusCode;
use reactor::ByteStreamProtocol;
use reactor_web::{App, Body, ClientGone, HttpError, Io, Limits, Request, UpgradeRefused};

use crate::support::{EchoLines, answer, client, text};

const SECOND: Duration = Duration::from_secs(1);
const UPGRADE: &str =
    "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: echo\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\n";

/// The answer that gives the connection away.
fn switching() -> impl reactor_web::IntoResponse {
    let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
}

/// Gives the connection to `f`.
fn upgrading(f: impl Fn(Io) -> Deferred<()> + Clone + 'static) -> App {
    App::new().any("/echo", move |req| {
        req.upgrade().add_callback(f.clone()).log_error().ignore();
        switching()
    })
}

fn echo() -> App {
    upgrading(|io| io.switch_to(EchoLines).add_callback(drop))
}

#[test]
fn what_the_client_has_sent_too_early_is_read_first_wherever_it_is_split() {
    let sent = format!("{UPGRADE}one\r\ntwo\r\n");
    for split in 0..sent.len() {
        let client = client(echo());
        let peer = client.connect();
        let (first, second) = sent.split_at(split);
        peer.send(first);
        peer.send(second);
        peer.send("three\r\n");
        let got = text(&peer);
        assert!(got.starts_with(SWITCHED), "{split}: {got}");
        assert_eq!(answer(&got).1, "one\r\ntwo\r\nthree\r\n", "{split}");
        peer.close();
    }
}

#[test]
fn an_answer_that_comes_later_upgrades_too() {
    let app = App::new().get("/echo", async |req: Request| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        sleep(req.reactor(), SECOND).await?;
        Ok(switching())
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    peer.send("early\r\n");
    assert_eq!(text(&peer), "");
    client.advance(SECOND);
    peer.send("late\r\n");
    assert_eq!(answer(&text(&peer)).1, "early\r\nlate\r\n");
    peer.close();
}

#[test]
fn an_io_is_read_and_written_as_it_is() {
    let app = upgrading(|mut io| {
        let reactor = io.reactor().clone();
        reactor.spawn(async move {
            let line = io.peek().await?;
            io.consume(line.len());
            std::future::poll_fn(|cx| {
                let io = std::pin::Pin::new(&mut io);
                hyper::rt::Write::poll_write(io, cx, b"got it\n")
            })
            .await?;
            // Dropping it ends the connection, when all is sent.
            Ok(())
        })
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    peer.send("hello\n");
    assert_eq!(answer(&text(&peer)).1, "got it\n");
    assert!(peer.is_closed());
}

#[test]
fn what_a_handler_writes_at_once_comes_behind_the_head() {
    let app = upgrading(|io| {
        let written = io.connection().write("welcome\n");
        written.map_or_else(deferred::fail, deferred::succeed)
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    let got = text(&peer);
    assert!(got.starts_with(SWITCHED), "{got}");
    assert_eq!(answer(&got).1, "welcome\n");
    assert!(peer.is_closed());
}

#[test]
fn a_byte_stream_takes_the_connection_over() {
    use futures::{AsyncReadExt, AsyncWriteExt};
    let app = upgrading(|io| {
        let reactor = io.reactor().clone();
        let (protocol, stream) = ByteStreamProtocol::pair();
        reactor.spawn(async move {
            let _connection = io.switch_to(protocol).await?;
            let mut stream = stream.await?;
            let mut all = Vec::new();
            AsyncReadExt::read_to_end(&mut stream, &mut all).await?;
            all.reverse();
            AsyncWriteExt::write_all(&mut stream, &all).await?;
            Ok(())
        })
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    peer.send("abc");
    peer.finish();
    assert_eq!(answer(&text(&peer)).1, "cba");
}

#[test]
fn timeouts_of_http_do_not_apply() {
    let client = client(echo());
    let peer = client.connect();
    peer.send(UPGRADE);
    peer.send("half a li");
    client.advance(SECOND * 600);
    peer.send("ne\r\n");
    assert_eq!(answer(&text(&peer)).1, "half a line\r\n");
    assert_eq!(client.site().connections(), 1);
    peer.close();
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0);
}

/// Notes what `upgrade` fails with.
fn failing(answer: impl Fn() -> reactor_web::Answer + 'static) -> (App, Rc<RefCell<Vec<Failure>>>) {
    let failures: Rc<RefCell<Vec<Failure>>> = Rc::default();
    let noted = Rc::clone(&failures);
    let app = App::new().any("/echo", move |req| {
        let noted = Rc::clone(&noted);
        let noting = req.upgrade().add_callbacks(
            |_io| panic!("there is no upgrade"),
            move |failure| {
                noted.borrow_mut().push(failure);
                Ok(())
            },
        );
        noting.ignore();
        answer()
    });
    (app, failures)
}

#[test]
fn another_answer_refuses_the_upgrade() {
    let (app, failures) = failing(|| reactor_web::Answer::now("no"));
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    assert_eq!(answer(&text(&peer)).1, "no");
    let status = StatusCode::OK;
    let refused = failures.borrow_mut().pop().expect("it has failed");
    assert_eq!(
        refused.check::<UpgradeRefused>().map(|it| it.status),
        Some(status)
    );
    peer.close();
}

#[test]
fn an_upgrade_that_is_asked_for_after_the_answer_fails_and_disturbs_no_other() {
    let kept: Rc<RefCell<Vec<Request>>> = Rc::default();
    let keeping = Rc::clone(&kept);
    let app = App::new()
        .any("/keep", move |req: Request| {
            keeping.borrow_mut().push(req);
            "kept"
        })
        .any("/echo", async |req: Request| {
            let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
            upgrade.log_error().ignore();
            sleep(req.reactor(), SECOND).await?;
            Ok(switching())
        });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE.replace("/echo", "/keep"));
    assert_eq!(answer(&text(&peer)).1, "kept");
    let request = kept.borrow_mut().pop().expect("it was kept");
    let gone = |upgrade: Deferred<Io>| {
        let failure = upgrade.into_result().expect("at once").expect_err("late");
        assert!(failure.is::<ClientGone>(), "{failure}");
    };
    gone(request.upgrade());
    peer.send(UPGRADE);
    gone(request.upgrade());
    client.advance(SECOND);
    assert!(text(&peer).starts_with(SWITCHED));
    peer.send("hello\r\n");
    assert_eq!(text(&peer), "hello\r\n");
    gone(request.upgrade());
    peer.close();
}

#[test]
fn an_upgrade_that_is_asked_for_during_the_answer_fails_at_its_end() {
    let state = Rc::new(RefCell::new(None));
    let (asking, is_gone) = (Rc::clone(&state), Rc::new(Cell::new(false)));
    let noting = Rc::clone(&is_gone);
    let app = App::new().any("/echo", move |req: Request| {
        let (writer, body) = Body::channel();
        *asking.borrow_mut() = Some((writer, req));
        body
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    assert!(text(&peer).starts_with("HTTP/1.1 200 OK\r\n"));
    let (writer, req) = state.take().expect("it was called");
    req.upgrade()
        .add_both(move |result| {
            noting.set(result.is_err_and(|failure| failure.is::<ClientGone>()));
            Ok(())
        })
        .ignore();
    assert!(!is_gone.get());
    drop(writer);
    client.reactor().settle();
    assert!(is_gone.get(), "the connection is kept");
    assert_eq!(client.site().connections(), 1);
    peer.close();
}

#[test]
fn a_client_that_vanishes_before_the_answer_fails_the_upgrade() {
    let kept = RefCell::new(Vec::new());
    let (app, failures) = failing(move || {
        let (trigger, answer) = Deferred::<String>::pair();
        kept.borrow_mut().push(trigger);
        reactor_web::Answer::later(answer)
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(UPGRADE);
    peer.reset();
    client.reactor().settle();
    let gone = failures.borrow_mut().pop().expect("it has failed");
    assert!(gone.is::<ClientGone>(), "{gone}");
}

#[test]
fn a_request_that_asks_for_no_upgrade_gets_none() {
    let (app, failures) = failing(|| reactor_web::Answer::now("plain"));
    let client = client(app);
    for head in [
        "GET /echo HTTP/1.1\r\nhost: x\r\n",
        "GET /echo HTTP/1.1\r\nhost: x\r\nupgrade: echo\r\n",
        "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrades\r\nupgrade: echo\r\n",
        "GET /echo HTTP/1.0\r\nconnection: upgrade\r\nupgrade: echo\r\n",
    ] {
        let peer = client.connect();
        peer.send(format!("{head}\r\n"));
        assert_eq!(answer(&text(&peer)).1, "plain", "{head}");
        let failure = failures.borrow_mut().pop().expect("it has failed");
        let status = failure.check::<HttpError>().map(HttpError::status);
        assert_eq!(status, Some(StatusCode::UPGRADE_REQUIRED), "{head}");
        peer.close();
    }
}

#[test]
fn a_stop_of_the_site_waits_for_it_and_then_cuts_it_off() {
    let limits = Limits::default().with_shutdown_timeout(SECOND * 5);
    for (app, name) in [
        (echo(), "a protocol has it"),
        (
            upgrading(|io| {
                let lost = io.lost();
                std::mem::forget(io);
                lost
            }),
            "an Io",
        ),
    ] {
        let client = client(app.limits(limits));
        let peer = client.connect();
        peer.send(UPGRADE);
        let finished = client.site().finish();
        client.advance(SECOND * 4);
        assert!(!peer.is_closed(), "{name}");
        client.advance(SECOND);
        assert!(peer.was_reset(), "{name}");
        client.reactor().result_of(finished).expect(name);
    }
}

#[test]
fn a_stop_of_the_site_ends_when_it_ends() {
    let client = client(echo());
    let peer = client.connect();
    peer.send(UPGRADE);
    let finished = client.site().finish();
    client.advance(SECOND);
    peer.close();
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn connect_makes_a_tunnel_if_a_handler_allows_it() {
    let app = App::new().fallback(|req| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        StatusCode::OK
    });
    let connect = "CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n\r\n";
    let client = client(app);
    let peer = client.connect();
    peer.send(format!("{connect}ping\r\n"));
    let got = text(&peer);
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert_eq!(answer(&got).1, "ping\r\n");
    peer.close();
}

#[test]
fn connect_is_refused_by_default() {
    let client = client(App::new().get("/", |_| "hello"));
    let peer = client.connect();
    peer.send("CONNECT db:5432 HTTP/1.1\r\nhost: db:5432\r\n\r\n");
    let got = text(&peer);
    assert!(
        got.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
        "{got}"
    );
    peer.close();
}

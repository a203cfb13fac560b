//! A question as a function: what its cancel and its timeout end.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::{Abandoned, Cancelled, Deferred, Failure, Result, TimedOut, Trigger, fail, succeed};
use reactor::testing::{self, TestReactor};
use reactor::{
    Connect, ConnectError, ConnectErrorKind, Context, HostPort, Lines, Protocol, ReactorHandle,
    TcpConnectOptions, UnixAddress, ask,
};

use crate::support::{Log, RawRecorder, reactor, result_of, turn_until};

const SECOND: Duration = Duration::from_secs(1);

/// Asks one question, and takes the first line for the answer.
struct Question {
    answer: Trigger<String>,
}

impl Protocol for Question {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("?");
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        Ok(self.answer.callback(String::from_utf8(line.to_vec())?)?)
    }
}

fn question(reactor: &ReactorHandle, server: impl Connect) -> Deferred<String> {
    ask(reactor, server, |answer| Question { answer })
}

/// Answers each line with its length, or not at all.
#[derive(Clone, Copy)]
struct Server {
    answers: bool,
}

impl Protocol for Server {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        if self.answers {
            cx.send_line(line.len().to_string());
        }
        Ok(())
    }
}

const TCP: &str = "192.0.2.1:80";
const UNIX: &str = "/run/server";

/// Serves at [`TCP`] and [`UNIX`].
fn serve(reactor: &TestReactor, server: Server) {
    reactor.listen_tcp(TCP, move || server).expect("it is free");
    reactor
        .listen_unix(UNIX, move || server)
        .expect("it is free");
}

/// The same question to each family.
fn each(reactor: &TestReactor) -> [Deferred<String>; 2] {
    [
        question(reactor, TCP),
        question(reactor, UnixAddress::from(UNIX)),
    ]
}

fn failure(deferred: Deferred<String>) -> Failure {
    let result = deferred.into_result().expect("it has its result");
    result.expect_err("it failed")
}

#[test]
fn the_answer_comes_through_the_deferred() {
    let reactor = TestReactor::new();
    serve(&reactor, Server { answers: true });
    let asked = each(&reactor).map(|asked| asked.add_timeout(SECOND, &reactor));
    reactor.settle();
    for asked in asked {
        assert_eq!(asked.into_result().expect("it is there").unwrap(), "1");
    }
    // From here on, the connections are the protocol's to end.
    reactor.advance(10 * SECOND);
    assert_eq!(reactor.counters().connections, 4);
}

#[test]
fn a_timeout_and_a_cancel_end_a_connection_that_waits_for_its_answer() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        serve(&reactor, Server { answers: false });
        let late = each(&reactor).map(|asked| asked.add_timeout(SECOND, &reactor));
        let unwanted = each(&reactor);
        reactor.settle();
        assert_eq!(reactor.counters().connections, 8, "both sides of four");
        for asked in unwanted {
            asked.cancel();
            assert!(failure(asked).is::<Cancelled>());
        }
        reactor.settle();
        assert_eq!(reactor.counters().connections, 4);
        reactor.advance(SECOND);
        for asked in late {
            assert!(failure(asked).is::<TimedOut>());
        }
        assert_eq!(reactor.counters().connections, 0);
        assert!(reactor.leftovers().delayed_calls.is_empty());
    });
}

#[test]
fn a_timeout_stops_a_question_that_waits_for_a_name_or_a_server() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let sources = reactor.leftovers().sources;
        reactor.do_not_answer(TCP.parse().expect("an address"));
        let unconnected = question(&reactor, TCP).add_timeout(SECOND, &reactor);
        let (looked_up, name) = Deferred::pair();
        let name = std::cell::Cell::new(Some(name));
        reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| {
            name.take().expect("it is asked once")
        });
        let unnamed = question(&reactor, "example.org:80").add_timeout(SECOND, &reactor);
        reactor.advance(SECOND);
        assert!(failure(unconnected).is::<TimedOut>());
        assert!(failure(unnamed).is::<TimedOut>());
        assert!(looked_up.is_fired(), "the name is no longer looked for");
        assert_eq!(reactor.leftovers().sources, sources);
    });
}

#[test]
fn a_cancel_goes_through_what_waits_for_a_question() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        serve(&reactor, Server { answers: false });
        let handle = reactor.handle();
        let outer = succeed(()).add_callback(move |()| question(&handle, TCP));
        let handle = reactor.handle();
        let body = reactor.spawn(async move { question(&handle, TCP).await });
        reactor.settle();
        assert_eq!(reactor.counters().connections, 4);
        for asked in [outer, body] {
            asked.cancel();
            assert!(failure(asked).is::<Cancelled>());
        }
        reactor.settle();
        assert_eq!(reactor.counters().connections, 0);
    });
}

#[test]
fn failures_are_told_once() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let kinds = [ConnectErrorKind::Refused, ConnectErrorKind::NotFound];
        for (asked, kind) in each(&reactor).into_iter().zip(kinds) {
            reactor.settle();
            let failure = failure(asked);
            let error = failure
                .check::<ConnectError>()
                .expect("an error of connecting");
            assert_eq!(error.kind(), kind);
        }
        let nonsense = question(&reactor, "nonsense");
        reactor.settle();
        assert!(failure(nonsense).is::<ConnectError>());
    });
}

/// Fires before `ask` has the connection, and then fails or not.
struct Hasty {
    answer: Trigger<String>,
    fails: bool,
}

impl Protocol for Hasty {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.lose_connection();
        if self.fails {
            self.answer.errback(Failure::msg("the answer"))?;
            return Err(Failure::msg("the handler"));
        }
        Ok(self.answer.callback("at once".to_owned())?)
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, _line: &[u8]) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_may_be_there_before_the_connection() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        serve(&reactor, Server { answers: false });
        let [fine, failed] =
            [false, true].map(|fails| ask(&reactor, TCP, |answer| Hasty { answer, fails }));
        reactor.settle();
        let fine = fine.into_result().expect("it is there");
        assert_eq!(fine.expect("it was fired"), "at once");
        assert_eq!(failure(failed).message(), "the handler");
        assert_eq!(reactor.counters().connections, 0);
    });
}

#[test]
fn a_server_that_hangs_up_abandons_the_question() {
    testing::run(|reactor| {
        struct Rude;
        impl Protocol for Rude {
            type Framing = Lines;

            fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> Result<()> {
                cx.lose_connection();
                Ok(())
            }
        }
        let port = reactor.listen_tcp(TCP, || Rude).expect("it is free");
        let asked = question(reactor, TCP).add_timeout(SECOND, reactor);
        reactor.settle();
        assert!(failure(asked).is::<Abandoned>());
        port.stop_listening().ignore();
    });
}

#[test]
fn a_question_goes_wherever_a_connection_can() {
    let reactor = TestReactor::new();
    serve(&reactor, Server { answers: true });
    let reactor_ref: &ReactorHandle = &reactor;
    let (host, owned) = ("192.0.2.1", TCP.to_owned());
    let path = PathBuf::from(UNIX);
    let asked = [
        question(reactor_ref, TCP),
        question(reactor_ref, &owned),
        question(reactor_ref, owned),
        question(reactor_ref, (host, 80)),
        question(reactor_ref, HostPort::from(TCP)),
        question(reactor_ref, TcpConnectOptions::new(TCP).timeout(SECOND)),
        question(
            reactor_ref,
            TCP.parse::<std::net::SocketAddr>().expect("one"),
        ),
        question(
            reactor_ref,
            (host.parse::<std::net::IpAddr>().expect("one"), 80),
        ),
        question(reactor_ref, UnixAddress::from(UNIX)),
        question(reactor_ref, Path::new(UNIX)),
        question(reactor_ref, &path),
        question(reactor_ref, path),
    ];
    reactor.settle();
    for asked in asked {
        assert_eq!(asked.into_result().expect("it is there").unwrap(), "1");
    }
}

#[test]
fn over_real_sockets_the_server_sees_the_end_of_a_question_that_timed_out() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = RawRecorder::new(&log);
    let port = reactor.listen_tcp("127.0.0.1:0", move || recorder.clone());
    let asked = question(&reactor, port.expect("a free port").address());
    let asked = asked.add_timeout(Duration::from_millis(20), &reactor);
    let failure = result_of(&reactor, asked).expect_err("the server does not answer");
    assert!(failure.is::<TimedOut>());
    turn_until(&reactor, || log.is_lost());
    assert_eq!(reactor.counters().connections, 0);

    // One that is not even accepted.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let asked = question(&reactor, listener.local_addr().expect("it is bound"));
    let asked = asked.add_timeout(Duration::from_millis(20), &reactor);
    assert!(
        result_of(&reactor, asked)
            .expect_err("late")
            .is::<TimedOut>()
    );
    assert_eq!(reactor.counters().connections, 0);
}

/// A question on a connection that stays: cancelled, timed out, answered, and failed.
#[test]
fn a_connection_is_aborted_with_its_answer() {
    testing::run(|reactor| {
        let ways: [fn(&TestReactor, Deferred<u32>) -> Deferred<u32>; 2] = [
            |_, answer| {
                answer.cancel();
                answer
            },
            |reactor, answer| {
                let answer = answer.add_timeout(SECOND, reactor);
                reactor.advance(SECOND);
                answer
            },
        ];
        for end in ways {
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
            let was_cancelled = Log::default();
            let cancelled = was_cancelled.clone();
            let (_trigger, answer) =
                Deferred::<u32>::with_canceller(move |_| cancelled.note("cancelled"));
            let answer = end(reactor, connection.abort_on_cancel(answer));
            assert!(answer.into_result().unwrap().is_err());
            assert_eq!(was_cancelled.events(), ["cancelled"]);
            reactor.settle();
            assert!(peer.is_closed());
        }
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        let answer = connection.abort_on_cancel(succeed(7));
        assert_eq!(answer.into_result().unwrap().unwrap(), 7);
        let failed = connection.abort_on_cancel(fail::<u32>(Failure::msg("no")));
        assert_eq!(failed.into_result().unwrap().unwrap_err().message(), "no");
        assert!(!peer.is_closed());
        connection.abort();
        reactor.settle();
    });
}

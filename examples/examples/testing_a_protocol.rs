//! A protocol, and its tests: without sockets, and without waiting.
//!
//! The network is in memory, and only the test advances the clock. All other code is that of
//! production. So a test can simulate rare behaviour of networks: byte-by-byte delivery,
//! silence, resets.
//!
//! Here `main` runs the tests. In a crate of yours, each would have its `#[test]`.
//!
//! Twisted's counterpart: `client_3.py` and `test_client_4.py` of the introduction to
//! Trial.
//!
//! ```text
//! cargo run --example testing_a_protocol
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use deferred::assertions::{assert_no_result, failure_of, success_result_of};
use deferred::{Deferred, Failure, Result, TimedOut, Trigger, fail};
use reactor::testing::{self, TestReactor};
use reactor::{
    ConnectError, ConnectErrorKind, Connection, ConnectionClosed, Context, Lines, Protocol,
    ReactorHandle, TcpConnectOptions,
};

/// The timeout of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks a calculator: a line for each question, and a Deferred for each answer.
#[derive(Default)]
struct Calculator {
    asked: VecDeque<Trigger<i64>>,
}

impl Protocol for Calculator {
    type Framing = Lines;

    fn received(&mut self, _cx: &mut Context<'_, Self>, answer: &[u8]) -> Result<()> {
        let Some(asked) = self.asked.pop_front() else {
            return Err(Failure::msg("an answer without a question"));
        };
        asked.callback(str::from_utf8(answer)?.parse()?)?;
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let failure = Failure::new(reason);
        for asked in self.asked.drain(..) {
            let _ = asked.errback(failure.clone());
        }
    }
}

fn ask(
    reactor: &ReactorHandle,
    calculator: &Connection<Calculator>,
    question: &'static str,
) -> Deferred<i64> {
    let (asked, answer) = Deferred::pair();
    let sent = calculator.post(move |this, cx| {
        cx.send_line(question);
        this.asked.push_back(asked);
    });
    match sent {
        Ok(()) => answer.add_timeout(PATIENCE, reactor),
        Err(gone) => fail(gone),
    }
}

fn a_question_is_a_line_and_so_is_its_answer(reactor: &TestReactor) {
    let (calculator, peer) = reactor.connect_to_peer(Calculator::default());
    let sum = ask(reactor, &calculator, "add 7 6");
    assert_eq!(peer.received(), b"add 7 6\r\n");
    assert_no_result(&sum);
    peer.send("13\r\n");
    assert_eq!(success_result_of(sum), 13);
}

fn answers_may_come_byte_by_byte(reactor: &TestReactor) {
    reactor.set_largest_read(1);
    let (calculator, peer) = reactor.connect_to_peer(Calculator::default());
    let product = ask(reactor, &calculator, "multiply 2 8");
    let difference = ask(reactor, &calculator, "subtract 78 82");
    peer.send("16\r\n-4\r\n");
    assert_eq!(success_result_of(product), 16);
    assert_eq!(success_result_of(difference), -4);
}

fn an_answer_that_comes_too_late_is_nobody_elses(reactor: &TestReactor) {
    let (calculator, peer) = reactor.connect_to_peer(Calculator::default());
    let slow = ask(reactor, &calculator, "divide 14 3");
    reactor.advance(PATIENCE);
    assert!(failure_of(slow).is::<TimedOut>());

    let sum = ask(reactor, &calculator, "add 1 1");
    peer.send("4\r\n");
    assert_no_result(&sum);
    peer.send("2\r\n");
    assert_eq!(success_result_of(sum), 2);
}

fn whoever_waits_hears_of_the_end(reactor: &TestReactor) {
    let (calculator, peer) = reactor.connect_to_peer(Calculator::default());
    let sums = ["add 1 2", "add 3 4"].map(|question| ask(reactor, &calculator, question));
    peer.reset();
    for sum in sums {
        assert!(failure_of(sum).is::<ConnectionClosed>());
    }
    assert!(calculator.is_gone());
}

fn a_server_that_does_not_answer_is_given_up(reactor: &TestReactor) {
    let server = SocketAddr::from(([192, 0, 2, 1], 80));
    reactor.do_not_answer(server);
    let options = TcpConnectOptions::new(server).timeout(Duration::from_secs(5));
    let connecting = reactor.connect_tcp(options, Calculator::default());
    reactor.advance(Duration::from_secs(5));
    let failure = failure_of(connecting);
    let error = failure.check::<ConnectError>().expect("it is that");
    assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
}

fn main() {
    let tests: [(&str, fn(&TestReactor)); 5] = [
        (
            "a question is a line",
            a_question_is_a_line_and_so_is_its_answer,
        ),
        ("byte by byte", answers_may_come_byte_by_byte),
        ("too late", an_answer_that_comes_too_late_is_nobody_elses),
        ("the end", whoever_waits_hears_of_the_end),
        (
            "a server that does not answer",
            a_server_that_does_not_answer_is_given_up,
        ),
    ];
    for (name, test) in tests {
        // Also panics if the test leaves a connection, a timer or a failure behind.
        testing::run(test);
        println!("{name}: ok");
    }
}

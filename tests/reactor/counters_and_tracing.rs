//! What one can see of a reactor.

use std::io::Write;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::testing;
use tracing::Level;
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Log, RawRecorder, reactor};

/// What was logged.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no holder panics")).into_owned()
    }

    pub(crate) fn capture(&self, f: impl FnOnce()) {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(Level::DEBUG)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        with_default(subscriber, f);
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no holder panics").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn what_a_handler_logs_is_in_the_span_of_its_connection() {
    let lines = Lines::default();
    lines.capture(|| {
        testing::run(|reactor| {
            let recorder = RawRecorder::new(&Log::default())
                .on_received(|_, _| {
                    tracing::info!("a handler speaks");
                    Ok(())
                })
                .on_lost(|_| tracing::info!("the last word"));
            let (connection, peer) = reactor.connect_to_peer(recorder);
            peer.send("x");
            let address = connection.peer().expect("it is there");
            peer.close();
            let text = lines.text();
            for message in ["a handler speaks", "the last word"] {
                let line = text.lines().find(|line| line.contains(message));
                let line = line.unwrap_or_else(|| panic!("{message:?} was not logged: {text}"));
                assert!(line.contains("connection{number=1"), "{line}");
                assert!(line.contains(&format!("peer={address}")), "{line}");
                assert!(line.contains("Recorder"), "{line}");
            }
        });
    });
}

#[test]
fn a_failing_protocol_is_told_of_with_its_peer() {
    let lines = Lines::default();
    lines.capture(|| {
        testing::run(|reactor| {
            let recorder = RawRecorder::new(&Log::default())
                .on_received(|_, _| Err(deferred::Failure::msg("this went wrong")));
            let (_, peer) = reactor.connect_to_peer(recorder);
            peer.send("x");
        });
    });
    let text = lines.text();
    assert!(text.contains("a protocol failed"), "{text}");
    assert!(text.contains("this went wrong"), "{text}");
}

#[test]
fn the_log_has_the_client_that_a_proxy_header_names() {
    let lines = Lines::default();
    lines.capture(|| {
        testing::run(|reactor| {
            let recorder = RawRecorder::new(&Log::default())
                .on_made(|_| {
                    tracing::info!("a handler speaks");
                    Ok(())
                })
                .on_received(|_, _| Err(deferred::Failure::msg("this went wrong")));
            let filter = ProxyProtocol::from_any().filter();
            let (connecting, peer) = reactor.connect_to_peer_through(filter, recorder);
            peer.send("PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n");
            let connection = connecting.into_result().expect("it is open");
            let connection = connection.expect("a good header");
            let client = connection.peer().expect("it is there");
            assert_eq!(client.to_string(), "203.0.113.9:50000");
            peer.send("x");
        });
    });
    let text = lines.text();
    for message in ["a handler speaks", "this went wrong"] {
        let line = text.lines().find(|line| line.contains(message));
        let line = line.unwrap_or_else(|| panic!("{message:?} was not logged: {text}"));
        assert!(line.contains("peer=203.0.113.9:50000"), "{line}");
        assert_eq!(
            line.matches("peer=").count(),
            line.matches("peer=203").count()
        );
    }
}

#[test]
fn a_slow_callback_is_warned_of_when_asked_for() {
    let lines = Lines::default();
    lines.capture(|| {
        let reactor = reactor();
        let slow = || {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(5) {}
        };
        reactor.call_later(Duration::ZERO, slow);
        reactor.turn(Some(Duration::ZERO)).expect("a turn");
        assert_eq!(reactor.counters().slow_callbacks, 0);
        reactor.warn_of_slow_callbacks(Some(Duration::from_millis(1)));
        reactor.call_later(Duration::ZERO, slow);
        reactor.turn(Some(Duration::ZERO)).expect("a turn");
        assert_eq!(reactor.counters().slow_callbacks, 1);
        reactor.warn_of_slow_callbacks(None);
        reactor.call_later(Duration::ZERO, slow);
        reactor.turn(Some(Duration::ZERO)).expect("a turn");
        assert_eq!(reactor.counters().slow_callbacks, 1);
    });
    assert_eq!(lines.text().matches("held up the loop").count(), 1);
}

#[test]
fn everything_is_counted() {
    testing::run(|reactor| {
        assert_eq!(reactor.counters().connections_made, 0);
        let echo = RawRecorder::new(&Log::default()).on_received(|cx, data| {
            cx.write(data);
            Ok(())
        });
        let (_, peer) = reactor.connect_to_peer(echo);
        peer.send("12345");
        let call = reactor.call_later(Duration::from_secs(1), || ());
        let later = reactor.call_later(Duration::from_secs(2), || ());
        reactor
            .remote()
            .call_from_thread(|_| ())
            .expect("it is there");
        let counters = reactor.counters();
        assert_eq!((counters.connections, counters.waiting_calls), (1, 2));
        assert_eq!((counters.bytes_received, counters.bytes_sent), (5, 5));
        reactor.advance(Duration::from_secs(1));
        assert!(!call.is_active());
        assert!(later.cancel(), "it waits");
        peer.close();
        let counters = reactor.counters();
        assert_eq!((counters.connections, counters.connections_made), (0, 1));
        assert_eq!((counters.delayed_calls, counters.waiting_calls), (1, 0));
        assert_eq!(counters.jobs, 1);
        assert!(counters.turns > 0 && counters.events > 0);
    });
}

#[test]
fn what_is_due_can_be_listed() {
    testing::run(|reactor| {
        let seconds = Duration::from_secs;
        let calls: Rc<Vec<_>> = Rc::new(
            [3, 1, 2]
                .map(|after| reactor.call_later(seconds(after), || ()))
                .into(),
        );
        assert_eq!(
            reactor.delayed_calls(),
            [seconds(1), seconds(2), seconds(3)]
        );
        for call in calls.iter() {
            assert!(call.cancel(), "it waits");
        }
        assert!(reactor.delayed_calls().is_empty());
    });
}

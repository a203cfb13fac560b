//! The span of a connection in the log: which calls are made in it, and how often it is entered.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use deferred::Failure;
use reactor::testing;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber};

use crate::support::{Log, RawRecorder};

/// A subscriber that notes each event with the number of spans that are entered.
#[derive(Clone, Default)]
struct Depths(Arc<Inner>);

#[derive(Default)]
struct Inner {
    next_id: AtomicU64,
    depth: Mutex<usize>,
    events: Mutex<Vec<(usize, String)>>,
}

impl Depths {
    fn run(f: impl FnOnce()) -> Self {
        let depths = Self::default();
        with_default(depths.clone(), f);
        assert_eq!(*depths.0.depth.lock().expect("no holder panics"), 0);
        depths
    }

    /// The depths at the events whose text contains `text`.
    #[track_caller]
    fn of(&self, text: &str) -> Vec<usize> {
        let events = self.0.events.lock().expect("no holder panics");
        let matching = events.iter().filter(|(_, event)| event.contains(text));
        let depths: Vec<_> = matching.map(|(depth, _)| *depth).collect();
        assert!(!depths.is_empty(), "{text:?} was not logged: {events:?}");
        depths
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // A `String` takes everything.
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

impl Subscriber for Depths {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1 + self.0.next_id.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let depth = *self.0.depth.lock().expect("no holder panics");
        let mut events = self.0.events.lock().expect("no holder panics");
        events.push((depth, text.0));
    }

    fn enter(&self, _: &Id) {
        *self.0.depth.lock().expect("no holder panics") += 1;
    }

    fn exit(&self, _: &Id) {
        *self.0.depth.lock().expect("no holder panics") -= 1;
    }
}

#[test]
fn jobs_run_in_the_span_of_their_connection() {
    let depths = Depths::run(|| {
        testing::run(|reactor| {
            let (connection, _peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
            for _ in 0..2 {
                let posted = connection.post(|_, _| tracing::info!("a job speaks"));
                posted.expect("it is open");
            }
            reactor.settle();
            tracing::info!("outside");
            let fails = connection.post(|_, _| Err::<(), _>(Failure::msg("a job fails")));
            fails.expect("it is open");
        });
    });
    assert_eq!(depths.of("a job speaks"), [1, 1]);
    assert_eq!(depths.of("outside"), [0]);
    assert_eq!(depths.of("a job fails"), [1], "entered once for the report");
}

#[test]
fn the_last_jobs_of_a_connection_run_in_its_span() {
    let depths = Depths::run(|| {
        testing::run(|reactor| {
            let recorder =
                RawRecorder::new(&Log::default()).on_lost(|_| tracing::info!("the last word"));
            let (connection, _peer) = reactor.connect_to_peer(recorder);
            let posted = connection.post(|_, cx| {
                let last = cx.connection().post(|_, _| {
                    tracing::info!("the last job");
                    Err::<(), _>(Failure::msg("it fails"))
                });
                last.expect("it is open");
                cx.abort();
            });
            posted.expect("it is open");
        });
    });
    assert_eq!(depths.of("the last word"), [1]);
    assert_eq!(depths.of("the last job"), [1]);
    assert_eq!(depths.of("it fails"), [1]);
}

#[test]
fn a_panic_leaves_the_span() {
    let depths = Depths::run(|| {
        testing::run(|reactor| {
            let recorder = RawRecorder::new(&Log::default())
                .on_received(|_, _| panic!("a handler panics"))
                .on_lost(|_| panic!("the last handler panics"));
            let (connection, peer) = reactor.connect_to_peer(recorder);
            let posted = connection.post(|_, _| {
                if true {
                    tracing::info!("a job speaks");
                }
            });
            posted.expect("it is open");
            peer.send("x");
            tracing::info!("outside");
        });
    });
    assert_eq!(depths.of("outside"), [0]);
    assert_eq!(depths.of("a handler panics"), [1]);
    assert_eq!(depths.of("the last handler panics"), [1]);
}

/// Panics in `framing`, which is called in the span.
struct Unframed;

impl reactor::Protocol for Unframed {
    type Framing = reactor::Raw;

    fn framing(&self) -> reactor::Raw {
        tracing::info!("a framing is made");
        panic!("no framing");
    }

    fn connection_lost(
        &mut self,
        _: &mut reactor::Context<'_, Self>,
        reason: reactor::ConnectionClosed,
    ) {
        tracing::info!("lost: {reason}");
    }
}

#[test]
fn a_framing_is_made_in_the_span() {
    let depths = Depths::run(|| {
        testing::run(|reactor| {
            let listening = reactor.listen_tcp("127.0.0.1:80", || Unframed);
            let port = listening.expect("a free port");
            let client = reactor.connect_tcp("127.0.0.1:80", RawRecorder::new(&Log::default()));
            reactor.settle();
            drop(client.into_result());
            port.stop_listening().ignore();
            assert_eq!(reactor.counters().connections, 0);
        });
    });
    assert_eq!(depths.of("lost: "), [1], "connection_lost");
    assert_eq!(depths.of("a framing is made"), [1]);
}

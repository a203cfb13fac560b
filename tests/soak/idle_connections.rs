//! Many connections on which nothing happens, and as many delayed calls that are not due.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Protocol, Raw};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tests::wait_for;

use crate::support::{Server, connect, descriptors, is_own_process, memory_tells, resident};

const NAME: &str = "idle_connections::many_connections_and_timers_use_no_processor_time";

/// How many there are at the most: as many as there may be descriptors.
const MOST: u64 = 10_000;

/// For all that is no connection of this test's.
const OTHER_DESCRIPTORS: u64 = 64;

/// What one of the second crowd may be resident with beyond one of the first, in bytes.
/// With poll(2), `polling` keeps tables of its own, which grow a second time.
const SLACK: u64 = if cfg!(polling_test_poll_backend) {
    64
} else {
    8
};

/// Waits for its peer, but not for ever.
struct Patient {
    ends: Arc<AtomicUsize>,
}

impl Protocol for Patient {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.call_later(Duration::from_secs(3600), |_, cx| cx.abort());
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        assert!(matches!(reason, ConnectionClosed::Lost(_)), "{reason}");
        self.ends.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn many_connections_and_timers_use_no_processor_time() {
    if !is_own_process(NAME) {
        return;
    }
    let count = room_for().min(MOST) as usize;
    println!("{count} connections");
    let before = descriptors();
    let ends = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&ends);
    let server = Server::start(move || {
        move || Patient {
            ends: Arc::clone(&counting),
        }
    });
    let with_server = descriptors();

    let first = crowd(&server, count);
    assert_eq!(descriptors(), with_server + 2 * count);
    // A loop that looks after all of them again and again would take longer, and one that is
    // woken would turn.
    let turns = || server.look(|reactor| reactor.counters().turns);
    let turns_before = turns();
    let used = server.cpu_time_in(Duration::from_secs(1));
    let turned = turns() - turns_before;
    assert!(used < Duration::from_millis(10), "it used {used:?}");
    // At most one turn for each call of `look` above.
    assert!(turned <= 4, "it turned {turned} times");
    assert_eq!(ends.load(Ordering::Relaxed), 0);

    drop(first);
    server.wait_until_empty();
    assert_eq!(ends.load(Ordering::Relaxed), count);
    assert_eq!(descriptors(), with_server);

    // What the first ones have left is taken again.
    let after_first = resident();
    let second = crowd(&server, count);
    drop(second);
    server.wait_until_empty();
    let grown = resident().saturating_sub(after_first);
    assert!(
        grown <= SLACK * count as u64 || !memory_tells(),
        "it has grown by {grown} bytes"
    );
    assert_eq!(ends.load(Ordering::Relaxed), 2 * count);
    server.stop();
    assert_eq!(descriptors(), before);
}

/// For how many connections this process may have both sides.
fn room_for() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let wanted = 2 * MOST + OTHER_DESCRIPTORS;
    let limit = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = Rlimit {
        current: Some(limit),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("it is allowed");
    limit.saturating_sub(OTHER_DESCRIPTORS) / 2
}

/// Connects `count` silent clients; the protocol of each has a delayed call.
fn crowd(server: &Server, count: usize) -> Vec<TcpStream> {
    let crowd = (0..count).map(|_| connect(server.address)).collect();
    wait_for("all are accepted", || {
        server.look(|reactor| reactor.counters().connections) == count
    });
    let waiting = server.look(|reactor| reactor.counters().waiting_calls);
    assert_eq!(waiting, count);
    crowd
}

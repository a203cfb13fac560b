//! A hundred thousand connections in a row.

use crate::support::{Echo, Server, connect, descriptors, is_own_process, memory_tells, resident};

const NAME: &str = "many_connections::a_hundred_thousand_connections_in_a_row_leave_nothing";

const CONNECTIONS: u64 = 100_000;

/// What one of them may leave in memory, in bytes: nothing that is kept is so small, even if
/// only one of several leaves it.
const SLACK: u64 = 1;

#[test]
fn a_hundred_thousand_connections_in_a_row_leave_nothing() {
    // So that no other test changes its memory.
    if !is_own_process(NAME) {
        return;
    }
    let before = descriptors();
    let server = Server::start(|| || Echo);
    // What the first ones cost, they cost once.
    let first = CONNECTIONS / 10;
    in_a_row(&server, first);
    let after_some = resident();
    in_a_row(&server, CONNECTIONS - first);
    let grown = resident().saturating_sub(after_some);
    let allowed = SLACK * (CONNECTIONS - first);
    assert!(
        grown <= allowed || !memory_tells(),
        "it has grown by {grown} bytes"
    );
    server.stop();
    assert_eq!(descriptors(), before);
}

/// Connects and goes so often, and waits until it is as if that had not been.
fn in_a_row(server: &Server, count: u64) {
    let made = |server: &Server| server.look(|reactor| reactor.counters().connections_made);
    let before = (made(server), descriptors());
    for _ in 0..count {
        drop(connect(server.address));
    }
    server.wait_until_empty();
    // But for those that went before they were accepted.
    assert!(made(server) - before.0 > count / 2);
    assert_eq!(descriptors(), before.1);
}

//! Testing without sockets, and without waiting.
//!
//! A [`TestReactor`] has a simulated network in memory, and a clock that stands still until the
//! test advances it. All other code is that of production: `listen_tcp`, `connect_tcp`, the state
//! machine of a connection, delayed calls. So a test of a protocol is deterministic, takes no time,
//! and can simulate the faults of networks: single bytes, resets, peers that do not answer.
//!
//! ```
//! use reactor::testing::{self, Peer};
//! use reactor::{Context, Lines, Protocol};
//! use std::time::Duration;
//!
//! /// Answers lines; closes a connection after a minute.
//! struct Polite;
//!
//! impl Protocol for Polite {
//!     type Framing = Lines;
//!
//!     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
//!         cx.call_later(Duration::from_secs(60), |_, cx| {
//!             cx.send_line("goodbye");
//!             cx.lose_connection();
//!         });
//!         Ok(())
//!     }
//!
//!     fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
//!         cx.send_line([b"hello, ", name].concat());
//!         Ok(())
//!     }
//! }
//!
//! testing::run(|reactor| {
//!     let peer: Peer = reactor.connect_to_peer(Polite).1;
//!     peer.send("Ann\r\n");
//!     assert_eq!(peer.received(), b"hello, Ann\r\n");
//!
//!     reactor.advance(Duration::from_secs(60));
//!     assert_eq!(peer.received(), b"goodbye\r\n");
//!     assert!(peer.is_closed());
//! });
//! ```

mod datagram_peer;
mod filter_driver;
mod peer;
mod settle;
mod test_reactor;

pub use self::datagram_peer::DatagramPeer;
pub use self::filter_driver::FilterDriver;
pub use self::peer::Peer;
use self::settle::{Rest, try_settle};
pub use self::test_reactor::{Leftovers, TestReactor};

use deferred::assertions::with_no_unhandled;

pub use crate::memory::{Delivery, SentDatagram};

/// Runs a test with a new reactor, and fails if the test leaves a connection, a port, a delayed
/// call or an unhandled failure.
///
/// # Panics
///
/// If `test` panics, or leaves something behind; the message says what.
///
/// # Examples
///
/// ```should_panic
/// use std::time::Duration;
///
/// reactor::testing::run(|reactor| {
///     reactor.call_later(Duration::from_secs(1), || println!("the test is over by then"));
/// });
/// ```
#[track_caller]
pub fn run(test: impl FnOnce(&TestReactor)) {
    let mut test = Some(test);
    run_erased(&mut |reactor| {
        if let Some(test) = test.take() {
            test(reactor);
        }
    });
}

/// As [`run`], without the type of the test, so that it is compiled once.
#[track_caller]
fn run_erased(test: &mut dyn FnMut(&TestReactor)) {
    let reactor = TestReactor::new();
    let mut rest = Ok(Rest::Quiet);
    with_no_unhandled(|| {
        test(&reactor);
        rest = try_settle(reactor.reactor());
    });
    // Panics here and not in the closure, so that the location of the panic is that of the test.
    if let Err(message) = rest {
        panic!("{message}");
    }
    reactor.assert_clean();
    with_no_unhandled(|| drop(reactor));
}

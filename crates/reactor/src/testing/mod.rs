//! Testing without sockets, and without waiting.
//!
//! A [`TestReactor`] has a network in memory and a clock that stands still until the
//! test moves it. Everything above that is what runs in production: `listen_tcp`,
//! `connect_tcp`, the state machine of a connection, delayed calls. So a test of a
//! protocol is exact, takes no time, and can do to it what networks do: deliver one
//! byte at a time, break off, not answer.
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

/// Runs a test with a reactor of its own, and fails if the test leaves something
/// behind: a connection, a port, a delayed call, or an unhandled failure.
///
/// # Panics
///
/// If `test` does, or leaves something behind: the message says what.
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
    let reactor = TestReactor::new();
    let mut rest = Ok(Rest::Quiet);
    with_no_unhandled(|| {
        test(&reactor);
        rest = try_settle(reactor.reactor());
    });
    // Out here, so that the panic names the test.
    if let Err(message) = rest {
        panic!("{message}");
    }
    reactor.assert_clean();
    with_no_unhandled(|| drop(reactor));
}

//! Filters: transform the bytes of a connection between its socket and its framing.
//!
//! ```text
//!  socket ──bytes──▶ filter ──▶ filter ──bytes──▶ framing ──frames──▶ protocol
//!  socket ◀──bytes── filter ◀── filter ◀──────────write────────────── protocol
//! ```
//!
//! A [`Filter`] does no I/O itself (sans-IO): the connection gives it bytes of both directions, and
//! it returns bytes. It has no access to the socket, so the same filter runs over TCP and UNIX
//! sockets, pipes and the memory network of [`testing`](crate::testing), and can be tested alone,
//! with a [`FilterDriver`].
//!
//! Two filters come with the crate: [`proxy_protocol`], which reads the header that a load
//! balancer puts before a connection, and [`throttle`], which limits the rate of bytes. TLS
//! is the crate `reactor-tls`.
//!
//! [`FilterDriver`]: crate::testing::FilterDriver

mod api;
mod engine;
mod environment;
mod info;
mod link;
mod pair;
pub mod proxy_protocol;
pub mod throttle;
mod waker;

pub use self::api::Filter;
pub(crate) use self::engine::Engine;
pub(crate) use self::environment::{Environment, Sides};
pub use self::info::InfoRequest;
pub use self::link::Link;
pub use self::pair::Pair;
pub use self::waker::FilterWaker;

use std::fmt;

/// Error of `insert_filter`: another filter of this connection is not open yet. Insert a [`Pair`]
/// of both, or wait for the first one.
///
/// # Examples
///
/// ```
/// # use reactor::{Context, Lines, Protocol, filter::throttle::Throttle, testing};
/// # struct Server;
/// # impl Protocol for Server {
/// #     type Framing = Lines;
/// fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
///     let throttle = Throttle::new();
///     let first = cx.insert_filter(throttle.filter());
///     let second = cx.insert_filter(throttle.filter());
///     assert!(second.into_result().unwrap().unwrap_err().is::<reactor::filter::FilterBusy>());
///     first.detach();
///     Ok(())
/// }
/// # }
/// # testing::run(|reactor| {
/// #     let (server, peer) = reactor.connect_to_peer(Server);
/// #     peer.send("go\r\n");
/// #     assert!(!server.is_gone());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterBusy;

impl fmt::Display for FilterBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another filter of the connection is not open yet: wait for it, or use `Pair`")
    }
}

impl std::error::Error for FilterBusy {}

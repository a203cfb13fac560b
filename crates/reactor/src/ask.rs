//! `ask`: connects to a server for one answer, as a function that returns it.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Trigger, fail};

use crate::connection::{Connection, Protocol};
use crate::endpoint::{ClientEndpoint, Connect};
use crate::handle::ReactorHandle;

/// Connects to `server` with a protocol that is given a trigger, and returns a Deferred that fires
/// with what the protocol fires the trigger with.
///
/// If the Deferred is cancelled, as by its timeout, an attempt to connect is stopped, and a
/// connection is [aborted](Connection::abort). With a plain [`Deferred::pair`] instead, the
/// connection would stay open and wait for an answer that is not used. When it has fired the
/// answer, the protocol has to end the connection itself.
///
/// `server` is what [`connect_tcp`](ReactorHandle::connect_tcp) or
/// [`connect_unix`](ReactorHandle::connect_unix) takes; a mere string is a host and a port.
///
/// # Errors
///
/// The error of the connection attempt, the failure that the protocol fires, or
/// [`Abandoned`](deferred::Abandoned) if the connection ends before the trigger was fired.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, TimedOut, Trigger};
/// use reactor::testing::TestReactor;
/// use reactor::{Context, Lines, Protocol, ReactorHandle, ask};
/// use std::time::Duration;
///
/// /// Takes the first line for the answer.
/// struct Time {
///     answer: Trigger<String>,
/// }
///
/// impl Protocol for Time {
///     type Framing = Lines;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
///         cx.lose_connection();
///         Ok(self.answer.callback(String::from_utf8(line.to_vec())?)?)
///     }
/// }
///
/// fn time_at(reactor: &ReactorHandle, server: &str) -> Deferred<String> {
///     ask(reactor, server, |answer| Time { answer }).add_timeout(Duration::from_secs(5), reactor)
/// }
///
/// # struct Silent;
/// # impl Protocol for Silent { type Framing = Lines;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) } }
/// # let reactor = TestReactor::new();
/// # let port = reactor.listen_tcp("192.0.2.1:13", || Silent)?;
/// // A server that says nothing:
/// let time = time_at(&reactor, "192.0.2.1:13");
/// reactor.advance(Duration::from_secs(5));
/// assert!(time.into_result().unwrap().unwrap_err().is::<TimedOut>());
/// assert_eq!(reactor.counters().connections, 0);
/// # drop(port);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn ask<T, P>(
    reactor: &ReactorHandle,
    server: impl ClientEndpoint,
    protocol: impl FnOnce(Trigger<T>) -> P,
) -> Deferred<T>
where
    T: 'static,
    P: Protocol,
{
    let connection = Rc::new(RefCell::new(None::<Connection<P>>));
    let to_end = Rc::clone(&connection);
    let (trigger, answer) = Deferred::with_canceller(move |_trigger| {
        if let Some(connection) = to_end.take() {
            // Errs with `Gone` if the connection is over: then there is nothing to end.
            connection.abort();
        }
    });
    server
        .connect(reactor, protocol(trigger))
        .add_both(move |connected| match connected {
            Ok(connected) => {
                connection.replace(Some(connected));
                answer
            }
            Err(failure) => {
                // The attempt has dropped the protocol, and so its trigger.
                answer.ignore();
                fail(failure)
            }
        })
}

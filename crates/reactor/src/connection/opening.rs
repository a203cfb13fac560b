//! Beginning of a connection: from a stream to `connection_made`, which is called at once, or when
//! the filters with which the connection begins are open.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Result, fail, succeed};

use super::cold::{OnClose, Opening, new_span};
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use super::source::{ConnectionSource, Open};
use super::transport::{Keys, OnOpen, Transport};
use crate::address::Address;
use crate::core::Core;
use crate::error::{ConnectionClosed, Gone};
use crate::filter::Filter;
use crate::io::RawStream;
use crate::mailbox::MailboxOwner;
use crate::panics::contain;
use crate::poll::Key;

/// The parts of a new connection, except its protocol.
pub(crate) struct NewConnection {
    pub(crate) stream: RawStream,
    pub(crate) keys: Keys,
    pub(crate) peer: Address,
    pub(crate) on_close: Option<OnClose>,
    /// The filter with which the connection begins, if any: `connection_made` waits until it is
    /// open.
    pub(crate) filter: Option<Box<dyn Filter>>,
    /// Called when the connection is made or has failed, if it begins with a filter.
    pub(crate) on_open: Option<OnOpen>,
}

impl NewConnection {
    /// Parts of a connection that has one key: one descriptor, or one simulated socket.
    #[inline]
    pub(crate) fn new(stream: RawStream, key: Key, peer: Address) -> Self {
        Self {
            stream,
            keys: Keys::from_slice(&[key]),
            peer,
            on_close: None,
            filter: None,
            on_open: None,
        }
    }
}

impl<P: Protocol> ConnectionSource<P> {
    /// Makes a connection of `connection`, whose stream was just registered, and begins it.
    ///
    /// `add` inserts the source into the registry. The result is the failure of `connection_made`
    /// or of making the framing, if there was one; with a filter, that failure goes to `on_open`.
    // Inlined, because most of the work is moving the parts, and inlining leaves one move.
    #[inline(always)]
    pub(crate) fn start(
        core: &Rc<Core>,
        connection: NewConnection,
        protocol: P,
        add: impl FnOnce(Rc<Self>),
    ) -> (Rc<Self>, Result<()>) {
        if connection.filter.is_some() {
            return (
                Self::start_filtered(core, connection, protocol, add),
                Ok(()),
            );
        }
        let NewConnection {
            stream,
            keys,
            peer,
            on_close,
            ..
        } = connection;
        let source = Self::new(core, || Transport::new(Rc::clone(core), stream, keys, peer));
        let number = core.counters.connection_made();
        source.open_span(number, on_close);
        // Before `connection_made`: the loop owns the connection from here on, and a handler may
        // already end it.
        add(Rc::clone(&source));
        let begun = source.begin(protocol);
        (source, begun)
    }

    /// As [`start`](Self::start), but returns a Deferred that fires when the connection is made: at
    /// once if it begins without a filter.
    pub(crate) fn open(
        core: &Rc<Core>,
        mut connection: NewConnection,
        protocol: P,
        add: impl FnOnce(Rc<Self>),
    ) -> Deferred<Connection<P>> {
        if connection.filter.is_none() {
            let (source, begun) = Self::start(core, connection, protocol, add);
            return match begun {
                Ok(()) => succeed(Connection::new(Rc::downgrade(&source))),
                Err(failure) => fail(failure),
            };
        }
        // Filled when the source exists. The canceller and `on_open` both take it, so only one of
        // them acts.
        let made = Rc::new(RefCell::new(None::<Weak<Self>>));
        let to_abort = Rc::clone(&made);
        let (trigger, opening) = Deferred::with_canceller(move |_trigger| {
            if let Some(source) = to_abort.take().and_then(|source| source.upgrade()) {
                source.transport.abort(ConnectionClosed::Aborted);
                source.touch();
            }
        });
        let is_made = Rc::clone(&made);
        connection.on_open = Some(Box::new(move |result| {
            let source = is_made.take();
            // Errs if the Deferred was cancelled: then the connection is ending.
            let _ = match (result, source) {
                (Ok(()), Some(source)) => trigger.callback(Connection::new(source)).map_err(drop),
                (Ok(()), None) => trigger.errback(Gone).map_err(drop),
                (Err(failure), _) => trigger.errback(failure).map_err(drop),
            };
        }));
        let (_source, begun) = Self::start(core, connection, protocol, |source| {
            made.replace(Some(Rc::downgrade(&source)));
            add(source);
        });
        debug_assert!(begun.is_ok(), "`on_open` tells how it came out");
        opening
    }

    /// Opens the connection's span in the log, and keeps `on_close` for the end.
    fn open_span(&self, number: u64, on_close: Option<OnClose>) {
        let span = new_span::<P>(number, self.transport.peer());
        if span.is_some() || on_close.is_some() {
            self.with_cold(|cold| {
                cold.span = span;
                cold.on_close = on_close;
            });
        }
    }

    /// As [`start`](Self::start), with a filter: `connection_made` is called when the filter is
    /// open.
    #[cold]
    fn start_filtered(
        core: &Rc<Core>,
        connection: NewConnection,
        protocol: P,
        add: impl FnOnce(Rc<Self>),
    ) -> Rc<Self> {
        let NewConnection {
            stream,
            keys,
            peer,
            on_close,
            filter,
            on_open,
        } = connection;
        let source = Self::new(core, || {
            let mut transport = Transport::new(Rc::clone(core), stream, keys, peer);
            transport.hide_peer();
            transport
        });
        let number = core.counters.connection_made();
        source.with_cold(|cold| cold.opening = Some(Opening { number, on_close }));
        // Set before the filter is inserted, because that may fail at once, and `finish` must not
        // call `connection_lost` then.
        source.transport.flags.set(Flags::NOT_MADE);
        if let Some(filter) = filter {
            let waker = || source.filter_waker();
            source.transport.put_filter(filter, waker, on_open, None);
        }
        add(Rc::clone(&source));
        match Failure::catch(|| protocol.framing()) {
            Ok(framing) => drop(source.mailbox.open.borrow_mut().insert(Open {
                protocol,
                framing: Some(framing),
            })),
            Err(failure) => {
                source.transport.fail(failure);
                contain("a protocol's drop", || drop(protocol));
            }
        }
        // Starts the filter, which may open at once.
        source.settle_now();
        source
    }

    /// Calls `connection_made`, now that the filters are open.
    pub(super) fn make_connection(&self) -> Result<()> {
        // Cleared first: from here on, the protocol hears of the end.
        self.transport.flags.clear(Flags::NOT_MADE);
        self.transport.show_peer();
        if let Some(Opening { number, on_close }) = self.cold.look(|cold| cold.opening.take()) {
            self.open_span(number, on_close);
        }
        let made = match &mut *self.mailbox.open.borrow_mut() {
            Some(open) => {
                let made = || self.guard(open, |protocol, cx| protocol.connection_made(cx));
                self.transport.unprompted(made)
            }
            None => Ok(()),
        };
        if let Err(failure) = &made {
            self.transport.fail(failure.clone());
        }
        made
    }

    /// Keeps the failure of the filters with which the connection begins.
    pub(super) fn keep_opening_failure(&self, failure: Failure) {
        self.with_cold(|cold| cold.opening_failure = Some(failure));
    }

    pub(super) fn begin(&self, protocol: P) -> Result<()> {
        let framing = Failure::catch(|| protocol.framing());
        let begun = match framing {
            Ok(framing) => {
                let mut open = self.mailbox.open.borrow_mut();
                let open = open.insert(Open {
                    protocol,
                    framing: Some(framing),
                });
                let made = || self.guard(open, |protocol, cx| protocol.connection_made(cx));
                self.transport.unprompted(made)
            }
            Err(failure) => {
                let reason = ConnectionClosed::Failed(failure.clone());
                self.transport.fail(failure.clone());
                let mut open = Open {
                    protocol,
                    framing: None,
                };
                self.handle(&mut open, |protocol, cx| {
                    protocol.connection_lost(cx, reason);
                    Ok(())
                });
                contain("a protocol's drop", || drop(open));
                Err(failure)
            }
        };
        if let Err(failure) = &begun {
            self.transport.fail(failure.clone());
        }
        self.settle_now();
        begun
    }
}

//! Beginning of a connection: from a stream to `connection_made`, which is called at once, or when
//! the filters with which the connection begins are open.

use std::rc::Rc;

use deferred::{Deferred, Failure, Result, fail, succeed};

use super::any_source::{AnySource, Call};
use super::cold::{OnClose, Opening, new_span};
use super::duplex::place;
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use super::source::{ConnectionSource, Open};
use super::transport::{Keys, OnOpen, Transport};
use crate::address::Address;
use crate::core::Core;
use crate::error::ConnectionClosed;
use crate::filter::Filter;
use crate::io::RawStream;
use crate::mailbox::MailboxOwner;
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
    /// Whether placeholders are registered under the keys, which the connection replaces.
    /// Otherwise, its key is the next one of the registry.
    pub(crate) has_placeholders: bool,
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
            has_placeholders: false,
        }
    }

    /// Parts of a connection whose keys are reserved by placeholders.
    #[inline]
    pub(crate) fn reserved(stream: RawStream, keys: Keys, peer: Address) -> Self {
        Self {
            stream,
            keys,
            peer,
            on_close: None,
            filter: None,
            has_placeholders: true,
        }
    }
}

/// The rest of a [`NewConnection`], when its transport is made.
struct Start {
    on_close: Option<OnClose>,
    filter: Option<Box<dyn Filter>>,
    /// Called when the connection is made or has failed, if it begins with a filter.
    on_open: Option<OnOpen>,
    has_placeholders: bool,
}

impl<P: Protocol> ConnectionSource<P> {
    /// Makes a connection of `connection`, whose stream was just registered, inserts it into the
    /// registry, and begins it.
    ///
    /// The result is the failure of `connection_made` or of making the framing, if there was one;
    /// with a filter, that failure goes to `on_open`.
    // Inlined, because most of the work is moving the parts, and inlining leaves one move.
    #[inline(always)]
    pub(crate) fn start(
        core: &Rc<Core>,
        connection: NewConnection,
        protocol: P,
    ) -> (Rc<Self>, Result<()>) {
        let (source, start) = Self::made_of(core, connection);
        let begun = Self::begin_made(&source, start, protocol);
        (source, begun)
    }

    #[inline(always)]
    fn begin_made(source: &Rc<Self>, start: Start, protocol: P) -> Result<()> {
        let transport = source.transport();
        let core = transport.core();
        let number = core.counters.connection_made();
        if start.filter.is_some() {
            source.mailbox.open.replace(Some(Open {
                protocol,
                framing: None,
            }));
            let any: Rc<dyn AnySource> = Rc::<Self>::clone(source);
            any.start_filtered(number, start);
            return Ok(());
        }
        source.any().open_span(number, start.on_close);
        // Before `connection_made`: the loop owns the connection from here on, and a handler may
        // already end it.
        if start.has_placeholders {
            place(core, transport.keys(), Rc::<Self>::clone(source));
        } else {
            core.insert(Rc::<Self>::clone(source));
        }
        source.begin(protocol)
    }

    #[inline(always)]
    fn made_of(core: &Rc<Core>, connection: NewConnection) -> (Rc<Self>, Start) {
        let NewConnection {
            stream,
            keys,
            peer,
            on_close,
            filter,
            has_placeholders,
        } = connection;
        // Until the filters are open, because one of them may set another address.
        let hides_peer = filter.is_some();
        let source = Self::new(core, || {
            Transport::new(Rc::clone(core), stream, keys, peer, hides_peer)
        });
        let start = Start {
            on_close,
            filter,
            on_open: None,
            has_placeholders,
        };
        (source, start)
    }

    /// As [`start`](Self::start), but returns a Deferred that fires when the connection is made: at
    /// once if it begins without a filter.
    pub(crate) fn open(
        core: &Rc<Core>,
        connection: NewConnection,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        let (source, mut start) = Self::made_of(core, connection);
        let made = Connection::new(Rc::downgrade(&source));
        if start.filter.is_none() {
            return match Self::begin_made(&source, start, protocol) {
                Ok(()) => succeed(made),
                Err(failure) => fail(failure),
            };
        }
        let abort = source.any().weakly(|source| {
            source.transport().abort(ConnectionClosed::Aborted);
            source.touch();
        });
        let (trigger, opening) = Deferred::with_canceller(move |_trigger| abort());
        start.on_open = Some(Box::new(move |result| {
            // Errs if the Deferred was cancelled: then the connection is ending.
            let _ = trigger.fire(result.map(|()| made));
        }));
        let begun = Self::begin_made(&source, start, protocol);
        debug_assert!(begun.is_ok(), "`on_open` tells how it came out");
        opening
    }

    /// Makes the framing, and calls `connection_made`.
    pub(super) fn begin(&self, protocol: P) -> Result<()> {
        let transport = self.transport();
        let mut has_framing = false;
        // In one call, because each closure that catches panics is compiled for each protocol.
        let begun = {
            let mut open = self.mailbox.open.borrow_mut();
            let open = open.insert(Open {
                protocol,
                framing: None,
            });
            let _unprompted = transport.unprompted();
            self.guard(open, |protocol, cx| {
                cx.replace_framing(protocol.framing());
                has_framing = true;
                protocol.connection_made(cx)
            })
        };
        if let Err(failure) = &begun {
            self.any().begin_failed(failure, has_framing);
        }
        self.settle_now();
        begun
    }
}

impl dyn AnySource {
    /// Opens the connection's span in the log, and keeps `on_close` for the end.
    fn open_span(&self, number: u64, on_close: Option<OnClose>) {
        let span = new_span(number, self.transport().peer(), self.protocol());
        if span.is_some() || on_close.is_some() {
            self.base().with_cold(|cold| {
                cold.span = span;
                cold.on_close = on_close;
            });
        }
    }

    /// Ends a connection whose beginning has failed: making its framing, or `connection_made`.
    #[cold]
    fn begin_failed(&self, failure: &Failure, has_framing: bool) {
        self.transport().fail(failure.clone());
        if !has_framing {
            // It is over at once, because without a framing nothing can be delivered.
            self.handle(Call::Lost(ConnectionClosed::Failed(failure.clone())));
            self.drop_protocol();
        }
    }

    /// Begins a connection with a filter: `connection_made` is called when the filter is
    /// open.
    #[cold]
    fn start_filtered(self: &Rc<Self>, number: u64, start: Start) {
        let Start {
            on_close,
            filter,
            on_open,
            has_placeholders,
        } = start;
        let base = self.base();
        let transport = &base.transport;
        base.with_cold(|cold| cold.opening = Some(Opening { number, on_close }));
        // Set before the filter is inserted, because that may fail at once, and `finish` must not
        // call `connection_lost` then.
        transport.flags.set(Flags::NOT_MADE);
        if let Some(filter) = filter {
            transport.put_filter(filter, || self.filter_waker(), on_open, None);
        }
        if has_placeholders {
            place(transport.core(), transport.keys(), Rc::clone(self));
        } else {
            transport.core().insert(Rc::<Self>::clone(self));
        }
        if let Err(failure) = self.call(Call::Framing) {
            transport.fail(failure);
            self.drop_protocol();
        }
        // Starts the filter, which may open at once.
        self.settle_now();
    }

    /// Calls `connection_made`, now that the filters are open.
    pub(super) fn make_connection(&self) -> Result<()> {
        let base = self.base();
        let transport = &base.transport;
        // Cleared first: from here on, the protocol hears of the end.
        transport.flags.clear(Flags::NOT_MADE);
        transport.show_peer();
        if let Some(Opening { number, on_close }) = base.cold.look(|cold| cold.opening.take()) {
            self.open_span(number, on_close);
        }
        let unprompted = transport.unprompted();
        let made = self.call(Call::Made);
        drop(unprompted);
        if let Err(failure) = &made {
            transport.fail(failure.clone());
        }
        made
    }
}

//! Event source of a connection: which handler of the protocol is called when.
//!
//! ```text
//!  start ──▶ connection_made ──▶ received* ──▶ read_closed? ──▶ connection_lost
//!                  after each of them: the jobs that wait for the protocol
//! ```
//!
//! Handlers are called from the loop only: when the socket is ready, or in
//! [`Runnable::run_pending`] when something else gave the connection work. So a
//! handler never meets another handler's borrow, and the stack does not grow with
//! the number of connections that talk to one another.

use std::cell::{RefCell, RefMut};
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Result, fail, succeed};

use super::cold::{ColdCell, ColdState, OnClose, Opening, open_span};
use super::context::Context;
use super::flags::Flags;
use super::handle::Connection;
use super::output::MAX_DESCRIPTORS;
use super::protocol::Protocol;
use super::transport::{Close, Keys, OnOpen, Transport};
use crate::address::Address;
use crate::cancel_on_close::CancelSet;
use crate::core::{Core, Runnable};
use crate::error::{ConnectionClosed, Gone, SendDescriptorError};
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::RawStream;
use crate::mailbox::{Cause, Mailbox, MailboxOwner, MailboxStatus};
use crate::panics::contain;
use crate::poll::{Key, Ready};
use crate::registry::EventSource;
use crate::report::{Of, report};

/// One connection in the loop.
pub(crate) struct ConnectionSource<P: Protocol> {
    pub(super) transport: Transport,
    reactor: ReactorHandle,
    pub(super) mailbox: Mailbox<Self>,
    /// Input that was read and is no whole frame yet, or has to wait.
    pub(super) rest: RefCell<Vec<u8>>,
    pub(super) cold: ColdCell,
}

/// What a connection has of its user's until it is over.
pub(crate) struct Open<P: Protocol> {
    pub(super) protocol: P,
    pub(super) framing: P::Framing,
}

/// What a connection is made of, beside its protocol.
pub(crate) struct NewConnection {
    pub(crate) stream: RawStream,
    pub(crate) keys: Keys,
    pub(crate) peer: Address,
    pub(crate) on_close: Option<OnClose>,
    /// What it begins with, if anything: then `connection_made` waits.
    pub(crate) filter: Option<Box<dyn Filter>>,
    /// Called when there is a connection, if it begins with a filter.
    pub(crate) on_open: Option<OnOpen>,
}

impl NewConnection {
    /// One descriptor, or what stands for it, under one key.
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
    /// Makes the connection of what was just registered, and begins it.
    ///
    /// `add` puts it where the loop finds it. Gives the failure of
    /// `connection_made` or of making the framing, if there was one; with a filter, that
    /// goes to `on_open`.
    // Inlined: to make a connection is mostly moving its parts, which are so moved once.
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
        add(Rc::clone(&source));
        let begun = source.begin(protocol);
        (source, begun)
    }

    /// The transport is large: it is made in its place, not moved there.
    #[inline(always)]
    fn new(core: &Rc<Core>, transport: impl FnOnce() -> Transport) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            transport: transport(),
            reactor: ReactorHandle::new(core),
            mailbox: Mailbox::new(me, None),
            rest: RefCell::default(),
            cold: ColdCell::default(),
        })
    }

    /// As [`start`](Self::start): the Deferred fires when the connection is made, at once if
    /// it begins with no filter.
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
            // Errs if it was cancelled: then the connection is ending.
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

    fn open_span(&self, number: u64, on_close: Option<OnClose>) {
        let span = open_span::<P>(number, self.transport.peer());
        if span.is_some() || on_close.is_some() {
            self.with_cold(|cold| {
                cold.span = span;
                cold.on_close = on_close;
            });
        }
    }

    /// As [`start`](Self::start), with a filter: the connection begins once that is open.
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
        source.transport.flags.set(Flags::NOT_MADE);
        if let Some(filter) = filter {
            let waker = || source.filter_waker();
            source.transport.put_filter(filter, waker, on_open, None);
        }
        add(Rc::clone(&source));
        match Failure::catch(|| protocol.framing()) {
            Ok(framing) => drop(
                source
                    .mailbox
                    .open
                    .borrow_mut()
                    .insert(Open { protocol, framing }),
            ),
            Err(failure) => {
                source.transport.fail(failure);
                contain("a protocol's drop", || drop(protocol));
            }
        }
        source.settle_now();
        source
    }

    /// Calls `connection_made`, now that the filters are open.
    pub(super) fn make_connection(&self) -> Result<()> {
        self.transport.flags.clear(Flags::NOT_MADE);
        self.transport.show_peer();
        if let Some(Opening { number, on_close }) = self.cold.look(|cold| cold.opening.take()) {
            self.open_span(number, on_close);
        }
        let made = match &mut *self.mailbox.open.borrow_mut() {
            Some(open) => {
                let made = || self.guard(|cx| open.protocol.connection_made(cx));
                self.transport.unprompted(made)
            }
            None => Ok(()),
        };
        if let Err(failure) = &made {
            self.transport.fail(failure.clone());
        }
        made
    }

    /// Keeps why the filters that the connection begins with have failed.
    pub(super) fn keep_opening_failure(&self, failure: Failure) {
        self.with_cold(|cold| cold.opening_failure = Some(failure));
    }

    fn begin(&self, protocol: P) -> Result<()> {
        let framing = Failure::catch(|| protocol.framing());
        let begun = match framing {
            Ok(framing) => {
                let mut open = self.mailbox.open.borrow_mut();
                let open = open.insert(Open { protocol, framing });
                let made = || self.guard(|cx| open.protocol.connection_made(cx));
                self.transport.unprompted(made)
            }
            Err(failure) => {
                let reason = ConnectionClosed::Failed(failure.clone());
                self.transport.fail(failure.clone());
                let mut protocol = protocol;
                self.handle(|cx| {
                    protocol.connection_lost(cx, reason);
                    Ok(())
                });
                contain("a protocol's drop", || drop(protocol));
                Err(failure)
            }
        };
        if let Err(failure) = &begun {
            self.transport.fail(failure.clone());
        }
        self.settle_now();
        begun
    }

    #[inline]
    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Writes through a handle: as part of the handler that is running, if one is.
    pub(super) fn write_from_elsewhere(&self, bytes: &[u8]) {
        if self.mailbox.open.try_borrow_mut().is_err() {
            self.write(bytes);
        } else {
            self.transport.unprompted(|| self.write(bytes));
        }
    }

    /// Writes; tells a push producer in time that enough waits.
    #[inline]
    pub(super) fn write(&self, bytes: &[u8]) {
        if !self.transport.write_little(bytes) {
            self.write_much(bytes);
        }
    }

    #[inline(never)]
    fn write_much(&self, bytes: &[u8]) {
        self.transport.write_much(bytes);
        if self.transport.has_producer() {
            self.pause_producer();
        }
    }

    /// Calls `f`, which runs no code of users, with the cold state.
    pub(super) fn with_cold<R>(&self, f: impl FnOnce(&mut ColdState) -> R) -> R {
        self.transport.flags.set(Flags::HAS_COLD_STATE);
        self.cold.with(f)
    }

    /// Fires when the connection is over, with the reason.
    pub(super) fn closed(&self) -> Deferred<ConnectionClosed> {
        if self.transport.is_closed() {
            // The waiters were taken already: `connection_lost` is running, or has run.
            return fail(Gone);
        }
        self.with_cold(|cold| cold.closed.add((), || {}))
    }

    #[inline]
    pub(super) fn has_cold(&self) -> bool {
        self.transport.flags.has_any(Flags::HAS_COLD_STATE)
    }

    pub(super) fn send_descriptor(
        &self,
        descriptor: OwnedFd,
        bytes: &[u8],
    ) -> std::result::Result<(), SendDescriptorError> {
        if bytes.is_empty() {
            return Err(SendDescriptorError::NoBytes);
        }
        if !self.transport.takes_writes() {
            return Err(SendDescriptorError::Gone);
        }
        if !self.transport.carries_descriptors() {
            return Err(SendDescriptorError::NotUnix);
        }
        if self.transport.waiting_descriptors() >= MAX_DESCRIPTORS {
            return Err(SendDescriptorError::TooMany {
                limit: MAX_DESCRIPTORS,
            });
        }
        self.transport.write_with(descriptor, bytes);
        Ok(())
    }

    // --- calling the protocol ---

    #[cold]
    fn guard_in_span<R>(
        &self,
        handler: impl FnOnce(&mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        let _span = self.cold.span().map(tracing::Span::entered);
        Failure::catch(|| handler(&mut Context::new(self))).and_then(|result| result)
    }

    /// What the peer has sent is not what the framing reads: the connection ends, but it is
    /// no error of this program.
    #[cold]
    pub(super) fn input_failed(&self, failure: Failure) {
        self.transport.fail(failure.clone());
        let _span = self.cold.span().map(tracing::Span::entered);
        // The failure is of a user's framing: formatting it may panic.
        contain("the log of a failure", || {
            tracing::warn!(
                target: "reactor",
                peer = %self.transport.peer(),
                "input is no frame; its connection is closed: {failure}"
            );
            drop(failure);
        });
    }

    /// Logs a failure of the protocol.
    #[cold]
    pub(crate) fn report(&self, failure: Failure) {
        let _span = self.cold.span().map(tracing::Span::entered);
        report(&Of::Connection(self.transport.peer()), failure);
    }

    /// Deals with all that is ready but what there is to read; says whether to read that.
    #[cold]
    fn is_to_be_read(&self, ready: Ready) -> bool {
        let is_write_blocked = self.transport.is_write_blocked();
        let is_reading = self.transport.is_reading();
        if ready.is_writable() && is_write_blocked {
            self.transport.flush();
        }
        if ready.is_readable() && self.transport.is_discarding() {
            self.transport.discard_input();
        }
        if ready.is_hung_up() && !is_write_blocked && !is_reading {
            self.transport.look_into_hang_up();
        }
        // Sending may have found out that it is over.
        let is_to_be_read = ready.is_readable() && is_reading && self.transport.is_reading();
        if is_to_be_read && self.transport.flags.has_any(Flags::FILTERED) {
            self.read_filtered();
            return false;
        }
        is_to_be_read
    }

    // --- settling ---

    /// Does what is left to do: jobs, frames that had to wait, sending, ending.
    #[inline]
    pub(super) fn settle_now(&self) {
        // The usual case: there is output, and nothing else to do.
        if self.left_to_do() == Flags::HAS_OUTPUT {
            self.transport.flush();
        }
        if self.left_to_do() != Flags::NONE {
            self.settle_all();
        }
    }

    /// The flags that ask for work.
    #[inline]
    fn left_to_do(&self) -> Flags {
        self.transport
            .flags
            .get()
            .difference(Flags::IGNORED_BY_SETTLE)
    }

    #[inline(never)]
    fn settle_all(&self) {
        // A handler further up the stack has the protocol; its caller settles.
        let Ok(mut open) = self.mailbox.open.try_borrow_mut() else {
            return;
        };
        if let Some(open) = &mut *open {
            self.run_jobs(&mut open.protocol);
        }
        drop(open);
        if self.transport.flags.has_any(Flags::FILTERED) {
            self.settle_filters();
        }
        if self.transport.can_flush() {
            self.transport.flush();
        } else {
            self.transport.throttle_if_blocked();
        }
        if self.transport.flags.has_any(Flags::HAS_UNDECODED) && self.transport.takes_frames() {
            self.deliver_rest();
            if self.transport.can_flush() {
                self.transport.flush();
            }
        }
        if self.has_cold() || self.transport.is_to_be_watched() {
            self.settle_flow();
        }
        if self.transport.shut_write()
            && let Some(open) = &mut *self.mailbox.open.borrow_mut()
        {
            self.handle(|cx| open.protocol.write_closed(cx));
        }
        if self.transport.has_write_failed() {
            self.read_arrived();
        }
        if self.transport.is_alive() {
            self.transport.update_interest();
        }
        if let Some(reason) = self.transport.end() {
            self.finish(reason);
        }
    }

    /// Ends the connection: calls `connection_lost`, and drops what it has.
    #[inline(never)]
    fn finish(&self, reason: ConnectionClosed) {
        let is_cut_short = self.transport.flags.has_any(Flags::ABORTING);
        let close = match reason {
            ConnectionClosed::Failed(_) | ConnectionClosed::IdleTimeout { .. } if is_cut_short => {
                Close::Reset
            }
            ConnectionClosed::Done
            | ConnectionClosed::IdleTimeout { .. }
            | ConnectionClosed::Failed(_) => Close::InOrder,
            ConnectionClosed::Aborted | ConnectionClosed::Overflow { .. } => Close::Reset,
            ConnectionClosed::Lost(_) | ConnectionClosed::ReactorStopped => Close::AtOnce,
        };
        if self.transport.flags.has_any(Flags::FILTERED) {
            self.end_filters(&reason);
        }
        let is_made = !self.transport.flags.has_any(Flags::NOT_MADE);
        let cold = self.cold.take();
        let told = cold
            .as_ref()
            .is_some_and(|cold| cold.needs_reason())
            .then(|| reason.clone());
        let mut open: RefMut<'_, Option<Open<P>>> = self.mailbox.open.borrow_mut();
        if let Some(open) = &mut *open
            && is_made
        {
            self.run_jobs(&mut open.protocol);
            let _span = cold.as_ref().and_then(|cold| cold.span.clone());
            let _span = _span.map(tracing::Span::entered);
            self.handle(|cx| {
                open.protocol.connection_lost(cx, reason);
                Ok(())
            });
        }
        let dead = open.take();
        drop(open);
        // Keeps `self` from being dropped before the end of this.
        let me = self.mailbox.upgrade();
        self.transport.close(close);
        self.transport.core().counters.connection_lost();
        self.transport.core().is_over(self.transport.key());
        drop(self.rest.take());
        self.discard(dead);
        if let Some(cold) = cold {
            cold.finish(told);
        }
        drop(me);
    }
}

impl<P: Protocol> MailboxOwner for ConnectionSource<P> {
    type Protocol = P;
    type Open = Open<P>;
    type Context<'a> = Context<'a, P>;
    type Closed = Gone;
    type Status = Self;

    #[inline]
    fn mailbox(&self) -> &Mailbox<Self> {
        &self.mailbox
    }

    #[inline]
    fn status(&self) -> &Self {
        self
    }

    #[inline]
    fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    #[inline]
    fn context(&self) -> Context<'_, P> {
        Context::new(self)
    }

    fn closed_error() -> Gone {
        Gone
    }

    /// `Input` while a handler for input runs, or a job that has this cause.
    fn cause(&self) -> Cause {
        if self.mailbox.is_busy() && !self.transport.flags.has_any(Flags::UNPROMPTED) {
            Cause::Input
        } else {
            Cause::Other
        }
    }

    fn with_cause<R>(&self, cause: Cause, job: impl FnOnce() -> R) -> R {
        match cause {
            Cause::Input => job(),
            Cause::Other => self.transport.unprompted(job),
        }
    }

    fn touch(&self) {
        let flags = &self.transport.flags;
        if !flags.has_any(Flags::IN_RUN_QUEUE)
            && let Some(me) = self.mailbox.upgrade()
        {
            flags.set(Flags::IN_RUN_QUEUE);
            self.transport.core().run_soon(me);
        }
    }

    #[inline(always)]
    fn guard<R>(&self, handler: impl FnOnce(&mut Context<'_, P>) -> Result<R>) -> Result<R> {
        if self.has_cold() {
            return self.guard_in_span(handler);
        }
        Failure::catch(|| handler(&mut Context::new(self))).and_then(|result| result)
    }

    #[cold]
    fn handler_failed(&self, failure: Failure) {
        self.transport.fail(failure.clone());
        self.report(failure);
    }

    #[inline]
    fn run_jobs(&self, protocol: &mut P) {
        if self.transport.flags.has_any(Flags::HAS_JOBS) {
            self.run_waiting_jobs(protocol);
        }
    }
}

/// The status is in the flags, where the hot path looks at it together with the rest.
impl<P: Protocol> MailboxStatus for ConnectionSource<P> {
    fn is_closed(&self) -> bool {
        self.transport.is_closed()
    }

    fn is_queued(&self) -> bool {
        self.transport.flags.has_any(Flags::IN_RUN_QUEUE)
    }

    fn set_queued(&self, is_queued: bool) {
        self.transport.flags.set_to(Flags::IN_RUN_QUEUE, is_queued);
    }

    fn set_has_jobs(&self, has_jobs: bool) {
        self.transport.flags.set_to(Flags::HAS_JOBS, has_jobs);
    }

    fn with_cancel_set<R>(&self, f: impl FnOnce(&mut CancelSet) -> R) -> R {
        self.with_cold(|cold| f(&mut cold.cancel_on_close))
    }
}

impl<P: Protocol> EventSource for ConnectionSource<P> {
    #[inline]
    fn ready(self: Rc<Self>, ready: Ready) {
        // The usual case: there is input, and nothing else to do.
        let stands_against = Flags::NOT_READING
            .union(Flags::WRITE_BLOCKED)
            .union(Flags::FILTERED);
        let is_ordinary = ready == Ready::READABLE && !self.transport.flags.has_any(stands_against);
        if is_ordinary || self.is_to_be_read(ready) {
            self.read();
        }
        self.settle_now();
    }

    fn is_closing(&self) -> bool {
        self.transport.flags.has_any(Flags::CLOSE_AFTER_FLUSH) && self.transport.is_alive()
    }

    fn shut_down(self: Rc<Self>) {
        self.transport.abort(ConnectionClosed::ReactorStopped);
        self.settle_now();
    }
}

impl<P: Protocol> Runnable for ConnectionSource<P> {
    fn run_pending(self: Rc<Self>) {
        self.transport.flags.clear(Flags::IN_RUN_QUEUE);
        self.settle_now();
    }
}

/// A connection that has a descriptor for each direction.
pub(crate) trait Duplex {
    fn output_ready(&self);
    /// The output's other end was closed.
    fn output_broken(&self);
}

impl<P: Protocol> Duplex for ConnectionSource<P> {
    fn output_ready(&self) {
        if self.transport.is_write_blocked() {
            self.transport.flush();
        }
        self.settle_now();
    }

    fn output_broken(&self) {
        let broken = std::io::ErrorKind::BrokenPipe.into();
        self.transport.fail_with(broken);
        self.settle_now();
    }
}

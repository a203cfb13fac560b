//! The life of a connection: which handler is called when.
//!
//! ```text
//!  start ──▶ connection_made ──▶ received* ──▶ read_closed? ──▶ connection_lost
//!                  after each of them: the jobs that wait for the protocol
//! ```
//!
//! Handlers are called from the loop only: when the socket is ready, or in
//! [`Unsettled::settle`] when something else gave the connection work. So a
//! handler never meets another handler's borrow, and the stack does not grow with
//! the number of connections that talk to one another.

use std::cell::{Cell, RefCell, RefMut};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{DeferredHandle, DelayedCall, Failure, Result};

use super::context::Context;
use super::extras::Extras;
use super::protocol::Protocol;
use super::transport::{Close, Keys, Transport};
use crate::address::Address;
use crate::core::{Core, Unsettled, call};
use crate::error::{ConnectionClosed, DescriptorError};
use crate::handle::ReactorHandle;
use crate::poll::Ready;
use crate::registry::Source;
use crate::wire::Wire;

/// Work for a protocol from elsewhere.
pub(super) type Job<P> = Box<dyn FnOnce(&mut P, &mut Context<'_, P>) -> Result<()>>;

pub(crate) struct Stream<P: Protocol> {
    pub(super) transport: Transport,
    reactor: ReactorHandle,
    me: Weak<Self>,
    /// Borrowed while a handler runs. `None` once the connection is over.
    pub(super) live: RefCell<Option<Live<P>>>,
    /// What was read and is no whole frame yet, or must wait.
    pub(super) rest: RefCell<Vec<u8>>,
    pub(super) jobs: RefCell<VecDeque<Job<P>>>,
    /// What most connections have none of.
    pub(super) extras: Extras,
    /// `rest` was not looked through: there may be a frame in it.
    pub(super) rest_is_undelivered: Cell<bool>,
    /// It is in the loop's list of what is to be settled.
    is_unsettled: Cell<bool>,
}

pub(super) struct Live<P: Protocol> {
    pub(super) protocol: P,
    pub(super) framing: P::Framing,
}

/// What is to be cancelled when the connection is over.
pub(super) enum Obligation {
    Call(DelayedCall),
    Wait(DeferredHandle),
}

impl Obligation {
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Call(call) => call.is_active(),
            Self::Wait(deferred) => deferred
                .state()
                .is_some_and(|state| state != deferred::State::Done),
        }
    }

    pub(super) fn cancel(self) {
        match self {
            // It may have been made meanwhile.
            Self::Call(call) => drop(call.cancel()),
            Self::Wait(deferred) => deferred.cancel(),
        }
    }
}

/// Who is told, after the protocol, that a connection is over.
pub(crate) type OnLost = Box<dyn FnOnce(ConnectionClosed)>;

/// What a connection begins with, beside its protocol.
pub(crate) struct Beginning {
    pub(crate) wire: Wire,
    pub(crate) keys: Keys,
    pub(crate) peer: Address,
    pub(crate) on_lost: Option<OnLost>,
}

impl Beginning {
    /// One descriptor, or what stands for it, under one key.
    pub(crate) fn new(wire: Wire, key: crate::poll::Key, peer: Address) -> Self {
        Self {
            wire,
            keys: Keys::from_slice(&[key]),
            peer,
            on_lost: None,
        }
    }
}

impl<P: Protocol> Stream<P> {
    /// Makes the connection of what was just registered, and begins it.
    ///
    /// `add` puts it where the loop finds it. Gives the failure of
    /// `connection_made` or of making the framing, if there was one.
    pub(crate) fn start(
        core: &Rc<Core>,
        beginning: Beginning,
        protocol: P,
        add: impl FnOnce(Rc<Self>),
    ) -> (Rc<Self>, Result<()>) {
        let Beginning {
            wire,
            keys,
            peer,
            on_lost,
        } = beginning;
        let stream = Rc::new_cyclic(|me| Self {
            transport: Transport::new(Rc::clone(core), wire, keys, peer),
            reactor: ReactorHandle::new(core),
            me: Weak::clone(me),
            live: RefCell::new(None),
            rest: RefCell::default(),
            jobs: RefCell::default(),
            extras: Extras::default(),
            rest_is_undelivered: Cell::new(false),
            is_unsettled: Cell::new(false),
        });
        let number = core.counters.connection_made();
        stream
            .extras
            .open_span::<P>(number, stream.transport.peer());
        if let Some(on_lost) = on_lost {
            stream.extras.set_on_lost(on_lost);
        }
        add(Rc::clone(&stream));
        let begun = stream.begin(protocol);
        (stream, begun)
    }

    fn begin(&self, protocol: P) -> Result<()> {
        let framing = Failure::catch(|| protocol.framing());
        let begun = match framing {
            Ok(framing) => {
                let mut live = self.live.borrow_mut();
                let live = live.insert(Live { protocol, framing });
                self.guard(|cx| live.protocol.connection_made(cx))
            }
            Err(failure) => {
                call("a protocol's drop", || drop(protocol));
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

    pub(super) fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        Weak::clone(&self.me)
    }

    /// Sees to it that what was changed from outside a handler has its effect in
    /// this turn.
    pub(super) fn touch(&self) {
        if !self.is_unsettled.replace(true)
            && let Some(me) = self.me.upgrade()
        {
            self.transport.core().settle_soon(me);
        }
    }

    /// Queues a job for the protocol; hands it back if the connection is over.
    pub(super) fn post(&self, job: Job<P>) -> std::result::Result<(), Job<P>> {
        if self.transport.is_over() {
            return Err(job);
        }
        self.jobs.borrow_mut().push_back(job);
        self.touch();
        Ok(())
    }

    /// Has `obligation` cancelled when the connection is over, if it is open
    /// then.
    pub(super) fn oblige(&self, obligation: Obligation) {
        if self.transport.is_over() {
            return obligation.cancel();
        }
        self.extras.oblige(obligation);
    }

    pub(super) fn send_descriptor(
        &self,
        descriptor: OwnedFd,
        bytes: &[u8],
    ) -> std::result::Result<(), DescriptorError> {
        if bytes.is_empty() {
            return Err(DescriptorError::NoBytes);
        }
        if !self.transport.takes_writes() {
            return Err(DescriptorError::Gone);
        }
        if !self.transport.carries_descriptors() {
            return Err(DescriptorError::NotUnix);
        }
        self.transport.write_with(descriptor, bytes);
        Ok(())
    }

    // --- calling the protocol ---

    /// Calls a handler with a context; a panic becomes a failure.
    #[inline]
    fn guard(&self, handler: impl FnOnce(&mut Context<'_, P>) -> Result<()>) -> Result<()> {
        let _span = self.extras.span().map(tracing::Span::entered);
        Failure::catch(|| handler(&mut Context::new(self))).and_then(|result| result)
    }

    /// The same; a failure ends the connection.
    #[inline]
    pub(super) fn handle(&self, handler: impl FnOnce(&mut Context<'_, P>) -> Result<()>) {
        if let Err(failure) = self.guard(handler) {
            self.handler_failed(failure);
        }
    }

    #[cold]
    fn handler_failed(&self, failure: Failure) {
        self.transport.fail(failure.clone());
        let _span = self.extras.span().map(tracing::Span::entered);
        // What it says is other people's code.
        call("the log of a failure", || {
            tracing::warn!(
                target: "reactor",
                peer = %self.transport.peer(),
                "a protocol failed; its connection is closed: {failure:?}"
            );
            drop(failure);
        });
    }

    /// Gives the protocol the jobs that wait now; those that they post wait for
    /// the next time.
    pub(super) fn run_jobs(&self, protocol: &mut P) {
        let count = self.jobs.borrow().len();
        for _ in 0..count {
            let job = self.jobs.borrow_mut().pop_front();
            if let Some(job) = job {
                self.handle(|cx| job(protocol, cx));
            }
        }
    }

    // --- settling ---

    /// Does what is left to do: jobs, frames that had to wait, sending, ending.
    pub(super) fn settle_now(&self) {
        // Somebody further up the stack has the protocol, and will do it.
        let Ok(mut live) = self.live.try_borrow_mut() else {
            return;
        };
        if let Some(live) = &mut *live {
            self.run_jobs(&mut live.protocol);
        }
        drop(live);
        if self.transport.can_flush() {
            self.transport.flush();
        }
        if self.rest_is_undelivered.get() && self.transport.takes_frames() {
            self.take_in(&[]);
            if self.transport.can_flush() {
                self.transport.flush();
            }
        }
        if self.extras.are_any() {
            self.settle_flow();
        }
        if self.transport.finish_writing()
            && let Some(live) = &mut *self.live.borrow_mut()
        {
            self.handle(|cx| live.protocol.write_closed(cx));
        }
        if self.transport.is_alive() {
            self.transport.update_interest();
        }
        if let Some(reason) = self.transport.end() {
            self.finish(reason);
        }
    }

    /// The end: nothing that comes from the connection is heard after this.
    #[inline(never)]
    fn finish(&self, reason: ConnectionClosed) {
        let close = match reason {
            ConnectionClosed::Done | ConnectionClosed::Failed(_) => Close::InOrder,
            ConnectionClosed::Aborted | ConnectionClosed::Overflow { .. } => Close::Reset,
            ConnectionClosed::Lost(_) | ConnectionClosed::ReactorStopped => Close::AtOnce,
        };
        let extras = self.extras.take();
        let told = extras
            .as_ref()
            .is_some_and(|extras| extras.needs_reason())
            .then(|| reason.duplicate());
        let mut live: RefMut<'_, Option<Live<P>>> = self.live.borrow_mut();
        if let Some(live) = &mut *live {
            self.run_jobs(&mut live.protocol);
            let _span = extras.as_ref().and_then(|extras| extras.span.clone());
            let _span = _span.map(tracing::Span::entered);
            self.handle(|cx| {
                live.protocol.connection_lost(cx, reason);
                Ok(())
            });
        }
        let dead = live.take();
        drop(live);
        // This is kept from being dropped until the end of it.
        let me = self.me.upgrade();
        self.transport.close(close);
        self.transport.core().counters.connection_lost();
        drop(self.rest.take());
        call("a job of a closed connection", || drop(self.jobs.take()));
        call("a protocol's drop", || drop(dead));
        if let Some(extras) = extras {
            extras.finish(told);
        }
        drop(me);
    }
}

impl<P: Protocol> Source for Stream<P> {
    fn ready(self: Rc<Self>, ready: Ready) {
        let is_stuck = self.transport.is_stuck();
        let is_reading = self.transport.is_reading();
        if ready.writable && is_stuck {
            self.transport.flush();
        }
        if ready.readable && is_reading && self.transport.is_reading() {
            self.read();
        }
        if ready.hung_up && !is_stuck && !is_reading {
            self.transport.look_into_hang_up();
        }
        self.settle_now();
    }

    fn shut_down(self: Rc<Self>) {
        self.transport.abort(ConnectionClosed::ReactorStopped);
        self.settle_now();
    }
}

impl<P: Protocol> Unsettled for Stream<P> {
    fn settle(self: Rc<Self>) {
        self.is_unsettled.set(false);
        self.settle_now();
    }
}

/// A connection whose directions are told of apart.
pub(crate) trait Duplex {
    fn input_ready(&self);
    fn output_ready(&self);
    /// Nobody reads what is written.
    fn output_broken(&self);
}

impl<P: Protocol> Duplex for Stream<P> {
    fn input_ready(&self) {
        if self.transport.is_reading() {
            self.read();
        }
        self.settle_now();
    }

    fn output_ready(&self) {
        if self.transport.is_stuck() {
            self.transport.flush();
        }
        self.settle_now();
    }

    fn output_broken(&self) {
        let broken = std::io::ErrorKind::BrokenPipe.into();
        self.transport.abort(ConnectionClosed::Lost(broken));
        self.settle_now();
    }
}

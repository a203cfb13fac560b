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
use std::rc::{Rc, Weak};

use deferred::{DeferredHandle, DelayedCall, Failure, Result};

use super::context::Context;
use super::protocol::Protocol;
use super::transport::{Close, Transport};
use crate::address::Address;
use crate::core::{Core, Unsettled, call};
use crate::error::ConnectionClosed;
use crate::framing::{Decoded, Framing};
use crate::handle::ReactorHandle;
use crate::poll::{Ready, Registration};
use crate::registry::Source;

/// Work for a protocol from elsewhere.
pub(super) type Job<P> = Box<dyn FnOnce(&mut P, &mut Context<'_, P>) -> Result<()>>;

/// How often a socket that always has more is read before others have their turn.
const READS_PER_TURN: usize = 4;

pub(crate) struct Stream<P: Protocol> {
    transport: Transport,
    reactor: ReactorHandle,
    me: Weak<Self>,
    /// Borrowed while a handler runs. `None` once the connection is over.
    live: RefCell<Option<Live<P>>>,
    /// What was read and is no whole frame yet, or must wait.
    rest: RefCell<Vec<u8>>,
    jobs: RefCell<VecDeque<Job<P>>>,
    obligations: RefCell<Obligations>,
    /// `rest` was not looked through: there may be a frame in it.
    rest_is_undelivered: Cell<bool>,
    /// It is in the loop's list of what is to be settled.
    is_unsettled: Cell<bool>,
}

struct Live<P: Protocol> {
    protocol: P,
    framing: P::Framing,
}

/// What is to be cancelled when the connection is over.
#[derive(Default)]
struct Obligations {
    list: Vec<Obligation>,
    /// At this length, those that are done with are sorted out.
    sort_out_at: usize,
}

pub(super) enum Obligation {
    Call(DelayedCall),
    Wait(DeferredHandle),
}

impl Obligation {
    fn is_open(&self) -> bool {
        match self {
            Self::Call(call) => call.is_active(),
            Self::Wait(deferred) => deferred
                .state()
                .is_some_and(|state| state != deferred::State::Done),
        }
    }

    fn cancel(self) {
        match self {
            // It may have been made meanwhile.
            Self::Call(call) => drop(call.cancel()),
            Self::Wait(deferred) => deferred.cancel(),
        }
    }
}

impl<P: Protocol> Stream<P> {
    /// Makes the connection of a socket that was just registered, and begins it.
    ///
    /// `add` puts it where the loop finds it. Gives the failure of
    /// `connection_made` or of making the framing, if there was one.
    pub(crate) fn start(
        core: &Rc<Core>,
        registration: Registration,
        peer: Address,
        protocol: P,
        add: impl FnOnce(Rc<dyn Source>),
    ) -> (Rc<Self>, Result<()>) {
        let stream = Rc::new_cyclic(|me| Self {
            transport: Transport::new(Rc::clone(core), registration, peer),
            reactor: ReactorHandle::new(core),
            me: Weak::clone(me),
            live: RefCell::new(None),
            rest: RefCell::default(),
            jobs: RefCell::default(),
            obligations: RefCell::default(),
            rest_is_undelivered: Cell::new(false),
            is_unsettled: Cell::new(false),
        });
        let source: Rc<dyn Source> = Rc::<Self>::clone(&stream);
        add(source);
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
        let mut obligations = self.obligations.borrow_mut();
        if obligations.list.len() >= obligations.sort_out_at.max(8) {
            obligations.list.retain(Obligation::is_open);
            obligations.sort_out_at = 2 * obligations.list.len();
        }
        obligations.list.push(obligation);
    }

    // --- calling the protocol ---

    /// Calls a handler with a context; a panic becomes a failure.
    fn guard(&self, handler: impl FnOnce(&mut Context<'_, P>) -> Result<()>) -> Result<()> {
        Failure::catch(|| handler(&mut Context::new(self))).and_then(|result| result)
    }

    /// The same; a failure ends the connection.
    fn handle(&self, handler: impl FnOnce(&mut Context<'_, P>) -> Result<()>) {
        if let Err(failure) = self.guard(handler) {
            self.transport.fail(failure.clone());
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
    }

    /// Gives the protocol the jobs that wait now; those that they post wait for
    /// the next time.
    fn run_jobs(&self, protocol: &mut P) {
        let count = self.jobs.borrow().len();
        for _ in 0..count {
            let job = self.jobs.borrow_mut().pop_front();
            if let Some(job) = job {
                self.handle(|cx| job(protocol, cx));
            }
        }
    }

    // --- reading ---

    fn read(&self) {
        let mut buffer = self.transport.core().take_read_buffer();
        for _ in 0..READS_PER_TURN {
            match self.transport.receive(&mut buffer) {
                Ok(None) => break,
                Ok(Some(0)) => {
                    self.end_of_reading();
                    break;
                }
                Ok(Some(received)) => {
                    self.take_in(&buffer[..received]);
                    if received < buffer.len() || !self.transport.is_reading() {
                        break;
                    }
                }
                Err(error) => {
                    self.transport.abort(ConnectionClosed::Lost(error));
                    break;
                }
            }
        }
        self.transport.core().return_read_buffer(buffer);
    }

    /// Delivers what `bytes` and the rest before them hold; keeps what is left.
    fn take_in(&self, bytes: &[u8]) {
        let mut live = self.live.borrow_mut();
        let Some(live) = &mut *live else {
            return;
        };
        let mut rest = self.rest.take();
        if rest.is_empty() {
            let consumed = self.deliver(live, bytes);
            if consumed == bytes.len() {
                return;
            }
            rest.extend_from_slice(&bytes[consumed..]);
        } else {
            rest.extend_from_slice(bytes);
            let consumed = self.deliver(live, &rest);
            rest.drain(..consumed);
        }
        if rest.is_empty() || !self.transport.is_open() {
            // Nothing to keep, not even the room.
            rest = Vec::new();
        }
        self.rest.replace(rest);
    }

    /// Delivers the frames in `input`, as long as they are wanted; gives how many
    /// bytes they took.
    fn deliver(&self, live: &mut Live<P>, input: &[u8]) -> usize {
        let mut consumed = 0;
        loop {
            let must_wait = !self.transport.takes_frames();
            self.rest_is_undelivered.set(must_wait);
            if must_wait {
                return consumed;
            }
            let Live { protocol, framing } = live;
            let rest = &input[consumed..];
            let mut progress = 0;
            self.handle(|cx| match framing.decode(rest)? {
                Decoded::Incomplete => Ok(()),
                Decoded::Frame { frame, consumed } => {
                    if consumed == 0 || consumed > rest.len() {
                        return Err(Failure::new(BadFraming));
                    }
                    progress = consumed;
                    protocol.received(cx, frame)
                }
            });
            if progress == 0 {
                return consumed;
            }
            consumed += progress;
            if !self.jobs.borrow().is_empty() {
                self.run_jobs(protocol);
            }
            if consumed == input.len() {
                // A frame takes at least one byte, so there is none left.
                return consumed;
            }
        }
    }

    fn end_of_reading(&self) {
        self.transport.set_at_end();
        if let Some(live) = &mut *self.live.borrow_mut() {
            self.handle(|cx| live.protocol.read_closed(cx));
        }
    }

    // --- settling ---

    /// Does what is left to do: jobs, frames that had to wait, sending, ending.
    fn settle_now(&self) {
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
        if self.transport.is_alive() {
            self.transport.update_interest();
        }
        if let Some(reason) = self.transport.end() {
            self.finish(reason);
        }
    }

    /// The end: nothing that comes from the connection is heard after this.
    fn finish(&self, reason: ConnectionClosed) {
        let close = match reason {
            ConnectionClosed::Done | ConnectionClosed::Failed(_) => Close::InOrder,
            ConnectionClosed::Aborted | ConnectionClosed::Overflow { .. } => Close::Reset,
            ConnectionClosed::Lost(_) | ConnectionClosed::ReactorGone => Close::AtOnce,
        };
        let mut live: RefMut<'_, Option<Live<P>>> = self.live.borrow_mut();
        if let Some(live) = &mut *live {
            self.run_jobs(&mut live.protocol);
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
        drop(self.rest.take());
        for obligation in self.obligations.take().list {
            obligation.cancel();
        }
        call("a job of a closed connection", || drop(self.jobs.take()));
        call("a protocol's drop", || drop(dead));
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
        self.transport.abort(ConnectionClosed::ReactorGone);
        self.settle_now();
    }
}

impl<P: Protocol> Unsettled for Stream<P> {
    fn settle(self: Rc<Self>) {
        self.is_unsettled.set(false);
        self.settle_now();
    }
}

/// A framing gave a frame of no bytes, or of more than there were.
#[derive(Clone, Copy, Debug)]
struct BadFraming;

impl std::fmt::Display for BadFraming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the framing gave a frame of no bytes, or of more bytes than there were")
    }
}

impl std::error::Error for BadFraming {}
